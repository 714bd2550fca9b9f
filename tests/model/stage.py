"""Where stories are played: the service on a real socket and database, at the time that the story has come to."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from hypothesis import currently_in_test_context, note

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry
from consent_service.embedded import PostgresServer
from consent_service.http.application import build_app
from consent_service.http.server import listen, serve
from consent_service.http.services import Services
from tests.databases import TestDatabase
from tests.http.conftest import running_services
from tests.http.issuers import Issuer
from tests.http.tables import told
from tests.model.book import KEPT_FOR, Json, stamp
from tests.usecases.recording import Clock

ANSWER_S = 10.0


class Stage:
    """One service for all stories; each has a controller of its own, and so begins with nothing."""

    def __init__(
        self,
        services: Services,
        issuer: Issuer,
        database: TestDatabase,
        clock: Clock,
        client: httpx.AsyncClient,
    ) -> None:
        self.services = services
        self.issuer = issuer
        self.database = database
        self.clock = clock
        self.client = client
        self._numbers = itertools.count(1)

    async def controller(self) -> str:
        """One that has no purposes yet."""
        slug = f"controller-{next(self._numbers)}"
        entry = ControllerEntry(slug=slug, legal_name=slug)
        await self.services.catalogue.load(CatalogueEntries(controller=entry), "test")
        return slug

    def caller(self, controller: str) -> Caller:
        return Caller(self, controller)


class Caller:
    """Calls as a system of one controller does. What is sent and answered is told where a story fails."""

    def __init__(self, stage: Stage, controller: str) -> None:
        self._stage = stage
        self._bearer = f"Bearer {stage.issuer.sign(controller=controller)}"

    async def __call__(
        self, method: str, path: str, body: Json | None = None, *, key: str | None = None, **options: Any
    ) -> httpx.Response:
        headers = {"authorization": self._bearer, **options.pop("headers", {})}
        if key is not None:
            headers["idempotency-key"] = key
        if body is not None:
            headers["content-type"] = "application/json"
            options["content"] = json.dumps(body).encode()
        answer = await self._stage.client.request(method, path, headers=headers, **options)
        if currently_in_test_context():
            asked = f"{method} {answer.request.url.raw_path.decode()} {key or ''} {json.dumps(body or {})}"
            note(f"{stamp(self._stage.clock())} {asked}\n    {told(answer)} {answer.text}")
        return answer


@asynccontextmanager
async def set_stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    clock = Clock()
    async with running_services(postgres, now=clock, keep_answers_for=KEPT_FOR) as (
        services,
        issuer,
        database,
    ):
        bound = listen("127.0.0.1", 0)
        url = "http://{}:{}".format(*bound.getsockname())
        stop, ready = asyncio.Event(), asyncio.Event()
        app = build_app(services, public_url=url)
        serving = asyncio.create_task(serve(app, bound, stop, ready.set, grace_s=1))
        async with httpx.AsyncClient(base_url=url, timeout=ANSWER_S) as client:
            async with asyncio.timeout(ANSWER_S):
                await ready.wait()
            yield Stage(services, issuer, database, clock, client)
        stop.set()
        await serving
