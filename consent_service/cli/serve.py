"""`consent-service serve` and `relay`: long-running processes, stopped by SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from consent_service.app.serving import PortTaken, run_relay, run_service
from consent_service.http.documents import KeysUnusable
from consent_service.logs import set_up_logging
from consent_service.settings import Settings, SettingsError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serving = subparsers.add_parser(
        "serve",
        help="answer HTTP; with CONSENT_RELAY_DATABASE_URL and CONSENT_KAFKA_BOOTSTRAP also publish",
        description="Answer HTTP until SIGTERM. With CONSENT_RELAY_DATABASE_URL and CONSENT_KAFKA_BOOTSTRAP set, "
        "the relay runs inside and publishes the moment something is committed. With CONSENT_SWEEPER_DATABASE_URL "
        "set, the sweeper runs inside too.",
    )
    serving.set_defaults(handler=serve, needs_settings=True)
    relaying = subparsers.add_parser(
        "relay",
        help="publish what is committed to Kafka, as a process of its own",
        description="Publish what is committed to Kafka until SIGTERM. Several share the work.",
    )
    relaying.set_defaults(handler=relay, needs_settings=True)


def serve(_: argparse.Namespace, settings: Settings | None) -> int:
    assert settings is not None
    set_up_logging(settings.log_level, machine=settings.mode != "development")
    return run_until_stopped(lambda stop: run_service(settings, stop))


def relay(_: argparse.Namespace, settings: Settings | None) -> int:
    assert settings is not None
    if settings.relay_database_url is None or settings.kafka_bootstrap is None:
        raise SettingsError("CONSENT_RELAY_DATABASE_URL and CONSENT_KAFKA_BOOTSTRAP: are needed by `relay`")
    set_up_logging(settings.log_level, machine=settings.mode != "development")
    return run_until_stopped(lambda stop: run_relay(settings, stop))


def run_until_stopped(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run `work` on uvloop; SIGTERM and SIGINT set its stop event. A port in use is said in one line."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await work(stop)

    try:
        uvloop.run(main())
    except asyncio.CancelledError:
        return 130  # stopped before everything had started
    except (PortTaken, KeysUnusable) as error:
        print(f"consent-service: {error}", file=sys.stderr)
        return 1
    return 0
