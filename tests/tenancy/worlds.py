"""Two worlds that a stranger cannot tell apart: one where it is alone, one that it shares with others.

In the shared one every row of the stranger's has a twin of each other controller's: the same ids, other content. Nothing
like that happens outside tests, but it tells of every statement whether it asks for the controller. Beside the twins
the owner has a person, purposes and records of its own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

import asyncpg

from consent_service.domain.api_keys import ApiKey, hash_api_key
from consent_service.domain.c15t import Categories
from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry, SiteEntry
from consent_service.domain.purposes import Offer, Recipient
from consent_service.domain.values import Basis
from consent_service.embedded import PostgresServer
from consent_service.http.application import build_app
from consent_service.http.limits import Guards
from consent_service.http.scopes import SCOPES
from consent_service.http.services import Feed
from consent_service.storage.api_keys import insert_api_key
from consent_service.storage.catalogue import put_site, raise_revision
from consent_service.storage.database import _set_up
from tests.builders import day
from tests.databases import TestDatabase, copy_template, drop
from tests.http.conftest import purpose, services_on
from tests.http.issuers import Issuer
from tests.storage.test_row_level_security import TABLES
from tests.tenancy.asked import CONTENT, QUESTIONS, Values
from tests.tenancy.world import BYSTANDER, OTHERS, OTHERS_ENTRY, OWNER, STRANGER, World, key_name, key_text
from tests.usecases.recording import Clock

ASKED_AT = day(30)
MATOMO = Recipient(slug="matomo", name="Matomo", role="processor")
PURPOSES = (
    purpose(
        "newsletter",
        Basis.CONSENT,
        renew_after="P1Y",
        preferences=Offer(topics=("jobs", "news")),
        recipients=(MATOMO,),
    ),
    purpose(
        "analytics",
        Basis.LEGITIMATE_INTERESTS,
        recipients=(Recipient(slug="crm", name="CRM", role="processor"),),
    ),
)
#: What twins have otherwise: keys that are unique in all the table, and content that would show. By column, or by table
#: and column.
OTHERWISE = {
    "controller": "'{0}'",
    "hash": "sha256(hash || '{0}'::bytea)",
    "key": "sha256(key || '{0}'::bytea)",
    "sites.site_key": "'{0}-' || site_key",
    "screens.content": "jsonb_set(content, '{{purposes}}', '[]')",
    "fingerprint": "sha256(fingerprint || '{0}'::bytea)",
    "legal_name": "legal_name || ' {0}'",
    "topic_prefix": "'{0}'",
    "sealed": r"'\x00'::bytea",
    "owed_since": "owed_since - interval '1 day'",
    "swept": "swept + 1",
}


@dataclass(frozen=True)
class Told:
    """A database in which a story was told; copies of it are worlds."""

    database: TestDatabase
    values: dict[str, Values]
    until: datetime


@dataclass(frozen=True)
class Stage:
    """The engines, and what is told in both worlds. `event` is an id of the feed, behind which there are changes."""

    postgres: PostgresServer
    issuer: Issuer
    feed: Feed
    event: str

    @asynccontextmanager
    async def open(self, told: Told, role: str = "consent_service") -> AsyncIterator[World]:
        """A world of its own, as it was told; the service works in it as this role."""
        database = await copy_template(self.postgres, told.database.name)
        async with self.at_work(database, Clock(ASKED_AT), role) as world:
            yield world
        await drop(self.postgres, database)

    @asynccontextmanager
    async def at_work(
        self, database: TestDatabase, clock: Clock, role: str = "consent_service"
    ) -> AsyncIterator[World]:
        """With one writer, so that what arrives at once is one batch; of what is allowed nothing comes back with time."""
        async with AsyncExitStack() as stack:
            services = await stack.enter_async_context(
                services_on(
                    database.url(role), self.issuer, now=clock, writers=1, guards=Guards(ticks=lambda: 0.0)
                )
            )
            rows = await database.connect()
            stack.push_async_callback(rows.close)
            await _set_up(rows)
            app = build_app(replace(services, feed=self.feed), public_url="http://consent.example")
            yield World(app, self.issuer, rows, clock)

    async def alone(self) -> Told:
        """The stranger's story, and nobody else's."""
        database, clock = await copy_template(self.postgres), Clock()
        entry = ControllerEntry(slug=STRANGER, legal_name="Sonh AS")
        async with services_on(database.url(), self.issuer, now=clock) as services:
            entries = CatalogueEntries(controller=entry, purposes=PURPOSES)
            await services.catalogue.load(entries, "test")
        async with self.at_work(database, clock) as world:
            values = await tell(world, STRANGER, "ours", version=1)
            await world.rows.execute(_NOT_WRITTEN_YET)
        return Told(database, {STRANGER: {**values, "event": self.event}}, clock())

    async def shared(self, alone: Told) -> Told:
        """The same with twins of everything, and an owner who has gone on from there."""
        database = await copy_template(self.postgres, alone.database.name)
        clock = Clock(alone.until)
        connection = await database.connect()
        for table in TABLES:
            await _plant_twins(connection, table)
        await connection.execute(_WOULD_SHOW)
        await connection.close()
        twin = alone.values[STRANGER]["subject"]
        async with self.at_work(database, clock) as world:
            await world.says(OWNER, "PUT", "/v1/purposes/newsletter", _NEXT_NEWSLETTER)
            values = await tell(world, OWNER, "theirs", version=2)
            path = f"/v1/subjects/{twin}/consents"
            await world.says(OWNER, "POST", f"{path}/newsletter/withdraw", {})
            await world.says(OWNER, "POST", f"{path}/analytics/lift-objection", {})
            granted = (await world.says(OWNER, "POST", f"{path}/theirs/grant", {"version": 1}))["record"]
            await world.rows.execute(_NOT_OPENED)
        values |= {"twin_record": granted["record_id"], "twin_sequence": str(granted["sequence"])}
        return Told(database, {**alone.values, OWNER: {**values, "event": self.event}}, clock())


#: The owner's alone: another recipient.
_NEXT_NEWSLETTER = {
    **CONTENT,
    "change": "material",
    "renew_after": "P1Y",
    "preferences": {"topics": ["jobs", "news"]},
    "recipients": [{"slug": slug, "name": slug, "role": "processor"} for slug in ("matomo", "brevo")],
}
#: What no use case writes yet.
_NOT_WRITTEN_YET = """
    insert into suppressions (hash, controller, key_id, suppressed_at)
    select sha256('somebody'), controller, 'l1', now() from controllers;
    insert into sweeps (controller, purpose, version, started_at, walk_began_at)
    select controller, 'newsletter', version, timestamptz '2026-01-01', timestamptz '2026-01-01'
    from controllers, generate_series(1, 2) as version;
    update controllers set topic_prefix = controller;
