"""The demo as a newcomer starts it, and what it does when something is not as it has to be."""

from __future__ import annotations

import asyncio
import io
import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from consent_client.http.answers import Permission
from consent_client.words import Reason

from consent_service.cli.demo_client import CallFailed
from consent_service.cli.demo_story import Cast, DemoFailed, Row, Service, Story, check_permissions
from consent_service.cli.demo_view import View, wants_colour
from consent_service.cli.progress import Progress
from consent_service.cli.run import prepared
from consent_service.cli.running import find_running
from consent_service.cli.token import make_token
from consent_service.embedded import KafkaServer
from consent_service.settings import load_settings
from tests.databases import TestDatabase
from tests.endtoend.conftest import load_samples
from tests.processes import ROOT, Process, environment_for, serving, start

DEMO_S = 40.0
WITHDRAWALS = {
    "Brevo newsletter tool": "takes her off the list",
    "Matomo tag gate": "stops counting",
    "Recruitment database": "deletes the CV",
    "Webinar publishing": "makes the episode private",
}
TABLE = """\
  Who      Purpose                                  Before       After
  Kari     Newsletter                               yes, given   no, withdrawn
  Visitor  Matomo                                   yes, given   no, withdrawn
  Visitor  Facebook pixel                           no, refused  no, refused
  Ola      Open applications and CV registrations   yes, given   no, withdrawn
  Nora     Competence development (HR hub, guests)  yes, given   no, withdrawn
"""


class Told(NamedTuple):
    code: int
    output: str
    errors: str


async def demo(*arguments: str, environment: Mapping[str, str]) -> Told:
    """`consent-service demo` to its end, without a terminal."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "consent_service", "demo", *arguments,
        cwd=ROOT, env={**inherited, **environment}, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(DEMO_S):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return Told(process.returncode, output.decode(), errors.decode())


def engines(database: TestDatabase, kafka: KafkaServer) -> dict[str, str]:
    """The test run's own, in place of those that `run` and `demo` would start."""
    return {
        "CONSENT_DATABASE_URL": database.url("consent_service"),
        "CONSENT_RELAY_DATABASE_URL": database.url("consent_relay"),
        "CONSENT_OWNER_DATABASE_URL": database.url("consent_owner"),
        "CONSENT_KAFKA_BOOTSTRAP": kafka.bootstrap,
    }


async def test_by_itself_it_starts_a_service_tells_the_story_and_leaves_nothing(
    database: TestDatabase, kafka: KafkaServer, tmp_path: Path
) -> None:
    told = await demo("--data-dir", str(tmp_path), environment=engines(database, kafka))

    assert told.code == 0, told.errors
    assert "(started for this demo)" in told.output
    for name, does in WITHDRAWALS.items():
        [line] = [line for line in told.output.splitlines() if does in line]
        assert re.fullmatch(rf" +[\d.]+ ms   {name}: +{does} +[+-]\d[\d.]* ms", line), line
    assert TABLE in told.output
    for name in WITHDRAWALS:
        assert re.search(rf"\w+ +{name} +stopped +[\d.]+ ms later\n", told.output)
    assert max(map(len, told.output.splitlines())) <= 80
    assert "\x1b" not in told.output
    assert "@" not in told.output
    assert not (tmp_path / "running.json").exists()


async def test_it_finds_the_service_that_run_has_started_and_leaves_it_running(
    database: TestDatabase, kafka: KafkaServer, tmp_path: Path
) -> None:
    environment = engines(database, kafka)
    running = await start("run", "--data-dir", str(tmp_path), "--port", "0", environment=environment)
    try:
        url = await announced_url(tmp_path, running)
        first = await demo("--data-dir", str(tmp_path), environment=environment)
        settings = load_settings({**environment, **_development(tmp_path)})
        tokens = [f"--token={make_token(settings, one)}" for one in ("ansettr", "coness", "assessio")]
        again = await demo("--url", url, "--kafka", kafka.bootstrap, *tokens, environment={})
        mode = stat.S_IMODE((tmp_path / "running.json").stat().st_mode)
    finally:
        code = await running.stop()

    assert (first.code, again.code, code) == (0, 0, 0), first.errors + again.errors
    assert f"{url} (running, process {running.pid})" in first.output
    assert TABLE in again.output
    assert mode == 0o600
    assert not (tmp_path / "running.json").exists()


