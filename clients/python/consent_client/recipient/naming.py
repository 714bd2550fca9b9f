"""Whether the catalogue knows the recipient: told once at its start, where the purposes topic tells it."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from aiokafka.errors import KafkaError

from consent_client.errors import NotUnderstood, Unavailable
from consent_client.model import Purpose
from consent_client.recipient.handling import Duty
from consent_client.recipient.reading import reading
from consent_client.wire.envelope import PURPOSE_PUBLISHED, type_of
from consent_client.wire.reading import read_purpose
from consent_client.wire.topics import purposes_topic

_AGAIN_S_MAX = 60.0
_log = logging.getLogger("consent_client.recipient")


#: By controller and slug, the latest that was published of each purpose; None for one not understood, or not ours.
Published = Mapping[str, Mapping[str, Purpose | None]]


async def warn_of_misnaming(bootstrap: str, prefix: str, options: Mapping[str, Any], duty: Duty) -> None:
    """Returns once the topic could be read; where it is not there, or not for this reader, that is never."""
    for tries in itertools.count():
        try:
            published = await _read_published({**options, "bootstrap_servers": bootstrap}, prefix, duty)
        except (KafkaError, OSError, Unavailable):
            await asyncio.sleep(min(2.0 ** min(tries, 10), _AGAIN_S_MAX))
            continue
        for warning in misnamings(duty, published):
            _log.warning(warning)
        _log.debug("the catalogue is read")
        return


def misnamings(duty: Duty, published: Published) -> list[str]:
    """What looks like a mistake. Where nothing was published yet, nothing does."""
    if not published:
        return []
    purposes = published.get(duty.controller, {})
    if not purposes:
        return [f"no purpose of a controller {duty.controller} was published: nothing is told of it"]
    found: list[str] = []
    unknown = [slug for slug in duty.purposes if slug not in purposes]
    if unknown:
        found.append(
            f"{duty.controller} has published no purpose {', '.join(unknown)}: nothing is told of it"
        )
    known = [purposes[slug] for slug in duty.purposes if slug in purposes]
    if known and all(purpose is not None and duty.recipient not in _named_by(purpose) for purpose in known):
        found.append(
            f"no purpose of {duty.recipient} names it as a recipient now, or in a version to come: it owes nothing of "
            "what is granted under these, and the service takes its words only if an earlier version names it"
        )
    return found


def _named_by(purpose: Purpose) -> set[str]:
    return {recipient for terms in purpose.versions for recipient, _ in terms.recipients}


async def _read_published(options: Mapping[str, Any], prefix: str, duty: Duty) -> Published:
    """Raises Unavailable, KafkaError, OSError."""
    published: dict[str, dict[str, Purpose | None]] = {}
    async with (
        reading(options, purposes_topic(prefix)) as topic,
        aclosing(topic.messages(topic.partitions)) as messages,
    ):
        async for message in messages:
            if type_of(message) == PURPOSE_PUBLISHED:
                controller, _, slug = (message.key or b"").decode("utf-8", "replace").partition("/")
                purposes = published.setdefault(controller, {})
                if message.value is None:
                    purposes.pop(slug, None)
                else:
                    purposes[slug] = _understood(message) if controller == duty.controller else None
    return published


def _understood(message: Any) -> Purpose | None:
    try:
        told = read_purpose(message)
    except NotUnderstood:
        return None
    return told if isinstance(told, Purpose) else None
