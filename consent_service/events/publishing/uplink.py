"""A relay's way to Kafka, which all its lanes share: what they send in the same step goes as one request a broker.

A request costs both sides a good part of a millisecond, whatever is in it; and each batch in it bears the number and
epoch of the lane that fills it, so that lanes need no connections of their own (docs/decisions/0018-one-uplink.md).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    BrokerResponseError,
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    ProducerFenced,
    RequestTimedOutError,
    for_code,
)
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.structs import TopicPartition

from consent_service.events.wire.topic_ids import read_topic_ids

#: How long a batch may wait for its acknowledgements. Then its fate is unknown, and it is sent again.
SEND_TIMEOUT_S = 4.0
#: The broker answers within this, so that a partition that waits for its replicas, once for each of the two groups that
#: share it, keeps no other's answer until its time is up.
_BROKER_TIMEOUT_S = 1.5
_ALL_REPLICAS = -1
_TRANSACTION_TIMEOUT_MS = 60_000
_AGAIN_S = 0.05
_CLOSE_TIMEOUT_S = 2.0


class Claim(msgspec.Struct, frozen=True):
    """What a broker knows a producer by; of one id it takes nothing of an older epoch."""

    producer_id: int
    epoch: int


class _Waiting(msgspec.Struct, frozen=True):
    where: TopicPartition
    leader: int
    records: bytes
    answer: asyncio.Future[None]


class Uplink:
    """One client, made when it is needed."""

    def __init__(self, bootstrap: str, *, client_id: str = "consent-relay") -> None:
        self.bootstrap = bootstrap
        self._client_id = client_id
        self._client: Any = None
        self._connecting = asyncio.Lock()
        self._waiting: list[_Waiting] = []
        self._requests: dict[asyncio.Task[None], list[_Waiting]] = {}
        self._heard_at = float("-inf")

    def heard_since(self, moment: float) -> bool:
        """Whether a broker answered anything since then."""
        return self._heard_at >= moment

    def _hear(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()

    async def claim(self, name: str | None) -> Claim:
        """Take the name over from whoever has it, or be somebody new. Raises KafkaError."""
        client = await self._connected()
        while True:
            try:
                node = client.get_random_node()
                if name is not None:
                    node = await client.coordinator_lookup(CoordinationType.TRANSACTION, name)
                request = InitProducerIdRequest(name, _TRANSACTION_TIMEOUT_MS)
                answer = await client.send(node, request, group=ConnectionGroup.COORDINATION)
                self._hear()
                if not answer.error_code:
                    return Claim(answer.producer_id, answer.producer_epoch)
                raise for_code(answer.error_code)(name)
            except KafkaError as error:
                if isinstance(error, BrokerResponseError) and not isinstance(error, RequestTimedOutError):
                    self._hear()
                # A broker that has just started does not know yet who coordinates.
                if not error.retriable or isinstance(error, KafkaConnectionError):
                    raise
                await asyncio.gather(client.force_metadata_update(), asyncio.sleep(_AGAIN_S))

    async def find(self, topics: Collection[str]) -> None:
        """Learn anew where these topics lie, which must exist."""
        client = await self._connected()
        for topic in topics:
            client.add_topic(topic)
        await client.force_metadata_update()
        while not all(client.cluster.partitions_for_topic(topic) for topic in topics):
            await asyncio.gather(client.force_metadata_update(), asyncio.sleep(_AGAIN_S))

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has that was found. Raises KafkaError where it is gone."""
        known = self._client and self._client.cluster.partitions_for_topic(topic)
        if not known:
            raise LeaderNotAvailableError(topic)
        return len(known)

    async def topic_ids(self, topics: Collection[str]) -> dict[str, UUID]:
        """In which life each of these topics is. Raises KafkaError."""
        return await read_topic_ids(await self._connected(), topics)

    def send(self, topic: str, partition: int, records: bytes) -> asyncio.Future[None]:
        """One batch, on its way with the next step of the loop; done when every replica in step has it.

        Or it is a KafkaError; ProducerFenced says that the name was claimed by another. Where the broker says that it
        may help the same is sent again, until it is cancelled.
        """
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue(TopicPartition(topic, partition), records, answer)
        return answer

    def _queue(self, where: TopicPartition, records: bytes, answer: asyncio.Future[None]) -> None:
        leader = self._client.cluster.leader_for_partition(where) if self._client is not None else None
        if leader is None or leader < 0:
            answer.set_exception(LeaderNotAvailableError(where.topic))
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(_Waiting(where, leader, records, answer))

    def _flush(self) -> None:
        """A request holds one batch a partition; where groups share a partition the next one goes in the next."""
        waiting, self._waiting = self._waiting, []
        turns: Counter[TopicPartition] = Counter()
        requests: dict[tuple[int, int], list[_Waiting]] = {}
        for one in waiting:
            if not one.answer.done():
                requests.setdefault((one.leader, turns[one.where]), []).append(one)
                turns[one.where] += 1
        for (leader, _), batches in requests.items():
            request = asyncio.create_task(self._produce(self._client, leader, batches))
            self._requests[request] = batches
            request.add_done_callback(self._requests.pop)

    async def _produce(self, client: Any, leader: int, batches: list[_Waiting]) -> None:
        """One request, and the broker's word about each partition in it."""
        failure: Exception = KafkaConnectionError("the connections were given up")
        try:
            if client is None or not await client.ready(leader):
                raise NodeNotReadyError(leader)
            # What was given up meanwhile must not go: the topic may have been made again since.
            batches = [one for one in batches if not one.answer.done()]
            if not batches:
                return
            codes = await _request(client, leader, batches)
            self._hear()
            again = [one for one in batches if not _answered(one.answer, codes.get(one.where))]
            if again:
                await asyncio.gather(client.force_metadata_update(), asyncio.sleep(_AGAIN_S))
            if client is self._client:
                batches = []
                for one in again:
                    if not one.answer.done():
                        self._queue(one.where, one.records, one.answer)
        except Exception as error:  # noqa: BLE001  whatever it is, every lane gets an answer
            failure = error
        finally:
            _fail(batches, failure)

    async def close(self) -> None:
        """Give the connections up, with whatever has not been written to them; the next word connects anew."""
        client, self._client = self._client, None
        if client is None:
            return
        for request, batches in self._requests.items():
            request.cancel()
            # One that has not begun yet never gets to say it.
            _fail(batches, KafkaConnectionError("the connections were given up"))
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await client.close()

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None:
                client = AIOKafkaClient(
                    bootstrap_servers=self.bootstrap,
                    client_id=self._client_id,
                    request_timeout_ms=int(SEND_TIMEOUT_S * 1000),
                )
                try:
                    await client.bootstrap()
                    if not client.cluster.brokers():
                        raise KafkaConnectionError("no broker may serve yet")
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client


def _fail(batches: list[_Waiting], failure: Exception) -> None:
    for one in batches:
        if not one.answer.done():
            one.answer.set_exception(failure)


async def _request(client: Any, leader: int, batches: list[_Waiting]) -> dict[tuple[str, int], int]:
    topics: dict[str, list[tuple[int, bytes]]] = {}
    for one in batches:
        topics.setdefault(one.where.topic, []).append((one.where.partition, one.records))
    request = ProduceRequest(None, _ALL_REPLICAS, int(_BROKER_TIMEOUT_S * 1000), list(topics.items()))
    answer = await client.send(leader, request)
    return {(topic, about[0]): about[1] for topic, told in answer.topics for about in told}


def _answered(answer: asyncio.Future[None], code: int | None) -> bool:
    """False where the broker says that the same may pass if it is sent again."""
    if answer.done():
        return True
    if code == 0:
        answer.set_result(None)
        return True
    error = KafkaConnectionError() if code is None else for_code(code)()
    if error.retriable and code is not None:
        return False
    answer.set_exception(ProducerFenced() if isinstance(error, InvalidProducerEpoch) else error)
    return True
