"""What every answer has, whoever gives it: a request id, its headers, its place in the metrics (API, manners)."""

from __future__ import annotations

from typing import Any

import pytest

from consent_service.http.routing import Router
from consent_service.http.trace import read_request_id, read_traceparent
from tests.http.conftest import Api

EVERYWHERE = (
    "/healthz",
    "/schema",
    "/problems/erased",
    "/nothing",
    "/v1/nothing",
    "/v1/purposes",
    "/problems/nothing",
)


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_every_answer_has_a_request_id_and_is_not_sniffed(api: Api, path: str) -> None:
    ours, theirs = (
        await api.client.get(path),
        await api.client.get(path, headers={"x-request-id": "order-4711"}),
    )
    assert theirs.headers["x-request-id"] == "order-4711"
    assert len(ours.headers["x-request-id"]) == 36
    assert ours.headers["x-request-id"] != (await api.client.get(path)).headers["x-request-id"]
    assert ours.headers["x-content-type-options"] == "nosniff"
    assert len(ours.headers.get_list("x-request-id")) == 1


@pytest.mark.parametrize("path", ["*", "", "/", "//", "/v2", "/healthz/", "//healthz"])
def test_a_path_that_is_none_of_ours_is_left_to_the_pages(path: str) -> None:
    """`OPTIONS *` has no path at all."""
    endpoint: Any = object()

    assert Router({"/healthz": endpoint, "/v1/x": endpoint}, unknown={"v1": endpoint}).find(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "/%6detrics",
        "/metric%73",
        "/v1%2fpurposes",
        "/%76%31/purposes",
        "/site/v1/ansettr%2dweb/notice",
        "/metrics%3f",
    ],
)
async def test_a_path_has_one_spelling(api: Api, path: str) -> None:
    """A proxy that keeps a path inside need not know how it could be written otherwise."""
    assert (await api("GET", path)).status_code == 404


@pytest.mark.parametrize("sent", [b"a b", b"x" * 129, b"", b"<b>", b"\xc3\xa6", b"a;b", b"a\tb"])
def test_a_request_id_that_is_not_sane_is_not_taken_over(sent: bytes) -> None:
    assert read_request_id(sent) is None
    assert read_request_id(b"x" * 128) == b"x" * 128


GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        GOOD.upper(),
        GOOD + "-more",
        "ff" + GOOD[2:],
        GOOD + "\n",
        GOOD[:-1],
    ],
)
def test_a_trace_context_that_is_not_valid_counts_as_none(sent: str) -> None:
    assert read_traceparent(sent.encode()) is None
    assert read_traceparent(GOOD.encode()) == GOOD


async def test_a_trace_context_goes_through_to_the_outbox(api: Api) -> None:
    person = await api.person()
    path = f"/v1/subjects/{person}/consents/newsletter/withdraw"
    assert (await api("POST", path, {}, headers={"traceparent": GOOD})).status_code == 201
    connection = await api.database.connect()
    staged = "select traceparent from outbox where subject_id = $1 and kind = 'record'"
    found = await connection.fetch(staged, person)
    await connection.close()
    assert [row["traceparent"] for row in found] == [GOOD]


async def test_metrics_count_by_route_and_never_name_a_person(api: Api) -> None:
    person = await api.person()
    await api("GET", f"/v1/subjects/{person}/permissions/newsletter")
    await api("GET", f"/v1/subjects/{person}/nothing")
    await api.client.request("BREW", "/v1/purposes")
    text = (await api.client.get("/metrics")).text
    assert 'route="/v1/subjects/{subject_id}/permissions/{purpose}",status="200"' in text
    assert 'route="none",status="404"' in text
    assert 'method="other",route="/v1/purposes",status="405"' in text
    assert person not in text


async def test_answers_that_may_tell_of_a_person_are_never_stored(api: Api) -> None:
    person = await api.person()
    for path in (
        f"/v1/subjects/{person}",
        f"/v1/subjects/{person}/identifiers",
        "/v1/purposes",
        "/v1/nothing",
    ):
        assert (await api("GET", path)).headers["cache-control"] == "no-store"
