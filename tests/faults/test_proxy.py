"""The proxy itself: each fault does what it says, to the bytes of the way it is set on, and goes again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consent_service.embedded.ports import HOST
from tests.events.streams import eventually
from tests.faults.proxy import Proxy, Way

PATIENCE_S = 5.0
#: Long enough to be seen, short enough to be waited for.
FAULT_S = 0.2


class Echo:
    """A server that says again what it hears, and keeps it."""

    def __init__(self) -> None:
        self.heard = b""
        self.ends: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                self.heard += data
                writer.write(data)
                await writer.drain()
            self.ends.append("closed")
        except ConnectionError:
            self.ends.append("reset")
        writer.close()


class Client:
    """Raw bytes through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def says(self, data: bytes) -> bytes:
        """What comes back, as long as what was said."""
        self.writer.write(data)
        return await self.hears(len(data))

    async def hears(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.readexactly(count)

    async def is_silent(self) -> bool:
        """Whether nothing comes for a while, not even an end."""
        try:
            async with asyncio.timeout(FAULT_S):
                await self._reader.read(1)
        except TimeoutError:
            return True
        return False


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, Proxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, HOST, 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield echo, proxy
    server.close()


@asynccontextmanager
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def test_a_healthy_proxy_passes_on_bytes_and_the_end(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    large = bytes(range(256)) * 4000
    async with client(proxy) as one, client(proxy) as other:
        assert await one.says(large) == large
        assert await other.says(b"x") == b"x"
        assert proxy.connections == 2
        one.writer.write_eof()
        with pytest.raises(asyncio.IncompleteReadError):
            await one.hears(1)
        assert server.ends == ["closed"]
        assert await other.says(b"y") == b"y"


@pytest.mark.parametrize("way", Way)
async def test_delay_brings_everything_later_and_in_order(echo: tuple[Echo, Proxy], way: Way) -> None:
    _, proxy = echo
    loop = asyncio.get_running_loop()
    async with client(proxy) as one:
        assert await one.says(b"a") == b"a"
        proxy.delay(FAULT_S, [way])
        before = loop.time()
        one.writer.write(b"12")
        await one.writer.drain()
        assert await one.says(b"34") == b"12"
        assert FAULT_S <= loop.time() - before < 2 * FAULT_S
        await proxy.heal()
        assert await one.hears(2) == b"34"
        before = loop.time()
        assert await one.says(b"b") == b"b"
        assert loop.time() - before < FAULT_S


async def test_hold_brings_everything_in_order_once_the_network_is_healed(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    async with client(proxy) as one:
        assert await one.says(b"a") == b"a"
        proxy.hold([Way.ASKING])
        one.writer.write(b"12")
        assert await one.is_silent()
        one.writer.write(b"34")
        await eventually(lambda: holds(proxy, 4))
        assert server.heard == b"a"
        await proxy.heal()
        assert await one.says(b"5") == b"1"
        assert await one.hears(4) == b"2345"
        assert proxy.bytes_under_way == 0


async def holds(proxy: Proxy, count: int) -> bool:
    return proxy.bytes_under_way == count


async def test_dribble_brings_byte_after_byte_and_a_large_chunk_in_bounded_time(
    echo: tuple[Echo, Proxy],
) -> None:
    server, proxy = echo
    proxy.dribble(0.01, 0.2, [Way.ASKING])
    async with client(proxy) as one:
        loop = asyncio.get_running_loop()
        before = loop.time()
        one.writer.write(b"0123456789")
        assert await one.hears(3) == b"012"
        assert len(server.heard) < 10
        assert await one.hears(7) == b"3456789"
        assert loop.time() - before >= 0.09
        before = loop.time()
        assert await one.says(bytes(20_000)) == bytes(20_000)
        assert loop.time() - before < 1.0


async def test_cut_ends_what_is_open_and_refuses_what_comes(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    async with client(proxy) as one:
        assert await one.says(b"a") == b"a"
        proxy.cut()
        with pytest.raises(asyncio.IncompleteReadError):
            await one.hears(1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, proxy.port)
        await eventually(lambda: ended(server, ["closed"]))
    await proxy.heal()
    async with client(proxy) as one:
        assert await one.says(b"b") == b"b"


async def test_reset_is_a_reset_at_both_ends(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    async with client(proxy) as one, client(proxy) as other:
        assert await one.says(b"a") == b"a"
        assert await other.says(b"b") == b"b"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await one.hears(1)
        await eventually(lambda: ended(server, ["reset", "reset"]))
    async with client(proxy) as one:
        assert await one.says(b"c") == b"c"


async def test_half_open_accepts_swallows_and_stays_dead_when_healed(echo: tuple[Echo, Proxy]) -> None:
    server, proxy = echo
    async with client(proxy) as one, client(proxy) as untouched, client(proxy) as gone:
        for each in (one, untouched, gone):
            assert await each.says(b"a") == b"a"
        proxy.swallow()
        async with client(proxy) as new:
            for each in (one, new):
                each.writer.write(b"lost")
                assert await each.is_silent()
            gone.writer.close()
            assert await new.is_silent()
            assert (server.heard, server.ends) == (b"aaa", [])
            await proxy.heal()
            await eventually(lambda: ended(server, ["reset"]))  # the one whose client has gone
            assert await new.is_silent()
            assert await untouched.says(b"b") == b"b"
            one.writer.write(b"c")
            with pytest.raises(ConnectionResetError):
                await one.hears(1)
    assert server.heard == b"aaab"


@pytest.mark.parametrize("way", Way)
async def test_one_direction_may_be_dead_alone(echo: tuple[Echo, Proxy], way: Way) -> None:
    server, proxy = echo
    async with client(proxy) as one:
        assert await one.says(b"a") == b"a"
        proxy.swallow([way])
        one.writer.write(b"b")
        assert await one.is_silent()
        assert server.heard == (b"a" if way is Way.ASKING else b"ab")
        await proxy.heal()
        one.writer.write(b"c")
        with pytest.raises(ConnectionResetError):
            await one.hears(1)


async def test_where_nobody_listens_behind_it_a_connection_is_reset() -> None:
    server = await asyncio.start_server(Echo().serve, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with Proxy(port) as proxy, client(proxy) as one:
        with pytest.raises(ConnectionResetError):
            await one.hears(1)


async def ended(server: Echo, ends: list[str]) -> bool:
    return server.ends == ends
