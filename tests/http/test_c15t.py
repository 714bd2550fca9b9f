"""What c15t's client saves is recorded once for ever, by the site's own categories, and read back (R39)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from consent_service.domain.catalogue import CatalogueEntries
from consent_service.embedded import PostgresServer
from tests.http.c15t import Client, ticks
from tests.http.conftest import KEYRING
from tests.http.sites import C15T, Stage, entries, running_sites
from tests.http.tables import rows, told
from tests.usecases.recording import faults_of


@pytest.fixture
async def stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    async with running_sites(postgres, c15t=C15T) as running:
        yield running


async def test_R39_a_tick_gives_what_rests_on_consent_and_its_absence_refuses(stage: Stage) -> None:
    client = Client(stage)
    answer = await client.saves("measurement")

    assert answer.status_code == 201
    assert ticks(answer.json()["appliedPreferences"]) == "measurement"
    assert answer.json()["metadata"] == {"recorded": True, "askAgain": []}
    assert await stage.said() == [
        "security object",
        "profile refuse",
        "matomo grant",
        "pixel refuse",
        "newsletter refuse",
        "ads object",
    ]


#: What is ticked, one saving after the other | what was said of matomo and pixel | what of both is ticked when read
SAVED = """
-                                    | matomo refuse, pixel refuse                              | -
measurement                          | matomo grant, pixel refuse                               | measurement
measurement marketing                | matomo grant, pixel grant                                | measurement marketing
measurement, -                       | matomo grant, pixel refuse, matomo refuse                | -
-, marketing                         | matomo refuse, pixel refuse, pixel grant                 | marketing
measurement, measurement             | matomo grant, pixel refuse                               | measurement
measurement, -, measurement          | matomo grant, pixel refuse, matomo refuse, matomo grant  | measurement
"""


@pytest.mark.parametrize(("saved", "said", "stands"), rows(SAVED, 3))
async def test_R39_what_was_saved_last_stands_and_is_read_back(
    stage: Stage, saved: str, said: str, stands: str
) -> None:
    client = Client(stage)
    for one in saved.split(", "):
        answer = await client.saves(*one.replace("-", "").split())
        assert answer.json()["metadata"]["askAgain"] in (
            [],
            [{"purpose": "newsletter", "reason": "confirmation_needed"}],
        )

    found = [one for one in await stage.said() if one.split()[0] in ("matomo", "pixel")]
    assert ", ".join(found) == said
    read = (await client.read()).json()
    # An objection to ads stands until it is lifted, so that a tick of marketing alone does not allow all of it.
    allowed = read["consents"][0]["preferences"]
    browser = stage.browser()
    browser.headers["consent-visitor"] = client.subject
    statuses = {one: (await browser.stands(one)).partition(":")[0] for one in ("matomo", "pixel")}
    wanted = stands.replace("-", "").split()
    assert allowed["measurement"] == ("measurement" in wanted)
    assert statuses["pixel"] == ("given" if "marketing" in wanted else "refused")
    assert read["isValid"] is True


async def test_R39_an_unticked_category_after_a_ticked_one_withdraws(stage: Stage) -> None:
    client = Client(stage)
    await client.saves("measurement")
    await client.saves()

    statuses = [one["status"] for one in await stage.records() if one["purpose"] == "matomo"]
    assert statuses == ["given", "withdrawn"]


async def test_R39_what_is_necessary_and_what_is_not_sent_is_not_said(stage: Stage) -> None:
    client = Client(stage)
    body = await client.body(preferences={"necessary": True, "measurement": True, "unheard_of": True})

    assert (await client.post(body)).status_code == 201
    assert await stage.said() == ["matomo grant"]


async def test_R39_nobody_agrees_to_what_is_necessary(stage: Stage) -> None:
    """It came to rest on consent after the site was set up: c15t's client sends `true`, whatever the visitor does."""
    await stage.publish("orders", "material", "consent")
    await Client(stage).saves("measurement")

    assert [one for one in await stage.said() if "orders" in one] == []


async def test_R39_nothing_is_given_with_the_button_for_no(stage: Stage) -> None:
    client = Client(stage)
    body = await client.body("measurement", "marketing", consentAction="necessary")

    assert (await client.post(body)).status_code == 201
    assert await stage.said() == ["security object", "profile refuse"]


