"""`ledger new-epoch`: after a restore from a backup, nothing on Kafka says yes that the ledger does not (R31)."""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from consent_service.cli.ledger import add_parser
from consent_service.domain.catalogue import ControllerEntry
from consent_service.domain.changes import ConsentChange, ConsentState
from consent_service.domain.values import Reason, Status
from consent_service.embedded import PostgresServer
from consent_service.events.checking.new_epoch import BegunMeanwhile, Why, begin, survey
from consent_service.events.wire.consume import read_change, read_state
from consent_service.settings import Secret, Settings, SettingsError
from consent_service.storage.catalogue import add_controller
from tests.builders import a_version, day
from tests.databases import TestDatabase, drop
from tests.events.laid_out import verified
from tests.events.streams import Stream, a_record, eventually, opened, replaced, subject

FILLED = "select count(*) = 16 from filled_topics where ledger_epoch = $1 and topic = any ($2)"


@pytest.fixture
async def backups(postgres: PostgresServer) -> AsyncIterator[list[TestDatabase]]:
    """What was made here is dropped in the end."""
    made: list[TestDatabase] = []
    yield made
    for database in made:
        await drop(postgres, database)


class Backup:
    """The stream's database as it is now, kept aside; `restored` is that one under the same topics."""

    def __init__(self, stream: Stream, made: list[TestDatabase], server: PostgresServer) -> None:
        self._stream = stream
        self._made = made
        self._server = server

    async def take(self) -> Stream:
        copy = TestDatabase(self._server, f"{self._stream.database.name}_{len(self._made)}")
        connection = await TestDatabase(self._server, "postgres").connect()
        await connection.execute(
            f"create database {copy.name} template {self._stream.database.name} owner consent_owner"
        )
        await connection.close()
        self._made.append(copy)
        restored = Stream(copy, self._stream.bootstrap)
        restored.prefix = self._stream.prefix
        restored.changes, restored.state, restored.purposes = (
            self._stream.changes,
            self._stream.state,
            self._stream.purposes,
        )
        return restored


@pytest.fixture
def backup(stream: Stream, backups: list[TestDatabase], postgres: PostgresServer) -> Backup:
    return Backup(stream, backups, postgres)


def settings(stream: Stream, **others: Any) -> Settings:
    return Settings(
        **{
            "database_url": Secret("postgresql://nowhere"),
            "owner_database_url": Secret(stream.database.url("consent_owner")),
            "kafka_bootstrap": stream.bootstrap,
            **others,
        }
    )


async def new_epoch(given: Settings, *arguments: str) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["ledger", "new-epoch", "--reason", "restored", *arguments])
    code: int = await asyncio.to_thread(parsed.handler, parsed, given)
    return code


async def states_on(stream: Stream) -> dict[str, ConsentState]:
    """What compaction would leave, by key."""
    last = {message.key.decode(): read_state(message) for message in await stream.messages(stream.state)}
    return {key: state for key, state in last.items() if state is not None}


async def changes_on(stream: Stream) -> list[ConsentChange]:
    return [read_change(message).change for message in await stream.messages(stream.changes)]


async def told_anew(stream: Stream, epoch: int) -> None:
    """Return once changes and states are filled under that epoch."""

    async def filled() -> bool:
        return bool(await stream.run(FILLED, epoch, [stream.changes, stream.state]))

    await eventually(filled)


async def test_R31_after_a_restore_no_yes_stands_that_the_ledger_does_not_give(
    stream: Stream, backup: Backup, capsys: pytest.CaptureFixture[str]
) -> None:
    """One person is known to the backup with less, one not at all, one whose purpose it does not know."""
    await stream.append([a_record(1, 1), a_record(1, 2), a_record(2, 1)])
    async with stream.relay():
        await stream.drained()
    restored = await backup.take()
    lost = [a_record(1, 3), a_record(3, 1), replaced(a_record(4, 1), purpose="nyere", governing_version=None)]
    await stream.append(lost)
    async with stream.relay():
        await stream.drained()

    assert await new_epoch(settings(restored), "--yes", "--list") == 0
    told = capsys.readouterr().out
    async with restored.relay():
        await told_anew(restored, 2)
        await restored.append([replaced(a_record(1, 3), record_id=subject(77), allowed=False)])
        await restored.append([a_record(2, 2)])
        await restored.drained()
    states = await states_on(restored)
    report = await verified(restored)

    for record in lost:
        assert (
            f"ansettr {record.subject_id} sequence {record.sequence} record {record.record_id}: grant {record.purpose}\n"
            in told
        )
    assert "Kafka holds 3 events" in told
    assert "states of 2 subjects and purposes" in told
    assert {key for key, state in states.items() if state.allowed} == set()
    for number, purpose, reason in ((3, "nyhetsbrev", Reason.NO_RECORD), (4, "nyere", Reason.NO_LEGAL_BASIS)):
        state = states[f"ansettr/{subject(number)}/{purpose}"]
        assert (state.sequence, state.record_id, state.status, state.reason) == (
            0,
            None,
            Status.UNKNOWN,
            reason,
        )
        assert state.ledger_epoch == 2
    assert report.faults == []
    assert report.earlier_epochs == 3


async def test_R31_new_records_sort_after_everything_of_the_epoch_before(
    stream: Stream, backup: Backup
) -> None:
    await stream.append([a_record(1, 1)])
    async with stream.relay():
        await stream.drained()
    restored = await backup.take()
    await stream.append([a_record(1, 2), a_record(1, 3)])
    async with stream.relay():
        await stream.drained()
    before = {(one.ledger_epoch, one.sequence) for one in await changes_on(stream)}

    await new_epoch(settings(restored), "--yes")
    new = replaced(a_record(1, 2), record_id=subject(77))
    async with restored.relay():
        await told_anew(restored, 2)
        await restored.append([new])
        await restored.drained()

    [place] = [
        (one.ledger_epoch, one.sequence)
        for one in await changes_on(restored)
        if one.record_id == new.record_id
    ]
    assert before == {(1, 1), (1, 2), (1, 3)}
    assert place > max(before)


