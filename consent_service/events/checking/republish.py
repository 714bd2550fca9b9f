"""Publishing from the ledger again, into a topic that the caller names, marked as replayed (R31)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.audit import AuditAction
from consent_service.domain.changes import ConsentChange, state_after
from consent_service.domain.errors import ConsentError, UnknownController
from consent_service.events.publishing.kafka import Publisher
from consent_service.events.publishing.sending import send_all
from consent_service.events.wire.encode import encode, encode_state
from consent_service.events.wire.messages import Message
from consent_service.events.wire.topics import changes_topic, kind_of, topics_of
from consent_service.storage.audit import AuditEntry, insert_entries
from consent_service.storage.database import Connection, Database
from consent_service.storage.history import read_history, read_prefixes, read_standing
from consent_service.storage.outbox import EventReader, Pointer
from consent_service.usecases import clock
from consent_service.usecases.auditing import entry
from consent_service.usecases.submissions import Caller

_PAGE_ROWS = 500
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")


class Refused(ConsentError):
    """What was asked for cannot be done, or would do harm; the detail says why."""


class Republished(msgspec.Struct):
    """How much was published so far; with a dry run, would be."""

    persons: int = 0
    messages: int = 0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to publish again: of one controller everything, what was recorded since then, or one subject's records."""

    controller: str
    into: str
    since: datetime | None = None
    subject_id: UUID | None = None
    into_live: bool = False
    """Allows the controller's own changes topic, where consumers drop what they know by sequence."""


async def republish(
    database: Database,
    publisher: Publisher,
    wanted: Wanted,
    caller: Caller,
    *,
    dry_run: bool = False,
    progress: Callable[[Republished], None] = lambda _: None,
) -> Republished:
    """As role consent_relay: changes, each person's in order; states where the topic's name ends in `.state.v1`.

    Entered in the audit trail before anything is published. The topic is made where it is missing. Raises Refused,
    UnknownController, Unavailable, and PublishingFailed; then a part may be published, and all of it may be published
    again.
    """
    done = Republished()
    async with database.session() as connection:
        prefix = await _checked(connection, wanted)
    if not dry_run:
        async with database.transaction([wanted.controller]) as connection:
            await insert_entries(connection, [_told(wanted, caller)])
    async with database.session() as connection:
        work = _Work(connection, wanted, prefix)
        last: Pointer | None = None
        while page := await work.page(last):
            messages = await work.messages(page)
            if not dry_run:
                await send_all(publisher, messages)
            done.messages += len(messages)
            done.persons += len({pointer.subject_id for pointer in page} - {last and last.subject_id})
            last = page[-1]
            progress(done)
    return done


def _told(wanted: Wanted, caller: Caller) -> AuditEntry:
    return entry(
        *(caller, AuditAction.EVENTS_REPUBLISHED, clock.now(), wanted.subject_id),
        into=wanted.into,
        since=wanted.since,
    )


async def _checked(connection: Connection, wanted: Wanted) -> str:
    """The controller's prefix, if the topic is one that may be written to."""
    if not _TOPIC.fullmatch(wanted.into):
        raise Refused("A topic's name has 1 to 249 letters, digits, dots, underscores and hyphens.")
    prefixes = await read_prefixes(connection)
    if wanted.controller not in prefixes:
        raise UnknownController(f"There is no controller {wanted.controller!r}.")
    prefix = prefixes[wanted.controller]
    live = {topic for name in prefixes.values() for topic in topics_of(name)}
    if wanted.into == changes_topic(prefix):
        if not wanted.into_live:
            raise Refused(
                f"{wanted.into} is the live topic: its consumers would read old events again, and drop those that "
                "they know by sequence. Say --into-live if that is what you want."
            )
    elif wanted.into in live:
        raise Refused(
            f"{wanted.into} is a live topic that the relay keeps: what is published into it from here could stand "
            "where something newer should. Delete the topic, and the relay fills it again."
        )
    return prefix


class _Work:
    def __init__(self, connection: Connection, wanted: Wanted, prefix: str) -> None:
        self._connection = connection
        self._wanted = wanted
        self._prefix = prefix
        self._states = kind_of(wanted.into) == "state"
        self._events = EventReader()

    async def page(self, after: Pointer | None) -> list[Pointer]:
        read = read_standing if self._states else read_history
        return await read(
            self._connection,
            controllers=[self._wanted.controller],
            subject_id=self._wanted.subject_id,
            since=self._wanted.since,
            after=after,
            rows_max=_PAGE_ROWS,
        )

    async def messages(self, pointers: Sequence[Pointer]) -> list[Message]:
        located = await self._events.read(self._connection, pointers, replayed=True)
        messages = []
        for pointer in pointers:
            found = located.get(pointer)
            if found is None or not isinstance(found.event, ConsentChange):
                raise Refused(
                    f"Record {pointer.sequence} of subject {pointer.subject_id} cannot be read, and nothing may be "
                    "skipped: see `consent-service ledger verify`."
                )
            messages.append(msgspec.structs.replace(self._message(found.event), topic=self._wanted.into))
        return messages

    def _message(self, change: ConsentChange) -> Message:
        state = state_after(change) if self._states else None
        return encode(change, self._prefix) if state is None else encode_state(state, self._prefix)
