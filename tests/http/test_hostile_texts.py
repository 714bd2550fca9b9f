"""Hostile texts in every place that takes a text: refused with a clear 4xx and nothing stored, or kept and given back
as the data that they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from tests.hostile import HOSTILE, MEBIBYTE, NO_TEXT
from tests.http.conftest import Api
from tests.http.each_operation import OF_SYSTEMS, RECIPIENT, Asked, calls
from tests.http.tables import rows, told
from tests.http.test_guards import known

pytestmark = pytest.mark.timeout(180)

Rows = Callable[[], Awaitable[dict[str, int]]]
#: These two need Kafka: tests/http/test_changes.py.
WITHOUT_KAFKA = ("readChanges", "readStates")
#: Where a text of any kind may stand, by operation; everywhere else each of them is refused.
FREE = {
    "recordCommand": ["evidence/form"],
    "recordDecisions": ["decisions/0/evidence/form", "subject/identifiers/0/value"],
    "readPermissions": ["queries/0/identifier/value"],
    "findOrMakeSubject": ["identifiers/0/value"],
    "lookUpSubject": [],  # nobody is known by it
    "linkIdentifiers": ["identifiers/0/value"],
    "acknowledge": [],
    "putPurpose": ["notices/nb/description", "notices/nb/name"],
}


@pytest.fixture(scope="module")
async def counted(api: Api) -> AsyncIterator[Rows]:
    async with api.database.row_counts() as counted:
        yield counted


def texts_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the texts of a body stand."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from texts_of(member, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from texts_of(item, (*path, place))


def with_text(body: Any, path: tuple[Any, ...], text: str) -> Any:
    changed = deepcopy(body)
    node = changed
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = text
    return changed


def leaves(value: Any) -> Iterator[str]:
    """Every text of a JSON document, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from leaves(member)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)


def check(answer: httpx.Response, text: str, where: object) -> None:
    """JSON, or a problem that does not repeat the text; and no header has it."""
    assert answer.status_code < 500, (where, text[:80], answer.text[:500])
    assert answer.headers["x-content-type-options"] == "nosniff"
    for name, value in answer.headers.items():
        assert not set("\r\n") & set(name + value)
        assert text[:60] not in value, (where, name)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
        # Short ones stand in words of ours.
        assert len(text) < 8 or text[:60] not in "".join(leaves(answer.json())), (where, text[:80])
    elif answer.content:
        assert answer.headers["content-type"] == "application/json"
        json.loads(answer.content)


async def send(api: Api, asked: Asked, body: Any) -> httpx.Response:
    return await api(
        asked.method, asked.path, json.dumps(body).encode(), token=api.issuer.sign(recipient=RECIPIENT)
    )


@pytest.mark.parametrize("name", FREE)
async def test_a_text_in_a_body_is_refused_or_kept_as_it_is(api: Api, counted: Rows, name: str) -> None:
    # A system of each operation's own, so that nobody is known by what another one took.
    somebody = {"type": f"external:{name.lower()}", "value": "somebody"}
    there = msgspec.structs.replace(await known(api), identifier=somebody)
    [asked] = [one for one in calls(there) if one.name == name]
    taken = set()
    await api.says(there.subject_id, "newsletter", "withdraw")
    before = await counted()
    for path in texts_of(asked.body):
        for text in (*HOSTILE.values(), *NO_TEXT.values()):
            answer = await send(api, asked, with_text(asked.body, path, text))
            check(answer, text, path)
            if answer.status_code >= 400:
                assert await counted() == before, (path, text[:80])
            else:
                taken.add("/".join(map(str, path)))
                assert text in await read_again(api, asked, answer, text), (path, text[:80])
                # The same once more would be nothing new. And reading identifiers is audited.
                opposite = "grant" if name == "recordDecisions" else "withdraw"
                await api.says(answer.json().get("subject_id", there.subject_id), "newsletter", opposite)
                before = await counted()
    assert sorted(taken) == FREE[name]


async def read_again(api: Api, asked: Asked, answer: httpx.Response, text: str) -> list[str]:
    """Every text of what was kept."""
    told_back = answer.json()
    paths = []
    if "record" in told_back:
        paths.append(f"/v1/records/{told_back['record']['record_id']}")
    if "records" in told_back:
        paths.append(f"/v1/records/{told_back['records'][0]['record']['record_id']}")
    if "subject_id" in told_back:
        paths.append(f"/v1/subjects/{told_back['subject_id']}/identifiers")
    if asked.name == "linkIdentifiers":
        paths.append(asked.path)
    if asked.name == "readPermissions":
        # Nothing is kept: nobody is known by it.
        assert told_back["answers"][0]["subject_id"] is None
        return [text]
    pages = [(await api("GET", path)).json() for path in paths]
    return [*leaves(told_back), *leaves(pages)]


def test_every_operation_with_a_body_is_tried() -> None:
    assert set(FREE) == {one.name for one in OF_SYSTEMS if one.body is not None}


async def test_members_of_any_name_are_kept_as_they_are(api: Api) -> None:
    """Evidence may have them."""
    person = await api.person()
    for text in HOSTILE.values():
        if len(text) < 1_000:
            evidence = {text: {text: [text]}}
            record = (await api.says(person, "newsletter", "grant", evidence=evidence)).json()["record"]
            await api.says(person, "newsletter", "withdraw")
            assert (await api("GET", f"/v1/records/{record['record_id']}")).json()["evidence"] == evidence


