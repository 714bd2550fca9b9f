"""`SyncConsentClient`: the same calls for those who do not use asyncio.

There is one implementation: a thread runs an event loop with a ConsentClient on it, and callers wait for its answers.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypedDict, TypeVar, Unpack

from consent_client.errors import Closed
from consent_client.http.client import ConsentClient
from consent_client.http.tokens import Token


class Settings(TypedDict, total=False):
    """Those of ConsentClient."""

    timeout_s: float
    deadline_s: float
    tries: int
    remembered_max: int
    remembered_s: float
    verify: ssl.SSLContext | bool


P = ParamSpec("P")
T = TypeVar("T")


def _call(
    method: Callable[Concatenate[ConsentClient, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncConsentClient, P], T]:
    """The method, waited for."""

    @wraps(method)
    def call(self: SyncConsentClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._wait(method(self._client, *args, **kwargs))

    return call


def _iterate(
    method: Callable[Concatenate[ConsentClient, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[SyncConsentClient, P], Generator[T, None, None]]:
    """The method's items, each waited for; whoever stops early closes it."""

    @wraps(method)
    def iterate(self: SyncConsentClient, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        items = method(self._client, *args, **kwargs)
        while True:
            try:
                item: T = self._wait(_next(items))
            except StopAsyncIteration:
                return
            try:
                yield item
            except BaseException:
                self._begin(_end(items))
                raise

    return iterate


class SyncConsentClient:
    """As ConsentClient, used in `with`; by several threads at once if need be."""

    def __init__(self, url: str, token: Token, **settings: Unpack[Settings]) -> None:
        """`settings` are those of ConsentClient."""
        self._client = ConsentClient(url, token, **settings)
        self._loop = asyncio.new_event_loop()
        self._closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="consent-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every connection and the thread; those who wait get Closed. Closing again does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    subject = _call(ConsentClient.subject)
    find = _call(ConsentClient.find)
    resolve = _call(ConsentClient.resolve)
    identifiers = _call(ConsentClient.identifiers)
    link = _call(ConsentClient.link)
    unlink = _call(ConsentClient.unlink)
    command = _call(ConsentClient.command)
    grant = _call(ConsentClient.grant)
    withdraw = _call(ConsentClient.withdraw)
    decide = _call(ConsentClient.decide)
    permission = _call(ConsentClient.permission)
    permissions = _call(ConsentClient.permissions)
    consents = _call(ConsentClient.consents)
    records = _iterate(ConsentClient.records)
    record = _call(ConsentClient.record)
    purposes = _call(ConsentClient.purposes)
    purpose = _call(ConsentClient.purpose)
    version = _call(ConsentClient.version)
    states = _iterate(ConsentClient.states)
    changes = _iterate(ConsentClient.changes)
    acknowledge = _call(ConsentClient.acknowledge)
    propagation = _call(ConsentClient.propagation)
    recipients = _call(ConsentClient.recipients)
    pending = _iterate(ConsentClient.pending)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Raises Closed. An interrupt ends the work too."""
        future = self._begin(work)
        if future is None:
            raise Closed("this client was closed: make another, and use it inside its `with`")
        try:
            return future.result()
        except CancelledError:
            raise Closed("this client was closed while it was waited for") from None
        except BaseException:
            future.cancel()
            raise

    def _begin(self, work: Coroutine[Any, Any, T]) -> Future[T] | None:
        """None once this client is closed."""
        with self._closing:
            if self._closed:
                work.close()
                return None
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()

    async def _end(self) -> None:
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await self._client.close()
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()


async def _next(items: AsyncGenerator[T, None]) -> T:
    """Begun on the loop, which so knows the generator and ends it in time."""
    return await anext(items)


async def _end(items: AsyncGenerator[T, None]) -> None:
    await items.aclose()
