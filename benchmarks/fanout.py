"""The ceiling of `/v1/changes`: a server that writes the same blocks to everybody, and does nothing else.

Who sends a line with a number gets so many blocks, and so does everybody; a block is as long as a change.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop

BLOCK = b"event: change\ndata: " + b"x" * 700 + b"\n\n"


async def main() -> None:
    writers: set[asyncio.StreamWriter] = set()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        writer.write(b": hello\n\n")
        while line := await reader.readline():
            if line.strip().isdigit():
                for _ in range(int(line)):
                    for one in writers:
                        one.write(BLOCK)
                    await asyncio.sleep(0)
        writers.discard(writer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"serving url=http://127.0.0.1:{port}", file=sys.stderr, flush=True)
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(main())
