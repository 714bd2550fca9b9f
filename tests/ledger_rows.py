"""Putting a record into the ledger by hand, as no program of ours does: alone, without what goes with it."""

from __future__ import annotations

import msgspec

from consent_service.domain.records import Record
from consent_service.storage.database import Connection

_NAMES = [field.name for field in msgspec.structs.fields(Record)]


async def insert_record(connection: Connection, record: Record) -> None:
    """The skeleton alone. The connection must have the service's codecs."""
    places = ", ".join(f"${place}" for place in range(1, len(_NAMES) + 1))
    statement = f"insert into records ({', '.join(_NAMES)}) values ({places})"
    await connection.execute(statement, *(getattr(record, name) for name in _NAMES))
