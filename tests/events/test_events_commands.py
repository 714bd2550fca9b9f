"""`consent-service events verify` and `republish`: what they print, and their exit codes."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

import pytest

from consent_service.cli.events import add_parser, as_text
from consent_service.events.checking.report import FAULTS_KEPT, Fault, FaultKind, Report
from consent_service.settings import Secret, Settings, SettingsError
from tests.events.laid_out import changes_of, lay_out, publish_all
from tests.events.streams import Stream, a_record, subject

RECORDS = [a_record(number, sequence) for number in (1, 2) for sequence in (1, 2)]


def settings(stream: Stream, **others: Any) -> Settings:
    return Settings(
        **{
            "database_url": Secret("postgresql://nowhere"),
            "auditor_database_url": Secret(stream.database.url("consent_auditor")),
            "relay_database_url": Secret(stream.database.url("consent_relay")),
            "kafka_bootstrap": stream.bootstrap,
            **others,
        }
    )


async def events(given: Settings, *arguments: str) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["events", *arguments])
    assert parsed.needs_settings
    code: int = await asyncio.to_thread(parsed.handler, parsed, given)
    return code


async def test_a_healthy_stream(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    await publish_all(stream, RECORDS)

    assert await events(settings(stream), "verify") == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[:-1] == [
        f"{stream.changes}: 12 partitions, 4 messages; heartbeats: none",
        f"{stream.state}: 12 partitions, 4 messages; heartbeats: none",
        f"{stream.purposes}: there is no such topic",
        "1 purposes wait in the outbox",
    ]
    assert lines[-1].startswith("Compared 2 persons, 4 records and 2 states in ")
    assert lines[-1].endswith(": no fault.")
    assert told.err == ""


async def test_a_stream_with_a_fault(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    await stream.append_only(RECORDS)
    changes = await changes_of(stream)
    await lay_out(stream, [*changes[:-1], changes[0]], changes)

    assert await events(settings(stream), "verify", "--controller", "ansettr") == 1
    lines = capsys.readouterr().out.splitlines()
    assert await events(settings(stream), "verify", "--json") == 1
    report = json.loads(capsys.readouterr().out)

    lost = changes[-1]
    assert lines[0] == (
        f"{stream.changes} ansettr {subject(2)} sequence 2 record {lost.record_id}: lost event"
    )
    assert "1 repeated events (1 behind a newer one)" in lines
    assert lines[-3:-1] == ["1 fault:", "  1 x lost event"]
    assert report["counts"] == {"lost event": 1}
    assert [(fault["kind"], fault["record_id"]) for fault in report["faults"]] == [
        ("lost event", str(lost.record_id))
    ]


def test_of_many_faults_of_a_kind_the_first_are_listed_and_all_are_counted() -> None:
    report = Report()
    for sequence in range(FAULTS_KEPT + 5):
        report.tell(Fault(kind=FaultKind.LOST_EVENT, topic="t", sequence=sequence))
    lines = as_text(report).splitlines()

    assert len(report.faults) == FAULTS_KEPT
    assert lines[FAULTS_KEPT] == "... of each kind the first 1,000 are listed."
    assert "  1,005 x lost event" in lines


async def test_publishing_again(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    await stream.append_only(RECORDS)
    into = f"{stream.prefix}.again"
    common = ("republish", "--controller", "ansettr", "--into", into)

    assert await events(settings(stream), *common, "--dry-run") == 0
    assert await events(settings(stream), *common, "--since", "2026-01-03T00:00Z") == 0
    assert await events(settings(stream), *common, "--subject", str(subject(1))) == 0
    told = capsys.readouterr()

    assert told.out.splitlines() == [
        f"Would publish 4 messages about 2 persons into {into}.",
        f"Published 2 messages about 2 persons into {into}.",
        f"Published 2 messages about 1 person into {into}.",
    ]
    assert len(await stream.messages(into)) == 4


async def test_verify_says_that_a_topic_is_being_filled_by_its_exit_code(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    await publish_all(stream, [a_record(1, 1)])
    await stream.run(
        "insert into filled_topics (topic, shard_group, topic_id, ledger_epoch) "
        "select $1, g, gen_random_uuid(), 1 from generate_series(0, 7) g",
        stream.state,
    )

    assert await events(settings(stream), "verify") == 3
    told = capsys.readouterr().out
    assert f"{stream.state} is being filled by a relay" in told
    assert "no fault so far" in told


@pytest.mark.parametrize("command", ["verify", "republish"])
async def test_what_keeps_them_from_their_work_is_said(
    stream: Stream, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    await stream.append_only(RECORDS)
    arguments = [command, "--controller", "ansettr", *(["--into", "again"] if command == "republish" else [])]
    with pytest.raises(SettingsError, match="CONSENT_KAFKA_BOOTSTRAP"):
        await events(settings(stream, kafka_bootstrap=None), *arguments)

    assert await events(settings(stream, kafka_bootstrap="127.0.0.1:1"), *arguments) == 1
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--since", "yesterday"), "'yesterday' is no time"),
        (("--subject", "me"), "'me' is no subject id"),
        (("--since", "2026-01-01", "--subject", str(subject(1))), "not allowed with"),
    ],
)
def test_arguments_that_are_wrong_are_named(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["events", "republish", "--controller", "c", "--into", "t", *arguments])

    assert told in capsys.readouterr().err
