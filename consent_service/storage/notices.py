"""What is told on the notices topic: rows of stream_notices, each with its pointer in the outbox (R19, R28)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from consent_service.domain.changes import IdentifierChanged, Notice, RecipientLate, RenewalDue
from consent_service.storage.database import Connection


class NoticeKind(StrEnum):
    RENEWAL_DUE = "renewal_due"
    IDENTIFIER_LINKED = "identifier_linked"
    IDENTIFIER_REMOVED = "identifier_removed"
    RECIPIENT_LATE = "recipient_late"


class NewNotice(msgspec.Struct, frozen=True):
    """A notice to give, and the shard of its subject."""

    notice: Notice
    shard: int


class _Renewal(msgspec.Struct):
    version: int
    until: datetime


class _Identifier(msgspec.Struct):
    identifier_id: UUID
    type: str


class _Late(msgspec.Struct):
    record_id: UUID
    recipient: str
    owed_since: datetime
    due_at: datetime


# In one order, so that two that give the same notices wait for each other instead of meeting in a deadlock.
_GIVE = """
    with given as (
        select notice_id, controller, subject_id, shard, kind, purpose, noticed_at, content
        from unnest($1::uuid[], $2::text[], $3::uuid[], $4::smallint[], $5::text[], $6::text[], $7::timestamptz[],
                    $8::jsonb[])
            as new (notice_id, controller, subject_id, shard, kind, purpose, noticed_at, content)
        order by subject_id, notice_id
    ), told as (
        insert into stream_notices (notice_id, controller, subject_id, kind, purpose, noticed_at, content)
        select notice_id, controller, subject_id, kind, purpose, noticed_at, content
        from given
        on conflict (controller, subject_id, notice_id) do nothing
        returning number, controller, subject_id, notice_id, purpose
    ), staged as (
        insert into outbox (kind, controller, subject_id, purpose, sequence, shard)
        select 'notice', told.controller, told.subject_id, told.purpose, told.number, given.shard
        from told
        join given
            on given.controller = told.controller
           and given.subject_id = told.subject_id
           and given.notice_id = told.notice_id
        order by told.number
    )
    select count(*) from told
"""

_READ = """
    select controllers.topic_prefix, stream_notices.number, stream_notices.kind, stream_notices.notice_id,
           stream_notices.controller, stream_notices.subject_id, stream_notices.purpose, stream_notices.noticed_at,
           stream_notices.content
    from unnest($1::text[], $2::uuid[], $3::bigint[]) as wanted (controller, subject_id, number)
    join stream_notices
        on stream_notices.controller = wanted.controller
       and stream_notices.subject_id = wanted.subject_id
       and stream_notices.number = wanted.number
    join controllers
        on controllers.controller = wanted.controller
"""


async def give_notices(connection: Connection, given: Sequence[NewNotice]) -> int:
    """Stage notices in their order for each subject; those given before are left out. Returns how many were new."""
    notices = [one.notice for one in given]
    told: int = await connection.fetchval(
        _GIVE,
        [one.notice_id for one in notices],
        [one.controller for one in notices],
        [one.subject_id for one in notices],
        [one.shard for one in given],
        [_kind(one) for one in notices],
        [None if isinstance(one, IdentifierChanged) else one.purpose for one in notices],
        [one.noticed_at for one in notices],
        [_content(one) for one in notices],
    )
    return told


async def read_notices(
    connection: Connection, numbers: Sequence[tuple[str, UUID, int]]
) -> list[tuple[int, str, Any]]:
    """(number, topic prefix, row for `notice_from`) of these (controller, subject, number) that are there."""
    rows = await connection.fetch(
        _READ, [one[0] for one in numbers], [one[1] for one in numbers], [one[2] for one in numbers]
    )
    return [(row["number"], row["topic_prefix"], row) for row in rows]


def notice_from(row: Any) -> Notice:
    """Raises ValueError, or msgspec's ValidationError, for what a newer release wrote."""
    kind = NoticeKind(row["kind"])
    if kind is NoticeKind.RENEWAL_DUE:
        renewal = msgspec.json.decode(row["content"], type=_Renewal)
        return RenewalDue(
            notice_id=row["notice_id"],
            controller=row["controller"],
            subject_id=row["subject_id"],
            purpose=row["purpose"],
            version=renewal.version,
            until=renewal.until,
            noticed_at=row["noticed_at"],
        )
    if kind is NoticeKind.RECIPIENT_LATE:
        late = msgspec.json.decode(row["content"], type=_Late)
        return RecipientLate(
            notice_id=row["notice_id"],
            controller=row["controller"],
            subject_id=row["subject_id"],
            purpose=row["purpose"],
            record_id=late.record_id,
            recipient=late.recipient,
            owed_since=late.owed_since,
            due_at=late.due_at,
            noticed_at=row["noticed_at"],
        )
    identifier = msgspec.json.decode(row["content"], type=_Identifier)
    return IdentifierChanged(
        notice_id=row["notice_id"],
        controller=row["controller"],
        subject_id=row["subject_id"],
        identifier_id=identifier.identifier_id,
        type=identifier.type,
        linked=kind is NoticeKind.IDENTIFIER_LINKED,
        noticed_at=row["noticed_at"],
    )


def _kind(notice: Notice) -> NoticeKind:
    if isinstance(notice, RenewalDue):
        return NoticeKind.RENEWAL_DUE
    if isinstance(notice, RecipientLate):
        return NoticeKind.RECIPIENT_LATE
    return NoticeKind.IDENTIFIER_LINKED if notice.linked else NoticeKind.IDENTIFIER_REMOVED


def _content(notice: Notice) -> _Renewal | _Identifier | _Late:
    if isinstance(notice, RenewalDue):
        return _Renewal(notice.version, notice.until)
    if isinstance(notice, RecipientLate):
        return _Late(notice.record_id, notice.recipient, notice.owed_since, notice.due_at)
    return _Identifier(notice.identifier_id, notice.type)
