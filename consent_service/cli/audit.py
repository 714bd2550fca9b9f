"""`consent-service audit`: who did what, when and why, as an auditor reads it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence

from consent_service.cli.arguments import moment, slug_of, subject_id
from consent_service.cli.tables import as_far_as_it_is_read, print_lines, print_table
from consent_service.domain.audit import AuditAction
from consent_service.settings import Settings, SettingsError
from consent_service.storage.audit import ToldEntry
from consent_service.storage.database import open_database
from consent_service.usecases.auditing import AuditTrail

#: A page is read by a statement that may have to come from the disk.
_STATEMENT_TIMEOUT_S = 120.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "audit",
        help="read the audit trail of a controller: who did what, when and why",
        description="Read the audit trail of a controller, the oldest first: as a table, or as JSON lines where the "
        "output is no terminal. What it tells of, and what not, is in docs/OPERATIONS.md.",
    )
    parser.add_argument("--controller", metavar="SLUG", type=slug_of("a controller"), required=True)
    parser.add_argument("--since", metavar="TIME", type=moment, help="from then on, e.g. 2026-03-01T00:00Z")
    parser.add_argument("--subject", metavar="ID", type=subject_id, help="only what concerns this person")
    parser.add_argument(
        "--action",
        metavar="ACTION",
        type=_action,
        action="append",
        help=f"only these; may be repeated: {', '.join(AuditAction)}",
    )
    parser.set_defaults(handler=run, needs_settings=True)


def _action(text: str) -> AuditAction:
    try:
        return AuditAction(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"there is no action {text!r}; there are: {', '.join(AuditAction)}"
        ) from None


def run(arguments: argparse.Namespace, settings: Settings | None) -> int:
    assert settings is not None
    if settings.auditor_database_url is None:
        raise SettingsError("CONSENT_AUDITOR_DATABASE_URL: is needed by `audit`")
    with as_far_as_it_is_read():
        asyncio.run(_print(arguments, settings, settings.auditor_database_url))
    return 0


async def _print(arguments: argparse.Namespace, settings: Settings, url: str) -> None:
    show: Callable[[Sequence[ToldEntry]], None] = _print_page if sys.stdout.isatty() else print_lines
    async with open_database(
        url,
        connections_max=1,
        statement_timeout_s=_STATEMENT_TIMEOUT_S,
        lock_timeout_s=settings.lock_timeout_s,
        name="consent-audit",
    ) as database:
        async for page in AuditTrail(database).told(
            arguments.controller,
            since=arguments.since,
            actions=arguments.action,
            subject_id=arguments.subject,
        ):
            show(page)


def _print_page(page: Sequence[ToldEntry]) -> None:
    print_table([_row(one) for one in page])


def _row(one: ToldEntry) -> tuple[str, ...]:
    """Time, actor, action, person, reason, details."""
    subject = "-" if one.subject_id is None else str(one.subject_id)
    reason = "-" if one.reason is None else f'"{one.reason}"'
    at = f"{one.at:%Y-%m-%d %H:%M:%S}Z"
    return (at, one.actor, one.action, subject, reason, bytes(one.details).decode())