"""
#: A language that only others have, and what only others' audit tells of.
_WOULD_SHOW = f"""
    insert into notices (controller, purpose, version, language, content, notice_hash)
    select controller, purpose, version, 'sv', content, notice_hash from notices where language = 'en' and {OTHERS};
    insert into audit (audit_id, controller, at, actor, action, subject_id)
    select gen_random_uuid(), controller, now(), 'test', 'details.removed', subject_id from subjects where {OTHERS};
    insert into audit (audit_id, controller, at, actor, action)
    select '{OTHERS_ENTRY}', controller, now(), 'test', 'states.exported' from controllers where {OTHERS};
"""
#: Whoever takes a twin's key for a person's own opens nothing. Of the owner's own persons all is published, and of the
#: bystander's purposes.
_NOT_OPENED = rf"""
    update subject_keys as twin set sealed_key = '\x00'
    where {OTHERS} and exists (
        select from subject_keys as own where own.controller = '{STRANGER}' and own.subject_id = twin.subject_id);
    delete from outbox where {OTHERS} and kind <> 'purpose' and not exists (
        select from subjects as own where own.controller = '{STRANGER}' and own.subject_id = outbox.subject_id);
    delete from outbox where controller = '{BYSTANDER}' and kind = 'purpose';
"""


async def _plant_twins(connection: asyncpg.Connection, table: str) -> None:
    """The rows anew: a twin before all of the stranger's, and one behind."""
    columns = await connection.fetch(
        "select attname, attidentity <> '' from pg_attribute "
        "where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum",
        table,
    )
    # A row of the outbox is known by its person and position.
    names = [name for name, numbered in columns if not (numbered and table == "outbox")]

    def twins(controller: str) -> str:
        values = ", ".join(
            OTHERWISE.get(f"{table}.{name}", OTHERWISE.get(name, name)).format(controller) for name in names
        )
        return f"insert into {table} ({', '.join(names)}) overriding system value select {values} from own;"

    await connection.execute(
        # No trigger and no foreign key stands in the way.
        "set session_replication_role = replica;"
        f"create temp table own as select * from {table}; delete from {table};"
        f"{twins(OWNER)} insert into {table} overriding system value select * from own; {twins(BYSTANDER)}"
        "drop table own; reset session_replication_role"
    )


