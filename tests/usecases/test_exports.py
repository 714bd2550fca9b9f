"""What is exported is what the trail tells of: a page counts to an export only where that could have it (decision 0011)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from consent_service.usecases.states import EXPORT_MAX, StatePage, States
from consent_service.usecases.submissions import Caller
from tests.usecases.recording import Room, a_command, someone

EVERYTHING = Caller("ansettr", "web-shop")
LITTLE = Caller("ansettr", "web-shop", purposes=frozenset({"avtale"}))
BEHIND_ALL = (UUID(int=(1 << 128) - 1), "z")


async def export(room: Room, caller: Caller, *after: Any, export_id: UUID | None = None) -> StatePage:
    # Entries are in the order of their moments.
    room.clock.forward(seconds=1)
    states = States(room.database, room.catalogue, now=room.clock)
    where = {"after": after} if after else {}
    return await states.page(caller, limit=10, export_id=export_id, **where)


async def entered(rows: asyncpg.Connection) -> list[dict[str, Any]]:
    found = await rows.fetch("select details from audit where action = 'states.exported' order by audit_id")
    return [json.loads(row[0]) for row in found]


async def agree(room: Room, *names: str) -> None:
    for name in names:
        await room.says(someone(name), a_command("grant"))


async def test_who_begins_an_export_at_the_end_is_told_of_where_they_go_back(
    room: Room, rows: asyncpg.Connection
) -> None:
    """Else an entry that tells of nothing would do for all of it."""
    await agree(room, "kari", "ola")
    nothing = await export(room, EVERYTHING, *BEHIND_ALL)
    everything = await export(room, EVERYTHING, export_id=nothing.export_id)

    assert (len(nothing.items), len(everything.items)) == (0, 2)
    assert await entered(rows) == [{"behind": str(BEHIND_ALL[0])}, {}]


async def test_an_export_of_some_purposes_is_none_of_all(room: Room, rows: asyncpg.Connection) -> None:
    """The same system may have a token for a few purposes, and one for all of them."""
    await agree(room, "kari")
    little = await export(room, LITTLE)
    everything = await export(room, EVERYTHING, export_id=little.export_id)
    await export(room, LITTLE, export_id=everything.export_id)

    assert len(everything.items) == 1
    assert await entered(rows) == [{"purposes": ["avtale"]}, {}, {"purposes": ["avtale"]}]


async def test_an_export_ends_after_a_day(room: Room, rows: asyncpg.Connection) -> None:
    """Else one entry would do for every export that follows."""
    first = await export(room, EVERYTHING)
    room.clock.moment += EXPORT_MAX - timedelta(seconds=2)
    await export(room, EVERYTHING, export_id=first.export_id)
    assert len(await entered(rows)) == 1
    await export(room, EVERYTHING, export_id=first.export_id)

    assert len(await entered(rows)) == 2
