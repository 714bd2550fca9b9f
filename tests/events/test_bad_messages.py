"""Kafka messages with anything wrong in them: read for what they are, or not understood; nothing else is raised.

Both readers of each kind, the service's and that of the client package, which share no code.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from consent_client import errors as client_errors
from consent_client.wire import reading
from consent_client.wire.envelope import type_of as client_type_of
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message as Protobuf
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.events.wire import consume
from consent_service.events.wire.acknowledgements import read_acknowledgement
from consent_service.events.wire.heartbeats import read_heartbeat
from consent_service.events.wire.messages import NotUnderstood, type_of
from consent_service.events.wire.notices import read_notice
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from tests.events.samples import GOLDEN
from tests.events.wire import encoded, sent
from tests.mutations import outcome
from tests.soak import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(soak(180, 1_800))]

many = settings(max_examples=soak(150, 3_000), deadline=None, derandomize=bool(soak(1, 0)), print_blob=True)

Read = Callable[[Any], Any]
#: By the type in the message's header: what it holds, and who reads it.
READERS: dict[str, tuple[type[Protobuf], list[Read]]] = {
    "consent.changed.v1": (pb.ConsentChange, [consume.read_change, reading.read_change]),
    "consent.state.v1": (pb.ConsentState, [consume.read_state, reading.read_state]),
    "consent.purpose.published.v1": (pb.PurposePublished, [consume.read_purpose, reading.read_purpose]),
    "consent.heartbeat.v1": (pb.Heartbeat, [read_heartbeat, reading.read_heartbeat]),
    "consent.renewal_due.v1": (pb.RenewalDue, [read_notice]),
    "consent.identifier_linked.v1": (pb.IdentifierChanged, [read_notice]),
    "consent.identifier_removed.v1": (pb.IdentifierChanged, [read_notice]),
    "consent.recipient_late.v1": (pb.RecipientLate, [read_notice]),
    "consent.acknowledged.v1": (pb.Acknowledgement, [read_acknowledgement]),
}
SAMPLES: dict[str, list[Any]] = {}
for _, event, traceparent in GOLDEN:
    message = sent(encoded(event, traceparent))
    SAMPLES.setdefault(str(type_of(message)), []).append(message)

REFUSALS = (NotUnderstood, client_errors.NotUnderstood)
each_kind = pytest.mark.parametrize("kind", READERS)
texts = st.text(max_size=20) | st.sampled_from(
    ["", "\0", "x" * 10_000, "ansettr", str(UUID(int=7)), "{" + str(UUID(int=7)) + "}"]
)
integers = (
    st.sampled_from([0, 1, 7, 8, 99, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, -(2**63), 2**64 - 1])
    | st.integers()
)


def check(message: Any, kind: str) -> None:
    """Every reader reads it or says that it does not understand."""
    for read in READERS[kind][1]:
        found = outcome(Exception, read, message)
        if isinstance(found, Exception):
            assert isinstance(found, REFUSALS), found
            assert str(found)
            assert "\0" not in str(found)
    assert type_of(message) == client_type_of(message)


def test_every_kind_has_samples_that_are_understood() -> None:
    assert set(READERS) == set(SAMPLES) - {"consent.dead_letter.v1"}
    for kind, (_, readers) in READERS.items():
        for message in SAMPLES[kind]:
            for read in readers:
                assert not isinstance(outcome(Exception, read, message), Exception), (kind, read)


@st.composite
def changed_field(draw: st.DrawFn, kind: str) -> Any:
    """A sample of which one field, at any depth, holds something else."""
    sample = draw(st.sampled_from(SAMPLES[kind]))
    whole = READERS[kind][0].FromString(sample.value)
    part = whole
    while True:
        field: Any = draw(st.sampled_from(list(part.DESCRIPTOR.fields)))
        if field.type == FieldDescriptor.TYPE_MESSAGE and not field.is_repeated and draw(st.booleans()):
            part = getattr(part, field.name)
            part.SetInParent()
            continue
        break
    change(draw, part, field)
    return SimpleNamespace(key=sample.key, value=whole.SerializeToString(), headers=sample.headers)


def change(draw: st.DrawFn, part: Any, field: Any) -> None:
    """Take it away, or set it to a value of its type; what the type does not take stays as it was."""
    if field.type == FieldDescriptor.TYPE_MESSAGE or draw(st.booleans()):
        part.ClearField(field.name)
        return
    strategy = {
        FieldDescriptor.TYPE_STRING: texts,
        FieldDescriptor.TYPE_BYTES: st.binary(max_size=20),
        FieldDescriptor.TYPE_BOOL: st.booleans(),
    }.get(field.type, integers)
    value = draw(strategy)
    try:
        if field.is_repeated:
            getattr(part, field.name).append(value)
        else:
            setattr(part, field.name, value)
    except (ValueError, OverflowError):
        part.ClearField(field.name)


@each_kind
@given(data=st.data())
@many
def test_a_value_with_another_field_is_read_or_not_understood(kind: str, data: st.DataObject) -> None:
    check(data.draw(changed_field(kind)), kind)


@each_kind
@given(data=st.data())
@many
def test_a_value_of_other_bytes_is_read_or_not_understood(kind: str, data: st.DataObject) -> None:
    """Any at all, cut off, or changed in places; also such as are of another kind."""
    sample = data.draw(st.sampled_from(SAMPLES[kind]))
    value = data.draw(
        st.sampled_from([one.value for found in SAMPLES.values() for one in found]) | st.binary(max_size=80)
    )
    content = bytearray(value or b"")
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    check(SimpleNamespace(key=sample.key, value=bytes(content[:cut]), headers=sample.headers), kind)


keys = (
    st.none() | st.binary(max_size=60) | st.text(string.ascii_lowercase + "/-0", max_size=60).map(str.encode)
)
names = st.sampled_from(
    ["content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_sequence", "ce_subject", ""]
)
header_values = (
    st.none()
    | st.binary(max_size=40)
    | st.sampled_from([b"1.0", b"application/protobuf", b"\xff", *map(str.encode, READERS)])
)


@each_kind
@given(data=st.data())
@many
def test_another_envelope_is_read_or_not_understood(kind: str, data: st.DataObject) -> None:
    """Headers left out, doubled, without value, in another order; any key; no value."""
    sample = data.draw(st.sampled_from(SAMPLES[kind]))
    headers = list(data.draw(st.permutations(list(sample.headers))))[: data.draw(st.integers(0, 9))]
    more = data.draw(st.lists(st.tuples(names | st.text(max_size=8), header_values), max_size=3))
    key = data.draw(st.just(sample.key) | keys)
    value = data.draw(st.sampled_from([sample.value, sample.value, None, b""]))
    check(SimpleNamespace(key=key, value=value, headers=[*headers, *more]), kind)


@given(keys | st.binary().map(lambda rest: b"ansettr/" + rest))
@many
def test_a_key_names_a_state_or_is_not_understood(key: bytes | None) -> None:
    found = outcome(client_errors.NotUnderstood, reading.read_state_key, key)
    assert isinstance(found, tuple | client_errors.NotUnderstood)
