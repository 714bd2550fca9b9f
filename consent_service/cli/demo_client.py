"""The demo's calls to the service, over the client that any web site or tool would use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from uuid import UUID

import httpx
import msgspec
from consent_client import ConsentClient
from consent_client.errors import ConsentError
from consent_client.http.answers import Permission, RecipientProgress
from consent_client.http.asking import Decision

_READY_S = 10.0
_LOOK_AGAIN_S = 0.1
_ASK_AGAIN_S = 0.01
_LANGUAGE = "en"


class CallFailed(Exception):
    """The service did not answer, or refused; the text tells a person what it said."""


class Shown(msgspec.Struct, frozen=True):
    """What a person is shown of a purpose: the name in the current version's notice, and that version's number."""

    name: str
    version: int


class Recorded(msgspec.Struct, frozen=True):
    """The answer to decisions, in the order asked, and when it came (seconds of the performance counter)."""

    subject_id: UUID
    records: tuple[UUID, ...]
    statuses: tuple[str, ...]
    asked_at: float
    answered_at: float


class Client:
    """One service; `token` gives a bearer token for a controller. Every call raises CallFailed."""

    def __init__(self, url: str, token: Callable[[str], str], stack: AsyncExitStack) -> None:
        self._url = url
        self._token = token
        self._stack = stack
        self._clients: dict[str, ConsentClient] = {}

    async def until_ready(self) -> None:
        """Return once it can answer; a service that has just begun may not accept yet."""
        deadline = time.monotonic() + _READY_S
        async with httpx.AsyncClient(base_url=self._url) as client:
            while True:
                try:
                    answer = await client.get("/readyz")
                    if answer.status_code == 200:
                        return
                    failure = f"/readyz answers {answer.status_code}"
                except httpx.HTTPError as error:
                    failure = type(error).__name__
                if time.monotonic() > deadline:
                    raise CallFailed(f"nothing is ready at {self._url} ({failure})")
                await asyncio.sleep(_LOOK_AGAIN_S)

    async def shown(self, controller: str, purpose: str) -> Shown:
        with _told(f"reading the purpose {purpose}"):
            item = await (await self._of(controller)).purpose(purpose)
        return Shown(item.notices[_LANGUAGE].name, item.version)

    async def decide(
        self, controller: str, identifier: tuple[str, str], decisions: Sequence[tuple[str, str, int]]
    ) -> Recorded:
        """Record (purpose, command, version) for the person with that identifier, all or none."""
        made = [
            Decision(
                purpose=purpose,
                command=command,
                version=version,
                language=_LANGUAGE,
                channel="web",
                source="demo",
            )
            for purpose, command, version in decisions
        ]
        client = await self._of(controller)
        with _told("recording the decision"):
            asked_at = time.perf_counter()
            answer = await client.decide([identifier], made)
            answered_at = time.perf_counter()
        return Recorded(
            answer.subject_id,
            tuple(one.record.record_id for one in answer.records),
            tuple(str(one.record.status) for one in answer.records),
            asked_at,
            answered_at,
        )

    async def permission(self, controller: str, subject_id: UUID, purpose: str) -> Permission:
        with _told("asking for a permission"):
            return await (await self._of(controller)).permission(subject_id, purpose)

    async def settled(
        self, controller: str, record_id: UUID, recipient: str, patience_s: float
    ) -> RecipientProgress | None:
        """The service's own account of what the recipient did about the record, once it has it; None in time."""
        client = await self._of(controller)
        deadline = time.monotonic() + patience_s
        while True:
            with _told("reading the propagation"):
                propagation = await client.propagation(record_id)
            for progress in propagation.recipients:
                if progress.recipient == recipient and progress.settled_at is not None:
                    return progress
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _of(self, controller: str) -> ConsentClient:
        if controller not in self._clients:
            client = ConsentClient(self._url, self._token(controller))
            self._clients[controller] = await self._stack.enter_async_context(client)
        return self._clients[controller]


@asynccontextmanager
async def open_client(url: str, token: Callable[[str], str]) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        yield Client(url, token, stack)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Raises CallFailed with the service's own words."""
    try:
        yield
    except ConsentError as error:
        raise CallFailed(f"{what}: {error}") from error
