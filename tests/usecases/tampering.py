"""A superuser at work on the ledger, with the append-only triggers out of the way; and a ledger that is worth it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from consent_service.domain.encoding import commitment, genesis_hash, record_hash
from consent_service.domain.records import Preferences, Record
from consent_service.domain.values import Channel, Command
from consent_service.storage.database import _set_up
from consent_service.storage.records import record_from_row
from consent_service.usecases.batches import key_place
from consent_service.usecases.verification_person import Fault, What
from tests.databases import TestDatabase
from tests.ledger_rows import insert_record
from tests.usecases.recording import KEYRING, Room, a_command, faults_of, known, open_room, someone

TABLES = ("subjects", "subject_keys", "records", "record_details", "states", "audit")
#: What a person-wide record has not; nor had the record that it is made from any choice or screen.
OF_A_PURPOSE = (
    *(
        "purpose",
        "status",
        "version",
        "governing_version",
        "until",
        "allowed",
        "reason",
        "preferences",
        "language",
    ),
    *("notice_hash", "source", "evidence_commitment", "standing_version", "standing_preferences"),
)

COLUMNS = ", ".join(Record.__struct_fields__)
PLACEHOLDERS = ", ".join(f"${number}" for number in range(1, len(Record.__struct_fields__) + 1))


async def tell_annas_story(room: Room) -> UUID:
    """Four records: two of the newsletter, an objection between them, and preferences last."""
    first = await room.says(
        someone("anna"),
        a_command(
            language="nb",
            source="kampanje",
            evidence=b'{"form": "f-1"}',
            preferences=Preferences(topics=("jobs",)),
        ),
    )
    anna = known(first.subject_id)
    room.clock.forward(days=1)
    await room.says(anna, a_command("object", "rekruttering"))
    room.clock.forward(days=1)
    await room.says(anna, a_command(source="kampanje"))
    room.clock.forward(days=1)
    await room.says(anna, a_command("prefer", preferences=Preferences(topics=("jobs", "news"))))
    return first.subject_id


class Scene:
    """Anna's story, and Bjarne with one record, in a database that is put back after every test."""

    def __init__(self, database: TestDatabase, anna: UUID) -> None:
        self.database = database
        self.anna = anna

    async def keep(self) -> None:
        """From now on this is what `put_back` puts back."""
        async with superuser(self.database) as connection:
            for table in TABLES:
                await connection.execute(f"create table kept_{table} as table {table}")

    async def put_back(self) -> None:
        async with superuser(self.database) as connection:
            for table in TABLES:
                await connection.execute(f"delete from {table}")
                await connection.execute(f"insert into {table} table kept_{table}")

    async def faults(self) -> list[Fault]:
        return await faults_of(self.database)

    async def annas_faults(self) -> set[tuple[What, int | None]]:
        """As (what, sequence)."""
        return {(one.what, one.sequence) for one in await self.faults() if one.subject_id == self.anna}

    async def tamper(self, *statements: str) -> None:
        """`ANNA` stands for her id. Each statement must change something, or the test would show nothing."""
        async with superuser(self.database) as connection:
            for statement in statements:
                done = await connection.execute(statement.replace("ANNA", f"'{self.anna}'"))
                assert not done.endswith(" 0"), statement


async def make_scene(database: TestDatabase) -> Scene:
    async with open_room(database) as room:
        anna = await tell_annas_story(room)
        await room.says(someone("bjarne"), a_command())
    scene = Scene(database, anna)
    await scene.keep()
    return scene


@asynccontextmanager
async def superuser(database: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    """A connection for which no trigger fires and no foreign key is looked at."""
    connection = await database.connect()
    await _set_up(connection)
    await connection.execute("set session_replication_role = replica")
    try:
        yield connection
    finally:
        await connection.close()


async def chain(connection: asyncpg.Connection, subject_id: UUID) -> list[Record]:
    rows = await connection.fetch(
        f"select {COLUMNS} from records where subject_id = $1 order by sequence", subject_id
    )
    return [record_from_row(tuple(row)) for row in rows]


async def rewrite(connection: asyncpg.Connection, subject_id: UUID, sequence: int, **fields: Any) -> None:
    """Change a record and its own hash with it, as somebody does who has read how it is computed."""
    record = (await chain(connection, subject_id))[sequence - 1]
    await replace(connection, msgspec.structs.replace(record, **fields))


async def replace(connection: asyncpg.Connection, record: Record) -> None:
    """Put this record in the place of the one that stands there, with a hash that fits."""
    await connection.execute(
        "delete from records where subject_id = $1 and sequence = $2", record.subject_id, record.sequence
    )
    await insert_record(connection, msgspec.structs.replace(record, record_hash=record_hash(record)))


async def move_head(connection: asyncpg.Connection, subject_id: UUID) -> None:
    """Forge a head that fits the records that are there."""
    last = (await chain(connection, subject_id))[-1]
    await connection.execute(
        "update subjects set last_sequence = $2, last_hash = $3, last_recorded_at = $4 where subject_id = $1",
        subject_id,
        last.sequence,
        last.record_hash,
        last.recorded_at,
    )


async def open_key(connection: asyncpg.Connection, subject_id: UUID) -> bytes:
    (row,) = await connection.fetch(
        "select key_id, sealed_key from subject_keys where subject_id = $1", subject_id
    )
    return KEYRING.open(row[0], row[1], key_place(subject_id))


async def append_person_wide(connection: asyncpg.Connection, subject_id: UUID, command: Command) -> None:
    """What a person-wide command will write: a record of no purpose (R13); its details are not kept."""
    before = await chain(connection, subject_id)
    last = before[-1]
    key = await open_key(connection, subject_id)
    record_id = UUID(int=last.record_id.int + 1)
    wide = msgspec.structs.replace(
        last,
        record_id=record_id,
        sequence=last.sequence + 1,
        command=command,
        channel=Channel.API,
        superseded=False,
        recorded_at=last.recorded_at.replace(microsecond=last.recorded_at.microsecond + 1),
        effective_at=last.recorded_at,
        actor_commitment=commitment(key, record_id, "actor", b"crm"),
        previous_hash=last.record_hash or genesis_hash(last.controller, subject_id),
        **dict.fromkeys(OF_A_PURPOSE),
    )
    await replace(connection, wide)
    await move_head(connection, subject_id)
