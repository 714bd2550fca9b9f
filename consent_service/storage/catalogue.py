"""The catalogue's rows: controllers, sites, purposes with versions and notices, drafts (CORE 15, 19)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import asyncpg
import msgspec

from consent_service.domain.c15t import Categories
from consent_service.domain.catalogue import (
    PURPOSES_SHARD,
    PURPOSES_SUBJECT,
    ControllerEntry,
    PurposeInput,
    SiteEntry,
    plain,
)
from consent_service.domain.errors import InvalidValue
from consent_service.domain.purposes import Change, Purpose, PurposeContent, PurposeVersion
from consent_service.storage.database import Connection


class StoredPurposes(msgspec.Struct, frozen=True):
    """A controller's purposes by slug, as they were at that revision of its catalogue."""

    revision: int
    purposes: dict[str, Purpose]


class StoredDraft(msgspec.Struct, frozen=True):
    content: PurposeInput
    saved_at: datetime


_REVISION = "select revision from controllers where controller = $1"


async def read_revision(connection: Connection, controller: str) -> int | None:
    """How often the controller's catalogue has changed; None where there is no such controller."""
    revision: int | None = await connection.fetchval(_REVISION, controller)
    return revision


# One statement, so that revision and versions are of one moment.
_PURPOSES = """
    select c.revision, v.purpose, v.version, v.change, v.effective_from, v.published_at, v.content,
           encode(v.content_hash, 'hex') as content_hash,
           (select jsonb_object_agg(n.language, encode(n.notice_hash, 'hex'))
            from notices n
            where n.controller = v.controller
              and n.purpose = v.purpose
              and n.version = v.version) as notice_hashes
    from controllers c
    left join purpose_versions v on v.controller = c.controller
    where c.controller = $1
    order by v.purpose, v.version
"""


async def read_purposes(connection: Connection, controller: str) -> StoredPurposes | None:
    """Everything ever published for the controller; None where there is no such controller."""
    rows = await connection.fetch(_PURPOSES, controller)
    if not rows:
        return None
    versions: dict[str, list[PurposeVersion]] = {}
    for row in rows:
        if row["purpose"] is not None:
            versions.setdefault(row["purpose"], []).append(_version(row))
    purposes = {slug: Purpose(controller, slug, tuple(found)) for slug, found in versions.items()}
    return StoredPurposes(rows[0]["revision"], purposes)


def _version(row: asyncpg.Record) -> PurposeVersion:
    hashes = row["notice_hashes"]
    return PurposeVersion(
        number=row["version"],
        change=Change(row["change"]),
        effective_from=row["effective_from"],
        published_at=row["published_at"],
        content=msgspec.json.decode(row["content"], type=PurposeContent),
        content_hash=row["content_hash"],
        notice_hashes=msgspec.json.decode(hashes, type=dict[str, str]) if hashes else {},
    )


_CONTROLLER = "select legal_name, content from controllers where controller = $1"


async def read_controller(connection: Connection, controller: str) -> ControllerEntry | None:
    row = await connection.fetchrow(_CONTROLLER, controller)
    if row is None:
        return None
    content = msgspec.json.decode(row["content"])
    return msgspec.convert(
        {"slug": controller, "legal_name": row["legal_name"], **content}, ControllerEntry, strict=True
    )


_TOPIC_PREFIX = "select topic_prefix from controllers where controller = $1"


async def read_topic_prefix(connection: Connection, controller: str) -> str | None:
    """What the controller's topics begin with; None where there is no such controller."""
    prefix: str | None = await connection.fetchval(_TOPIC_PREFIX, controller)
    return prefix


_categories = msgspec.json.Decoder(Categories)
_texts = msgspec.json.Decoder(dict[str, dict[str, str]])
_SITES = "select site_key, origins, purposes, c15t, texts from sites where controller = $1 order by site_key"


async def read_sites(connection: Connection, controller: str) -> dict[str, SiteEntry]:
    """The controller's sites by key."""
    rows = await connection.fetch(_SITES, controller)
    return {
        row["site_key"]: SiteEntry(
            row["site_key"],
            tuple(row["origins"]),
            tuple(row["purposes"]),
            _categories.decode(row["c15t"]),
            _texts.decode(row["texts"]),
        )
        for row in rows
    }


_ADD_CONTROLLER = """
    insert into controllers (controller, legal_name, content)
    values ($1, $2, $3)
    on conflict (controller) do nothing
    returning revision
"""


async def add_controller(connection: Connection, entry: ControllerEntry) -> bool:
    """Whether it is new; one that stands is left as it is. Either way it is not locked."""
    return await connection.fetchval(_ADD_CONTROLLER, entry.slug, entry.legal_name, _facts(entry)) is not None


def _facts(entry: ControllerEntry) -> dict[str, object]:
    """What the content column holds: everything but the two fields with columns of their own."""
    return {name: value for name, value in plain(entry).items() if name not in ("slug", "legal_name")}


# An update that changes nothing locks too, and is a shape that runs everywhere.
_LOCK_CONTROLLER = "update controllers set revision = revision where controller = $1 returning revision"


async def lock_controller(connection: Connection, controller: str) -> bool:
    """Wait for whoever else changes this catalogue; False where there is no such controller."""
    return await connection.fetchval(_LOCK_CONTROLLER, controller) is not None


