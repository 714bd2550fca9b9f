"""The newcomer's whole way: `make run` in a fresh checkout, three pasted lines, Ctrl-C, nothing left, data there again."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.processes import ROOT

START_S = 50.0
STOP_S = 20.0


class Run:
    """`make run` in a checkout; `said` is its standard output up to the end of the welcome."""

    def __init__(self, process: asyncio.subprocess.Process, said: list[str]) -> None:
        self.process = process
        self.said = said

    @property
    def lines_to_paste(self) -> list[str]:
        return [line for line in self.said if line.startswith("curl")]

    @property
    def token(self) -> str:
        (line,) = [line for line in self.said if line.startswith("export TOKEN=")]
        return line.removeprefix("export TOKEN=")

    @property
    def demonstration(self) -> str:
        (line,) = [line for line in self.said if "Demonstration site" in line]
        return line.split()[-1]


def check_out(folder: Path) -> Path:
    """What a clone would hold, and nothing else: the files that git has or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607  whichever is there
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for name in filter(lambda name: (ROOT / name).is_file(), listed):
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy)
    return folder


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONSENT_", "MAKE"))}
    if "CONSENT_CACHE_DIR" in os.environ:
        kept["CONSENT_CACHE_DIR"] = os.environ["CONSENT_CACHE_DIR"]
    return kept


async def make_run(checkout: Path, arguments: str = "--port 0") -> asyncio.subprocess.Process:
    """`make run` in a session of its own, as in a terminal; with the packages that this run has installed already."""
    return await asyncio.create_subprocess_exec(
        "make", "run", f"VENV={sys.prefix}", f"ARGS={arguments}",
        cwd=checkout, env=environment(), start_new_session=True,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def start(checkout: Path) -> Run:
    process = await make_run(checkout)
    said: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(START_S):
        async for line in process.stdout:
            said.append(line.decode().rstrip())
            if said[-1].startswith("Ctrl-C"):
                return Run(process, said)
    raise AssertionError((await process.stderr.read()).decode())


async def paste(line: str, token: str) -> dict[str, Any]:
    """What a shell with that token answers to the line, as JSON."""
    process = await asyncio.create_subprocess_shell(
        line, stdout=asyncio.subprocess.PIPE, env={**os.environ, "TOKEN": token}
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    answer: dict[str, Any] = json.loads(output)
    return answer


async def beside(checkout: Path, *arguments: str) -> str:
    """A command in the folder of a running `make run`: it finds the settings there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "consent_service", *arguments,
        cwd=checkout, env=environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return output.decode()


async def choose_on_the_demonstration(run: Run) -> int:
    """As its page does, from its own origin: the status of the answer. The origin is new at every start."""
    origin = run.demonstration.removesuffix("/demo")
    async with httpx.AsyncClient(base_url=origin) as web:
        page = await web.get("/demo")
        (script,) = re.findall(r'src="(/web/[^"]+)"', page.text)
        assert (await web.get(script)).status_code == 200
        notice = (await web.get("/site/v1/ansettr-demo/notice")).json()
        body = {
            "choice_id": secrets.token_urlsafe(18),
            "language": notice["language"],
            "screen_hash": notice["screen_hash"],
            "layer": "banner",
            "choices": {"youtube-film": "given"},
        }
        headers = {"origin": origin, "consent-visitor": secrets.token_urlsafe(18)}
        answer = await web.post("/site/v1/ansettr-demo/consents", json=body, headers=headers)
    return answer.status_code


async def interrupt(run: Run) -> tuple[list[psutil.Process], str]:
    """Ctrl-C as a terminal sends it, to make and all it started: which children are left, and the last words."""
    children = psutil.Process(run.process.pid).children(recursive=True)
    os.killpg(run.process.pid, signal.SIGINT)
    async with asyncio.timeout(STOP_S):
        _, said = await run.process.communicate()
    left = [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    return left, said.decode()


@pytest.mark.timeout(180)
async def test_run_paste_three_lines_interrupt_and_find_the_data_again(tmp_path: Path) -> None:
    checkout = check_out(tmp_path / "mappe-æøå")
    first = await start(checkout)
    granted, asked, withdrawn = [await paste(line, first.token) for line in first.lines_to_paste]
    verified = await beside(checkout, "ledger", "verify")
    wanted = ("--name", "try", "--scope", "consents:read", "--reason", "to see what it is")
    key = await beside(checkout, "api-keys", "make", "--controller", "ansettr", *wanted)
    asked_by_key = await paste(first.lines_to_paste[1], key.strip())
    keys = await beside(checkout, "api-keys", "list", "--controller", "ansettr")
    trail = await beside(checkout, "audit", "--controller", "ansettr", "--action", "api_key.made")
    at_rest = await beside(checkout, "keys", "status")
    rotated = await beside(checkout, "keys", "rotate")
    chosen = await choose_on_the_demonstration(first)
    second_try = await make_run(checkout)
    _, complaint = await second_try.communicate()
    left, last_words = await interrupt(first)

    assert granted["created"] is True
    assert asked["answers"][0]["allowed"] is True
    assert withdrawn["records"][0]["permission"]["allowed"] is False
    assert "2 records" in verified
    assert asked_by_key["answers"][0]["reason"] == "withdrawn"
    assert json.loads(keys)["name"] == "try"
    assert json.loads(trail)["reason"] == "to see what it is"
    assert "l1 (in use)" in at_rest and "1 identifier_hashes" in at_rest
    assert rotated == "Everything is under l1 and s1.\n"
    assert second_try.returncode != 0
    assert "already running here at http" in complaint.decode()
    assert left == []
    assert "Your data is kept" in last_words

    again = await start(checkout)
    history = re.sub(
        "/v1/permissions", f"/v1/subjects/{granted['subject_id']}/records", again.lines_to_paste[1]
    )
    asking = history.split(" -d ")[0].replace(" -H 'Content-Type: application/json'", "")
    records = await paste(asking, again.token)
    chosen_again = await choose_on_the_demonstration(again)
    left, _ = await interrupt(again)

    assert (chosen, chosen_again) == (201, 201)
    assert [record["command"] for record in records["items"]] == ["grant", "withdraw"]
    assert left == []


async def test_ctrl_c_while_it_starts_stops_it_at_once(tmp_path: Path) -> None:
    process = await make_run(ROOT, f"--port 0 --data-dir {tmp_path}")
    assert process.stderr is not None
    async with asyncio.timeout(START_S):
        while b"starting Kafka" not in await process.stderr.readline():
            continue
    children = psutil.Process(process.pid).children(recursive=True)

    os.killpg(process.pid, signal.SIGINT)
    async with asyncio.timeout(STOP_S):
        said, complaint = await process.communicate()

    assert b"ready" not in said
    assert b"Traceback" not in complaint
    assert [
        child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    ] == []


async def test_a_taken_port_is_a_clear_message(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    process = await make_run(ROOT, f"--port {port} --data-dir {tmp_path}")
    _, complaint = await process.communicate()
    server.close()
    await server.wait_closed()

    assert process.returncode != 0
    assert f"port {port} on 127.0.0.1 is taken" in complaint.decode()
    assert "Traceback" not in complaint.decode()
