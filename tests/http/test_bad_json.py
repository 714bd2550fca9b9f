"""Bodies with anything wrong in them: 400 that points at something that is there, or a value (CORE 12)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.domain.catalogue import PurposeInput
from consent_service.domain.catalogue_checks import check_content
from consent_service.domain.errors import ConsentError, InvalidRequest, InvalidValue
from consent_service.domain.values import Command
from consent_service.http import examples
from consent_service.http.commands import CommandBody, DecisionsBody, read_command
from consent_service.http.json_body import read_json
from consent_service.http.permissions import PermissionsBody
from consent_service.http.problems import problem_body
from consent_service.http.subjects import IdentifiersBody
from tests.mutations import HARD, Group, mutated, outcome, replaced, tree, write
from tests.soak import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(soak(180, 900))]

BODIES: list[tuple[Any, Any]] = [
    (CommandBody, {**examples.COMMAND, "evidence": {"form": ["footer", {"page": 1}]}}),
    (DecisionsBody, examples.DECISIONS),
    (IdentifiersBody, examples.IDENTIFIERS),
    (PermissionsBody, examples.QUERIES),
    (PurposeInput, {**examples.PURPOSE_INPUT, "policy_facts": {"a": [{"b/c": 1}]}}),
]


def leads_somewhere(pointer: str, text: str) -> bool:
    """Whether all but its last step is there; the last may be a field that is missing. What is no JSON has no places."""
    try:
        places = [json.loads(text, object_pairs_hook=Group)]
    except (ValueError, RecursionError):
        return True
    assert pointer == "" or pointer.startswith("/")
    for step in pointer.split("/")[1:-1]:
        name = step.replace("~1", "/").replace("~0", "~")
        places = [found for place in places for found in members(place, name)]
    return bool(places)


def members(value: Any, name: str) -> list[Any]:
    """All that an object has under this name, or an array's item."""
    if isinstance(value, Group):
        return [member for known, member in value if known == name]
    return (
        [value[int(name)]] if isinstance(value, list) and name.isdecimal() and int(name) < len(value) else []
    )


each_body = pytest.mark.parametrize(("kind", "example"), BODIES, ids=[kind.__name__ for kind, _ in BODIES])


@each_body
def test_a_hard_value_anywhere_is_read_or_refused_where_it_stands(kind: Any, example: Any) -> None:
    for hard in HARD:
        for changed in replaced(tree(example), hard):
            check(kind, write(changed))


@each_body
@given(data=st.data())
@settings(max_examples=soak(80, 1_600), deadline=None, derandomize=bool(soak(1, 0)), print_blob=True)
def test_a_body_is_read_or_refused_where_its_fault_lies(kind: Any, example: Any, data: st.DataObject) -> None:
    check(kind, write(data.draw(mutated(example))))


def check(kind: Any, text: str) -> None:
    for fault in faults(kind, text.encode("utf-8", "surrogatepass")):
        assert isinstance(fault, InvalidRequest | InvalidValue)
        assert fault.pointer is not None
        # The decoder's words cannot be told from a name with backticks in it.
        assert "`" in text or leads_somewhere(fault.pointer, text), (fault.pointer, text[:1_000])
        assert json.loads(problem_body(fault))["detail"]


def faults(kind: Any, body: bytes) -> list[ConsentError]:
    """What reading the body finds wrong, also in what its type leaves open."""
    value = outcome(InvalidRequest, read_json, body, msgspec.json.Decoder(kind))
    if isinstance(value, CommandBody):
        value = outcome(ConsentError, read_command, value, "newsletter", Command.GRANT)
    if isinstance(value, PurposeInput):
        return check_content(value)
    return [value] if isinstance(value, ConsentError) else []


@given(st.binary(max_size=60) | st.text('{}[]:,"\\u0d8tfn1e-. ', max_size=60).map(str.encode))
@settings(max_examples=soak(200, 4_000), deadline=None, derandomize=bool(soak(1, 0)), print_blob=True)
def test_bytes_that_are_no_body_are_refused(body: bytes) -> None:
    for kind, _ in BODIES:
        found = outcome(InvalidRequest, read_json, body, msgspec.json.Decoder(kind))
        assert isinstance(found, (kind, InvalidRequest))
