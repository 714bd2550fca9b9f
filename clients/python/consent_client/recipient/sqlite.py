"""A store in an SQLite file: written through to the disk before a call returns."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from consent_client.errors import Unavailable
from consent_client.recipient.rows import made_act, pack, read_told
from consent_client.recipient.store import Pair, Parked, SealedRecord, Settled, Told, digest_of

LOCK_WAIT_S = 2.0
_NOT_OPEN = "the recipient's store is not open"
TABLES = """
create table if not exists settled (
    owner text, subject text, purpose text, partition integer, ledger_epoch integer, sequence integer, word blob,
    primary key (owner, subject, purpose)
) without rowid;
create table if not exists parked (
    place integer primary key autoincrement, owner text, subject text, partition integer, digest blob, told blob,
    tries integer, retry_at real, released integer not null default 0, unique (owner, subject, digest)
);
create index if not exists parked_in_order on parked (owner, subject, place);
create table if not exists epochs (
    owner text, partition integer, ledger_epoch integer, primary key (owner, partition)
) without rowid;
create table if not exists records (
    owner text, subject_hash blob, key_id text, sealed blob, primary key (owner, subject_hash)
) without rowid;
"""
_SETTLED = "select subject, purpose, partition, ledger_epoch, sequence, word from settled"
_SETTLE = """
insert into settled values (?, ?, ?, ?, ?, ?, ?) on conflict do update set
    partition = excluded.partition, word = excluded.word,
    ledger_epoch = excluded.ledger_epoch, sequence = excluded.sequence