async def tell(world: World, who: str, own: str, *, version: int) -> dict[str, str]:
    """A story of two persons, with a purpose that nobody else has; and the values by which it can be asked about."""
    world.clock.forward(days=1)
    recipient = {"ours": "matomo", "theirs": "brevo"}[own]
    recipients = [{"slug": recipient, "name": "R", "role": "processor"}]
    content = {**CONTENT, "change": "material", "recipients": recipients}
    await world.says(who, "PUT", f"/v1/purposes/{own}", content)
    for name in ("newsletter", own):
        await world.says(who, "PUT", f"/v1/purposes/{name}?draft=true", {"data_categories": [who]})
    identifiers = {
        "email": {"type": "email", "value": f"kari@{who}.example"},
        "phone": {"type": "phone", "value": f"+4722{version}00000"},
        "visitor": {"type": "visitor", "value": f"visitor-{who:0>22}"},
    }
    values = {
        "who": who,
        "purpose": own,
        "recipient": recipient,
        "version": str(version),
        "now": text_of(ASKED_AT),
        "soon": text_of(ASKED_AT + timedelta(days=1)),
        "moment": text_of(world.clock() + timedelta(hours=2)),
        **{name: json.dumps(one) for name, one in identifiers.items()},
    }
    both = {"identifiers": [identifiers["email"], identifiers["phone"]]}
    subject = (await world.says(who, "POST", "/v1/subjects", both))["subject_id"]
    path = f"/v1/subjects/{subject}/consents"
    given = {"version": version, "evidence": {"form": who}}
    record = (await world.says(who, "POST", f"{path}/newsletter/grant", given))["record"]["record_id"]
    promise = {
        "record_id": record,
        "outcome": "accepted",
        "at": text_of(world.clock()),
        "due_at": values["moment"],
    }
    word = {"recipient": "matomo", "records": [promise]}
    await world.says(who, "POST", "/v1/acknowledgements", word, recipient="matomo")
    world.clock.forward(days=1)
    await world.says(who, "POST", f"{path}/newsletter/prefer", {"preferences": {"topics": ["jobs"]}})
    await world.says(who, "POST", f"{path}/{own}/grant", {"version": 1})
    values |= {"subject": subject, "mine": subject, "record": record}
    values |= await _open_site(world, who, own)
    await _make_key(world, who)
    for question in QUESTIONS:
        if question.is_repeated:
            answer = await world.ask(who, question.about(values))
            assert answer.status_code < 300, answer.text
    world.clock.forward(days=1)
    return {**values, **await _places(world, who, subject)}


async def _open_site(world: World, who: str, own: str) -> dict[str, str]:
    """A site that shows all purposes, and the values by which it and a visitor of it can be asked about."""
    site, origin = {"ours": "site", "theirs": f"{who}-site"}[own], f"https://{who}.example"
    categories = Categories(functionality=(own,), measurement=("newsletter",), marketing=("analytics",))
    await put_site(world.rows, who, SiteEntry(site, (origin,), ("newsletter", "analytics", own), categories))
    await raise_revision(world.rows, who)
    screen = (await world.says(who, "GET", f"/site/v1/{site}/notice?lang=nb"))["screen_hash"]
    token = (await world.says(who, "GET", f"/site/v1/{site}/c15t/init"))["policySnapshotToken"]
    return {
        "my_site": site,
        "my_origin": origin,
        "my_screen": screen,
        "screen": screen,
        "my_token": token,
        "token": token,
        "c15t": f"sub_{sha256(who.encode()).hexdigest()[:27].replace('0', 'z')}",
        "browser": f"browser-{who:0>22}",
        "choice": f"choice-{who:0>22}",
    }


async def _make_key(world: World, who: str) -> None:
    """An API key that may do everything."""
    key = ApiKey(
        controller=who,
        key_id=key_name(who).key_id,
        name="sync",
        scopes=tuple(SCOPES),
        purposes=None,
        recipient=None,
        created_at=world.clock(),
        created_by="test",
        expires_at=day(100_000),
    )
    await insert_api_key(world.rows, key, hash_api_key(key_text(who, who)))


async def _places(world: World, who: str, subject: str) -> dict[str, str]:
    """The ids of what has been linked, and of every list a cursor behind its first item."""
    lists = {
        "records": f"/v1/subjects/{subject}/records",
        "identifiers": f"/v1/subjects/{subject}/identifiers",
        "recipients": "/v1/recipients",
        "pending": "/v1/recipients/matomo/pending",
        "purposes": "/v1/purposes",
        "states": "/v1/states",
    }
    pages = {name: await world.says(who, "GET", f"{path}?limit=1") for name, path in lists.items()}
    linked = (await world.says(who, "GET", lists["identifiers"]))["items"]
    return {
        **{f"{name}_after": page["next"] for name, page in pages.items()},
        **{f"{one['type']}_id": one["identifier_id"] for one in linked},
    }


def text_of(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
