"""`consent-service api-keys`: made once, shown once, listed, revoked; and what the audit trail says of it."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from consent_service.cli.api_keys import add_parser
from consent_service.domain.api_keys import hash_api_key, read_api_key
from consent_service.domain.errors import ConsentError
from consent_service.settings import Secret, Settings, SettingsError
from tests.databases import TestDatabase

pytestmark = pytest.mark.usefixtures("room")

Outcome = tuple[int, list[str], list[str]]
Say = Callable[[str], Awaitable[Outcome]]
MAKE = "make --controller ansettr --name sync --scope consents:read"


def parsed(words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(["api-keys", *words.split()])


@pytest.fixture
def api_keys(database: TestDatabase, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs `consent-service api-keys` with these words: exit code, lines of output, lines of the error stream."""
    settings = Settings(
        database_url=Secret("postgresql://nowhere"),
        owner_database_url=Secret(database.url("consent_owner")),
    )

    async def say(words: str) -> Outcome:
        arguments = parsed(words)
        assert arguments.needs_settings
        code = await asyncio.to_thread(arguments.handler, arguments, settings)
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return say


async def trail(rows: asyncpg.Connection) -> list[tuple[str, str, dict[str, object], str | None]]:
    found = await rows.fetch(
        "select actor, action, details::text, reason from audit where action like 'api_key%' order by audit_id"
    )
    return [(actor, action, json.loads(details), reason) for actor, action, details, reason in found]


async def test_a_key_is_shown_once_alone_on_the_output(api_keys: Say, rows: asyncpg.Connection) -> None:
    code, [text], told = await api_keys(MAKE)
    name = read_api_key(text)
    assert name is not None
    [row] = await rows.fetch("select * from api_keys")

    assert code == 0
    assert (row["controller"], row["key_id"]) == ("ansettr", name.key_id)
    assert told[0].startswith(f"API key {name.key_id} of ansettr for sync, until ")
    assert told[0].endswith(": consents:read.")
    assert told[1].startswith(f"It begins with {name.prefix}; ")
    assert text not in "\n".join(told)


async def test_of_the_secret_a_hash_alone_is_kept(
    api_keys: Say, rows: asyncpg.Connection, database: TestDatabase
) -> None:
    _, [text], _ = await api_keys(MAKE)
    secret = text.rpartition("_")[2]
    [row] = await rows.fetch("select hash, to_jsonb(api_keys)::text as everything from api_keys")
    audited = await rows.fetchval("select string_agg(audit::text, ' ') from audit")

    assert row["hash"] == hash_api_key(text)
    assert secret not in row["everything"]
    assert secret not in audited


async def test_what_a_key_allows_and_how_long_is_chosen(api_keys: Say, rows: asyncpg.Connection) -> None:
    await api_keys(
        "make --controller ansettr --name brevo-sync --scope acknowledgements:write --scope consents:read "
        "--recipient brevo --purpose nyhetsbrev --purpose rekruttering --ttl PT1H"
    )
    [row] = await rows.fetch("select *, (expires_at - created_at)::text as lifetime from api_keys")

    assert row["scopes"] == ["acknowledgements:write", "consents:read"]
    assert row["purposes"] == ["nyhetsbrev", "rekruttering"]
    assert (row["name"], row["recipient"], row["lifetime"]) == ("brevo-sync", "brevo", "01:00:00")


async def test_a_key_lasts_a_year_for_all_purposes_unless_told_otherwise(
    api_keys: Say, rows: asyncpg.Connection
) -> None:
    await api_keys(MAKE)
    [row] = await rows.fetch(
        "select purposes, recipient, expires_at = created_at + interval '1 year' as year from api_keys"
    )

    assert tuple(row) == (None, None, True)


async def test_every_key_is_another_one(api_keys: Say, rows: asyncpg.Connection) -> None:
    texts = {(await api_keys(MAKE))[1][0] for _ in range(3)}

    assert len(texts) == 3
    assert await rows.fetchval("select count(distinct key_id) from api_keys") == 3