where (excluded.ledger_epoch, excluded.sequence) > (settled.ledger_epoch, settled.sequence)
"""
_PARK = """
insert into parked (owner, subject, partition, digest, told, tries, retry_at) values (?, ?, ?, ?, ?, ?, ?)
on conflict do nothing
"""
_PARKED = (
    "select place, told, tries, released from parked where owner = ? and subject = ? order by place limit ?"
)
_WAITING = """
select distinct subject from parked
where owner = ? and (? is null or partition in (select value from json_each(?)))
"""
_DUE = """
select subject from parked where owner = ? and retry_at <= ? and partition in (select value from json_each(?))
and place = (select min(place) from parked heads where heads.owner = parked.owner and heads.subject = parked.subject)
limit ?
"""
_HURRY = """
update parked set retry_at = ?, released = max(released, ?)
where place = (select min(place) from parked where owner = ? and subject = ?)
"""
Answer = TypeVar("Answer")


class SqliteStore:
    """Several processes may share the file, on one machine. `file` is made where it is missing."""

    durable = True

    def __init__(self, file: str | Path, *, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self._file = file
        self._lock_wait_s = lock_wait_s
        self._owner = ""
        self._connection: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self, owner: str) -> None:
        self._owner = owner
        self._thread = self._thread or ThreadPoolExecutor(1, "recipient-store")
        await self._run(self._connect)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            if connection is not None:
                await asyncio.get_running_loop().run_in_executor(thread, connection.close)
        finally:
            thread.shutdown(wait=False)

    async def settled(self, subjects: Collection[str]) -> Mapping[Pair, Settled]:
        wanted = "where owner = ? and subject in (select value from json_each(?))"
        rows = await self._read(f"{_SETTLED} {wanted}", self._owner, _json(subjects))
        return {(act.subject, act.purpose): act for act in (made_act(*row) for row in rows)}

    async def settle(self, acts: Sequence[Settled]) -> None:
        rows = [
            (self._owner, act.subject, act.purpose, act.partition, *act.place, pack(act.word)) for act in acts
        ]
        await self._write(_SETTLE, rows)

    async def settled_in(self, partition: int) -> Sequence[Settled]:
        rows = await self._read(f"{_SETTLED} where owner = ? and partition = ?", self._owner, partition)
        return [made_act(*row) for row in rows]

    async def park(self, told: Told, *, tries: int = 0, retry_at: datetime | None = None) -> bool:
        due = 0.0 if retry_at is None else retry_at.timestamp()
        content = pack(told)
        row = (self._owner, told.subject, told.partition, digest_of(told), content, tries, due)
        return await self._write(_PARK, [row]) > 0

    async def parked(self, subject: str, limit: int) -> Sequence[Parked]:
        rows = await self._read(_PARKED, self._owner, subject, limit)
        return [
            Parked(place, read_told(told), tries, bool(released)) for place, told, tries, released in rows
        ]

    async def delay(self, place: int, retry_at: datetime) -> None:
        statement = "update parked set tries = tries + 1, retry_at = ? where place = ?"
        await self._write(statement, [(retry_at.timestamp(), place)])

    async def unpark(self, place: int) -> None:
        await self._write("delete from parked where place = ?", [(place,)])

    async def waiting(self, partitions: Collection[int] | None) -> Collection[str]:
        wanted = None if partitions is None else _json(partitions)
        return [row[0] for row in await self._read(_WAITING, self._owner, wanted, wanted)]

    async def due(self, partitions: Collection[int], now: datetime, limit: int) -> Collection[str]:
        rows = await self._read(_DUE, self._owner, now.timestamp(), _json(partitions), limit)
        return [row[0] for row in rows]

    async def hurry(self, subject: str, now: datetime, *, release: bool) -> bool:
        row = (now.timestamp(), int(release), self._owner, subject)
        return await self._write(_HURRY, [row]) > 0

    async def epochs(self) -> Mapping[int, int]:
        rows = await self._read("select partition, ledger_epoch from epochs where owner = ?", self._owner)
        return dict(rows)

    async def set_epoch(self, partition: int, ledger_epoch: int) -> None:
        await self._write(
            "insert or replace into epochs values (?, ?, ?)", [(self._owner, partition, ledger_epoch)]
        )

    async def read_record(self, hashes: Collection[bytes]) -> SealedRecord | None:
        for subject_hash in hashes:
            statement = (
                "select subject_hash, key_id, sealed from records where owner = ? and subject_hash = ?"
            )
            for row in await self._read(statement, self._owner, subject_hash):
                return SealedRecord(*row)
        return None

    async def write_record(self, record: SealedRecord, replaced: Collection[bytes]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            _drop(connection, self._owner, replaced)
            row = (self._owner, record.subject_hash, record.key_id, record.sealed)
            connection.execute("insert or replace into records values (?, ?, ?, ?)", row)

        await self._run(lambda: self._transaction(write))

    async def drop_record(self, hashes: Collection[bytes]) -> None:
        await self._run(lambda: self._transaction(lambda connection: _drop(connection, self._owner, hashes)))

    async def _read(self, statement: str, *values: object) -> list[Any]:
        return await self._run(lambda: self._opened().execute(statement, values).fetchall())

    async def _write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """How many rows it changed, all in one transaction."""
        return await self._run(
            lambda: self._transaction(lambda connection: connection.executemany(statement, rows).rowcount)
        )

    async def _run(self, act: Callable[[], Answer]) -> Answer:
        """In the store's own thread, one after the other."""
        if self._thread is None:
            raise Unavailable(_NOT_OPEN)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, act)
        except sqlite3.Error as error:
            raise Unavailable(f"the recipient's store does not work: {error.sqlite_errorname}") from error

    def _transaction(self, act: Callable[[sqlite3.Connection], Answer]) -> Answer:
        with self._opened() as connection:
            connection.execute("begin immediate")
            return act(connection)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise Unavailable(_NOT_OPEN)
        return self._connection

    def _connect(self) -> None:
        connection = sqlite3.connect(
            self._file, timeout=self._lock_wait_s, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            connection.executescript(TABLES)
        except sqlite3.Error:
            connection.close()
            raise
        self._connection = connection


def _drop(connection: sqlite3.Connection, owner: str, hashes: Collection[bytes]) -> None:
    statement = "delete from records where owner = ? and subject_hash = ?"
    connection.executemany(statement, [(owner, one) for one in hashes])


def _json(values: Collection[str] | Collection[int]) -> str:
    return json.dumps(list(values))
