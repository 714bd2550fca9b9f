"""`consent-service keys`: make one, say which rows are under which, rotate, and forget one that is gone."""

from __future__ import annotations

import argparse
import asyncio
import base64
import re
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from consent_service.app.pools import keyring_from, open_pool
from consent_service.cli.arguments import actor_of, add_why
from consent_service.cli.events import count, needed
from consent_service.cli.keys_told import advice, is_wanting, line_of, table
from consent_service.cli.progress import Walked
from consent_service.domain.encoding import KEY_BYTES
from consent_service.settings import Settings
from consent_service.storage.database import Database, open_database
from consent_service.usecases.key_holding import LAPSES_S
from consent_service.usecases.key_survey import HASHES, Survey, take_survey
from consent_service.usecases.rotation import Fault, HeldUp, Rotation

#: Every row of four tables is read by one statement.
_COUNTING_TIMEOUT_S = 3600.0
_ROWS_PER_S = 1000
#: 2 is said of a command line or settings that are not understood.
_LEFT = 3
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("keys", help="make look-up and sealing keys, and rotate them")
    commands = parser.add_subparsers(dest="keys_command", required=True, metavar="COMMAND")
    make = commands.add_parser(
        "make",
        help="print a fresh key as the settings take it",
        description="Print `ID=` and 32 random bytes in base64, for CONSENT_LOOKUP_KEYS or CONSENT_SEALING_KEYS. An id "
        "stands for one key for ever: never give one to other bytes.",
    )
    make.add_argument("id", metavar="ID", type=_key_id)
    make.set_defaults(handler=run_make, needs_settings=False)
    status = commands.add_parser(
        "status",
        help="say how many rows are under which key, and what follows for the settings",
        description="Count the rows under each look-up and sealing key, beside those of the settings. Exit code 0: "
        "nothing is to be rotated; 1: rows are under keys that the settings do not name and that are needed, or the "
        "database does not answer; 3: there are rows to rotate.",
    )
    status.set_defaults(handler=run_status, needs_settings=True)
    rotate = commands.add_parser(
        "rotate",
        help="seal and hash anew what is under another key than the one in use",
        description="Bring everything under the first look-up and the first sealing key of the settings, while the "
        "service runs, until nothing is left. Stopped or killed at any moment, it is run again and goes on. Refused "
        "while a process that is alive does not know these keys (docs/OPERATIONS.md, Keys). Exit code 0: done; 1: "
        "refused, or rows that cannot be rotated, a line each, or the database does not answer; 3: some are left.",
    )
    rotate.set_defaults(handler=run_rotate, needs_settings=True)
    forget = commands.add_parser(
        "forget",
        help="delete the look-up hashes under a key that no process has any more",
        description="Delete the hashes of identifiers under a look-up key that the settings do not name, where the "
        "key in use finds the same identifier. Refused while a process that is alive knows that key. Exit code 0: "
        "done; 1: refused, or some are left, or the database does not answer.",
    )
    forget.add_argument("id", metavar="ID", type=_key_id)
    forget.set_defaults(handler=run_forget, needs_settings=True)
    for command in (rotate, forget):
        add_why(command)
        command.add_argument(
            "--rows-per-s",
            metavar="NUMBER",
            type=_positive,
            default=_ROWS_PER_S,
            help=f"write no more rows a second than this; default: {_ROWS_PER_S}",
        )


def run_make(arguments: argparse.Namespace, _: Settings | None) -> int:
    print(f"{arguments.id}={base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}")
    return 0


def run_status(_: argparse.Namespace, settings: Settings | None) -> int:
    assert settings is not None
    survey = asyncio.run(_status(settings))
    print("\n".join([*table(survey), "", *advice(survey)]))
    return 1 if is_wanting(survey) else _LEFT if survey.due else 0


async def _status(settings: Settings) -> Survey:
    keyring = keyring_from(settings)
    async with _open_counting(settings) as counting:
        return await take_survey(counting, keyring)


