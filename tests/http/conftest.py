"""The whole application on a real PostgreSQL, called through ASGI without a socket; a database for each file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast

import httpx
import pytest

from consent_service.app.services import ServiceHealth
from consent_service.domain.c15t import Categories
from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry, PurposeEntry, SiteEntry
from consent_service.domain.purposes import AskAgainAfter, Confirmation, NoticeText, Offer, Recipient
from consent_service.domain.values import Basis
from consent_service.embedded import PostgresServer
from consent_service.http.application import build_app
from consent_service.http.limits import Guards
from consent_service.http.services import Health, Services
from consent_service.metrics import Metrics
from consent_service.storage.database import open_database
from consent_service.storage.keyring import Keyring
from consent_service.usecases import clock
from consent_service.usecases.api_keys import ApiKeys
from consent_service.usecases.auditing import AuditTrail
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.ledger import Ledger
from consent_service.usecases.permissions import Permissions
from consent_service.usecases.propagation import Acknowledgements
from consent_service.usecases.recipients import Recipients
from consent_service.usecases.records import Records
from consent_service.usecases.sites import Sites
from consent_service.usecases.states import States
from consent_service.usecases.subjects import Subjects
from consent_service.usecases.visitors import Visitors
from tests.databases import TestDatabase, copy_template, drop
from tests.http.issuers import Issuer

NOTICES = {
    "nb": NoticeText(name="Nyhetsbrev", description="Vi sender deg nyheter på e-post."),
    "en": NoticeText(name="Newsletter", description="We send you news by e-mail."),
}
KEYRING = Keyring({"l1": bytes(32)}, {"s1": bytes(range(32))})
UNKNOWN_ID = "00000000-0000-7000-8000-000000000000"


def purpose(slug: str, *bases: Basis, **content: Any) -> PurposeEntry:
    return PurposeEntry(slug=slug, legal_bases=bases, notices=NOTICES, **content)


PURPOSES = (
    purpose(
        "newsletter",
        Basis.CONSENT,
        preferences=Offer(channels=("email", "sms"), topics=("jobs", "news")),
        recipients=(Recipient(slug="matomo", name="Matomo", role="processor"),),
    ),
    purpose("hr-hub", Basis.CONSENT, confirmation=Confirmation.DOUBLE_OPT_IN),
    purpose("analytics", Basis.LEGITIMATE_INTERESTS, ask_again_after=AskAgainAfter(refused="P30D")),
    purpose("contract", Basis.CONTRACT),
    purpose("pixel"),
    purpose("old", Basis.CONSENT, retired=True),
)
C15T = Categories(necessary=("contract",), measurement=("analytics",), marketing=("newsletter",))


class Api:
    """Calls the application as a system would; a token with every scope unless told otherwise."""

    def __init__(self, client: httpx.AsyncClient, issuer: Issuer, database: TestDatabase) -> None:
        self.client = client
        self.issuer = issuer
        self.database = database
        self._visitors = 0

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        controller: str = "ansettr",
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        bearer = token or self.issuer.sign(controller=controller)
        sent = {"authorization": f"Bearer {bearer}", **(headers or {})}
        if isinstance(body, bytes):
            options["content"] = body
            sent.setdefault("content-type", "application/json")
        elif body is not None:
            options["json"] = body
        return await self.client.request(method, path, headers=sent, **options)

    def somebody(self) -> dict[str, str]:
        """An identifier that nobody has yet."""
        self._visitors += 1
        return {"type": "visitor", "value": f"visitor-{self._visitors:020d}"}

    async def person(self, controller: str = "ansettr") -> str:
        """A new person's id."""
        answer = await self("POST", "/v1/subjects", {"identifiers": [self.somebody()]}, controller=controller)
        assert answer.status_code == 201, answer.text
        subject_id: str = answer.json()["subject_id"]
        return subject_id

    async def says(self, subject_id: str, purpose: str, command: str, **body: Any) -> httpx.Response:
        """One command; `grant` and `request` name version 1."""
        if command in ("grant", "request"):
            body.setdefault("version", 1)
        return await self("POST", f"/v1/subjects/{subject_id}/consents/{purpose}/{command}", body)


@asynccontextmanager
async def services_on(
    url: str,
    issuer: Issuer,
    *,
    health: Health | None = None,
    now: Callable[[], datetime] = clock.now,
    fresh_s: float = 0,
    guards: Guards | None = None,
    **limits: Any,
) -> AsyncIterator[Services]:
    """The use cases of one process on this database; the issuer signs tokens for them."""
    async with open_database(
        url, connections_max=4, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as database:
        catalogue = Catalogue(database, now=now)
        ledger = Ledger(database, catalogue, KEYRING, metrics=Metrics(), now=now, **limits)
        sites = Sites(database, catalogue, fresh_s=fresh_s, now=now)
        services = Services(
            ledger=ledger,
            permissions=Permissions(database, catalogue, KEYRING, now=now),
            subjects=Subjects(database, catalogue, KEYRING, now=now),
            records=Records(database, KEYRING, now=now),
            acknowledgements=Acknowledgements(database, catalogue, now=now),
            recipients=Recipients(database, catalogue, now=now),
            catalogue=catalogue,
            issuers=(await issuer.believed(),),
            states=States(database, catalogue, now=now),
            api_keys=ApiKeys(database, now=now),
            trail=AuditTrail(database, now=now),
            sites=sites,
            visitors=Visitors(database, catalogue, KEYRING, sites, ledger, now=now),
            health=health or ServiceHealth(database, None),
            metrics=Metrics(),
            guards=guards or Guards(),
        )
        yield services
        await ledger.close()


@asynccontextmanager
async def running_services(
    postgres: PostgresServer, **options: Any
) -> AsyncIterator[tuple[Services, Issuer, TestDatabase]]:
    """The use cases on a database of their own, without any controller."""
    issuer = Issuer()
    fresh = await copy_template(postgres)
    async with services_on(fresh.url(), issuer, **options) as services:
        yield services, issuer, fresh
    await drop(postgres, fresh)


@asynccontextmanager
async def calling(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """Calls of the whole application, without a socket."""
    transport = httpx.ASGITransport(app=cast(Any, build_app(services, public_url="http://consent.example")))
    async with httpx.AsyncClient(transport=transport, base_url="http://consent.example") as client:
        yield client


@asynccontextmanager
async def running_api(
    postgres: PostgresServer,
    *,
    health: Health | None = None,
    purposes: tuple[PurposeEntry, ...] = PURPOSES,
    **limits: Any,
) -> AsyncIterator[Api]:
    """An application on a database of its own, with two controllers that have the same purposes."""
    async with running_services(postgres, health=health, **limits) as (services, issuer, fresh):
        for controller in ("ansettr", "sonh"):
            entry = ControllerEntry(slug=controller, legal_name=f"{controller} AS")
            site = SiteEntry(
                f"{controller}-web",
                (f"https://{controller}.no",),
                tuple(one.slug for one in purposes),
                C15T if purposes is PURPOSES else Categories(),
            )
            entries = CatalogueEntries(controller=entry, sites=(site,), purposes=purposes)
            await services.catalogue.load(entries, "test")
        async with api_on(services, issuer, fresh) as api:
            yield api


@asynccontextmanager
async def api_on(services: Services, issuer: Issuer, database: TestDatabase) -> AsyncIterator[Api]:
    """The application on these services."""
    async with calling(services) as client:
        yield Api(client, issuer, database)


@pytest.fixture(scope="module")
async def api(postgres: PostgresServer) -> AsyncIterator[Api]:
    async with running_api(postgres) as running:
        yield running
