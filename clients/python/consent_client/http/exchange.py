"""One call: sent until there is an answer, with the same key each time, so that it is recorded once."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, NoReturn
from urllib.parse import quote

import httpx
import msgspec

from consent_client import clock
from consent_client.errors import UNEXPLAINED, Closed, NoLongerKept, NotUnderstood, Refused, Unavailable
from consent_client.http.backoff import AGAIN, pause_s, retry_after_s
from consent_client.http.received import UNPACKED, Received, is_packed, receive
from consent_client.http.tokens import Token, Tokens, claims

_PROBLEMS = "/problems/"
_EVENTS = "text/event-stream"


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
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            verify=verify,
            headers={"accept-encoding": UNPACKED},
            # Whatever an answer would have kept here is not kept.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def controller(self) -> str:
        """For whom the token speaks, as it says itself."""
        self.check_open()
        return str(claims(await self._tokens.token()).get("controller", ""))

    async def ask(self, ask: Ask) -> bytes:
        """The body of the 2xx answer. Raises Refused, Unavailable, NotUnderstood, Closed."""
        request = self._request(ask)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._deadline_s
        for attempt in range(1, self._tries + 1):
            failure: Exception | None = None
            asked_s = None
            try:
                async with asyncio.timeout_at(min(deadline, loop.time() + self._timeout_s)):
                    answer = await receive(await self._send(request))
            except (httpx.RequestError, TimeoutError) as error:
                failure, why = error, type(error).__name__
            else:
                if answer.status not in AGAIN:
                    return _content(ask, answer, attempt)
                asked_s, why = retry_after_s(answer.headers), str(answer.status)
            wait_s = pause_s(attempt, asked_s)
            if attempt == self._tries or loop.time() + wait_s >= deadline:
                break
            await asyncio.sleep(wait_s)
        raise Unavailable(f"{ask.name}: no answer after {attempt} tries (the last: {why})") from failure

    @asynccontextmanager
    async def open(
        self, path: str, headers: Mapping[str, str], *, quiet_s: float
    ) -> AsyncIterator[httpx.Response]:
        """A stream of events that is still to be read, or the answer of a service that is away or broken.

        It breaks where nothing comes for `quiet_s`. Raises Refused, NotUnderstood, Closed.
        """
        request = self._client.build_request(
            "GET",
            self._url + path,
            headers={"accept": _EVENTS, **headers},
            timeout=httpx.Timeout(self._timeout_s, read=quiet_s),
        )
        async with asyncio.timeout(self._timeout_s):
            answer = await self._send(request)
        try:
            if not answer.is_success and answer.status_code not in AGAIN and answer.status_code < 500:
                async with asyncio.timeout(self._timeout_s):
                    refuse(await receive(answer))
            if answer.is_success and (is_packed(answer) or not _is_events(answer)):
                raise NotUnderstood("the answer is no stream of events: is the service at this address?")
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

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """With a token; where that is refused, once more with another one, if there is one. The body is not read."""
        self.check_open()
        token = await self._tokens.token()
        answer = await self._send_as(request, token)
        if answer.status_code == 401 and self._tokens.renewable:
            another = await self._tokens.token(refused=token)
            if another != token:
                await answer.aclose()
                answer = await self._send_as(request, another)
        return answer

    async def _send_as(self, request: httpx.Request, token: str) -> httpx.Response:
        request.headers["authorization"] = f"Bearer {token}"
        self.check_open()
        return await self._client.send(request, stream=True)


def _is_events(answer: httpx.Response) -> bool:
    kind: str = answer.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() == _EVENTS


def _content(ask: Ask, answer: Received, attempt: int) -> bytes:
    """Raises Refused, NotUnderstood."""
    if answer.is_success:
        return answer.content()
    try:
        refuse(answer)
    except Refused as refusal:
        if refusal.type == "not-found" and ask.method == "DELETE" and attempt > 1:
            return b""  # An earlier try removed it, and its answer was lost.
        raise


def refuse(answer: Received) -> NoReturn:
    """Raise what the problem document says."""
    try:
        problem = msgspec.json.decode(answer.body or b"", type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refused(
            answer.status, UNEXPLAINED, "The answer is no problem document: is the service at this address?"
        ) from None
    slug = problem.type.removeprefix(_PROBLEMS)
    faults = tuple((fault.pointer or fault.parameter or "", fault.detail) for fault in problem.errors)
    kind = NoLongerKept if slug == "no-longer-kept" else Refused
    raise kind(answer.status, slug, problem.detail, faults)
