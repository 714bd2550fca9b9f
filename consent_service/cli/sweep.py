"""`consent-service sweep`: time makes events, as a process of its own, stopped by SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse

from consent_service.app.sweeping import run_sweeper
from consent_service.cli.serve import run_until_stopped
from consent_service.logs import set_up_logging
from consent_service.settings import Settings, SettingsError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "sweep",
        help="turn expiry and material changes into records, and tell what will soon end",
        description="Turn passed expiry and material changes of purposes into records, and tell what will soon end by "
        "itself, until SIGTERM. Of several one works, another takes over within thirteen seconds.",
    )
    parser.set_defaults(handler=sweep, needs_settings=True)


def sweep(_: argparse.Namespace, settings: Settings | None) -> int:
    assert settings is not None
    if settings.sweeper_database_url is None:
        raise SettingsError("CONSENT_SWEEPER_DATABASE_URL: is needed by `sweep`")
    set_up_logging(settings.log_level, machine=settings.mode != "development")
    return run_until_stopped(lambda stop: run_sweeper(settings, stop))
