"""Rows of the outbox as the messages that tell them, in order; what cannot be read holds its own subject back."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from consent_service.domain.changes import ConsentChange, state_after
from consent_service.events.encode import encode, encode_state
from consent_service.events.lane import Told
from consent_service.events.messages import Message
from consent_service.storage.outbox import Located, Pointer

_log = logging.getLogger(__name__)


class Telling:
    """Encodes batches, and says once of each row that cannot be read that it waits."""

    def __init__(self) -> None:
        self._unreadable: set[int] = set()

    def tell(self, pointers: Sequence[Pointer], located: Mapping[Pointer, Located]) -> list[Told]:
        """What is sent for these rows. Where a row cannot be told its subject or purpose waits; none is skipped."""
        told: list[Told] = []
        blocked: set[tuple[object, ...]] = set()
        for pointer in pointers:
            lane = (pointer.kind, pointer.controller, pointer.subject_id, pointer.purpose)
            if lane in blocked:
                continue
            found = located.get(pointer)
            if found is None:
                blocked.add(lane)
                self._say_unreadable(pointer)
                continue
            told.append(Told(pointer, tuple(messages_of(found, pointer.traceparent))))
        return _last_states(told)

    def _say_unreadable(self, pointer: Pointer) -> None:
        if pointer.position not in self._unreadable:
            self._unreadable.add(pointer.position)
            _log.error(
                "an event cannot be read; what follows it waits",
                extra={"controller": pointer.controller, "position": pointer.position},
            )


def messages_of(located: Located, traceparent: str | None) -> list[Message]:
    """A record is a change and the state it leads to; a purpose and a notice are one message."""
    event = located.event
    messages = [encode(event, located.topic_prefix, traceparent)]
    if isinstance(event, ConsentChange) and (state := state_after(event)) is not None:
        messages.append(encode_state(state, located.topic_prefix))
    return messages


def _last_states(told: list[Told]) -> list[Told]:
    """Of one pair's states in a batch only the last: compaction would keep no other."""
    seen: set[bytes] = set()
    kept: list[Told] = []
    for one in reversed(told):
        change, *states = one.messages
        if states and states[0].key in seen:
            kept.append(Told(one.pointer, (change,)))
            continue
        seen.update(state.key for state in states)
        kept.append(one)
    kept.reverse()
    return kept
