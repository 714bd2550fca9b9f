"""The Idempotency-Key header: its form, and the first answer again (R24, CORE 17)."""

from __future__ import annotations

import asyncio

import pytest

from consent_service.domain.errors import InvalidRequest
from consent_service.http.idempotency import read_idempotency
from consent_service.usecases.submissions import Caller, Idempotency
from tests.http.conftest import Api
from tests.http.tables import told

CALLER = Caller(controller="ansettr", subject="web-shop")


def claim(
    header: str, caller: Caller = CALLER, path: str = "/v1/subjects?", body: bytes = b"{}"
) -> Idempotency:
    found = read_idempotency(header.encode(), caller, method="POST", target=path.encode(), body=body)
    assert found is not None
    return found


@pytest.mark.parametrize("header", ["", " ", '""', "a b", "æ", "a\tb", "x" * 256, '"' + "x" * 256 + '"'])
def test_a_key_has_1_to_255_visible_ascii_characters(header: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        claim(header)
    assert refusal.value.parameter == "Idempotency-Key"


def test_one_pair_of_outer_quotes_is_dropped() -> None:
    assert claim('"order-1"') == claim("order-1") == claim(" order-1 ")
    assert claim('""order-1""') != claim("order-1")
    assert claim("x" * 255) == claim('"' + "x" * 255 + '"')


def test_a_key_belongs_to_controller_and_token_subject() -> None:
    keys = {
        claim("1").key,
        claim("2").key,
        claim("1", Caller("sonh", "web-shop")).key,
        claim("1", Caller("ansettr", "crm")).key,
    }
    assert len(keys) == 4


def test_the_fingerprint_covers_path_query_and_body() -> None:
    fingerprints = {
        claim("1").fingerprint,
        claim("1", path="/v1/decisions?").fingerprint,
        claim("1", path="/v1/subjects?x").fingerprint,
        claim("1", body=b"{ }").fingerprint,
    }
    assert len(fingerprints) == 4


async def test_the_same_request_gets_the_first_answer_again(api: Api) -> None:
    person = await api.person()
    path = f"/v1/subjects/{person}/consents/newsletter/grant"
    key = {"idempotency-key": "grant-1"}
    first = await api("POST", path, {"version": 1, "evidence": {"form": "footer"}}, headers=key)
    await api.says(person, "newsletter", "withdraw")
    again = await api("POST", path, {"version": 1, "evidence": {"form": "footer"}}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    history = await api("GET", f"/v1/subjects/{person}/records")
    assert [item["command"] for item in history.json()["items"]] == ["grant", "withdraw"]


async def test_twins_at_the_same_moment_get_one_answer(api: Api) -> None:
    body = {
        "subject": {"identifiers": [api.somebody()]},
        "decisions": [{"purpose": "newsletter", "command": "refuse"}],
    }
    key = {"idempotency-key": "twins"}
    answers = await asyncio.gather(*(api("POST", "/v1/decisions", body, headers=key) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 7


async def test_another_request_with_the_same_key_is_refused(api: Api) -> None:
    key = {"idempotency-key": "reuse"}
    body = {"identifiers": [api.somebody()]}
    assert told(await api("POST", "/v1/subjects", body, headers=key)) == "201"
    other = await api("POST", "/v1/subjects", {"identifiers": [api.somebody()]}, headers=key)
    assert told(other) == "422 idempotency-key-reuse"
    assert told(await api("POST", "/v1/subjects", body, headers=key)) == "201"
    elsewhere = await api("POST", "/v1/subjects", body, headers=key, controller="sonh")
    assert told(elsewhere) == "201"
    assert "idempotency-replayed" not in elsewhere.headers


async def test_a_decided_refusal_is_given_again_and_a_malformed_request_is_not_kept(api: Api) -> None:
    person = await api.person()
    path = f"/v1/subjects/{person}/consents/newsletter/confirm"
    key = {"idempotency-key": "refused"}
    malformed = await api("POST", path, b"{", headers=key)
    assert told(malformed) == '400 invalid-request ""'
    first = await api("POST", path, {}, headers=key)
    again = await api("POST", path, {}, headers=key)
    assert told(first) == "409 not-possible-now"
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_decision_refused_in_two_places_is_told_again_whole(api: Api) -> None:
    body = {
        "subject": {"identifiers": [api.somebody()]},
        "decisions": [
            {"purpose": "contract", "command": "withdraw"},
            {"purpose": "newsletter", "command": "confirm"},
        ],
    }
    key = {"idempotency-key": "refused-decisions"}
    first = await api("POST", "/v1/decisions", body, headers=key)
    again = await api("POST", "/v1/decisions", body, headers=key)
    assert told(first) == "422 not-withdrawable /decisions/0 /decisions/1"
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"


async def test_two_keys_in_one_request_are_refused(api: Api) -> None:
    headers = [
        ("authorization", f"Bearer {api.issuer.sign()}"),
        ("content-type", "application/json"),
        ("idempotency-key", "a"),
        ("idempotency-key", "b"),
    ]
    answer = await api.client.post("/v1/subjects", content=b"{}", headers=headers)
    assert told(answer) == "400 invalid-request Idempotency-Key"
