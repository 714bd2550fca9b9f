"""Clients that take their time: each has a bound, and then an answer or an end; nothing of theirs is stored."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator

import pytest

from consent_service.embedded import PostgresServer
from consent_service.http import connection
from consent_service.http.connection import BoundedRequests
from tests.events.streams import eventually
from tests.http.here import Here, served_here
from tests.http.raw import answers, connected, next_answer

#: The bounds here; a client that only drips is slower than each.
HEAD_S = 0.4
BODY_S = 0.8
DRIP_S = 0.02
GOOD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


def post(here: Here, framing: bytes) -> bytes:
    """The head of a call that makes a person."""
    return (
        b"POST /v1/subjects HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\n%b\r\n\r\n" % (here.token.encode(), framing)
    )


@pytest.fixture(scope="module")
async def here(postgres: PostgresServer) -> AsyncIterator[Here]:
    """The system would take megabytes for a client that takes nothing, and all would be done."""
    async with served_here(postgres, unsent_bytes_max=4096) as running:
        yield running


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_S_MAX", HEAD_S)
    monkeypatch.setattr(connection, "BODY_S_MAX", BODY_S)
    monkeypatch.setattr(connection, "TAKEN_S_MAX", BODY_S)
    monkeypatch.setattr(connection, "CLOSING_S_MAX", BODY_S)


def connections() -> list[BoundedRequests]:
    """Those that are open, also where all that is left is to close them."""
    everything = [one for one in gc.get_objects() if isinstance(one, BoundedRequests)]
    return [one for one in everything if one.transport is not None and one.parser is not None]


async def sent_slowly(here: Here, at_once: bytes, dripping: bytes) -> list[int]:
    """What is answered until the connection ends, though some bytes come every now and then."""
    async with connected(here.url) as (reader, writer):
        writer.write(at_once)
        slowly = asyncio.create_task(drip(writer, dripping))
        try:
            return [answer.status for answer in await answers(reader)]
        finally:
            slowly.cancel()


async def drip(writer: asyncio.StreamWriter, dripping: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            writer.write(dripping)
            await writer.drain()
            await asyncio.sleep(DRIP_S)


#: What is sent at once, what then comes drop by drop for ever, and the answers before the end.
HEADS: dict[str, tuple[bytes, bytes, list[int]]] = {
    "nothing at all": (b"", b"", []),
    "blank lines": (b"", b"\r\n", []),
    "a request line": (b"GET /", b"x", [408]),
    "a value": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", b"x", [408]),
    "fields": (b"GET /healthz HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n", [408]),
    "blank lines behind an answer": (GOOD, b"\r\n", [200]),
    "a field behind an answer": (GOOD + b"GET / HTTP/1.1\r\nX: ", b"x", [200, 408]),
}


@pytest.mark.parametrize("what", HEADS)
async def test_a_head_that_drips_is_given_up(here: Here, what: str) -> None:
    at_once, dripping, statuses = HEADS[what]

    assert await sent_slowly(here, at_once, dripping) == statuses


CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("framing", "dripping"),
    [
        (b"Content-Length: 1000", b""),
        (b"Content-Length: 1000000", b" "),
        (CHUNKED, b"1\r\n \r\n"),
        (CHUNKED, b"0"),
    ],
    ids=["nothing", "blanks", "chunks", "digits of a chunk's size"],
)
async def test_a_body_that_drips_is_given_up_and_nothing_is_stored(
    here: Here, framing: bytes, dripping: bytes
) -> None:
    begun = b'{"identifiers":[{"type":"external:crm","value":"slow"}]}'
    if framing == CHUNKED:
        begun = b"%x\r\n%b\r\n" % (len(begun), begun)

    async with here.database.row_counts() as rows:
        before = await rows()
        assert await sent_slowly(here, post(here, framing) + begun, dripping) == [408]
        assert await rows() == before


async def test_who_is_refused_may_not_go_on_sending_for_ever(here: Here) -> None:
    head = b"POST /v1/subjects HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"

    assert await sent_slowly(here, head, b"x") == [401]


async def test_a_body_that_comes_in_time_is_read_however_it_is_cut(here: Here) -> None:
    body = b'{"identifiers":[{"type":"external:crm","value":"in time"}]}'
    async with connected(here.url) as (reader, writer):
        writer.write(post(here, b"Content-Length: %d" % len(body)))
        for at in range(0, len(body), 8):
            await asyncio.sleep(DRIP_S)
            writer.write(body[at : at + 8])
        answer = await next_answer(reader)
    assert answer is not None
    assert answer.status == 201


@pytest.mark.parametrize("requests", [1, 5])
@pytest.mark.parametrize("manner", [b"keep-alive", b"close"])
async def test_who_takes_nothing_of_what_it_asked_for_is_cut_off(
    here: Here, requests: int, manner: bytes
) -> None:
    """The script of the documentation is more than lies between these two sockets."""
    await eventually(no_connections)
    asked = b"GET /schema/rapidoc-min.js HTTP/1.1\r\nHost: a\r\nConnection: %b\r\n\r\n" % manner
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (here.host, here.port))
        await loop.sock_sendall(client, asked * requests)
        await eventually(one_connection)
        await eventually(no_connections)


async def one_connection() -> bool:
    return len(connections()) == 1


async def no_connections() -> bool:
    return not connections()
