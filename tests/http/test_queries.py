"""Query strings, limits and cursors (API, manners)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from consent_service.domain.errors import ConsentError
from consent_service.http.queries import (
    read_cursor,
    read_limit,
    read_moment,
    read_query,
    write_cursor,
)
from tests.http.conftest import Api
from tests.http.tables import rows, told

#: A query string of a history, and the answer.
QUERIES = """
limit=1                                | 200
limit=1000                             | 200
limit=0                                | 400 invalid-request limit
limit=1001                             | 400 invalid-request limit
limit=-1                               | 400 invalid-request limit
limit=ten                              | 400 invalid-request limit
limit=1.0                              | 400 invalid-request limit
limit=                                 | 400 invalid-request limit
limit=%F0%9F%99%82                     | 400 invalid-request limit
limit=%D9%A1                           | 400 invalid-request limit
limit=1&limit=1                        | 400 invalid-request limit
after=MQ                               | 200
after=                                 | 400 invalid-request after
after=1                                | 400 invalid-request after
after=MQ%3D%3D                         | 400 invalid-request after
after=MR                               | 400 invalid-request after
after=bm8                              | 400 invalid-request after
after=MDA3                             | 400 invalid-request after
after=LTE                              | 400 invalid-request after
after=%00                              | 400 invalid-request after
after=OTk5OTk5OTk5OTk5OTk5OTk5OTk5     | 400 invalid-request after
purpose=newsletter                     | 200
purpose=nothing                        | 200
purpose=A%20B                          | 400 invalid-request purpose
purpose=newsletter%0A                  | 400 invalid-request purpose
purpose=%00                            | 400 invalid-request purpose
purpose=%FF                            | 400 invalid-request purpose
as_of=2026-01-01T00:00:00Z             | 200
as_of=2026-01-01T00:00:00.123456Z      | 200
as_of=2026-01-01t00:00:00z             | 200
as_of=2026-01-01T02:00:00%2B02:00      | 200
as_of=2026-01-01T02:00:00+02:00        | 400 invalid-request as_of
as_of=2026-01-01T00:00:00              | 400 invalid-request as_of
as_of=2026-01-01                       | 400 invalid-request as_of
as_of=2026-02-30T00:00:00Z             | 400 invalid-request as_of
as_of=1767225600                       | 400 invalid-request as_of
as_of=now                              | 400 invalid-request as_of
as_of=1800-01-01T00:00:00Z             | 422 invalid-value as_of
as_of=0001-01-01T00:00:00%2B14:00      | 422 invalid-value as_of
as_of=9999-12-31T23:59:59-14:00        | 422 invalid-value as_of
as_of=9000-01-01T00:00:00Z             | 422 invalid-value as_of
colour=red                             | 400 invalid-request colour
Limit=1                                | 400 invalid-request Limit
"""


async def test_a_query_string_is_read_strictly(api: Api) -> None:
    person = await api.person()
    found = []
    for query, _ in rows(QUERIES, 2):
        found.append((query, told(await api("GET", f"/v1/subjects/{person}/records?{query}"))))
    assert found == rows(QUERIES, 2)


async def test_operations_without_parameters_take_none(api: Api) -> None:
    assert told(await api("GET", "/healthz?x=1")) == "400 invalid-request x"
    assert told(await api("POST", "/v1/decisions?draft=true", {})) == "400 invalid-request draft"


@pytest.mark.parametrize("key", ["1", "nyhetsbrev", "0198c5a2-7d10-7c3e-9a41-5b0f4d2e8a67", "æ"])
def test_a_cursor_leads_back_to_its_place(key: str) -> None:
    cursor = write_cursor(key)
    assert cursor != key
    assert read_cursor({"after": cursor}) == key


def test_absent_parameters_have_their_defaults() -> None:
    assert read_limit({}) == 100
    assert read_cursor({}) is None
    assert read_moment({}) is None
    assert read_query(b"", {"limit"}) == {}


def test_a_time_is_read_into_utc() -> None:
    assert read_moment({"as_of": "2026-01-01T01:30:00+01:30"}) == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_name_that_is_refused_is_not_repeated_at_length() -> None:
    with pytest.raises(ConsentError) as refusal:
        read_query(b"x" * 10_000, {"limit"})
    assert refusal.value.parameter == "x" * 64
