"""Sending words and dead letters: each call returns when they have arrived, or raises Unavailable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from consent_client.ending import stop
from consent_client.errors import UNEXPLAINED, NotUnderstood, Refused, Unavailable
from consent_client.model import Acknowledgement
from consent_client.wire.envelope import Outgoing
from consent_client.wire.topics import acks_topic
from consent_client.wire.writing import acknowledgement_message

_log = logging.getLogger("consent_client.recipient")
_UNKNOWN_RECORD = (404, 409, 422)


class Acknowledging(Protocol):
    """Where words go."""

    async def acknowledge(self, words: Sequence[Acknowledgement]) -> None: ...


class SendAcknowledgements(Protocol):
    """What of ConsentClient words need that go over HTTP; a token of the scope acknowledgements:write."""

    def acknowledge(self, recipient: str, acknowledgements: Sequence[Acknowledgement]) -> Awaitable[Any]: ...


class KafkaSender:
    """One idempotent producer at a time, made when it is needed and thrown away at the first doubt."""

    def __init__(self, bootstrap: str, prefix: str, options: Mapping[str, Any], answer_s: float) -> None:
        self._options = {**options, "bootstrap_servers": bootstrap}
        self._acks = acks_topic(prefix)
        self._answer_s = answer_s
        self._producer: Any = None
        self._making = asyncio.Lock()

    async def acknowledge(self, words: Sequence[Acknowledgement]) -> None:
        await self._send(self._acks, [acknowledgement_message(word) for word in words])

    async def send(self, topic: str, message: Outgoing) -> None:
        await self._send(topic, [message])

    async def _send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        producer = None
        try:
            async with asyncio.timeout(self._answer_s):
                producer = await self._ready()
                arriving = [
                    await producer.send(topic, one.value, key=one.key, headers=list(one.headers))
                    for one in messages
                ]
                await asyncio.gather(*arriving)
        except (KafkaError, OSError, TimeoutError) as error:
            await self._discard(producer)
            raise Unavailable(f"{topic} does not take messages: {type(error).__name__}") from error

    async def close(self) -> None:
        await self._discard(self._producer)

    async def _ready(self) -> Any:
        async with self._making:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,
                    request_timeout_ms=int(self._answer_s * 1000),
                    **self._options,
                )
                try:
                    await producer.start()
                except BaseException:
                    await _ended(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _discard(self, producer: Any) -> None:
        """End it with what it still holds: delivered later, that would come behind what was sent since."""
        if producer is None or producer is not self._producer:
            return
        self._producer = None
        await _ended(producer)


async def _ended(producer: Any) -> None:
    """aiokafka's own `stop` waits for what is under way, for ever if the broker stays away; there is no other way."""
    sender = producer._sender.sender_task  # noqa: SLF001
    while sender is not None and not sender.done():
        sender.cancel()
        await asyncio.wait({sender}, timeout=0.01)
    held = producer._message_accumulator  # noqa: SLF001
    for batch in [*chain.from_iterable(held._batches.values()), *held._pending_batches]:  # noqa: SLF001
        held._pending_batches.add(batch)  # noqa: SLF001
        batch.future.cancel()
        batch._drain_waiter.cancel()  # noqa: SLF001
    await stop(producer)


class HttpAcknowledging:
    """Words over HTTP, for a recipient that may not write to Kafka."""

    def __init__(self, client: SendAcknowledgements, recipient: str) -> None:
        self._client = client
        self._recipient = recipient

    async def acknowledge(self, words: Sequence[Acknowledgement]) -> None:
        try:
            await self._client.acknowledge(self._recipient, words)
        except NotUnderstood as error:
            raise Unavailable("acknowledgements are answered with what is not understood") from error
        except Refused as error:
            if error.status not in _UNKNOWN_RECORD or error.type == UNEXPLAINED:
                raise Unavailable(f"acknowledgements are refused: {error.type}") from error
            if len(words) == 1:
                _log.error(
                    "the service does not take the acknowledgement of record %s: %s",
                    words[0].record_id,
                    error.type,
                )
                return
            for word in words:
                await self.acknowledge([word])
