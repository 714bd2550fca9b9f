"""`consent-service ledger new-epoch`: the step after a restore from a backup (docs/OPERATIONS.md)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consent_service.cli.arguments import actor_of, add_why
from consent_service.cli.events import count, needed, ran
from consent_service.cli.progress import Walked
from consent_service.events.checking.new_epoch import Survey, Why, begin, survey
from consent_service.events.checking.reading import TopicReader, open_reader
from consent_service.events.publishing.kafka import Kafka, Publisher
from consent_service.settings import Settings
from consent_service.storage.database import open_database
from consent_service.storage.epochs import count_relays
from consent_service.usecases import clock

_STATEMENT_TIMEOUT_S = 120.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "new-epoch",
        help="after a restore from a backup: take back what Kafka knows and the ledger does not",
        description="After a restore from a backup, Kafka may tell of records that the ledger no longer has. Counts "
        "them, takes back what Kafka says of subjects and purposes of which the ledger has no record, and begins a new "
        "ledger epoch, under which relays fill the topics again. See docs/OPERATIONS.md, Restoring from a backup. Exit "
        "code 0: begun; 1: not begun.",
    )
    add_why(parser, needed=True)
    parser.add_argument(
        "--list", action="store_true", help="print the records that the ledger lost: ids, commands, purposes"
    )
    parser.add_argument(
        "--yes", action="store_true", help="begin without asking; answer `n` to have looked only"
    )
    parser.set_defaults(handler=run, needs_settings=True)


def run(arguments: argparse.Namespace, settings: Settings | None) -> int:
    assert settings is not None
    [url] = needed("ledger new-epoch", settings, "owner_database_url")
    begun = ran(_run(arguments, settings, url))
    return 0 if begun else 1


async def _run(arguments: argparse.Namespace, settings: Settings, url: str) -> bool:
    """Whether the epoch has begun."""
    walked = Walked(sys.stderr)
    async with (
        open_database(
            url,
            connections_max=1,
            statement_timeout_s=_STATEMENT_TIMEOUT_S,
            lock_timeout_s=settings.lock_timeout_s,
            name="consent-ledger-new-epoch",
        ) as database,
        _reader(settings) as reader,
    ):
        async with database.session() as connection:
            relays = await count_relays(connection)
            found = await survey(connection, reader, walked)
        walked.end()
        if relays:
            print(
                f"consent-service: {count(relays, 'relay')} at work on this database. Stop services and relays first, "
                "so that what was lost can be recorded again before anything new is (docs/OPERATIONS.md).",
                file=sys.stderr,
            )
        _tell(found, settings, listed=arguments.list)
        if not (arguments.yes or _asked(found)):
            return False
        publisher = _publisher(settings)
        try:
            why = Why(actor_of(arguments), arguments.reason)
            async with database.session() as connection:
                taken_back = await begin(connection, publisher, found, why, clock.now())
        finally:
            if publisher is not None:
                await publisher.close()
    print(f"Ledger epoch {found.next_epoch} has begun; {count(taken_back, 'state')} taken back.")
    return True


@asynccontextmanager
async def _reader(settings: Settings) -> AsyncIterator[TopicReader | None]:
    if settings.kafka_bootstrap is None:
        yield None
        return
    async with open_reader(settings.kafka_bootstrap, client_id="consent-new-epoch") as reader:
        yield reader


def _publisher(settings: Settings) -> Publisher | None:
    if settings.kafka_bootstrap is None:
        return None
    return Kafka(settings.kafka_bootstrap, settings.kafka_replication).publisher("consent-new-epoch")


def _tell(found: Survey, settings: Settings, *, listed: bool) -> None:
    if listed:
        for lost in found.lost:
            print(
                f"{lost.controller} {lost.subject_id} sequence {lost.sequence} record {lost.record_id}: "
                f"{lost.command or 'a later word'} {lost.purpose or ''}".rstrip()
            )
    print(f"The ledger is in epoch {found.ledger_epoch}.")
    if found.highest_epoch > found.ledger_epoch:
        print(f"Kafka tells of epoch {found.highest_epoch}: the backup is older than that.")
    if settings.kafka_bootstrap is None:
        print(
            "CONSENT_KAFKA_BOOTSTRAP is not set: what Kafka holds is not known, and nothing is taken back there."
        )
        return
    print(
        f"Kafka holds {count(len(found.lost), 'event')} whose records the ledger does not have, and states of "
        f"{count(len(found.states), 'subject and purpose', 'subjects and purposes')} of which it has none."
    )
    for _, controller, slug in sorted(found.purposes):
        print(f"Kafka tells of the purpose {slug} of {controller}, which the ledger does not know.")
    for topic in found.strange_topics:
        print(
            f"consent-service: {topic}: no controller of the ledger publishes there. If one was added after the "
            "backup, answer no, load its catalogue again, give it its topic_prefix, and run this command anew; what "
            "the topic says is not taken back otherwise (docs/OPERATIONS.md).",
            file=sys.stderr,
        )
    if found.unreadable:
        print(f"{count(found.unreadable, 'message')} on Kafka could not be read.")


def _asked(found: Survey) -> bool:
    """Whether a person at the terminal agrees; without a terminal nobody can."""
    if not sys.stdin.isatty():
        print("consent-service: say --yes to begin without being asked.", file=sys.stderr)
        return False
    return input(f"Begin ledger epoch {found.next_epoch}? [y/N] ").strip().lower() in ("y", "yes")
