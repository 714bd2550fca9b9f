"""Where the demo is told: against a service that runs, or one of its own."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import jwt
import uvloop

from consent_service.app.serving import PortTaken, run_service
from consent_service.cli.demo import PACE_S
from consent_service.cli.demo_client import CallFailed
from consent_service.cli.demo_story import DemoFailed, Service, Story
from consent_service.cli.demo_view import View, wants_colour
from consent_service.cli.progress import Progress
from consent_service.cli.run import prepared
from consent_service.cli.running import Running, find_running
from consent_service.cli.token import make_token
from consent_service.embedded import AlreadyRunning, EngineError
from consent_service.logs import set_up_logging
from consent_service.settings import Secret, Settings, SettingsError, load_settings
from consent_service.storage.preparation import MigrationFailed


def start(arguments: argparse.Namespace) -> int:
    """Exit code 0 when everything stopped as it has to, 1 when not or nothing could be started, 130 interrupted."""
    set_up_logging("warning", machine=False)
    try:
        return uvloop.run(_until_interrupted(arguments))
    except (DemoFailed, CallFailed) as error:
        print(f"\nconsent-service: the demo failed: {error}", file=sys.stderr)
    except (AlreadyRunning, EngineError, MigrationFailed, PortTaken) as error:
        print(f"consent-service: {error}", file=sys.stderr)
    return 1


async def _until_interrupted(arguments: argparse.Namespace) -> int:
    """Ctrl-C and SIGTERM end the story, and then what was started for it."""
    telling = asyncio.create_task(_demo(arguments))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, telling.cancel)
    await asyncio.wait({telling})
    if telling.cancelled():
        return 130
    telling.result()
    return 0


async def _demo(arguments: argparse.Namespace) -> None:
    terminal = sys.stdout.isatty()
    pace_s = arguments.pace if arguments.pace is not None else PACE_S * terminal
    view = View(sys.stdout, colour=wants_colour(sys.stdout, os.environ))
    async with AsyncExitStack() as stack:
        if arguments.url is not None:
            service = _named(arguments)
        else:
            service = await _found_or_own(stack, arguments.data_dir)
        await Story(service, view, pace_s=pace_s).tell()


def _named(arguments: argparse.Namespace) -> Service:
    """What --url says, with tokens as given or made. Raises SettingsError."""
    values = {"CONSENT_DATABASE_URL": "postgresql://none", **os.environ}
    settings = load_settings(values)
    bootstrap = arguments.kafka or settings.kafka_bootstrap
    if bootstrap is None:
        raise SettingsError("--kafka or CONSENT_KAFKA_BOOTSTRAP: is needed with --url")
    given = _by_controller(arguments.token)
    token = _given(given) if given else _made(settings)
    return Service(arguments.url.rstrip("/"), bootstrap, "as you named it", token)


async def _found_or_own(stack: AsyncExitStack, data_dir: Path) -> Service:
    """The service that runs on the data folder, or else one that runs until the stack ends."""
    try:
        return await stack.enter_async_context(_own(data_dir))
    except AlreadyRunning as error:
        running = find_running(data_dir, error.pid)
        if running is None or running.kafka_bootstrap is None:
            raise
        return _announced(running, running.kafka_bootstrap)


def _announced(running: Running, bootstrap: str) -> Service:
    if running.development_key is None:
        raise SettingsError(
            "the running service verifies with keys of yours (CONSENT_JWKS or CONSENT_ISSUERS); "
            "give --url, --kafka and three --token"
        )
    settings = Settings(
        mode="development",
        database_url=Secret(),
        token_issuer=running.token_issuer,
        token_audience=running.token_audience,
        development_key=running.development_key,
    )
    return Service(running.url, bootstrap, f"running, process {running.pid}", _made(settings))


@asynccontextmanager
async def _own(data_dir: Path) -> AsyncIterator[Service]:
    """Engines and the service in this process, on any free port."""
    overrides = {"CONSENT_HOST": "127.0.0.1", "CONSENT_PORT": "0"}
    stop, ready = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        with Progress() as progress:
            settings, bound, _ = await stack.enter_async_context(prepared(data_dir, overrides, progress))
        assert settings.kafka_bootstrap is not None
        host, port = bound.getsockname()[:2]
        url = f"http://{host}:{port}"
        serving = asyncio.create_task(run_service(settings, stop, bound=bound, ready=ready.set))
        begun = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait({serving, begun}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            yield Service(url, settings.kafka_bootstrap, "started for this demo", _made(settings))
        finally:
            begun.cancel()
            stop.set()
            await asyncio.wait({serving})


def _made(settings: Settings) -> Callable[[str], str]:
    """A development token for each controller that is asked for. Raises SettingsError where none can be made."""
    return lambda controller: make_token(settings, controller)


def _given(tokens: dict[str, str]) -> Callable[[str], str]:
    def token(controller: str) -> str:
        if controller not in tokens:
            raise SettingsError(f"--token: one for the controller {controller} is needed")
        return tokens[controller]

    return token


def _by_controller(tokens: Sequence[str]) -> dict[str, str]:
    """Tokens by the controller that each claims; the service verifies them, not we. Raises SettingsError."""
    found: dict[str, str] = {}
    for token in tokens:
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
            found[claims["controller"]] = token
        except (jwt.PyJWTError, KeyError) as error:
            raise SettingsError("--token: this is no JSON Web Token that names a controller") from error
    return found
