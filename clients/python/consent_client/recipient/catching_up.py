"""What stands, from the state topic: where changes are gone unread, or the ledger came back from a backup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.partitioner import murmur2

from consent_client.errors import NotUnderstood, Unavailable
from consent_client.recipient.events import nothing_known, told_of, understood
from consent_client.recipient.handling import Duty
from consent_client.recipient.store import Pair, Store, Told
from consent_client.wire.envelope import STATE, type_of
from consent_client.wire.reading import read_state_key
from consent_client.wire.topics import state_topic

_FETCH_MS = 500


class CatchUp:
    """Reads outside the group, from the start of the topic to where it ended when the reading began."""

    def __init__(
        self, bootstrap: str, prefix: str, options: Mapping[str, Any], duty: Duty, store: Store
    ) -> None:
        self._options = {**options, "bootstrap_servers": bootstrap}
        self._topic = state_topic(prefix)
        self._duty = duty
        self._store = store

    async def what_stands(self, partition: int, partitions: int) -> list[Told]:
        """The last state of each pair of the duty whose changes lie in this partition of so many."""
        last: dict[bytes, Told] = {}
        consumer = AIOKafkaConsumer(self._topic, **self._options, auto_offset_reset="earliest")
        try:
            await consumer.start()
            places = consumer.assignment()
            if not places:
                raise Unavailable(f"{self._topic} is not there")
            ends = await consumer.end_offsets(places)
            behind = [place for place in places if ends[place] > 0]
            while behind:
                for messages in (await consumer.getmany(*behind, timeout_ms=_FETCH_MS)).values():
                    for message in messages:
                        if _is_in(message.key, partition, partitions) and self._is_ours(message):
                            last[message.key] = self._told(message)
                behind = [place for place in behind if await consumer.position(place) < ends[place]]
        finally:
            await consumer.stop()
        return [told for told in last.values() if told.value is not None]

    async def what_is_lost(self, stands: list[Told], partition: int, ledger_epoch: int) -> list[Told]:
        """Of each pair that was acted on and is not named by a state of this epoch: that nothing is known."""
        named: set[Pair] = set()
        for told in stands:
            # One that is not understood names nobody: it is parked, and so is what is told behind it.
            state = understood(told).change
            if state is not None and state.ledger_epoch >= ledger_epoch:
                purposes = self._duty.purposes if state.purpose is None else (state.purpose,)
                named |= {(told.subject, purpose) for purpose in purposes}
        return [
            nothing_known(self._duty.controller, act.subject, act.purpose, partition, ledger_epoch)
            for act in await self._store.settled_in(partition)
            if act.purpose in self._duty.purposes and (act.subject, act.purpose) not in named
        ]

    def _is_ours(self, message: Any) -> bool:
        if message.value is not None and type_of(message) != STATE:
            return False
        controller, _, purpose = read_state_key(message.key)
        return controller == self._duty.controller and (purpose is None or purpose in self._duty.purposes)

    def _told(self, message: Any) -> Told:
        """Under its subject, as changes are."""
        told = told_of(message)
        _, subject_id, _ = read_state_key(message.key)
        return Told(
            subject=str(subject_id),
            topic=told.topic,
            partition=told.partition,
            offset=told.offset,
            key=told.key,
            value=told.value,
            headers=told.headers,
        )


def _is_in(key: bytes | None, partition: int, partitions: int) -> bool:
    """Whether the subject of a state lies in that partition of the changes."""
    try:
        _, subject_id, _ = read_state_key(key)
    except NotUnderstood:
        return False
    return (int(murmur2(str(subject_id).encode())) & 0x7FFFFFFF) % partitions == partition
