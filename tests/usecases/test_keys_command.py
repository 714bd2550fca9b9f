"""`consent-service keys`: what each says, and its exit codes."""

from __future__ import annotations

import argparse
import asyncio
import base64
import getpass
from collections.abc import AsyncIterator
from hashlib import sha256

import asyncpg
import msgspec
import pytest

from consent_service.cli.keys import add_parser
from consent_service.settings import Secret, Settings, SettingsError, load_settings
from tests.databases import TestDatabase
from tests.usecases.rotating import AUDIT, NEW, OLD, Process, process


def keys(ids: str) -> dict[str, Secret]:
    """As `rotating.ring` makes them."""
    return {name: Secret(base64.b64encode(sha256(name.encode()).digest()).decode()) for name in ids.split()}


class Shell:
    """An operator's, with the settings of the processes."""

    def __init__(self, database: TestDatabase, capsys: pytest.CaptureFixture[str]) -> None:
        self.settings = Settings(
            database_url=Secret("postgresql://nowhere"),
            keeper_database_url=Secret(database.url("consent_keeper")),
        )
        self._capsys = capsys

    def has(self, lookup: str, sealing: str) -> None:
        self.settings = msgspec.structs.replace(
            self.settings, lookup_keys=keys(lookup), sealing_keys=keys(sealing)
        )

    async def keys(self, *arguments: str) -> tuple[int, list[str], str]:
        """Exit code, lines of the output, and what was said on the error stream."""
        parser = argparse.ArgumentParser()
        add_parser(parser.add_subparsers())
        parsed = parser.parse_args(["keys", *arguments])
        given = self.settings if parsed.needs_settings else None
        code = await asyncio.to_thread(parsed.handler, parsed, given)
        told = self._capsys.readouterr()
        return code, told.out.splitlines(), told.err


