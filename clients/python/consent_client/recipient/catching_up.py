"""What stands, from the state topic: at a first start, where changes are gone, or after the ledger came back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from aiokafka.partitioner import murmur2

from consent_client.errors import NotUnderstood, Unavailable
from consent_client.recipient.events import nothing_known, told_of, understood
from consent_client.recipient.handling import Duty
from consent_client.recipient.reading import reading
from consent_client.recipient.store import Pair, Store, Told
from consent_client.wire.envelope import HEARTBEAT, STATE, type_of
from consent_client.wire.reading import read_heartbeat, read_state_key
from consent_client.wire.topics import state_topic

#: A group of shards that tells of an event which waits since then has yet to fill the topic.
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class CatchUp:
    """Reads outside the group, from the start of the topic to where it ended when the reading began."""

    def __init__(
        self, bootstrap: str, prefix: str, options: Mapping[str, Any], duty: Duty, store: Store
    ) -> None:
        self._options = {**options, "bootstrap_servers": bootstrap}
        self._topic = state_topic(prefix)
        self._duty = duty
        self._store = store

    async def what_stands(self, partition: int, partitions: int, *, filled: bool) -> list[Told]:
        """The last state of each pair of the duty whose changes lie in this partition of so many.

        With `filled`, only of a topic of which no relay says that it has yet to be filled. Raises Unavailable.
        """
        last: dict[bytes, Told] = {}
        being_filled: dict[tuple[int, int], bool] = {}
        async with reading(self._options, self._topic) as states:
            # Of as many partitions each holds the subjects of the one with its number.
            alike = len(states.partitions) == partitions
            async with aclosing(states.messages({partition} if alike else states.partitions)) as messages:
                async for message in messages:
                    if type_of(message) == HEARTBEAT:
                        being_filled |= _heard(message)
                    elif (alike or _is_in(message.key, partition, partitions)) and self._is_ours(message):
                        last[message.key] = self._told(message)
        if filled and any(being_filled.values()):
            raise Unavailable(f"{self._topic} is being filled")
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
        try:
            controller, _, purpose = read_state_key(message.key)
        except NotUnderstood:
            # Nobody can tell whose it is.
            return False
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


def _heard(message: Any) -> dict[tuple[int, int], bool]:
    """Whether the group of shards that speaks has yet to fill the topic; one that is not understood says nothing."""
    try:
        beat = read_heartbeat(message)
    except NotUnderstood:
        return {}
    return {(message.partition, beat.shard_group): beat.oldest_unpublished >= beat.at - _BEGINNING}


def _is_in(key: bytes | None, partition: int, partitions: int) -> bool:
    """Whether the subject of a state lies in that partition of the changes."""
    try:
        _, subject_id, _ = read_state_key(key)
    except NotUnderstood:
        return False
    return (int(murmur2(str(subject_id).encode())) & 0x7FFFFFFF) % partitions == partition
