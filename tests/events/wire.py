"""Events as they go over the wire, and messages as a consumer gets them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from consent_client.model import Acknowledgement, DeadLetter
from consent_client.wire.envelope import Outgoing
from consent_client.wire.writing import acknowledgement_message, dead_letter_message

from consent_service.domain.changes import (
    ConsentState,
    Heartbeat,
    IdentifierChanged,
    RecipientLate,
    RenewalDue,
)
from consent_service.domain.partitions import subject_hash
from consent_service.events.wire.encode import encode, encode_state
from consent_service.events.wire.heartbeats import encode_heartbeat
from consent_service.events.wire.messages import Message
from consent_service.events.wire.notices import encode_notice
from consent_service.events.wire.topics import acks_topic, dead_topic
from tests.events.samples import ANNA, Event

#: Of the message that the dead letter is about.
KEY = str(ANNA).encode()


def encoded(event: Event, traceparent: str | None = None) -> Message:
    """As the service writes it under the prefix `consent`; a heartbeat, which goes to every topic, names none."""
    match event:
        case ConsentState():
            return encode_state(event, "consent")
        case RenewalDue() | IdentifierChanged() | RecipientLate():
            return encode_notice(event, "consent")
        case Acknowledgement():
            return _from_client(acks_topic("consent"), acknowledgement_message(event))
        case DeadLetter():
            return _from_client(dead_topic("consent"), dead_letter_message(event, KEY))
        case Heartbeat():
            key, value, headers = encode_heartbeat(event)
            return Message(topic="", key=key, value=value, headers=headers, hashed=0)
        case _:
            return encode(event, "consent", traceparent)


def _from_client(topic: str, message: Outgoing) -> Message:
    hashed = subject_hash(UUID(message.key.decode()))
    return Message(topic=topic, key=message.key, value=message.value, headers=message.headers, hashed=hashed)


def sent(message: Message) -> Any:
    """The message as a consumer gets it."""
    return SimpleNamespace(key=message.key, value=message.value, headers=message.headers)


def tombstone(message: Message) -> Any:
    """What a consumer gets where the message's key was deleted."""
    return SimpleNamespace(key=message.key, value=None, headers=())


def with_header(message: Message, name: str, value: str) -> Any:
    headers = [(n, value.encode() if n == name else v) for n, v in message.headers]
    return SimpleNamespace(key=message.key, value=message.value, headers=headers)


def without_header(message: Message, name: str) -> Any:
    headers = [(n, v) for n, v in message.headers if n != name]
    return SimpleNamespace(key=message.key, value=message.value, headers=headers)
