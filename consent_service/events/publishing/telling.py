"""Rows of the outbox as the messages that tell them, in order; what cannot be read holds its own subject back."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from consent_service.domain.changes import ConsentChange, state_after
from consent_service.events.publishing.lane import Told
from consent_service.events.wire.encode import encode, encode_state
from consent_service.events.wire.messages import Message
from consent_service.storage.outbox import Kind, Located, Pointer

_log = logging.getLogger(__name__)


class Telling:
    """Encodes batches. Whoever's row cannot be told is held back, and it is said once for each such row."""

    def __init__(self) -> None:
        self._said: set[int] = set()
        self.held_back: set[UUID] = set()
        """Persons whose rows are not read until `look_again`."""

    def look_again(self) -> None:
        """Perhaps a row can be read now, or its topic is there."""
        self.held_back.clear()

    def tell(
        self, pointers: Sequence[Pointer], located: Mapping[Pointer, Located], topics: Collection[str]
    ) -> list[Told]:
        """What is sent for these rows, to these topics. Behind a row that waits its subject or purpose waits."""
        told: list[Told] = []
        blocked: set[tuple[object, ...]] = set()
        for pointer in pointers:
            about = (pointer.kind, pointer.controller, pointer.subject_id, pointer.purpose)
            if about in blocked or pointer.subject_id in self.held_back:
                continue
            found = located.get(pointer)
            messages = () if found is None else tuple(messages_of(found, pointer.traceparent))
            if messages and all(message.topic in topics for message in messages):
                told.append(Told(pointer, messages))
                continue
            blocked.add(about)
            if pointer.kind is not Kind.PURPOSE:
                self.held_back.add(pointer.subject_id)
            self._say(pointer, "cannot be read" if found is None else "has no topic to go to")
        return _last_states(told)

    def _say(self, pointer: Pointer, why: str) -> None:
        if pointer.position not in self._said:
            self._said.add(pointer.position)
            _log.error(
                "an event %s; what follows it waits",
                why,
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
