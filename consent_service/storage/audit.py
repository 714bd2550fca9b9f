"""The audit trail: who did what to whom, and why, beside the ledger (R22). Rows are never changed or removed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from consent_service.domain.audit import AuditAction
from consent_service.storage.database import Connection


class AuditEntry(msgspec.Struct, frozen=True):
    """`details` holds ids, types and counts, never an identifier's value. `reason` is in the words of the actor."""

    audit_id: UUID
    controller: str
    at: datetime
    actor: str
    action: AuditAction
    subject_id: UUID | None = None
    details: dict[str, Any] = {}
    reason: str | None = None


_INSERT = """
    insert into audit (audit_id, controller, at, actor, action, subject_id, details, reason)
    select audit_id, controller, at, actor, action, subject_id, details, reason
    from unnest(
        $1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::uuid[], $7::jsonb[], $8::text[])
        as new (audit_id, controller, at, actor, action, subject_id, details, reason)
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
        [one.reason for one in entries],
    )


_DETAILS = """
    select details
    from audit
    where controller = $1
      and audit_id = $2
      and actor = $3
      and action = $4
      and at > $5
"""


async def read_details(
    connection: Connection,
    controller: str,
    audit_id: UUID,
    *,
    actor: str,
    action: AuditAction,
    since: datetime,
) -> dict[str, Any] | None:
    """What the trail tells of this actor's act under that id; None where it was not after `since`, or never."""
    details = await connection.fetchval(_DETAILS, controller, audit_id, actor, action, since)
    return None if details is None else msgspec.json.decode(details, type=dict[str, Any])


class ToldEntry(msgspec.Struct, frozen=True):
    """An entry as it is read: `action` may be one that an earlier or later release knows; `details` is JSON."""

    audit_id: UUID
    controller: str
    at: datetime
    actor: str
    action: str
    subject_id: UUID | None
    details: msgspec.Raw
    reason: str | None


# Ids begin with the time, so a page behind an id is read by the key alone.
_PAGE = """
    select audit_id, controller, at, actor, action, subject_id, details, reason
    from audit
    where controller = $1
      and audit_id > $2
      and at >= $3
      and ($4::text[] is null or action = any($4))
    order by audit_id
    limit $5
"""

_PAGE_OF_SUBJECT = """
    select audit_id, controller, at, actor, action, subject_id, details, reason
    from audit
    where controller = $1
      and audit_id > $2
      and at >= $3
      and ($4::text[] is null or action = any($4))
      and subject_id = $6
    order by audit_id
    limit $5
"""


async def read_entries(
    connection: Connection,
    controller: str,
    *,
    after: UUID,
    since: datetime,
    actions: Collection[AuditAction] | None,
    subject_id: UUID | None,
    rows_max: int,
) -> list[ToldEntry]:
    """A page of the trail behind that id, in the order of time, as role consent_auditor; null means any."""
    wanted = (controller, after, since, None if actions is None else list(actions), rows_max)
    if subject_id is None:
        rows = await connection.fetch(_PAGE, *wanted)
    else:
        rows = await connection.fetch(_PAGE_OF_SUBJECT, *wanted, subject_id)
    return [
        ToldEntry(row[0], row[1], row[2], row[3], row[4], row[5], msgspec.Raw(row[6]), row[7]) for row in rows
    ]
