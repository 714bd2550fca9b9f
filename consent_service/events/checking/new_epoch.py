"""Beginning a new ledger epoch after a restore from a backup: what Kafka knows and the ledger does not (R31).

The states are written before the epoch begins. Relays fill the state topic again once it has begun, from all that is on
the ledger by then: so whatever is recorded meanwhile about one of these persons comes to stand behind what is written
here, and never the other way round.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import msgspec

from consent_service.domain.audit import AuditAction
from consent_service.domain.changes import ConsentChange, ConsentState
from consent_service.domain.consent import permission
from consent_service.domain.errors import ConsentError
from consent_service.domain.purposes import Purpose
from consent_service.domain.records import SubjectFlags
from consent_service.domain.values import Reason, Status
from consent_service.events.checking.reading import TopicReader
from consent_service.events.publishing.kafka import Publisher
from consent_service.events.publishing.sending import send_all
from consent_service.events.wire.consume import read_change, read_purpose, read_state
from consent_service.events.wire.encode import encode_no_purpose, encode_state
from consent_service.events.wire.heartbeats import is_heartbeat, read_heartbeat
from consent_service.events.wire.messages import NotUnderstood
from consent_service.events.wire.topics import changes_topic, purposes_topic, state_topic
from consent_service.storage.catalogue import read_purposes
from consent_service.storage.database import Connection
from consent_service.storage.epochs import (
    Pair,
    PublishedRecord,
    begin_epoch,
    read_epoch,
    unknown_pairs,
    unknown_records,
)
from consent_service.storage.history import read_latest_versions, read_prefixes
from consent_service.usecases.auditing import entry
from consent_service.usecases.submissions import Caller

_SENT_TOGETHER = 500


class BegunMeanwhile(ConsentError):
    """Somebody else has begun the same epoch."""


class Why(msgspec.Struct, frozen=True):
    """Who begins the epoch, and for what reason."""

    actor: str
    reason: str


class Survey(msgspec.Struct):
    """What there is before the epoch begins."""

    ledger_epoch: int
    highest_epoch: int
    """The highest that the ledger or anything on Kafka names: an older backup does not know all that were begun."""
    prefixes: tuple[str, ...]
    lost: list[ConsentChange] = []
    """Events of the ledger's epoch or a later one whose records the ledger does not have."""
    states: dict[tuple[str, Pair], ConsentState] = {}
    """By prefix and pair: what stands on Kafka of a pair of which the ledger has no record."""
    purposes: set[tuple[str, str, str]] = set()
    """Prefix, controller and slug of those that stand on Kafka and that the ledger does not know."""
    strange_topics: list[str] = []
    """State topics of which no controller of the ledger has the prefix."""
    unreadable: int = 0

    @property
    def next_epoch(self) -> int:
        return self.highest_epoch + 1


async def survey(
    connection: Connection, reader: TopicReader | None, progress: Callable[[str], None] = lambda _: None
) -> Survey:
    """Read every changes, state and purposes topic to its end, as role consent_owner.

    Without a reader only the ledger. Raises StreamAway.
    """
    epoch = await read_epoch(connection)
    prefixes = tuple(sorted(set((await read_prefixes(connection)).values())))
    found = Survey(ledger_epoch=epoch, highest_epoch=epoch, prefixes=prefixes)
    if reader is None:
        return found
    for prefix in prefixes:
        await _survey_changes(connection, reader, prefix, found, progress)
        await _survey_states(connection, reader, prefix, found, progress)
        await _survey_purposes(connection, reader, prefix, found, progress)
    known = {state_topic(prefix) for prefix in prefixes}
    found.strange_topics = sorted(
        topic
        for topic in await reader.partitions()
        if topic not in known and topic == state_topic(topic.removesuffix(state_topic("")))
    )
    return found


async def _survey_changes(
    connection: Connection,
    reader: TopicReader,
    prefix: str,
    found: Survey,
    progress: Callable[[str], None],
) -> None:
    seen = {(one.controller, one.record_id) for one in found.lost}
    async for messages in _read(reader, changes_topic(prefix), found, progress):
        published: dict[PublishedRecord, ConsentChange] = {}
        for message in messages:
            try:
                change = read_change(message).change
            except NotUnderstood:
                found.unreadable += 1
                continue
            found.highest_epoch = max(found.highest_epoch, change.ledger_epoch)
            if change.ledger_epoch >= found.ledger_epoch:
                told = (change.controller, change.subject_id, change.sequence, change.record_id)
                published[PublishedRecord(*told)] = change
        for record in await unknown_records(connection, list(published)):
            if (record.controller, record.record_id) not in seen:
                seen.add((record.controller, record.record_id))
                found.lost.append(published[record])


