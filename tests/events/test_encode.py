"""What stands on the wire: bytes and headers as agreed, readable by others, naming no person."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict

from consent_service.domain.changes import ConsentChange
from consent_service.domain.records import Preferences
from consent_service.domain.values import Command, Reason, Status
from consent_service.events.wire.consume import read_change
from consent_service.events.wire.encode import CHANGED, encode
from consent_service.events.wire.messages import NotUnderstood
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from tests.builders import day
from tests.events.samples import (
    ANNA,
    GOLDEN,
    RECORD,
    TRACEPARENT,
    Event,
    a_change,
    a_published_purpose,
    a_restriction,
)
from tests.events.wire import encoded, sent, with_header

CONTRACTS = Path(__file__).parents[1] / "contracts"

#: Every text on the stream is an id, a slug, a code or a duration. Free text has no field (R27).
TEXTS = {
    "Preferences.channels",
    "Preferences.topics",
    "Preferences.frequency",
    "ConsentChange.record_id",
    "ConsentChange.controller",
    "ConsentChange.subject_id",
    "ConsentChange.purpose",
    "ConsentChange.source",
    "PurposePublished.controller",
    "PurposePublished.purpose",
    "PurposeVersion.renew_after",
    "Recipient.slug",
    "Recipient.deadline",
    "ConsentState.controller",
    "ConsentState.subject_id",
    "ConsentState.purpose",
    "ConsentState.record_id",
    "ConsentState.merged_into",
    "RenewalDue.notice_id",
    "RenewalDue.controller",
    "RenewalDue.subject_id",
    "RenewalDue.purpose",
    "IdentifierChanged.notice_id",
    "IdentifierChanged.controller",
    "IdentifierChanged.subject_id",
    "IdentifierChanged.identifier_id",
    "IdentifierChanged.type",
    "RecipientLate.notice_id",
    "RecipientLate.controller",
    "RecipientLate.subject_id",
    "RecipientLate.purpose",
    "RecipientLate.record_id",
    "RecipientLate.recipient",
    "Acknowledgement.acknowledgement_id",
    "Acknowledgement.controller",
    "Acknowledgement.recipient",
    "Acknowledgement.record_id",
    "Acknowledgement.subject_id",
    "DeadLetter.dead_letter_id",
    "DeadLetter.recipient",
    "DeadLetter.topic",
    "DeadLetter.reason",
    "DeadLetter.type",
}
#: The message that a dead letter is about, as it was.
BYTES = {"DeadLetter.value"}


def golden(name: str, event: Event, traceparent: str | None) -> dict[str, Any]:
    """A case as `tests/contracts/events.json` keeps it; a heartbeat's topic and partition are null."""
    message = encoded(event, traceparent)
    decoded = getattr(pb, type(event).__name__).FromString(message.value)
    return {
        "name": name,
        "topic": message.topic or None,
        "partition_of_12": message.partition(12) if message.topic else None,
        "key": message.key.decode(),
        "headers": {name: value.decode() for name, value in message.headers},
        "message": decoded.DESCRIPTOR.full_name,
        "value_hex": (message.value or b"").hex(),
        "value": MessageToDict(decoded, preserving_proto_field_name=True),
    }


@pytest.mark.parametrize(("number", "case"), list(enumerate(GOLDEN)), ids=[case[0] for case in GOLDEN])
def test_R27_the_bytes_are_those_that_were_agreed(number: int, case: Any) -> None:
    agreed = json.loads((CONTRACTS / "events.json").read_text())

    assert golden(*case) == agreed[number]
    assert len(agreed) == len(GOLDEN)


def test_R26_a_change_has_exactly_these_headers() -> None:
    message = encode(a_change(effective_at=day(0.5)), "consent", TRACEPARENT)

    assert dict(message.headers) == {
        "content-type": b"application/protobuf",
        "ce_specversion": b"1.0",
        "ce_id": str(RECORD).encode(),
        "ce_source": b"urn:consent-service:ansettr",
        "ce_type": b"consent.changed.v1",
        "ce_subject": f"{ANNA}/nyhetsbrev".encode(),
        "ce_time": b"2026-01-01T12:00:00.000000Z",
        "ce_recordedtime": b"2026-01-02T00:00:00.000000Z",
        "ce_sequence": b"00000000000000000001",
        "ce_partitionkey": str(ANNA).encode(),
        "ce_traceparent": TRACEPARENT.encode(),
        "traceparent": TRACEPARENT.encode(),
    }
    assert (message.topic, message.key) == ("consent.changes.v1", str(ANNA).encode())


def test_without_a_trace_there_is_no_trace_header() -> None:
    names = {name for name, _ in encode(a_change(), "consent").headers}

    assert names.isdisjoint({"traceparent", "ce_traceparent"})


def test_R28_the_prefix_is_the_controllers_own() -> None:
    assert encode(a_change(), "hr.eu").topic == "hr.eu.changes.v1"
    assert encode(a_published_purpose(), "hr.eu").topic == "hr.eu.purposes.v1"


