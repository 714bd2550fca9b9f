"""The catalogue: read from memory, published a version at a time, loaded from files (R4, R6, CORE 5, 15)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec

from consent_service.domain.audit import AuditAction
from consent_service.domain.catalogue import CatalogueEntries, PurposeInput, next_version
from consent_service.domain.catalogue_checks import check_content, check_form, raise_faults
from consent_service.domain.errors import (
    InvalidValue,
    NotFound,
    SeveralRefusals,
    Unavailable,
    UnknownController,
    VersionMismatch,
)
from consent_service.domain.purposes import Purpose, PurposeVersion
from consent_service.domain.values import is_slug
from consent_service.storage.audit import insert_entries
from consent_service.storage.catalogue import (
    StoredPurposes,
    add_controller,
    add_versions,
    change_controller,
    delete_draft,
    lock_controller,
    put_draft,
    put_site,
    raise_revision,
    read_controller,
    read_draft,
    read_purposes,
    read_revision,
    read_sites,
)
from consent_service.storage.database import RETRYABLE, Connection, Database
from consent_service.usecases import clock
from consent_service.usecases.auditing import entry
from consent_service.usecases.catalogue_items import PurposeItem, PurposePage, draft_item, version_item
from consent_service.usecases.catalogue_plan import (
    Action,
    Kind,
    PlannedChange,
    StoredCatalogue,
    plan_changes,
)
from consent_service.usecases.submissions import Caller

_LOADED = {Kind.CONTROLLER: AuditAction.CONTROLLER_LOADED, Kind.SITE: AuditAction.SITE_LOADED}


class Published(msgspec.Struct, frozen=True):
    """The latest version or the draft, and whether this call made it: 201, else 200."""

    item: PurposeItem
    created: bool


class Catalogue:
    """Every controller's purposes. Copies in memory are told old by the controller's revision.

    `wake` is called after a commit that put something before the relay.
    """

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime] = clock.now,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._now = now
        self._wake = wake
        self._copies: dict[str, StoredPurposes] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def purposes(self, controller: str, revision: int | None = None) -> Mapping[str, Purpose]:
        """The controller's purposes by slug, from memory where the copy is of that revision.

        `revision` is what the caller has just read; without it this looks itself. Takes a connection where it must
        read: who holds one asks `purposes_in`. Raises UnknownController.
        """
        copy = self._copies.get(controller)
        if copy is not None and copy.revision == revision:
            return copy.purposes
        async with self._database.transaction([controller], read_only=True) as connection:
            return await self.purposes_in(connection, controller, revision)

    async def purposes_in(
        self, connection: Connection, controller: str, revision: int | None = None
    ) -> Mapping[str, Purpose]:
        """The same on the caller's connection: waiting for a second one while holding a first could last for ever."""
        if revision is None:
            revision = await read_revision(connection, controller)
        copy = self._copies.get(controller)
        if copy is not None and copy.revision == revision:
            return copy.purposes
        async with self._reading.setdefault(controller, asyncio.Lock()):
            copy = self._copies.get(controller)
            if copy is None or copy.revision != revision:
                copy = await read_purposes(connection, controller)
                if copy is None:
                    raise UnknownController("The token's controller is not known here.")
                self._copies[controller] = copy
            return copy.purposes

    async def knows(self, controller: str) -> bool:
        """Whether there is such a controller."""
        async with self._database.transaction([controller], read_only=True) as connection:
            return await read_revision(connection, controller) is not None

    @property
    def known_controllers(self) -> list[str]:
        """The controllers that this process has met."""
        return list(self._copies)

    async def listing(self, controller: str, limit: int = 100, after: str | None = None) -> PurposePage:
        """Purposes by slug, each as its current version; `after` is the `next` of the page before."""
        purposes = await self.purposes(controller)
        now = self._now()
        slugs = sorted(slug for slug in purposes if after is None or slug > after)
        items = tuple(_current_item(purposes[slug], now) for slug in slugs[:limit])
        return PurposePage(items=items, next=slugs[limit - 1] if len(slugs) > limit else None)

    async def item(self, controller: str, purpose: str) -> PurposeItem:
        """The version in effect; before any is, the first. Raises NotFound."""
        return _current_item(await self._known(controller, purpose), self._now())

    async def version(self, controller: str, purpose: str, number: int) -> PurposeItem:
        """Any version ever published. Raises NotFound."""
        known = await self._known(controller, purpose)
        version = known.get(number)
        if version is None:
            raise NotFound(f"The purpose has no version {number}; the latest is {len(known.versions)}.")
        return version_item(known, version)

    async def _known(self, controller: str, purpose: str) -> Purpose:
        known = (await self.purposes(controller)).get(purpose)
        if known is None:
            raise NotFound("The controller has no such purpose.")
        return known

    async def draft(self, controller: str, purpose: str) -> PurposeItem:
        """The purpose's one draft. Raises NotFound."""
        async with self._database.transaction([controller], read_only=True) as connection:
            stored = await read_draft(connection, controller, purpose)
        if stored is None:
            raise NotFound("The purpose has no draft.")
        return draft_item(purpose, stored.content)

    async def save_draft(
        self, caller: Caller, purpose: str, asked: PurposeInput, if_match: int | None = None
    ) -> Published:
        """Keep a draft in the place of the last one. It may be unfinished, but not malformed (CORE 5).

        `if_match` is the version it was written from. Raises InvalidRequest, NotFound, VersionMismatch.
        """
        _check_slug(purpose)
        raise_faults(list(check_form(asked)))
        async with self._changing(caller.controller) as connection:
            known = await self._locked(connection, caller.controller, purpose)
            _check_match(known, if_match, self._now())
            stored = await read_draft(connection, caller.controller, purpose)
            now = self._now()
            await put_draft(connection, caller.controller, purpose, asked, now)
            await self._audit(connection, caller, now, AuditAction.PURPOSE_DRAFTED, [{"purpose": purpose}])
        return Published(draft_item(purpose, asked), created=stored is None)

    async def publish(
        self,
        caller: Caller,
        purpose: str,
        asked: PurposeInput,
        if_match: int | None = None,
        traceparent: str | None = None,
    ) -> Published:
        """Make the next version of a purpose, or its first; none where nothing differs (CORE 5).

        A draft is gone once a version is published. Raises InvalidRequest, InvalidValue, MustBeMaterial,
        VersionMismatch (the version in `if_match` is not the latest), NotFound (no slug), UnknownController.
        """
        _check_slug(purpose)
        raise_faults(check_content(asked))
        async with self._changing(caller.controller) as connection:
            known = await self._locked(connection, caller.controller, purpose)
            version = next_version(known, asked, self._now())
            _check_match(known, if_match, self._now())
            if version is None:
                assert known is not None
                return Published(version_item(known, known.versions[-1]), created=False)
            await delete_draft(connection, caller.controller, purpose)
            await self._append(connection, caller, [(purpose, version)], traceparent)
            await raise_revision(connection, caller.controller)
        self._wake()
        earlier = known.versions if known else ()
        return Published(
            version_item(Purpose(caller.controller, purpose, (*earlier, version)), version), created=True
        )

    async def plan(self, entries: CatalogueEntries) -> list[PlannedChange]:
        """What `load` would do at this moment. Changes nothing, refuses nothing."""
        async with self._database.transaction([entries.controller.slug], read_only=True) as connection:
            stored = await _stored(connection, entries.controller.slug)
        return plan_changes(stored, entries, self._now())

    async def load(
        self, entries: CatalogueEntries, actor: str, reason: str | None = None
    ) -> list[PlannedChange]:
        """Bring what a file names into the catalogue, all of it or nothing, and tell what changed (R4).

        What the file does not name stays as it is, drafts too. `entries` have been checked by the reader.
        Raises SeveralRefusals where anything is refused; the pointers start at the file's root.
        """
        caller = Caller(controller=entries.controller.slug, subject=actor, reason=reason)
        async with self._changing(caller.controller) as connection:
            is_new = await add_controller(connection, entries.controller)
            await lock_controller(connection, caller.controller)
            stored = await _stored(connection, caller.controller)
            if is_new:
                stored = msgspec.structs.replace(stored, controller=None)
            changes = plan_changes(stored, entries, self._now())
            refusals = [refusal for change in changes for refusal in change.refusals]
            if refusals:
                raise SeveralRefusals(refusals)
            if any(change.action is not Action.UNCHANGED for change in changes):
                await self._apply(connection, caller, entries, changes)
        if any(change.version for change in changes):
            self._wake()
        return changes

    async def _apply(
        self,
        connection: Connection,
        caller: Caller,
        entries: CatalogueEntries,
        changes: Sequence[PlannedChange],
    ) -> None:
        changed = [change for change in changes if change.action is not Action.UNCHANGED]
        for change in changed:
            if change.kind is Kind.CONTROLLER and change.action is Action.CHANGED:
                await change_controller(connection, entries.controller)
        sites = {change.name for change in changed if change.kind is Kind.SITE}
        for place, site in enumerate(entries.sites):
            if site.key in sites:
                try:
                    await put_site(connection, caller.controller, site)
                except InvalidValue as taken:
                    taken.pointer = f"/sites/{place}{taken.pointer}"
                    raise SeveralRefusals([taken]) from taken
        versions = [(change.name, change.version) for change in changed if change.version is not None]
        for kind, action in _LOADED.items():
            told = [
                {kind.value: change.name, "action": change.action, "fields": change.fields}
                for change in changed
                if change.kind is kind
            ]
            await self._audit(connection, caller, self._now(), action, told)
        await self._append(connection, caller, versions)
        await raise_revision(connection, caller.controller)

    async def _append(
        self,
        connection: Connection,
        caller: Caller,
        versions: Sequence[tuple[str, PurposeVersion]],
        traceparent: str | None = None,
    ) -> None:
        if not versions:
            return
        await add_versions(connection, caller.controller, versions, traceparent)
        told = [
            {
                "purpose": slug,
                "version": version.number,
                "change": version.change,
                "hash": version.content_hash,
            }
            for slug, version in versions
        ]
        await self._audit(
            connection, caller, versions[0][1].published_at, AuditAction.PURPOSE_PUBLISHED, told
        )

    async def _audit(
        self,
        connection: Connection,
        caller: Caller,
        at: datetime,
        action: AuditAction,
        told: Sequence[dict[str, Any]],
    ) -> None:
        if told:
            await insert_entries(connection, [entry(caller, action, at, **details) for details in told])

    async def _locked(self, connection: Connection, controller: str, purpose: str) -> Purpose | None:
        """The purpose as it stands once nobody else can change it."""
        if not await lock_controller(connection, controller):
            raise UnknownController("The token's controller is not known here.")
        stored = await read_purposes(connection, controller)
        assert stored is not None
        return stored.purposes.get(purpose)

    @asynccontextmanager
    async def _changing(self, controller: str) -> AsyncIterator[Connection]:
        try:
            async with self._database.transaction([controller], retried=True) as connection:
                yield connection
        except RETRYABLE as error:
            raise Unavailable(
                "Somebody else changes this catalogue now; nothing was changed. Try again."
            ) from error


async def _stored(connection: Connection, controller: str) -> StoredCatalogue:
    stored = await read_purposes(connection, controller)
    return StoredCatalogue(
        controller=await read_controller(connection, controller),
        sites=await read_sites(connection, controller),
        purposes=stored.purposes if stored else {},
    )


def _current_item(purpose: Purpose, now: datetime) -> PurposeItem:
    return version_item(purpose, purpose.current(now))


def _check_slug(purpose: str) -> None:
    if not is_slug(purpose):
        raise NotFound("A purpose is named by a slug: 1 to 64 of a-z, 0-9 and -, not beginning with -.")


def _check_match(purpose: Purpose | None, if_match: int | None, now: datetime) -> None:
    """The version in effect, which reading shows, or the latest, which may wait for its time."""
    latest = len(purpose.versions) if purpose else None
    current = purpose.current(now).number if purpose else None
    if if_match is not None and if_match not in (latest, current):
        raise VersionMismatch(
            f"The latest version is {latest}, not {if_match}; read it and try again."
            if latest
            else "The purpose has no version yet; leave `If-Match` out."
        )
