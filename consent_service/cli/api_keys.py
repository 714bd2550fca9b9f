"""`consent-service api-keys make`, `list` and `revoke`: for machines that have no issuer."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from consent_service.cli.arguments import actor_of, add_why, duration, scopes, slug_of
from consent_service.cli.tables import as_far_as_it_is_read, print_lines, print_table
from consent_service.domain.api_keys import PREFIX, ApiKey, ApiKeyName
from consent_service.http.api_keys import REMEMBERED_S, STREAM_S
from consent_service.settings import Settings, SettingsError
from consent_service.storage.database import Database, open_database
from consent_service.usecases import clock
from consent_service.usecases.api_keys import RevokedBefore, WantedKey, api_keys_of, make_api_key, revoke
from consent_service.usecases.submissions import Caller

TTL = "P1Y"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "api-keys", help="make, list and revoke keys for machines that have no issuer"
    )
    commands = parser.add_subparsers(dest="api_keys_command", required=True, metavar="COMMAND")
    _add_make(commands)
    _add_list(commands)
    _add_revoke(commands)


def _add_make(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    make = commands.add_parser(
        "make",
        help="make a key and print it, once",
        description="Make an API key and print it on a line of its own; what there is to say about it goes to the "
        "error stream. It is sent as a token is, `Authorization: Bearer <key>`. Only a hash of it is kept: it is never "
        "shown again.",
    )
    make.add_argument("--controller", metavar="SLUG", type=slug_of("a controller"), required=True)
    make.add_argument(
        "--name",
        metavar="SLUG",
        type=slug_of("a key"),
        required=True,
        help="what machine it is for, such as newsletter-sync",
    )
    make.add_argument(
        "--scope",
        metavar="SCOPE",
        type=scopes,
        action="extend",
        required=True,
        help="what it allows; may be repeated (docs/OPERATIONS.md lists them)",
    )
    make.add_argument(
        "--purpose",
        metavar="SLUG",
        type=slug_of("a purpose"),
        action="append",
        help="only persons, changes and states of this purpose; may be repeated; default: all",
    )
    make.add_argument(
        "--recipient",
        metavar="SLUG",
        type=slug_of("a recipient"),
        help="the recipient that acknowledges with it; default: none",
    )
    make.add_argument(
        "--ttl", metavar="DURATION", type=duration, default=TTL, help=f"how long it counts; default: {TTL}"
    )
    add_why(make)
    make.set_defaults(handler=run_make, needs_settings=True)


def _add_list(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listed = commands.add_parser(
        "list",
        help="show a controller's keys: what they allow, until when, and when they were used last",
        description="Show all keys that were ever made for a controller, the oldest first: as a table, or as JSON "
        "lines where the output is no terminal. `last used` is exact to a minute or two.",
    )
    listed.add_argument("--controller", metavar="SLUG", type=slug_of("a controller"), required=True)
    listed.set_defaults(handler=run_list, needs_settings=True)


def _add_revoke(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    revoking = commands.add_parser(
        "revoke",
        help="let nobody in by a key any more",
        description=f"Revoke a key. Services that have just seen it learn of it within {REMEMBERED_S:.0f} seconds; a "
        f"stream of changes that it opened ends within {STREAM_S / 60:.0f} minutes. A revoked key stays in the list.",
    )
    revoking.add_argument("--controller", metavar="SLUG", type=slug_of("a controller"), required=True)
    revoking.add_argument(
        "key_id",
        metavar="KEY_ID",
        type=_key_id,
        help="as `list` shows it, or what the key itself begins with",
    )
    add_why(revoking)
    revoking.set_defaults(handler=run_revoke, needs_settings=True)


def _key_id(text: str) -> str:
    """Also out of a key that somebody has found."""
    parts = text.split("_")
    return parts[2] if text.startswith(PREFIX) and len(parts) > 2 else text


@asynccontextmanager
async def _opened(settings: Settings | None) -> AsyncIterator[Database]:
    """The owner's database. A service's role may make no keys, so that who breaks into a service cannot either."""
    assert settings is not None
    if settings.owner_database_url is None:
        raise SettingsError("CONSENT_OWNER_DATABASE_URL: is needed by `api-keys`")
    async with open_database(
        settings.owner_database_url,
        connections_max=1,
        statement_timeout_s=settings.statement_timeout_s,
        lock_timeout_s=settings.lock_timeout_s,
        name="consent-api-keys",
    ) as database:
        yield database


def _caller(arguments: argparse.Namespace) -> Caller:
    return Caller(arguments.controller, actor_of(arguments), reason=arguments.reason)


def run_make(arguments: argparse.Namespace, settings: Settings | None) -> int:
    wanted = WantedKey(
        name=arguments.name,
        scopes=tuple(arguments.scope),
        lifetime=arguments.ttl,
        purposes=None if arguments.purpose is None else tuple(arguments.purpose),
        recipient=arguments.recipient,
    )

    async def make() -> tuple[ApiKey, str]:
        async with _opened(settings) as database:
            return await make_api_key(database, _caller(arguments), wanted, now=clock.now())

    key, text = asyncio.run(make())
    print(
        f"API key {key.key_id} of {key.controller} for {key.name}, until {_day(key.expires_at)}: "
        f"{', '.join(key.scopes)}.\nIt begins with {_prefix(key)}; look for that where it must not be. "
        "This is the one time that it is shown: put it where the machine keeps its secrets.",
        file=sys.stderr,
    )
    print(text)
    return 0


def run_list(arguments: argparse.Namespace, settings: Settings | None) -> int:
    async def read() -> list[ApiKey]:
        async with _opened(settings) as database:
            return await api_keys_of(database, arguments.controller)

    keys = asyncio.run(read())
    with as_far_as_it_is_read():
        if not sys.stdout.isatty():
            print_lines(keys)
        elif keys:
            print_table(_table(keys, clock.now()))
        else:
            print(f"There are no API keys of {arguments.controller}.")
    return 0


def run_revoke(arguments: argparse.Namespace, settings: Settings | None) -> int:
    async def revoked() -> ApiKey:
        async with _opened(settings) as database:
            return await revoke(database, _caller(arguments), arguments.key_id, now=clock.now())

    try:
        key = asyncio.run(revoked())
    except RevokedBefore as error:
        print(error.detail)
        return 0
    print(
        f"Revoked {key.key_id} ({key.name}). A service that has just seen it lets it in for {REMEMBERED_S:.0f} seconds "
        "at most."
    )
    return 0


def _table(keys: Sequence[ApiKey], now: datetime) -> list[tuple[str, ...]]:
    head = (
        "KEY ID",
        "NAME",
        "STATE",
        "EXPIRES",
        "LAST USED",
        "MADE",
        "BY",
        "SCOPES",
        "LIMITED TO",
        "BEGINS WITH",
    )
    return [head, *(_row(key, now) for key in keys)]


def _row(key: ApiKey, now: datetime) -> tuple[str, ...]:
    state = "revoked" if key.revoked_at is not None else "expired" if key.expires_at <= now else "in force"
    limits = [*(key.purposes or ()), *([f"recipient {key.recipient}"] if key.recipient else [])]
    used = "never" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:%M}"
    dates = (_day(key.expires_at), used, _day(key.created_at))
    allowed = (" ".join(key.scopes), ", ".join(limits))
    return (key.key_id, key.name, state, *dates, key.created_by, *allowed, _prefix(key))


def _prefix(key: ApiKey) -> str:
    return ApiKeyName(key.controller, key.key_id).prefix


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
