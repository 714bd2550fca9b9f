"""Over the limits: 429, with when to come again; a no has room of its own, and no address is kept (STANDARDS 7.4)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from consent_service.embedded import PostgresServer
from consent_service.http import api_keys
from consent_service.http.limits import Guards, Quota, Quotas
from tests.http.api_keys import make, take_back
from tests.http.conftest import Api, api_on, running_services
from tests.http.sites import ORIGIN, SITE, Browser, Stage, entries, random_id, running_sites
from tests.http.tables import told

HOUR = 3600
MANY = Quota(10_000, HOUR)


@asynccontextmanager
async def limited(postgres: PostgresServer, **quotas: Quota) -> AsyncIterator[Stage]:
    """Behind a proxy, whose word about addresses counts."""
    asked = Quotas(**{"network": MANY, "choices": MANY, "visitor": MANY, "site": MANY, **quotas})
    async with running_sites(postgres, guards=Guards([ip_network("127.0.0.0/8")], asked)) as stage:
        yield stage


def from_address(browser: Browser, address: str) -> Browser:
    browser.headers["x-forwarded-for"] = address
    return browser


async def test_over_the_limit_is_429_with_when_to_come_again(postgres: PostgresServer) -> None:
    async with limited(postgres, visitor=Quota(3, HOUR)) as stage:
        browser = stage.browser()
        answers = [await browser.read() for _ in range(4)]

    assert [told(answer) for answer in answers] == ["200", "200", "200", "429 too-many-requests"]
    refused = answers[3]
    assert refused.json()["violated-policies"] == ["visitor"]
    assert refused.headers.get_list("retry-after") == ["1200"]
    assert refused.headers["ratelimit-policy"] == '"visitor";q=3;w=3600'
    assert re.fullmatch(r'"visitor";r=0;t=\d+', refused.headers["ratelimit"])
    assert refused.headers["access-control-allow-origin"] == ORIGIN
    assert re.search(r'"visitor";r=2;t=1200', answers[0].headers["ratelimit"])


async def test_a_no_is_recorded_where_no_more_yes_is_taken(postgres: PostgresServer) -> None:
    async with limited(postgres, visitor=Quota(2, HOUR)) as stage:
        browser = stage.browser()
        notice = (await browser.notice())["screen_hash"]

        async def choose(**choices: str) -> str:
            return told(await browser.chooses(choices, screen_hash=notice))

        assert [await choose(matomo="given") for _ in range(3)] == ["201", "201", "429 too-many-requests"]
        assert await choose(matomo="withdrawn") == "201"
        assert await choose(matomo="given", pixel="refused") == "201"
        assert await choose(matomo="refused") == "429 too-many-requests"
        assert await stage.said() == ["matomo grant", "matomo withdraw", "matomo grant", "pixel refuse"]


async def test_what_is_refused_with_429_can_be_sent_again(postgres: PostgresServer) -> None:
    """Nothing of it was recorded, and its id is not taken."""
    ticks = [0.0]
    guards = Guards(quotas=Quotas(visitor=Quota(1, 60)), ticks=lambda: ticks[0])
    async with running_sites(postgres, guards=guards) as stage:
        browser = stage.browser()
        await browser.chooses({"matomo": "given"})
        body = await browser.body({"pixel": "given"})
        refused = await browser.post(body)
        ticks[0] += int(refused.headers["retry-after"])

        assert told(refused) == "429 too-many-requests"
        assert (await browser.post(body)).status_code == 201


async def test_a_network_is_what_its_addresses_share(postgres: PostgresServer) -> None:
    async with limited(postgres, choices=Quota(2, HOUR)) as stage:
        answers = [
            told(await from_address(stage.browser(), address).read())
            for address in ("203.0.113.1", "203.0.113.77", "203.0.113.254", "203.0.114.1", "2001:db8::1")
        ]

    assert answers == ["200", "200", "429 too-many-requests", "200", "200"]


async def test_a_crowd_on_one_site_holds_nobody_back_on_another(postgres: PostgresServer) -> None:
    async with limited(postgres, choices=Quota(2, HOUR)) as stage:
        here = [told(await stage.browser().read()) for _ in range(3)]
        there = [
            told(await stage.browser(site="/site/v1/sonh-web", origin="https://sonh.no").read())
            for _ in range(3)
        ]

    assert here == there == ["200", "200", "429 too-many-requests"]


async def test_nobody_gets_more_by_writing_other_addresses(postgres: PostgresServer) -> None:
    async with limited(postgres, choices=Quota(2, HOUR)) as stage:
        answers = [
            told(await from_address(stage.browser(), f"198.51.{number}.7, 203.0.113.9").read())
            for number in range(4)
        ]

    assert answers == ["200", "200", "429 too-many-requests", "429 too-many-requests"]


async def test_every_request_of_a_network_counts_whatever_it_asks_for(postgres: PostgresServer) -> None:
    """Also for a site that is not there: keys cannot be tried out without end."""
    async with limited(postgres, network=Quota(4, HOUR)) as stage:
        client = stage.api.client
        answers = [
            await client.get(f"{SITE}/notice"),
            await client.options(f"{SITE}/consents"),
            await client.get("/site/v1/nobody-web/notice"),
            await client.get(f"{SITE}/consents"),
            await client.get(f"{SITE}/notice"),
        ]

        assert [answer.status_code for answer in answers] == [200, 204, 404, 400, 429]
        assert (await client.get("/healthz")).status_code == 200
        assert (await stage.api("GET", "/v1/purposes")).status_code == 200


@pytest.fixture
async def few_bad_tokens(postgres: PostgresServer) -> AsyncIterator[Api]:
    guards = Guards(quotas=Quotas(bad_tokens=Quota(3, HOUR)))
    async with running_services(postgres, guards=guards) as (services, issuer, database):
        await services.catalogue.load(entries(), "test")
        async with api_on(services, issuer, database) as api:
            yield api


async def test_who_floods_with_bad_tokens_is_not_listened_to_for_a_while(few_bad_tokens: Api) -> None:
    """What was verified before goes on; that costs nothing."""
    api = few_bad_tokens
    good = api.issuer.sign(controller="ansettr")
    assert told(await api("GET", "/v1/purposes", token=good)) == "200"
    bad = [told(await api("GET", "/v1/purposes", token=f"bad-{number}")) for number in range(5)]

    assert bad == ["401 unauthenticated"] * 3 + ["429 too-many-requests"] * 2
    assert told(await api("GET", "/v1/purposes", token=good)) == "200"
    fresh = await api("GET", "/v1/purposes", token=api.issuer.sign(controller="ansettr", sub="another"))
    assert told(fresh) == "429 too-many-requests"
    assert int(fresh.headers["retry-after"]) > 0


async def test_an_api_key_in_use_goes_on_where_a_neighbour_floods(
    few_bad_tokens: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key is looked up again every few seconds, so it is no token that was verified before; strangers' keys wait."""
    monkeypatch.setattr(api_keys, "REMEMBERED_S", 0.0)
    api = few_bad_tokens
    (key, in_use), (_, new) = await make(api.database), await make(api.database)
    assert told(await api("GET", "/v1/purposes", token=in_use)) == "200"
    for number in range(4):
        await api("GET", "/v1/purposes", token=f"bad-{number}")

    assert [told(await api("GET", "/v1/purposes", token=one)) for one in (in_use, new, in_use)] == [
        "200",
        "429 too-many-requests",
        "200",
    ]
    await take_back(api.database, key)
    assert told(await api("GET", "/v1/purposes", token=in_use)) == "401 unauthenticated"


