"""From messages of Kafka to what the gate knows. Nothing is skipped because it was not understood."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from consent_client.errors import NotUnderstood
from consent_client.gate.memory import Memory
from consent_client.gate.packing import (
    ALLOWED,
    EPOCH,
    LATEST,
    ORDER,
    REASON,
    REASON_NUMBERS,
    SEQUENCES,
    STATUS_NUMBERS,
    UNTIL,
    VERSION,
)
from consent_client.gate.touch import Touch
from consent_client.model import PurposeGone
from consent_client.wire.envelope import (
    CONTENT_TYPE,
    HEARTBEAT,
    PURPOSE_PUBLISHED,
    STATE,
    KafkaMessage,
    envelope,
    type_of,
)
from consent_client.wire.pb.consent.v1 import events_pb2 as pb
from consent_client.wire.reading import read_heartbeat, read_purpose, read_state, read_state_key
from consent_client.wire.vocabulary import REASONS, STATUSES

_log = logging.getLogger(__name__)

_HEX = b"0123456789abcdef"
_CONSTANT = (("content-type", CONTENT_TYPE.encode()), ("ce_specversion", b"1.0"))
_STATE_TYPE = ("ce_type", STATE.encode())
_BEAT_TYPE = ("ce_type", HEARTBEAT.encode())
_parse = pb.ConsentState.FromString
#: By the numbers on the wire; what is not here was not understood.
_STATUS_NUMBERS = {int(STATUSES.number(word)): number for word, number in STATUS_NUMBERS.items()}
_REASON_NUMBERS = {int(REASONS.number(word)): number << REASON for word, number in REASON_NUMBERS.items()}


Place = tuple[bytes | None, dict[int, int] | None, bytes, bytes]


class EpochBegan(Exception):
    """The first message of a higher ledger epoch: what is known has to be read anew."""


class Intake:
    """Takes messages of one controller into memory, and heartbeats into touch. One for each reading from the start."""

    def __init__(self, memory: Memory, touch: Touch) -> None:
        self._memory = memory
        self._touch = touch
        begins = memory.controller.encode() + b"/"
        #: Where in a key the subject stands.
        self._subject = len(begins), len(begins) + 36
        self._pair = re.compile(rb"%b(?:/([a-z0-9-]+))?" % re.escape(begins))
        source = dict(envelope("", "", memory.controller))["ce_source"]
        self._source = (("ce_source", source),)
        self._places: dict[bytes, Place] = {}

    def take_states(self, messages: Sequence[KafkaMessage]) -> None:
        """Of one partition, in order. Raises EpochBegan, and NotUnderstood where it is not known what it is about."""
        beats: dict[bytes | None, Any] = {}
        for message in messages:
            headers = tuple(message.headers)
            if headers and headers[-1] == _STATE_TYPE:
                if not self._take_plain(message, headers):
                    self._take_slowly(message)
            elif headers and headers[-1] == _BEAT_TYPE:
                beats[message.key] = message
            else:
                self._take_other(message, beats)
        self._hear(beats)

    def take_purposes(self, messages: Sequence[KafkaMessage]) -> None:
        """As `take_states`."""
        beats: dict[bytes | None, Any] = {}
        for message in messages:
            kind = type_of(message)
            if kind == HEARTBEAT:
                beats[message.key] = message
            elif kind in (PURPOSE_PUBLISHED, None):
                self._take_purpose(message)
        self._hear(beats)

    def _take_plain(self, message: KafkaMessage, headers: tuple[tuple[str, bytes | None], ...]) -> bool:
        """A state as the service writes it, read without making anything of it. False where something is otherwise."""
        key, value = message.key, message.value
        if key is None or value is None or headers[:2] != _CONSTANT or headers[3:4] != self._source:
            return False
        begin, end = self._subject
        subject, pair = key[begin:end], key[:begin] + key[end:]
        place = self._places.get(pair) or self._place(pair)
        digits = subject.translate(None, b"-")
        if place is None or len(digits) != 32 or digits.translate(None, _HEX) or subject[8:24:5] != b"----":
            return False
        slug, pairs, head, tail = place
        if pairs is None:
            return True
        if not value.startswith(head + subject + tail):
            return False
        try:
            state = _parse(value)
        except DecodeError:
            return False
        if slug is None and state.HasField("purpose"):
            return False
        permission = state.permission
        status, reason = _STATUS_NUMBERS.get(state.status), _REASON_NUMBERS.get(permission.reason)
        sequence, epoch = state.sequence, state.ledger_epoch
        if status is None or reason is None or sequence > SEQUENCES:
            return False
        packed = (sequence | epoch << EPOCH - ORDER) << ORDER
        packed |= status | reason | permission.allowed << ALLOWED | state.standing_version << VERSION
        if permission.HasField("until"):
            stamp = permission.until
            until = stamp.seconds * 1_000_000 + stamp.nanos // 1000
            if not 0 < until <= LATEST:
                return False
            packed |= until << UNTIL
        if epoch != self._memory.epoch:
            self._meet(epoch)
        number = int(digits, 16)
        known = pairs.get(number)
        # As `take`, which would cost a tenth of it all.
        if known is None or packed >= known or packed >> ORDER == known >> ORDER:
            pairs[number] = packed
        return True

    def _place(self, pair: bytes) -> Place | None:
        """Where words about this purpose go, and how such a state begins, before and behind its subject.

        `pair` is a key without its subject; None where it is none of this controller's.
        """
        match = self._pair.fullmatch(pair)
        if match is None:
            return None
        slug = match[1]
        begins = pb.ConsentState(controller=self._memory.controller).SerializeToString() + b"\x12\x24"
        told = None if slug is None else slug.decode()
        names = b"" if told is None else pb.ConsentState(purpose=told).SerializeToString()
        place = self._places[pair] = slug, self._memory.pairs_of(told), begins, names
        return place

    def _take_other(self, message: KafkaMessage, beats: dict[bytes | None, Any]) -> None:
        """Another order of headers, a tombstone, or what is none of the gate's."""
        kind = type_of(message)
        if kind == HEARTBEAT:
            beats[message.key] = message
        elif kind in (STATE, None) or message.value is None:
            self._take_slowly(message)

    def _take_slowly(self, message: KafkaMessage) -> None:
        controller, subject, slug = read_state_key(message.key)
        if controller != self._memory.controller:
            return
        if message.value is None:
            self._memory.take_gone(slug, subject.int)
            return
        try:
            state = read_state(message)
            assert state is not None
            self._meet(state.ledger_epoch)
            self._memory.take_state(state)
        except (NotUnderstood, ValueError) as error:
            _log.error("a state is not understood; it is no", extra={"purpose": slug, "why": str(error)})
            self._memory.take_damaged(slug, subject.int)

    def _take_purpose(self, message: KafkaMessage) -> None:
        controller, slash, slug = (message.key or b"").decode("utf-8", "replace").partition("/")
        if not (controller and slash and slug):
            raise NotUnderstood("the key names no purpose")
        if controller != self._memory.controller:
            return
        try:
            purpose = read_purpose(message)
        except (NotUnderstood, ValueError) as error:
            _log.error("a purpose is not understood; it is no", extra={"purpose": slug, "why": str(error)})
            self._memory.take_purpose_damaged(slug)
            return
        if isinstance(purpose, PurposeGone):
            self._memory.take_purpose_gone(slug)
            return
        self._meet(purpose.ledger_epoch)
        self._memory.take_purpose(purpose)

    def _hear(self, beats: dict[bytes | None, Any]) -> None:
        """Of each group on the partition the last one counts."""
        for message in beats.values():
            try:
                beat = read_heartbeat(message)
            except (NotUnderstood, ValueError) as error:
                # Nobody tells then how old its partition is, until one is understood.
                _log.warning("a heartbeat is not understood", extra={"why": str(error)})
                continue
            self._meet(beat.ledger_epoch)
            if beat.ledger_epoch == self._memory.epoch:
                self._touch.hear(message.topic, message.partition, beat)

    def _meet(self, epoch: int) -> None:
        if epoch <= self._memory.epoch:
            return
        if self._touch.is_open and self._memory.epoch:
            raise EpochBegan
        self._memory.raise_epoch(epoch)
        self._touch.forget_heard()
