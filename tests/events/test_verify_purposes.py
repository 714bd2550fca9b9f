"""`events verify` on the topic of purposes, and on how topics are kept (R28, R31)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from consent_service.domain.changes import PurposePublished
from consent_service.events.checking.report import FaultKind, Report
from consent_service.events.wire.encode import encode, encode_no_purpose
from consent_service.events.wire.messages import Message
from consent_service.storage.history import read_latest_versions
from consent_service.storage.outbox import EventReader
from tests.builders import a_version
from tests.events.laid_out import send_to, verified
from tests.events.streams import Stream, opened


async def latest(stream: Stream) -> PurposePublished:
    async with opened(stream.database, "consent_relay") as pool, pool.session() as connection:
        [pointer] = await read_latest_versions(connection, ["ansettr"])
        event = (await EventReader().read(connection, [pointer]))[pointer].event
    assert isinstance(event, PurposePublished)
    return event


def kinds(report: Report) -> set[tuple[FaultKind, str | None]]:
    return {(fault.kind, fault.purpose) for fault in report.faults}


@pytest.fixture
async def told(stream: Stream) -> PurposePublished:
    """Version 2 of the newsletter, which nobody is to publish any more."""
    await stream.publish_version(a_version(2, legal_bases="legitimate_interests"))
    await stream.run("delete from outbox")
    return await latest(stream)


async def test_R28_what_is_on_the_topic_as_in_the_catalogue_is_no_fault(
    stream: Stream, told: PurposePublished
) -> None:
    first = msgspec.structs.replace(told, version=1, versions=told.versions[:1])
    again = msgspec.structs.replace(told, replayed=True)
    await send_to(stream, stream.purposes, [encode(event, stream.prefix) for event in (first, told, again)])

    report = await verified(stream)

    assert report.faults == []
    assert report.topics[stream.purposes].messages == 3


async def test_R28_what_waits_in_the_outbox_is_no_fault(stream: Stream) -> None:
    report = await verified(stream)

    assert (report.faults, report.waiting_purposes) == ([], 1)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"version": 1}, FaultKind.STALE_PURPOSE),
        ({"ledger_epoch": 0}, FaultKind.STALE_PURPOSE),
        ({"versions": ()}, FaultKind.DIFFERENT_PURPOSE),
        (None, FaultKind.MISSING_PURPOSE),
    ],
)
async def test_R31_a_purpose_that_is_not_told_as_it_is_in_the_catalogue_is_found(
    stream: Stream, told: PurposePublished, fields: dict[str, Any] | None, fault: FaultKind
) -> None:
    wrong = [] if fields is None else [encode(msgspec.structs.replace(told, **fields), stream.prefix)]
    await send_to(stream, stream.purposes, wrong)

    assert kinds(await verified(stream)) == {(fault, "nyhetsbrev")}


async def test_R31_a_purpose_that_nobody_published_is_found(stream: Stream, told: PurposePublished) -> None:
    invented = msgspec.structs.replace(told, purpose="oppdiktet")
    gone = encode_no_purpose("ansettr", "borte", stream.prefix)
    spoilt = encode(told, stream.prefix)
    spoilt = Message(spoilt.topic, b"ansettr/annet", b"\xff", spoilt.headers, 0)
    messages = [encode(told, stream.prefix), encode(invented, stream.prefix), gone, spoilt]
    await send_to(stream, stream.purposes, messages)

    assert kinds(await verified(stream)) == {
        (FaultKind.UNKNOWN_PURPOSE, "oppdiktet"),
        (FaultKind.UNREADABLE, None),
    }


async def test_R28_a_topic_that_others_made_so_that_it_forgets_is_said_by_relay_and_comparison(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    async with stream.relay():
        await stream.drained()
    assert "kept otherwise" not in caplog.text
    assert (await verified(stream)).faults == []
    await stream.set_topic(stream.state, {"cleanup.policy": "delete"})

    async with stream.relay("another"):
        await stream.publish_version(a_version(2, legal_bases="legitimate_interests"))
        await stream.drained()

    assert "kept otherwise than the contract says: cleanup.policy=delete" in caplog.text
    [fault] = (await verified(stream)).faults
    assert (fault.kind, fault.topic) == (FaultKind.KEPT_OTHERWISE, stream.state)