async def test_good_tokens_are_not_counted_and_none_at_all_is_no_bad_one(few_bad_tokens: Api) -> None:
    api = few_bad_tokens
    for number in range(10):
        token = api.issuer.sign(controller="ansettr", sub=f"system-{number}")
        assert told(await api("GET", "/v1/purposes", token=token)) == "200"
        assert (await api.client.get("/v1/purposes")).status_code == 401


ADDRESS = "203.0.113.197"


async def test_an_address_is_kept_nowhere(postgres: PostgresServer, caplog: pytest.LogCaptureFixture) -> None:
    """Nor the visitor's id, nor where it was but for the page: not in any row, not in any line of the log."""
    caplog.set_level("DEBUG")
    async with limited(postgres, visitor=Quota(2, HOUR)) as stage:
        browser = from_address(stage.browser(**{"user-agent": "Browser/4711"}), ADDRESS)
        await browser.read()
        await browser.chooses({"matomo": "given"}, path="/side?epost=kari@example.no")
        await browser.chooses({"pixel": "given"})
        await browser.post({"choice_id": random_id(), "kari@example.no": 1})
        tables = await stage.fetch("select tablename from pg_tables where schemaname = 'public'")
        kept = ""
        for table in (one["tablename"] for one in tables):
            kept += "".join(str(one) for one in await stage.fetch(f"select {table}::text from {table}"))
        metrics = (await stage.api.client.get("/metrics")).text

    assert "ansettr-web" in kept and "/site/v1/{site_key}/consents" in metrics
    for secret in (
        ADDRESS,
        "203.0.113",
        "cb0071",
        browser.visitor,
        "Browser/4711",
        "kari@example.no",
        "/side",
    ):
        assert secret not in kept, secret
        assert secret not in caplog.text, secret
        assert secret not in metrics, secret