def run_rotate(arguments: argparse.Namespace, settings: Settings | None) -> int:
    assert settings is not None
    try:
        faults, survey = asyncio.run(_rotate(arguments, settings))
    except HeldUp as error:
        return _held_up(error, "do not know the keys in use here, and would find and open nothing any more")
    print("\n".join(advice(survey)))
    if survey.due and not faults and not is_wanting(survey):
        print(
            "What is left was locked, or came in behind the rotation from a process that has other keys first: "
            "restart that one, and rotate again."
        )
    return 1 if faults or is_wanting(survey) else _LEFT if survey.due else 0


async def _rotate(arguments: argparse.Namespace, settings: Settings) -> tuple[int, Survey]:
    walked = Walked(sys.stderr)

    def tell(fault: Fault) -> None:
        walked.end()
        print(line_of(fault), flush=True)

    def progress(left: int, due: int) -> None:
        walked(f"{left:,} of {count(due, 'row')} left")

    async with _open_rotation(arguments, settings, report=tell, progress=progress) as rotation:
        try:
            survey = await rotation.rotate()
        finally:
            walked.end()
        return rotation.faults, survey


def run_forget(arguments: argparse.Namespace, settings: Settings | None) -> int:
    assert settings is not None
    if arguments.id in keyring_from(settings).lookup_ids:
        print(
            f"consent-service: {arguments.id} is a look-up key of these settings. Take it out of those of every "
            "process first.",
            file=sys.stderr,
        )
        return 1
    try:
        return asyncio.run(_forget(arguments, settings))
    except HeldUp as error:
        return _held_up(error, f"know {arguments.id} still, or not the keys in use")


async def _forget(arguments: argparse.Namespace, settings: Settings) -> int:
    lookup_id = keyring_from(settings).lookup_id
    walked = Walked(sys.stderr)

    def progress(left: int, due: int) -> None:
        walked(f"{left:,} of {count(due, 'hash', 'hashes')} left")

    async with _open_rotation(arguments, settings, progress=progress) as rotation:
        number = (await rotation.survey()).under((HASHES,), arguments.id)
        if not number:
            print(f"There are no hashes under {arguments.id}.")
            return 0
        try:
            forgotten = await rotation.forget(arguments.id)
        finally:
            walked.end()
        left = (await rotation.survey()).under((HASHES,), arguments.id)
    print(f"{count(forgotten, 'hash', 'hashes')} under {arguments.id} deleted.")
    if left:
        print(
            f"{left:,} left: identifiers that {lookup_id} does not find (`consent-service keys rotate`), or "
            "that somebody links now under the old key."
        )
    return 1 if left else 0


def _held_up(error: HeldUp, why: str) -> int:
    print(f"consent-service: these processes {why}:", *error.holders, sep="\n  ", file=sys.stderr)
    print(
        f"Restart them with other settings. One that died without a word counts for {LAPSES_S:g} s.",
        file=sys.stderr,
    )
    return 1


@asynccontextmanager
async def _open_counting(settings: Settings) -> AsyncIterator[Database]:
    [url] = needed("keys", settings, "keeper_database_url")
    async with open_database(
        url,
        connections_max=1,
        statement_timeout_s=_COUNTING_TIMEOUT_S,
        lock_timeout_s=settings.lock_timeout_s,
        name="consent-keys-counting",
    ) as counting:
        yield counting


@asynccontextmanager
async def _open_rotation(
    arguments: argparse.Namespace,
    settings: Settings,
    *,
    report: Callable[[Fault], None] = lambda _: None,
    progress: Callable[[int, int], None],
) -> AsyncIterator[Rotation]:
    keyring = keyring_from(settings)
    [url] = needed("keys", settings, "keeper_database_url")
    async with (
        _open_counting(settings) as counting,
        open_pool(settings, url, f"consent-keys-{arguments.keys_command}") as database,
    ):
        yield Rotation(
            database,
            counting,
            keyring,
            actor=actor_of(arguments),
            reason=arguments.reason,
            rows_per_s=arguments.rows_per_s,
            report=report,
            progress=progress,
        )


def _key_id(text: str) -> str:
    if _KEY_ID.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("an id is 1 to 64 letters, digits, dots, hyphens and underscores")
    return text


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return number
