"""Trees of JSON values with something wrong in them: a value replaced, removed, doubled, nested, or made huge."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


def outcome(refusal: type[E], read: Callable[..., T], *arguments: Any) -> T | E:
    """What was read, or the refusal; anything else that is raised passes."""
    try:
        return read(*arguments)
    except refusal as refused:
        return refused


@dataclass(frozen=True)
class Raw:
    """Text that stands as it is where a value should."""

    text: str


class Group(list[tuple[str, Any]]):
    """An object's members, of which two may have one name."""


def tree(value: Any) -> Any:
    """A JSON value with its objects as groups."""
    if isinstance(value, dict):
        return Group((name, tree(member)) for name, member in value.items())
    return [tree(item) for item in value] if isinstance(value, list | tuple) else value


def write(value: Any) -> str:
    """As JSON, which is YAML too."""
    if isinstance(value, Group):
        return "{" + ", ".join(f"{json.dumps(name)}: {write(member)}" for name, member in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(write(item) for item in value) + "]"
    return value.text if isinstance(value, Raw) else json.dumps(value)


#: Values that readers of JSON, of YAML, or of the texts in them tend to stumble over.
HARD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**400, "", " ", "true", "1", "\0", "\ud800", "\U0001f642", "x" * 10_000),
    *([], [[]], [None], Group(), Group([("", None)]), Group([("a", 1), ("a", 2)]), Group([("\ud800", "\0")])),
    *(
        Raw(text)
        for text in ("NaN", "-Infinity", "01", "1e999", "'a'", '"\\x"', "", "1 1", "{1: 2}", "\ufeff")
    ),
    *(Raw("[" * depth + "1" + "]" * depth) for depth in (20, 480, 900, 5_000)),
    *(Raw('{"a":' * depth + "1" + "}" * depth) for depth in (20, 480, 900, 5_000)),
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59.999999Z",
)
names = st.text(max_size=5) | st.sampled_from(
    ["", "a/b", "~", "a.b", "[0]", "\0", "\ud800", "slug", "version"]
)
_leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20))
_groups = st.lists(st.tuples(names, _leaves), max_size=3).map(Group)
# Copied, since what is drawn is changed further.
junk = st.sampled_from(HARD).map(deepcopy) | _leaves | _groups | st.lists(_leaves | _groups, max_size=3)


def replaced(value: Any, new: Any) -> Iterator[Any]:
    """This value with `new` in each place in turn, the outermost first."""
    yield new
    if isinstance(value, Group):
        for place, (name, member) in enumerate(value):
            for changed in replaced(member, new):
                yield Group([*value[:place], (name, changed), *value[place + 1 :]])
    elif isinstance(value, list):
        for place, item in enumerate(value):
            for changed in replaced(item, new):
                yield [*value[:place], changed, *value[place + 1 :]]


def _nodes(value: Any) -> list[Any]:
    """Every list and group that holds something."""
    if not isinstance(value, list) or not value:
        return []
    members = [item[1] for item in value] if isinstance(value, Group) else value
    return [value, *(node for member in members for node in _nodes(member))]


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """This value with one to three things wrong."""
    changed = tree(value)
    for _ in range(draw(st.integers(1, 3))):
        nodes = _nodes(changed)
        if not nodes:
            return draw(junk)
        node = draw(st.sampled_from(nodes))
        place = draw(st.integers(0, len(node) - 1))
        name, member = node[place] if isinstance(node, Group) else ("", node[place])
        match draw(st.sampled_from(["replace", "remove", "double", "nest", "add", "rename"])):
            case "replace":
                new = draw(junk)
            case "nest":
                new = draw(st.sampled_from([[member], Group([(name, member)])]))
            case "double":
                node.insert(draw(st.integers(0, len(node))), node[place])
                continue
            case "remove":
                del node[place]
                continue
            case "add":
                added = draw(junk)
                node.append((draw(names), added) if isinstance(node, Group) else added)
                continue
            case _:
                name, new = draw(names), member
        node[place] = (name, new) if isinstance(node, Group) else new
    return changed
