"""`consent-service audit`: the trail as an auditor reads it, at a terminal and through a pipe."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from consent_service.cli.audit import add_parser
from consent_service.domain.audit import AuditAction
from consent_service.domain.errors import UnknownController
from consent_service.settings import Secret, Settings, SettingsError
from consent_service.storage.audit import insert_entries
from consent_service.usecases import auditing
from consent_service.usecases.auditing import entry
from consent_service.usecases.submissions import Caller
from tests.databases import TestDatabase
from tests.processes import ROOT
from tests.usecases.recording import Room

ANNA, PER = UUID(int=1), UUID(int=2)
BEGUN = datetime(2026, 3, 1, tzinfo=UTC)
ACTIONS = (AuditAction.HISTORY_READ, AuditAction.RECORD_READ, AuditAction.IDENTIFIERS_READ)
#: One an hour from BEGUN on, by turns about either person and of each action.
ENTRIES = 12

Say = Callable[[str], Awaitable[list[str]]]


def parsed(words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(["audit", *words.split()])


def settings(database: TestDatabase) -> Settings:
    return Settings(
        database_url=Secret("postgresql://nowhere"),
        auditor_database_url=Secret(database.url("consent_auditor")),
    )


@pytest.fixture
def audit(database: TestDatabase, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs `consent-service audit` with these words; what it prints."""

    async def say(words: str) -> list[str]:
        arguments = parsed(words)
        code = await asyncio.to_thread(arguments.handler, arguments, settings(database))
        printed = capsys.readouterr()
        assert (code, printed.err) == (0, "")
        return printed.out.splitlines()

    return say


@pytest.fixture
async def entered(room: Room) -> None:
    """Behind what the room's catalogues have left, which is older."""
    for controller in ("ansettr", "coness"):
        caller = Caller(controller, "officer", reason="Innsynskrav 17")
        entries = [
            entry(
                *(caller, ACTIONS[hour % 3], BEGUN + timedelta(hours=hour), (ANNA, PER)[hour % 2]),
                count=hour,
            )
            for hour in range(ENTRIES)
        ]
        async with room.database.transaction([controller]) as connection:
            await insert_entries(connection, entries)


def hours(lines: list[str]) -> list[int]:
    return [json.loads(line)["details"]["count"] for line in lines]


@pytest.mark.usefixtures("entered")
async def test_through_a_pipe_each_entry_is_a_line_of_json(audit: Say) -> None:
    first, *_ = lines = await audit("--controller ansettr --since 2026-03-01")

    assert hours(lines) == list(range(ENTRIES))
    told = json.loads(first)
    assert UUID(told.pop("audit_id")).version == 7
    assert told == {
        "controller": "ansettr",
        "at": "2026-03-01T00:00:00Z",
        "actor": "officer",
        "action": "history.read",
        "subject_id": str(ANNA),
        "details": {"count": 0},
        "reason": "Innsynskrav 17",
    }


@pytest.mark.usefixtures("entered")
async def test_at_a_terminal_it_is_a_table(audit: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    lines = await audit("--controller ansettr --since 2026-03-01T11:00Z")

    assert lines == [
        f'2026-03-01 11:00:00Z  officer  identifiers.read  {PER}  "Innsynskrav 17"  {{"count": 11}}'
    ]


@pytest.mark.usefixtures("entered")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--since 2026-03-01T09:30:00+01:00", [9, 10, 11]),
        ("--since 2026-03-01T10:00:00.000001Z", [11]),
        (f"--subject {PER}", [1, 3, 5, 7, 9, 11]),
        (f"--subject {PER} --since 2026-03-01T06:00Z", [7, 9, 11]),
        ("--action record.read", [1, 4, 7, 10]),
        ("--action record.read --action identifiers.read --since 2026-03-01T09:00Z", [10, 11]),
        (f"--action record.read --subject {ANNA}", [4, 10]),
        ("--action person.erased", []),
        (f"--subject {UUID(int=3)}", []),
        ("--since 2030-01-01", []),
    ],
)
async def test_it_shows_what_was_asked_for(audit: Say, words: str, expected: list[int]) -> None:
    assert hours(await audit(f"--controller ansettr {words}")) == expected


@pytest.mark.usefixtures("entered")
async def test_more_than_a_page_comes_in_order_and_once(audit: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "_PAGE_ROWS", 5)

    assert hours(await audit("--controller ansettr --since 2026-03-01")) == list(range(ENTRIES))
    assert hours(await audit(f"--controller ansettr --subject {ANNA}")) == list(range(0, ENTRIES, 2))


@pytest.mark.usefixtures("room")
async def test_what_is_older_than_1970_asks_for_everything(audit: Say) -> None:
    actions = [json.loads(line)["action"] for line in await audit("--controller ansettr --since 1900-01-01")]

    assert set(actions) == {"controller.loaded", "purpose.published"}


async def test_a_controller_that_is_not_there_is_told(audit: Say) -> None:
    with pytest.raises(UnknownController, match="There is no controller 'nobody'"):
        await audit("--controller nobody")


async def test_it_needs_the_auditors_database() -> None:
    arguments = parsed("--controller ansettr")
    with pytest.raises(SettingsError, match="CONSENT_AUDITOR_DATABASE_URL"):
        await asyncio.to_thread(
            arguments.handler, arguments, Settings(database_url=Secret("postgresql://nowhere"))
        )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "--controller"),
        ("--controller ansettr --action reads", "there is no action 'reads'; there are: identifiers.read, "),
        ("--controller ansettr --since yesterday", "'yesterday' is no time"),
        ("--controller ansettr --subject me", "'me' is no subject id"),
        ("--controller No_Slug", "a controller is named by"),
    ],
)
def test_arguments_that_are_wrong_are_named(
    capsys: pytest.CaptureFixture[str], words: str, told: str
) -> None:
    with pytest.raises(SystemExit) as end:
        parsed(words)

    assert end.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("room")
async def test_a_reader_that_has_had_enough_ends_it_without_a_word(database: TestDatabase) -> None:
    """As `| head -0` does: the pipe is closed before anything is written."""
    given = {
        "CONSENT_DATABASE_URL": database.url(),
        "CONSENT_AUDITOR_DATABASE_URL": database.url("consent_auditor"),
    }
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "consent_service", "audit", "--controller", "ansettr"),
        cwd=ROOT,
        env={**os.environ, **given},
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    _, complaint = await process.communicate()

    assert (process.returncode, complaint) == (0, b"")


def test_the_operators_page_tells_of_every_action() -> None:
    page = (ROOT / "docs" / "OPERATIONS.md").read_text()

    assert [action for action in AuditAction if f"`{action}`" not in page] == []
