"""A network that can be spoiled: a TCP proxy before one port of this machine, whose faults come and go at run time.

A healthy proxy passes on bytes and ends of connections. What a fault swallows is gone: as with a firewall that forgot
its connections, such a connection is dead from then on, and whoever sends on it after the network is healed gets a RST.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Collection, Mapping
from enum import Enum
from types import TracebackType
from typing import Self, TypeAlias

import msgspec

from consent_service.embedded.ports import HOST, free_port

CHUNK_BYTES = 65_536
#: So many chunks are under way at most in each direction of a connection.
CHUNKS_MAX = 256
#: Closing sends a RST instead of what is still to be sent.
LINGER_NOT = struct.pack("ii", 1, 0)


class Way(Enum):
    """A direction: from the client, or to it."""

    ASKING = "asking"
    ANSWERING = "answering"


BOTH = frozenset(Way)
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Fault(msgspec.Struct, frozen=True):
    """What happens to the bytes of one direction.

    Each chunk comes `delay_s` late. With `pieces` it is cut into so many parts at most, down to single bytes, `pause_s`
    apart. With `released` it waits for that. `swallow`: nothing comes, neither bytes nor ends.
    """

    delay_s: float = 0.0
    pieces: int = 1
    pause_s: float = 0.0
    released: asyncio.Event | None = None
    swallow: bool = False


HEALTHY = Fault()
#: When it is due, what happens to it, and the bytes: none at the end.
Chunks: TypeAlias = asyncio.Queue[tuple[float, Fault, bytes]]


class Proxy:
    """Before `target_port`, at a port of its own that stays the same: `async with Proxy(server.port) as proxy`."""

    def __init__(self, target_port: int, *, port: int | None = None) -> None:
        self.target_port = target_port
        self.port = port or free_port()
        self._faults = dict.fromkeys(Way, HEALTHY)
        self._released = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """How many are open, dead ones among them."""
        return len(self._connections)

    @property
    def bytes_under_way(self) -> int:
        """What was taken from a client and has not gone on to the server yet."""
        return sum(connection.bytes_under_way for connection in self._connections)

    async def heal(self) -> None:
        """A good network from now on; dead connections stay dead, what was held goes on."""
        self._spoil(HEALTHY, BOTH)
        self._released.set()
        for connection in set(self._connections):
            connection.tell_of_the_end()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, HOST, self.port)

    def delay(self, seconds: float, ways: Collection[Way] = BOTH) -> None:
        """Everything comes so much later, in order."""
        self._spoil(Fault(delay_s=seconds), ways)

    def hold(self, ways: Collection[Way] = BOTH) -> None:
        """Nothing comes before the network is healed; then all of it does, in order."""
        self._released = asyncio.Event()
        self._spoil(Fault(released=self._released), ways)

    def dribble(self, pause_s: float, chunk_s_max: float, ways: Collection[Way] = BOTH) -> None:
        """Byte by byte, so far apart; in larger parts where a chunk would take longer than `chunk_s_max`."""
        self._spoil(Fault(pieces=max(1, int(chunk_s_max / pause_s)), pause_s=pause_s), ways)

    def swallow(self, ways: Collection[Way] = BOTH) -> None:
        """Half open: connections stand and new ones are accepted, and what goes these ways never arrives."""
        self._spoil(Fault(swallow=True), ways)

    def cut(self) -> None:
        """Nobody listens any more; open connections end in order."""
        self._close_door()
        for connection in set(self._connections):
            connection.end(reset=False)

    def reset(self) -> None:
        """Open connections end with a RST; new ones are taken."""
        for connection in set(self._connections):
            connection.end(reset=True)

    async def __aenter__(self) -> Self:
        await self.heal()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_door()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spoil(self, fault: Fault, ways: Collection[Way]) -> None:
        self._faults.update(dict.fromkeys(ways, fault))

    def _close_door(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            _end(writer, reset=True)
            return
        connection = _Connection(self._faults, (reader, writer), target)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)


class _Connection:
    """One connection of a client and the one behind it."""

    def __init__(self, faults: Mapping[Way, Fault], client: Streams, server: Streams) -> None:
        self._faults = faults
        self._ends = {
            Way.ASKING: (client[0], server[1]),
            Way.ANSWERING: (server[0], client[1]),
        }
        self._work: list[asyncio.Task[None]] = []
        self._dead = False
        self._end_swallowed = False
        self.bytes_under_way = 0

    async def run(self) -> None:
        """Until both sides have ended, or `end`."""
        for way, (reader, writer) in self._ends.items():
            under_way: Chunks = asyncio.Queue(CHUNKS_MAX)
            self._work.append(asyncio.create_task(self._take(way, reader, under_way)))
            self._work.append(asyncio.create_task(self._bring(way, under_way, writer)))
        try:
            done, _ = await asyncio.wait(self._work, return_when=asyncio.FIRST_EXCEPTION)
            broken = any(not task.cancelled() and task.exception() is not None for task in done)
            self.end(reset=broken)
        finally:
            self.end(reset=True)
            await asyncio.gather(*self._work, return_exceptions=True)

    def end(self, *, reset: bool) -> None:
        """With a RST to both sides, or in order; what is still under way is lost."""
        for task in self._work:
            task.cancel()
        for _, writer in self._ends.values():
            _end(writer, reset=reset)

    def tell_of_the_end(self) -> None:
        """Where one side has ended while that was swallowed, the other hears of it now."""
        if self._end_swallowed:
            self.end(reset=True)

    async def _take(self, way: Way, reader: asyncio.StreamReader, under_way: Chunks) -> None:
        """Raises ConnectionError where the connection broke, or was found to be dead."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                chunk = await reader.read(CHUNK_BYTES)
            except ConnectionError:
                if not self._faults[way].swallow:
                    raise
                chunk = b""
            fault = self._faults[way]
            if fault.swallow:
                self._dead = True
                self._end_swallowed |= not chunk
            elif self._dead and not any(one.swallow for one in self._faults.values()):
                raise ConnectionResetError("nobody knows this connection any more")
            else:
                self._count(way, len(chunk))
                await under_way.put((loop.time() + fault.delay_s, fault, chunk))
            if not chunk:
                return

    def _count(self, way: Way, count: int) -> None:
        if way is Way.ASKING:
            self.bytes_under_way += count

    async def _bring(self, way: Way, under_way: Chunks, writer: asyncio.StreamWriter) -> None:
        """Each chunk when it is due, in order, and then the end."""
        loop = asyncio.get_running_loop()
        while True:
            due, fault, chunk = await under_way.get()
            if fault.released is not None:
                await fault.released.wait()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not chunk:
                writer.write_eof()
                return
            size = -(-len(chunk) // fault.pieces)
            for start in range(0, len(chunk), size):
                writer.write(chunk[start : start + size])
                await writer.drain()
                if fault.pause_s:
                    await asyncio.sleep(fault.pause_s)
            self._count(way, -len(chunk))


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """Nothing happens where it has ended."""
    if writer.transport.is_closing():
        return
    if reset:
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        writer.transport.abort()
    else:
        writer.close()
