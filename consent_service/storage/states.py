"""What stands for each subject and purpose: rows of states, read in batches (CORE 6, 7)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec

from consent_service.domain.propagation import Granted
from consent_service.domain.records import Preferences, State, SubjectFlags
from consent_service.domain.values import Command, Status
from consent_service.storage.database import Connection
from consent_service.storage.subjects import flags_from


class Asked(msgspec.Struct, frozen=True):
    """What is known of one asked (subject, purpose): `found` tells whether the controller has such a subject."""

    found: bool
    revision: int | None
    flags: SubjectFlags
    state: State | None


# With the catalogue's revision, so that states and the versions that they name are of one snapshot.
_READ_PAIRS = """
    select pairs.controller, controllers.revision, pairs.subject_id, pairs.purpose, states.granted_versions,
           states.status, states.command, states.version, states.record_id, states.since, states.until,
           states.effective_at, states.preferences, states.preferences_record_id
    from unnest($1::text[], $2::uuid[], $3::text[]) as pairs (controller, subject_id, purpose)
    join controllers
        on controllers.controller = pairs.controller
    left join states
        on states.controller = pairs.controller
       and states.subject_id = pairs.subject_id
       and states.purpose = pairs.purpose
"""

_READ_SUBJECT = """
    select purpose, status, command, version, record_id, since, until, effective_at, preferences,
           preferences_record_id
    from states
    where controller = $1
      and subject_id = $2
    order by purpose
"""

# One statement for all questions that wait together; a subject that is not there, or another controller's,
# answers with nulls.
_ASK = """
    select subjects.subject_id is not null as found, controllers.revision,
           subjects.erased_at, subjects.suppressed_at, subjects.restricted_at,
           states.status, states.command, states.version, states.record_id, states.since, states.until,
           states.effective_at, states.preferences, states.preferences_record_id
    from unnest($1::text[], $2::uuid[], $3::text[]) with ordinality as asked (controller, subject_id, purpose, place)
    left join controllers
        on controllers.controller = asked.controller
    left join subjects
        on subjects.controller = asked.controller
       and subjects.subject_id = asked.subject_id
    left join states
        on states.controller = asked.controller
       and states.subject_id = asked.subject_id
       and states.purpose = asked.purpose
    order by asked.place
"""

_STATUSES = {status.value: status for status in Status}
_COMMANDS = {command.value: command for command in Command}
_preferences = msgspec.json.Decoder(Preferences)


def read_preferences(raw: bytes | None) -> Preferences | None:
    return None if raw is None else _preferences.decode(raw)


def state_from(row: Sequence[Any]) -> State:
    """Status, command, version, record_id, since, until, effective_at, preferences, preferences_record_id."""
    status, command, version, record_id, since, until, effective_at, preferences, preferences_record_id = row
    return State(
        status=_STATUSES[status],
        command=_COMMANDS[command],
        version=version,
        record_id=record_id,
        since=since,
        until=until,
        latest_at=effective_at,
        preferences=read_preferences(preferences),
        preferences_record_id=preferences_record_id,
    )


async def read_states(
    connection: Connection, pairs: Sequence[tuple[str, UUID, str]]
) -> tuple[dict[UUID, dict[str, tuple[State, Granted]]], dict[str, int]]:
    """The states of these (controller, subject, purpose) that have one, by subject and purpose, with the
    versions granted.

    And how often each of the controllers' catalogues has changed, at the same moment.
    """
    rows = await connection.fetch(
        _READ_PAIRS, [one[0] for one in pairs], [one[1] for one in pairs], [one[2] for one in pairs]
    )
    states: dict[UUID, dict[str, tuple[State, Granted]]] = {}
    for row in rows:
        if row[4] is not None:
            states.setdefault(row[2], {})[row[3]] = state_from(row[5:]), tuple(row[4])
    return states, {row[0]: row[1] for row in rows}


async def read_subject_states(connection: Connection, controller: str, subject_id: UUID) -> dict[str, State]:
    """Every purpose that has a record about this subject, in the order of their slugs."""
    rows = await connection.fetch(_READ_SUBJECT, controller, subject_id)
    return {row[0]: state_from(row[1:]) for row in rows}


# Along both primary keys. That a person's row lies behind the last one's too follows from the join, but only said it
# keeps the planner from reading the persons of all pages before.
_PAGE = """
    select states.subject_id, states.purpose, states.sequence,
           subjects.erased_at, subjects.suppressed_at, subjects.restricted_at,
           states.status, states.command, states.version, states.record_id, states.since, states.until,
           states.effective_at, states.preferences, states.preferences_record_id
    from states
    join subjects
        on subjects.controller = states.controller
       and subjects.subject_id = states.subject_id
    where states.controller = $1
      and (states.subject_id, states.purpose) > ($2, $3)
      and subjects.subject_id >= $2
      and ($4::text[] is null or states.purpose = any ($4))
    order by states.subject_id, states.purpose
    limit $5
"""


class StateRow(msgspec.Struct, frozen=True):
    """One subject and purpose. `sequence` is that of its latest record."""

    subject_id: UUID
    purpose: str
    sequence: int
    flags: SubjectFlags
    state: State


async def read_state_page(
    connection: Connection,
    controller: str,
    *,
    after: tuple[UUID, str],
    purposes: Collection[str] | None,
    limit: int,
) -> list[StateRow]:
    """The controller's next states behind this (subject, purpose), of these purposes or of all."""
    wanted = None if purposes is None else sorted(purposes)
    rows = await connection.fetch(_PAGE, controller, *after, wanted, limit)
    return [
        StateRow(row[0], row[1], row[2], flags_from(row[3], row[4], row[5]), state_from(row[6:]))
        for row in rows
    ]


async def ask(connection: Connection, questions: Sequence[tuple[str, UUID | None, str]]) -> list[Asked]:
    """Answer these (controller, subject, purpose) in their order. Revision is null for an unknown controller."""
    rows = await connection.fetch(
        _ASK, [one[0] for one in questions], [one[1] for one in questions], [one[2] for one in questions]
    )
    return [
        Asked(
            found=row[0],
            revision=row[1],
            flags=flags_from(row[2], row[3], row[4]),
            state=None if row[5] is None else state_from(row[5:]),
        )
        for row in rows
    ]
