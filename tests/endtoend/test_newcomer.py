"""The newcomer's whole way: `consent-service run`, three pasted lines, Ctrl-C, nothing left, data there again."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.processes import ROOT

START_S = 50.0
STOP_S = 20.0


class Run:
    """`consent-service run` in a data folder; `said` is its standard output up to the end of the welcome."""

    def __init__(self, process: asyncio.subprocess.Process, said: list[str]) -> None:
        self.process = process
        self.said = said

    @property
    def lines_to_paste(self) -> list[str]:
        return [line for line in self.said if line.startswith("curl")]


async def start(data_dir: Path) -> Run:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    if "CONSENT_CACHE_DIR" in os.environ:
        environment["CONSENT_CACHE_DIR"] = os.environ["CONSENT_CACHE_DIR"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "consent_service", "run", "--data-dir", str(data_dir), "--port", "0",
        cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(START_S):
        async for line in process.stdout:
            said.append(line.decode().rstrip())
            if said[-1].startswith("Ctrl-C"):
                return Run(process, said)
    raise AssertionError((await process.stderr.read()).decode())


async def paste(line: str) -> dict[str, Any]:
    """What a shell answers to the line, as JSON."""
    process = await asyncio.create_subprocess_shell(line, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    answer: dict[str, Any] = json.loads(output)
    return answer


async def interrupt(run: Run) -> list[psutil.Process]:
    """Ctrl-C as a terminal sends it to the process; returns which of its children are left."""
    children = psutil.Process(run.process.pid).children(recursive=True)
    run.process.send_signal(signal.SIGINT)
    async with asyncio.timeout(STOP_S):
        assert await run.process.wait() == 0
    return [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.timeout(180)
async def test_run_paste_three_lines_interrupt_and_find_the_data_again(tmp_path: Path) -> None:
    first = await start(tmp_path)
    granted, asked, withdrawn = [await paste(line) for line in first.lines_to_paste]
    second_try = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "consent_service", "run", "--data-dir", str(tmp_path), "--port", "0",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, complaint = await second_try.communicate()
    left = await interrupt(first)

    assert granted["created"] is True
    assert asked["answers"][0]["allowed"] is True
    assert withdrawn["records"][0]["permission"]["allowed"] is False
    assert second_try.returncode == 1
    assert f"already running here, started by process {first.process.pid}" in complaint.decode()
    assert left == []

    again = await start(tmp_path)
    history = re.sub(
        "/v1/permissions", f"/v1/subjects/{granted['subject_id']}/records", again.lines_to_paste[1]
    )
    records = await paste(history.split(" -d ")[0].replace(" -H 'Content-Type: application/json'", ""))
    left = await interrupt(again)

    assert [record["command"] for record in records["items"]] == ["grant", "withdraw"]
    assert left == []


async def test_a_taken_port_is_a_clear_message(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "consent_service", "run", "--data-dir", str(tmp_path), "--port", str(port),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, complaint = await process.communicate()
    server.close()
    await server.wait_closed()

    assert process.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in complaint.decode()
    assert "Traceback" not in complaint.decode()
