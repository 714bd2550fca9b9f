"""A recipient as a process of its own: `python -m tests.clients.recipient.member BOOTSTRAP PREFIX STORE JOURNAL MEMBER [LINE]`.

Each call of a handler is a line of the journal before it returns. With LINE the process kills itself at so many lines
of the recipient's own code, counted from its first handler's call.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import consent_client.recipient
from consent_client.model import Change
from consent_client.recipient import Recipient

from tests.clients.recipient.systems import QUICK

FOLDER = str(Path(consent_client.recipient.__file__).parent)


class Fuse:
    """Burns with every line once it is lit."""

    def __init__(self, lines: int) -> None:
        self._left = lines
        self._lit = False

    def light(self) -> None:
        self._lit = True

    def entered(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        return self.passed if frame.f_code.co_filename.startswith(FOLDER) else None

    def passed(self, _frame: FrameType, event: str, _argument: Any) -> Any:
        if self._lit and event == "line":
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.passed


class Journaling(Recipient):
    """`before` is called with each change that it has noted."""

    slug = "system"
    purposes = ("nyhetsbrev",)

    def __init__(self, journal: Path, fuse: Fuse) -> None:
        self._file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._fuse = fuse

    async def start(self, change: Change) -> None:
        self._note(change)

    async def stop(self, change: Change) -> None:
        self._note(change)

    def _note(self, change: Change) -> None:
        os.write(self._file, f"{change.subject_id} {change.sequence}\n".encode())
        self._fuse.light()


async def main(bootstrap: str, prefix: str, store: str, journal: str, member: str, line: str = "0") -> None:
    fuse = Fuse(int(line))
    if int(line):
        threading.settrace(fuse.entered)
        sys.settrace(fuse.entered)
    recipient = Journaling(Path(journal), fuse)
    logging.getLogger("member").info("begun")
    await recipient.run(
        kafka=bootstrap,
        controller="ansettr",
        store=store,
        prefix=prefix,
        member=member,
        limits=QUICK,
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    asyncio.run(main(*sys.argv[1:]))
