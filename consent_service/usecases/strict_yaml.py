"""YAML as our files may use it: one document of lists, groups and texts, no aliases, no tags, bounded."""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

SIZE_MAX = 1024 * 1024
_DEPTH_MAX = 20
#: The tag of a node that stands for something refused; the fault is told already.
REFUSED = "refused"

#: What the parser says | what it means to the writer.
_MEANINGS = {
    "mapping values are not allowed": "A colon stands where no field can begin; is a text meant? Quote it.",
    "found character '\\t'": "A tab stands here; indent with blanks.",
    "cannot start any token": "No text begins with this character; put the text in quotes.",
    "could not find expected ':'": "A field's name must be followed by a colon and a blank.",
    "expected <block end>": "The indentation does not fit the lines above.",
    "expected ',' or ']'": "A list that begins with [ is not closed with ].",
    "expected ',' or '}'": "A group that begins with { is not closed with }.",
    "expected the node content": "A value is missing here, or [ or { above is not closed.",
    "expected a single document": "A file holds one document; take out the line ---.",
    "while scanning a quoted scalar": "A quoted text is not closed.",
    "while scanning a double-quoted scalar": "In double quotes \\ begins an escape; use single quotes.",
}


class Fault(NamedTuple):
    """What is wrong, on which line (from 1), in which field (empty: the file as a whole)."""

    line: int
    path: str
    message: str


class _TooDeep(Exception):
    pass


class _Loader(yaml.SafeLoader):
    """Composes nodes and notes what our files do without; their value is taken as if it were not there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.faults: list[Fault] = []
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            self._note(line, f"References such as *{event.anchor} are not allowed; write the text out.")
            return _refused(event)
        if event.anchor is not None:
            self._note(
                line, f"Names for references such as &{event.anchor} are not allowed; write the text out."
            )
            event.anchor = None
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._note(line, f"Tags such as {tag} are not allowed; put a text in quotes instead.")
            event.tag, event.implicit = None, (True, True)
        if self._depth > _DEPTH_MAX:
            self._note(line, "This is nested too deeply.")
            raise _TooDeep
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _note(self, line: int, message: str) -> None:
        self.faults.append(Fault(line, "", message))


def _refused(event: Any) -> yaml.ScalarNode:
    return yaml.ScalarNode(REFUSED, "", event.start_mark, event.end_mark)


def line_of(node: yaml.Node) -> int:
    """The line on which a node begins, from 1."""
    return int(node.start_mark.line) + 1


def compose(text: str | bytes) -> tuple[yaml.Node | None, list[Fault]]:
    """The file's root with what is wrong so far; no root where the text cannot be read on."""
    if len(text) > SIZE_MAX:
        return None, [Fault(1, "", f"The file is larger than {SIZE_MAX // 1024} KiB.")]
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return None, [Fault(line, "", "The file must be saved as UTF-8 text.")]
    try:
        loader = _Loader(decoded)
    except yaml.reader.ReaderError as error:
        line = decoded[: error.position].count("\n") + 1
        return None, [Fault(line, "", "A character stands here that cannot be shown.")]
    try:
        root = loader.get_single_node()
    except _TooDeep:
        return None, loader.faults
    except yaml.MarkedYAMLError as error:
        return None, [*loader.faults, _syntax_fault(error)]
    except (ValueError, OverflowError):
        # The parser does not look at the size of a version or of an escape such as \UFFFFFFFF.
        return None, [*loader.faults, Fault(loader.line + 1, "", "A number stands here that is too large.")]
    finally:
        loader.dispose()
    if root is None:
        return None, [Fault(1, "", "The file is empty.")]
    return root, loader.faults


def _syntax_fault(error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    said = f"{error.context or ''} {error.problem or ''}"
    meaning = next((meaning for words, meaning in _MEANINGS.items() if words in said), said.strip())
    return Fault(mark.line + 1 if mark else 1, "", meaning)
