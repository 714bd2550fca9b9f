"""From a call over HTTP to a consumer on Kafka: everything arrives, in order, and equals the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from consent_service.events.wire.consume import ReceivedChange, read_change
from consent_service.events.wire.heartbeats import is_heartbeat
from tests.endtoend.conftest import Stage
from tests.events.streams import consumer, topic_partitions
from tests.processes import grant

ARRIVES_S = 50.0


def somebody(name: str) -> dict[str, str]:
    return {"type": "email", "value": f"{name}@example.no"}


@asynccontextmanager
async def following(stage: Stage) -> AsyncIterator[AsyncIterator[ReceivedChange]]:
    """The changes that are published from now on."""
    async with consumer(stage.bootstrap) as reader:
        partitions = await topic_partitions(reader, stage.changes)
        reader.assign(partitions)
        await reader.seek_to_end()
        for partition in partitions:
            await reader.position(partition)

        async def changes() -> AsyncIterator[ReceivedChange]:
            async for message in reader:
                if not is_heartbeat(message):
                    yield read_change(message)

        yield changes()


async def take(changes: AsyncIterator[ReceivedChange], count: int, subject_id: str) -> list[ReceivedChange]:
    """The next changes of one subject."""
    taken: list[ReceivedChange] = []
    async with asyncio.timeout(ARRIVES_S):
        async for received in changes:
            if str(received.change.subject_id) == subject_id:
                taken.append(received)
            if len(taken) == count:
                break
    return taken


def as_the_ledger_says(received: ReceivedChange) -> dict[str, Any]:
    """A change in the words of the interface."""
    change = received.change
    assert change.command is not None
    assert change.status is not None
    assert change.reason is not None
    return {
        "record_id": received.event_id,
        "purpose": change.purpose,
        "sequence": change.sequence,
        "command": change.command.value,
        "status": change.status.value,
        "version": change.version,
        "allowed": change.allowed,
        "reason": change.reason.value,
        "recorded_at": change.recorded_at.isoformat().replace("+00:00", "Z"),
    }


def as_told(record: dict[str, Any]) -> dict[str, Any]:
    permission = record["permission"]
    names = ("record_id", "purpose", "sequence", "command", "status", "version", "recorded_at")
    return {name: record[name] for name in names} | {
        "allowed": permission["allowed"],
        "reason": permission["reason"],
    }


async def test_a_grant_and_a_withdrawal_arrive_in_order_and_equal_the_ledger(stage: Stage) -> None:
    async with (
        stage.service.client() as client,
        following(stage) as changes,
    ):
        made = await grant(client, somebody("kari"), "nettstedanalyse-matomo")
        subject_id = made["subject_id"]
        answer = await client.post(
            f"/v1/subjects/{subject_id}/consents/nettstedanalyse-matomo/withdraw", json={}
        )
        assert answer.status_code == 201

        arrived = await take(changes, 2, subject_id)
        ledger = (await client.get(f"/v1/subjects/{subject_id}/records")).json()["items"]

    assert [as_the_ledger_says(one) for one in arrived] == [as_told(record) for record in ledger]
    assert [one.change.allowed for one in arrived] == [True, False]


async def test_the_outbox_is_empty_when_everything_was_published(stage: Stage) -> None:
    async with (
        stage.service.client() as client,
        following(stage) as changes,
    ):
        made = await grant(client, somebody("ola"), "rekruttering")
        await take(changes, 1, made["subject_id"])

    connection = await stage.database.connect()
    async with asyncio.timeout(ARRIVES_S):
        # The relay deletes a moment after the consumer has the event, and tells nobody: look again.
        while await connection.fetchval("select count(*) from outbox"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await connection.close()


async def test_the_trace_goes_through_to_the_event(stage: Stage) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with (
        stage.service.client() as client,
        following(stage) as changes,
    ):
        client.headers["traceparent"] = traceparent
        made = await grant(client, somebody("trace"), "rekruttering")
        (arrived,) = await take(changes, 1, made["subject_id"])

    assert arrived.traceparent is not None
    assert arrived.traceparent.split("-")[1] == traceparent.split("-")[1]


async def test_two_controllers_with_the_same_person_and_purpose_never_see_each_other(stage: Stage) -> None:
    """R22: coness and backerskeie both have `markedsforing-og-nyhetsbrev`."""
    purpose = "markedsforing-og-nyhetsbrev"
    async with stage.service.client("coness") as coness, stage.service.client("backerskeie") as backerskeie:
        ours = await grant(coness, somebody("same"), purpose)
        theirs = await grant(backerskeie, somebody("same"), purpose)
        subject_id, record_id = ours["subject_id"], ours["records"][0]["record"]["record_id"]
        paths = (
            f"/v1/subjects/{subject_id}",
            f"/v1/subjects/{subject_id}/permissions/{purpose}",
            f"/v1/subjects/{subject_id}/records",
            f"/v1/subjects/{subject_id}/identifiers",
            f"/v1/records/{record_id}",
        )

        assert ours["subject_id"] != theirs["subject_id"]
        assert [(await coness.get(path)).status_code for path in paths] == [200] * len(paths)
        assert [(await backerskeie.get(path)).status_code for path in paths] == [404] * len(paths)
        withdrawn = await backerskeie.post(f"/v1/subjects/{subject_id}/consents/{purpose}/withdraw", json={})
        assert withdrawn.status_code == 404
        standing = (await coness.get(f"/v1/subjects/{subject_id}/permissions/{purpose}")).json()
        assert standing["allowed"] is True
