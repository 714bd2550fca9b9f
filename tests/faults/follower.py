"""A consumer as `docs/EVENTS.md` advises: what it keeps and how far it has read are one transaction.

`python -m tests.faults.follower BOOTSTRAP TOPIC FILE` follows until it is ended. In the SQLite file `kept` has a row for
every change that was new; repetitions are dropped. A gap in a person's sequence is an event that was lost: it says so
and ends, without having kept anything behind it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consent_service.events.wire.consume import read_change
from consent_service.events.wire.heartbeats import is_heartbeat

AGAIN_S = 0.2
#: A connection on which nothing comes back for so long is given up. aiokafka's default is 40 s.
ANSWER_S_MAX = 3.0
FETCH_WAIT_MS = 200
TABLES = """
    create table if not exists kept (
        subject_id text, sequence integer, record_id text, purpose text, status text, allowed integer,
        primary key (subject_id, sequence)
    );
    create table if not exists heads (subject_id text primary key, sequence integer);
    create table if not exists offsets (number integer primary key, next integer);
"""
_log = logging.getLogger("follower")


class EventLost(Exception):
    """A person's next event is not the one after the last."""


def opened(file: Path) -> sqlite3.Connection:
    """The follower's own tables; a transaction begins with the first change and ends with `commit`."""
    connection = sqlite3.connect(file, timeout=10)
    connection.execute("pragma journal_mode = wal")
    connection.executescript(TABLES)
    return connection


def keep(connection: sqlite3.Connection, messages: Iterable[Any]) -> None:
    """All of these and the place behind them, or nothing. Raises EventLost."""
    with connection:
        for message in messages:
            if not is_heartbeat(message):
                _keep_one(connection, message)
            connection.execute(
                "insert or replace into offsets values (?, ?)", (message.partition, message.offset + 1)
            )


def _keep_one(connection: sqlite3.Connection, message: Any) -> None:
    change = read_change(message).change
    subject_id = str(change.subject_id)
    found = connection.execute("select sequence from heads where subject_id = ?", (subject_id,)).fetchone()
    last = found[0] if found else 0
    if change.sequence <= last:
        return
    if change.sequence != last + 1:
        raise EventLost(f"{subject_id}: {change.sequence} after {last}")
    status = None if change.status is None else change.status.value
    row = (subject_id, change.sequence, str(change.record_id), change.purpose, status, change.allowed)
    connection.execute("insert into kept values (?, ?, ?, ?, ?, ?)", row)
    connection.execute("insert or replace into heads values (?, ?)", (subject_id, change.sequence))


async def follow(connection: sqlite3.Connection, bootstrap: str, topic: str) -> None:
    """Until something goes wrong. Raises KafkaError, OSError, TimeoutError, EventLost, NotUnderstood."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
        request_timeout_ms=int(ANSWER_S_MAX * 1000),
    )
    try:
        await consumer.start()
        numbers: set[int] = set()
        while not numbers:
            numbers = (await consumer._client.fetch_all_metadata()).partitions_for_topic(topic) or set()
            await asyncio.sleep(0 if numbers else AGAIN_S)
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        for number, place in connection.execute("select number, next from offsets").fetchall():
            consumer.seek(TopicPartition(topic, number), place)
        _log.info("following %s", topic)
        while True:
            for messages in (await consumer.getmany(*partitions, timeout_ms=1000)).values():
                keep(connection, messages)
    finally:
        await consumer.stop()


async def main(bootstrap: str, topic: str, file: str) -> None:
    connection = opened(Path(file))
    while True:
        try:
            await follow(connection, bootstrap, topic)
        except (KafkaError, OSError) as error:
            _log.warning("again after %s", type(error).__name__)
            await asyncio.sleep(AGAIN_S)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(main(*sys.argv[1:]))
