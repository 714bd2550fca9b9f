"""One call: sent until there is an answer, with the same key each time, so that it is recorded once."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NoReturn
from urllib.parse import quote

import httpx
import msgspec

from consent_client import clock
from consent_client.errors import Closed, NoLongerKept, Refused, Unavailable
from consent_client.http.backoff import AGAIN, pause_s, retry_after_s
from consent_client.http.tokens import Token, Tokens, claims

_PROBLEMS = "/problems/"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One question. `path` has a `{}` for each of `parts`: errors name it without them.

    `changing`: it carries an Idempotency-Key.
    """

    method: str
    path: str
    parts: tuple[object, ...] = ()
    query: Mapping[str, str] = {}
    body: Any = None
    changing: bool = False
    traceparent: str | None = None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


class _Fault(msgspec.Struct, frozen=True):
    detail: str
    pointer: str | None = None
    parameter: str | None = None


class _Problem(msgspec.Struct, frozen=True):
    type: str
    detail: str
    errors: tuple[_Fault, ...] = ()


class Exchange:
    """Calls to one service with one token.

    `timeout_s` bounds each try and `deadline_s` the call with all its tries and waits.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        timeout_s: float,
        deadline_s: float,
        tries: int,
        verify: ssl.SSLContext | bool,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("the service's address begins with http:// or https://")
        if tries < 1 or timeout_s <= 0 or deadline_s <= 0:
            raise ValueError("at least one try, and times above 0, are needed")
        self._url = url.rstrip("/")
        self._tokens = Tokens(token)
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s
        self._tries = tries
        self._client = httpx.AsyncClient(timeout=timeout_s, verify=verify)

    async def close(self) -> None:
        await self._client.aclose()

    async def controller(self) -> str:
        """For whom the token speaks, as it says itself."""
        self.check_open()
        return str(claims(await self._tokens.token()).get("controller", ""))

    async def ask(self, ask: Ask) -> bytes:
        """The body of the 2xx answer. Raises Refused, Unavailable, Closed."""
        request = self._request(ask)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._deadline_s
        for attempt in range(1, self._tries + 1):
            failure: Exception | None = None
            asked_s = None
            try:
                async with asyncio.timeout_at(min(deadline, loop.time() + self._timeout_s)):
                    answer = await self._send(request)
            except (httpx.RequestError, TimeoutError) as error:
                failure, why = error, type(error).__name__
            else:
                if answer.status_code not in AGAIN:
                    return _content(ask, answer, attempt)
                asked_s, why = retry_after_s(answer.headers), str(answer.status_code)
            wait_s = pause_s(attempt, asked_s)
            if attempt == self._tries or loop.time() + wait_s >= deadline:
                break
            await asyncio.sleep(wait_s)
        raise Unavailable(f"{ask.name}: no answer after {attempt} tries (the last: {why})") from failure

    @asynccontextmanager
    async def open(
        self, path: str, headers: Mapping[str, str], *, quiet_s: float
    ) -> AsyncIterator[httpx.Response]:
        """An answer that is still to be read; it breaks where nothing comes for `quiet_s`. Raises Refused, Closed."""
        request = self._client.build_request(
            "GET",
            self._url + path,
            headers={"accept": "text/event-stream", **headers},
            timeout=httpx.Timeout(self._timeout_s, read=quiet_s),
        )
        answer = await self._send(request, stream=True)
        try:
            if not answer.is_success and answer.status_code not in AGAIN and answer.status_code < 500:
                refuse(answer.status_code, await answer.aread())
            yield answer
        finally:
            await answer.aclose()

    def check_open(self) -> None:
        """Raises Closed."""
        if self._client.is_closed:
            raise Closed("this client was closed: make another, and use it inside its `with`")

    def _request(self, ask: Ask) -> httpx.Request:
        headers = {"accept": "application/json"}
        content = None
        if ask.body is not None:
            headers["content-type"] = "application/json"
            content = msgspec.json.encode(ask.body)
        if ask.changing:
            headers["idempotency-key"] = str(clock.new_id())
        if ask.traceparent is not None:
            headers["traceparent"] = ask.traceparent
        path = ask.path.format(*(quote(str(part), safe="") for part in ask.parts))
        return self._client.build_request(
            ask.method, self._url + path, params=ask.query, content=content, headers=headers
        )

    async def _send(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        """With a token; where that is refused, once more with another one, if there is one."""
        self.check_open()
        token = await self._tokens.token()
        answer = await self._send_as(request, token, stream=stream)
        if answer.status_code == 401 and self._tokens.renewable:
            another = await self._tokens.token(refused=token)
            if another != token:
                await answer.aclose()
                answer = await self._send_as(request, another, stream=stream)
        return answer

    async def _send_as(self, request: httpx.Request, token: str, *, stream: bool) -> httpx.Response:
        request.headers["authorization"] = f"Bearer {token}"
        self.check_open()
        return await self._client.send(request, stream=stream)


def _content(ask: Ask, answer: httpx.Response, attempt: int) -> bytes:
    """Raises Refused."""
    if answer.is_success:
        return answer.content
    if answer.status_code == 404 and ask.method == "DELETE" and attempt > 1:
        return b""  # An earlier try removed it, and its answer was lost.
    return refuse(answer.status_code, answer.content)


def refuse(status: int, body: bytes) -> NoReturn:
    """Raise what the problem document says."""
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Refused(
            status, "unknown", "The answer is no problem document: is the service at this address?"
        ) from None
    slug = problem.type.removeprefix(_PROBLEMS)
    faults = tuple((fault.pointer or fault.parameter or "", fault.detail) for fault in problem.errors)
    kind = NoLongerKept if slug == "no-longer-kept" else Refused
    raise kind(status, slug, problem.detail, faults)
