"""The ledger as pointers, page by page: each subject's records in order, none twice and none left out (R31)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from consent_service.domain.partitions import shards_of
from consent_service.embedded import PostgresServer
from consent_service.storage.history import (
    read_history,
    read_latest_versions,
    read_prefixes,
    read_standing,
)
from consent_service.storage.outbox import Kind, Pointer
from tests.builders import day
from tests.databases import TestDatabase, copy_template, drop

#: (controller, subject, purpose of each record in the order of sequences); a null is about the person as a whole.
LEDGER: tuple[tuple[str, int, tuple[str | None, ...]], ...] = (
    ("ansettr", 1, ("post", "web", "post", "post")),
    ("ansettr", 2, ()),
    ("ansettr", 3, (None,)),
    ("ansettr", 4, ("web", None, "post")),
    ("ansettr", 2**128 - 1, ("web",)),
    ("coness", 1, ("post",)),
    ("coness", 9, ("post", "web")),
)
BOTH = ("coness", "ansettr")
Place = tuple[str, int, int]


@pytest.fixture(scope="module")
async def told(postgres: PostgresServer) -> AsyncIterator[TestDatabase]:
    """The ledger above; the record with sequence n was recorded on day n, the subject n lies in shard n mod 64."""
    database = await copy_template(postgres)
    connection = await database.connect()
    for controller in BOTH:
        await connection.execute(
            "insert into controllers (controller, legal_name, content, topic_prefix) values ($1, $1, '{}', $2)",
            controller,
            f"of-{controller}",
        )
    for controller, number, purposes in LEDGER:
        last = len(purposes)
        await connection.execute(
            "insert into subjects (controller, subject_id, shard, created_at, last_sequence, last_hash, "
            "last_recorded_at) values ($1, $2, $3, now(), $4, $5, $6)",
            *(controller, UUID(int=number), number % 64, last),
            *((b"x", day(last)) if last else (None, None)),
        )
        for sequence, purpose in enumerate(purposes, 1):
            about = purpose is not None
            await connection.execute(
                "insert into records (record_id, controller, subject_id, sequence, purpose, command, status, "
                "version, recorded_at, effective_at, superseded, channel, previous_hash, record_hash) values "
                "(gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8, $8, false, 'api', sha256('x'), sha256('y'))",
                *(controller, UUID(int=number), sequence, purpose, "grant" if about else "restrict"),
                *("given" if about else None, 1 if about else None, day(sequence)),
            )
    await connection.close()
    yield database
    await drop(postgres, database)


@pytest.fixture
async def relay(told: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await told.connect("consent_relay")
    yield connection
    await connection.close()


async def paged(
    read: Callable[..., Awaitable[list[Pointer]]],
    connection: asyncpg.Connection,
    rows_max: int,
    **options: Any,
) -> list[Place]:
    """All pages together; each is as long as asked for, but for the last."""
    found: list[Pointer] = []
    while True:
        after = found[-1] if found else None
        page = await read(connection, **{"controllers": BOTH, **options}, after=after, rows_max=rows_max)
        assert len(page) <= rows_max
        found += page
        if not page:
            break
    assert {(pointer.kind, pointer.position, pointer.traceparent) for pointer in found} <= {
        (Kind.RECORD, 0, None)
    }
    assert all(pointer.shard == pointer.subject_id.int % 64 for pointer in found)
    return [(pointer.controller, pointer.subject_id.int, pointer.sequence) for pointer in found]


def every(condition: Callable[[str, int, int, str | None], bool] = lambda *_: True) -> list[Place]:
    """What the ledger above has, in order."""
    return [
        (controller, number, sequence)
        for controller, number, purposes in LEDGER
        for sequence, purpose in enumerate(purposes, 1)
        if condition(controller, number, sequence, purpose)
    ]


def is_last(controller: str, number: int, sequence: int, purpose: str | None) -> bool:
    [purposes] = [one[2] for one in LEDGER if one[:2] == (controller, number)]
    return purpose is not None and purpose not in purposes[sequence:]


@pytest.mark.parametrize("rows_max", [1, 2, 3, 5, 100])
async def test_R31_every_record_is_paged_through_once_and_in_order(
    relay: asyncpg.Connection, rows_max: int
) -> None:
    assert await paged(read_history, relay, rows_max) == every()


@pytest.mark.parametrize("rows_max", [1, 2, 3, 5, 100])
async def test_R31_what_stands_is_the_last_record_of_each_subject_and_purpose(
    relay: asyncpg.Connection, rows_max: int
) -> None:
    assert await paged(read_standing, relay, rows_max) == every(is_last)


@pytest.mark.parametrize("rows_max", [1, 2, 100])
async def test_R31_a_part_of_the_ledger_can_be_paged_through(
    relay: asyncpg.Connection, rows_max: int
) -> None:
    async def history(**options: Any) -> list[Place]:
        return await paged(read_history, relay, rows_max, **options)

    assert await history(controllers=["coness"]) == every(lambda controller, *_: controller == "coness")
    assert await history(subject_id=UUID(int=1)) == every(lambda _, number, *__: number == 1)
    assert await history(since=day(3)) == every(lambda _, __, sequence, ___: sequence >= 3)
    assert await history(shards=shards_of(1)) == every(lambda _, number, *__: number % 8 == 1)
    assert await paged(read_standing, relay, rows_max, since=day(2)) == every(
        lambda *record: is_last(*record) and record[2] >= 2
    )


async def test_R30_groups_of_shards_together_are_the_whole_ledger(relay: asyncpg.Connection) -> None:
    pages = [await paged(read_standing, relay, 2, shards=shards_of(group)) for group in range(8)]

    assert sorted(place for page in pages for place in page) == every(is_last)


async def test_R28_prefixes_and_the_latest_versions_of_purposes(
    filled: TestDatabase, told: TestDatabase
) -> None:
    relay, catalogue = await told.connect("consent_relay"), await filled.connect("consent_relay")
    prefixes = await read_prefixes(relay)
    versions = await read_latest_versions(catalogue, ["ansettr"])
    await relay.close()
    await catalogue.close()

    assert list(prefixes.items()) == [("ansettr", "of-ansettr"), ("coness", "of-coness")]
    assert [(one.kind, one.controller, one.purpose, one.sequence) for one in versions] == [
        (Kind.PURPOSE, "ansettr", purpose, 1) for purpose in ("avtale", "nyhetsbrev", "rekruttering")
    ]
