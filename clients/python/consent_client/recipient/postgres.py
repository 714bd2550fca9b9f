"""A store in PostgreSQL, in a schema of its own, for members of a group on several machines (extra `postgres`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from consent_client.errors import Unavailable
from consent_client.recipient.rows import made_act, pack, read_told
from consent_client.recipient.store import Pair, Parked, SealedRecord, Settled, Told, digest_of

CONNECTIONS_MAX = 4
ANSWER_S = 10.0
TABLES = """
select pg_advisory_xact_lock(5093467129832);
create schema if not exists consent_recipient;
create table if not exists consent_recipient.settled (
    owner text, subject text, purpose text, partition integer, ledger_epoch bigint, sequence bigint, word bytea,
    primary key (owner, subject, purpose)
);
create table if not exists consent_recipient.parked (
    place bigint generated always as identity primary key, owner text, subject text, partition integer, digest bytea,
    told bytea, tries integer, retry_at timestamptz, released boolean not null default false,
    unique (owner, subject, digest)
);
create index if not exists parked_in_order on consent_recipient.parked (owner, subject, place);
create table if not exists consent_recipient.epochs (
    owner text, partition integer, ledger_epoch bigint, primary key (owner, partition)
);
create table if not exists consent_recipient.records (
    owner text, subject_hash bytea, key_id text, sealed bytea, primary key (owner, subject_hash)
);
"""
_SETTLED = """
select subject, purpose, partition, ledger_epoch, sequence, word from consent_recipient.settled
where owner = $1 and subject = any($2)
"""
_SETTLED_IN = """
select subject, purpose, partition, ledger_epoch, sequence, word from consent_recipient.settled
where owner = $1 and partition = $2
"""
_SETTLE = """
insert into consent_recipient.settled as kept
select $1, told.* from unnest($2::text[], $3::text[], $4::integer[], $5::bigint[], $6::bigint[], $7::bytea[])
    as told (subject, purpose, partition, ledger_epoch, sequence, word)
order by told.subject, told.purpose
on conflict (owner, subject, purpose) do update set
    partition = excluded.partition, word = excluded.word,
    ledger_epoch = excluded.ledger_epoch, sequence = excluded.sequence
