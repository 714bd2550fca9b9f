"""`consent-service run`: everything on this machine, for a newcomer: engines, database, sample, service."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import secrets
import shlex
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from consent_service.app.pools import open_pool
from consent_service.app.serving import bind, demo_folder, public_url, run_service
from consent_service.cli.catalogue import ACTOR, read_files, sample_paths
from consent_service.cli.demo_site import load_demo_site
from consent_service.cli.progress import Progress
from consent_service.cli.running import announced, find_running
from consent_service.cli.serve import run_until_stopped
from consent_service.cli.token import ensure_development_key, make_token
from consent_service.embedded import AlreadyRunning, EngineError, KafkaServer, PostgresServer
from consent_service.embedded.folder import DataFolder
from consent_service.logs import set_up_logging
from consent_service.settings import Settings, load_settings
from consent_service.storage.preparation import ROLES, MigrationFailed, migrate, prepare
from consent_service.usecases.catalogue import Catalogue

DATABASE = "consent"
#: The controller of the printed token and of the lines to paste (CORE 16).
CONTROLLER = "ansettr"
PURPOSE = "nettstedanalyse-matomo"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "run",
        help="start everything on this machine: PostgreSQL, Kafka, the sample catalogue, the service",
        description="Start PostgreSQL and Kafka from Python packages, migrate, load the sample catalogue and serve. "
        "Data stays in --data-dir. CONSENT_DATABASE_URL or CONSENT_KAFKA_BOOTSTRAP in the environment use your own "
        "servers instead.",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("CONSENT_DATA_DIR", ".data")),
        help="where data and keys are kept (default: .data, or CONSENT_DATA_DIR)",
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1, or CONSENT_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8000, or CONSENT_PORT)")
    parser.set_defaults(handler=run, needs_settings=False)


def run(arguments: argparse.Namespace, _: Settings | None) -> int:
    """Exit code 0 after Ctrl-C or SIGTERM, 1 when something could not start."""
    set_up_logging("warning", machine=False)
    try:
        return run_until_stopped(lambda stop: _run(arguments, stop))
    except AlreadyRunning as error:
        running = find_running(arguments.data_dir, error.pid)
        where = "" if running is None else f" at {running.url}"
        print(
            f"consent-service: already running here{where}, started by process {error.pid}.", file=sys.stderr
        )
    except (EngineError, MigrationFailed, OSError) as error:
        print(f"consent-service: {error}", file=sys.stderr)
    return 1


async def _run(arguments: argparse.Namespace, stop: asyncio.Event) -> None:
    async with AsyncExitStack() as stack:
        with Progress() as progress:
            here = prepared(arguments.data_dir, _overrides(arguments), progress)
            starting = asyncio.create_task(stack.enter_async_context(here))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not starting.done():
                progress("stopping before everything has started")
                starting.cancel()
            settings, bound, values = await starting
        with announced(arguments.data_dir, settings, public_url(settings, bound), values):
            await run_service(
                settings, stop, bound=bound, ready=lambda: _welcome(settings, arguments.data_dir)
            )
        print("\nStopping ...", file=sys.stderr)
    print("Stopped. Your data is kept; the next start finds it.", file=sys.stderr)


def _overrides(arguments: argparse.Namespace) -> dict[str, str]:
    named = {"CONSENT_HOST": arguments.host, "CONSENT_PORT": arguments.port}
    return {name: str(value) for name, value in named.items() if value is not None}


@asynccontextmanager
async def prepared(
    data_dir: Path, overrides: Mapping[str, str], progress: Progress
) -> AsyncIterator[tuple[Settings, socket.socket, dict[str, str]]]:
    """Engines that run, a migrated database with the sample loaded, keys, and the bound port: the settings, the
    listening socket, and the environment that other commands need to speak to the same servers.

    What the environment names (a database, a broker, keys) is taken from there. Raises AlreadyRunning, PortTaken,
    EngineError, MigrationFailed; nothing is left running then.
    """
    environment = {**os.environ, **overrides}
    folder = DataFolder("consent-service", data_dir.absolute())
    await folder.acquire()
    async with AsyncExitStack() as stack:
        stack.callback(folder.release)
        values = {**_kept_secrets(data_dir), **environment}
        values.setdefault("CONSENT_MODE", "development")
        if not {"CONSENT_JWKS", "CONSENT_ISSUERS"} & environment.keys():
            values["CONSENT_DEVELOPMENT_KEY"] = str(data_dir / "development-key.json")
            values["CONSENT_JWKS"] = str(ensure_development_key(data_dir / "development-key.json"))
        bound = bind(load_settings({**values, "CONSENT_DATABASE_URL": "postgresql://placeholder"}))
        stack.callback(bound.close)
        values |= await _engines(stack, data_dir, environment, progress)
        settings = load_settings(values)
        settings = msgspec.structs.replace(settings, public_url=public_url(settings, bound))
        await _fill(settings, progress)
        yield settings, bound, values


async def _engines(
    stack: AsyncExitStack, data_dir: Path, environment: Mapping[str, str], progress: Progress
) -> dict[str, str]:
    """Start what the environment does not name, both at a time; returns the settings that lead there."""
    starting = []
    if "CONSENT_DATABASE_URL" not in environment:
        starting.append(_postgres(stack, data_dir, progress))
    if "CONSENT_KAFKA_BOOTSTRAP" not in environment:
        starting.append(_kafka(stack, data_dir, progress))
    found: dict[str, str] = {}
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in starting]
    except* (EngineError, OSError) as failed:
        raise failed.exceptions[0] from None
    for task in tasks:
        found |= task.result()
    return found


async def _postgres(stack: AsyncExitStack, data_dir: Path, progress: Progress) -> dict[str, str]:
    server = await stack.enter_async_context(PostgresServer(data_dir / "postgres", progress=progress))
    await prepare(server.url(), DATABASE, {role: server.password(role) for role in ROLES})
    return {
        "CONSENT_DATABASE_URL": server.url("consent_service", DATABASE),
        "CONSENT_RELAY_DATABASE_URL": server.url("consent_relay", DATABASE),
        "CONSENT_SWEEPER_DATABASE_URL": server.url("consent_sweeper", DATABASE),
        "CONSENT_KEEPER_DATABASE_URL": server.url("consent_keeper", DATABASE),
        "CONSENT_OWNER_DATABASE_URL": server.url("consent_owner", DATABASE),
        "CONSENT_AUDITOR_DATABASE_URL": server.url("consent_auditor", DATABASE),
    }


async def _kafka(stack: AsyncExitStack, data_dir: Path, progress: Progress) -> dict[str, str]:
    server = await stack.enter_async_context(
        KafkaServer(data_dir / "kafka", cache_dir=cache_dir(), progress=progress)
    )
    return {"CONSENT_KAFKA_BOOTSTRAP": server.bootstrap}


async def _fill(settings: Settings, progress: Progress) -> None:
    """Migrate, and load those of the sample's controllers that are not there yet: what was changed since stays."""
    if settings.owner_database_url is not None:
        progress("bringing the database up to date")
        await migrate(settings.owner_database_url)
    progress("adding what is missing of the sample catalogue")
    files = read_files(sample_paths())
    assert files is not None
    async with open_pool(settings, settings.database_url, "consent-sample") as database:
        catalogue = Catalogue(database)
        for file in files:
            if not await catalogue.knows(file.entries.controller.slug):
                await catalogue.load(file.entries, ACTOR)
        if demo_folder(settings) is not None:
            await load_demo_site(database, catalogue, settings.public_url or "")


