"""The pixel gate of the worked examples: what an ad platform gets is counted at the platform."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import pytest
from consent_client import ConsentClient

from tests.clients.conftest import Place
from tests.processes import ROOT

EXAMPLE = "clients.python.examples.pixel_gate"
PURPOSE = "facebook-piksel"
PATIENCE_S = 50.0


class Platform:
    """Stands in for the ad platform: it takes what it is sent, and tells."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[str] = asyncio.Queue()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            self.got.put_nowait(json.loads(await reader.readexactly(length)))
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    platform = Platform()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await platform.serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    platform.port = server.sockets[0].getsockname()[1]
    yield platform
    server.close()


async def test_events_pass_while_the_pixel_is_allowed_and_not_before_or_after(
    place: Place, client: ConsentClient, platform: Platform
) -> None:
    allowing = (await client.subject({"email": "allowing@example.no"})).subject_id
    silent = (await client.subject({"email": "silent@example.no"})).subject_id
    await client.grant(allowing, PURPOSE, version=1)
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", EXAMPLE, "--kafka", place.bootstrap, "--prefix", place.prefix,
        "--to", f"http://127.0.0.1:{platform.port}/events",
        cwd=ROOT, env={"PYTHONPATH": str(ROOT / "clients" / "python")},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert program.stdin is not None

    async def happens(subject_id: object, event: str) -> None:
        assert program.stdin is not None
        program.stdin.write(json.dumps({"subject_id": str(subject_id), "event": event}).encode() + b"\n")
        await program.stdin.drain()

    program.stdin.write(b'no JSON\n[]\n{"event": "never"}\n{"subject_id": "nobody", "event": "never"}\n')
    async with asyncio.timeout(PATIENCE_S):
        number = 0
        while platform.got.empty():
            number += 1
            await happens(silent, "never")
            await happens(allowing, f"visit {number}")
            await asyncio.sleep(0.05)
        assert (await platform.got.get()).startswith("visit")
        await client.withdraw(allowing, PURPOSE)
        # Each event is asked for anew: some may pass before the withdrawal has arrived, and then none.
        quiet = 0
        while quiet < 20:
            number += 1
            await happens(allowing, f"visit {number}")
            await asyncio.sleep(0.05)
            quiet = quiet + 1 if platform.got.empty() else 0
            while not platform.got.empty():
                assert platform.got.get_nowait() != "never"
        program.stdin.close()
        output, _ = await program.communicate()

    sent, kept_back = (int(words.split()[0]) for words in output.decode().split(", "))
    assert program.returncode == 0
    assert sent >= 1
    assert kept_back >= 24
