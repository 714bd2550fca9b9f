"""Consent-Reason: why somebody asks, on any call; kept where the call is audited."""

from __future__ import annotations

import pytest

from consent_service.http.routes import OPERATIONS
from tests.http.conftest import Api
from tests.http.tables import told
from tests.http.test_scopes import filled


async def ask(api: Api, *reasons: bytes, path: str = "/v1/purposes") -> str:
    headers = [(b"authorization", f"Bearer {api.issuer.sign()}".encode())]
    headers += [(b"consent-reason", reason) for reason in reasons]
    return told(await api.client.get(path, headers=headers))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b" ",
        b"x" * 201,
        b"a\tb",
        b"a\x7fb",
        "zero\u200bwidth".encode(),
        "left\u202eright".encode(),
        b"a\x85b",
    ],
)
async def test_a_header_that_is_no_reason_is_400(api: Api, header: bytes) -> None:
    assert await ask(api, header) == "400 invalid-request Consent-Reason"


async def test_a_reason_is_given_once(api: Api) -> None:
    assert await ask(api, b"one") == "200"
    assert await ask(api, b"one", b"two") == "400 invalid-request Consent-Reason"


async def test_a_reason_is_looked_at_on_every_call_that_needs_a_token(api: Api) -> None:
    for operation in OPERATIONS:
        answer = await api(operation.method, filled(operation.path), headers={"consent-reason": "\t"})
        if operation.scope is None:
            assert answer.status_code in (200, 404), operation.name
        else:
            assert told(answer) == "400 invalid-request Consent-Reason", operation.name


async def test_401_403_and_404_come_before_a_reason(api: Api) -> None:
    bad = {"consent-reason": "\t"}
    few = api.issuer.sign(scope="changes:read")

    assert told(await api("GET", "/v1/purposes", token="x", headers=bad)) == "401 unauthenticated"  # noqa: S106  it is none
    assert told(await api("GET", "/v1/purposes", token=few, headers=bad)) == "403 insufficient-scope"
    assert told(await api("GET", "/v1/records/no-uuid", headers=bad)) == "404 not-found"


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (b"Innsynskrav 2026-17", "Innsynskrav 2026-17"),
        ("på forespørsel".encode(), "på forespørsel"),
        ("på forespørsel".encode("latin-1"), "på forespørsel"),
        (b" blanks around ", "blanks around"),
    ],
)
async def test_what_is_kept_is_what_was_meant(api: Api, header: bytes, kept: str) -> None:
    person = await api.person()
    assert await ask(api, header, path=f"/v1/subjects/{person}/records") == "200"
    connection = await api.database.connect()
    reasons = await connection.fetch(
        "select reason from audit where subject_id::text = $1 and action = 'history.read'", person
    )
    await connection.close()

    assert [row[0] for row in reasons] == [kept]
