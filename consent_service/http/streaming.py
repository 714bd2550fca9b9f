"""Sending a body that has no known end: as fast as the client takes it, and no longer than it may be sent."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from consent_service.http.endpoint import log_fault
from consent_service.http.exchange import Streamed
from consent_service.http.problems import Headers
from consent_service.http.trace import ABORT, AsgiReceive, AsgiScope, AsgiSend

#: How long a client may take for what it was sent before. Nothing is gathered for it meanwhile.
TAKE_S_MAX = 30.0


class Stalled(Exception):
    """The client does not take what it is sent."""


async def stream(
    reply: Streamed, headers: Headers, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend
) -> None:
    """Send until the source ends, the reply's time is over, or the client goes or does not take what it is sent."""
    stalled = False
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if scope["method"] != "HEAD":
            await _send_parts(reply, receive, send)
        await _taken(send, b"", more=False)
    except Stalled:
        stalled = True
        await _abort(scope, receive)
    except Exception as error:  # noqa: BLE001 (the answer has begun: all that is left is to end it visibly)
        log_fault(error, scope)
        await _abort(scope, receive)
    finally:
        await reply.source.close(stalled=stalled)


async def _send_parts(reply: Streamed, receive: AsgiReceive, send: AsgiSend) -> None:
    pumping = asyncio.create_task(_pump(reply, send))
    leaving = asyncio.create_task(_left(receive))
    try:
        await asyncio.wait(
            {pumping, leaving}, timeout=max(0.0, reply.seconds), return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        pumping.cancel()
        leaving.cancel()
        await asyncio.wait({pumping, leaving})
    if not pumping.cancelled():
        pumping.result()


async def _pump(reply: Streamed, send: AsgiSend) -> None:
    parts: Any = reply.source.parts()
    async with aclosing(parts):
        async for part in parts:
            await _taken(send, part, more=True)
            # The server writes in its next step, and only then knows whether the client takes it.
            await asyncio.sleep(0)


async def _taken(send: AsgiSend, part: bytes, *, more: bool) -> None:
    """Raises Stalled where what was sent before is not taken."""
    try:
        async with asyncio.timeout(TAKE_S_MAX):
            await send({"type": "http.response.body", "body": part, "more_body": more})
    except TimeoutError:
        raise Stalled from None


async def _left(receive: AsgiReceive) -> None:
    """Return once the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _abort(scope: AsgiScope, receive: AsgiReceive) -> None:
    """End the connection without a proper end, so that nobody takes the answer for complete; return once it has."""
    abort = scope.get(ABORT)
    if abort is not None:
        abort()
        await _left(receive)
