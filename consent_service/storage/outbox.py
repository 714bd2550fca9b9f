"""The outbox: pointers to what is not yet on the stream, and what they point at (R30, R31, CORE 20).

As role consent_relay, whose policies see every controller's rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from enum import StrEnum
from uuid import UUID

import asyncpg
import msgspec

from consent_service.domain.changes import ConsentChange, Notice, PurposePublished, consent_until, published
from consent_service.domain.purposes import Change, Purpose, PurposeContent, PurposeVersion
from consent_service.domain.records import Preferences
from consent_service.domain.values import Basis, Cause, Command, Reason, Status
from consent_service.storage.database import Connection
from consent_service.storage.notices import notice_from, read_notices


class Kind(StrEnum):
    RECORD = "record"
    PURPOSE = "purpose"
    NOTICE = "notice"


class Pointer(msgspec.Struct, frozen=True):
    """A row of the outbox.

    Of a purpose, `subject_id` is the nil UUID and `sequence` the version's number; of a notice, `sequence` is its
    number.
    """

    position: int
    kind: Kind
    controller: str
    subject_id: UUID
    purpose: str | None
    sequence: int
    shard: int
    traceparent: str | None


_POINTERS = """
select position, kind, controller, subject_id, purpose, sequence, shard, traceparent
from outbox
where shard = any ($1::smallint[])
  and subject_id <> all ($3::uuid[])
order by shard, position
limit $2
"""


async def read_pointers(
    connection: Connection, shards: Sequence[int], rows_max: int, *, but: Collection[UUID] = ()
) -> list[Pointer]:
    """The first unpublished rows of these shards, by shard and position: so each subject's are in order.

    `but` are subjects that are passed over, so that they keep no other from being read.
    Nothing remembers how far was read, so that a transaction that commits late is simply found next time.
    """
    rows = await connection.fetch(_POINTERS, shards, rows_max, list(but))
    return [Pointer(row[0], Kind(row[1]), *row[2:8]) for row in rows]


_DELETE = """
delete from outbox o
using unnest($1::uuid[], $2::bigint[]) as done (subject_id, position)
where o.subject_id = done.subject_id and o.position = done.position
  and not exists (
    select from outbox before
    where before.subject_id = o.subject_id and before.position < o.position
      and before.position <> all ($2::bigint[])
      and (o.kind <> 'purpose' or (before.purpose = o.purpose and before.controller = o.controller)))
"""


async def delete_pointers(connection: Connection, pointers: Sequence[Pointer]) -> None:
    """Remove these rows; those that are gone already do not matter.

    One stays, to be told once more, if something older of the same subject or purpose is there that is not among them:
    a server that crashed brings back what was removed last, and nothing of that may be told behind what came after it.
    """
    await connection.execute(
        _DELETE, [pointer.subject_id for pointer in pointers], [pointer.position for pointer in pointers]
    )


class Located(msgspec.Struct, frozen=True):
    """What a pointer points at, and the prefix of the controller's topics."""

    topic_prefix: str
    event: ConsentChange | PurposePublished | Notice


_CHANGES = """
select c.topic_prefix, (select max(epoch) from ledger_epoch) as ledger_epoch,
    r.record_id, r.controller, r.subject_id, r.sequence, r.purpose, r.command, r.status, r.allowed, r.reason,
    r.until, r.version, r.standing_version, r.governing_version, r.standing_preferences, r.source,
    r.recorded_at, r.occurred_at, r.effective_at, r.cause, r.superseded
from unnest($1::text[], $2::uuid[], $3::bigint[]) as wanted (controller, subject_id, sequence)
join records r on r.controller = wanted.controller and r.subject_id = wanted.subject_id
    and r.sequence = wanted.sequence
join controllers c on c.controller = wanted.controller
"""

_BASES = """
select v.controller, v.purpose, v.version, v.content
from unnest($1::text[], $2::text[], $3::integer[]) as wanted (controller, purpose, version)
join purpose_versions v on v.controller = wanted.controller and v.purpose = wanted.purpose
    and v.version = wanted.version
"""

_PURPOSE = """
select c.topic_prefix, (select max(epoch) from ledger_epoch) as ledger_epoch,
    v.version, v.change, v.effective_from, v.published_at, v.content
from purpose_versions v
join controllers c on c.controller = v.controller
where v.controller = $1 and v.purpose = $2 and v.version <= $3
order by v.version
"""

_VersionKey = tuple[str, str, int]
_BASES_KEPT_MAX = 10_000

#: Look-ups: a call of an enumeration takes ten times as long.
_COMMANDS = {word.value: word for word in Command}
_STATUSES = {word.value: word for word in Status}
_REASONS = {word.value: word for word in Reason}

#: What a row raises that a newer release wrote, or that is damaged: it waits, and the others go on.
_UNREADABLE = (ValueError, LookupError, msgspec.MsgspecError)


class _DecidedBases(msgspec.Struct):
    legal_bases: tuple[Basis, ...] = ()