where (excluded.ledger_epoch, excluded.sequence) > (kept.ledger_epoch, kept.sequence)
"""
_PARK = """
insert into consent_recipient.parked (owner, subject, partition, digest, told, tries, retry_at)
values ($1, $2, $3, $4, $5, $6, coalesce($7::timestamptz, '-infinity')) on conflict (owner, subject, digest) do nothing
returning place
"""
_PARKED = """
select place, told, tries, released from consent_recipient.parked where owner = $1 and subject = $2
order by place limit $3
"""
_DELAY = "update consent_recipient.parked set tries = tries + 1, retry_at = $2 where place = $1"
_UNPARK = "delete from consent_recipient.parked where place = $1"
_WAITING = """
select distinct subject from consent_recipient.parked
where owner = $1 and ($2::integer[] is null or partition = any($2))
"""
_DUE = """
select subject from consent_recipient.parked waits
where owner = $1 and partition = any($2) and retry_at <= $3 and not exists (
    select from consent_recipient.parked earlier
    where earlier.owner = waits.owner and earlier.subject = waits.subject and earlier.place < waits.place
) limit $4
"""
_HURRY = """
update consent_recipient.parked set retry_at = $3, released = released or $4 where place = (
    select min(place) from consent_recipient.parked where owner = $1 and subject = $2
) returning place
"""
_EPOCHS = "select partition, ledger_epoch from consent_recipient.epochs where owner = $1"
_SET_EPOCH = """
insert into consent_recipient.epochs values ($1, $2, $3)
on conflict (owner, partition) do update set ledger_epoch = excluded.ledger_epoch
"""
_READ_RECORD = """
select subject_hash, key_id, sealed from consent_recipient.records where owner = $1 and subject_hash = any($2) limit 1
"""
_WRITE_RECORD = """
insert into consent_recipient.records values ($1, $2, $3, $4)
on conflict (owner, subject_hash) do update set key_id = excluded.key_id, sealed = excluded.sealed
"""
_DROP_RECORD = "delete from consent_recipient.records where owner = $1 and subject_hash = any($2)"


class PostgresStore:
    """`url` as libpq takes it; its user must be able to create the schema `consent_recipient`, or use and fill it."""

    durable = True

    def __init__(self, url: str) -> None:
        self._url = url
        self._owner = ""
        self._pool: Any = None

    async def open(self, owner: str) -> None:
        self._owner = owner
        await self._connect()

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def settled(self, subjects: Collection[str]) -> Mapping[Pair, Settled]:
        rows = await self._read(_SETTLED, list(subjects))
        return {(act.subject, act.purpose): act for act in (made_act(*row) for row in rows)}

    async def settle(self, acts: Sequence[Settled]) -> None:
        # One statement may touch a pair once only: of one pair its highest is what counts.
        last: dict[Pair, Settled] = {}
        for act in sorted(acts, key=lambda act: act.place):
            last[act.subject, act.purpose] = act
        rows = [
            (act.subject, act.purpose, act.partition, *act.place, pack(act.word)) for act in last.values()
        ]
        if rows:
            await self._read(_SETTLE, *map(list, zip(*rows, strict=True)))

    async def settled_in(self, partition: int) -> Sequence[Settled]:
        return [made_act(*row) for row in await self._read(_SETTLED_IN, partition)]

    async def park(self, told: Told, *, tries: int = 0, retry_at: datetime | None = None) -> bool:
        row = (told.subject, told.partition, digest_of(told), pack(told), tries, retry_at)
        return bool(await self._read(_PARK, *row))

    async def parked(self, subject: str, limit: int) -> Sequence[Parked]:
        rows = await self._read(_PARKED, subject, limit)
        return [Parked(place, read_told(told), tries, released) for place, told, tries, released in rows]

    async def delay(self, place: int, retry_at: datetime) -> None:
        async with self._connection() as connection:
            await connection.execute(_DELAY, place, retry_at)

    async def unpark(self, place: int) -> None:
        async with self._connection() as connection:
            await connection.execute(_UNPARK, place)

    async def waiting(self, partitions: Collection[int] | None) -> Collection[str]:
        wanted = None if partitions is None else list(partitions)
        return [row[0] for row in await self._read(_WAITING, wanted)]

    async def due(self, partitions: Collection[int], now: datetime, limit: int) -> Collection[str]:
        return [row[0] for row in await self._read(_DUE, list(partitions), now, limit)]

    async def hurry(self, subject: str, now: datetime, *, release: bool) -> bool:
        return bool(await self._read(_HURRY, subject, now, release))

    async def epochs(self) -> Mapping[int, int]:
        return {row[0]: row[1] for row in await self._read(_EPOCHS)}

    async def set_epoch(self, partition: int, ledger_epoch: int) -> None:
        await self._read(_SET_EPOCH, partition, ledger_epoch)

    async def read_record(self, hashes: Collection[bytes]) -> SealedRecord | None:
        rows = await self._read(_READ_RECORD, list(hashes))
        return SealedRecord(*rows[0]) if rows else None

    async def write_record(self, record: SealedRecord, replaced: Collection[bytes]) -> None:
        async with self._connection() as connection, connection.transaction():
            await connection.execute(_DROP_RECORD, self._owner, list(replaced))
            row = (self._owner, record.subject_hash, record.key_id, record.sealed)
            await connection.execute(_WRITE_RECORD, *row)

    async def drop_record(self, hashes: Collection[bytes]) -> None:
        await self._read(_DROP_RECORD, list(hashes))

    async def _read(self, statement: str, *values: Any) -> list[Any]:
        """The rows of one statement, whose first value is the owner."""
        async with self._connection() as connection:
            rows: list[Any] = await connection.fetch(statement, self._owner, *values)
            return rows

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        from asyncpg import InterfaceError, InternalClientError, PostgresError

        try:
            if self._pool is None:
                raise Unavailable("the recipient's store is not open")
            async with self._pool.acquire(timeout=ANSWER_S) as connection:
                yield connection
        except (PostgresError, InterfaceError, InternalClientError, OSError, TimeoutError) as error:
            raise Unavailable(f"the recipient's store does not work: {type(error).__name__}") from error

    async def _connect(self) -> None:
        try:
            from asyncpg import InterfaceError, InternalClientError, PostgresError, create_pool
        except ImportError as error:
            raise ImportError(
                "a store in PostgreSQL needs asyncpg: install consent-client[postgres]"
            ) from error
        pool = create_pool(
            self._url, min_size=1, max_size=CONNECTIONS_MAX, timeout=ANSWER_S, command_timeout=ANSWER_S
        )
        try:
            await pool
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(TABLES)
        except (PostgresError, InterfaceError, InternalClientError, OSError, TimeoutError) as error:
            await pool.close()
            raise Unavailable(f"the recipient's store does not work: {type(error).__name__}") from error
        self._pool = pool
