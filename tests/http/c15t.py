"""The client of c15t 2.2.1, as far as the service can see it: what it sends, without a browser."""

from __future__ import annotations

import itertools
from typing import Any

import httpx

from consent_service.http.site_examples import C15T_SAVE
from tests.http.sites import ORIGIN, SITE, Stage

GIVEN_MS = 1_772_353_800_000
_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_numbers = itertools.count(1)


def new_subject() -> str:
    """An id that no browser had before, of the form that the client makes."""
    number, digits = next(_numbers), ""
    while number:
        number, digit = divmod(number, len(_LETTERS))
        digits = _LETTERS[digit] + digits
    return f"sub_{digits:1>27}"


class Client:
    """One browser on a page of a site, whose clock goes on by a minute each time something is saved."""

    def __init__(self, stage: Stage, *, site: str = SITE, origin: str | None = ORIGIN) -> None:
        self._client = stage.api.client
        self.path = f"{site}/c15t"
        self.subject = new_subject()
        self.given_ms = GIVEN_MS
        self.headers = {"x-c15t-version": "2.2.1", "content-type": "application/json"}
        if origin is not None:
            self.headers["origin"] = origin

    async def init(self, language: str = "en", **headers: str) -> httpx.Response:
        sent = {**self.headers, "accept-language": language, **headers}
        return await self._client.get(f"{self.path}/init", headers=sent)

    async def token(self, language: str = "en") -> str:
        answer = await self.init(language)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["policySnapshotToken"]
        return token

    async def body(self, *ticked: str, **fields: Any) -> dict[str, Any]:
        """What the client sends when these categories are ticked and no others; `necessary` always is."""
        self.given_ms += 60_000
        categories = ("functionality", "measurement", "marketing")
        body = {
            "type": "cookie_banner",
            "domain": "ansettr.no",
            "preferences": {"necessary": True, **{one: one in ticked for one in categories}},
            "subjectId": self.subject,
            "jurisdiction": "GDPR",
            "jurisdictionModel": "opt-in",
            "givenAt": self.given_ms,
            "uiSource": "dialog",
            "consentAction": "custom",
            **fields,
        }
        if "policySnapshotToken" not in body:
            body["policySnapshotToken"] = await self.token()
        return body

    async def saves(self, *ticked: str, **fields: Any) -> httpx.Response:
        return await self.post(await self.body(*ticked, **fields))

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        return await self._client.post(
            f"{self.path}/subjects", json=body, headers={**self.headers, **headers}
        )

    async def sent(self, body: Any, client: httpx.AsyncClient) -> httpx.Response:
        """By this process, and again as long as it is told to: a person at whom much happens at once may be busy."""
        for _ in range(50):
            answer = await client.post(f"{self.path}/subjects", json=body, headers=self.headers)
            if answer.status_code != 503:
                break
        return answer

    async def send(self, content: bytes, **headers: str) -> httpx.Response:
        return await self._client.post(
            f"{self.path}/subjects", content=content, headers={**self.headers, **headers}
        )

    async def read(self, **headers: str) -> httpx.Response:
        return await self._client.get(
            f"{self.path}/subjects/{self.subject}", headers={**self.headers, **headers}
        )

    async def claims(self, body: Any) -> httpx.Response:
        return await self._client.patch(
            f"{self.path}/subjects/{self.subject}", json=body, headers=self.headers
        )


async def save_the_example(client: httpx.AsyncClient, path: str, origin: str) -> None:
    """What the documentation shows, without a tick that the site may not have."""
    body = {**C15T_SAVE, "preferences": {"marketing": False}}
    answer = await client.post(f"{path}/subjects", json=body, headers={"origin": origin})
    assert answer.status_code == 201, answer.text


def ticks(preferences: dict[str, bool]) -> str:
    """The categories that are ticked, but for the one that always is."""
    return " ".join(sorted(name for name, tick in preferences.items() if tick and name != "necessary"))
