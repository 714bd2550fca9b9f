"""What is not well-formed is refused, and makes nobody (API face 2, CORE 12)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from consent_service.embedded import PostgresServer
from tests.http.sites import Stage, random_id, running_sites
from tests.http.tables import told


@pytest.fixture
async def stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    async with running_sites(postgres) as running:
        yield running


async def body_without(stage: Stage, **changed: Any) -> dict[str, Any]:
    body = await stage.browser().body({"matomo": "given"})
    for name, value in changed.items():
        if value is None:
            del body[name]
        else:
            body[name] = value
    return body


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"choice_id": None}, "400 invalid-request /choice_id"),
    ({"screen_hash": None}, "400 invalid-request /screen_hash"),
    ({"layer": None}, "400 invalid-request /layer"),
    ({"language": None}, "400 invalid-request /language"),
    ({"choices": None}, "400 invalid-request /choices"),
    ({"choices": {}}, "400 invalid-request /choices"),
    ({"choices": {"matomo": "yes"}}, "400 invalid-request /choices"),
    ({"choices": {"matomo": True}}, "400 invalid-request /choices"),
    ({"choices": {"Matomo": "given"}}, "400 invalid-request /choices"),
    ({"choices": ["matomo"]}, "400 invalid-request /choices"),
    ({"choices": {f"p{number}": "refused" for number in range(101)}}, "400 invalid-request /choices"),
    ({"choice_id": "short"}, "400 invalid-request /choice_id"),
    ({"choice_id": "x" * 65}, "400 invalid-request /choice_id"),
    ({"choice_id": "x" * 30 + "\n"}, "400 invalid-request /choice_id"),
    ({"screen_hash": "AB" * 32}, "400 invalid-request /screen_hash"),
    ({"screen_hash": "ab" * 31}, "400 invalid-request /screen_hash"),
    ({"layer": "third"}, "400 invalid-request /layer"),
    ({"language": "n b"}, "400 invalid-request /language"),
    ({"button": "ok"}, "400 invalid-request /button"),
    ({"path": "https://ansettr.no/"}, "400 invalid-request /path"),
    ({"path": "/" + "x" * 1024}, "400 invalid-request /path"),
    ({"path": "/\0"}, "400 invalid-request /path"),
    ({"occurred_at": "yesterday"}, "400 invalid-request /occurred_at"),
    ({"occurred_at": "1066-10-14T09:00:00Z"}, "422 invalid-value /occurred_at"),
    ({"subject_id": "somebody"}, "400 invalid-request /subject_id"),
    ({"version": 1}, "400 invalid-request /version"),
]


@pytest.mark.parametrize(("changed", "refusal"), MALFORMED)
async def test_what_is_not_well_formed_is_refused(
    stage: Stage, changed: dict[str, Any], refusal: str
) -> None:
    answer = await stage.browser().post(await body_without(stage, **changed))

    assert told(answer) == refusal
    assert await stage.fetch("select from subjects") == []


@pytest.mark.parametrize(
    "visitor", ["", "short", "x" * 65, "x" * 30 + " ", "kari.nordmann@example.no-and-more", "æ" * 30]
)
async def test_a_visitor_is_a_random_id_and_nothing_else(stage: Stage, visitor: str) -> None:
    browser = stage.browser()
    browser.headers["consent-visitor"] = visitor.encode("latin-1").decode("latin-1")
    sent = [(name.encode(), value.encode("latin-1")) for name, value in browser.headers.items()]
    answer = await stage.api.client.get(f"{browser.site}/consents", headers=sent)

    assert told(answer) == "400 invalid-request Consent-Visitor"
    assert visitor == "" or visitor not in answer.text


async def test_two_visitors_in_one_request_are_none(stage: Stage) -> None:
    headers = [("consent-visitor", random_id()), ("consent-visitor", random_id())]
    answer = await stage.api.client.get("/site/v1/ansettr-web/consents", headers=headers)

    assert told(answer) == "400 invalid-request Consent-Visitor"


async def test_a_body_that_is_no_json_is_not_taken(stage: Stage) -> None:
    """A form of another site can send texts without asking, but no JSON."""
    browser = stage.browser()
    body = json.dumps(await browser.body({"matomo": "given"})).encode()
    for kind, refusal in (
        ("text/plain", "415 unsupported-media-type"),
        ("application/x-www-form-urlencoded", "415 unsupported-media-type"),
        ("application/json; charset=utf-16", "415 unsupported-media-type"),
        ("", "415 unsupported-media-type"),
        ("application/json", "201"),
    ):
        headers = {**browser.headers, "content-type": kind}
        answer = await stage.api.client.post(f"{browser.site}/consents", content=body, headers=headers)
        assert told(answer) == refusal, kind
    huge = b'{"choice_id":"' + b"x" * 20_000 + b'"}'
    headers = {**browser.headers, "content-type": "application/json"}
    answer = await stage.api.client.post(f"{browser.site}/consents", content=huge, headers=headers)
    assert told(answer) == "413 too-large"
