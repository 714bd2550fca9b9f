"""Notices on the stream: what is staged is what a consumer reads (R19, R28)."""

from __future__ import annotations

import msgspec
import pytest

from consent_service.domain.changes import IdentifierChanged, Notice, RecipientLate, RenewalDue
from consent_service.domain.partitions import shard_of, subject_hash
from consent_service.events.wire.encode import encode
from consent_service.events.wire.messages import Header, NotUnderstood
from consent_service.events.wire.notices import read_notice
from consent_service.storage.notices import NewNotice, give_notices
from consent_service.storage.outbox import EventReader, Kind, read_pointers
from tests.builders import an_id, day
from tests.events.streams import Stream, opened, subject

RENEWAL = RenewalDue(
    notice_id=an_id(7),
    controller="ansettr",
    subject_id=subject(1),
    purpose="nyhetsbrev",
    version=2,
    until=day(30),
    noticed_at=day(0.25),
)
LINKED = IdentifierChanged(
    notice_id=an_id(8),
    controller="ansettr",
    subject_id=subject(1),
    identifier_id=an_id(9),
    type="external:crm",
    linked=True,
    noticed_at=day(1),
)
REMOVED = msgspec.structs.replace(LINKED, notice_id=an_id(10), linked=False)
LATE = RecipientLate(
    notice_id=an_id(11),
    controller="ansettr",
    subject_id=subject(1),
    purpose="nyhetsbrev",
    record_id=an_id(12),
    recipient="brevo",
    owed_since=day(1),
    due_at=day(1.5),
    noticed_at=day(2),
)
every_notice = pytest.mark.parametrize(
    "notice", [RENEWAL, LINKED, REMOVED, LATE], ids=lambda one: str(one.notice_id)[-2:]
)


class Sent(msgspec.Struct):
    """A message as a consumer gets it."""

    key: bytes
    value: bytes
    headers: tuple[Header, ...]


def sent(notice: Notice) -> Sent:
    message = encode(notice, "consent")
    return Sent(message.key, message.value or b"", message.headers)


@every_notice
def test_a_notice_is_read_as_it_was_written(notice: Notice) -> None:
    message = encode(notice, "consent")

    assert message.topic == "consent.notices.v1"
    assert message.hashed == subject_hash(notice.subject_id)
    assert read_notice(sent(notice)) == notice


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_type", "consent.changed.v1"),
        ("ce_type", "consent.identifier_removed.v1"),
        ("ce_type", "consent.renewal_due.v1"),
        ("ce_id", "another"),
        ("ce_source", "urn:consent-service:coness"),
        ("content-type", "application/json"),
    ],
)
def test_what_does_not_fit_its_envelope_is_not_understood(name: str, value: str) -> None:
    message = sent(LINKED)
    message.headers = tuple((key, value.encode() if key == name else old) for key, old in message.headers)

    with pytest.raises(NotUnderstood):
        read_notice(message)


@pytest.mark.parametrize(("field", "value"), [("key", b"another"), ("value", b"\xff"), ("value", b"")])
def test_what_is_no_notice_is_not_understood(field: str, value: bytes) -> None:
    message = sent(RENEWAL)
    setattr(message, field, value)

    with pytest.raises(NotUnderstood):
        read_notice(message)


async def test_R28_a_notice_is_given_once_and_read_back_by_its_pointer(stream: Stream) -> None:
    given = [
        NewNotice(notice, shard_of(subject_hash(notice.subject_id)))
        for notice in (RENEWAL, LINKED, REMOVED, LATE)
    ]
    async with stream.written() as connection:
        first = await give_notices(connection, given)
    async with stream.written() as connection:
        again = await give_notices(connection, given)
    async with opened(stream.database, "consent_relay") as pool, pool.session() as connection:
        pointers = [one for one in await read_pointers(connection, range(64), 100) if one.kind is Kind.NOTICE]
        located = await EventReader().read(connection, pointers)

    assert (first, again) == (4, 0)
    assert [located[pointer].event for pointer in pointers] == [RENEWAL, LINKED, REMOVED, LATE]
    assert {found.topic_prefix for found in located.values()} == {stream.prefix}


async def test_a_notice_of_a_later_release_is_left_out_and_stops_no_other(stream: Stream) -> None:
    given = [NewNotice(notice, shard_of(subject_hash(notice.subject_id))) for notice in (RENEWAL, LINKED)]
    async with stream.written() as connection:
        await give_notices(connection, given)
    await stream.run("update stream_notices set content = '{}' where kind = 'renewal_due'")
    async with opened(stream.database, "consent_relay") as pool, pool.session() as connection:
        pointers = [one for one in await read_pointers(connection, range(64), 100) if one.kind is Kind.NOTICE]
        located = await EventReader().read(connection, pointers)

    assert [found.event for found in located.values()] == [LINKED]
    assert len(pointers) == 2
