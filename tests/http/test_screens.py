"""What was on screen is what counts: outdated screens, unknown ones, and those of elsewhere (R37)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from consent_service.embedded import PostgresServer
from tests.http.sites import LISTED, Stage, asked_again, entries, running_sites
from tests.http.tables import rows, told


@pytest.fixture
async def stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    async with running_sites(postgres) as running:
        yield running


#: What became of matomo since it was shown | what is said | recorded, at which version | asked again
OUTDATED = """
editorial consent          | given     | grant 1    | -
editorial consent          | refused   | refuse 1   | -
material consent           | given     | -          | outdated
material consent           | refused   | refuse 1   | -
material consent           | withdrawn | withdraw 1 | -
material consent           | deferred  | defer 1    | -
material contract          | given     | -          | outdated
material contract          | refused   | -          | outdated
material contract          | deferred  | -          | outdated
material legitimate_interests | given   | -         | outdated
material legitimate_interests | refused | object 1  | -
material legitimate_interests | deferred | -        | outdated
retired consent            | given     | -          | outdated
retired consent            | refused   | refuse 1   | -
retired consent            | withdrawn | withdraw 1 | -
confirmed consent          | given     | -          | outdated
"""


@pytest.mark.parametrize(("change", "said", "recorded", "asked"), rows(OUTDATED, 4))
async def test_R37_a_no_before_an_outdated_screen_counts_and_an_overtaken_yes_does_not(
    stage: Stage, change: str, said: str, recorded: str, asked: str
) -> None:
    browser = stage.browser()
    old = (await browser.notice())["screen_hash"]
    kind, *bases = change.split()
    content: dict[str, Any] = {"retired": True} if kind == "retired" else {}
    content |= {"confirmation": "double_opt_in"} if kind == "confirmed" else {}
    await stage.publish(
        "matomo", "editorial" if kind in ("editorial", "retired") else "material", *bases, **content
    )
    answer = await browser.chooses({"matomo": said, "pixel": "given"}, screen_hash=old)

    assert answer.status_code == 201
    assert asked_again(answer) == ("" if asked == "-" else f"matomo={asked}")
    kept = [f"{one['purpose']} {one['command']} {one['version']}" for one in await stage.records()]
    assert kept == [*([] if recorded == "-" else [f"matomo {recorded}"]), "pixel grant 1"]
    assert {one["screen_hash"] for one in await stage.records()} == {old}


async def test_R37_a_standing_consent_is_withdrawn_from_any_old_screen(stage: Stage) -> None:
    browser = stage.browser()
    old = (await browser.notice())["screen_hash"]
    await stage.publish("matomo", "editorial")
    await browser.chooses({"matomo": "given"})
    await stage.publish("matomo", "editorial")

    assert asked_again(await browser.chooses({"matomo": "withdrawn"}, screen_hash=old)) == ""
    assert await browser.stands("matomo") == "withdrawn: no (withdrawn)"


async def test_R37_the_present_screen_answers_what_is_asked_again(stage: Stage) -> None:
    browser = stage.browser()
    old = (await browser.notice())["screen_hash"]
    await stage.publish("matomo", "material")
    body = await browser.body({"matomo": "given"}, screen_hash=old)
    assert asked_again(await browser.post(body)) == "matomo=outdated"

    again = await browser.post(body)
    assert (again.status_code, asked_again(again)) == (200, "matomo=outdated")
    assert asked_again(await browser.chooses({"matomo": "given"})) == ""
    assert asked_again(await browser.post(body)) == "matomo=outdated"
    assert [(one["version"], one["command"]) for one in await stage.records()] == [(2, "grant")]


async def test_R37_a_screen_is_known_also_where_another_process_showed_it_long_ago(stage: Stage) -> None:
    async with stage.another_process() as client:
        old = (await client.get("/site/v1/ansettr-web/notice?lang=nb")).json()["screen_hash"]
    await stage.publish("matomo", "editorial")
    browser = stage.browser()
    answer = await browser.chooses({"matomo": "given"}, screen_hash=old)

    assert asked_again(answer) == ""
    (kept,) = await stage.records()
    assert (kept["version"], kept["language"], kept["screen_hash"]) == (1, "nb", old)


async def test_R37_a_screen_that_nobody_was_shown_gives_nothing_and_refuses_all_the_same(
    stage: Stage,
) -> None:
    browser = stage.browser()
    answer = await browser.chooses(
        {"matomo": "given", "pixel": "refused", "security": "refused"},
        screen_hash="ab" * 32,
        language="nb-NO",
    )

    assert answer.status_code == 201
    assert asked_again(answer) == "matomo=outdated"
    kept = await stage.records()
    assert [(one["purpose"], one["command"]) for one in kept] == [("pixel", "refuse"), ("security", "object")]
    assert {one["screen_hash"] for one in kept} == {None}
    assert {one["language"] for one in kept} == {"nb"}
    record = (await stage.api("GET", f"/v1/records/{kept[0]['record_id']}")).json()
    assert record["evidence"]["screen_hash"] == "ab" * 32


async def test_R37_a_screen_of_another_site_is_unknown(stage: Stage) -> None:
    """Only that site ever showed it: this one shows its own words."""
    await stage.services.catalogue.load(entries("sonh", listed=("pixel", "matomo")), "test")
    foreign = await stage.browser(site="/site/v1/sonh-web", origin="https://sonh.no").notice()
    answer = await stage.browser().chooses({"matomo": "given"}, screen_hash=foreign["screen_hash"])

    assert asked_again(answer) == "matomo=outdated"
    assert await stage.records() == []


async def test_R37_a_layer_that_does_not_fit_the_screen_makes_it_unknown(stage: Stage) -> None:
    browser = stage.browser()
    settings = (await browser.notice())["layers"][1]["screen_hash"]

    assert asked_again(await browser.chooses({"matomo": "given"}, screen_hash=settings)) == "matomo=outdated"
    assert (
        asked_again(await browser.chooses({"matomo": "given"}, screen_hash=settings, layer="settings")) == ""
    )


async def test_R37_what_was_not_on_the_screen_cannot_be_given(stage: Stage) -> None:
    """The purpose came to the site after the screen; refusing it counts all the same."""
    await stage.services.catalogue.load(entries(listed=("pixel",)), "test")
    browser = stage.browser()
    old = (await browser.notice())["screen_hash"]
    await stage.services.catalogue.load(entries(), "test")

    assert asked_again(await browser.chooses({"matomo": "given"}, screen_hash=old)) == "matomo=outdated"
    assert asked_again(await browser.chooses({"matomo": "refused"}, screen_hash=old)) == ""
    assert await stage.said() == ["matomo refuse"]


async def test_R37_what_the_site_has_dropped_can_still_be_refused_where_it_was_shown(stage: Stage) -> None:
    browser = stage.browser()
    await browser.chooses({"matomo": "given"})
    old = (await browser.notice())["screen_hash"]
    await stage.services.catalogue.load(
        entries(listed=tuple(one for one in LISTED if one != "matomo")), "test"
    )

    assert asked_again(await browser.chooses({"matomo": "withdrawn"}, screen_hash=old)) == ""
    assert await stage.said() == ["matomo grant", "matomo withdraw"]
    assert told(await browser.chooses({"matomo": "withdrawn"})) == "422 unknown-reference /choices/matomo"


async def test_R37_a_version_that_takes_effect_between_notice_and_choice_is_found_out(stage: Stage) -> None:
    """A process whose copy of the site is behind: the ledger decides by what the database says under the lock."""
    async with stage.another_process(fresh_s=3600) as client:
        browser = stage.browser()
        browser.client = client
        old = (await browser.notice())["screen_hash"]
        await stage.publish("matomo", "material")
        assert (await browser.notice())["screen_hash"] == old
        answer = await browser.chooses({"matomo": "given", "pixel": "given"})

    assert asked_again(answer) == "matomo=outdated"
    assert await stage.said() == ["pixel grant"]


async def test_screens_are_never_changed(stage: Stage) -> None:
    await stage.browser().notice()
    connection = await stage.database.connect()
    for statement in ("update screens set layer = 'banner'", "delete from screens", "truncate screens"):
        with pytest.raises(Exception, match="never changed"):
            await connection.execute(statement)
    await connection.close()