@pytest.fixture
async def shell(database: TestDatabase, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(database, capsys)


@pytest.fixture
async def old(database: TestDatabase) -> AsyncIterator[Process]:
    """With two persons."""
    async with process(database, OLD, ["ansettr"]) as old:
        await old.meets("anna")
        await old.meets("bjarne")
        yield old


async def test_make_prints_what_the_settings_take(shell: Shell) -> None:
    made = [await shell.keys("make", "l2") for _ in range(2)]

    assert [code for code, _, _ in made] == [0, 0]
    texts = [lines[0] for _, lines, _ in made]
    assert len(set(texts)) == 2
    for text in texts:
        read = load_settings({"CONSENT_DATABASE_URL": "postgresql://db", "CONSENT_LOOKUP_KEYS": text})
        assert list(read.lookup_keys) == ["l2"]


@pytest.mark.parametrize("name", ["", "l=2", "l,2", "l 2", "æ"])
async def test_an_id_that_the_settings_could_not_hold_is_refused(shell: Shell, name: str) -> None:
    with pytest.raises(SystemExit):
        await shell.keys("make", name)


@pytest.mark.usefixtures("old")
async def test_the_way_of_a_rotation_as_it_is_told(shell: Shell, rows: asyncpg.Connection) -> None:
    shell.has("l2 l1", "s2 s1")
    before = await shell.keys("status")
    rotated = await shell.keys("rotate", "--actor", "kari", "--reason", "case 7", "--rows-per-s", "500")
    after = await shell.keys("status")
    shell.has("l2", "s2")
    removed = await shell.keys("status")
    forgotten = await shell.keys("forget", "l1")
    again = await shell.keys("forget", "l1")
    last = await shell.keys("status")

    assert before == (
        3,
        [
            "Look-up keys",
            "  l2 (in use)                      nothing",
            "  l1                               2 identifier_hashes",
            "Sealing keys",
            "  s2 (in use)                      nothing",
            "  s1                               2 subject_keys, 2 identifiers",
            "Processes that are alive, and their keys",
            "  none",
            "",
            "6 rows to bring under l2 and s2: `keys rotate`.",
        ],
        "",
    )
    done = ["Everything is under l2 and s2.", "May be removed from every process: l1, s1."]
    assert rotated == (0, done, "")
    assert (after[0], after[1][2], after[1][5]) == (
        *(0, "  l1                               2 identifier_hashes"),
        "  s1                               nothing",
    )
    assert (removed[0], removed[1][2], removed[1][-1]) == (
        *(0, "  l1 (not in the settings)         2 identifier_hashes"),
        "`keys forget l1` deletes its 2 hashes.",
    )
    assert forgotten == (0, ["2 hashes under l1 deleted."], "")
    assert again == (0, ["There are no hashes under l1."], "")
    assert last[1][-1] == "Everything is under l2 and s2."
    whoever = f"cli:{getpass.getuser()}"
    assert [(row[1], row[2], row[4]) for row in await rows.fetch(AUDIT)] == [
        *(("kari", "keys.rotating", "case 7"), ("kari", "keys.rotated", "case 7")),
        *((whoever, "keys.forgetting", None), (whoever, "keys.forgotten", None)),
    ]


async def test_keys_that_are_missing_are_named(shell: Shell, old: Process, rows: asyncpg.Connection) -> None:
    await rows.execute("insert into suppressions values (sha256('x'), 'ansettr', 'l1', now())")
    shell.has("l2", "s2")
    code, lines, _ = await shell.keys("status")
    rotated = await shell.keys("rotate")
    shell.has("l2 l1", "s2 s1")
    kept = await shell.keys("rotate")

    missing = [
        "MISSING: bring back s1; nothing else opens 4 rows.",
        "MISSING: 2 identifiers found by no key of the settings. Bring the key back, or rotate: what can be opened is "
        "hashed anew.",
        "MISSING: bring back l1: 1 suppression found by it alone, with no value to hash anew.",
        "6 rows to bring under l2 and s2: `keys rotate`.",
        "`keys forget l1` deletes its 2 hashes.",
    ]
    assert (code, lines[-5:]) == (1, missing)
    assert rotated[:2] == (1, missing)
    assert kept[:2] == (
        0,
        [
            "keep l1: 1 suppression found by it alone, with no value to hash anew.",
            "Everything is under l2 and s2.",
            "May be removed from every process: s1.",
        ],
    )


async def test_what_cannot_be_rotated_is_a_line_each(
    database: TestDatabase, shell: Shell, old: Process, rows: asyncpg.Connection
) -> None:
    anna = await old.finds("anna")
    async with process(database, NEW) as new:
        other = await new.meets("anna")
    identifiers = {
        row[0]: row[1] for row in await rows.fetch("select subject_id, identifier_id from identifiers")
    }
    await rows.execute("update subject_keys set sealed_key = '\\x00' where subject_id = $1", anna)
    shell.has("l2 l1", "s2 s1")
    code, lines, _ = await shell.keys("rotate")

    assert code == 1
    assert lines[:2] == [
        f"ansettr {anna}: the person's data key does not open under the sealing key that it names (s1)",
        f"ansettr {anna} identifier {identifiers[anna]}: the identifier is another person's too; unlink it from one of "
        f"them ({other} identifier {identifiers[other]})",
    ]
    assert lines[2] == "2 rows to bring under l2 and s2: `keys rotate`."


async def test_processes_in_the_way_are_named(shell: Shell, old: Process, rows: asyncpg.Connection) -> None:
    await rows.execute(
        "insert into key_holders values ('host:1:a', '{l1}', '{s1}', now() + interval '1 hour')"
    )
    shell.has("l2 l1", "s2 s1")
    status = await shell.keys("status")
    rotated = await shell.keys("rotate")
    shell.has("l2", "s2")
    forgotten = await shell.keys("forget", "l1")
    shell.has("l2 l1", "s2 s1")
    configured = await shell.keys("forget", "l1")

    assert status[1][7] == "  host:1:a                         l1 / s1"
    assert status[1][-1] == "Before that, give l2 and s2 to: host:1:a."
    for (code, lines, said), why in ((rotated, "do not know the keys in use"), (forgotten, "know l1 still")):
        assert (code, lines) == (1, [])
        assert why in said and "\n  host:1:a\n" in said
    assert configured[0] == 1 and "l1 is a look-up key of these settings" in configured[2]


@pytest.mark.parametrize("missing", ["keeper_database_url", "lookup_keys", "sealing_keys"])
@pytest.mark.parametrize("command", [["status"], ["rotate"], ["forget", "l9"]], ids=lambda words: words[0])
async def test_settings_that_it_needs_are_named(shell: Shell, missing: str, command: list[str]) -> None:
    shell.has("l1", "s1")
    empty: object = None if missing == "keeper_database_url" else {}
    shell.settings = msgspec.structs.replace(shell.settings, **{missing: empty})

    with pytest.raises(SettingsError, match=f"CONSENT_{missing.upper()}"):
        await shell.keys(*command)
