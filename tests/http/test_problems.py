"""Every documented problem, provoked; and what all of them have in common (RFC 9457, CORE 12)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from html import unescape

import httpx
import pytest

from consent_service.domain.errors import ConsentError, TooManyRequests
from consent_service.embedded import PostgresServer
from consent_service.http.endpoint import problem_reply
from consent_service.http.problem_texts import MEANING
from consent_service.http.problems import STATUS
from tests.http.conftest import UNKNOWN_ID, Api, running_api
from tests.http.tables import told

EMAIL = {"type": "email", "value": "kari.nordmann@example.no"}
CONTRACT = {
    "change": "editorial",
    "legal_bases": ["contract"],
    "notices": {"nb": {"name": "A", "description": "B"}},
}
OTHER = {"type": "email", "value": "ola.nordmann@example.no"}


def says(purpose: str, command: str, **body: object) -> Callable[[Api], Awaitable[httpx.Response]]:
    async def provoke(api: Api) -> httpx.Response:
        return await api.says(await api.person(), purpose, command, **body)

    return provoke


def asks(
    method: str, path: str, body: object = None, **options: object
) -> Callable[[Api], Awaitable[httpx.Response]]:
    async def provoke(api: Api) -> httpx.Response:
        return await api(method, path, body, **options)  # type: ignore[arg-type]

    return provoke


async def without_token(api: Api) -> httpx.Response:
    return await api.client.get("/v1/purposes")


async def without_scope(api: Api) -> httpx.Response:
    return await api("GET", "/v1/purposes", token=api.issuer.sign(scope=""))


async def key_used_twice(api: Api) -> httpx.Response:
    key = {"idempotency-key": "one"}
    await api("POST", "/v1/subjects", {"identifiers": [api.somebody()]}, headers=key)
    return await api("POST", "/v1/subjects", {"identifiers": [api.somebody()]}, headers=key)


async def erased(api: Api) -> httpx.Response:
    person = await api.person()
    connection = await api.database.connect()
    await connection.execute("update subjects set erased_at = now() where subject_id = $1", person)
    await connection.close()
    return await api.says(person, "newsletter", "withdraw")


async def overtaken(api: Api) -> httpx.Response:
    notices = {"nb": {"name": "Prøve", "description": "Første tekst."}}
    first = {"change": "material", "legal_bases": ["consent"], "notices": notices}
    await api("PUT", "/v1/purposes/trial", first)
    notices["nb"]["description"] = "Andre tekst."
    await api("PUT", "/v1/purposes/trial", first)
    return await api.says(await api.person(), "trial", "grant", version=1)


async def editorial_but_material(api: Api) -> httpx.Response:
    item = {
        "change": "material",
        "legal_bases": ["consent"],
        "notices": {"nb": {"name": "A", "description": "B"}},
    }
    await api("PUT", "/v1/purposes/sly", item)
    return await api("PUT", "/v1/purposes/sly", {**item, "change": "editorial", "legal_bases": ["contract"]})


async def two_persons(api: Api) -> httpx.Response:
    for one in (EMAIL, OTHER):
        await api("POST", "/v1/subjects", {"identifiers": [one]})
    return await api("POST", "/v1/subjects", {"identifiers": [EMAIL, OTHER]})


async def somebody_elses(api: Api) -> httpx.Response:
    await api("POST", "/v1/subjects", {"identifiers": [EMAIL]})
    return await api("POST", f"/v1/subjects/{await api.person()}/identifiers", {"identifiers": [EMAIL]})


#: A problem's slug, and how to provoke it; those that need a service of their own stand below.
PROVOKED: dict[str, Callable[[Api], Awaitable[httpx.Response]]] = {
    "invalid-request": says("newsletter", "grant", colour="red"),
    "unauthenticated": without_token,
    "insufficient-scope": without_scope,
    "unknown-controller": asks("GET", "/v1/purposes", controller="nobody"),
    "foreign-origin": asks(
        "GET", "/site/v1/ansettr-web/consents", headers={"origin": "https://evil.example"}
    ),
    "not-found": asks("GET", f"/v1/records/{UNKNOWN_ID}"),
    "method-not-allowed": asks("PATCH", "/v1/purposes"),
    "unsupported-media-type": asks("POST", "/v1/decisions", b"{}", headers={"content-type": "text/plain"}),
    "too-large": asks("POST", "/v1/decisions", b" " * ((1 << 20) + 1)),
    "unknown-reference": says("newsletter", "grant", version=9),
    "invalid-value": says("newsletter", "grant", occurred_at="9000-01-01T00:00:00Z"),
    "evidence-required": says("newsletter", "grant", channel="import"),
    "not-withdrawable": says("contract", "withdraw"),
    "not-objectable": says("newsletter", "object"),
    "not-consent-based": says("contract", "grant"),
    "no-legal-basis": says("pixel", "grant"),
    "must-be-material": editorial_but_material,
    "idempotency-key-reuse": key_used_twice,
    "erased": erased,
    "version-mismatch": asks("PUT", "/v1/purposes/contract", CONTRACT, headers={"if-match": '"9"'}),
    "not-possible-now": says("newsletter", "confirm"),
    "version-overtaken": overtaken,
    "confirmation-needed": says("hr-hub", "grant"),
    "purpose-retired": says("old", "grant"),
    "conflicting-identifiers": two_persons,
    "identifier-taken": somebody_elses,
}
#: Provoked in tests of their own, below; beside the stream, in tests/http/test_changes.py; on connections, in
#: tests/http/test_connections.py.
BY_THEMSELVES = {
    *("overloaded", "unavailable", "internal", "too-many-requests", "no-longer-kept"),
    *("head-too-large", "too-slow"),
}


def test_every_problem_has_a_status_a_page_and_a_test() -> None:
    assert set(STATUS) == {problem.slug for problem in MEANING}
    assert set(STATUS) == set(PROVOKED) | BY_THEMSELVES


@pytest.mark.parametrize("slug", PROVOKED)
async def test_each_problem_is_told_as_documented(api: Api, slug: str) -> None:
    answer = await PROVOKED[slug](api)
    assert told(answer).split()[:2] == [str(STATUS[slug]), slug], answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]
    title = next(problem.title for problem in MEANING if problem.slug == slug)
    assert answer.json()["title"] == title
    page = await api.client.get(answer.json()["type"])
    assert page.status_code == 200
    assert title in unescape(page.text)


async def test_problems_bring_what_helps_to_go_on(api: Api) -> None:
    assert (await PROVOKED["not-possible-now"](api)).json()["possible"][0] == "request"
    assert (await PROVOKED["confirmation-needed"](api)).json()["possible"] == ["request"]
    current = await PROVOKED["version-overtaken"](api)
    published = await api("GET", "/v1/purposes/trial")
    assert current.json()["current_version"] == published.json()["version"] > 1
    assert (await PROVOKED["method-not-allowed"](api)).headers["allow"] == "GET"


async def test_a_problem_never_repeats_an_identifier(api: Api) -> None:
    for slug in ("conflicting-identifiers", "identifier-taken"):
        assert "nordmann" not in (await PROVOKED[slug](api)).text
    bad = await api("POST", "/v1/subjects", {"identifiers": [{"type": "email", "value": "kari nordmann"}]})
    assert told(bad).startswith("422 invalid-value")
    assert "nordmann" not in bad.text
    enumerated = await api(
        "POST", "/v1/decisions", b'{"subject": {}, "decisions": [{"channel": "nordmann"}]}'
    )
    assert "nordmann" not in enumerated.text


def test_a_limit_that_is_passed_says_when_to_come_again() -> None:
    reply = problem_reply(TooManyRequests("Too many requests from this site."))
    assert reply.status == 429
    assert (b"retry-after", b"1") in reply.headers


@pytest.fixture
async def tight(postgres: PostgresServer) -> AsyncIterator[Api]:
    """A service that lets one command wait, written by one writer."""
    async with running_api(postgres, queue_rows_max=1, batch_rows_max=1, writers=1) as running:
        yield running


async def test_a_full_service_says_so_and_when_to_come_again(tight: Api) -> None:
    person = await tight.person()
    answers = await asyncio.gather(*(tight.says(person, "newsletter", "withdraw") for _ in range(20)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert {told(answer) for answer in refused} == {"503 overloaded"}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.status_code for answer in answers} <= {200, 201, 503}


async def test_a_database_that_is_away_is_503_and_never_a_yes(tight: Api) -> None:
    person = await tight.person()
    await tight.says(person, "newsletter", "grant")
    connection = await tight.database.connect()
    await connection.execute("alter role consent_service connection limit 0")
    try:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = 'consent_service'",
            tight.database.name,
        )
        for method, path, body in (
            ("GET", f"/v1/subjects/{person}/permissions/newsletter", None),
            ("GET", f"/v1/subjects/{person}", None),
            ("POST", f"/v1/subjects/{person}/consents/newsletter/withdraw", {}),
            ("GET", "/v1/purposes", None),
            ("GET", "/readyz", None),
        ):
            answer = await tight(method, path, body)
            assert told(answer) == "503 unavailable", path
            assert answer.headers["retry-after"] == "5"
        assert (await tight.client.get("/healthz")).status_code == 200
    finally:
        await connection.execute("alter role consent_service connection limit -1")
        await connection.close()
    again = await tight("GET", f"/v1/subjects/{person}/permissions/newsletter")
    assert again.json()["allowed"] is True


async def test_a_fault_of_ours_tells_nothing_but_the_request_id(
    tight: Api, caplog: pytest.LogCaptureFixture
) -> None:
    person = await tight.person()
    connection = await tight.database.connect()
    await connection.execute("alter table records rename column language to tongue")
    await connection.close()
    path = f"/v1/subjects/{person}/records"
    with caplog.at_level(logging.ERROR):
        answer = await tight("GET", path, headers={"x-request-id": "find-me"})
    assert told(answer) == "500 internal"
    assert answer.json() == {
        "type": "/problems/internal",
        "title": ConsentError.title,
        "status": 500,
        "detail": "The service failed; its log tells more under this answer's X-Request-Id.",
    }
    assert answer.headers["x-request-id"] == "find-me"
    assert "request_id=find-me" in caplog.text
    assert "/v1/subjects/{subject_id}/records" in caplog.text
    assert person not in caplog.text