async def test_R39_the_same_moment_is_the_same_choice_whatever_comes_with_it(stage: Stage) -> None:
    client = Client(stage)
    body = await client.body("measurement")
    first = await client.post(body)
    for days, changed in ((0, {}), (2, {"preferences": {"marketing": True}}), (400, {"uiSource": "banner"})):
        stage.clock.ahead = timedelta(days=days)
        again = await client.post({**body, **changed})
        assert (again.status_code, again.json()["metadata"]["recorded"]) == (200, False)
        assert again.json()["consentId"] == first.json()["consentId"]

    assert len(await stage.records()) == 6


async def test_R39_twenty_at_once_over_two_processes_are_one(stage: Stage) -> None:
    client = Client(stage)
    body = await client.body("measurement")
    async with stage.another_process() as other:
        clients = [stage.api.client if number % 2 else other for number in range(20)]
        answers = await asyncio.gather(*(client.sent(body, one) for one in clients))

    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len(await stage.records()) == 6
    assert len(await stage.fetch("select from subjects")) == 1
    assert await faults_of(stage.database, keyring=KEYRING) == []


async def test_R39_a_saving_that_waited_gives_nothing_that_was_refused_later(stage: Stage) -> None:
    """It failed, was kept by the client, and is sent after the visitor changed their mind."""
    client = Client(stage)
    waiting = await client.body("measurement", "marketing")
    assert (await client.saves()).status_code == 201
    assert (await client.post(waiting)).status_code == 201

    assert ticks((await client.read()).json()["consents"][0]["preferences"]) == ""
    assert [one for one in await stage.said() if "grant" in one] == []


async def test_R39_both_of_a_batch_are_judged_by_their_moments(stage: Stage) -> None:
    """Whichever comes first; the later one says no."""
    for _ in range(10):
        client = Client(stage)
        earlier, later = await client.body("measurement"), await client.body()
        first, second = await asyncio.gather(
            *(client.sent(one, stage.api.client) for one in (later, earlier))
        )
        assert {first.status_code, second.status_code} == {201}
        assert ticks((await client.read()).json()["consents"][0]["preferences"]) == ""


async def test_R39_a_no_that_waited_counts_all_the_same(stage: Stage) -> None:
    client = Client(stage)
    waiting = await client.body()
    await client.saves("measurement")
    await client.post(waiting)

    assert (await client.read()).json()["consents"][0]["preferences"]["measurement"] is False


async def test_R39_a_clock_that_was_far_ahead_does_not_keep_later_choices_out(stage: Stage) -> None:
    client = Client(stage)
    ahead_ms = int((datetime.now(UTC) + timedelta(days=365)).timestamp() * 1000)
    first = await client.saves("marketing", givenAt=ahead_ms)
    again = await client.saves("marketing", givenAt=ahead_ms)
    assert (first.status_code, again.status_code) == (201, 200)

    await client.saves("measurement")
    assert (await client.read()).json()["consents"][0]["preferences"]["measurement"] is True


async def test_R39_two_browsers_of_one_person_do_not_overtake_each_other(stage: Stage) -> None:
    one, other = Client(stage), Client(stage)
    one.given_ms += 3_600_000
    await one.saves()
    subject_id = (await stage.records())[0]["subject_id"]
    linked = await stage.api(
        "POST",
        f"/v1/subjects/{subject_id}/identifiers",
        {"identifiers": [{"type": "visitor", "value": other.subject}]},
    )
    assert linked.status_code == 201, linked.text
    await other.saves("measurement")

    assert (await one.read()).json()["consents"][0]["preferences"]["measurement"] is True


async def test_R39_somebody_who_never_saved_is_not_there_and_is_not_made(stage: Stage) -> None:
    assert told(await Client(stage).read()) == "404 not-found"
    assert await stage.fetch("select from subjects") == []


async def test_R38_a_signal_counts_where_nothing_was_chosen(stage: Stage) -> None:
    """Ads rest on legitimate interests, and share."""
    moved = msgspec.structs.replace(C15T, marketing=("pixel",), experience=("ads",))
    await stage.services.catalogue.load(entries("ansettr", c15t=moved), "test")
    client = Client(stage)
    await client.saves(preferences={"measurement": True})

    plain, quiet = await client.read(), await client.read(**{"sec-gpc": "1"})
    assert ticks(plain.json()["consents"][0]["preferences"]) == "experience measurement"
    assert ticks(quiet.json()["consents"][0]["preferences"]) == "measurement"


