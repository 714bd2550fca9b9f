"""Headers that protect: on every answer of every operation, on refusals, on pages, and on what is nowhere."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, cast

import httpx
import pytest

from consent_service.embedded import PostgresServer
from consent_service.http.application import build_app
from consent_service.http.guards import GUARDS, guards_of
from tests.http.conftest import UNKNOWN_ID, Api, running_services
from tests.http.each_operation import OF_SYSTEMS, RECIPIENT, Asked, Known, calls
from tests.http.tables import rows

ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}
NOTHING = "default-src 'none'; frame-ancestors 'none'"


def check(answer: httpx.Response, policy: str = NOTHING) -> None:
    """All guards, each once."""
    for name, value in {**ALWAYS, "content-security-policy": policy}.items():
        assert answer.headers.get_list(name) == [value], (answer.request.url, name)
    assert len(answer.headers.get_list("x-request-id")) == 1
    # Browsers ignore it on http, and RFC 6797 section 7.2 forbids it there.
    assert "strict-transport-security" not in answer.headers


async def known(api: Api) -> Known:
    email = {"type": "email", "value": f"kari-{await api.person()}@example.no"}
    made = await api("POST", "/v1/subjects", {"identifiers": [email]})
    subject_id = made.json()["subject_id"]
    record = (await api.says(subject_id, "newsletter", "grant")).json()["record"]
    more = await api("POST", f"/v1/subjects/{subject_id}/identifiers", {"identifiers": [api.somebody()]})
    await api("PUT", "/v1/purposes/drafted?draft=true", {})
    return Known(
        subject_id=subject_id,
        record_id=record["record_id"],
        extra_id=more.json()["items"][0]["identifier_id"],
        identifier=email,
    )


async def ask(api: Api, asked: Asked, token: str | None = None) -> httpx.Response:
    return await api(
        asked.method, asked.path, asked.body, token=token or api.issuer.sign(recipient=RECIPIENT)
    )


async def test_every_operation_answers_with_all_guards_and_is_never_stored(api: Api) -> None:
    found: dict[str, int] = {}
    for asked in calls(await known(api)):
        answer = await ask(api, asked)
        check(answer)
        assert answer.headers.get_list("cache-control") == ["no-store"], asked
        found[asked.name] = answer.status_code
    # These two need Kafka: tests/http/test_changes.py.
    without_kafka = {"readChanges", "readStates"}
    assert {name for name, status in found.items() if not 200 <= status < 300} == without_kafka
    assert set(found) == {operation.name for operation in OF_SYSTEMS}


async def test_what_browsers_call_is_guarded_and_only_the_notice_may_be_kept(api: Api) -> None:
    site, browser = "/site/v1/ansettr-web", {"origin": "https://ansettr.no", "consent-visitor": "v" * 22}
    choice = {"choice_id": "c" * 22, "language": "en", "screen_hash": "0" * 64, "layer": "banner"}
    refusal = {**choice, "choices": {"newsletter": "refused"}}
    kept = {
        f"{method} {path}": await api(method, f"{site}/{path}", body, headers=browser)
        for method, path, body in (
            ("GET", "notice", None),
            ("GET", "consents", None),
            ("POST", "consents", refusal),
            ("POST", "consents?nothing=1", refusal),
        )
    }
    for answer in kept.values():
        check(answer)
    assert [answer.status_code for answer in kept.values()] == [200, 200, 201, 400]
    assert "no-store" not in kept.pop("GET notice").headers["cache-control"]
    assert [answer.headers["cache-control"] for answer in kept.values()] == ["no-store"] * 3


async def test_every_refusal_has_all_guards_and_is_never_stored(api: Api) -> None:
    there = await known(api)
    for asked, operation in zip(calls(there), OF_SYSTEMS, strict=True):
        refused = {
            405: await api("PATCH", asked.path),
            400: await api(asked.method, f"{asked.path}?nothing=1", asked.body),
        }
        if operation.scope is not None:
            refused[401] = await api.client.request(asked.method, asked.path)
            refused[403] = await ask(api, asked, api.issuer.sign(scope="nothing"))
        if operation.body is not None:
            refused[415] = await api(asked.method, asked.path, b"{}", headers={"content-type": "text/plain"})
            refused[413] = await api(asked.method, asked.path, b" " * ((1 << 20) + 1))
        if "_id}" in operation.path:
            nobody = asked.path.replace(there.subject_id, UNKNOWN_ID).replace(there.record_id, UNKNOWN_ID)
            refused[404] = await ask(api, asked.with_path(nobody))
        for status, answer in refused.items():
            assert answer.status_code == status, (asked, status)
            check(answer)
            assert answer.headers.get_list("cache-control") == ["no-store"], (asked, status)


#: What is none of the interface's operations, how it is answered, and whether it may be kept.
ELSEWHERE = """
GET     | /nothing                       | 404 | no-store
GET     | /v1                            | 401 | no-store
GET     | /v1/nothing                    | 401 | no-store
POST    | /schema                        | 405 | no-store
GET     | /problems/nothing              | 404 | no-store
GET     | /schema/openapi.json           | 200 | no-cache
GET     | /schema/rapidoc-min.js         | 200 | no-cache
GET     | /web                           | 200 | no-cache
POST    | /web                           | 405 | no-store
GET     | /web/nothing/consent.js        | 404 | no-store
HEAD    | /healthz                       | 200 | no-store
OPTIONS | /v1/purposes                   | 405 | no-store
BREW    | /v1/purposes                   | 405 | no-store
"""


async def test_what_is_no_operation_is_guarded_too(api: Api) -> None:
    found = []
    for method, path, _, _ in rows(ELSEWHERE, 4):
        answer = await api.client.request(method, path)
        check(answer)
        found.append((method, path, str(answer.status_code), answer.headers["cache-control"]))
    assert found == rows(ELSEWHERE, 4)


PAGES = ("/schema", "/problems", "/problems/erased")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_nothing_from_elsewhere_and_runs_no_script_of_its_own(api: Api, path: str) -> None:
    page = await api.client.get(path)
    policy = page.headers["content-security-policy"]
    check(page, policy)
    sources = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert sources["default-src"] == sources["base-uri"] == sources["form-action"] == "'none'"
    assert sources["frame-ancestors"] == "'none'"
    assert sources.get("script-src") in (None, "'self'")
    assert "http" not in policy
    assert re.search(r"<script(?![^>]* src=)|javascript:| on\w+=", page.text) is None


@pytest.mark.parametrize("path", ["/problems", "/problems/erased"])
async def test_a_problems_page_has_the_one_style_that_its_policy_names(api: Api, path: str) -> None:
    page = await api.client.get(path)
    [style] = re.findall("<style>(.*?)</style>", page.text)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in page.headers["content-security-policy"]
    assert "style=" not in page.text


@pytest.fixture
async def encrypted(postgres: PostgresServer) -> AsyncIterator[httpx.AsyncClient]:
    async with running_services(postgres) as (services, _, _):
        app = build_app(services, public_url="https://consent.example")
        transport = httpx.ASGITransport(app=cast(Any, app))
        async with httpx.AsyncClient(transport=transport, base_url="https://consent.example") as client:
            yield client


@pytest.mark.parametrize("path", [*PAGES, "/healthz", "/v1/purposes", "/nothing", "/metrics"])
async def test_where_the_service_is_reached_by_https_browsers_are_told_to_stay_there(
    encrypted: httpx.AsyncClient, path: str
) -> None:
    """RFC 6797; for the host alone, since what lies under its name is not ours."""
    answer = await encrypted.get(path)
    assert answer.headers.get_list("strict-transport-security") == ["max-age=31536000"]


@pytest.mark.parametrize("url", ["https://consent.example", "HTTPS://consent.example/x"])
def test_encryption_is_told_by_the_public_address_alone(url: str) -> None:
    assert guards_of("http://127.0.0.1:8000") == GUARDS
    assert len(guards_of(url)) == len(GUARDS) + 1
