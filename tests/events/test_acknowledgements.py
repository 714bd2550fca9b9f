"""Recipients' words on Kafka, as the client writes them and the service reads them (R34)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from consent_client.model import Acknowledgement
from consent_client.wire.writing import acknowledgement_message
from consent_client.words import Outcome

from consent_service.domain.propagation import AckOutcome, Word
from consent_service.events.wire.acknowledgements import read_acknowledgement
from consent_service.events.wire.messages import NotUnderstood
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from tests.builders import an_id, day
from tests.events.samples import an_acknowledgement


def sent(word: Acknowledgement, **headers: str | None) -> Any:
    """As a consumer gets it, with other headers; None leaves one out."""
    message = acknowledgement_message(word)
    changed: dict[str, bytes | None] = dict(message.headers)
    changed |= {name: None if value is None else value.encode() for name, value in headers.items()}
    kept = [(name, value) for name, value in changed.items() if value is not None]
    return SimpleNamespace(key=message.key, value=message.value, headers=kept)


@pytest.mark.parametrize("outcome", Outcome)
def test_R34_a_word_is_read_as_the_client_wrote_it(outcome: Outcome) -> None:
    due_at = day(9) if outcome is Outcome.ACCEPTED else None
    said = an_acknowledgement(outcome=outcome, due_at=due_at)

    assert read_acknowledgement(sent(said)) == Word(
        controller=said.controller,
        recipient=said.recipient,
        record_id=said.record_id,
        outcome=AckOutcome(outcome.value),
        at=said.at,
        due_at=due_at,
        acknowledgement_id=said.acknowledgement_id,
        subject_id=said.subject_id,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-type", "application/json"),
        ("ce_specversion", "0.3"),
        ("ce_type", "consent.changed.v1"),
        ("ce_type", None),
        ("ce_id", str(an_id(5))),
        ("ce_source", "urn:consent-service:coness"),
        ("ce_subject", str(an_id(5))),
    ],
)
def test_a_word_in_another_envelope_is_not_understood(name: str, value: str | None) -> None:
    with pytest.raises(NotUnderstood):
        read_acknowledgement(sent(an_acknowledgement(), **{name: value}))


@pytest.mark.parametrize(
    "fields",
    [
        {"record_id": "1"},
        {"subject_id": ""},
        {"acknowledgement_id": "x"},
        {"controller": "Ansettr AS"},
        {"recipient": "anna@example.org"},
        {"recipient": ""},
        {"outcome": 0},
        {"outcome": 99},
    ],
    ids=str,
)
def test_a_word_of_other_values_is_not_understood(fields: dict[str, Any]) -> None:
    message = sent(an_acknowledgement())
    value = pb.Acknowledgement.FromString(message.value)
    for name, other in fields.items():
        setattr(value, name, other)
    message.value = value.SerializeToString()

    with pytest.raises(NotUnderstood):
        read_acknowledgement(message)


def test_a_word_without_a_time_or_with_one_that_is_none_is_not_understood() -> None:
    for seconds in (None, 1 << 60):
        message = sent(an_acknowledgement())
        value = pb.Acknowledgement.FromString(message.value)
        value.ClearField("at")
        if seconds is not None:
            value.at.seconds = seconds
        message.value = value.SerializeToString()

        with pytest.raises(NotUnderstood):
            read_acknowledgement(message)


@pytest.mark.parametrize(
    ("field", "value"), [("key", b"x"), ("key", None), ("value", None), ("value", b"\xff")]
)
def test_what_is_no_word_is_not_understood(field: str, value: bytes | None) -> None:
    message = sent(an_acknowledgement())
    setattr(message, field, value)

    with pytest.raises(NotUnderstood):
        read_acknowledgement(message)
