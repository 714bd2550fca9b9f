"""Headers and addresses of any bytes, by the readers and over a real connection: the defined answer or a problem."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent_service.domain.errors import InvalidRequest
from consent_service.embedded import PostgresServer
from consent_service.http.exchange import Call
from consent_service.http.idempotency import read_idempotency
from consent_service.http.problems import STATUS
from consent_service.http.purposes import _read_if_match
from consent_service.http.queries import write_cursor
from consent_service.http.recipients import _cursor, _read_place
from consent_service.http.states import _read_cursor
from consent_service.http.trace import read_request_id, read_traceparent
from consent_service.usecases.recipients import BEGINNING
from consent_service.usecases.submissions import Caller, Idempotency
from tests.http.here import Here, served_here
from tests.http.raw import talk
from tests.mutations import outcome
from tests.soak import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(soak(240, 1_800))]

many = settings(max_examples=soak(250, 10_000), deadline=None, derandomize=bool(soak(1, 0)), print_blob=True)
ID = "0198c5a2-7d10-7c3e-9a41-5b0f4d2e8a67"
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

#: What is nearly right, and what other readers of headers stumble over.
NEARLY = (
    *(
        TRACE,
        TRACE.upper(),
        b"01" + TRACE[2:],
        b"ff" + TRACE[2:],
        TRACE + b"-x",
        TRACE[:-1],
        b"00-" + b"0" * 32 + TRACE[35:],
    ),
    *(
        TRACE[:36] + b"0" * 16 + b"-01",
        TRACE + b"," + TRACE,
        b" " + TRACE,
        TRACE.replace(b"-", b"_"),
        TRACE * 100,
    ),
    *(b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", b"=", b",", b"a=1," * 200, b"a=\xff", b"\xc3\xa6=1"),
    *(
        b'"1"',
        b'"0"',
        b'"01"',
        b"1",
        b'W/"1"',
        b'"1", "2"',
        b"*",
        b'"-1"',
        b'"999999999"',
        b'"9999999999"',
        b'""',
    ),
    *(
        b'"' + b"9" * 5_000 + b'"',
        '"\u0663"'.encode(),
        b' "1"\t',
        b'"1',
        b"'1'",
        b'"1"\x0b',
        b'"1e1"',
        b'"1_0"',
    ),
    *(
        b"key",
        b'"key"',
        b'""key""',
        b'"',
        b"",
        b" ",
        b"a b",
        b"\x7f",
        b"\xe6",
        b"x" * 255,
        b"x" * 256,
        b'"' + b"x" * 256,
    ),
    *(b"%s%n", b"$(x)", b"a\tb", b"\0", b"\x1b[31m", b"\xed\xa0\x80", b"\xff\xfe"),
)
headers = st.sampled_from(NEARLY) | st.binary(max_size=80) | st.text(max_size=20).map(str.encode)


def call(**said: Any) -> Call:
    fields: dict[str, Any] = {"method": "GET", "path": "/", "raw_query": b"", "parameters": {}, "ids": {}}
    fields |= {"query": {}, "headers": {}, "principal": None, "body": b"", "traceparent": None}
    return Call(**{**fields, **said})


@many
@given(headers)
def test_an_if_match_is_a_version_in_quotes_or_is_refused(header: bytes) -> None:
    version = outcome(InvalidRequest, _read_if_match, call(headers={b"if-match": header}))
    if isinstance(version, InvalidRequest):
        assert version.parameter == "If-Match"
    else:
        assert version is not None
        assert header.strip() == b'"%d"' % version
        assert 0 < version < 1 << 31


@many
@given(headers)
def test_a_trace_context_is_that_of_the_standard_or_none(header: bytes) -> None:
    found = read_traceparent(header)
    standard = re.fullmatch(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", header)
    is_one = standard is not None and bool(standard[1].strip(b"0")) and bool(standard[2].strip(b"0"))
    assert (found is not None) == is_one
    assert found is None or found.encode() == header
    request_id = read_request_id(header)
    assert request_id is None or (request_id == header and header.decode().isprintable())


@many
@given(headers)
def test_an_idempotency_key_is_visible_text_or_is_refused(header: bytes) -> None:
    def read(value: bytes, subject: str = "web-shop") -> Idempotency:
        return read_idempotency(value, Caller("ansettr", subject), method="POST", target=b"/", body=b"")

    quoted = re.fullmatch(rb'\s*"(.*)"\s*', header, re.DOTALL)
    is_visible = re.fullmatch(rb"[!-~]{1,255}", header.strip() if quoted is None else quoted[1]) is not None
    found = outcome(InvalidRequest, read, header)
    if isinstance(found, InvalidRequest):
        assert found.parameter == "Idempotency-Key"
        assert not is_visible
    else:
        assert is_visible
        assert len(found.key) == len(found.fingerprint) == 32
        assert found == read(b"  " + header + b" ")
        assert found.key != read(header, "another").key


def places(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    joined = st.tuples(*parts).map(lambda found: "/".join(map(str, found)))
    return (joined | st.lists(st.text(max_size=6), max_size=5).map("/".join)).map(write_cursor)


moments = st.datetimes().map(lambda one: one.isoformat() + "Z") | st.sampled_from(
    [
        "2026-03-02T09:15:00.120000Z",
        "2026-03-02T09:15:00Z",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
    ]
)
numbers = st.integers() | st.sampled_from(
    ["1", "01", "+1", " 1", "\u0661", "9" * 5_000, str(1 << 63), "1_0", ""]
)
ids = (
    st.uuids().map(str)
    | st.uuids().map(lambda one: str(one).upper())
    | st.sampled_from([ID, "{" + ID + "}", ""])
)


@many
@given(places(moments, ids, numbers) | places(ids, st.text("ab-/_A", max_size=5), ids, st.text(max_size=4)))
@example(write_cursor(f"2026-03-02T09:15:00.120000Z/{ID}/{'9' * 5_000}"))
@example(write_cursor(f"{ID}/newsletter/{ID}/resume"))
@example(write_cursor(f"{ID}/newsletter/{ID}/"))
def test_a_cursor_of_several_parts_is_what_we_wrote_or_is_refused(text: str) -> None:
    asked = call(query={"after": text})
    place = outcome(InvalidRequest, _read_place, asked)
    if isinstance(place, InvalidRequest):
        assert place.parameter == "after"
    else:
        assert place != BEGINNING
        assert _cursor(*place) == text
    at = outcome(InvalidRequest, _read_cursor, asked)
    if isinstance(at, InvalidRequest):
        assert at.parameter == "after"
    else:
        assert at is not None
        (subject_id, purpose), export_id, resume = at
        assert purpose
        assert resume
        assert write_cursor(f"{subject_id}/{purpose}/{export_id}/{resume}") == text


# Over a connection


@pytest.fixture(scope="module")
async def here(postgres: PostgresServer) -> AsyncIterator[Here]:
    async with served_here(postgres) as running:
        yield running


PERSON = b'{"identifiers": [{"type": "email", "value": "kari@example.org"}]}'
VERSION = b'{"legal_bases": ["consent"], "notices": {"en": {"name": "A", "description": "B"}}, "change": "editorial"}'
ASKED: tuple[tuple[bytes, bytes, bytes], ...] = (
    (b"POST", b"/v1/subjects", PERSON),
    (b"POST", b"/v1/subjects/lookup", PERSON),
    (b"PUT", b"/v1/purposes/newsletter", VERSION),
    (b"GET", b"/v1/purposes", b""),
    (b"GET", b"/v1/subjects/%b" % ID.encode(), b""),
    (b"GET", b"/v1/subjects/%b/records" % ID.encode(), b""),
    (b"GET", b"/v1/subjects/%b/permissions/newsletter" % ID.encode(), b""),
    (b"GET", b"/v1/recipients/brevo/pending", b""),
    (b"GET", b"/site/v1/ansettr-web/notice", b""),
    (b"GET", b"/healthz", b""),
)
NAMES = (
    *(
        b"traceparent",
        b"tracestate",
        b"If-Match",
        b"If-None-Match",
        b"Idempotency-Key",
        b"Consent-Reason",
        b"X-Request-Id",
    ),
    *(
        b"Accept",
        b"Accept-Language",
        b"Origin",
        b"Consent-Visitor",
        b"X-Forwarded-For",
        b"Content-Type",
        b"Expect",
    ),
)
queries = (
    st.binary(max_size=60)
    | st.text("limtaferso_=&%+09 \xe6Fc").map(lambda text: text.encode("latin-1"))
    | st.tuples(
        st.sampled_from([b"limit=", b"after=", b"as_of=", b"draft=", b"purpose=", b"lang="]), headers
    ).map(b"".join)
)


@settings(many, max_examples=soak(150, 5_000))
@given(
    asked=st.sampled_from(ASKED),
    query=st.none() | queries,
    said=st.lists(st.tuples(st.sampled_from(NAMES), headers), max_size=4),
)
@example(ASKED[0], None, [(b"traceparent", one) for one in NEARLY[:8]])
@example(ASKED[0], None, [(b"tracestate", b"a=1," * 8_000), (b"tracestate", b"\xff")])
@example(ASKED[0], None, [(b"Idempotency-Key", b"a"), (b"Idempotency-Key", b"b")])
@example(ASKED[2], None, [(b"If-Match", b'"' + b"9" * 5_000 + b'"')])
@example(ASKED[5], b"after=" + b"MQ" * 5_000, [])
@example(ASKED[5], b"limit=1&limit=2", [])
async def test_every_request_has_the_defined_answer_or_a_problem(
    here: Here, asked: tuple[bytes, bytes, bytes], query: bytes | None, said: list[tuple[bytes, bytes]]
) -> None:
    method, path, body = asked
    lines = [
        b"%b %b HTTP/1.1" % (method, path if query is None else path + b"?" + query),
        b"Host: consent.example",
        b"Authorization: Bearer " + here.token.encode(),
        *(name + b": " + value for name, value in said),
        *([b"Content-Type: application/json", b"Content-Length: %d" % len(body)] if body else []),
        b"Connection: close",
    ]
    answers = await talk(here.url, b"\r\n".join(lines) + b"\r\n\r\n" + body)

    assert answers
    for answer in answers:
        assert answer.status < 500, answer
        if answer.status >= 400:
            slug = answer.problem()["type"].removeprefix("/problems/")
            assert STATUS[slug] == answer.problem()["status"] == answer.status
        assert b"Traceback" not in answer.body
