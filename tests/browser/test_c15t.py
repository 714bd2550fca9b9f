"""The real client of c15t 2.2.1 in a real browser, pointed at this service as docs/WEB.md tells (R39)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, Route

from consent_service.embedded import KafkaServer, PostgresServer
from tests.browser.c15t_site import (
    asks,
    c15t_page,
    chooses,
    is_quiet,
    is_told,
    keeps_to_send,
    saving,
    subject_of,
    waiting,
)
from tests.browser.conftest import NPM, NewContext
from tests.browser.stage import Stage, running_stage
from tests.http.sites import C15T

#: The first one installs what npm's lock file names, and starts Kafka.
pytestmark = pytest.mark.timeout(240)

NOTHING_GIVEN = [
    "security object",
    "profile refuse",
    "matomo refuse",
    "pixel refuse",
    "newsletter refuse",
    "ads object",
]
SOME = [one.replace("matomo refuse", "matomo grant") for one in NOTHING_GIVEN]


@pytest.fixture(scope="module")
async def stage(
    postgres: PostgresServer, kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    async with running_stage(postgres, kafka, tmp_path_factory.mktemp("service"), c15t=C15T) as running:
        yield running


@pytest.fixture
async def address(stage: Stage, node_modules: Path) -> str:
    stage.tags.forget()
    return c15t_page(stage, node_modules)


async def test_R39_the_banner_asks_in_the_words_of_the_notices_and_no_tag_runs_before(
    stage: Stage, page: Page, address: str
) -> None:
    await page.goto(address)
    await asks(page)

    assert "This is about: Newsletter, " in await page.inner_text("#banner p")
    assert await page.locator("#banner button").all_inner_texts() == [
        "Refuse all",
        "Accept all",
        "Let me choose",
    ]
    await page.click("#customize")
    boxes = page.locator("#dialog input")
    names = [await one.get_attribute("name") for one in await boxes.all()]
    assert names == ["necessary", "functionality", "measurement", "marketing"]
    ticked = [await one.is_checked() for one in await boxes.all()]
    assert ticked == [True, False, False, False]
    assert "Newsletter: We send you news by e-mail." in await page.inner_text("#dialog")
    await is_quiet(page, stage)
    assert stage.tags.asked == {"/barrier.hit": 1}


async def test_R39_some_are_accepted_and_some_refused_kept_over_a_reload_and_withdrawn(
    stage: Stage, page: Page, address: str
) -> None:
    await page.goto(address)
    await asks(page)
    await chooses(page, measurement=True)
    visitor = await subject_of(page)
    await stage.tags.was_asked("/matomo.hit")
    await stage.agrees(visitor, *SOME)

    await page.reload()
    await asks(page, yes=False)
    await stage.tags.was_asked("/matomo.hit", 2)
    path = f"/subjects/{visitor}"
    read = await page.evaluate("async path => (await consentManager.$fetch(path)).data", path)
    assert read["consents"][0]["preferences"] == {
        "necessary": True,
        "functionality": False,
        "measurement": True,
        "marketing": False,
    }

    # The client tells of a withdrawal only once the page was loaded again, without the tag.
    await chooses(page, measurement=False)
    await asks(page, yes=False)
    await stage.agrees(visitor, *SOME, "matomo refuse")
    statuses = [one["status"] for one in await stage.records(visitor) if one["purpose"] == "matomo"]
    assert statuses == ["given", "withdrawn"]
    stage.tags.forget()
    await page.reload()
    await asks(page, yes=False)
    await is_quiet(page, stage)
    assert stage.tags.asked == {"/barrier.hit": 1}


@pytest.mark.parametrize(("button", "said", "tags"), [("accept", "grant", True), ("refuse", "refuse", False)])
async def test_R39_all_or_nothing(
    stage: Stage, page: Page, address: str, button: str, said: str, tags: bool
) -> None:
    await page.goto(address)
    await asks(page)
    async with page.expect_response(saving):
        await page.click(f"#{button}")
    if tags:
        await stage.tags.was_asked("/pixel.hit")
        await stage.tags.was_asked("/matomo.hit")
    await is_quiet(page, stage)

    visitor = await subject_of(page)
    kept = await stage.said(visitor)
    assert [f"{one} {said}" in kept for one in ("matomo", "pixel", "profile")] == [True] * 3
    assert await stage.told(visitor) != []
    assert (stage.tags.asked["/pixel.hit"], stage.tags.asked["/matomo.hit"]) == ((1, 1) if tags else (0, 0))


async def test_R39_what_could_not_be_sent_is_sent_again_and_is_one_record_each(
    stage: Stage, page: Page, address: str
) -> None:
    tried: list[str] = []

    async def fails(route: Route) -> None:
        tried.append(route.request.method)
        await (route.abort() if route.request.method == "POST" else route.continue_())

    await page.goto(address)
    await asks(page)
    await page.route("**/c15t/subjects", fails)
    await page.click("#customize")
    await page.set_checked("#dialog input[name=measurement]", True)
    await page.click("#save")
    await keeps_to_send(page)
    visitor = await subject_of(page)
    assert tried.count("POST") == 4
    assert await stage.records(visitor) == []

    await page.unroute("**/c15t/subjects", fails)
    async with page.expect_response(saving) as answered:
        await page.reload()
    assert (await answered.value).status == 201
    await keeps_to_send(page, yes=False)
    await stage.agrees(visitor, *SOME)
    await asks(page, yes=False)


async def test_R39_an_answer_that_was_lost_leads_to_no_second_record(
    stage: Stage, page: Page, address: str
) -> None:
    statuses: list[int] = []

    async def loses(route: Route) -> None:
        if route.request.method == "POST":
            statuses.append((await route.fetch()).status)
            await route.abort()
        else:
            await route.continue_()

    await page.goto(address)
    await asks(page)
    await page.route("**/c15t/subjects", loses)
    await page.click("#accept")
    await keeps_to_send(page)
    visitor = await subject_of(page)
    before = await stage.records(visitor)
    await page.unroute("**/c15t/subjects", loses)
    async with page.expect_response(saving) as answered:
        await page.reload()
    await keeps_to_send(page, yes=False)

    assert (await answered.value).status == 200
    assert statuses == [201, 200, 200, 200]
    assert await stage.records(visitor) == before
    assert len({one["choice_id"] for one in before}) == 1


async def test_R39_what_was_refused_later_stays_so_when_an_earlier_yes_is_sent_again(
    stage: Stage, page: Page, address: str
) -> None:
    async def fails(route: Route) -> None:
        await (route.abort() if route.request.method == "POST" else route.continue_())

    await page.goto(address)
    await asks(page)
    await page.route("**/c15t/subjects", fails)
    await page.click("#accept")
    await keeps_to_send(page)
    visitor = await subject_of(page)
    await page.unroute("**/c15t/subjects", fails)

    answered: list[int] = []
    page.on("response", lambda answer: answered.append(answer.status) if saving(answer) else None)
    await chooses(page, measurement=False, marketing=False, functionality=False)
    await keeps_to_send(page, yes=False)

    assert answered == [201, 201]
    assert [one for one in await stage.said(visitor) if "grant" in one] == []
    assert await waiting(page) == 0


async def test_R39_what_was_ticked_without_the_service_is_asked_again(
    stage: Stage, page: Page, address: str
) -> None:
    """The client shows words of its own then, of which nobody knows what they are about."""
    await page.route("**/site/v1/*/c15t/**", lambda route: route.abort())
    await page.goto(address)
    await asks(page)
    assert await page.inner_text("#banner h2") == "We value your privacy"
    await page.click("#accept")
    await keeps_to_send(page)
    visitor = await subject_of(page)

    await page.unroute_all()
    async with page.expect_response(saving) as answered:
        await page.reload()
    assert (await answered.value).status in (200, 201)
    await asks(page)
    assert await page.inner_text("#banner h2") == "You decide"
    assert [one for one in await stage.said(visitor) if "grant" in one] == []


async def test_R39_the_service_that_is_full_is_asked_again_by_itself(
    stage: Stage, page: Page, address: str
) -> None:
    full = [503, 503]

    async def fills(route: Route) -> None:
        if route.request.method == "POST" and full:
            await route.fulfill(status=full.pop(), headers={"access-control-allow-origin": stage.web.origin})
        else:
            await route.continue_()

    await page.goto(address)
    await asks(page)
    await page.route("**/c15t/subjects", fills)
    await chooses(page, measurement=True)

    await stage.agrees(await subject_of(page), *SOME)
    assert await waiting(page) == 0


async def test_R39_who_the_visitor_claims_to_be_is_answered_and_not_recorded(
    stage: Stage, page: Page, address: str
) -> None:
    await page.goto(address)
    await asks(page)
    await chooses(page, measurement=True)
    visitor = await subject_of(page)
    async with page.expect_response(lambda one: one.request.method == "PATCH") as answered:
        await page.evaluate("consentStore.getState().identifyUser({ id: 'user_123' })")

    assert (await answered.value).status == 200
    assert await page.evaluate("localStorage.getItem('c15t-pending-identify-submissions')") is None
    async with stage.service.client() as client:
        subject_id = (await stage.records(visitor))[0]["subject_id"]
        held = (await client.get(f"/v1/subjects/{subject_id}/identifiers")).json()["items"]
    assert [one["type"] for one in held] == ["visitor"]


async def test_R40_a_material_change_clears_the_answer_and_asks_again(
    stage: Stage, page: Page, address: str
) -> None:
    await page.goto(address)
    await asks(page)
    await chooses(page, measurement=True)
    texts = {"name": "Statistics", "description": "Now with more."}
    content = {"legal_bases": ["consent"], "notices": {"nb": texts, "en": texts}}
    async with stage.service.client() as client:
        answer = await client.put("/v1/purposes/matomo", json={"change": "editorial", **content})
        assert answer.status_code == 201, answer.text
        await is_told(stage, "Statistics")
        await page.reload()
        await asks(page, yes=False)
        texts["description"] = "Now for something else."
        answer = await client.put("/v1/purposes/matomo", json={"change": "material", **content})
        assert answer.status_code == 201, answer.text
    await is_told(stage, "Now for something else.")
    await page.reload()
    await asks(page)
    await chooses(page, measurement=True)

    said = await stage.records(await subject_of(page))
    assert [one["version"] for one in said if one["purpose"] == "matomo"] == [3]


async def test_R39_two_browsers_are_two_visitors(stage: Stage, new_context: NewContext, address: str) -> None:
    visitors = []
    for locale, title in (("nb-NO", "Du bestemmer"), ("en-GB", "You decide")):
        page = await (await new_context(locale=locale)).new_page()
        await page.goto(address)
        await asks(page)
        assert await page.inner_text("#banner h2") == title
        async with page.expect_response(saving):
            await page.click("#refuse")
        visitors.append(await subject_of(page))

    assert len(set(visitors)) == 2
    records = [await stage.records(one) for one in visitors]
    assert [{one["language"] for one in of_one} for of_one in records] == [{"nb"}, {"en"}]


def test_the_client_is_the_one_that_the_interface_promises() -> None:
    lock = json.loads((NPM / "package-lock.json").read_text())

    assert lock["packages"]["node_modules/c15t"]["version"] == "2.2.1"
    assert "://" not in (NPM / "package-lock.json").read_text()
