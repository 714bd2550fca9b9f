"""`/v1/changes`, followed over every end and cut of its connection (docs/EVENTS.md, "Without Kafka")."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime

import httpx

from consent_client.errors import Unavailable
from consent_client.http.backoff import pause_s, retry_after_s
from consent_client.http.changes import ChangeBody, to_change
from consent_client.http.event_lines import Event, EventLines, check_place
from consent_client.http.exchange import Exchange
from consent_client.http.reading import Reading
from consent_client.model import Change, SignOfLife

_PATH = "/v1/changes"
_AS_OF = "as of "
#: Nobody is asked to wait for longer.
_WAIT_S_MAX = 60.0

_read_change = Reading(ChangeBody)


class Following:
    """One reader and its place in the stream. Raises NotUnderstood where `after` can be no place."""

    def __init__(
        self, exchange: Exchange, after: str | None, *, quiet_s: float, patience_s: float | None
    ) -> None:
        self._exchange = exchange
        self._last = None if after is None else check_place(after)
        self._quiet_s = quiet_s
        self._patience_s = patience_s
        self._retry_s = 0.0
        self._attempt = 0

    async def changes(self) -> AsyncGenerator[tuple[str, Change | SignOfLife], None]:
        """Id and change, or a sign of life. Raises Refused, NoLongerKept, NotUnderstood, Closed.

        A stream that tells nothing is asked for again less and less often.

        Raises Unavailable where nothing was heard for `patience_s`; None waits for ever.
        """
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while True:
            failure: Exception | None = None
            why, told = "the stream ended", False
            wait_s = self._retry_s
            try:
                async with self._exchange.open(_PATH, self._place(), quiet_s=self._quiet_s) as answer:
                    if answer.is_success:
                        async for event in _events(answer, self._quiet_s):
                            heard_at, told = loop.time(), True
                            self._note(event)
                            if event.id is not None:
                                yield event.id, _told(event)
                                heard_at = loop.time()
                        if not told:
                            wait_s = self._backoff_s(None)
                    else:
                        why = str(answer.status_code)
                        wait_s = self._backoff_s(retry_after_s(answer.headers))
            except (httpx.RequestError, TimeoutError, Unavailable) as error:
                failure, why = error, type(error).__name__
                wait_s = self._backoff_s(None)
            out_of_reach = self._attempt > 0 and self._patience_s is not None
            if out_of_reach and loop.time() + wait_s - heard_at > (self._patience_s or 0):
                raise Unavailable(
                    f"GET {_PATH}: nothing heard for {self._patience_s:g} s (the last: {why})"
                ) from failure
            await asyncio.sleep(max(wait_s, self._retry_s))

    def _place(self) -> dict[str, str]:
        return {} if self._last is None else {"last-event-id": self._last}

    def _note(self, event: Event) -> None:
        self._attempt = 0
        if event.id is not None:
            self._last = event.id
        if event.retry_s is not None:
            self._retry_s = min(event.retry_s, _WAIT_S_MAX)

    def _backoff_s(self, asked_s: float | None) -> float:
        self._attempt += 1
        return min(_WAIT_S_MAX, pause_s(self._attempt, asked_s))


async def _events(answer: httpx.Response, quiet_s: float) -> AsyncIterator[Event]:
    """Raises TimeoutError where what comes for so long is no event; NotUnderstood."""
    lines = EventLines()
    loop = asyncio.get_running_loop()
    heard_at = loop.time()
    async for chunk in answer.aiter_raw():
        events = lines.take(chunk)
        for event in events:
            yield event
        if events:
            heard_at = loop.time()
        elif loop.time() - heard_at > quiet_s:
            raise TimeoutError


def _told(event: Event) -> Change | SignOfLife:
    """A sign of life, too, is an event that a later release has and this one does not know."""
    if event.name != "change" or event.data is None:
        return SignOfLife(_as_of(event))
    return to_change(_read_change(event.data))


def _as_of(event: Event) -> datetime | None:
    for comment in event.comments:
        if comment.startswith(_AS_OF):
            try:
                moment = datetime.fromisoformat(comment.removeprefix(_AS_OF))
            except ValueError:
                return None
            return moment if moment.tzinfo is not None else None
    return None
