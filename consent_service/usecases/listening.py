"""Whose words are listened to on Kafka, and as which group (R28, R34)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from consent_service.storage.database import Database
from consent_service.storage.epochs import read_epoch
from consent_service.storage.history import read_prefixes
from consent_service.storage.relaying import read_ledger_id
from consent_service.storage.sweeping import read_controllers

GROUP = "consent-acknowledgements"


class Listening(msgspec.Struct, frozen=True):
    """The prefix of each controller's topics. The group is the ledger's own, and another after a restore from a
    backup: what was said since the backup is heard again.
    """

    group: str
    prefixes: Mapping[str, str]


async def read_listening(database: Database) -> Listening:
    """As it stands now. Raises Overloaded, Unavailable."""
    async with database.session() as connection:
        controllers = await read_controllers(connection)
        group = f"{GROUP}.{await read_ledger_id(connection)}.{await read_epoch(connection)}"
    async with database.transaction(controllers, read_only=True) as connection:
        return Listening(group, await read_prefixes(connection))