class EventReader:
    """Reads what pointers point at, the same way for the relay and for replay (CORE 20).

    Remembers the bases of versions it has met: they never change.
    """

    def __init__(self) -> None:
        self._bases: dict[_VersionKey, tuple[Basis, ...]] = {}

    async def read(
        self, connection: Connection, pointers: Sequence[Pointer], *, replayed: bool = False
    ) -> dict[Pointer, Located]:
        """What each pointer points at; one whose target is missing or cannot be read is left out."""
        records = [pointer for pointer in pointers if pointer.kind is Kind.RECORD]
        found: dict[Pointer, Located] = {}
        if records:
            await self._read_records(connection, records, found, replayed=replayed)
        notices = [pointer for pointer in pointers if pointer.kind is Kind.NOTICE]
        if notices:
            await self._read_notices(connection, notices, found)
        for pointer in pointers:
            if pointer.kind is Kind.PURPOSE:
                located = await self._read_purpose(connection, pointer, replayed=replayed)
                if located is not None:
                    found[pointer] = located
        return found

    async def _read_records(
        self,
        connection: Connection,
        pointers: list[Pointer],
        found: dict[Pointer, Located],
        *,
        replayed: bool,
    ) -> None:
        rows = await connection.fetch(
            _CHANGES,
            [pointer.controller for pointer in pointers],
            [pointer.subject_id for pointer in pointers],
            [pointer.sequence for pointer in pointers],
        )
        await self._learn_bases(connection, rows)
        located: dict[tuple[str, UUID, int], Located] = {}
        for row in rows:
            with contextlib.suppress(*_UNREADABLE):
                change = _change(row, self._bases_of(row), replayed=replayed)
                located[change.controller, change.subject_id, change.sequence] = Located(
                    row["topic_prefix"], change
                )
        for pointer in pointers:
            key = (pointer.controller, pointer.subject_id, pointer.sequence)
            if key in located:
                found[pointer] = located[key]

    async def _read_notices(
        self, connection: Connection, pointers: list[Pointer], found: dict[Pointer, Located]
    ) -> None:
        numbers = [(pointer.controller, pointer.subject_id, pointer.sequence) for pointer in pointers]
        by_number = {pointer.sequence: pointer for pointer in pointers}
        for number, topic_prefix, row in await read_notices(connection, numbers):
            with contextlib.suppress(*_UNREADABLE):
                found[by_number[number]] = Located(topic_prefix, notice_from(row))

    async def _learn_bases(self, connection: Connection, rows: Sequence[asyncpg.Record]) -> None:
        unknown = {key for row in rows if (key := _governing(row)) is not None} - self._bases.keys()
        if not unknown:
            return
        if len(self._bases) + len(unknown) > _BASES_KEPT_MAX:
            self._bases.clear()
            unknown = {key for row in rows if (key := _governing(row)) is not None}
        controllers, purposes, versions = zip(*sorted(unknown), strict=True)
        for row in await connection.fetch(_BASES, controllers, purposes, versions):
            with contextlib.suppress(*_UNREADABLE):
                decided = msgspec.json.decode(row["content"], type=_DecidedBases)
                self._bases[row["controller"], row["purpose"], row["version"]] = decided.legal_bases

    def _bases_of(self, row: asyncpg.Record) -> tuple[Basis, ...]:
        key = _governing(row)
        return () if key is None else self._bases[key]

    async def _read_purpose(
        self, connection: Connection, pointer: Pointer, *, replayed: bool
    ) -> Located | None:
        rows = await connection.fetch(_PURPOSE, pointer.controller, pointer.purpose, pointer.sequence)
        if not rows or rows[-1]["version"] != pointer.sequence:
            return None
        try:
            versions = tuple(_version(row) for row in rows)
        except _UNREADABLE:
            return None
        told = Purpose(pointer.controller, pointer.purpose or "", versions)
        event = published(told, ledger_epoch=rows[0]["ledger_epoch"], replayed=replayed)
        return Located(rows[0]["topic_prefix"], event)


def _governing(row: asyncpg.Record) -> _VersionKey | None:
    """The version whose bases belong to the record; None in a person-wide one."""
    if row["purpose"] is None or row["governing_version"] is None:
        return None
    return row["controller"], row["purpose"], row["governing_version"]


def _change(row: asyncpg.Record, bases: tuple[Basis, ...], *, replayed: bool) -> ConsentChange:
    reason = None if row["reason"] is None else _REASONS[row["reason"]]
    preferences = row["standing_preferences"]
    return ConsentChange(
        record_id=row["record_id"],
        controller=row["controller"],
        subject_id=row["subject_id"],
        sequence=row["sequence"],
        purpose=row["purpose"],
        command=_COMMANDS[row["command"]],
        status=None if row["status"] is None else _STATUSES[row["status"]],
        allowed=row["allowed"],
        reason=reason,
        until=consent_until(row["allowed"], reason, row["until"]),
        version=row["version"],
        standing_version=row["standing_version"],
        governing_version=row["governing_version"],
        legal_bases=bases,
        preferences=None if preferences is None else msgspec.json.decode(preferences, type=Preferences),
        source=row["source"],
        recorded_at=row["recorded_at"],
        occurred_at=row["occurred_at"],
        effective_at=row["effective_at"],
        cause=None if row["cause"] is None else Cause(row["cause"]),
        superseded=row["superseded"],
        replayed=replayed,
        ledger_epoch=row["ledger_epoch"],
    )


def _version(row: asyncpg.Record) -> PurposeVersion:
    """Without hashes, which the stream does not carry."""
    return PurposeVersion(
        number=row["version"],
        change=Change(row["change"]),
        effective_from=row["effective_from"],
        published_at=row["published_at"],
        content=msgspec.json.decode(row["content"], type=PurposeContent),
        content_hash="",
        notice_hashes={},
    )