def cache_dir() -> Path | None:
    """Where downloaded engines are kept; None for the user's cache folder."""
    named = os.environ.get("CONSENT_CACHE_DIR")
    return Path(named) if named else None


def _kept_secrets(data_dir: Path) -> dict[str, str]:
    """Look-up and sealing keys of this machine, made once, readable by their owner alone."""
    path = data_dir / "secrets.json"
    if not path.exists():
        keys = {
            "CONSENT_LOOKUP_KEYS": f"l1={base64.b64encode(secrets.token_bytes(32)).decode()}",
            "CONSENT_SEALING_KEYS": f"s1={base64.b64encode(secrets.token_bytes(32)).decode()}",
        }
        aside = path.with_suffix(".new")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(keys, file, indent=1)
        aside.rename(path)
    return msgspec.json.decode(path.read_bytes(), type=dict[str, str])


def _welcome(settings: Settings, data_dir: Path) -> None:
    """What a newcomer needs: where to look, a token, and lines to paste. On standard output, without colour."""
    url = settings.public_url or ""
    token = make_token(settings, CONTROLLER) if settings.development_key is not None else None
    lines = [
        "",
        f"The consent service is ready at {url}",
        f"  Interactive documentation   {url}/schema",
        *([] if demo_folder(settings) is None else [f"  Demonstration site          {url}/demo"]),
        f"  Kafka                       {settings.kafka_bootstrap or 'none'}",
        f"  Data and keys               {data_dir.absolute()}",
        "",
    ]
    if token is not None:
        lines += ["Paste these lines into another terminal, the first one first: a development token for the"]
        lines += [f"controller {CONTROLLER}, good for seven days.", "", f"export TOKEN={token}"]
        for label, line in zip(("grant", "ask", "withdraw"), three_lines(url), strict=True):
            lines += [f"# {label}", line]
    lines += ["", "Ctrl-C stops everything.", ""]
    print("\n".join(lines), flush=True)


def three_lines(url: str) -> list[str]:
    """Grant, ask, withdraw for one visitor, each a line of its own for a shell that has a token in TOKEN."""
    visitor = secrets.token_urlsafe(16)
    subject = json.dumps({"identifiers": [{"type": "visitor", "value": visitor}]})
    ask = {"queries": [{"identifier": {"type": "visitor", "value": visitor}, "purpose": PURPOSE}]}

    def decide(command: str) -> str:
        return json.dumps(
            {
                "subject": json.loads(subject),
                "decisions": [{"purpose": PURPOSE, "command": command, "version": 1, "channel": "web"}],
            }
        )

    return [
        _curl(f"{url}/v1/decisions", decide("grant")),
        _curl(f"{url}/v1/permissions", json.dumps(ask)),
        _curl(f"{url}/v1/decisions", decide("withdraw")),
    ]


def _curl(url: str, body: str) -> str:
    return " ".join(
        [
            "curl -sS -w '\\n'",
            url,
            '-H "Authorization: Bearer $TOKEN"',
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(body)}",
        ]
    )
