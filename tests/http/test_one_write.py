"""An answer's head and body leave together, and nothing that was written is lost (docs/decisions/0007)."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from consent_service.http.connection import Gathering
from consent_service.http.server import listen, serve


class Wire(asyncio.Transport):
    """Writes down what it is told, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Any] = []

    def write(self, data: Any) -> None:
        self.told.append(bytes(data))

    def close(self) -> None:
        self.told.append("closed")

    def abort(self) -> None:
        self.told.append("aborted")

    def is_closing(self) -> bool:
        return "closed" in self.told

    def get_write_buffer_size(self) -> int:
        return 42


def gathering() -> tuple[Wire, Gathering]:
    wire = Wire()
    return wire, Gathering(wire, asyncio.get_running_loop())


async def test_what_one_step_writes_is_written_once() -> None:
    wire, transport = gathering()
    transport.write(b"head ")
    transport.write(b"body")
    assert wire.told == []
    await asyncio.sleep(0)

    assert wire.told == [b"head body"]


async def test_what_the_next_step_writes_is_written_then() -> None:
    """As of a stream, whose head leaves before its first event comes."""
    wire, transport = gathering()
    for part in (b"head", b"first", b"second"):
        transport.write(part)
        await asyncio.sleep(0)

    assert wire.told == [b"head", b"first", b"second"]


async def test_closing_writes_first() -> None:
    wire, transport = gathering()
    transport.write(b"last words")
    transport.close()
    await asyncio.sleep(0)

    assert wire.told == [b"last words", "closed"]


async def test_everything_else_is_the_transports_own() -> None:
    wire, transport = gathering()
    cast(Any, transport).abort()

    assert wire.told == ["aborted"]
    assert transport.get_write_buffer_size() == 42


async def test_nothing_is_written_once_the_other_side_has_gone() -> None:
    wire, transport = gathering()
    transport.write(b"too late")
    wire.close()
    await asyncio.sleep(0)

    assert wire.told == ["closed"]


async def test_a_client_that_has_said_all_it_will_still_gets_its_answer() -> None:
    """It ends its own direction with the request; the server reads both in one step."""
    bound = listen("127.0.0.1", 0)
    stop, ready = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(answer_at_once, bound, stop, ready.set, 1))
    await ready.wait()
    answers = []
    for _ in range(20):
        reader, writer = await asyncio.open_connection(*bound.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        writer.write_eof()
        answers.append(await reader.read())
        writer.close()
    stop.set()
    await serving

    assert all(answer.endswith(b"answered") for answer in answers)


async def answer_at_once(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"answered"})
