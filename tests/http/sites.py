"""Sites with their visitors: browsers on their pages, as far as the service can see them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from consent_service.domain.c15t import Categories
from consent_service.domain.catalogue import (
    CatalogueEntries,
    Contact,
    ControllerEntry,
    PurposeEntry,
    SiteEntry,
)
from consent_service.domain.purposes import AskAgainAfter, Confirmation, Cookie
from consent_service.domain.values import Basis
from consent_service.embedded import PostgresServer
from consent_service.http.services import Services
from consent_service.usecases import clock
from tests.databases import TestDatabase
from tests.http.conftest import Api, api_on, purpose, running_services, services_on
from tests.http.issuers import Issuer

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
NO_C15T = Categories()
C15T = Categories(
    necessary=("orders",),
    functionality=("security", "profile"),
    measurement=("matomo",),
    marketing=("pixel", "newsletter", "ads"),
)
LISTED = ("matomo", "pixel", "newsletter", "security", "hole", "ads", "profile", "orders")
_numbers = itertools.count(1)


def random_id(word: str = "choice") -> str:
    """One that nobody had before."""
    return f"{word}-{next(_numbers):020d}"


class Clock:
    """The service's clock, as far ahead as the test says."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return clock.now() + self.ahead


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
        """What stands: `status: yes (reason)`."""
        answer = await self.read(**headers)
        assert answer.status_code == 200, answer.text
        return standing(answer.json(), purpose)

    async def body(self, choices: dict[str, str], **fields: Any) -> dict[str, Any]:
        """A choice before the first layer of the notice as it is now, unless `screen_hash` names another."""
        if "screen_hash" not in fields:
            fields["screen_hash"] = (await self.notice())["screen_hash"]
        return {"choice_id": random_id(), "language": "en", "layer": "banner", "choices": choices, **fields}

    async def chooses(
        self, choices: dict[str, str], headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        return await self.post(await self.body(choices, **fields), headers)

    async def post(self, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        sent = {**self.headers, **(headers or {})}
        return await self.client.post(f"{self.site}/consents", json=body, headers=sent)


def renamed(choices: Any, purposes: tuple[str, ...]) -> Any:
    """The same words about these purposes, as far as they go; anything else as it is."""
    words = ("given", "refused", "withdrawn", "deferred")
    if not isinstance(choices, dict) or not choices or any(said not in words for said in choices.values()):
        return choices
    return dict(zip(purposes, choices.values(), strict=False))


def standing(answer: dict[str, Any], purpose: str) -> str:
    (found,) = [one for one in answer["consents"] if one["purpose"] == purpose]
    allowed, reason = found["permission"]["allowed"], found["permission"]["reason"]
    return f"{found['status']}: {'yes' if allowed else 'no'} ({reason})"


def asked_again(answer: httpx.Response) -> str:
    assert answer.status_code in (200, 201), answer.text
    return " ".join(f"{one['purpose']}={one['reason']}" for one in answer.json()["ask_again"])


def entries(
    controller: str = "ansettr",
    *,
    purposes: tuple[PurposeEntry, ...] = PURPOSES,
    listed: tuple[str, ...] = LISTED,
    c15t: Categories = NO_C15T,
) -> CatalogueEntries:
    origins = (f"https://{controller}.no", f"https://www.{controller}.no", "http://localhost:5173")
    return CatalogueEntries(
        controller=ControllerEntry(
            slug=controller,
            legal_name=f"{controller.title()} AS",
            contacts=(Contact("email", f"post@{controller}.no", "controller contact"),),
            complaint="Datatilsynet",
        ),
        sites=(SiteEntry(f"{controller}-web", origins, listed, c15t),),
        purposes=purposes,
    )


@dataclass
class Stage:
    """Two controllers with a site each, on a database of their own, and a clock that can be put forward."""

    api: Api
    services: Services
    issuer: Issuer
    database: TestDatabase
    clock: Clock

    def browser(self, **options: Any) -> Browser:
        return Browser(self.api.client, **options)

    async def publish(self, slug: str, change: str, *bases: str, **content: Any) -> None:
        """The next version of a purpose, with other words."""
        texts = {"name": slug.title(), "description": f"Another text, {random_id()}."}
        body = {
            "change": change,
            "legal_bases": list(bases or ("consent",)),
            "notices": {"nb": texts, "en": texts},
            **content,
        }
        answer = await self.api("PUT", f"/v1/purposes/{slug}", body)
        assert answer.status_code == 201, answer.text

    async def records(self) -> list[dict[str, Any]]:
        """All there are, in the order of recording."""
        return await self.fetch(
            "select subject_id, sequence, purpose, command, status, version, language, channel, source, choice_id, "
            "encode(screen_hash, 'hex') as screen_hash, encode(notice_hash, 'hex') as notice_hash, record_id, "
            "occurred_at, controller from records order by recorded_at, sequence"
        )

    async def said(self) -> list[str]:
        """The records as `purpose command`."""
        return [f"{one['purpose']} {one['command']}" for one in await self.records()]

    async def fetch(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        connection = await self.database.connect()
        try:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]
        finally:
            await connection.close()

    @asynccontextmanager
    async def another_process(self, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
        async with (
            services_on(self.database.url(), self.issuer, now=self.clock, **options) as services,
            api_on(services, self.issuer, self.database) as api,
        ):
            yield api.client


@asynccontextmanager
async def running_sites(
    postgres: PostgresServer, *, c15t: Categories = NO_C15T, **options: Any
) -> AsyncIterator[Stage]:
    ahead = Clock()
    async with running_services(postgres, now=ahead, **options) as (services, issuer, database):
        for controller in ("ansettr", "sonh"):
            await services.catalogue.load(entries(controller, c15t=c15t), "test")
        async with api_on(services, issuer, database) as api:
            yield Stage(api, services, issuer, database, ahead)
