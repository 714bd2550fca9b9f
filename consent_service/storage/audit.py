"""The audit trail: who did what to whom, beside the ledger (R22). Rows are never changed or removed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from consent_service.storage.database import Connection


class AuditEntry(msgspec.Struct, frozen=True):
    """`details` holds ids, types and counts, never an identifier's value."""

    audit_id: UUID
    controller: str
    at: datetime
    actor: str
    action: str
    subject_id: UUID | None = None
    details: dict[str, Any] = {}


_INSERT = """
    insert into audit (audit_id, controller, at, actor, action, subject_id, details)
    select audit_id, controller, at, actor, action, subject_id, details
    from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::uuid[], $7::jsonb[])
        as new (audit_id, controller, at, actor, action, subject_id, details)
"""


async def insert_entries(connection: Connection, entries: Sequence[AuditEntry]) -> None:
    await connection.execute(
        _INSERT,
        [one.audit_id for one in entries],
        [one.controller for one in entries],
        [one.at for one in entries],
        [one.actor for one in entries],
        [one.action for one in entries],
        [one.subject_id for one in entries],
        [one.details for one in entries],
    )
