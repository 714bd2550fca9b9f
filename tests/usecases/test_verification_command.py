"""`consent-service ledger verify`: exit code, a line for each fault, and progress only where it takes a while."""

from __future__ import annotations

import argparse
import asyncio
import base64
import io

import pytest

from consent_service.cli.ledger import Told, add_parser
from consent_service.cli.progress import Walked
from consent_service.settings import Secret, Settings, SettingsError
from consent_service.usecases.verification import Counts
from tests.usecases.tampering import Scene

FAULTY = "update records set source = 'another' where subject_id = ANNA and sequence in (2, 3)"


def settings(scene: Scene, **others: object) -> Settings:
    def key(letter: str) -> Secret:
        return Secret(base64.b64encode(letter.encode() * 32).decode())

    given = {
        "database_url": Secret("postgresql://nowhere"),
        "auditor_database_url": Secret(scene.database.url("consent_auditor")),
        "lookup_keys": {"lookup-1": key("l")},
        "sealing_keys": {"sealing-1": key("s")},
    }
    return Settings(**{**given, **others})  # type: ignore[arg-type]


async def verify(given: Settings, *arguments: str) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["ledger", "verify", *arguments])
    assert parsed.needs_settings
    code: int = await asyncio.to_thread(parsed.handler, parsed, given)
    return code


async def test_a_clean_ledger(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert await verify(settings(scene)) == 0
    assert await verify(settings(scene), "--controller", "ansettr") == 0

    told = capsys.readouterr()
    assert told.out == "Verified 2 persons, 5 records, 5 details opened: no fault.\n" * 2
    assert told.err == ""


async def test_a_ledger_with_faults(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    await scene.tamper(FAULTY, "update subjects set last_sequence = 9 where subject_id = ANNA")

    assert await verify(settings(scene)) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"ansettr {scene.anna} record 2: record_hash is not the hash of the record's fields",
        f"ansettr {scene.anna} record 3: record_hash is not the hash of the record's fields",
        f"ansettr {scene.anna}: the head in the person's row is not the last record (last_sequence)",
        "3 faults, at 1 person:",
        "  2 x record_hash is not the hash of the record's fields",
        "  1 x the head in the person's row is not the last record",
        "Verified 2 persons, 5 records, 5 details opened.",
    ]


async def test_quiet_says_faults_and_nothing_else(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert await verify(settings(scene), "--quiet") == 0
    assert capsys.readouterr().out == ""

    await scene.tamper(FAULTY)
    assert await verify(settings(scene), "--quiet") == 1
    assert len(capsys.readouterr().out.splitlines()) == 2


async def test_without_the_right_sealing_key_nothing_is_called_verified(scene: Scene) -> None:
    other = {"sealing-1": Secret(base64.b64encode(b"x" * 32).decode())}

    assert await verify(settings(scene, sealing_keys=other), "--quiet") == 1


@pytest.mark.parametrize("missing", ["auditor_database_url", "sealing_keys"])
async def test_settings_that_it_needs_are_named(scene: Scene, missing: str) -> None:
    empty: object = None if missing == "auditor_database_url" else {}

    with pytest.raises(SettingsError, match=f"CONSENT_{missing.upper()}"):
        await verify(settings(scene, **{missing: empty}))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (Terminal(), "\r  1,500 of 2,000 persons, 3 records\n"),
        (io.StringIO(), "  1,500 of 2,000 persons, 3 records\n"),
    ],
    ids=["terminal", "log"],
)
def test_progress_is_told_once_it_takes_more_than_a_second(stream: io.StringIO, told: str) -> None:
    seconds = iter([0.0, 0.9, 1.1, 1.1, 1.2])
    walked = Walked(stream, seconds=lambda: next(seconds))
    for _ in range(3):
        Told(walked).progress(Counts(persons_total=2000, persons=1500, records=3))
    walked.end()
    walked.end()

    assert stream.getvalue() == told
