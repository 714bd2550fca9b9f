"""Putting a record into the ledger by hand, as no program of ours does: alone, without what goes with it."""

from __future__ import annotations

import msgspec

from consent_service.domain.partitions import shard_of, subject_hash
from consent_service.domain.records import Record
from consent_service.storage.database import Connection

_NAMES = [field.name for field in msgspec.structs.fields(Record)]


async def insert_record(connection: Connection, record: Record) -> None:
    """The skeleton alone. The connection must have the service's codecs."""
    places = ", ".join(f"${place}" for place in range(1, len(_NAMES) + 1))
    statement = f"insert into records ({', '.join(_NAMES)}) values ({places})"
    await connection.execute(statement, *(getattr(record, name) for name in _NAMES))


_SUBJECT = """
    insert into subjects (controller, subject_id, shard, created_at, last_sequence, last_hash, last_recorded_at)
    values ($1, $2, $3, now(), $4, $5, $6)
    on conflict (controller, subject_id) do update
    set last_sequence = greatest(subjects.last_sequence, excluded.last_sequence),
        last_hash = coalesce(excluded.last_hash, subjects.last_hash),
        last_recorded_at = coalesce(excluded.last_recorded_at, subjects.last_recorded_at)
"""


async def insert_subject(connection: Connection, record: Record, *, head: bool) -> None:
    """The row of the record's person, if it is not there; with `head`, it says that this record is the last."""
    last = (record.sequence, record.record_hash, record.recorded_at) if head else (0, None, None)
    shard = shard_of(subject_hash(record.subject_id))
    await connection.execute(_SUBJECT, record.controller, record.subject_id, shard, *last)