async def _survey_states(
    connection: Connection,
    reader: TopicReader,
    prefix: str,
    found: Survey,
    progress: Callable[[str], None],
) -> None:
    async for messages in _read(reader, state_topic(prefix), found, progress):
        states: dict[Pair, ConsentState] = {}
        for message in messages:
            try:
                state = read_state(message)
            except NotUnderstood:
                found.unreadable += 1
                continue
            if state is None or state.purpose is None:
                continue
            found.highest_epoch = max(found.highest_epoch, state.ledger_epoch)
            states[state.controller, state.subject_id, state.purpose] = state
        unknown = await unknown_pairs(connection, list(states))
        found.states.update({(prefix, pair): states[pair] for pair in unknown})


async def _survey_purposes(
    connection: Connection,
    reader: TopicReader,
    prefix: str,
    found: Survey,
    progress: Callable[[str], None],
) -> None:
    standing: set[tuple[str, str]] = set()
    async for messages in _read(reader, purposes_topic(prefix), found, progress):
        for message in messages:
            try:
                told = read_purpose(message)
            except NotUnderstood:
                found.unreadable += 1
                continue
            standing.discard((told.controller, told.purpose))
            if told.ledger_epoch is not None:
                found.highest_epoch = max(found.highest_epoch, told.ledger_epoch)
                standing.add((told.controller, told.purpose))
    latest = await read_latest_versions(connection, {controller for controller, _ in standing})
    standing -= {(pointer.controller, pointer.purpose) for pointer in latest if pointer.purpose is not None}
    found.purposes.update((prefix, *one) for one in standing)


async def _read(
    reader: TopicReader, topic: str, found: Survey, progress: Callable[[str], None]
) -> AsyncIterator[list[Any]]:
    """All but heartbeats, of which the epoch is noted."""
    partitions = (await reader.partitions()).get(topic, 0)
    extents = await reader.extents(topic, range(partitions))
    done, total = 0, sum(extent.end - extent.start for extent in extents.values())
    async for messages in reader.read(topic, extents):
        told = []
        for message in messages:
            if is_heartbeat(message):
                with contextlib.suppress(NotUnderstood):
                    found.highest_epoch = max(found.highest_epoch, read_heartbeat(message).ledger_epoch)
            else:
                told.append(message)
        yield told
        done += len(messages)
        progress(f"{topic}: messages {done:,} of {total:,}")


async def begin(
    connection: Connection, publisher: Publisher | None, found: Survey, why: Why, now: datetime
) -> int:
    """Take back what Kafka says of pairs that the ledger does not know, then begin the epoch. How many were taken back.

    Each gets a state with sequence 0, no record and the permission of somebody without records; a purpose that the
    ledger does not know gets a tombstone, since its published default would be a yes for everybody. Done twice, it does
    no harm. Every controller's audit trail tells of the epoch. Raises PublishingFailed and BegunMeanwhile; then no
    epoch has begun by it.
    """
    taken_back = await _taken_back(connection, found, now)
    if publisher is not None:
        messages = [encode_state(state, prefix) for prefix, state in taken_back]
        messages += [
            encode_no_purpose(controller, slug, prefix) for prefix, controller, slug in found.purposes
        ]
        for start in range(0, len(messages), _SENT_TOGETHER):
            await send_all(publisher, messages[start : start + _SENT_TOGETHER])
    topics = [
        name(prefix) for prefix in found.prefixes for name in (changes_topic, state_topic, purposes_topic)
    ]
    action = AuditAction.EPOCH_BEGUN
    begun = await begin_epoch(
        connection,
        found.next_epoch,
        why.reason,
        before=found.ledger_epoch,
        topics=topics if publisher else (),
        told=[
            entry(Caller(controller, why.actor, reason=why.reason), action, now, epoch=found.next_epoch)
            for controller in sorted(await read_prefixes(connection))
        ],
    )
    if not begun:
        raise BegunMeanwhile(f"Ledger epoch {found.next_epoch} has begun meanwhile.")
    return len(taken_back)


async def _taken_back(connection: Connection, found: Survey, now: datetime) -> list[tuple[str, ConsentState]]:
    catalogues: dict[str, dict[str, Purpose]] = {}
    taken_back = []
    for (prefix, pair), state in found.states.items():
        controller, _, slug = pair
        if controller not in catalogues:
            stored = await read_purposes(connection, controller)
            catalogues[controller] = {} if stored is None else stored.purposes
        taken_back.append((prefix, _nothing_known(state, catalogues[controller].get(slug), found, now)))
    return taken_back


def _nothing_known(
    state: ConsentState, purpose: Purpose | None, found: Survey, now: datetime
) -> ConsentState:
    """Of a purpose that the ledger does not know either, nothing is allowed."""
    default = None if purpose is None else permission(SubjectFlags(), None, purpose, now)
    return ConsentState(
        controller=state.controller,
        subject_id=state.subject_id,
        purpose=state.purpose,
        sequence=0,
        record_id=None,
        status=Status.UNKNOWN,
        allowed=default is not None and default.allowed,
        reason=Reason.NO_LEGAL_BASIS if default is None else default.reason,
        until=None,
        standing_version=None,
        legal_bases=() if purpose is None else purpose.current(now).content.legal_bases,
        preferences=None,
        recorded_at=None,
        effective_at=None,
        ledger_epoch=found.next_epoch,
    )
