"""How many changes a second a recipient handles, keeps and acknowledges, beside a consumer that only reads them."""

from __future__ import annotations

import secrets
import sys
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.figures import Figure, figure
from benchmarks.recipients import CONTROLLER, PURPOSE, Plan
from benchmarks.stage import Stage
from consent_service.domain.changes import ConsentChange
from consent_service.domain.partitions import CHANGES_PARTITIONS
from consent_service.domain.values import Basis, Command, Reason, Status
from consent_service.events.wire.encode import encode
from consent_service.usecases import clock

EVENTS = 20_000
ROUNDS = 3
_SEQUENCES = 4
_SENT_AT_ONCE = 1000


async def receive(stage: Stage, name: str, count: int) -> list[Figure]:
    """Each round a recipient and a bare consumer, each of a new group, read the same topic from its start."""
    prefix = f"receive-{secrets.token_hex(4)}"
    await _tell(stage.bootstrap, prefix, count)
    rates: list[float] = []
    ceilings: list[float] = []
    for round_ in range(ROUNDS):
        for outcomes, bare in ((ceilings, True), (rates, False)):
            plan = Plan(stage.bootstrap, prefix, f"{prefix}-{round_}-{bare}", count, bare)
            outcomes.append((await stage.receive(plan)).rate)
        print(
            f"  recipient: {rates[-1]:,.0f} changes/s; consumer alone: {ceilings[-1]:,.0f}", file=sys.stderr
        )
    place = sorted(range(ROUNDS), key=lambda place: rates[place] / ceilings[place])[ROUNDS // 2]
    return [figure(name, rates[place], "changes/s", "aiokafka consumer alone", ceilings[place])]


async def _tell(bootstrap: str, prefix: str, count: int) -> None:
    """So many changes, four of each person, as the relay publishes them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    topics = [f"{prefix}.{kind}.v1" for kind in ("changes", "acks", "dead")]
    await admin.create_topics([NewTopic(topic, CHANGES_PARTITIONS, 1) for topic in topics])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, linger_ms=5)
    await producer.start()
    for first in range(0, count, _SENT_AT_ONCE):
        for number in range(first, min(count, first + _SENT_AT_ONCE)):
            message = encode(_change(number), prefix)
            await producer.send(
                message.topic,
                message.value,
                key=message.key,
                partition=message.partition(CHANGES_PARTITIONS),
                headers=list(message.headers),
            )
        await producer.flush()
    await producer.stop()


def _change(number: int) -> ConsentChange:
    """Grants and withdrawals in turn."""
    person, place = divmod(number, _SEQUENCES)
    gives, at = place % 2 == 0, clock.now()
    return ConsentChange(
        record_id=UUID(int=(0x0198F3A27C12 << 80) | (0x7 << 76) | (0x8 << 60) | number),
        controller=CONTROLLER,
        subject_id=UUID(int=(0x0198F3A27C11 << 80) | (0x7 << 76) | (0x8 << 60) | person),
        sequence=place + 1,
        purpose=PURPOSE,
        command=Command.GRANT if gives else Command.WITHDRAW,
        status=Status.GIVEN if gives else Status.WITHDRAWN,
        allowed=gives,
        reason=Reason.GIVEN if gives else Reason.WITHDRAWN,
        until=None,
        version=1,
        standing_version=1,
        governing_version=1,
        legal_bases=(Basis.CONSENT,),
        preferences=None,
        source=None,
        recorded_at=at,
        occurred_at=None,
        effective_at=at,
        cause=None,
        superseded=False,
        replayed=False,
        ledger_epoch=1,
    )
