"""What several commands take on their lines: slugs, scopes, times, and who acts and why. Each says what is wrong."""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from consent_service.domain import audit
from consent_service.domain.durations import Duration, parse_duration
from consent_service.domain.values import is_slug
from consent_service.http.scopes import SCOPES

_ACTOR_LENGTH_MAX = 255


def slug_of(what: str) -> Callable[[str], str]:
    """Reads the slug of a controller, a recipient and the like; `what` is told with its article."""

    def read(text: str) -> str:
        if not is_slug(text):
            raise argparse.ArgumentTypeError(f"{what} is named by lower-case letters, digits and hyphens")
        return text

    return read


def scopes(text: str) -> list[str]:
    """Names with blanks between."""
    found = text.split()
    unknown = [scope for scope in found if scope not in SCOPES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"there is no scope {unknown[0]!r}; there are: {', '.join(sorted(SCOPES))}"
        )
    return found


def duration(text: str) -> Duration:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def moment(text: str) -> datetime:
    """A time without a zone is one in UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-03-01T00:00Z") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def subject_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no subject id") from None


def add_why(parser: argparse.ArgumentParser, *, needed: bool = False) -> None:
    """`--reason` and `--actor`: what the audit trail says of who runs the command, and why."""
    parser.add_argument(
        "--reason",
        metavar="TEXT",
        type=_reason,
        required=needed,
        help="why, in up to 200 characters, for the audit trail, which is never changed: no personal data",
    )
    parser.add_argument(
        "--actor",
        metavar="NAME",
        type=_actor,
        default=None,
        help="who, for the audit trail (default: cli: and the name that you are logged in by)",
    )


def actor_of(arguments: argparse.Namespace) -> str:
    """Who runs the command, as told or as the machine knows them."""
    named: str | None = arguments.actor
    if named is not None:
        return named
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):
        # A container's user may have no name.
        return f"cli:{os.getuid()}"


def _reason(text: str) -> str:
    try:
        return audit.read_reason(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _actor(text: str) -> str:
    if not 1 <= len(text) <= _ACTOR_LENGTH_MAX or not text.isprintable():
        raise argparse.ArgumentTypeError(f"an actor has 1 to {_ACTOR_LENGTH_MAX} visible characters")
    return text
