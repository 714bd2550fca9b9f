"""`python -m consent_client.recipient`: look after what a recipient has parked, while it runs or not.

    parked  STORE CONTROLLER/RECIPIENT               whose events wait: subject, how many events, tries of the first
    retry   STORE CONTROLLER/RECIPIENT SUBJECT       try the first one at once
    release STORE CONTROLLER/RECIPIENT SUBJECT       drop the first one, unhandled, and go on with the next: do by
                                                     hand before what it asks for, since nobody does it afterwards

STORE is the path of the SQLite file or the postgresql:// URL that the recipient runs with.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from consent_client import clock
from consent_client.errors import Unavailable
from consent_client.recipient.opening import store_from
from consent_client.recipient.sqlite import SqliteStore
from consent_client.recipient.store import Store

_EVENTS_SHOWN = 1000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m consent_client.recipient", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("act", choices=("parked", "retry", "release"))
    parser.add_argument("store")
    parser.add_argument("owner", metavar="CONTROLLER/RECIPIENT")
    parser.add_argument("subject", nargs="?")
    arguments = parser.parse_args()
    if (arguments.subject is None) != (arguments.act == "parked"):
        parser.error("retry and release need a subject, parked takes none")
    store = store_from(arguments.store)
    if isinstance(store, SqliteStore) and not Path(arguments.store).is_file():
        print(f"there is no file {arguments.store}", file=sys.stderr)
        return 1
    try:
        return asyncio.run(_act(arguments.act, store, arguments.owner, arguments.subject))
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1


async def _act(act: str, store: Store, owner: str, subject: str) -> int:
    await store.open(owner)
    try:
        if act == "parked":
            subjects = await store.waiting(None)
            for waiting in subjects:
                events = await store.parked(waiting, _EVENTS_SHOWN)
                print(f"{waiting} events={len(events)} tries={events[0].tries}")
            if not subjects:
                print(f"nothing is parked of {owner}", file=sys.stderr)
            return 0
        if await store.hurry(subject, clock.now(), release=act == "release"):
            print("it goes on with the next" if act == "release" else "it is tried now", file=sys.stderr)
            return 0
        print("nothing is parked of this subject", file=sys.stderr)
        return 1
    finally:
        await store.close()


if __name__ == "__main__":
    sys.exit(main())
