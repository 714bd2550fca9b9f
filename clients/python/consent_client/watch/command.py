"""`consent-watch`: follows the stream of changes in a terminal, from Kafka or over HTTP."""

from __future__ import annotations

import argparse
import asyncio
import io
import logging
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from consent_client import clock
from consent_client.errors import ConsentError, NotUnderstood
from consent_client.http.client import ConsentClient
from consent_client.model import Change, Heartbeat
from consent_client.watch.filters import Filters
from consent_client.watch.kafka import read_changes
from consent_client.watch.lag import Lag
from consent_client.watch.view import View
from consent_client.words import Command

FAILED, INTERRUPTED = 1, 130
#: For so long nothing may answer at the start; later it is waited for.
_START_S = 10.0

_COMMANDS = [str(command) for command in Command]
_EXAMPLES = """\
examples:
  consent-watch --kafka 127.0.0.1:9092
  consent-watch --kafka 127.0.0.1:9092 --from beginning --purpose nyhetsbrev --not-allowed
  consent-watch --url http://127.0.0.1:8000 --token "$TOKEN" --command withdraw
  consent-watch --kafka 127.0.0.1:9092 --from beginning --limit 100 | jq .permission

Piped, each change is one line of JSON with the members of /v1/changes.
"""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="consent-watch",
        description="Follow the changes of consents as they are recorded.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_argument_group("where from, one of both")
    one_of = source.add_mutually_exclusive_group(required=True)
    one_of.add_argument("--kafka", metavar="HOST:PORT", help="a broker's address")
    one_of.add_argument("--url", help="the service's address; needs a token with the scope changes:read")
    source.add_argument("--prefix", default="consent", help="of the topics on Kafka; default: consent")
    source.add_argument("--token", help="a bearer token; default: the environment's CONSENT_TOKEN")
    source.add_argument(
        "--from",
        dest="start",
        choices=["beginning", "now"],
        default="now",
        help="what Kafka still keeps, or what comes from now on; default: now",
    )
    shown = parser.add_argument_group("what is shown; each may be repeated")
    shown.add_argument("--controller", action="append", default=[])
    shown.add_argument("--purpose", action="append", default=[])
    shown.add_argument("--subject", action="append", default=[], help="an id, or the end of one")
    shown.add_argument(
        "--command",
        action="append",
        default=[],
        choices=_COMMANDS,
        metavar="COMMAND",
        help=", ".join(_COMMANDS),
    )
    allowed = shown.add_mutually_exclusive_group()
    allowed.add_argument("--allowed", action="store_true", default=None, help="what is allowed now")
    allowed.add_argument("--not-allowed", dest="allowed", action="store_false", help="what is not")
    parser.add_argument("--limit", type=_count, metavar="N", help="end after so many changes")
    parser.add_argument("--json", action="store_true", help="lines of JSON, on a terminal too")
    parser.add_argument(
        "--colour",
        choices=["auto", "always", "never"],
        default="auto",
        help="auto: on a terminal, unless NO_COLOR is set",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 at the limit or where nobody reads on, 1 where nothing answers or who asks is refused, 130 on
    Ctrl-C.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    options.token = options.token or os.environ.get("CONSENT_TOKEN")
    if options.url is not None:
        if not options.token:
            parser.error("--url needs --token or CONSENT_TOKEN")
        if options.start == "beginning":
            parser.error("--from beginning needs --kafka: over HTTP the stream starts now")
    # What the library has to say is said below, once.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        asyncio.run(_watch(options, _view(options, os.environ)))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # What is still in the buffer would complain once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ConsentError, ValueError) as error:
        _complain(str(error))
        return FAILED
    return 0


def _view(options: argparse.Namespace, environment: Mapping[str, str]) -> View:
    terminal = sys.stdout.isatty()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    wanted = terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    colour = wanted if options.colour == "auto" else options.colour == "always"
    return View(sys.stdout, sys.stderr, as_json=options.json or not terminal, colour=colour)


async def _watch(options: argparse.Namespace, view: View) -> None:
    filters = Filters(
        tuple(options.controller),
        tuple(options.purpose),
        tuple(options.subject),
        tuple(options.command),
        options.allowed,
    )
    source = _from_kafka(options, view) if options.kafka is not None else _over_http(options, view)
    shown = 0
    async with aclosing(source):
        async for change in source:
            if filters.take(change):
                view.change(change)
                shown += 1
                if shown == options.limit:
                    return


async def _from_kafka(options: argparse.Namespace, view: View) -> AsyncGenerator[Change, None]:
    stream = read_changes(
        options.kafka,
        options.prefix,
        from_beginning=options.start == "beginning",
        say=_complain,
        start_s=_START_S,
    )
    lag = Lag()
    # Heartbeats of the past tell how it was then.
    is_at_the_end = False
    async with aclosing(stream):
        await anext(stream)
        view.remark(f"following {options.prefix}.changes.v1 at {options.kafka}")
        async for told in stream:
            if told is not None:
                if isinstance(told.what, Change):
                    yield told.what
                elif isinstance(told.what, Heartbeat):
                    lag.hear(told.partition, told.what)
                elif isinstance(told.what, NotUnderstood):
                    _complain(f"partition {told.partition}, offset {told.offset}: {told.what}")
            is_at_the_end = is_at_the_end or told is None
            news = lag.news(clock.now()) if is_at_the_end else None
            if news is not None:
                view.remark(news)


async def _over_http(options: argparse.Namespace, view: View) -> AsyncGenerator[Change, None]:
    async with ConsentClient(options.url, options.token) as client:
        first = client.changes(patience_s=_START_S)
        async with aclosing(first):
            last, told = await anext(first)
        view.remark(f"following {options.url}/v1/changes")
        if isinstance(told, Change):
            yield told
        stream = client.changes(last)
        async with aclosing(stream):
            async for _, told in stream:
                if isinstance(told, Change):
                    yield told


def _complain(text: str) -> None:
    sys.stderr.write(f"consent-watch: {text}\n")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number above 0 is needed")
    return int(text)
