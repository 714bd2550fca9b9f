"""`catalogue check` and `catalogue load`, as an operator sees them."""

from __future__ import annotations

import argparse
import asyncio
import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from consent_service.cli import catalogue as command
from consent_service.settings import load_settings
from consent_service.usecases.catalogue import Catalogue
from tests.catalogue.test_catalogue_loading import FILE
from tests.databases import TestDatabase

Outcome = tuple[int, list[str], list[str]]


@pytest.fixture
def ansettr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """FILE as ansettr.yaml in the folder where the command runs."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ansettr.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture
def consent_service(
    database: TestDatabase, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Awaitable[Outcome]]:
    """Runs `consent-service` with these words: exit code, lines of output, lines of the error stream."""
    settings = load_settings({"CONSENT_DATABASE_URL": database.url()})
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())

    async def say(words: str) -> Outcome:
        arguments = parser.parse_args(words.split())
        wanted = settings if arguments.needs_settings else None
        code = await asyncio.to_thread(arguments.handler, arguments, wanted)
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return say


Say = Callable[[str], Awaitable[Outcome]]

DRY = "A dry run never writes: the database is as it was."
ONLY_READS = "`catalogue check` only reads files: it never writes to a database."
NEW = [
    "ansettr.yaml: Ansettr AS",
    "  controller  ansettr      new",
    "  site        ansettr-web  new",
    "  purpose     nyhetsbrev   new, version 1",
    "  purpose     regnskap     new, version 1",
]


@pytest.mark.usefixtures("ansettr")
async def test_a_dry_run_shows_what_a_load_does(consent_service: Say, catalogue: Catalogue) -> None:
    counts = "1 new controller, 1 new site, 2 new purposes."
    dry = f"Would load 1 file: {counts} {DRY}"
    for _ in range(2):
        shown = await consent_service("catalogue load ansettr.yaml --dry-run")
        assert shown == (0, [*NEW, dry], [])
    assert await consent_service("catalogue load ansettr.yaml") == (0, [*NEW, f"Loaded 1 file: {counts}"], [])
    assert set(await catalogue.purposes("ansettr")) == {"nyhetsbrev", "regnskap"}
    _, out, _ = await consent_service("catalogue load ansettr.yaml")
    assert out == [
        "ansettr.yaml: Ansettr AS",
        "  4 unchanged",
        "Loaded 1 file: 1 unchanged controller, 1 unchanged site, 2 unchanged purposes.",
    ]


async def test_a_refused_file_is_told_by_line_and_changes_nothing(
    consent_service: Say, catalogue: Catalogue, ansettr: Path
) -> None:
    await consent_service("catalogue load ansettr.yaml")
    text = FILE.replace("Vi sender", "Vi kan sende").replace(
        "material\n    legal_bases: [legal_obligation]", "editorial\n    legal_bases: [contract]"
    )
    ansettr.write_text(text, encoding="utf-8")
    for words, said in (
        ("catalogue load ansettr.yaml", "ansettr.yaml is refused: nothing of it is loaded."),
        ("catalogue load --dry-run ansettr.yaml", f"ansettr.yaml would be refused. {DRY}"),
    ):
        code, out, err = await consent_service(words)
        assert code == 1
        assert out[1:4] == [
            "  purpose     nyhetsbrev  version 2, material: notices; earlier consents end",
            "  purpose     regnskap    refused",
            "  2 unchanged",
        ]
        assert out[4:] == [said]
        assert err == [
            "ansettr.yaml:19: purposes[regnskap].change: This cannot be editorial: the legal bases differ."
        ]
    assert len((await catalogue.purposes("ansettr"))["nyhetsbrev"].versions) == 1


@pytest.mark.usefixtures("ansettr")
async def test_faults_of_every_file_are_told_before_anything_is_loaded(
    consent_service: Say, tmp_path: Path
) -> None:
    (tmp_path / "faulty.yaml").write_text("controller: {slug: coness}", encoding="utf-8")
    for words, said in (
        ("load ansettr.yaml faulty.yaml missing.yaml", "No file was loaded: all must be without faults."),
        ("load --dry-run ansettr.yaml faulty.yaml missing.yaml", DRY),
        ("check ansettr.yaml faulty.yaml missing.yaml", ONLY_READS),
    ):
        assert await consent_service(f"catalogue {words}") == (
            1,
            [],
            [
                "faulty.yaml:1: controller: The field `legal_name` is missing.",
                "missing.yaml: No such file or directory",
                "Checked 3 files, 2 of them with faults: see above.",
                said,
            ],
        )
    assert (await consent_service("catalogue load --dry-run ansettr.yaml"))[1][:5] == NEW


@pytest.mark.usefixtures("ansettr")
async def test_check_needs_no_database(consent_service: Say) -> None:
    assert await consent_service("catalogue check ansettr.yaml") == (
        0,
        [
            "ansettr.yaml: no fault in Ansettr AS, sites: 1, purposes: 2.",
            f"Checked 1 file, without faults. {ONLY_READS} Load with `catalogue load`.",
        ],
        [],
    )


async def test_without_a_file_nothing_is_done(consent_service: Say) -> None:
    code, out, err = await consent_service("catalogue load")
    assert (code, out, err) == (2, [], ["consent-service: name at least one catalogue file, or --sample."])


async def test_the_sample_is_five_files_with_71_purposes(consent_service: Say, catalogue: Catalogue) -> None:
    code, out, err = await consent_service("catalogue load --sample")
    assert (code, err) == (0, [])
    assert [line.split()[0] for line in out if line.startswith("[")] == [f"[{n}/5]" for n in range(1, 6)]
    assert out[-1] == "Loaded 5 files: 5 new controllers, 2 new sites, 71 new purposes."
    assert "facebook-piksel" in await catalogue.purposes("ansettr")
    code, out, err = await consent_service("catalogue load --sample")
    assert out[-1] == "Loaded 5 files: 5 unchanged controllers, 2 unchanged sites, 71 unchanged purposes."


async def test_missing_only_leaves_what_is_there_as_it_is(
    consent_service: Say, catalogue: Catalogue, ansettr: Path
) -> None:
    """A restart must not undo what was published since: it would end people's consents."""
    await consent_service("catalogue load ansettr.yaml")
    ansettr.write_text(FILE.replace("Vi sender", "Vi kan sende"), encoding="utf-8")

    code, out, err = await consent_service("catalogue load --missing-only ansettr.yaml")

    assert (code, err) == (0, [])
    assert out[0] == "ansettr.yaml: ansettr is there already and stays as it is."
    assert len((await catalogue.purposes("ansettr"))["nyhetsbrev"].versions) == 1


@pytest.mark.usefixtures("ansettr")
async def test_who_loads_a_file_and_why_is_in_the_audit_trail(
    consent_service: Say, rows: asyncpg.Connection
) -> None:
    await consent_service("catalogue load ansettr.yaml --reason policy-2026 --actor kari")
    told = await rows.fetch("select actor, action, reason from audit order by action")
    await rows.execute("update controllers set legal_name = 'another'")
    await consent_service("catalogue load ansettr.yaml")
    again = await rows.fetch("select actor, reason from audit order by audit_id desc limit 1")

    assert [tuple(row) for row in told] == [
        ("kari", action, "policy-2026")
        for action in ("controller.loaded", "purpose.published", "purpose.published", "site.loaded")
    ]
    assert [tuple(row) for row in again] == [(f"cli:{getpass.getuser()}", None)]