def test_R13_a_person_wide_record_has_no_purpose_in_its_subject() -> None:
    headers = dict(encode(a_restriction(), "consent").headers)

    assert headers["ce_subject"] == str(ANNA).encode()


def test_CORE_20_a_purpose_has_one_key_and_one_partition() -> None:
    message = encode(a_published_purpose(), "consent")

    assert message.key == b"ansettr/nyhetsbrev"
    assert message.partition(12) == 0
    assert dict(message.headers)["ce_id"] == b"nyhetsbrev/2"


@pytest.mark.parametrize("case", GOLDEN, ids=[case[0] for case in GOLDEN])
def test_the_official_cloudevents_library_reads_every_event(case: Any) -> None:
    _, event, traceparent = case
    message = encoded(event, traceparent)
    headers = {name: value.decode() for name, value in message.headers}

    read = from_binary(
        KafkaMessage(headers=dict(message.headers), key=message.key, value=message.value or b""), JSONFormat()
    )

    assert read.get_specversion() == "1.0"
    assert read.get_id() == headers["ce_id"]
    assert read.get_source() == headers["ce_source"]
    assert read.get_type() == headers["ce_type"]
    assert read.get_subject() == headers.get("ce_subject")
    if "ce_time" in headers:  # where there is none the library tells the time at which it read
        assert read.get_time() == datetime.fromisoformat(headers["ce_time"])
    assert read.get_datacontenttype() == "application/protobuf"
    assert read.get_extension("partitionkey") == message.key.decode()
    assert read.get_extension("sequence") == headers.get("ce_sequence")
    data = read.get_data()  # the library's JSON format takes bytes for text where they happen to be UTF-8
    assert (data.encode() if isinstance(data, str) else data) == message.value


@pytest.mark.parametrize(
    "case", [case for case in GOLDEN if isinstance(case[1], ConsentChange)], ids=lambda case: case[0]
)
def test_a_change_is_read_back_as_it_was(case: Any) -> None:
    _, change, traceparent = case

    received = read_change(sent(encode(change, "consent", traceparent)))

    assert received.change == change
    assert received.event_id == str(change.record_id)
    assert received.traceparent == traceparent


def test_every_text_field_holds_an_id_a_slug_a_code_or_a_duration() -> None:
    messages = pb.DESCRIPTOR.message_types_by_name.values()

    def of_type(wanted: int) -> set[str]:
        return {
            f"{message.name}.{field.name}"
            for message in messages
            for field in message.fields
            if field.type == wanted
        }

    assert of_type(FieldDescriptor.TYPE_STRING) == TEXTS
    assert of_type(FieldDescriptor.TYPE_BYTES) == BYTES


@pytest.mark.parametrize("command", Command)
@pytest.mark.parametrize("status", Status)
def test_every_word_of_the_lifecycle_survives_the_wire(command: Command, status: Status) -> None:
    change = a_change(command=command, status=status)

    assert read_change(sent(encode(change, "consent"))).change == change


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_survives_the_wire(reason: Reason) -> None:
    change = a_change(reason=reason, allowed=False)

    assert read_change(sent(encode(change, "consent"))).change == change


@pytest.mark.parametrize(("field", "number"), [("status", 99), ("reason", 99), ("reason", 0)])
def test_a_word_of_a_later_release_is_read_as_not_allowed(field: str, number: int) -> None:
    message = encode(a_change(), "consent")
    value = pb.ConsentChange.FromString(message.value or b"")
    setattr(value.permission if field == "reason" else value, field, number)

    change = read_change(sent(msgspec.structs.replace(message, value=value.SerializeToString()))).change

    assert change.allowed is False
    assert getattr(change, field) is None


def test_empty_preferences_are_not_absent_ones() -> None:
    change = a_change(preferences=Preferences())

    assert read_change(sent(encode(change, "consent"))).change.preferences == Preferences()


WRONG = """
content-type     application/json
ce_specversion   0.3
ce_type          consent.purpose.published.v1
ce_id            0198f3a2-7c12-7000-8000-00000000ffff
ce_source        urn:consent-service:coness
ce_sequence      1
"""


@pytest.mark.parametrize("line", WRONG.strip().splitlines())
def test_a_header_that_does_not_fit_is_refused_by_name(line: str) -> None:
    name, value = line.split()

    with pytest.raises(NotUnderstood, match=name):
        read_change(with_header(encode(a_change(), "consent"), name, value))


def test_a_message_that_is_no_change_is_refused() -> None:
    message = encode(a_change(), "consent")

    with pytest.raises(NotUnderstood, match="ce_type"):
        read_change(SimpleNamespace(key=message.key, value=message.value, headers=message.headers[:4]))
    with pytest.raises(NotUnderstood, match="no value"):
        read_change(SimpleNamespace(key=message.key, value=None, headers=message.headers))
    with pytest.raises(NotUnderstood, match=r"no consent\.v1"):
        read_change(SimpleNamespace(key=message.key, value=b"\x00", headers=message.headers))
    with pytest.raises(NotUnderstood, match="key"):
        read_change(SimpleNamespace(key=b"x", value=message.value, headers=message.headers))
    assert dict(message.headers)["ce_type"] == CHANGED.encode()
