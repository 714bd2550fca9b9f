"""A file that people write: YAML text to structs, strictly, every fault told with its line and field.

Texts are taken as they are written: `NO` is Norway, `2019-09-15` a text. A value is true, false or null only
where the field wants it.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from consent_service.domain.catalogue_checks import escape
from consent_service.domain.errors import ConsentError
from consent_service.usecases.strict_yaml import REFUSED, Fault, compose, line_of

#: What more a struct must be: its faults, whose pointers begin at the struct. A name stands once in a list of these.
Checks = Mapping[type, Callable[[Any], list[ConsentError]]]

#: The fields by which people name an item of a list.
_NAMING = ("slug", "key", "issuer")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "false": False}
_LIKE_BOOLEANS = frozenset(
    {"yes", "no", "on", "off", "Yes", "No", "On", "Off", "True", "False", "TRUE", "FALSE"}
)
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,14})")


class Place(NamedTuple):
    """Where something stands: the line from 1, and the way there in a privacy officer's words."""

    line: int
    path: str


class FileFaults(Exception):
    """Every fault of a file, by line. As text: a line each, `file:line: field: message`."""

    def __init__(self, name: str, faults: list[Fault]) -> None:
        self.name = name
        self.faults = faults
        super().__init__("\n".join(tell(name, fault) for fault in faults))


def tell(name: str, fault: Fault) -> str:
    """A fault as editors and terminals know it."""
    path = f"{fault.path}: " if fault.path else ""
    return f"{name}:{fault.line}: {path}{fault.message}"


def read_strictly(text: str | bytes, name: str, wanted: Any, checks: Checks) -> tuple[Any, dict[str, Place]]:
    """The text as `wanted` (a struct, or a tuple of structs), and where everything stands, by JSON pointer.

    Raises FileFaults with everything that is wrong at once.
    """
    root, faults = compose(text)
    if root is None:
        raise FileFaults(name, faults)
    reader = _Reader(faults, checks)
    value = reader.read(root, wanted, "", Place(1, ""))
    if faults:
        raise FileFaults(name, sorted(faults, key=lambda fault: fault.line))
    return value, reader.places


def locate(places: dict[str, Place], pointer: str) -> Place:
    """The place of a pointer, or of the nearest thing around it that the file has."""
    steps: list[str] = []
    while pointer not in places and pointer:
        pointer, _, step = pointer.rpartition("/")
        steps.insert(0, step.replace("~1", "/").replace("~0", "~"))
    around = places.get(pointer, Place(1, ""))
    return Place(around.line, ".".join([around.path, *steps] if around.path else steps))


