"""The base on which a downstream system is written: start, stop, acknowledge (R34).

class RecruitmentDatabase(Recipient):
    slug = "recruitee"
    purposes = ("rekruttering",)

    async def stop(self, change):
        await delete_candidate(await self.record_of(change.subject_id))

asyncio.run(RecruitmentDatabase().run(kafka="127.0.0.1:9092", controller="ansettr", store="recipient.db"))
"""

from consent_client.recipient.answers import Accepted
from consent_client.recipient.counters import Counters
from consent_client.recipient.mapping import MappingKey, MappingUnreadable
from consent_client.recipient.memory import MemoryStore
from consent_client.recipient.postgres import PostgresStore
from consent_client.recipient.recipient import Recipient
from consent_client.recipient.settings import Begin, Limits
from consent_client.recipient.sqlite import SqliteStore
from consent_client.recipient.store import Store

__all__ = [
    "Accepted",
    "Begin",
    "Counters",
    "Limits",
    "MappingKey",
    "MappingUnreadable",
    "MemoryStore",
    "PostgresStore",
    "Recipient",
    "SqliteStore",
    "Store",
]
