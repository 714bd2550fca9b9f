"""`consent-service demo`: the main job told in the terminal, against a service that runs or one of its own."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from consent_service.settings import Settings

#: Between two acts on a terminal, so that a reader can follow.
PACE_S = 1.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "demo",
        help="the main job told in the terminal: consent, withdrawal, consumers that stop",
        description="Four people agree and withdraw over HTTP; five consumers on Kafka start and stop, and the "
        "milliseconds in between are shown. Uses the service that `run` has started with the same --data-dir; "
        "otherwise starts one, and stops it at the end. Exit code 1 where a consumer did not stop.",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("CONSENT_DATA_DIR", ".data")),
        help="where data and keys are kept (default: .data, or CONSENT_DATA_DIR)",
    )
    parser.add_argument("--url", help="a service elsewhere that has the sample catalogue; needs --kafka too")
    parser.add_argument(
        "--kafka", metavar="HOST:PORT", help="the Kafka of --url (default: CONSENT_KAFKA_BOOTSTRAP)"
    )
    parser.add_argument(
        "--token",
        action="append",
        default=[],
        help="a token for --url, once each for ansettr, coness and assessio (default: made with "
        "CONSENT_DEVELOPMENT_KEY)",
    )
    parser.add_argument(
        "--pace",
        type=float,
        metavar="SECONDS",
        help=f"wait between two acts (default: {PACE_S:g} on a terminal, otherwise 0)",
    )
    parser.set_defaults(handler=run, needs_settings=False)


def run(arguments: argparse.Namespace, _: Settings | None) -> int:
    """Exit code 0 when everything stopped as it has to, 1 when not or nothing could be started, 130 interrupted."""
    try:
        # The service does not need its clients' package; the demo's systems are written with it.
        from consent_service.cli.demo_start import start
    except ModuleNotFoundError as error:
        if error.name != "consent_client":
            raise
        print(
            "consent-service: the demo needs the package consent-client: pip install clients/python",
            file=sys.stderr,
        )
        return 1
    return start(arguments)
