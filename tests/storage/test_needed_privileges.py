"""Every privilege is needed: some statement of its role fails without it (R22)."""

from __future__ import annotations

import re

import asyncpg

from tests.databases import TestDatabase
from tests.http.tables import rows
from tests.storage.privileges import pairs
from tests.storage.statements import statements

WORDS = {"s": "select", "i": "insert", "u": "update", "d": "delete"}
ROLES = ("consent_service", "consent_relay", "consent_sweeper", "consent_keeper", "consent_auditor")
#: Role, table, privilege | why it is granted although nothing uses it.
SPARE = """
consent_service suppressions select    | suppression (R13)
consent_service suppressions insert    | suppression (R13)
consent_service suppressions delete    | suppression (R13)
consent_service subject_keys delete    | erasure is one delete here (CORE 18)
consent_service record_details delete  | erasure (CORE 19)
consent_sweeper record_details select  | retention (CORE 19)
consent_sweeper record_details delete  | retention (CORE 19)
consent_sweeper audit insert           | retention tells what it removed (CORE 18)
"""


async def is_needed(superuser: asyncpg.Connection, role: str, table: str, privilege: str) -> bool:
    """Whether a statement that the role runs is refused once the privilege is gone. Rolled back."""
    texts = [text for _, _, of, text in statements() if of == role and re.search(rf"\b{table}\b", text)]
    transaction = superuser.transaction()
    await transaction.start()
    try:
        await superuser.execute(f"revoke {privilege} on {table} from {role}; set local role {role}")
        for text in texts:
            savepoint = superuser.transaction()
            await savepoint.start()
            try:
                await superuser.execute(f"explain (generic_plan) {text}")
            except asyncpg.InsufficientPrivilegeError:
                return True
            finally:
                await savepoint.rollback()
    finally:
        await transaction.rollback()
    return False


async def test_R22_every_privilege_is_needed(filled: TestDatabase) -> None:
    superuser = await filled.connect()
    spare = {
        f"{role} {table} {privilege}"
        for letter, privilege in WORDS.items()
        for role, table in pairs(letter, *ROLES)
        if not await is_needed(superuser, role, table, privilege)
    }
    await superuser.close()

    assert spare == {granted for granted, _ in rows(SPARE, 2)}
