"""`consent-service events verify` and `republish`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec

from consent_service.cli.arguments import actor_of, add_why, moment, subject_id
from consent_service.cli.progress import Walked
from consent_service.events.checking.reading import StreamAway
from consent_service.events.checking.report import FAULTS_KEPT, Fault, Report
from consent_service.events.checking.republish import Republished, Wanted, republish
from consent_service.events.checking.verify import Step, verify_stream
from consent_service.events.publishing.kafka import Kafka, PublishingFailed
from consent_service.settings import Settings, SettingsError
from consent_service.storage.database import open_database
from consent_service.usecases.submissions import Caller

#: A page is read by a few statements that may have to come from the disk.
_STATEMENT_TIMEOUT_S = 120.0
#: 2 is said of a command line that is not understood.
_BEING_FILLED = 3

Result = TypeVar("Result")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("events", help="compare the stream with the ledger; publish again")
    commands = parser.add_subparsers(dest="events_command", required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="compare ledger, changes and states, and say what does not match",
        description="Compare the ledger with <prefix>.changes.v1 and <prefix>.state.v1, while others write: lost, "
        "reordered and unknown events, events and states that are not what was recorded. Repetitions and what waits in "
        "the outbox are counted. Exit code 0: no fault; 1: faults, or Kafka or the database does not answer; 3: no "
        "fault so far, but a relay has yet to fill a topic again: compare anew when it has.",
    )
    verify.add_argument("--controller", metavar="SLUG", help="only this controller's records")
    verify.add_argument("--json", action="store_true", help="print the report as one JSON document")
    verify.set_defaults(handler=run_verify, needs_settings=True)
    again = commands.add_parser(
        "republish",
        help="publish from the ledger again, into a topic that you name",
        description="Publish a controller's records again, marked as replayed, in each person's order: all of them, "
        "those recorded since a time, or those of one subject. Into a topic whose name ends in .state.v1 go states: "
        "what stands now. A topic that is missing is made. Exit code 0: done; 1: refused or failed.",
    )
    again.add_argument("--controller", metavar="SLUG", required=True)
    which = again.add_mutually_exclusive_group()
    which.add_argument(
        "--since", metavar="TIME", type=moment, help="recorded from then on, e.g. 2026-03-01T00:00Z"
    )
    which.add_argument("--subject", metavar="ID", type=subject_id, help="only this subject's records")
    again.add_argument("--into", metavar="TOPIC", required=True)
    again.add_argument(
        "--into-live", action="store_true", help="allow the controller's live changes topic as TOPIC"
    )
    again.add_argument("--dry-run", action="store_true", help="only count what would be published")
    add_why(again)
    again.set_defaults(handler=run_republish, needs_settings=True)


def needed(command: str, settings: Settings, *names: str) -> list[str]:
    """The values of these settings. Raises SettingsError that names all that are missing."""
    missing = [name for name in names if getattr(settings, name) is None]
    if missing:
        raise SettingsError(
            "\n".join(f"CONSENT_{name.upper()}: is needed by `{command}`" for name in missing)
        )
    return [getattr(settings, name) for name in names]


def run_verify(arguments: argparse.Namespace, settings: Settings | None) -> int:
    assert settings is not None
    url, bootstrap = needed("events verify", settings, "auditor_database_url", "kafka_bootstrap")
    report = ran(_verify(settings, url, bootstrap, arguments.controller))
    if report is None:
        return 1
    print(as_json(report) if arguments.json else as_text(report))
    if report.counts:
        return 1
    return _BEING_FILLED if report.topics_being_filled else 0


def run_republish(arguments: argparse.Namespace, settings: Settings | None) -> int:
    assert settings is not None
    url, bootstrap = needed("events republish", settings, "relay_database_url", "kafka_bootstrap")
    wanted = Wanted(
        controller=arguments.controller,
        into=arguments.into,
        since=arguments.since,
        subject_id=arguments.subject,
        into_live=arguments.into_live,
    )
    caller = Caller(arguments.controller, actor_of(arguments), reason=arguments.reason)
    done = ran(_republish(settings, url, bootstrap, wanted, caller, dry_run=arguments.dry_run))
    if done is None:
        return 1
    verb = "Would publish" if arguments.dry_run else "Published"
    print(
        f"{verb} {count(done.messages, 'message')} about {count(done.persons, 'person')} into {wanted.into}."
    )
    return 0


def ran(work: Coroutine[Any, Any, Result]) -> Result | None:
    """The result; None where Kafka did not do its part, which is told."""
    # What its client tries again it would tell here, between the lines of progress.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(work)
    except (StreamAway, PublishingFailed) as error:
        cause = f" ({type(error.__cause__).__name__})" if error.__cause__ is not None else ""
        print(f"consent-service: {error}{cause}.", file=sys.stderr)
        return None


async def _verify(settings: Settings, url: str, bootstrap: str, controller: str | None) -> Report:
    walked = Walked(sys.stderr)

    def tell(step: Step) -> None:
        walked(f"{step.what} {step.done:,} of {step.total:,}")

    async with open_database(
        url,
        connections_max=1,
        statement_timeout_s=_STATEMENT_TIMEOUT_S,
        lock_timeout_s=settings.lock_timeout_s,
        name="consent-events-verify",
    ) as database:
        try:
            return await verify_stream(database, bootstrap, controller=controller, progress=tell)
        finally:
            walked.end()


async def _republish(
    settings: Settings, url: str, bootstrap: str, wanted: Wanted, caller: Caller, *, dry_run: bool
) -> Republished:
    walked = Walked(sys.stderr)

    def tell(done: Republished) -> None:
        walked(f"{count(done.messages, 'message')}, {count(done.persons, 'person')}")

    publisher = Kafka(bootstrap, settings.kafka_replication).publisher("consent-republish")
    async with open_database(
        url,
        connections_max=1,
        statement_timeout_s=_STATEMENT_TIMEOUT_S,
        lock_timeout_s=settings.lock_timeout_s,
        name="consent-events-republish",
    ) as database:
        try:
            return await republish(database, publisher, wanted, caller, dry_run=dry_run, progress=tell)
        finally:
            walked.end()
            await publisher.close()


def as_json(report: Report) -> str:
    """Field for field; `counts` by kind of fault."""
    return msgspec.json.encode(report).decode()


def as_text(report: Report) -> str:
    """Faults, a line each, then what was counted, then the sum."""
    lines = [line_of(fault) for fault in report.faults]
    if report.counts.total() > len(report.faults):
        lines.append(f"... of each kind the first {FAULTS_KEPT:,} are listed.")
    for topic, counts in report.topics.items():
        there = f"{count(counts.partitions, 'partition')}, {count(counts.messages, 'message')}"
        beats = list(counts.heartbeats.values())
        known = [age for age in beats if age is not None]
        silent = f", none on {len(beats) - len(known)}" if len(known) < len(beats) else ""
        oldest = f"newest at most {max(known):.1f} s old" if known else "none"
        told = f"{there}; heartbeats: {oldest}{silent if known else ''}"
        lines.append(f"{topic}: {told if counts.partitions else 'there is no such topic'}")
    counted = (
        (report.repeated, f"repeated events ({report.repeated_behind:,} behind a newer one)"),
        (report.replayed, "replayed events"),
        (report.waiting, "records wait in the outbox"),
        (report.waiting_states, "states wait for them"),
        (report.waiting_purposes, "purposes wait in the outbox"),
        (report.being_filled, "records and states are yet to be filled into a topic again by a relay"),
        (report.no_longer_kept, "records are older than what the topic keeps"),
        (report.earlier_epochs, "events of an earlier ledger epoch have no record any more"),
    )
    lines += [f"{number:,} {what}" for number, what in counted if number]
    lines += [
        f"{topic} is being filled by a relay: compare anew when it has been."
        for topic in report.topics_being_filled
    ]
    compared = (
        f"{count(report.persons, 'person')}, {count(report.records, 'record')} and "
        f"{count(report.states, 'state')} in {report.seconds:.1f} s"
    )
    if not report.counts:
        return "\n".join(
            [*lines, f"Compared {compared}: no fault{' so far' if report.topics_being_filled else ''}."]
        )
    lines.append(f"{count(report.counts.total(), 'fault')}:")
    lines += [f"  {number:,} x {kind}" for kind, number in report.counts.most_common()]
    return "\n".join([*lines, f"Compared {compared}."])


def line_of(fault: Fault) -> str:
    """Whose it is, where it lies, then what is wrong with it."""
    about = [fault.controller, fault.subject_id, fault.purpose]
    whose = " ".join(str(part) for part in about if part is not None)
    which = "" if fault.sequence is None else f" sequence {fault.sequence}"
    record = "" if fault.record_id is None else f" record {fault.record_id}"
    place = "" if fault.offset is None else f" [{fault.partition}@{fault.offset}]"
    detail = f" ({fault.detail})" if fault.detail else ""
    return f"{fault.topic}{place} {whose}{which}{record}: {fault.kind}{detail}".replace("  ", " ").replace(
        " :", ":"
    )


def count(number: int, one: str, several: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"
