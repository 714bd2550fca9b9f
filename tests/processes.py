"""Our own programs as child processes, as an operator runs them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from consent_service.cli.token import ensure_development_key, make_token
from consent_service.settings import Settings, load_settings
from tests.databases import TestDatabase

ROOT = Path(__file__).parents[1]
READY_S = 50.0
STOP_S = 20.0
KEYS = base64.b64encode(bytes(range(32))).decode()


class Process:
    """A running command. `lines` gathers what it says on standard error, so that a failure can be read.

    `printed` gathers its standard output.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []
        self.printed: list[str] = []
        self._heard = asyncio.Condition()
        self._listener = asyncio.create_task(self._listen())
        self._reader = asyncio.create_task(self._read_printed())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def hear(self, words: str, limit_s: float = READY_S) -> str:
        """The first line that holds these words, heard already or to come."""
        async with asyncio.timeout(limit_s), self._heard:
            while True:
                for line in self.lines:
                    if words in line:
                        return line
                if self._listener.done():
                    raise AssertionError("the process ended:\n" + "\n".join(self.lines))
                await self._heard.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM, limit_s: float = STOP_S) -> int:
        """Send a signal and wait for the end. The exit code."""
        if self.running:
            self._process.send_signal(number)
        return await self.ended(limit_s)

    async def ended(self, limit_s: float = STOP_S) -> int:
        """Wait until it ends by itself. The exit code."""
        async with asyncio.timeout(limit_s):
            code = await self._process.wait()
        await self._listener
        await self._reader
        return code

    async def _read_printed(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.printed.append(line.decode(errors="replace").rstrip())

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            async with self._heard:
                self.lines.append(line.decode(errors="replace").rstrip())
                self._heard.notify_all()
        async with self._heard:
            self._heard.notify_all()


async def start(*arguments: str, environment: Mapping[str, str], module: str = "consent_service") -> Process:
    """`consent-service ARGUMENTS` with this environment and nothing of the test run's own settings.

    `module` may be a program of the tests' own.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=ROOT,
        env={**inherited, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return Process(process)


def environment_for(database: TestDatabase, folder: Path, **settings: str) -> dict[str, str]:
    """Settings of a service on this database, with a token key in `folder`."""
    key = folder / "development-key.json"
    return {
        "CONSENT_MODE": "development",
        "CONSENT_PORT": "0",
        "CONSENT_DATABASE_URL": database.url("consent_service"),
        "CONSENT_KEEPER_DATABASE_URL": database.url("consent_keeper"),
        "CONSENT_AUDITOR_DATABASE_URL": database.url("consent_auditor"),
        "CONSENT_JWKS": str(ensure_development_key(key)),
        "CONSENT_DEVELOPMENT_KEY": str(key),
        "CONSENT_LOOKUP_KEYS": f"l1={KEYS}",
        "CONSENT_SEALING_KEYS": f"s1={KEYS}",
        **settings,
    }


class Service:
    """A running `serve` and a client that calls it with a token of one controller."""

    def __init__(self, process: Process, url: str, settings: Settings) -> None:
        self.process = process
        self.url = url
        self._settings = settings

    def client(self, controller: str = "ansettr") -> httpx.AsyncClient:
        token = make_token(self._settings, controller)
        return httpx.AsyncClient(
            base_url=self.url, headers={"authorization": f"Bearer {token}"}, timeout=STOP_S
        )


async def start_service(environment: Mapping[str, str]) -> Service:
    return await ready(await start("serve", environment=environment), environment)


async def ready(process: Process, environment: Mapping[str, str]) -> Service:
    """The service that this `serve` becomes once it accepts."""
    line = await process.hear("serving")
    url = next(word for word in line.split() if word.startswith("url=")).removeprefix("url=")
    return Service(process, url, load_settings(dict(environment)))


@asynccontextmanager
async def serving(environment: Mapping[str, str]) -> AsyncIterator[Service]:
    """A service while the block runs; it must end well."""
    service = await start_service(environment)
    try:
        yield service
    finally:
        code = await service.process.stop()
    assert code == 0, "\n".join(service.process.lines)


async def grant(client: httpx.AsyncClient, identifier: Mapping[str, str], purpose: str) -> dict[str, Any]:
    """Make a person and let them agree to version 1."""
    decision = {"purpose": purpose, "command": "grant", "version": 1}
    body = {"subject": {"identifiers": [identifier]}, "decisions": [decision]}
    answer = await client.post("/v1/decisions", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = json.loads(answer.text)
    return made
