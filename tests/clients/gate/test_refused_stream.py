"""A gate over HTTP whose stream is refused, as by a token that has expired (R33)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta

from consent_client import ConsentGate
from consent_client.errors import Refused
from consent_client.http.answers import PurposeItem, StatePage
from consent_client.model import Change, SignOfLife


class Refusing:
    """Gives an empty snapshot, and no stream."""

    def __init__(self) -> None:
        self.asked = 0

    async def states(self) -> AsyncGenerator[StatePage, None]:
        yield StatePage(items=(), resume="here")

    async def changes(
        self, after: str | None = None
    ) -> AsyncGenerator[tuple[str, Change | SignOfLife], None]:
        self.asked += 1
        if self.asked:
            raise Refused(401, "unauthenticated", "The token has expired.")
        yield "", SignOfLife()

    async def purposes(self) -> Sequence[PurposeItem]:
        return ()


async def test_a_stream_that_is_refused_is_asked_for_less_and_less_often() -> None:
    service = Refusing()

    async with ConsentGate.http(service, controller="ansettr", out_of_touch_after=timedelta(seconds=9)):
        await asyncio.sleep(1.3)

    assert 1 < service.asked <= 3