async def test_R10_a_category_is_ticked_though_one_of_it_needs_a_confirmation(stage: Stage) -> None:
    client = Client(stage)
    answer = await client.saves(preferences={"marketing": True})

    assert answer.json()["appliedPreferences"]["marketing"] is True
    assert await stage.said() == ["pixel grant"]


async def test_R39_who_the_visitor_is_said_to_be_is_not_recorded(stage: Stage) -> None:
    client = Client(stage)
    await client.saves("measurement")
    async with stage.database.row_counts() as counted:
        before = await counted()
        answer = await client.claims({"externalId": "kari@example.no", "identityProvider": "auth0"})
        assert await counted() == before

    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "subject": {"id": client.subject, "externalId": "kari@example.no"},
    }


async def test_R39_a_claim_is_proven_over_v1_where_the_visitor_then_speaks_for_the_person(
    stage: Stage,
) -> None:
    client = Client(stage)
    person = await stage.api(
        "POST", "/v1/subjects", {"identifiers": [{"type": "email", "value": "kari@example.no"}]}
    )
    subject_id = person.json()["subject_id"]
    identifiers = {"identifiers": [{"type": "visitor", "value": client.subject}]}
    await stage.api("POST", f"/v1/subjects/{subject_id}/identifiers", identifiers)
    await client.saves("measurement")

    assert {str(one["subject_id"]) for one in await stage.records()} == {subject_id}


async def test_R39_the_id_is_one_visitor_of_each_controller(stage: Stage) -> None:
    here, there = Client(stage), Client(stage, site="/site/v1/sonh-web", origin="https://sonh.no")
    there.subject = here.subject
    await here.saves("measurement")
    assert told(await there.read()) == "404 not-found"
    await there.saves()

    assert ticks((await here.read()).json()["consents"][0]["preferences"]) == "measurement"
    assert ticks((await there.read()).json()["consents"][0]["preferences"]) == ""
    assert len({one["subject_id"] for one in await stage.records()}) == 2


async def test_R39_other_types_are_taken_and_not_recorded(stage: Stage) -> None:
    client = Client(stage)
    for kind in ("terms_and_conditions", "marketing_communications", "age_verification"):
        answer = await client.saves("measurement", type=kind)
        assert answer.status_code == 200
        assert answer.json()["metadata"] == {"recorded": False, "askAgain": []}

    assert await stage.fetch("select from subjects") == []


async def test_R39_who_was_erased_is_answered_and_nothing_is_recorded(stage: Stage) -> None:
    client = Client(stage)
    waiting = await client.body(preferences={"measurement": True})
    await client.saves("measurement")
    await stage.fetch("update subjects set erased_at = now()")
    for body in (await client.body("measurement", "marketing"), waiting):
        answer = await client.post(body)
        assert answer.status_code == 200
        assert answer.json()["metadata"]["recorded"] is False
    assert len(await stage.records()) == 6
    assert told(await client.read()) == "404 not-found"


async def test_R39_purposes_that_have_gone_are_passed_over(stage: Stage) -> None:
    """The page was open when the site changed: what is well-formed is still answered with 2xx."""
    client = Client(stage)
    body = await client.body("measurement", "marketing")
    await stage.publish("matomo", "editorial", retired=True)
    await stage.publish("pixel", "material", "contract")
    answer = await client.post(body)

    assert answer.status_code == 201
    assert {one["purpose"]: one["reason"] for one in answer.json()["metadata"]["askAgain"]} == {
        "matomo": "outdated",
        "newsletter": "confirmation_needed",
    }
    assert await stage.said() == ["security object", "profile refuse"]


async def test_a_site_with_another_banner_has_no_c15t(stage: Stage) -> None:
    usual = entries("ansettr")
    await stage.services.catalogue.load(usual, "test")
    client = Client(stage)

    assert told(await client.init()) == "404 not-found"
    assert told(await client.saves("measurement", policySnapshotToken="")) == "404 not-found"
    assert told(await client.read()) == "404 not-found"
    assert told(await client.claims({"externalId": "user_1"})) == "404 not-found"


async def test_a_file_read_again_changes_nothing(stage: Stage) -> None:
    loaded: CatalogueEntries = entries("ansettr", c15t=C15T)
    planned = await stage.services.catalogue.load(loaded, "test")

    assert {one.action for one in planned} == {"unchanged"}
