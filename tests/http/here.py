"""The application served in this process at a real address, so that a test may change what it is made of."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry
from consent_service.embedded import PostgresServer
from consent_service.http.application import build_app
from consent_service.http.server import listen, serve
from consent_service.metrics import Metrics
from tests.databases import TestDatabase
from tests.http.conftest import PURPOSES, running_services


@dataclass
class Here:
    """`token` has every scope."""

    host: str
    port: int
    token: str
    database: TestDatabase
    metrics: Metrics

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@asynccontextmanager
async def served_here(
    postgres: PostgresServer, *, unsent_bytes_max: int | None = None
) -> AsyncIterator[Here]:
    """One controller with the usual purposes. The system takes `unsent_bytes_max` for a client that takes nothing."""
    stop, ready = asyncio.Event(), asyncio.Event()
    async with running_services(postgres) as (services, issuer, database):
        entry = ControllerEntry(slug="ansettr", legal_name="Ansettr AS")
        await services.catalogue.load(CatalogueEntries(controller=entry, purposes=PURPOSES), "test")
        bound = listen("127.0.0.1", 0)
        if unsent_bytes_max is not None:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, unsent_bytes_max)
        app = build_app(services, public_url="http://consent.example")
        serving = asyncio.create_task(serve(app, bound, stop, ready.set, 5))
        await ready.wait()
        host, port = bound.getsockname()
        yield Here(host, port, issuer.sign(), database, services.metrics)
        stop.set()
        await serving
