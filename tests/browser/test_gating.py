"""No tag runs before consent, and none after it was withdrawn; counted at the tags' server, and told in the ledger."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import NewContext
from tests.browser.stage import Stage
from tests.browser.tagged_site import OF_MATOMO, OF_PIXEL, OF_PROFILE, TAGS, TaggedPage


@pytest.fixture
def site(stage: Stage, page: Page) -> TaggedPage:
    return TaggedPage(stage, page)


async def test_what_was_accepted_runs_and_what_was_refused_does_not(site: TaggedPage) -> None:
    await site.visit()
    await expect(site.banner).to_be_visible()
    assert await site.asked() == set()

    await site.choose(matomo=True)
    await site.ran(*OF_MATOMO)

    assert await site.asked() == OF_MATOMO
    await site.stage.agrees(await site.visitor(), "matomo grant", "pixel refuse", "profile refuse")


async def test_everything_that_was_accepted_runs(site: TaggedPage) -> None:
    await site.visit()

    await site.button(site.banner, "accept_all").click()
    await site.ran(*OF_MATOMO, *OF_PIXEL, *OF_PROFILE)

    assert await site.asked() == OF_MATOMO | OF_PIXEL | OF_PROFILE


async def test_a_tag_of_a_purpose_that_the_site_does_not_have_is_told_to_whoever_makes_the_page(
    site: TaggedPage,
) -> None:
    """On the first visit, and on one where the browser remembers."""
    said: list[str] = []
    site.page.on("console", lambda one: said.append(one.text) if one.type == "warning" else None)
    wrong = '<script type="text/plain" data-consent="matomoo" data-consent-src="{tags}/wrong.js"></script>'
    told = 'consent: this site has no purpose "matomoo", so what waits for it never runs.'
    async with site.page.expect_console_message(lambda one: one.text == told):
        await site.visit(TAGS + wrong)
    await site.told(lambda: site.button(site.banner, "accept_all").click())
    async with site.page.expect_console_message(lambda one: one.text == told):
        await site.visit(TAGS + wrong + wrong, path="/next")

    assert said == [told, told]
    assert "/wrong.js" not in await site.asked()


async def test_nothing_runs_after_everything_was_refused(site: TaggedPage) -> None:
    await site.visit()

    await site.told(lambda: site.button(site.banner, "refuse_all").click())
    assert await site.asked() == set()

    await site.visit()
    assert await site.asked() == set()
    await expect(site.banner).to_have_count(0)


async def test_on_the_next_page_a_tag_waits_for_no_answer_of_the_service(site: TaggedPage) -> None:
    await site.visit()
    await site.told(lambda: site.button(site.banner, "accept_all").click())
    await site.ran(*OF_MATOMO)
    site.tags.forget()
    await site.page.route("**/site/v1/**", lambda _: None)

    await site.visit(path="/next")

    await site.ran(*OF_MATOMO, *OF_PIXEL, *OF_PROFILE)


async def test_a_withdrawal_stops_the_tag_on_this_page_and_the_next(site: TaggedPage) -> None:
    await site.visit()
    await site.choose(matomo=True, profile=True)
    await site.ran(*OF_MATOMO, *OF_PROFILE)
    visitor = await site.visitor()

    # Nothing makes a script go away but another page.
    async with site.page.expect_event("load"):
        await site.choose(matomo=False)
    await site.stops("matomo")
    site.tags.forget()

    await site.visit(path="/next")
    await site.ran(*OF_PROFILE)
    assert await site.asked() == OF_PROFILE
    await site.stage.agrees(visitor, "matomo grant", "pixel refuse", "profile grant", "matomo withdraw")


async def test_a_change_of_mind_makes_it_run_again(site: TaggedPage) -> None:
    await site.visit()
    await site.told(lambda: site.button(site.banner, "refuse_all").click())
    await site.choose(matomo=True)
    await site.ran(*OF_MATOMO)
    assert await site.asked() == OF_MATOMO


async def test_what_was_withdrawn_elsewhere_stops_at_the_next_page(site: TaggedPage) -> None:
    await site.visit()
    await site.told(lambda: site.button(site.banner, "accept_all").click())
    await site.stage.withdraw_by_telephone(await site.visitor(), "matomo")

    await site.visit(path="/next")
    await site.stops("matomo")
    site.tags.forget()
    await site.visit(path="/after")

    await site.ran(*OF_PIXEL, *OF_PROFILE)
    assert await site.asked() == OF_PIXEL | OF_PROFILE


async def test_a_frame_goes_away_and_its_placeholder_leads_to_the_settings(site: TaggedPage) -> None:
    await site.visit()
    await site.told(lambda: site.button(site.banner, "refuse_all").click())
    placeholder = site.page.locator(".consent-placeholder")
    await expect(placeholder).to_contain_text("We send you news by e-mail.")
    await placeholder.get_by_role("button").click()
    await expect(site.settings).to_be_visible()
    await site.switch("profile").check()
    await site.button(site.settings, "save").click()
    await site.ran("/film")
    await expect(site.page.locator("iframe")).to_be_visible()
    await expect(placeholder).to_have_count(0)

    await site.choose(profile=False)

    await expect(placeholder).to_be_visible()
    assert await site.page.locator("iframe").get_attribute("src") is None


async def test_youtube_is_embedded_in_its_form_without_cookies(site: TaggedPage) -> None:
    embedded: list[str] = []

    async def play(route: object) -> None:
        embedded.append(route.request.url)  # type: ignore[attr-defined]
        await route.fulfill(body="a film")  # type: ignore[attr-defined]

    await site.page.route("https://www.youtube*.com/**", play)
    film = "https://www.youtube.com/watch?v=abc&t=90"
    await site.visit(f'<iframe title="A film" data-consent="matomo" data-consent-src="{film}"></iframe>')
    assert embedded == []

    await site.choose(matomo=True)
    await expect(site.page.frame_locator("iframe").locator("body")).to_have_text("a film")

    assert embedded == ["https://www.youtube-nocookie.com/embed/abc?start=90"]


async def test_a_script_that_comes_late_waits_too(site: TaggedPage) -> None:
    await site.visit("")
    await site.choose(matomo=True)
    await site.page.evaluate(
        "html => document.body.insertAdjacentHTML('beforeend', html)", TAGS.format(tags=site.tags.origin)
    )
    await site.ran(*OF_MATOMO)

    assert await site.asked() == OF_MATOMO


async def test_the_cookies_of_a_tag_go_with_its_consent(site: TaggedPage) -> None:
    site.tags.script(
        "/cookies.js", "document.cookie = '_pk_id=1; Path=/'; document.cookie = 'mine=1; Path=/'"
    )
    tag = '<script type="text/plain" data-consent="matomo" data-consent-src="{tags}/cookies.js"></script>'
    await site.visit(tag, data='data-matomo="matomo"')
    await site.choose(matomo=True)
    await site.page.wait_for_function("() => document.cookie.includes('_pk_id')")

    await site.choose(matomo=False)

    await site.page.wait_for_function("() => !document.cookie.includes('_pk_id')")
    assert "mine=1" in await site.page.evaluate("document.cookie")


async def test_vendors_are_told_before_any_tag_and_at_each_change(site: TaggedPage) -> None:
    google = '{"matomo": ["analytics_storage"]}'
    data = f"data-matomo='matomo' data-google='{google.replace(chr(39), '')}'"
    await site.visit("", data=data)
    await site.page.evaluate("window.fbq = (...call) => (window.told ??= []).push(call)")
    assert await site.page.evaluate("_paq") == [["requireConsent"]]

    await site.choose(matomo=True)
    await site.choose(matomo=False)

    assert await site.page.evaluate("_paq") == [
        ["requireConsent"],
        ["setConsentGiven"],
        ["forgetConsentGiven", 8760],
        ["requireConsent"],
    ]
    told = await site.page.evaluate(
        "dataLayer.map(call => [call[1], call[2].analytics_storage, call[2].ad_storage])"
    )
    assert told == [
        ["default", "denied", "denied"],
        ["update", "granted", "denied"],
        ["update", "denied", "denied"],
    ]


#: A page that lets nothing run but what has its nonce, and takes scripts from policies alone.
NONCED = (
    "default-src 'none'; script-src 'nonce-abc' {{service}}; connect-src {{service}} {tags}; img-src {tags}; "
    "frame-src {tags}; style-src 'self'; base-uri 'none'; require-trusted-types-for 'script'"
)


async def test_tags_run_under_a_strict_policy_where_they_carry_its_nonce(site: TaggedPage) -> None:
    policy = NONCED.format(tags=site.tags.origin)
    await site.visit(TAGS.replace("<script ", '<script nonce="abc" '), policy=policy)
    assert await site.asked() == set()

    await site.button(site.banner, "accept_all").click()
    await site.ran(*OF_MATOMO, *OF_PIXEL, *OF_PROFILE)

    assert await site.page.evaluate("refused") == []


async def test_a_tag_without_the_nonce_is_refused_by_the_page_and_not_smuggled_in(site: TaggedPage) -> None:
    await site.visit(policy=NONCED.format(tags=site.tags.origin))

    await site.button(site.banner, "accept_all").click()
    await site.page.wait_for_function("() => refused.length >= 3")

    assert not {"/matomo.js", "/pixel.js", "/profile.hit"} & await site.asked()


async def test_without_javascript_no_tag_runs(stage: Stage, new_context: NewContext) -> None:
    context = await new_context(java_script_enabled=False)
    site = TaggedPage(stage, await context.new_page())

    await site.visit()

    await expect(site.page.get_by_role("heading")).to_have_text("Ansettr")
    assert set(site.tags.asked) == set()


async def test_where_the_browser_asks_not_to_sell_or_share_that_waits_for_a_yes(
    stage: Stage, new_context: NewContext
) -> None:
    """R38. Browsers that have the setting send the header and set the property."""
    context = await new_context(extra_http_headers={"Sec-GPC": "1"})
    await context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
    site = TaggedPage(stage, await context.new_page())
    await site.visit()
    assert await site.allowed() == ["security", "orders"]

    await site.told(lambda: site.button(site.banner, "accept_all").click())

    assert "pixel" in await site.allowed()
    assert "ads" not in await site.allowed()