def test_without_the_clients_package_the_command_says_what_it_needs() -> None:
    """The service itself does without."""
    without = "import sys; sys.modules['consent_client'] = None; from consent_service.cli.main import main; "
    ran = subprocess.run(
        [sys.executable, "-c", without + "sys.exit(main(['demo']))"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (ran.returncode, ran.stdout) == (1, "")
    assert "pip install clients/python" in ran.stderr


async def announced_url(data_dir: Path, running: Process) -> str:
    """Where `run` serves, once its folder says so; the first request may wait a moment for the service."""
    async with asyncio.timeout(DEMO_S):
        # A file tells nobody when it is there: look again.
        while (found := find_running(data_dir, running.pid)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found.url


def _development(data_dir: Path) -> dict[str, str]:
    return {
        "CONSENT_MODE": "development",
        "CONSENT_DEVELOPMENT_KEY": str(data_dir / "development-key.json"),
    }


async def test_a_service_that_is_still_starting_is_named_by_its_process(
    database: TestDatabase, kafka: KafkaServer, tmp_path: Path
) -> None:
    """A file left behind by a killed process does not lead astray."""
    (tmp_path / "running.json").write_text(
        '{"pid": 1, "url": "http://127.0.0.1:9", "kafka_bootstrap": "127.0.0.1:9", "token_issuer": "",'
        ' "token_audience": "", "development_key": null}'
    )
    with pytest.MonkeyPatch.context() as patched:
        for name, value in engines(database, kafka).items():
            patched.setenv(name, value)
        async with prepared(tmp_path, {"CONSENT_PORT": "0"}, Progress(io.StringIO())):
            told = await demo("--data-dir", str(tmp_path), environment={})

    assert told.code == 1
    assert f"{os.getpid()}" in told.errors
    assert told.output == ""


async def test_a_consumer_that_hears_nothing_fails_the_demo(
    database: TestDatabase, kafka: KafkaServer, tmp_path: Path
) -> None:
    """No relay publishes, so the record is there and nobody is told."""
    await load_samples(database, "consent")
    environment = environment_for(database, tmp_path)
    view = io.StringIO()
    async with serving(environment) as service:
        settings = load_settings(environment)
        here = Service(service.url, kafka.bootstrap, "of the test", lambda one: make_token(settings, one))
        with pytest.raises(DemoFailed, match="Brevo newsletter tool had read nothing of it") as failed:
            await Story(here, View(view, colour=False), patience_s=0.2).tell()

    assert "0.2 s after the answer to `request`" in str(failed.value)
    assert "answered, on record as requested" in view.getvalue()


async def test_what_the_service_refuses_is_told_in_its_own_words(
    database: TestDatabase, kafka: KafkaServer, tmp_path: Path
) -> None:
    """Here the sample catalogue is not loaded, so no token's controller is known."""
    environment = environment_for(database, tmp_path)
    async with serving(environment) as service:
        settings = load_settings(environment)
        here = Service(service.url, kafka.bootstrap, "of the test", lambda one: make_token(settings, one))
        with pytest.raises(CallFailed, match=r"reading the purpose nyhetsbrev: 403 .*controller"):
            await Story(here, View(io.StringIO(), colour=False)).tell()


def answered(allowed: bool, reason: str) -> Permission:
    return Permission(allowed=allowed, reason=Reason(reason), status=None)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        (
            answered(True, "given"),
            answered(True, "given"),
            "after the withdrawals .* Kari .* `yes, given`",
        ),
        (answered(False, "requested"), answered(False, "withdrawn"), "before .* `no, requested`"),
        (answered(True, "given"), answered(True, "withdrawn"), "after .* `yes, withdrawn`"),
    ],
)
def test_a_permission_that_is_not_the_one_due_fails_the_demo(
    before: Permission, after: Permission, complaint: str
) -> None:
    cast = Cast()
    row = Row(cast.reader, cast.newsletter, "given")

    check_permissions([row], [answered(True, "given")], [answered(False, "withdrawn")])
    with pytest.raises(DemoFailed, match=complaint):
        check_permissions([row], [before], [after])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    stream: io.StringIO, environment: dict[str, str], wanted: bool
) -> None:
    assert wants_colour(stream, environment) is wanted


def test_a_painted_line_is_as_wide_as_a_plain_one() -> None:
    plain, painted = io.StringIO(), io.StringIO()
    for stream, colour in ((plain, False), (painted, True)):
        View(stream, colour=colour).reaction(
            0.0123, 0.004, "Matomo tag gate", "stops counting", processes=False
        )

    assert painted.getvalue() != plain.getvalue()
    assert re.sub(r"\x1b\[\d+m", "", painted.getvalue()) == plain.getvalue()