async def test_a_member_that_nobody_knows_is_refused_and_told_in_short(api: Api, counted: Rows) -> None:
    there = await known(api)
    before = await counted()
    for asked in calls(there):
        if asked.body is not None:
            for text in HOSTILE.values():
                answer = await send(api, asked, {**asked.body, text: text})
                assert told(answer).startswith("400 invalid-request /"), (asked.name, text)
                assert len(answer.content) < 1_000
    assert await counted() == before


PARAMETER = re.compile(r"\{(\w+)\}")
IN_ADDRESSES = (*HOSTILE.values(), "a\0b")


async def test_a_text_in_a_path_leads_nowhere(api: Api, counted: Rows) -> None:
    there = await known(api)
    before = await counted()
    for operation, asked in zip(OF_SYSTEMS, calls(there), strict=True):
        for name in PARAMETER.findall(operation.path):
            for text in IN_ADDRESSES:
                path = filled(operation.path, asked.path, name, text)
                answer = await api(operation.method, path, asked.body)
                check(answer, text, path[:200])
                assert told(answer) == "404 not-found", (name, text)
    assert await counted() == before


def filled(template: str, good: str, name: str, text: str) -> str:
    """The good path with this text in the place of one parameter."""
    steps = zip(template.split("/"), good.split("/"), strict=True)
    return "/".join(quote(text, safe="") if step == f"{{{name}}}" else there for step, there in steps)


async def test_a_text_in_a_query_is_refused(api: Api, counted: Rows) -> None:
    there = await known(api)
    before = await counted()
    for operation, asked in zip(OF_SYSTEMS, calls(there), strict=True):
        for parameter in operation.query:
            for text in IN_ADDRESSES:
                query = f"{parameter.name}={quote(text, safe='')}"
                answer = await api(operation.method, f"{asked.path}?{query}", asked.body)
                check(answer, text, (asked.path, parameter.name)) if answer.status_code != 503 else None
                refused = (400, 503) if operation.name in WITHOUT_KAFKA else (400,)
                assert answer.status_code in refused, (asked.path, parameter.name, text)
    assert await counted() == before


#: A header, and whether a text that it does not take leads to 4xx; else it counts as absent.
HEADERS = """
Idempotency-Key | refused
If-Match        | refused
Content-Type    | refused
X-Request-Id    | absent
Traceparent     | absent
Tracestate      | absent
Accept          | absent
Accept-Language | absent
Origin          | absent
Referer         | absent
User-Agent      | absent
Cookie          | absent
X-Forwarded-For | absent
Forwarded       | absent
"""
VISIBLE = re.compile("[!-~]+")
SANE = re.compile("[A-Za-z0-9._-]{1,128}")
VERSION = {
    "change": "material",
    "legal_bases": ["consent"],
    "notices": {"nb": {"name": "A", "description": "B"}},
}


@pytest.mark.parametrize(("header", "expected"), rows(HEADERS, 2))
async def test_a_text_in_a_header_is_refused_or_counts_for_nothing(
    api: Api, counted: Rows, header: str, expected: str
) -> None:
    for number, text in enumerate(one[:255] for one in HOSTILE.values()):
        path, body = f"/v1/subjects/{await api.person()}/consents/newsletter/withdraw", {}
        if header == "If-Match":
            path, body = f"/v1/purposes/matched-{number}", VERSION
        before = await counted()
        answer = await with_header(api, path, body, header, text.encode())
        if header == "X-Request-Id" and SANE.fullmatch(text):
            assert answer.headers["x-request-id"] == text
            continue
        check(answer, text, header)
        taken = expected == "absent" or (header == "Idempotency-Key" and VISIBLE.fullmatch(text))
        if taken:
            assert answer.status_code == 201, (header, text)
            assert "idempotency-replayed" not in answer.headers
        else:
            assert answer.status_code in (400, 415), (header, text)
            assert await counted() == before
    assert await traces(api) == set()


async def with_header(api: Api, path: str, body: Any, name: str, value: bytes) -> httpx.Response:
    method = "PUT" if "purposes" in path else "POST"
    headers = [
        (b"authorization", f"Bearer {api.issuer.sign()}".encode()),
        *([] if name == "Content-Type" else [(b"content-type", b"application/json")]),
        (name.lower().encode(), value),
    ]
    return await api.client.request(method, path, content=json.dumps(body).encode(), headers=headers)


async def traces(api: Api) -> set[str]:
    """What goes on to events."""
    connection = await api.database.connect()
    found = await connection.fetch("select distinct traceparent from outbox where traceparent is not null")
    await connection.close()
    return {row["traceparent"] for row in found}


async def test_a_mebibyte_of_text_is_refused_wherever_it_stands(api: Api, counted: Rows) -> None:
    there = await known(api)
    before = await counted()
    for asked in calls(there):
        for path in texts_of(asked.body):
            too_large = await send(api, asked, with_text(asked.body, path, MEBIBYTE))
            assert told(too_large) == "413 too-large", path
            nearly = await send(api, asked, with_text(asked.body, path, MEBIBYTE[1_024:]))
            assert told(nearly).split()[0] in ("400", "422"), path
    assert await counted() == before
