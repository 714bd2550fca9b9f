"""The processes that serve and publish: what they open, and the order of their end."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from consent_service.app.relaying import open_relay
from consent_service.app.services import open_services
from consent_service.app.sweeping import open_sweeper
from consent_service.http.application import build_app
from consent_service.http.server import listen, serve
from consent_service.metrics import Metrics
from consent_service.settings import Settings

_log = logging.getLogger(__name__)

_DEMO = Path(__file__).parents[2] / "clients" / "web" / "demo"


class PortTaken(Exception):
    """The address cannot be listened on: another program does, or it is not this machine's."""


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Raises PortTaken."""
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise PortTaken(f"cannot listen on {settings.host}: {error.strerror or error}") from error
        raise PortTaken(
            f"port {settings.port} on {settings.host} is taken by another program; "
            "stop it, or choose another with CONSENT_PORT (`run`: --port)"
        ) from error


async def run_service(
    settings: Settings,
    stop: asyncio.Event,
    *,
    bound: socket.socket | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer HTTP until `stop` is set; with a relay database and a broker in the settings, publish too.

    The order of the end: no new connections, requests under way are answered, the ledger's queue is emptied, the
    relay publishes what that left, pools close.
    """
    listening = bound or bind(settings)
    url = public_url(settings, listening)
    metrics = Metrics()

    def tell() -> None:
        _log.info("serving", extra={"url": url})
        ready()

    async with (
        open_relay(settings, metrics) as relay,
        open_services(settings, metrics, stop, relay=relay) as services,
        open_sweeper(settings, metrics, relay=relay),
    ):
        app = build_app(services, public_url=url, demo=demo_folder(settings))
        _collect_seldom()
        await serve(app, listening, stop, tell, int(settings.shutdown_s))


async def run_relay(settings: Settings, stop: asyncio.Event) -> None:
    """Publish until `stop` is set, as a process of its own."""
    async with open_relay(settings, Metrics()):
        _collect_seldom()
        await stop.wait()


def _collect_seldom() -> None:
    """What was made at the start stays; collecting it again and again would only cost: 11 to 20 % of the records."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def demo_folder(settings: Settings) -> Path | None:
    """Where the demonstration site lies: in a checkout alone, and shown in development alone."""
    return _DEMO if settings.mode == "development" and _DEMO.is_dir() else None


def public_url(settings: Settings, bound: socket.socket) -> str:
    """Where the service is reached: as set, or where it listens."""
    host, port = bound.getsockname()[:2]
    return settings.public_url or f"http://{host}:{port}"
