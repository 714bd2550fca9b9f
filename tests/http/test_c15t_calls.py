"""Who may call what c15t's client calls, and which bodies are well-formed (R36, R39)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from consent_service.embedded import PostgresServer
from consent_service.http.limits import Guards, Quota, Quotas
from tests.http.c15t import Client
from tests.http.sites import C15T, ORIGIN, Stage, running_sites
from tests.http.tables import rows, told


@pytest.fixture(scope="module")
async def stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    async with running_sites(postgres, c15t=C15T) as running:
        yield running


#: A field | what stands there, in JSON; - for nothing | what is answered
BODIES = """
subjectId           | -                                        | 400 invalid-request /subjectId
subjectId           | "sub_short"                              | 400 invalid-request /subjectId
subjectId           | "visitor-00000000000000000001"           | 400 invalid-request /subjectId
subjectId           | "sub_0OIl00000000000000000001"           | 400 invalid-request /subjectId
subjectId           | "sub_1111111111111111111\\n"             | 400 invalid-request /subjectId
type                | -                                        | 400 invalid-request /type
type                | ""                                       | 400 invalid-request /type
domain              | -                                        | 400 invalid-request /domain
givenAt             | -                                        | 400 invalid-request /givenAt
givenAt             | "2026-03-01T08:30:00Z"                   | 400 invalid-request /givenAt
givenAt             | 9e15                                     | 400 invalid-request /givenAt
givenAt             | -3e12                                    | 400 invalid-request /givenAt
preferences         | -                                        | 400 invalid-request /preferences
preferences         | null                                     | 400 invalid-request /preferences
preferences         | ["marketing"]                            | 400 invalid-request /preferences
preferences         | {"marketing": "yes"}                     | 400 invalid-request /preferences
preferences         | {"marketing": 1}                         | 400 invalid-request /preferences
# Everything that a client of c15t may send is taken.
preferences         | {}                                       | 200
preferences         | {"unheard_of": true}                     | 200
givenAt             | 1772353800000.5                          | 201
givenAt             | 253402214399999                          | 201
consentAction       | "sideways"                               | 201
consentAction       | -                                        | 201
uiSource            | "a place of its own"                     | 201
uiSource            | -                                        | 201
policySnapshotToken | -                                        | 201
policySnapshotToken | "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"  | 201
externalSubjectId   | "user_123"                               | 201
metadata            | {"anything": [1, {"deep": null}]}        | 201
tcString            | "CPXxRfAPXxRfAAfKABENB"                  | 201
jurisdiction        | "NONE"                                   | 201
domain              | "localhost"                              | 201
"""


@pytest.mark.parametrize(("field", "value", "answered"), rows(BODIES, 3))
async def test_R39_what_is_well_formed_is_answered_with_2xx(
    stage: Stage, field: str, value: str, answered: str
) -> None:
    client = Client(stage)
    body = await client.body("measurement")
    if value == "-":
        body.pop(field)
    else:
        body[field] = json.loads(value)
    answer = await client.post(body)

    assert told(answer) == answered
    if field == "subjectId":
        return
    read = await client.read()
    assert (read.status_code == 200) == (answered == "201")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"text"', b"\xff"])
async def test_what_is_no_object_is_refused(stage: Stage, content: bytes) -> None:
    assert (await Client(stage).send(content)).status_code == 400


async def test_other_media_types_and_large_bodies_are_refused(stage: Stage) -> None:
    client = Client(stage)
    body = json.dumps(await client.body()).encode()

    assert told(await client.send(body, **{"content-type": "text/plain"})) == "415 unsupported-media-type"
    assert told(await client.send(body + b" " * 16_384)) == "413 too-large"


#: A claim | what is answered
CLAIMS: list[tuple[Any, str]] = [
    ({"externalId": "user_1"}, "200"),
    ({"externalId": "user_1", "identityProvider": "auth0", "more": 1}, "200"),
    ({}, "400 invalid-request /externalId"),
    ({"externalId": 7}, "400 invalid-request /externalId"),
    ([], '400 invalid-request ""'),
]


@pytest.mark.parametrize(("body", "answered"), CLAIMS)
async def test_a_claim_is_well_formed_or_refused(stage: Stage, body: Any, answered: str) -> None:
    assert told(await Client(stage).claims(body)) == answered


async def test_an_id_that_is_none_is_not_found(stage: Stage) -> None:
    client = Client(stage)
    client.subject = "visitor-00000000000000000001"

    assert told(await client.read()) == "404 not-found"
    assert told(await client.claims({"externalId": "user_1"})) == "404 not-found"


#: Origin | reading how to ask | saving | reading what stands | claiming
ORIGINS = """
https://ansettr.no   | 200                | 201                | 200                | 200
https://sonh.no      | 403 foreign-origin | 403 foreign-origin | 403 foreign-origin | 403 foreign-origin
https://evil.example | 403 foreign-origin | 403 foreign-origin | 403 foreign-origin | 403 foreign-origin
null                 | 403 foreign-origin | 403 foreign-origin | 403 foreign-origin | 403 foreign-origin
-                    | 200                | 403 foreign-origin | 200                | 403 foreign-origin
"""


@pytest.mark.parametrize(("origin", "init", "saved", "read", "claimed"), rows(ORIGINS, 5))
async def test_R36_only_pages_of_the_site_may_call(
    stage: Stage, origin: str, init: str, saved: str, read: str, claimed: str
) -> None:
    known = Client(stage)
    await known.saves("measurement")
    client = Client(stage, origin=None if origin == "-" else origin)
    body = await known.body("measurement")
    client.subject = known.subject
    answers = [
        await client.init(),
        await client.post(body),
        await client.read(),
        await client.claims({"externalId": "user_1"}),
    ]

    assert [told(one) for one in answers] == [init, saved, read, claimed]
    is_own = origin == ORIGIN
    for answer in answers:
        assert answer.headers.get("access-control-allow-origin") == (origin if is_own else None)
        assert answer.headers.get("access-control-allow-credentials") == ("true" if is_own else None)
        assert "Origin" in ", ".join(answer.headers.get_list("vary"))
        assert "set-cookie" not in answer.headers


PATHS = """
init         | GET
subjects     | POST
subjects/<id> | GET, PATCH
"""


@pytest.mark.parametrize(("path", "methods"), rows(PATHS, 2))
async def test_R39_a_preflight_allows_what_the_client_sends(stage: Stage, path: str, methods: str) -> None:
    client = Client(stage)
    path = path.replace("<id>", client.subject)
    of_the_site = await stage.api.client.options(f"{client.path}/{path}", headers={"origin": ORIGIN})
    foreign = await stage.api.client.options(
        f"{client.path}/{path}", headers={"origin": "https://evil.example"}
    )

    assert of_the_site.status_code == foreign.status_code == 204
    assert of_the_site.headers["access-control-allow-methods"] == methods
    assert of_the_site.headers["access-control-allow-origin"] == ORIGIN
    assert of_the_site.headers["access-control-allow-credentials"] == "true"
    allowed = of_the_site.headers["access-control-allow-headers"].lower().split(", ")
    assert {"content-type", "x-c15t-version", "x-request-id", "x-c15t-country", "x-c15t-region"} == {*allowed}
    assert [name for name in foreign.headers if name.startswith("access-control")] == []


async def test_the_rest_of_the_site_takes_no_cookies(stage: Stage) -> None:
    answer = await stage.api.client.options("/site/v1/ansettr-web/consents", headers={"origin": ORIGIN})

    assert "access-control-allow-credentials" not in answer.headers


async def test_other_methods_and_paths_of_c15t_are_not_there(stage: Stage) -> None:
    client, call = Client(stage), stage.api.client.request
    for method, path, answered in (
        ("GET", "subjects", "405 method-not-allowed"),
        ("DELETE", f"subjects/{client.subject}", "405 method-not-allowed"),
        ("GET", "consents/check", "404 not-found"),
        ("GET", "status", "404 not-found"),
    ):
        assert told(await call(method, f"{client.path}/{path}", headers=client.headers)) == answered


async def test_one_visitor_is_limited_and_what_says_no_has_room_of_its_own(postgres: PostgresServer) -> None:
    guards = Guards(quotas=Quotas(visitor=Quota(2, 60)))
    async with running_sites(postgres, c15t=C15T, guards=guards) as limited:
        client = Client(limited)
        yes = {"preferences": {"measurement": True}}
        assert [(await client.saves(**yes)).status_code for _ in range(3)] == [201, 201, 429]
        assert (await client.saves(preferences={"measurement": False})).status_code == 201
        assert (await Client(limited).saves(**yes)).status_code == 201
