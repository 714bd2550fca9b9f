"""Query strings, cursors, limits and times of any text: 400 or 422, or a value that is written as it was sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent_service.domain.errors import ConsentError, InvalidRequest, InvalidValue
from consent_service.domain.values import LATEST
from consent_service.http.exchange import Call
from consent_service.http.queries import (
    EARLIEST,
    LIMIT_MAX,
    read_cursor,
    read_limit,
    read_moment,
    read_query,
    write_cursor,
)
from consent_service.http.records import _read_sequence
from consent_service.http.subjects import _read_identifier_id
from tests.mutations import outcome
from tests.soak import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(soak(180, 900))]

many = settings(max_examples=soak(250, 5_000), deadline=None, derandomize=bool(soak(1, 0)), print_blob=True)
KNOWN = ("limit", "after", "as_of")
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
queries = st.binary(max_size=60) | st.text("limtaferso_=&%+09 \xe6Fc").map(
    lambda text: text.encode("latin-1")
)


def call(after: str) -> Call:
    return Call(
        method="GET",
        path="/",
        raw_query=b"",
        parameters={},
        ids={},
        query={"after": after},
        headers={},
        principal=None,
        body=b"",
        traceparent=None,
    )


@many
@given(queries)
def test_a_query_string_holds_known_parameters_or_is_refused(query: bytes) -> None:
    found = outcome(InvalidRequest, read_query, query, KNOWN)
    if isinstance(found, InvalidRequest):
        assert found.parameter is not None
        assert len(found.parameter) <= 64
        return
    assert set(found) <= set(KNOWN)
    assert read_query(urlencode(found).encode(), KNOWN) == found


@many
@given(st.dictionaries(st.sampled_from(KNOWN), words))
def test_what_is_sent_is_what_is_read(sent: dict[str, str]) -> None:
    assert read_query(urlencode(sent).encode(), KNOWN) == sent


cursors = st.one_of(
    st.text(max_size=20),
    st.text("ABQRZaw019_-", max_size=12),
    st.text("ABQRZaw019_-=+/", max_size=6),
    words.filter(bool).map(write_cursor),
    st.integers().map(str).map(write_cursor),
    st.text("0123456789", min_size=1, max_size=20).map(write_cursor),
    st.uuids().map(str).map(write_cursor),
    st.uuids().map(lambda one: write_cursor(one.hex)),
    st.uuids().map(lambda one: write_cursor(f"{{{one}}}")),
    st.uuids().map(lambda one: write_cursor(str(one).upper())),
)


@many
@given(cursors)
@example(write_cursor("007"))
@example(write_cursor("0198C5A2-7D10-7C3E-9A41-5B0F4D2E8A67"))
@example("MR")
def test_a_cursor_is_what_we_wrote_or_is_refused(text: str) -> None:
    """As text, and as the key that each list reads it as."""
    keys: list[Callable[[Call], Any]] = [
        lambda asked: read_cursor(asked.query),
        _read_sequence,
        _read_identifier_id,
    ]
    for read in keys:
        key = outcome(InvalidRequest, read, call(text))
        if isinstance(key, InvalidRequest):
            assert key.parameter == "after"
        else:
            assert write_cursor(str(key)) == text


@given(st.integers(1, 10**18 - 1), st.uuids())
def test_keys_of_lists_lead_back(sequence: int, identifier_id: UUID) -> None:
    assert _read_sequence(call(write_cursor(str(sequence)))) == sequence
    assert _read_identifier_id(call(write_cursor(str(identifier_id)))) == identifier_id


@many
@given(st.text(max_size=8) | st.integers(-10, 2_000).map(str) | st.text("0123456789١", max_size=7))
def test_a_limit_is_a_number_within_bounds_or_is_refused(text: str) -> None:
    limit = outcome(InvalidRequest, read_limit, {"limit": text})
    if isinstance(limit, InvalidRequest):
        assert limit.parameter == "limit"
        assert not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= LIMIT_MAX)
    else:
        assert 1 <= limit == int(text) <= LIMIT_MAX


zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@many
@given(st.datetimes(timezones=zones))
@example(datetime.max.replace(tzinfo=UTC))
@example(datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))))
@example(datetime.min.replace(tzinfo=timezone(timedelta(hours=14))))
def test_a_time_is_the_same_moment_in_utc_or_refused(moment: datetime) -> None:
    try:
        read = read_moment({"as_of": moment.isoformat()})
    except InvalidValue:
        assert moment < EARLIEST
    else:
        assert read is not None
        assert read.tzinfo is UTC
        assert read == min(moment, LATEST)


@many
@given(st.text("0123456789-:TtZz+. ٣", max_size=30) | st.text(max_size=30))
def test_what_is_no_time_is_refused(text: str) -> None:
    found = outcome(ConsentError, read_moment, {"as_of": text})
    if isinstance(found, ConsentError):
        assert isinstance(found, InvalidRequest | InvalidValue)
        assert found.parameter == "as_of"
    else:
        assert found == min(datetime.fromisoformat(text.upper()), LATEST)
