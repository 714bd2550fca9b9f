"""Sites by their public keys, and what they show; from memory, looked at anew every few seconds (API face 2, R36, R37).

A browser's request must cost no more than a look into a dictionary, so a copy is not compared with the database each
time. What it may be behind by is the same as what a browser's own cache is: a grant of what has changed meanwhile is
found out under the lock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from consent_service.domain.catalogue import ControllerEntry, SiteEntry
from consent_service.domain.errors import NotFound, Overloaded, Unavailable
from consent_service.domain.purposes import Purpose
from consent_service.domain.screens import Screen
from consent_service.storage.catalogue import read_controller, read_revision, read_sites
from consent_service.storage.database import Database
from consent_service.storage.sites import SiteRow, add_screens, read_directory, read_screen
from consent_service.usecases import clock
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.editions import Edition, make_edition

#: How long what was read counts as fresh.
FRESH_S = 5.0
#: How long a request that could be answered from memory waits for the database to say that nothing has changed.
LOOK_S = 1.0
#: How many screens a process remembers.
SCREENS_MAX = 4096


class Site(msgspec.Struct, frozen=True):
    """A site and its controller's catalogue, as they were at that revision."""

    key: str
    controller: str
    revision: int
    entry: SiteEntry
    controller_entry: ControllerEntry
    purposes: Mapping[str, Purpose]
    origins: frozenset[str]


class Sites:
    """Every controller's sites. `ticks` counts seconds and never goes back."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        *,
        fresh_s: float = FRESH_S,
        now: Callable[[], datetime] = clock.now,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._fresh_s = fresh_s
        self._now = now
        self._ticks = ticks
        self._directory: dict[str, SiteRow] | None = None
        self._looked_at = 0.0
        self._looking = asyncio.Lock()
        self._loading = asyncio.Lock()
        self._copies: dict[str, Site] = {}
        self._editions: dict[str, tuple[Site, Edition]] = {}
        self._screens: dict[tuple[str, bytes], Screen] = {}

    async def find(self, key: str) -> Site:
        """Raises NotFound; Overloaded or Unavailable where nothing is known of it and the database is away."""
        if self._is_old():
            await self._look()
        row = (self._directory or {}).get(key)
        if row is None:
            raise NotFound("There is no site of this key.")
        copy = self._copies.get(key)
        if copy is not None and copy.controller == row.controller and copy.revision >= row.revision:
            return copy
        return await self._load(key, row)

    async def edition(self, site: Site) -> Edition:
        """What the site shows now. Its screens are kept before anybody sees them."""
        made = self._made(site)
        if made is None:
            async with self._loading:
                made = self._made(site) or await self._make(site)
        return made

    def _made(self, site: Site) -> Edition | None:
        made = self._editions.get(site.key)
        return made[1] if made and made[0] is site and self._now() < made[1].valid_until else None

    async def _make(self, site: Site) -> Edition:
        now = self._now()
        edition = make_edition(site.entry, site.controller_entry, site.purposes, now)
        new = [one for one in edition.screens if (site.key, one.screen_hash) not in self._screens]
        if new:
            async with self._database.transaction([site.controller]) as connection:
                await add_screens(connection, site.controller, site.key, now, new)
            for one in new:
                self._remember(site.key, one.screen_hash, one.screen)
        self._editions[site.key] = site, edition
        return edition

    async def screen(self, site: Site, screen_hash: bytes) -> Screen | None:
        """What was on that screen of the site, however long ago; None where none of it had this hash."""
        known = self._screens.get((site.key, screen_hash))
        if known is None:
            async with self._database.transaction([site.controller], read_only=True) as connection:
                known = await read_screen(connection, site.controller, site.key, screen_hash)
            if known is not None:
                self._remember(site.key, screen_hash, known)
        return known

    def _is_old(self) -> bool:
        return self._directory is None or self._ticks() - self._looked_at >= self._fresh_s

    async def _look(self) -> None:
        """Read the directory; with one in memory, go on with that where the database does not say."""
        async with self._looking:
            if not self._is_old():
                return
            if self._directory is None:
                self._directory = await self._read_directory()
            else:
                try:
                    async with asyncio.timeout(LOOK_S):
                        self._directory = await self._read_directory()
                except (TimeoutError, Overloaded, Unavailable):
                    # What must be written or read will say so itself; a banner can still be shown.
                    pass
            self._looked_at = self._ticks()

    async def _read_directory(self) -> dict[str, SiteRow]:
        async with self._database.session() as connection:
            return await read_directory(connection)

    async def _load(self, key: str, row: SiteRow) -> Site:
        async with self._loading:
            copy = self._copies.get(key)
            if copy is not None and copy.controller == row.controller and copy.revision >= row.revision:
                return copy
            async with self._database.transaction([row.controller], read_only=True) as connection:
                # The revision first: what is read after it is at least as new.
                revision = await read_revision(connection, row.controller)
                entry = (await read_sites(connection, row.controller)).get(key)
                controller = await read_controller(connection, row.controller)
                if revision is None or entry is None or controller is None:
                    raise NotFound("There is no site of this key.")
                purposes = await self._catalogue.purposes_in(connection, row.controller, revision)
            site = Site(key, row.controller, revision, entry, controller, purposes, frozenset(entry.origins))
            self._copies[key] = site
            return site

    def _remember(self, key: str, screen_hash: bytes, screen: Screen) -> None:
        """The oldest is forgotten first; it is read again when it is needed."""
        while len(self._screens) >= SCREENS_MAX:
            del self._screens[next(iter(self._screens))]
        self._screens[key, screen_hash] = screen
