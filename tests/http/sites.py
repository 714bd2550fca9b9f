"""A site with its visitors: browsers on its pages, as far as the service can see them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry, PurposeEntry, SiteEntry
from consent_service.domain.purposes import AskAgainAfter, Confirmation, Cookie
from consent_service.domain.values import Basis
from consent_service.embedded import PostgresServer
from consent_service.http.services import Services
from consent_service.usecases import clock
from tests.databases import TestDatabase
from tests.http.conftest import Api, api_on, purpose, running_services

ORIGIN = "https://ansettr.no"
SITE = "/site/v1/ansettr-web"
PURPOSES = (
    purpose("matomo", Basis.CONSENT, cookies=(Cookie("_pk_id", "Matomo", "P13M"),)),
    purpose(
        "pixel",
        Basis.CONSENT,
        shares_or_sells=True,
        ask_again_after=AskAgainAfter(refused="P6M", deferred="P7D"),
    ),
    purpose("newsletter", Basis.CONSENT, confirmation=Confirmation.DOUBLE_OPT_IN),
    purpose("security", Basis.LEGITIMATE_INTERESTS),
    purpose("ads", Basis.LEGITIMATE_INTERESTS, shares_or_sells=True),
    purpose("profile", Basis.CONSENT, Basis.LEGITIMATE_INTERESTS),
    purpose("orders", Basis.CONTRACT),
    purpose("hole"),
    purpose("elsewhere", Basis.CONSENT),
)
SHOWN = ("matomo", "pixel", "newsletter", "security", "ads", "profile", "orders")
LISTED = (*SHOWN, "hole")
_numbers = itertools.count(1)


def random_id(word: str = "choice") -> str:
    """One that nobody had before."""
    return f"{word}-{next(_numbers):020d}"


class Browser:
    """One visitor on one page of a site."""

    def __init__(
        self, client: httpx.AsyncClient, *, site: str = SITE, origin: str | None = ORIGIN, **headers: str
    ) -> None:
        self.client = client
        self.site = site
        self.visitor = random_id("visitor")
        self.headers = {"consent-visitor": self.visitor, **headers}
        if origin is not None:
            self.headers["origin"] = origin

    async def notice(self, lang: str = "en") -> dict[str, Any]:
        answer = await self.client.get(f"{self.site}/notice?lang={lang}")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def read(self, **headers: str) -> httpx.Response:
        return await self.client.get(f"{self.site}/consents", headers={**self.headers, **headers})

    async def stands(self, purpose: str, **headers: str) -> str:
        """What stands: `status: yes` or `status: no (reason)`."""
        answer = await self.read(**headers)
        assert answer.status_code == 200, answer.text
        return standing(answer.json(), purpose)

    async def chooses(self, choices: dict[str, str], **fields: Any) -> httpx.Response:
        """Before the first layer of the notice as it is now, unless `screen_hash` names another."""
        headers = fields.pop("headers", {})
        if "screen_hash" not in fields:
            fields["screen_hash"] = (await self.notice())["screen_hash"]
        body = {"choice_id": random_id(), "language": "en", "layer": "banner", "choices": choices, **fields}
        return await self.post(body, **headers)

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        return await self.client.post(f"{self.site}/consents", json=body, headers={**self.headers, **headers})


def standing(answer: dict[str, Any], purpose: str) -> str:
    (found,) = [one for one in answer["consents"] if one["purpose"] == purpose]
    allowed, reason = found["permission"]["allowed"], found["permission"]["reason"]
    return f"{found['status']}: {'yes' if allowed else 'no'} ({reason})"


async def records(database: TestDatabase, visitor: str | None = None) -> list[dict[str, Any]]:
    """The records of the only person there is a record about, or else of whoever is asked for by the caller."""
    connection = await database.connect()
    rows = await connection.fetch(
        "select controller, subject_id, sequence, purpose, command, status, version, language, channel, source, "
        "choice_id, encode(screen_hash, 'hex') as screen_hash, encode(notice_hash, 'hex') as notice_hash "
        "from records order by recorded_at, sequence"
    )
    await connection.close()
    return [dict(row) for row in rows]


def entries(
    controller: str = "ansettr",
    *,
    purposes: tuple[PurposeEntry, ...] = PURPOSES,
    sites: tuple[SiteEntry, ...] | None = None,
) -> CatalogueEntries:
    own = (
        SiteEntry(f"{controller}-web", (f"https://{controller}.no", f"https://www.{controller}.no"), LISTED),
    )
    return CatalogueEntries(
        controller=ControllerEntry(
            slug=controller, legal_name=f"{controller.title()} AS", complaint="Datatilsynet"
        ),
        sites=own if sites is None else sites,
        purposes=purposes,
    )


@asynccontextmanager
async def running_sites(
    postgres: PostgresServer, *, now: Callable[[], datetime] = clock.now, **options: Any
) -> AsyncIterator[tuple[Api, Services]]:
    """Two controllers with a site each, on a database of their own."""
    async with running_services(postgres, now=now, **options) as (services, issuer, database):
        for controller in ("ansettr", "sonh"):
            await services.catalogue.load(entries(controller), "test")
        async with api_on(services, issuer, database) as api:
            yield api, services
