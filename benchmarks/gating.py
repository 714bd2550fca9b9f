"""The gate of a consumer: loading what stands, its memory, and its answers beside a bare dictionary's."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from consent_client.wire.topics import groups_on

from benchmarks import asker
from benchmarks.figures import Figure, figure
from benchmarks.messages import CONTROLLER, PURPOSE
from benchmarks.stage import Stage
from consent_service.domain.changes import ConsentState, Heartbeat, PurposePublished, published
from consent_service.domain.partitions import CHANGES_PARTITIONS, SHARD_GROUPS
from consent_service.domain.purposes import Change, NoticeText, Purpose, PurposeContent, PurposeVersion
from consent_service.domain.values import Basis, Reason, Status
from consent_service.events.publishing.kafka import Kafka, Publisher
from consent_service.events.wire.encode import encode, encode_state
from consent_service.events.wire.heartbeats import encode_heartbeat
from consent_service.events.wire.messages import Message
from consent_service.events.wire.topics import purposes_topic, state_topic

ANSWERS_PAIRS = 100_000
_BATCH = 2_000
_FIRST = 0x0198F3A27C1170008000 << 48
_THREE_YEARS = timedelta(days=1096)


async def bootstrap(stage: Stage, name: str, pairs: int) -> list[Figure]:
    """Seconds from the start of a gate to its first answer, beside aiokafka alone reading the same; bytes a pair."""
    asked = await _asked(stage, f"gate-{name}", pairs)
    seconds = figure(f"gate_bootstrap_{name}", asked.ready_s, "s", "aiokafka alone", asked.bare_s)
    memory = figure("gate_bytes_per_pair", asked.bytes_per_pair, "B", "10 million in 1.5 GB", 150)
    return [seconds, memory]


async def answers(stage: Stage, seconds: float) -> list[Figure]:
    """Answers a second in one process, beside look-ups in a dictionary of the same ids, in turns."""
    asked = await _asked(stage, "gate-answers", ANSWERS_PAIRS, seconds)
    return [
        figure(
            "gate_answers", asked.rate, "answers/s", "look-ups in a bare dictionary", asked.dictionary_rate
        )
    ]


async def _asked(stage: Stage, prefix: str, pairs: int, seconds: float = 0.0) -> asker.Outcome:
    await _tell(stage.bootstrap, prefix, pairs)
    outcome = await stage.ask(
        asker.Plan(stage.bootstrap, prefix, CONTROLLER, PURPOSE, str(_FIRST), pairs, seconds)
    )
    print(f"  {pairs:,} pairs: {outcome}", file=sys.stderr, flush=True)
    return outcome


async def _tell(bootstrap: str, prefix: str, pairs: int) -> None:
    """As many states as asked for, half of them permissions, on topics as the relay makes them."""
    publisher = Kafka(bootstrap).publisher()
    try:
        await publisher.prepare({state_topic(prefix), purposes_topic(prefix)})
        await publisher.send([encode(_purpose(), prefix)])
        states = _states(pairs)
        while some := [encode_state(one, prefix) for one in itertools.islice(states, _BATCH)]:
            await _send(publisher, some)
        await publisher.send(list(_beats(prefix)))
    finally:
        await publisher.close()


async def _send(publisher: Publisher, messages: list[Message]) -> None:
    sent = await publisher.send(messages)
    if len(sent.acknowledged) < len(messages):
        raise RuntimeError(f"not everything could be told: {sent.failure}")


def _states(pairs: int) -> Iterator[ConsentState]:
    now = datetime.now(UTC)
    for number in range(pairs):
        gives = number % 2 == 0
        yield ConsentState(
            controller=CONTROLLER,
            subject_id=UUID(int=_FIRST + number),
            purpose=PURPOSE,
            sequence=1 + number % 5,
            record_id=UUID(int=_FIRST + number),
            status=Status.GIVEN if gives else Status.WITHDRAWN,
            allowed=gives,
            reason=Reason.GIVEN if gives else Reason.WITHDRAWN,
            until=now + _THREE_YEARS + timedelta(microseconds=number) if gives else None,
            standing_version=1,
            legal_bases=(Basis.CONSENT,),
            preferences=None,
            recorded_at=now,
            effective_at=now,
            ledger_epoch=1,
        )


def _purpose() -> PurposePublished:
    at = datetime.now(UTC) - timedelta(days=1)
    content = PurposeContent(legal_bases=(Basis.CONSENT,), notices={"nb": NoticeText("Måling", "Vi måler.")})
    version = PurposeVersion(1, Change.MATERIAL, at, at, content, "0" * 64, {"nb": "0" * 64})
    return published(Purpose(CONTROLLER, PURPOSE, (version,)), ledger_epoch=1)


def _beats(prefix: str) -> Iterator[Message]:
    """Of every group on every partition that it has."""
    for group in range(SHARD_GROUPS):
        beat = Heartbeat(
            shard_group=group, at=datetime.now(UTC), oldest_unpublished=timedelta(), ledger_epoch=1
        )
        key, value, headers = encode_heartbeat(beat)
        yield Message(purposes_topic(prefix), key, value, headers, 0)
        for partition in range(CHANGES_PARTITIONS):
            if group in groups_on(partition, CHANGES_PARTITIONS, SHARD_GROUPS):
                # What stands for the subject's hash is the partition itself.
                yield Message(state_topic(prefix), key, value, headers, partition)
