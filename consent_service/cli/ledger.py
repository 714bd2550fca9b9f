"""`consent-service ledger verify`; `ledger new-epoch` is told in cli/new_epoch.py."""

from __future__ import annotations

import argparse
import asyncio
import sys

from consent_service.app.pools import keyring_from
from consent_service.cli import new_epoch
from consent_service.cli.progress import Walked
from consent_service.settings import Settings, SettingsError
from consent_service.storage.database import open_database
from consent_service.usecases.verification import Counts, Verification
from consent_service.usecases.verification_person import Fault

#: A page is read by a few statements that may have to come from the disk.
_STATEMENT_TIMEOUT_S = 120.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "ledger", help="verify that nobody has touched the ledger; begin a new epoch"
    )
    commands = parser.add_subparsers(dest="ledger_command", required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="walk every chain and say what does not match",
        description="Walk every person's chain: hashes, sequences and heads are computed again, details that are "
        "there are opened and compared, and what stands is added up anew. Records that were cut off the end "
        "together with a forged head, and persons removed with everything about them, leave no trace here: see "
        "docs/LEDGER.md. Exit code 0: no fault; 1: faults, a line each.",
    )
    verify.add_argument("--controller", metavar="SLUG", help="only this controller's persons")
    verify.add_argument("--quiet", action="store_true", help="print faults only: no progress, no summary")
    verify.set_defaults(handler=run, needs_settings=True)
    new_epoch.add_parser(commands)


def run(arguments: argparse.Namespace, settings: Settings | None) -> int:
    """Exit code 0 where there is no fault, 1 where there is one."""
    assert settings is not None
    if settings.auditor_database_url is None:
        raise SettingsError("CONSENT_AUDITOR_DATABASE_URL: is needed by `ledger verify`")
    counts = asyncio.run(_verify(settings, arguments.controller, quiet=arguments.quiet))
    if not arguments.quiet:
        print(summary(counts))
    return 1 if counts.faults else 0


async def _verify(settings: Settings, controller: str | None, *, quiet: bool) -> Counts:
    assert settings.auditor_database_url is not None
    walked = Walked(sys.stderr, quiet=quiet)
    told = Told(walked)
    async with open_database(
        settings.auditor_database_url,
        connections_max=1,
        statement_timeout_s=_STATEMENT_TIMEOUT_S,
        lock_timeout_s=settings.lock_timeout_s,
        name="consent-ledger-verify",
    ) as database:
        try:
            return await Verification(
                database, keyring_from(settings), report=told.fault, progress=told.progress
            ).run(controller)
        finally:
            walked.end()


class Told:
    """Faults as they are found, on the standard output; how far the walk is, once it takes more than a second."""

    def __init__(self, walked: Walked) -> None:
        self._walked = walked

    def fault(self, fault: Fault) -> None:
        self._walked.end()
        print(line_of(fault), flush=True)

    def progress(self, counts: Counts) -> None:
        self._walked(f"{counts.persons:,} of {counts.persons_total:,} persons, {counts.records:,} records")


def line_of(fault: Fault) -> str:
    """Controller, person and record, then what is wrong with it."""
    record = "" if fault.sequence is None else f" record {fault.sequence}"
    detail = f" ({fault.detail})" if fault.detail else ""
    return f"{fault.controller} {fault.subject_id}{record}: {fault.what}{detail}"


def summary(counts: Counts) -> str:
    """What was walked, and each kind of fault with its number."""
    walked = f"{_number(counts.persons, 'person')}, {_number(counts.records, 'record')}"
    opened = f"{_number(counts.details, 'detail')} opened"
    if not counts.faults:
        return f"Verified {walked}, {opened}: no fault."
    lines = [f"{_number(counts.faults.total(), 'fault')}, at {_number(counts.persons_at_fault, 'person')}:"]
    lines += [f"  {number:,} x {what}" for what, number in counts.faults.most_common()]
    return "\n".join([*lines, f"Verified {walked}, {opened}."])


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
