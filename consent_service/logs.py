"""Logs are events with fields: JSON lines, or short lines for a terminal. Personal data has no way in.

A line's message is constant text; what varies is a field from the list below: ids of ours, counts, names of errors.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

#: What a log line may carry beside its message; anything else is dropped.
FIELDS = frozenset(
    {
        "attempt",
        "controller",
        "count",
        "error",
        "issuer",
        "holder",
        "method",
        "milliseconds",
        "offset",
        "partition",
        "position",
        "purpose",
        "reason",
        "recipient",
        "remaining",
        "request_id",
        "route",
        "seconds",
        "shard_group",
        "status",
        "topic",
        "url",
    }
)


class JsonLines(logging.Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = _where(record)
        return json.dumps(line, ensure_ascii=False)


class ShortLines(logging.Formatter):
    """Time, level and words, for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        error = ""
        if record.exc_info and record.exc_info[0] is not None:
            error = f" error={record.exc_info[0].__name__} where={_where(record)}"
        return f"{at} {record.levelname.lower():7} {record.getMessage()}{fields}{error}"


def set_up_logging(level: str, *, machine: bool) -> None:
    """Send every log line to standard error; the libraries' own below warning are left out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if machine else ShortLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("consent_service").setLevel(level.upper())
    # These put what they were handed into their messages: values of rows, headers, addresses.
    for name in ("asyncio", "aiokafka", "uvicorn", "litestar", "httpx", "asyncpg"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name in FIELDS}


def _where(record: logging.LogRecord) -> str:
    """The innermost place of an exception: never its message, which may quote a value."""
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
