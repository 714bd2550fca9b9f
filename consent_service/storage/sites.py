"""Whose a site key is, and what was on the screens of a site: site_directory() and rows of screens (R37)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from consent_service.domain.screens import Screen
from consent_service.storage.database import Connection


class SiteRow(msgspec.Struct, frozen=True):
    """A site's controller, and how often that one's catalogue has changed, its sites included."""

    controller: str
    revision: int


class NewScreen(msgspec.Struct, frozen=True):
    screen_hash: bytes
    language: str
    screen: Screen


_DIRECTORY = "select site_key, controller, revision from site_directory()"

_SCREEN = """
    select content
    from screens
    where controller = $1
      and site_key = $2
      and screen_hash = $3
"""

_ADD_SCREENS = """
    insert into screens (controller, site_key, screen_hash, language, layer, content, first_shown_at)
    select $1, $2, screen_hash, language, layer, content, $3
    from unnest($4::bytea[], $5::text[], $6::text[], $7::jsonb[]) as shown (screen_hash, language, layer, content)
    on conflict (controller, site_key, screen_hash) do nothing
"""

_screen = msgspec.json.Decoder(Screen)


async def read_directory(connection: Connection) -> dict[str, SiteRow]:
    """Every site of every controller by its key; needs no controller's list."""
    return {row[0]: SiteRow(row[1], row[2]) for row in await connection.fetch(_DIRECTORY)}


async def read_screen(
    connection: Connection, controller: str, site_key: str, screen_hash: bytes
) -> Screen | None:
    """What that hash stands for on this site, or None where it was never shown there."""
    content = await connection.fetchval(_SCREEN, controller, site_key, screen_hash)
    return None if content is None else _screen.decode(content)


async def add_screens(
    connection: Connection, controller: str, site_key: str, at: datetime, shown: Sequence[NewScreen]
) -> None:
    """Keep screens that are about to be shown; those that are kept already stay as they are."""
    await connection.execute(
        _ADD_SCREENS,
        controller,
        site_key,
        at,
        [one.screen_hash for one in shown],
        [one.language for one in shown],
        [one.screen.layer for one in shown],
        [one.screen for one in shown],
    )
