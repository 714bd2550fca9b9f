"""`consent-service COMMAND`: reads the arguments and the environment once, and says what is wrong in one line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from consent_service import __version__
from consent_service.cli import (
    api_keys,
    audit,
    catalogue,
    database,
    demo,
    events,
    keys,
    ledger,
    run,
    serve,
    sweep,
    token,
)
from consent_service.cli.running import settings_beside
from consent_service.domain.errors import ConsentError
from consent_service.settings import Settings, SettingsError, load_settings

#: In the order of the help text.
COMMANDS: tuple[ModuleType, ...] = (
    *(run, serve, sweep, database, catalogue, token, api_keys, audit, keys, ledger, events, demo),
)


def build_parser() -> argparse.ArgumentParser:
    """Every command's arguments; settings come from the environment (CONSENT_..., see docs/OPERATIONS.md)."""
    parser = argparse.ArgumentParser(
        prog="consent-service",
        description="The one place that knows what each person agreed to, and makes downstream systems stop.",
        epilog="Settings come from the environment: CONSENT_DATABASE_URL and others, see docs/OPERATIONS.md.",
    )
    parser.add_argument("--version", action="version", version=f"consent-service {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def _environment() -> dict[str, str]:
    """The environment's, or the settings of the `run` that is at work in this folder."""
    return settings_beside(os.environ, Path(os.environ.get("CONSENT_DATA_DIR", ".data")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. The exit code: 0 done, 1 refused or failed, 2 wrong arguments or settings, 130 interrupted."""
    parsed = build_parser().parse_args(arguments)
    handler: Callable[[argparse.Namespace, Settings | None], int] = parsed.handler
    try:
        settings = load_settings(_environment()) if parsed.needs_settings else None
        return handler(parsed, settings)
    except SettingsError as error:
        print(f"consent-service: these settings are wrong:\n{error}", file=sys.stderr)
        if "CONSENT_DATABASE_URL: is needed" in str(error):
            print("(beside a running `make run`, in its folder, commands use its settings)", file=sys.stderr)
        return 2
    except ConsentError as error:
        print(f"consent-service: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