async def test_the_list_shows_what_became_of_each(
    api_keys: Say, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = []
    for _ in range(3):
        _, [text], _ = await api_keys(MAKE + " --actor kari")
        ids.append(text.split("_")[2])
    await api_keys(f"revoke --controller ansettr {ids[1]}")
    await rows.execute(
        "update api_keys set created_at = '2026-01-01', expires_at = '2026-01-02', "
        "last_used_at = '2026-01-01T10:11:12Z' where key_id = $1",
        ids[2],
    )
    _, lines, _ = await api_keys("list --controller ansettr")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, table, _ = await api_keys("list --controller ansettr")
    _, nothing, _ = await api_keys("list --controller coness")

    listed = [json.loads(line) for line in lines]
    assert [one["key_id"] for one in listed] == [ids[2], ids[0], ids[1]]
    assert [one["revoked_at"] is not None for one in listed] == [False, False, True]
    assert not any("hash" in one for one in listed)
    assert table[0].split()[:4] == ["KEY", "ID", "NAME", "STATE"]
    assert [line.split()[0] for line in table[1:]] == [ids[2], ids[0], ids[1]]
    assert "sync  expired   2026-01-02  2026-01-01 10:11  2026-01-01  kari  consents:read" in table[1]
    assert table[1].endswith(f"consent_ansettr_{ids[2]}")
    assert ("in force" in table[2], "revoked" in table[3], "never" in table[3]) == (True, True, True)
    assert nothing == ["There are no API keys of coness."]


async def test_a_key_is_revoked_once(api_keys: Say, rows: asyncpg.Connection) -> None:
    _, [text], _ = await api_keys(MAKE)
    key_id = text.split("_")[2]
    code, [said], _ = await api_keys(f"revoke --controller ansettr {key_id}")
    first = await rows.fetchval("select revoked_at from api_keys")
    again = await api_keys(f"revoke --controller ansettr {key_id}")

    assert code == 0
    assert said.startswith(f"Revoked {key_id} (sync).")
    assert first is not None
    assert again == (0, [f"The API key {key_id} (sync) was revoked before."], [])
    assert await rows.fetchval("select revoked_at from api_keys") == first
    assert [action for _, action, _, _ in await trail(rows)] == ["api_key.made", "api_key.revoked"]


async def test_a_key_that_somebody_found_is_revoked_as_it_is(api_keys: Say, rows: asyncpg.Connection) -> None:
    for part in (slice(None), slice(len("consent_ansettr_") + 12)):
        _, [text], _ = await api_keys(MAKE)
        code, _, _ = await api_keys(f"revoke --controller ansettr {text[part]}")
        assert code == 0

    assert await rows.fetchval("select count(revoked_at) from api_keys") == 2


async def test_who_made_and_revoked_a_key_and_why_is_told(api_keys: Say, rows: asyncpg.Connection) -> None:
    _, [text], _ = await api_keys(MAKE + " --purpose nyhetsbrev --actor kari --reason change-117")
    key_id = text.split("_")[2]
    await api_keys(f"revoke --controller ansettr {key_id}")
    made, revoked = await trail(rows)
    [row] = await rows.fetch("select created_by, expires_at from api_keys")

    assert made[:2] == ("kari", "api_key.made")
    assert made[3] == "change-117"
    assert {**made[2], "expires_at": None} == {
        "key_id": key_id,
        "name": "sync",
        "scopes": ["consents:read"],
        "purposes": ["nyhetsbrev"],
        "expires_at": None,
    }
    assert revoked == (
        f"cli:{getpass.getuser()}",
        "api_key.revoked",
        {"key_id": key_id, "name": "sync"},
        None,
    )
    assert row["created_by"] == "kari"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (MAKE.replace("ansettr", "nobody"), "There is no controller 'nobody'"),
        ("list --controller nobody", "There is no controller 'nobody'"),
        ("revoke --controller nobody abcdefghijk0", "There is no controller 'nobody'"),
        ("revoke --controller ansettr abcdefghijk0", "ansettr has no API key 'abcdefghijk0'"),
        (MAKE + " --purpose nyhetsbrevet", "no purpose 'nyhetsbrevet'"),
        (MAKE + " --ttl PT0S", "lasts for longer than no time at all"),
        (MAKE + " --scope acknowledgements:write", "names its recipient"),
    ],
)
async def test_what_cannot_be_is_refused_and_leaves_nothing(
    api_keys: Say, rows: asyncpg.Connection, words: str, told: str
) -> None:
    """As the command line tells it in one line, with exit code 1."""
    with pytest.raises(ConsentError, match=told):
        await api_keys(words)

    assert await rows.fetchval("select count(*) from api_keys") == 0
    assert await trail(rows) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("make --controller ansettr --name sync", "--scope"),
        (MAKE + " --scope consents:steal", "there is no scope 'consents:steal'"),
        (MAKE.replace("sync", "Kari's"), "a key is named by lower-case letters"),
        (MAKE + " --ttl 1y", "not an ISO 8601 duration"),
        (MAKE + " --reason " + "x" * 201, "1 to 200 visible characters"),
        (MAKE + " --actor " + "x" * 256, "1 to 255 visible characters"),
        ("revoke --controller ansettr", "KEY_ID"),
    ],
)
def test_arguments_that_are_wrong_are_named(
    capsys: pytest.CaptureFixture[str], words: str, told: str
) -> None:
    with pytest.raises(SystemExit) as end:
        parsed(words)

    assert end.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [MAKE, "list --controller ansettr", "revoke --controller ansettr abcdefghijk0"]
)
async def test_it_needs_the_owners_database(words: str) -> None:
    arguments = parsed(words)
    with pytest.raises(SettingsError, match="CONSENT_OWNER_DATABASE_URL"):
        await asyncio.to_thread(
            arguments.handler, arguments, Settings(database_url=Secret("postgresql://nowhere"))
        )