@cache
def _hints(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Types of a struct's fields, the naming one first."""
    hints = get_type_hints(struct)
    names = sorted(struct.__struct_fields__, key=lambda name: name not in _NAMING)
    return {name: hints[name] for name in names}


class _Reader:
    """Turns nodes into values. `msgspec.UNSET` stands for what is faulty, so that the rest is read too."""

    def __init__(self, faults: list[Fault], checks: Checks) -> None:
        self.faults = faults
        self.places: dict[str, Place] = {}
        self._checks = checks

    def read(self, node: yaml.Node, wanted: Any, pointer: str, place: Place) -> Any:
        self.places[pointer] = place
        if node.tag == REFUSED:
            return msgspec.UNSET
        if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
            return self._struct(node, wanted, pointer, place)
        if get_origin(wanted) is tuple:
            return self._list(node, get_args(wanted)[0], pointer, place)
        if get_origin(wanted) is dict:
            return self._dict(node, get_args(wanted)[1], pointer, place)
        if wanted is Any:
            return self._any(node, pointer, place)
        if get_origin(wanted) not in (Union, types.UnionType):
            return self._scalar(node, (wanted,), place)
        lists = [one for one in get_args(wanted) if get_origin(one) is tuple]
        if lists and isinstance(node, yaml.SequenceNode):
            return self._list(node, get_args(lists[0])[0], pointer, place)
        return self._scalar(node, get_args(wanted), place)

    def _fault(self, place: Place, message: str) -> Any:
        self.faults.append(Fault(place.line, place.path, message))
        return msgspec.UNSET

    def _pairs(self, node: yaml.Node, place: Place) -> Iterator[tuple[str, Place, yaml.Node]]:
        """Each key with its place and value; keys that are no text, and repeated ones, are faults."""
        seen: dict[str, int] = {}
        assert isinstance(node, yaml.MappingNode)
        for key, value in node.value:
            line = line_of(key)
            if not isinstance(key, yaml.ScalarNode):
                self._fault(Place(line, place.path), "A field's name must be plain text.")
                continue
            name: str = key.value
            here = Place(line, f"{place.path}.{name}" if place.path else name)
            if name in seen:
                self._fault(here, f"This field stands here twice; the first is on line {seen[name]}.")
                continue
            seen[name] = line
            yield name, here, value

    def _struct(self, node: yaml.Node, wanted: type[msgspec.Struct], pointer: str, place: Place) -> Any:
        hints = _hints(wanted)
        if not isinstance(node, yaml.MappingNode):
            return self._fault(
                place, f"This must be a group of fields ({', '.join(hints)}), not {_kind(node)}."
            )
        values: dict[str, Any] = {}
        for name, here, value in self._pairs(node, place):
            if name in hints:
                values[name] = self.read(value, hints[name], f"{pointer}/{escape(name)}", here)
            else:
                values[name] = self._fault(here, _unknown(name, hints))
        for field in msgspec.structs.fields(wanted):
            if field.required and field.name not in values:
                values[field.name] = self._fault(place, f"The field `{field.name}` is missing.")
        if any(value is msgspec.UNSET for value in values.values()):
            return msgspec.UNSET
        entry = wanted(**values)
        for refusal in self._checks[wanted](entry) if wanted in self._checks else ():
            self._fault(locate(self.places, f"{pointer}{refusal.pointer}"), refusal.detail)
        return entry

    def _list(self, node: yaml.Node, wanted: Any, pointer: str, place: Place) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return self._fault(
                place, f"This must be a list (lines that begin with -, or [a, b]), not {_kind(node)}."
            )
        values: list[Any] = []
        names: dict[str, int] = {}
        for number, item in enumerate(node.value):
            name = _name_of(item)
            here = Place(line_of(item), f"{place.path}[{name or number + 1}]")
            values.append(self.read(item, wanted, f"{pointer}/{number}", here))
            if name and wanted in self._checks and name in names:
                self._fault(here, f"`{name}` stands here twice; the first is on line {names[name]}.")
            names.setdefault(name or "", here.line)
        return msgspec.UNSET if msgspec.UNSET in values else tuple(values)

    def _dict(self, node: yaml.Node, wanted: Any, pointer: str, place: Place) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return self._fault(place, f"This must be a group of `name: value` lines, not {_kind(node)}.")
        values = {
            name: self.read(value, wanted, f"{pointer}/{escape(name)}", here)
            for name, here, value in self._pairs(node, place)
        }
        return msgspec.UNSET if msgspec.UNSET in values.values() else values

    def _any(self, node: yaml.Node, pointer: str, place: Place) -> Any:
        """A fact of no fixed form: text, true, false, null, a whole number, or a list or group of these."""
        if isinstance(node, yaml.SequenceNode):
            return self._list(node, Any, pointer, place)
        if isinstance(node, yaml.MappingNode):
            return self._dict(node, Any, pointer, place)
        if _is_plain(node) and _INTEGER.fullmatch(node.value):
            return int(node.value)
        return self._scalar(node, (bool, str, type(None)), place)

    def _scalar(self, node: yaml.Node, wanted: tuple[Any, ...], place: Place) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return self._fault(place, f"This must be {_words(wanted)}, not {_kind(node)}.")
        text: str = node.value
        is_plain = _is_plain(node)
        if is_plain and text in _NULLS:
            if type(None) in wanted:
                return None
            return self._fault(place, f"This is empty; it must be {_words(wanted)}.")
        if bool in wanted and is_plain and text in _BOOLEANS:
            return _BOOLEANS[text]
        if bool in wanted and is_plain and text in _LIKE_BOOLEANS:
            quotes = ", or put it in quotes if it is meant as text" if str in wanted else ""
            return self._fault(place, f"Write true or false, not {text}{quotes}.")
        if str in wanted:
            if is_plain and text in _BOOLEANS:
                return self._fault(place, f"This must be text; put {text} in quotes if it is meant so.")
            return text
        return self._of_kind(text, wanted, place)

    def _of_kind(self, text: str, wanted: tuple[Any, ...], place: Place) -> Any:
        for kind in wanted:
            if kind is datetime:
                return _time(text) or self._fault(place, f"This must be {_words(wanted)}, not {text}.")
            if isinstance(kind, type) and issubclass(kind, StrEnum):
                if text in list(kind):
                    return kind(text)
                return self._fault(
                    place, f"This must be {_words(wanted)}, not {text}.{_nearest(text, list(kind))}"
                )
        return self._fault(place, f"This must be {_words(wanted)}, not {text}.")


def _is_plain(node: yaml.Node) -> bool:
    """Whether a scalar is written without quotes and without | or >."""
    return isinstance(node, yaml.ScalarNode) and node.style is None


def _name_of(item: yaml.Node) -> str | None:
    if not isinstance(item, yaml.MappingNode):
        return None
    named = {
        key.value: value.value
        for key, value in item.value
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)
    }
    return next((named[name] for name in _NAMING if named.get(name)), None)


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a group of fields"
    return "empty" if _is_plain(node) and node.value in _NULLS else f"the text {node.value[:40]!r}"


def _words(wanted: tuple[Any, ...]) -> str:
    names: list[str] = []
    for kind in wanted:
        if kind is str:
            names.append("text")
        elif kind is bool:
            names.append("true or false")
        elif kind is datetime:
            names.append("a time with its zone such as 2026-01-31T00:00:00Z")
        elif get_origin(kind) is tuple:
            names.append("a list")
        elif kind is not type(None):
            words = list(kind)
            names.append(f"one of {', '.join(words)}" if len(words) > 1 else words[0])
    return " or ".join(names)


def _unknown(name: str, hints: dict[str, Any]) -> str:
    return f"There is no such field.{_nearest(name, list(hints))} The fields here are {', '.join(hints)}."


def _nearest(text: str, known: list[str]) -> str:
    near = get_close_matches(text, known, n=1)
    return f" Did you mean {near[0]}?" if near else ""