async def test_R31_a_backup_that_never_met_its_topics_fills_them_too(stream: Stream, backup: Backup) -> None:
    """Taken before any relay had run."""
    await stream.append_only([a_record(1, 1), a_record(1, 2)])
    restored = await backup.take()
    await stream.append([a_record(1, 3)])
    async with stream.relay():
        await stream.drained()

    await new_epoch(settings(restored), "--yes")
    async with restored.relay():
        await told_anew(restored, 2)
    states = await states_on(restored)

    assert [(state.ledger_epoch, state.sequence, state.allowed) for state in states.values()] == [
        (2, 2, False)
    ]


async def test_R31_a_purpose_that_the_ledger_lost_says_yes_to_nobody(
    stream: Stream, backup: Backup, capsys: pytest.CaptureFixture[str]
) -> None:
    restored = await backup.take()
    await stream.publish_version(a_version(), "nyere")
    async with stream.relay():
        await stream.drained()
    before = await stream.messages(stream.purposes)

    assert await new_epoch(settings(restored), "--yes") == 0
    again = await new_epoch(settings(restored), "--yes")
    told = capsys.readouterr().out
    last = {message.key.decode(): message.value for message in await restored.messages(restored.purposes)}

    assert b"ansettr/nyere" in {message.key for message in before}
    assert last["ansettr/nyere"] is None
    assert [key for key, value in last.items() if value is None] == ["ansettr/nyere"]
    assert again == 0
    assert told.count("Kafka tells of the purpose nyere of ansettr") == 1


async def test_R31_a_topic_that_no_controller_has_is_named(
    stream: Stream, backup: Backup, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a controller that was added after the backup; nobody else's topics are, nor this ledger's own."""
    restored = await backup.take()
    added = f"{stream.prefix}-added"
    await stream.run("update controllers set topic_prefix = $1", added)
    await stream.append([a_record(1, 1)])
    async with stream.relay():
        await stream.drained()

    assert await new_epoch(settings(restored), "--yes") == 0
    told = capsys.readouterr().err

    assert f"{added}.state.v1: no controller of the ledger publishes there" in told
    assert f"{added}.changes.v1" not in told
    assert f"{stream.state}: no controller" not in told


async def test_R31_an_epoch_that_only_kafka_knows_is_not_begun_again(stream: Stream, backup: Backup) -> None:
    """The backup is from before an earlier restore."""
    restored = await backup.take()
    await stream.run("insert into ledger_epoch (epoch, reason) values (2, 'the first restore')")
    await stream.append([a_record(1, 1)])
    async with stream.relay():
        await stream.drained()

    assert await new_epoch(settings(restored), "--yes") == 0
    assert await restored.run("select max(epoch) from ledger_epoch") == 3
    assert await restored.run("select reason from ledger_epoch where epoch = 3") == "restored"


async def test_R31_two_operators_do_not_begin_the_same_epoch(stream: Stream) -> None:
    async with opened(stream.database, "consent_owner") as pool, pool.session() as connection:
        found = await survey(connection, None)
        await begin(connection, None, found, Why("operator", "one"), day(1))
        with pytest.raises(BegunMeanwhile, match="epoch 2"):
            await begin(connection, None, found, Why("operator", "another"), day(1))

    assert (
        await stream.run("select string_agg(reason, ',' order by epoch) from ledger_epoch")
        == "first start,one"
    )


async def test_R31_every_controllers_audit_trail_tells_of_the_epoch(stream: Stream) -> None:
    async with stream.written("coness") as connection:
        await add_controller(connection, ControllerEntry(slug="coness", legal_name="Coness AS"))
    assert await new_epoch(settings(stream), "--yes", "--actor", "kari") == 0
    connection = await stream.database.connect()
    rows = await connection.fetch(
        "select controller, actor, action, reason, details::text from audit where action = 'epoch.begun' "
        "order by controller"
    )
    await connection.close()

    assert [tuple(row) for row in rows] == [
        (controller, "kari", "epoch.begun", "restored", '{"epoch": 2}')
        for controller in ("ansettr", "coness")
    ]


async def test_R31_nothing_begins_unless_somebody_agrees(
    stream: Stream, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    nobody = await new_epoch(settings(stream))
    monkeypatch.setattr(sys, "stdin", Terminal("no\n"))
    disagreed = await new_epoch(settings(stream))
    before = await stream.run("select max(epoch) from ledger_epoch")
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    agreed = await new_epoch(settings(stream))
    told = capsys.readouterr()

    assert (nobody, disagreed, before, agreed) == (1, 1, 1, 0)
    assert "say --yes" in told.err
    assert "Begin ledger epoch 2?" in told.out
    assert await stream.run("select max(epoch) from ledger_epoch") == 2


async def test_R31_what_is_missing_or_away_is_said(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SettingsError, match="CONSENT_OWNER_DATABASE_URL"):
        await new_epoch(settings(stream, owner_database_url=None))
    away = await new_epoch(settings(stream, kafka_bootstrap="127.0.0.1:1"), "--yes")
    without_kafka = await new_epoch(settings(stream, kafka_bootstrap=None), "--yes")
    told = capsys.readouterr()

    assert (away, without_kafka) == (1, 0)
    assert "Kafka at 127.0.0.1:1 does not answer" in told.err
    assert "CONSENT_KAFKA_BOOTSTRAP is not set" in told.out
