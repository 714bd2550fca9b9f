"""From a message, as it came or as it was parked, to the change that it tells."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from consent_client import clock
from consent_client.errors import NotUnderstood
from consent_client.model import Change, State
from consent_client.recipient.store import Told
from consent_client.wire.envelope import STATE, envelope, type_of
from consent_client.wire.pb.consent.v1 import events_pb2 as pb
from consent_client.wire.reading import read_change, read_state

NO_RECORD = UUID(int=0)
"""The `record_id` of a change that tells that the ledger has no record."""


class Event(msgspec.Struct, frozen=True):
    """`change` is None where the message is not understood."""

    told: Told
    change: Change | None


def told_of(message: Any) -> Told:
    """A message of aiokafka, to be kept. Its subject is its key, whatever it is."""
    return Told(
        subject=(message.key or b"").decode("utf-8", "backslashreplace"),
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers),
    )


def understood(told: Told) -> Event:
    try:
        if type_of(told) == STATE:
            state = read_state(told)
            return Event(told, None if state is None else change_of(state))
        return Event(told, read_change(told))
    except NotUnderstood:
        return Event(told, None)


def stands(change: Change) -> bool:
    """Whether it allows anything now; a consent may have ended by itself since it was told."""
    return change.allowed and (change.until is None or change.until > clock.now())


def change_of(state: State) -> Change:
    """What stands, told as if it had just been said."""
    at = state.recorded_at or clock.now()
    return Change(
        record_id=state.record_id or NO_RECORD,
        controller=state.controller,
        subject_id=state.subject_id,
        sequence=state.sequence,
        purpose=state.purpose,
        command=None,
        status=state.status,
        allowed=state.allowed,
        reason=state.reason,
        until=state.until,
        version=state.standing_version,
        standing_version=state.standing_version,
        governing_version=None,
        legal_bases=state.legal_bases,
        preferences=state.preferences,
        source=None,
        recorded_at=at,
        occurred_at=None,
        effective_at=state.effective_at or at,
        cause=None,
        superseded=False,
        replayed=True,
        ledger_epoch=state.ledger_epoch,
    )


def nothing_known(controller: str, subject: str, purpose: str, partition: int, ledger_epoch: int) -> Told:
    """A state that says: the ledger of this epoch has no record of this subject and purpose."""
    state = pb.ConsentState(
        controller=controller,
        subject_id=subject,
        purpose=purpose,
        status=pb.STATUS_UNKNOWN,
        permission=pb.Permission(allowed=False, reason=pb.REASON_NO_RECORD),
        ledger_epoch=ledger_epoch,
    )
    return Told(
        subject=subject,
        topic="",
        partition=partition,
        offset=0,
        key=f"{controller}/{subject}/{purpose}".encode(),
        value=state.SerializeToString(deterministic=True),
        headers=envelope("", STATE, controller),
    )
