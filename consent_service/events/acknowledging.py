"""Taking recipients' words from Kafka: every serving process is a member of one group of the ledger (R34).

Offsets are committed after the database has the words, so none is lost; one that comes twice is the same word.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, UnsupportedCodecError

from consent_service.domain.errors import ConsentError, Overloaded, Unavailable
from consent_service.domain.propagation import Word
from consent_service.events.feed.follower import BROKEN, POLL_MS, STEP_RECORDS_MAX, look_at, records_of
from consent_service.events.wire.acknowledgements import read_acknowledgement
from consent_service.events.wire.messages import NotUnderstood
from consent_service.events.wire.topics import acks_topic
from consent_service.metrics import Metrics
from consent_service.usecases.listening import Listening
from consent_service.usecases.propagation import reason_of

_log = logging.getLogger(__name__)

#: How long connecting may take, and leaving.
CONNECT_S = 10.0
CLOSE_S = 1.0
#: How often it is looked whether there are other topics, or the ledger is in another epoch.
LOOK_S = 10.0
#: The same while there is no topic yet; and the wait after a failure.
AGAIN_S = 1.0
#: A member that was killed is missed after this time; its partitions then go to the others.
SESSION_MS = 6_000
#: What is under way at once, however many topics there are; one batch that is larger comes all the same.
_FETCH_BYTES_MAX = 8 << 20
_PARTITION_BYTES_MAX = 256 << 10
#: What aiokafka raises of a message that it cannot read, and what that means.
_UNREADABLE: Mapping[type[Exception], str] = {
    UnicodeDecodeError: "a header's name is no text",
    UnsupportedCodecError: "it is packed in a way that is not read here",
}

Take = Callable[[Sequence[Word]], Awaitable[Mapping[int, ConsentError]]]


class Heard(msgspec.Struct, frozen=True):
    """A word, and the message that it came in."""

    word: Word
    message: Any


class Acknowledging:
    """Follows the `.acks.v1` topics of all controllers. `listen` tells whose they are, `take` keeps the words.

    A message that is not understood, or not believed, is logged, counted and passed over.
    """

    def __init__(
        self, bootstrap: str, listen: Callable[[], Awaitable[Listening]], take: Take, metrics: Metrics
    ) -> None:
        self._bootstrap = bootstrap
        self._listen = listen
        self._take = take
        self._metrics = metrics
        self._stop = asyncio.Event()
        self._is_silent = False
        """Whether it was told already that nothing can be read or kept now."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop, which takes a second or two."""
        self._stop = stop
        while not stop.is_set():
            try:
                listening = await self._listen()
                async with self._consumer(listening) as consumer:
                    await self._follow(consumer, listening)
            except (*BROKEN, Overloaded, Unavailable) as error:
                self._tell_silence(error)
            except Exception as error:  # noqa: BLE001  whatever it is, the words are still there: try again
                self._is_silent = True
                _log.error("acknowledgements are not read now", exc_info=error)
            await self._wait(AGAIN_S)

    @asynccontextmanager
    async def _consumer(self, listening: Listening) -> AsyncIterator[Any]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id="consent-acknowledgements",
            group_id=listening.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 3,
            fetch_max_bytes=_FETCH_BYTES_MAX,
            max_partition_fetch_bytes=_PARTITION_BYTES_MAX,
        )
        try:
            async with asyncio.timeout(CONNECT_S):
                await consumer.start()
            yield consumer
        finally:
            # Cancelled, it would still wait for a broker that stands still, and the end of the service with it.
            leaving = asyncio.ensure_future(consumer.stop())
            leaving.add_done_callback(look_at)
            try:
                await asyncio.wait({leaving}, timeout=CLOSE_S)
            finally:
                leaving.cancel()

    async def _follow(self, consumer: Any, listening: Listening) -> None:
        """Until there is something else to listen to."""
        wanted = {acks_topic(prefix) for prefix in listening.prefixes.values()}
        # Asking for all topics by no name never lets a broker make one by itself.
        topics = wanted & await _topics(consumer)
        if not topics:
            return
        consumer.subscribe(sorted(topics))
        loop = asyncio.get_running_loop()
        look_at = loop.time() + LOOK_S
        while not self._stop.is_set():
            messages = await self._next(consumer)
            if messages:
                await self._keep(messages, listening)
                if self._stop.is_set():
                    return
                await self._commit(consumer, messages)
            if self._is_silent:
                self._is_silent = False
                _log.info("acknowledgements are read again")
            if loop.time() >= look_at:
                look_at = loop.time() + (LOOK_S if topics == wanted else AGAIN_S)
                with contextlib.suppress(Overloaded, Unavailable):
                    if await self._listen() != listening:
                        return
                if topics != wanted and topics != wanted & await _topics(consumer):
                    return

    async def _next(self, consumer: Any) -> list[Any]:
        """What comes next. A message that aiokafka cannot read is passed over: it would hold up all behind it."""
        try:
            return await records_of(consumer)
        except tuple(_UNREADABLE):
            # What was read in one go with it counts as read everywhere, and is lost.
            for place in consumer.assignment():
                kept = await consumer.committed(place)
                await consumer.seek_to_beginning(place) if kept is None else consumer.seek(place, kept)
            return [one for place in consumer.assignment() for one in await self._one_by_one(consumer, place)]

    async def _one_by_one(self, consumer: Any, place: TopicPartition) -> list[Any]:
        """Of one partition what comes before a message that cannot be read, and is behind that then."""
        found: list[Any] = []
        while len(found) < STEP_RECORDS_MAX:
            offset = await consumer.position(place)
            try:
                batches = await consumer.getmany(place, timeout_ms=POLL_MS, max_records=1)
            except tuple(_UNREADABLE) as error:
                consumer.seek(place, offset + 1)
                self._metrics.acknowledgements_refused.labels("not_understood").inc()
                where = {"topic": place.topic, "partition": place.partition, "offset": offset}
                self._pass_over(where, "not_understood", _UNREADABLE[type(error)])
                break
            if not batches:
                break
            found += batches[place]
        return found

    async def _commit(self, consumer: Any, messages: Sequence[Any]) -> None:
        """Where the partitions went to another member meanwhile, it hears the words once more."""
        places = {TopicPartition(one.topic, one.partition): one.offset + 1 for one in messages}
        with contextlib.suppress(CommitFailedError, IllegalStateError):
            async with asyncio.timeout(CONNECT_S):
                await consumer.commit(places)

    async def _keep(self, messages: Sequence[Any], listening: Listening) -> None:
        """Return when the database has all that is believed, or the service stops."""
        heard = [Heard(word, one) for one in messages if (word := self._read(one)) is not None]
        if any(one.word.controller not in listening.prefixes for one in heard):
            listening = await self._persist(self._listen) or listening
        theirs = [one for one in heard if self._may_speak(one, listening)]
        if theirs:
            await self._take_all(theirs)

    def _read(self, message: Any) -> Word | None:
        try:
            return read_acknowledgement(message)
        except NotUnderstood as error:
            self._metrics.acknowledgements_refused.labels("not_understood").inc()
            self._pass_over(_place(message), "not_understood", str(error))
            return None

    def _may_speak(self, heard: Heard, listening: Listening) -> bool:
        """One prefix is one domain of trust: nobody speaks there about the records of another's controllers (R28)."""
        prefix = listening.prefixes.get(heard.word.controller)
        if prefix is not None and acks_topic(prefix) == heard.message.topic:
            return True
        self._metrics.acknowledgements_refused.labels("wrong_topic").inc()
        self._pass_over(_place(heard.message), "wrong_topic", "the controller has no such topic")
        return False

    async def _take_all(self, heard: Sequence[Heard]) -> None:
        """A fault of ours in the middle of many concerns one of them: the others are kept all the same."""
        words = [one.word for one in heard]
        try:
            refused = await self._persist(lambda: self._take(words))
        except Exception as error:  # noqa: BLE001  one message must not hold back all that come after it
            if len(heard) > 1:
                for one in heard:
                    await self._take_all([one])
                return
            _log.error("an acknowledgement failed", exc_info=error, extra=_place(heard[0].message))
            self._metrics.acknowledgements_refused.labels("failed").inc()
            return
        for place, refusal in (refused or {}).items():
            self._pass_over(_place(heard[place].message), reason_of(refusal), None)

    async def _persist(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """The work's result, however long the database is away; None where the service stops before."""
        while not self._stop.is_set():
            try:
                return await work()
            except (Overloaded, Unavailable) as error:
                self._tell_silence(error)
                await self._wait(AGAIN_S)
        return None

    def _pass_over(self, place: dict[str, Any], reason: str, why: str | None) -> None:
        """`why` never quotes the message."""
        words = f"an acknowledgement is passed over: {why}" if why else "an acknowledgement is passed over"
        _log.warning(words, extra={**place, "reason": reason})

    def _tell_silence(self, error: Exception) -> None:
        if not self._is_silent:
            self._is_silent = True
            extra = {"error": type(error.__cause__ or error).__name__}
            _log.warning("acknowledgements are not read now", extra=extra)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


def _place(message: Any) -> dict[str, Any]:
    return {"topic": message.topic, "partition": message.partition, "offset": message.offset}


async def _topics(consumer: Any) -> set[str]:
    async with asyncio.timeout(CONNECT_S):
        return set(await consumer.topics())
