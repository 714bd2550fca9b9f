"""`consent-service database prepare` and `migrate`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from urllib.parse import urlsplit

from consent_service.settings import Settings, SettingsError
from consent_service.storage.preparation import MigrationFailed, migrate, prepare


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("database", help="make the roles and the database; apply migrations")
    commands = parser.add_subparsers(dest="database_command", required=True, metavar="COMMAND")
    for name, text in (
        ("prepare", "as superuser: make roles and database where missing, set passwords (safe to repeat)"),
        ("migrate", "as owner: apply the pending migrations"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(handler=run, needs_settings=True)


def run(arguments: argparse.Namespace, settings: Settings | None) -> int:
    assert settings is not None
    if arguments.database_command == "prepare":
        return _prepare(settings)
    return _migrate(settings)


def _prepare(settings: Settings) -> int:
    if settings.superuser_database_url is None:
        raise SettingsError("CONSENT_SUPERUSER_DATABASE_URL: is needed by `database prepare`")
    name = urlsplit(settings.database_url).path.strip("/")
    try:
        asyncio.run(prepare(settings.superuser_database_url, name, settings.role_passwords))
    except OSError as error:
        print(f"consent-service: the database server does not answer: {error}", file=sys.stderr)
        return 1
    print(f"Roles and database {name} are there.")
    return 0


def _migrate(settings: Settings) -> int:
    if settings.owner_database_url is None:
        raise SettingsError("CONSENT_OWNER_DATABASE_URL: is needed by `database migrate`")
    try:
        applied = asyncio.run(migrate(settings.owner_database_url))
    except MigrationFailed as error:
        print(f"consent-service: the migration failed:\n{error}", file=sys.stderr)
        return 1
    print("\n".join(f"Applied {name}" for name in applied) or "Nothing to apply: the database is up to date.")
    return 0
