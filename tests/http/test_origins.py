"""Whose pages may call, and what their browsers are told (R36, STANDARDS 7.7)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from consent_service.embedded import PostgresServer
from tests.http.sites import ORIGIN, SITE, Stage, random_id, running_sites
from tests.http.tables import rows, told


@pytest.fixture(scope="module")
async def stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    async with running_sites(postgres) as running:
        yield running


CORS = {
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
    "access-control-expose-headers",
    "access-control-allow-credentials",
}


def cors(answer: httpx.Response) -> set[str]:
    return CORS & set(answer.headers)


#: Origin | is it the site's? The site has https://ansettr.no, https://www.ansettr.no and http://localhost:5173.
ORIGINS = """
https://ansettr.no                | yes
https://www.ansettr.no            | yes
http://localhost:5173             | yes
# Another scheme, port or host is another origin.
http://ansettr.no                 | no
https://ansettr.no:443            | no
https://ansettr.no:8443           | no
http://localhost                  | no
http://localhost:51730            | no
https://localhost:5173            | no
http://127.0.0.1:5173             | no
https://jobs.ansettr.no           | no
https://www.www.ansettr.no        | no
# What looks like it.
https://ansettr.no.evil.example   | no
https://evil.example/ansettr.no   | no
https://ansettr.no@evil.example   | no
https://evilansettr.no            | no
https://ansettr.no.               | no
https://ansettr.no/               | no
https://ansettr.no#               | no
https://ansettr.no?               | no
https://ANSETTR.no                | no
HTTPS://ansettr.no                | no
ansettr.no                        | no
//ansettr.no                      | no
https://ansettr.no https://evil.example | no
https://ansettr.no, https://evil.example | no
https://xn--ansettr-wxa.no        | no
https://*.ansettr.no              | no
*                                 | no
null                              | no
file://                           | no
# Of another site of this service.
https://sonh.no                   | no
"""


@pytest.mark.parametrize(("origin", "own"), rows(ORIGINS, 2))
async def test_R36_an_origin_is_the_sites_to_the_letter_or_it_is_foreign(
    stage: Stage, origin: str, own: str
) -> None:
    browser = stage.browser(origin=origin)
    body = await browser.body({"matomo": "refused"})
    notice = await stage.api.client.get(f"{SITE}/notice", headers={"origin": origin})
    preflight = await stage.api.client.options(f"{SITE}/consents", headers={"origin": origin})
    read, wrote = await browser.read(), await browser.post(body)

    told_all = [told(answer) for answer in (notice, preflight, read, wrote)]
    if own == "yes":
        assert told_all == ["200", "204", "200", "201"]
        for answer in (notice, preflight, read, wrote):
            assert answer.headers["access-control-allow-origin"] == origin
            assert "Origin" in ", ".join(answer.headers.get_list("vary"))
    else:
        assert told_all == ["200", "204", "403 foreign-origin", "403 foreign-origin"]
        for answer in (notice, preflight, read, wrote):
            assert cors(answer) == set()
            assert "Origin" in ", ".join(answer.headers.get_list("vary"))


async def test_an_origin_that_is_no_text_is_foreign(stage: Stage) -> None:
    for raw in (b"", b"https://ansettr.no\xff", b"https://ans\xc3\xa9ttr.no"):
        headers = [(b"origin", raw), (b"consent-visitor", random_id().encode())]
        answer = await stage.api.client.get(f"{SITE}/consents", headers=headers)
        assert told(answer) == "403 foreign-origin"


async def test_two_origins_are_none(stage: Stage) -> None:
    headers = [("origin", "https://evil.example"), ("origin", ORIGIN), ("consent-visitor", random_id())]
    answer = await stage.api.client.get(f"{SITE}/consents", headers=headers)

    assert told(answer) == "400 invalid-request Origin"


#: Sec-Fetch-Site, without Origin | a reading | a writing
WITHOUT = """
-            | 200 | 403 foreign-origin
same-origin  | 200 | 201
same-site    | 200 | 403 foreign-origin
cross-site   | 200 | 403 foreign-origin
none         | 200 | 403 foreign-origin
Same-Origin  | 200 | 403 foreign-origin
"""


@pytest.mark.parametrize(("fetch_site", "reads", "writes"), rows(WITHOUT, 3))
async def test_R36_without_an_origin_only_the_same_origin_writes(
    stage: Stage, fetch_site: str, reads: str, writes: str
) -> None:
    """Browsers leave `Origin` out where a page reads from its own; whoever reads needs the visitor's id anyway."""
    browser = stage.browser(origin=None)
    headers = {} if fetch_site == "-" else {"sec-fetch-site": fetch_site}
    body = await browser.body({"matomo": "refused"})
    read, wrote = await browser.read(**headers), await browser.post(body, headers)

    assert (told(read), told(wrote)) == (reads, writes)
    assert cors(read) == cors(wrote) == set()


