"""What visitors choose: recorded once, as it was shown, and read back (API face 2, R36, R38, CORE 2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from consent_service.embedded import PostgresServer
from tests.http.sites import Stage, asked_again, running_sites, standing
from tests.http.tables import rows, told


@pytest.fixture
async def stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    async with running_sites(postgres) as running:
        yield running


async def test_a_choice_is_recorded_and_read_back(stage: Stage) -> None:
    browser = stage.browser()
    answer = await browser.chooses({"matomo": "given", "pixel": "refused"}, button="save")

    assert (answer.status_code, answer.json()["ask_again"]) == (201, [])
    assert standing(answer.json(), "matomo") == "given: yes (given)"
    assert await browser.stands("matomo") == "given: yes (given)"
    assert await browser.stands("pixel") == "refused: no (refused)"
    assert await stage.said() == ["matomo grant", "pixel refuse"]


async def test_R36_a_visitor_who_never_chose_has_no_records_and_is_not_made(stage: Stage) -> None:
    answer = (await stage.browser().read()).json()

    assert [standing(answer, slug) for slug in ("matomo", "security", "orders", "hole")] == [
        "unknown: no (no_record)",
        "unknown: yes (legitimate_interest)",
        "unknown: yes (not_consent_based)",
        "unknown: no (no_legal_basis)",
    ]
    assert await stage.fetch("select from subjects") == []


#: What is said about a purpose, one after the other | what is recorded | what stands
SAID = """
matomo given                       | grant            | given: yes (given)
matomo refused                     | refuse           | refused: no (refused)
matomo deferred                    | defer            | deferred: no (deferred)
matomo given, withdrawn            | grant withdraw   | withdrawn: no (withdrawn)
matomo given, refused              | grant refuse     | withdrawn: no (withdrawn)
matomo given, deferred             | grant            | given: yes (given)
matomo refused, deferred           | refuse           | refused: no (refused)
matomo refused, given              | refuse grant     | given: yes (given)
matomo given, given                | grant            | given: yes (given)
matomo refused, refused, withdrawn | refuse           | refused: no (refused)
matomo withdrawn                   | withdraw         | withdrawn: no (withdrawn)
profile given, withdrawn           | grant withdraw   | withdrawn: no (withdrawn)
security refused                   | object           | objected: no (objected)
security withdrawn                 | object           | objected: no (objected)
security refused, withdrawn        | object           | objected: no (objected)
newsletter refused                 | refuse           | refused: no (refused)
hole refused                       | refuse           | refused: no (no_legal_basis)
"""


@pytest.mark.parametrize(("said", "recorded", "stands"), rows(SAID, 3))
async def test_what_is_said_is_recorded_as_the_bases_have_it(
    stage: Stage, said: str, recorded: str, stands: str
) -> None:
    purpose, _, words = said.partition(" ")
    browser = stage.browser()
    for word in words.split(", "):
        answer = await browser.chooses({purpose: word})
        assert (answer.status_code, asked_again(answer)) == (201, "")

    assert await stage.said() == [f"{purpose} {command}" for command in recorded.split()]
    assert await browser.stands(purpose) == stands


#: A choice before the present screen that the screen does not offer | refusal
NOT_OFFERED = """
orders refused    | 422 not-withdrawable /choices/orders
orders withdrawn  | 422 not-withdrawable /choices/orders
orders given      | 422 not-consent-based /choices/orders
security given    | 422 not-consent-based /choices/security
security deferred | 422 not-consent-based /choices/security
elsewhere refused | 422 unknown-reference /choices/elsewhere
nothing refused   | 422 unknown-reference /choices/nothing
"""


@pytest.mark.parametrize(("said", "refusal"), rows(NOT_OFFERED, 2))
async def test_what_the_screen_does_not_offer_is_refused_and_says_why(
    stage: Stage, said: str, refusal: str
) -> None:
    purpose, choice = said.split()

    assert told(await stage.browser().chooses({purpose: choice})) == refusal
    assert await stage.records() == []


async def test_R10_double_opt_in_is_not_given_by_a_click(stage: Stage) -> None:
    """The rest of the choice counts; a confirmed address is given elsewhere, and then stands here too."""
    browser = stage.browser()
    answer = await browser.chooses({"newsletter": "given", "matomo": "given"}, button="accept_all")

    assert answer.status_code == 201
    assert asked_again(answer) == "newsletter=confirmation_needed"
    assert await stage.said() == ["matomo grant"]
    (record,) = await stage.records()
    for command in ("request", "confirm"):
        await stage.api.says(str(record["subject_id"]), "newsletter", command)
    assert await browser.stands("newsletter") == "given: yes (given)"
    assert asked_again(await browser.chooses({"newsletter": "given"})) == ""


async def test_the_record_says_what_was_on_screen_and_how_it_was_said(stage: Stage) -> None:
    browser = stage.browser(**{"sec-gpc": "1"})
    notice = await browser.notice("nb")
    body = await browser.body(
        {"matomo": "given"},
        screen_hash=notice["layers"][1]["screen_hash"],
        layer="settings",
        language="nb",
        button="save",
        path="/ledige-stillinger?epost=kari@example.no#kari",
        occurred_at="2026-03-01T08:30:00Z",
    )
    assert (await browser.post(body)).status_code == 201
    (kept,) = await stage.records()
    record = (await stage.api("GET", f"/v1/records/{kept['record_id']}")).json()

    assert (kept["version"], kept["language"]) == (1, "nb")
    assert kept["notice_hash"] == notice["purposes"][0]["notice_hash"]
    assert kept["screen_hash"] == notice["layers"][1]["screen_hash"]
    assert (record["channel"], record["source"], record["actor"]) == (
        "web",
        "ansettr-web",
        "site:ansettr-web",
    )
    assert record["choice_id"] == body["choice_id"]
    assert record["occurred_at"] == "2026-03-01T08:30:00Z"
    assert record["effective_at"] == record["recorded_at"]
    assert record["evidence"] == {
        "site": "ansettr-web",
        "origin": "https://ansettr.no",
        "path": "/ledige-stillinger",
        "language": "nb",
        "layer": "settings",
        "screen_hash": body["screen_hash"],
        "button": "save",
        "gpc": True,
    }
    (shown,) = await stage.fetch(
        "select content from screens where screen_hash = $1", bytes.fromhex(kept["screen_hash"])
    )
    assert ["matomo", 1, "nb", kept["notice_hash"]] in json.loads(shown["content"])["purposes"]


#: button | choice | is it taken?
BUTTONS = """
accept_all | given     | yes
save       | given     | yes
refuse_all | given     | no
close      | given     | no
withdraw   | given     | no
settings   | given     | no
close      | deferred  | yes
close      | refused   | yes
refuse_all | refused   | yes
withdraw   | withdrawn | yes
"""


@pytest.mark.parametrize(("button", "choice", "taken"), rows(BUTTONS, 3))
async def test_nothing_is_given_by_closing_or_refusing(
    stage: Stage, button: str, choice: str, taken: str
) -> None:
    answer = await stage.browser().chooses({"matomo": choice}, button=button)

    assert told(answer) == ("201" if taken == "yes" else "422 invalid-value /button")


async def test_R5_when_a_banner_may_ask_again(stage: Stage) -> None:
    browser = stage.browser()

    async def ask_at(choice: str) -> timedelta | None:
        await browser.chooses({"pixel": choice})
        (found,) = [one for one in (await browser.read()).json()["consents"] if one["purpose"] == "pixel"]
        if found["ask_again_at"] is None:
            return None
        return datetime.fromisoformat(found["ask_again_at"]) - datetime.fromisoformat(found["since"])

    assert await ask_at("deferred") == timedelta(days=7)
    refused = await ask_at("refused")
    assert refused is not None and 181 <= refused.days <= 184
    assert await ask_at("given") is None
    assert await ask_at("withdrawn") is None


#: A purpose | what was said | what stands without the signal | with it
SIGNAL = """
pixel  | -         | unknown: no (no_record)            | unknown: no (signal)
pixel  | deferred  | deferred: no (deferred)            | deferred: no (signal)
pixel  | given     | given: yes (given)                 | given: yes (given)
pixel  | refused   | refused: no (refused)              | refused: no (refused)
ads    | -         | unknown: yes (legitimate_interest) | unknown: no (signal)
ads    | refused   | objected: no (objected)            | objected: no (objected)
matomo | -         | unknown: no (no_record)            | unknown: no (no_record)
"""


@pytest.mark.parametrize(("purpose", "said", "without", "signalled"), rows(SIGNAL, 4))
async def test_R38_the_signal_says_no_where_nothing_was_chosen(
    stage: Stage, purpose: str, said: str, without: str, signalled: str
) -> None:
    browser = stage.browser()
    if said != "-":
        await browser.chooses({purpose: said})
    kept = await stage.said()

    assert await browser.stands(purpose) == without
    assert await browser.stands(purpose, **{"sec-gpc": "1"}) == signalled
    assert await browser.stands(purpose, **{"sec-gpc": "true"}) == without
    assert await browser.stands(purpose, **{"sec-gpc": "1, 1"}) == without
    assert await stage.said() == kept
    assert "Sec-GPC" in ", ".join((await browser.read()).headers.get_list("vary"))


async def test_what_stands_is_nobody_elses_business(stage: Stage) -> None:
    answer = await stage.browser().read()

    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


async def test_R36_a_visitor_who_logged_in_speaks_for_that_person(stage: Stage) -> None:
    """Only linking joins them (R19); then there is one person, in the browser and over `/v1`."""
    browser, person = stage.browser(), await stage.api.person()
    linked = {"identifiers": [{"type": "visitor", "value": browser.visitor}]}
    assert (await stage.api("POST", f"/v1/subjects/{person}/identifiers", linked)).status_code == 201
    await browser.chooses({"matomo": "given"})
    (record,) = await stage.records()

    assert str(record["subject_id"]) == person
    await stage.api.says(person, "matomo", "withdraw")
    assert await browser.stands("matomo") == "withdrawn: no (withdrawn)"


async def test_R36_a_browser_that_was_somebody_elses_is_told_to_make_a_new_id(stage: Stage) -> None:
    browser = stage.browser()
    linked = {"identifiers": [{"type": "visitor", "value": browser.visitor}]}
    for person, answer in (
        (await stage.api.person(), "201"),
        (await stage.api.person(), "409 identifier-taken /identifiers/0"),
    ):
        assert told(await stage.api("POST", f"/v1/subjects/{person}/identifiers", linked)) == answer
    page = await stage.api.client.get("/problems/identifier-taken")

    assert "new visitor id" in page.text


async def test_an_erased_visitor_is_told_to_begin_anew(stage: Stage) -> None:
    browser = stage.browser()
    await browser.chooses({"matomo": "given"})
    await stage.fetch("update subjects set erased_at = now()")

    assert told(await browser.read()) == "410 erased"
    assert told(await browser.chooses({"matomo": "withdrawn"})).startswith("410 erased")


async def test_sites_and_controllers_keep_to_themselves(stage: Stage) -> None:
    """The same browser id, the same purposes: two persons, and neither hears of the other."""
    one, other = stage.browser(), stage.browser(site="/site/v1/sonh-web", origin="https://sonh.no")
    other.headers["consent-visitor"] = one.visitor
    await one.chooses({"matomo": "given", "pixel": "given"})
    await other.chooses({"matomo": "refused"})

    assert await one.stands("matomo") == "given: yes (given)"
    assert await other.stands("matomo") == "refused: no (refused)"
    assert await other.stands("pixel") == "unknown: no (no_record)"
    kept = await stage.records()
    assert {(kind["controller"], kind["source"]) for kind in kept} == {
        ("ansettr", "ansettr-web"),
        ("sonh", "sonh-web"),
    }
    assert len({kind["subject_id"] for kind in kept}) == 2


async def test_many_browsers_at_once_are_each_their_own(stage: Stage) -> None:
    browsers = [stage.browser() for _ in range(40)]
    said = ["given", "refused"] * 20
    answers = await asyncio.gather(
        *(browser.chooses({"matomo": word}) for browser, word in zip(browsers, said, strict=True))
    )

    assert {answer.status_code for answer in answers} == {201}
    stands = [await browser.stands("matomo") for browser in browsers]
    assert stands == ["given: yes (given)", "refused: no (refused)"] * 20
