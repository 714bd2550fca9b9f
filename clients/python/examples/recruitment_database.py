"""A recruitment database that deletes a candidate who says no.

    KAFKA=127.0.0.1:9092 CONSENT_URL=http://127.0.0.1:8000 CONSENT_TOKEN=... MAPPING_KEY=<64 hex digits> \\
    python recruitment_database.py candidates.db

The token needs the scope identifiers:read. The file has a table `candidates (id, email, ...)`.
"""

import asyncio
import logging
import os
import sqlite3
import sys
from collections.abc import Sequence

from consent_client import ConsentClient
from consent_client.http.answers import Identifier
from consent_client.model import Change
from consent_client.recipient import MappingKey, Recipient
from consent_client.words import Outcome

NEEDED = ("KAFKA", "CONSENT_URL", "CONSENT_TOKEN", "MAPPING_KEY")


class RecruitmentDatabase(Recipient):
    slug = "recruitee"
    purposes = ("rekruttering",)

    def __init__(self, file: str) -> None:
        self.candidates = sqlite3.connect(file, isolation_level=None)

    async def find(self, identifiers: Sequence[Identifier]) -> str | None:
        """The candidate with one of the person's addresses."""
        for identifier in identifiers:
            found = self.candidates.execute("select id from candidates where email = ?", [identifier.value])
            for (candidate,) in found:
                return str(candidate)
        return None

    async def start(self, change: Change) -> Outcome:
        candidate = await self.record_of(change.subject_id)
        return Outcome.NOT_HELD if candidate is None else Outcome.STARTED

    async def stop(self, change: Change) -> Outcome:
        candidate = await self.record_of(change.subject_id)
        if candidate is None:
            return Outcome.NOT_HELD
        self.candidates.execute("delete from candidates where id = ?", [candidate])
        await self.forget(change.subject_id)
        return Outcome.ERASED


async def main(file: str) -> None:
    async with ConsentClient(os.environ["CONSENT_URL"], os.environ["CONSENT_TOKEN"]) as client:
        await RecruitmentDatabase(file).run(
            kafka=os.environ["KAFKA"],
            controller="ansettr",
            prefix=os.environ.get("PREFIX", "consent"),
            store=f"{file}.recipient",
            client=client,
            mapping_keys=[MappingKey("k1", bytes.fromhex(os.environ["MAPPING_KEY"]))],
        )


if __name__ == "__main__":
    if len(sys.argv) != 2 or not all(
        os.environ.get(name) for name in ("KAFKA", "CONSENT_URL", "CONSENT_TOKEN", "MAPPING_KEY")
    ):
        sys.exit(__doc__)
    logging.basicConfig(level=logging.INFO)
    # That Kafka is away consent_client says once; aiokafka would say it several times a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(main(sys.argv[1]))
