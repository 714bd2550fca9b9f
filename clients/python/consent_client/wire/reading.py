"""From messages to what they tell. Each raises NotUnderstood rather than guess; heartbeats are told by `type_of`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import DecodeError, Message

from consent_client.errors import NotUnderstood
from consent_client.model import Change, Heartbeat, Preferences, Purpose, PurposeGone, State, Terms
from consent_client.wire.envelope import (
    CHANGED,
    HEARTBEAT,
    PURPOSE_PUBLISHED,
    SOURCE,
    STATE,
    KafkaMessage,
    expect,
    from_stamp,
    read_headers,
)
from consent_client.wire.pb.consent.v1 import events_pb2 as pb
from consent_client.wire.vocabulary import BASES, CAUSES, COMMANDS, REASONS, STATUSES
from consent_client.words import Basis, Reason

Parsed = TypeVar("Parsed", bound=Message)


def read_change(message: KafkaMessage) -> Change:
    """One message of `<prefix>.changes.v1` that is no heartbeat. A word of a later release reads as not allowed."""
    headers = read_headers(message, CHANGED)
    parsed = _parse(message, pb.ConsentChange())
    try:
        change = _change(parsed, headers.get("traceparent"))
    except ValueError as error:
        raise NotUnderstood("the value is no consent.v1.ConsentChange") from error
    expect(headers, "ce_id", str(change.record_id))
    expect(headers, "ce_source", SOURCE + change.controller)
    _expect_key(message, str(change.subject_id))
    return change


def read_state(message: KafkaMessage) -> State | None:
    """One message of `<prefix>.state.v1` that is no heartbeat; None for a tombstone."""
    if message.value is None:
        return None
    headers = read_headers(message, STATE)
    parsed = _parse(message, pb.ConsentState())
    try:
        state = _state(parsed)
    except ValueError as error:
        raise NotUnderstood("the value is no consent.v1.ConsentState") from error
    expect(headers, "ce_source", SOURCE + state.controller)
    pair = f"{state.subject_id}/{state.purpose}" if state.purpose is not None else str(state.subject_id)
    _expect_key(message, f"{state.controller}/{pair}")
    return state


def read_state_key(key: bytes | None) -> tuple[str, UUID, str | None]:
    """Controller, subject and purpose, by which a tombstone tells what is gone."""
    try:
        controller, subject, *purpose = (key or b"").decode().split("/")
        return controller, UUID(subject), purpose[0] if purpose else None
    except ValueError as error:
        raise NotUnderstood("the key names no subject") from error


def read_purpose(message: KafkaMessage) -> Purpose | PurposeGone:
    """One message of `<prefix>.purposes.v1` that is no heartbeat."""
    headers = read_headers(message, PURPOSE_PUBLISHED)
    controller, _, slug = (message.key or b"").decode("utf-8", "replace").partition("/")
    if message.value is None:
        return PurposeGone(controller, slug)
    parsed = _parse(message, pb.PurposePublished())
    if (parsed.controller, parsed.purpose) != (controller, slug):
        raise NotUnderstood("the key does not name what the value tells")
    expect(headers, "ce_source", SOURCE + controller)
    try:
        return Purpose(
            controller=controller,
            purpose=slug,
            version=parsed.version,
            published_at=from_stamp(parsed.published_at),
            versions=tuple(_terms(version) for version in parsed.versions),
            ledger_epoch=parsed.ledger_epoch,
        )
    except ValueError as error:
        raise NotUnderstood("the value is no consent.v1.PurposePublished") from error


#: The service has eight; a heartbeat of many more is damaged.
SHARD_GROUPS_MAX = 1024


def read_heartbeat(message: KafkaMessage) -> Heartbeat:
    """One heartbeat, on any topic of the service."""
    read_headers(message, HEARTBEAT)
    parsed = _parse(message, pb.Heartbeat())
    # Of every group there is a place in memory on each partition.
    if not 0 <= parsed.shard_group < parsed.shard_groups <= SHARD_GROUPS_MAX:
        raise NotUnderstood("the heartbeat is of no group of shards")
    try:
        return Heartbeat(
            shard_group=parsed.shard_group,
            shard_groups=parsed.shard_groups,
            at=from_stamp(parsed.at),
            oldest_unpublished=parsed.oldest_unpublished.ToTimedelta(),
            ledger_epoch=parsed.ledger_epoch,
        )
    except (ValueError, OverflowError) as error:
        raise NotUnderstood("the value is no consent.v1.Heartbeat") from error


def _parse(message: KafkaMessage, into: Parsed) -> Parsed:
    if message.value is None:
        raise NotUnderstood("the message has no value")
    try:
        into.ParseFromString(message.value)
    except DecodeError as error:
        raise NotUnderstood(f"the value is no {into.DESCRIPTOR.full_name}") from error
    return into


def _expect_key(message: KafkaMessage, wanted: str) -> None:
    if message.key != wanted.encode():
        raise NotUnderstood("the key does not name what the value tells")


def _change(message: pb.ConsentChange, traceparent: str | None) -> Change:
    allowed, reason, until = _permission(message)
    return Change(
        record_id=UUID(message.record_id),
        controller=message.controller,
        subject_id=UUID(message.subject_id),
        sequence=message.sequence,
        purpose=message.purpose if message.HasField("purpose") else None,
        command=COMMANDS.word(message.command),
        status=STATUSES.word(message.status),
        allowed=allowed,
        reason=reason,
        until=until,
        version=message.version if message.HasField("version") else None,
        standing_version=message.standing_version if message.HasField("standing_version") else None,
        governing_version=message.governing_version if message.HasField("governing_version") else None,
        legal_bases=_bases(message.legal_bases),
        preferences=_preferences(message),
        source=message.source if message.HasField("source") else None,
        recorded_at=from_stamp(message.recorded_at),
        occurred_at=from_stamp(message.occurred_at) if message.HasField("occurred_at") else None,
        effective_at=from_stamp(message.effective_at),
        cause=CAUSES.word(message.cause),
        superseded=message.superseded,
        replayed=message.replayed,
        ledger_epoch=message.ledger_epoch,
        traceparent=traceparent,
    )


def _state(message: pb.ConsentState) -> State:
    allowed, reason, until = _permission(message)
    return State(
        controller=message.controller,
        subject_id=UUID(message.subject_id),
        purpose=message.purpose if message.HasField("purpose") else None,
        sequence=message.sequence,
        record_id=UUID(message.record_id) if message.record_id else None,
        status=STATUSES.word(message.status),
        allowed=allowed,
        reason=reason,
        until=until,
        standing_version=message.standing_version if message.HasField("standing_version") else None,
        legal_bases=_bases(message.legal_bases),
        preferences=_preferences(message),
        recorded_at=from_stamp(message.recorded_at) if message.HasField("recorded_at") else None,
        effective_at=from_stamp(message.effective_at) if message.HasField("effective_at") else None,
        ledger_epoch=message.ledger_epoch,
        merged_into=UUID(message.merged_into) if message.HasField("merged_into") else None,
    )


def _terms(message: pb.PurposeVersion) -> Terms:
    default = message.default_permission
    reason = REASONS.word(default.reason)
    return Terms(
        version=message.version,
        effective_from=from_stamp(message.effective_from),
        legal_bases=_bases(message.legal_bases),
        default_allowed=default.allowed and reason is not None,
        default_reason=reason,
        oldest_valid_version=message.oldest_valid_version,
        retired=message.retired,
        renew_after=message.renew_after if message.HasField("renew_after") else None,
        recipients=tuple(
            (recipient.slug, recipient.deadline if recipient.HasField("deadline") else None)
            for recipient in message.recipients
        ),
    )


def _bases(numbers: Iterable[int]) -> tuple[Basis, ...]:
    return tuple(basis for number in numbers if (basis := BASES.word(number)) is not None)


def _permission(message: pb.ConsentChange | pb.ConsentState) -> tuple[bool, Reason | None, datetime | None]:
    told = message.permission
    reason = REASONS.word(told.reason)
    understood = reason is not None and STATUSES.word(message.status) is not None
    return told.allowed and understood, reason, from_stamp(told.until) if told.HasField("until") else None


def _preferences(message: pb.ConsentChange | pb.ConsentState) -> Preferences | None:
    if not message.HasField("preferences"):
        return None
    told = message.preferences
    return Preferences(
        channels=tuple(told.channels),
        topics=tuple(told.topics),
        frequency=told.frequency if told.HasField("frequency") else None,
    )