async def test_R36_a_foreign_origin_is_foreign_whatever_else_is_said(stage: Stage) -> None:
    browser = stage.browser(origin="https://evil.example")
    body = await browser.body({"matomo": "refused"})

    assert told(await browser.post(body, {"sec-fetch-site": "same-origin"})) == "403 foreign-origin"
    assert told(await browser.post(body, {"referer": f"{ORIGIN}/"})) == "403 foreign-origin"
    assert told(await browser.post(body, {"x-forwarded-host": "ansettr.no"})) == "403 foreign-origin"


async def test_a_preflight_says_what_may_be_sent_and_for_how_long(stage: Stage) -> None:
    headers = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "consent-visitor,content-type",
    }
    answer = await stage.api.client.options(f"{SITE}/consents", headers=headers)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-methods"] == "GET, POST"
    assert answer.headers["access-control-allow-headers"] == "Content-Type, Consent-Visitor"
    assert answer.headers["access-control-max-age"] == "7200"
    assert answer.headers["allow"] == "GET, OPTIONS, POST"


async def test_credentials_are_never_asked_for(stage: Stage) -> None:
    """No cookie is set, none is read: none can be used against anybody."""
    browser = stage.browser(cookie="session=stolen")
    answers = [
        await browser.read(),
        await browser.chooses({"matomo": "given"}),
        await stage.api.client.options(f"{SITE}/consents", headers={"origin": ORIGIN}),
    ]

    for answer in answers:
        assert "access-control-allow-credentials" not in answer.headers
        assert "set-cookie" not in answer.headers


async def test_refusals_can_be_read_by_the_sites_own_pages(stage: Stage) -> None:
    browser = stage.browser()
    for answer in (
        await browser.post({}),
        await browser.chooses({"elsewhere": "given"}),
        await stage.api.client.delete(f"{SITE}/consents", headers=browser.headers),
        await stage.api.client.post(f"{SITE}/consents", content=b"{", headers=browser.headers),
    ):
        assert answer.status_code >= 400
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "Retry-After" in answer.headers["access-control-expose-headers"]


async def test_nobody_is_told_the_origins_of_a_site_that_is_not_there(stage: Stage) -> None:
    answer = await stage.api.client.get("/site/v1/nobody-web/notice", headers={"origin": ORIGIN})

    assert told(answer) == "404 not-found"
    assert cors(answer) == set()


async def test_tokens_mean_nothing_here_and_origins_nothing_there(stage: Stage) -> None:
    """A site's page has no way into `/v1`, and a token opens no site to a foreign page."""
    token = stage.issuer.sign(controller="ansettr")
    browser = stage.browser(origin="https://evil.example", authorization=f"Bearer {token}")
    assert told(await browser.read()) == "403 foreign-origin"
    answer = await stage.api.client.get("/v1/purposes", headers={"origin": ORIGIN})

    assert told(answer) == "401 unauthenticated"
    assert cors(answer) == set()
    for method in ("OPTIONS", "GET"):
        answer = await stage.api("OPTIONS", "/v1/purposes", headers={"origin": ORIGIN})
        assert cors(answer) == set(), method
