"""What c15t's banner is told to show, what it showed, and when it has to ask again (R37, R39, R40)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from consent_service.embedded import PostgresServer
from tests.http.c15t import Client
from tests.http.sites import C15T, ORIGIN, Stage, entries, running_sites
from tests.http.tables import rows


@pytest.fixture
async def stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    async with running_sites(postgres, c15t=C15T) as running:
        yield running


async def test_R37_the_screen_is_the_one_whose_words_init_gave(stage: Stage) -> None:
    client = Client(stage)
    await client.saves("measurement", policySnapshotToken=await client.token("nb"))

    record = next(one for one in await stage.records() if one["purpose"] == "matomo")
    assert (record["version"], record["language"]) == (1, "nb")
    (screen,) = await stage.fetch(
        "select layer, language, content::text from screens where encode(screen_hash, 'hex') = $1",
        record["screen_hash"],
    )
    assert (screen["layer"], screen["language"]) == ("settings", "nb")
    assert "Vi sender deg nyheter" in screen["content"]
    assert '"common.rejectAll": "Avslå alle"' in screen["content"]


async def test_R37_evidence_says_that_the_banner_was_c15ts(stage: Stage) -> None:
    client = Client(stage)
    await client.saves("measurement", externalSubjectId="kari@example.no", uiSource="kari@example.no")
    records = await stage.records()

    kept = await stage.api("GET", f"/v1/records/{records[0]['record_id']}")
    assert kept.json()["evidence"] == {
        "site": "ansettr-web",
        "origin": ORIGIN,
        "banner": "c15t",
        "c15t": "2.2.1",
        "button": "save",
        "layer": "settings",
        "screen": "registered",
        "gpc": False,
        "given_ms": client.given_ms,
        "preferences": {"necessary": True, "functionality": False, "measurement": True, "marketing": False},
    }
    given_at = datetime.fromtimestamp(client.given_ms / 1000, UTC)
    assert {one["occurred_at"] for one in records} == {given_at}


#: What comes as the token | evidence
TOKENS = """
nothing  | unregistered
empty    | unregistered
words    | unregistered
unknown  | unregistered
another  | unregistered
"""


@pytest.mark.parametrize(("token", "screen"), rows(TOKENS, 2))
async def test_R37_without_a_known_screen_a_no_counts_and_a_tick_does_not(
    stage: Stage, token: str, screen: str
) -> None:
    """The client was offline when it asked how to ask: it showed words of its own."""
    of_another = await Client(stage, site="/site/v1/sonh-web", origin="https://sonh.no").token()
    tokens = {
        "empty": "",
        "words": "signed.snapshot",
        "unknown": f"{'0' * 64}.{'0' * 64}",
        "another": of_another,
    }
    client = Client(stage)
    answer = await client.saves("measurement", policySnapshotToken=tokens.get(token))

    assert answer.status_code == 201
    assert answer.json()["metadata"]["askAgain"] == [{"purpose": "matomo", "reason": "outdated"}]
    records = await stage.records()
    assert "pixel refuse" in await stage.said()
    assert [one for one in await stage.said() if "matomo" in one] == []
    kept = await stage.api("GET", f"/v1/records/{records[0]['record_id']}")
    assert kept.json()["evidence"]["screen"] == screen


def asked(init: dict[str, Any]) -> str:
    """The word of the policy that is none of c15t's."""
    word: str = init["policy"]["consent"]["categories"][-1]
    assert word.startswith("asked-")
    return word


#: What becomes of matomo | does c15t ask again | is a tick before the old words taken
CHANGES = """
editorial | no  | yes
material  | yes | no
"""


@pytest.mark.parametrize(("change", "asks", "taken"), rows(CHANGES, 3))
async def test_R40_a_material_change_asks_again(stage: Stage, change: str, asks: str, taken: str) -> None:
    client = Client(stage)
    before, token = (await client.init()).json(), await client.token()
    await client.saves("measurement", policySnapshotToken=token)
    await stage.publish("matomo", change)
    after = (await client.init()).json()

    assert (asked(after) != asked(before)) == (asks == "yes")
    assert after["policySnapshotToken"] != before["policySnapshotToken"]
    read = (await client.read()).json()
    assert read["isValid"] is read["consents"][0]["isLatestPolicy"] is (asks == "no")
    late = await client.saves("measurement", policySnapshotToken=token)
    assert (late.json()["metadata"]["askAgain"] == []) == (taken == "yes")


async def test_R39_init_asks_for_the_sites_categories_in_the_words_of_the_notices(stage: Stage) -> None:
    answer = await Client(stage).init("nb-NO, en;q=0.5")
    init = answer.json()

    assert answer.headers["content-language"] == "nb"
    assert init["translations"]["language"] == "nb"
    assert init["policy"]["model"] == "opt-in"
    consent = init["policy"]["consent"]
    assert consent["scopeMode"] == "strict"
    assert consent["categories"][:-1] == ["necessary", "functionality", "measurement", "marketing"]
    texts = init["translations"]["translations"]
    assert texts["consentTypes"]["measurement"]["description"] == (
        "Nyhetsbrev: Vi sender deg nyheter på e-post."
    )
    assert texts["cookieBanner"]["description"].endswith(
        "Det gjelder: Nyhetsbrev, Nyhetsbrev, Nyhetsbrev, Nyhetsbrev, Nyhetsbrev, Nyhetsbrev."
    )
    for layer in ("banner", "dialog"):
        assert init["policy"]["ui"][layer]["primaryActions"] == ["reject", "accept"]
    assert init["policy"]["ui"]["mode"] == "banner"


async def test_init_is_asked_for_on_every_page_and_is_304_where_nothing_has_changed(stage: Stage) -> None:
    client = Client(stage)
    first = await client.init()
    again = await client.init(**{"if-none-match": first.headers["etag"]})

    assert first.headers["cache-control"] == "no-cache"
    assert "Origin" in ", ".join(first.headers.get_list("vary"))
    assert (again.status_code, again.content) == (304, b"")


async def test_categories_that_change_are_asked_anew(stage: Stage) -> None:
    client = Client(stage)
    before = (await client.init()).json()
    moved = msgspec.structs.replace(C15T, marketing=("pixel",), experience=("newsletter", "ads"))
    await stage.services.catalogue.load(entries("ansettr", c15t=moved), "test")
    after = (await client.init()).json()

    assert after["policy"]["consent"]["categories"][:-1] == [
        *("necessary", "functionality", "measurement", "experience", "marketing")
    ]
    assert asked(after) != asked(before)
