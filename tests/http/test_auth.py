"""What a token's scopes allow, and in which order a request is refused (API face 1, CORE 12)."""

from __future__ import annotations

from tests.http.conftest import Api
from tests.http.tables import told

PURPOSES = "/v1/purposes"


async def ask(api: Api, token: str) -> str:
    return told(await api("GET", PURPOSES, token=token))


async def test_a_scope_that_is_missing_is_403_and_named(api: Api) -> None:
    answer = await api("GET", PURPOSES, token=api.issuer.sign(scope="consents:read catalogue:write"))
    assert told(answer) == "403 insufficient-scope"
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="consent-service", error="insufficient_scope", scope="catalogue:read"'
    )
    assert await ask(api, api.issuer.sign(scope="")) == "403 insufficient-scope"
    assert await ask(api, api.issuer.sign(scope="catalogue:reader")) == "403 insufficient-scope"


async def test_401_comes_before_404_and_before_the_body_is_read(api: Api) -> None:
    for path in ("/v1/nothing", "/v1/subjects/x/consents/y/z", "/v1/records/no-uuid"):
        assert (await api.client.get(path)).status_code in (401, 405), path
        assert told(await api.client.get("/v1/nothing")) == "401 unauthenticated"
    answer = await api.client.post("/v1/decisions", content=b"{", headers={"content-type": "text/plain"})
    assert told(answer) == "401 unauthenticated"
    few = api.issuer.sign(scope="catalogue:read")
    assert told(await api("POST", "/v1/decisions", b"{", token=few)) == "403 insufficient-scope"
    assert told(await api("GET", "/v1/nothing", token=few)) == "404 not-found"
