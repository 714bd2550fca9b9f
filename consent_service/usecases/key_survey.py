"""How it stands with the keys: which rows are under which, and what follows for the settings (R19, CORE 13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from consent_service.storage.database import Database
from consent_service.storage.key_holders import KeyHolder, read_key_holders
from consent_service.storage.keyring import Keyring
from consent_service.storage.rotation import count_by_key, count_unfound
from consent_service.storage.sweeping import read_controllers

#: Tables, as storage/rotation.py names them: those whose rows name a look-up key, and those that name a sealing key.
HASHES, SUPPRESSIONS = LOOKUP_TABLES = ("identifier_hashes", "suppressions")
SUBJECT_KEYS, IDENTIFIERS = SEALED_TABLES = ("subject_keys", "identifiers")


class Survey(msgspec.Struct, frozen=True):
    """Which rows are under which key. `lookup_ids` and `sealing_ids` are the settings', those in use first.

    `unfound` identifiers are not found by the look-up key in use, and `lost` ones by none of the settings. `holders`
    are the processes that are alive.
    """

    lookup_ids: Sequence[str]
    sealing_ids: Sequence[str]
    rows: Mapping[tuple[str, str], int]
    unfound: int
    lost: int
    holders: Sequence[KeyHolder] = ()

    def under(self, tables: Sequence[str], key_id: str) -> int:
        return sum(self.rows.get((table, key_id), 0) for table in tables)

    def strangers(self, tables: Sequence[str]) -> list[str]:
        """Ids of keys that rows of these tables name and the settings do not."""
        known = self.lookup_ids if tables[0] in LOOKUP_TABLES else self.sealing_ids
        return sorted({key_id for table, key_id in self.rows if table in tables and key_id not in known})

    @property
    def due(self) -> int:
        """How much is yet to be rotated: rows to be sealed anew, and identifiers to be hashed."""
        in_use = self.sealing_ids[0]
        return self.unfound + sum(
            rows for (table, key_id), rows in self.rows.items() if table in SEALED_TABLES and key_id != in_use
        )

    @property
    def unopenable(self) -> int:
        """How many rows are sealed under keys that the settings do not name."""
        return sum(self.under(SEALED_TABLES, one) for one in self.strangers(SEALED_TABLES))

    @property
    def unaware(self) -> list[str]:
        """Processes that do not know both keys in use."""
        return unaware(self.holders, self.lookup_ids[0], self.sealing_ids[0])

    @property
    def behind(self) -> list[str]:
        """Processes that have another key in use, so that rows come under it still."""
        in_use = (self.lookup_ids[0], self.sealing_ids[0])
        return [one.holder for one in self.holders if (one.lookup_ids[0], one.sealing_ids[0]) != in_use]

    @property
    def removable(self) -> list[str]:
        """Ids of the settings' keys that nothing needs any more; none while a process has another in use."""
        if self.behind:
            return []
        lookup = [
            one for one in self.lookup_ids[1:] if not self.unfound and not self.under((SUPPRESSIONS,), one)
        ]
        return lookup + [one for one in self.sealing_ids[1:] if not self.under(SEALED_TABLES, one)]


def unaware(holders: Iterable[KeyHolder], lookup_id: str, sealing_id: str) -> list[str]:
    """Processes that do not know both keys: of what is brought under them they find and open nothing."""
    return [
        one.holder for one in holders if lookup_id not in one.lookup_ids or sealing_id not in one.sealing_ids
    ]


async def take_survey(database: Database, keyring: Keyring) -> Survey:
    """Of all controllers. Reads every row of four tables; the statements may take long."""
    async with database.session() as connection:
        controllers = await read_controllers(connection)
        holders = await read_key_holders(connection)
    ids = keyring.lookup_ids
    async with database.transaction(controllers, read_only=True) as connection:
        counted = await count_by_key(connection)
        unfound = await count_unfound(connection, ids[:1])
        lost = await count_unfound(connection, ids) if unfound else 0
    rows = {(table, key_id): number for table, key_id, number in counted}
    return Survey(ids, keyring.sealing_ids, rows, unfound, lost, holders)