_CHANGE_CONTROLLER = "update controllers set legal_name = $2, content = $3 where controller = $1"


async def change_controller(connection: Connection, entry: ControllerEntry) -> None:
    await connection.execute(_CHANGE_CONTROLLER, entry.slug, entry.legal_name, _facts(entry))


_RAISE_REVISION = "update controllers set revision = revision + 1 where controller = $1"


async def raise_revision(connection: Connection, controller: str) -> None:
    """Tell every process that its copy is old, once this transaction commits."""
    await connection.execute(_RAISE_REVISION, controller)


_CHANGE_SITE = """
    update sites
    set origins = $3, purposes = $4, c15t = $5, texts = $6
    where controller = $1 and site_key = $2
    returning site_key
"""

_ADD_SITE = """
    insert into sites (controller, site_key, origins, purposes, c15t, texts)
    values ($1, $2, $3, $4, $5, $6)
"""


async def put_site(connection: Connection, controller: str, site: SiteEntry) -> None:
    """Add or change a site. Raises InvalidValue where another controller has the key."""
    values = (controller, site.key, site.origins, site.purposes, site.c15t, site.texts)
    if await connection.fetchval(_CHANGE_SITE, *values) is not None:
        return
    try:
        await connection.execute(_ADD_SITE, *values)
    except asyncpg.UniqueViolationError as error:
        # Site keys are public, so that this tells nothing about the other controller.
        raise InvalidValue("This site key is taken; choose another.", pointer="/key") from error


_ADD_PURPOSES = """
    insert into purposes (controller, purpose)
    select $1, purpose
    from unnest($2::text[]) as new (purpose)
    on conflict (controller, purpose) do nothing
"""

_ADD_VERSIONS = """
    insert into purpose_versions (
        controller, purpose, version, change, effective_from, published_at, content, content_hash)
    select $1, purpose, version, change, effective_from, published_at, content, content_hash
    from unnest(
        $2::text[], $3::integer[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::jsonb[], $8::bytea[])
        as new (purpose, version, change, effective_from, published_at, content, content_hash)
"""

_ADD_NOTICES = """
    insert into notices (controller, purpose, version, language, content, notice_hash)
    select $1, purpose, version, language, content, notice_hash
    from unnest($2::text[], $3::integer[], $4::text[], $5::jsonb[], $6::bytea[])
        as new (purpose, version, language, content, notice_hash)
"""

# Positions are given in the order of the rows, so that versions are published as they were numbered.
_STAGE = """
    insert into outbox (kind, controller, subject_id, purpose, sequence, shard, traceparent)
    select 'purpose', $1, $2, purpose, version, $3, $4
    from unnest($5::text[], $6::bigint[]) with ordinality as new (purpose, version, place)
    order by place
"""


async def add_versions(
    connection: Connection,
    controller: str,
    versions: Iterable[tuple[str, PurposeVersion]],
    traceparent: str | None = None,
) -> None:
    """Append versions as (purpose slug, version) with their notices, and put each before the relay (R6)."""
    added = list(versions)
    slugs = [slug for slug, _ in added]
    numbers = [version.number for _, version in added]
    await connection.execute(_ADD_PURPOSES, controller, slugs)
    await connection.execute(
        _ADD_VERSIONS,
        controller,
        slugs,
        numbers,
        [version.change for _, version in added],
        [version.effective_from for _, version in added],
        [version.published_at for _, version in added],
        [plain(version.content) for _, version in added],
        [bytes.fromhex(version.content_hash) for _, version in added],
    )
    await _add_notices(connection, controller, added)
    await connection.execute(
        _STAGE, controller, PURPOSES_SUBJECT, PURPOSES_SHARD, traceparent, slugs, numbers
    )


async def _add_notices(
    connection: Connection, controller: str, added: list[tuple[str, PurposeVersion]]
) -> None:
    notices = [
        (slug, version.number, language, plain(notice), bytes.fromhex(version.notice_hashes[language]))
        for slug, version in added
        for language, notice in version.content.notices.items()
    ]
    columns = [[notice[column] for notice in notices] for column in range(5)]
    await connection.execute(_ADD_NOTICES, controller, *columns)


_DRAFT = "select content, saved_at from purpose_drafts where controller = $1 and purpose = $2"


async def read_draft(connection: Connection, controller: str, purpose: str) -> StoredDraft | None:
    row = await connection.fetchrow(_DRAFT, controller, purpose)
    if row is None:
        return None
    return StoredDraft(msgspec.json.decode(row["content"], type=PurposeInput), row["saved_at"])


_PUT_DRAFT = """
    insert into purpose_drafts (controller, purpose, content, saved_at)
    values ($1, $2, $3, $4)
    on conflict (controller, purpose) do update
    set content = excluded.content, saved_at = excluded.saved_at
"""


async def put_draft(
    connection: Connection, controller: str, purpose: str, content: PurposeInput, saved_at: datetime
) -> None:
    await connection.execute(_PUT_DRAFT, controller, purpose, plain(content), saved_at)


_DELETE_DRAFT = "delete from purpose_drafts where controller = $1 and purpose = $2"


async def delete_draft(connection: Connection, controller: str, purpose: str) -> None:
    """Remove the purpose's draft, if it has one."""
    await connection.execute(_DELETE_DRAFT, controller, purpose)
