"""Sending a list of messages once, from a command: all of it in order, or an error."""

from __future__ import annotations

from collections.abc import Sequence

from consent_service.events.publishing.kafka import Publisher, PublishingFailed
from consent_service.events.wire.messages import Message

#: So often in a row may nothing get through.
_FRUITLESS_MAX = 5


async def send_all(publisher: Publisher, messages: Sequence[Message]) -> None:
    """Make the topics where they are missing, and send; what did not get through is sent again, with all behind it.

    Raises PublishingFailed; then a part may have arrived.
    """
    waiting = list(messages)
    topics = {message.topic for message in waiting}
    fruitless = 0
    while waiting:
        try:
            await publisher.prepare(topics)
            sent = await publisher.send(waiting)
        except PublishingFailed:
            fruitless += 1
            if fruitless == _FRUITLESS_MAX:
                raise
            continue
        done = set(sent.acknowledged)
        waiting = [message for place, message in enumerate(waiting) if place not in done]
        fruitless = 0 if done else fruitless + 1
        if fruitless == _FRUITLESS_MAX:
            raise PublishingFailed("no message was acknowledged") from sent.failure
