"""Writing the ledger: all that one transaction appends, in one statement (ARCHITECTURE, the write path)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.propagation import Granted
from consent_service.domain.records import Record, State
from consent_service.storage.database import Connection
from consent_service.storage.idempotency import Remembered


class StatePut(msgspec.Struct, frozen=True):
    """A state to store; `sequence` is that of the pair's latest record."""

    controller: str
    subject_id: UUID
    purpose: str
    sequence: int
    state: State
    granted: Granted


class Append(Record, frozen=True, kw_only=True):
    """A record to append, with its sealed details and what its outbox row needs."""

    sealed: bytes
    shard: int
    traceparent: str | None = None


# One statement, so one way to the server and back: kept answers, skeletons, details, the subjects' heads, states, and
# the pointers for the relay, whose positions follow the sequence within a subject (R30). The rows come as JSON, bytes
# in it as base64: encoding them costs a third of what an array of each column would.
#
# A key that another transaction holds is waited for. One that has lapsed is taken over; one that is in force changes
# nothing and is not counted: then the whole work is done again, and finds the answer (R24).
_APPEND = """
    with kept as (
        insert into idempotency (key, controller, fingerprint, status, answer, expires_at)
        select decode(key, 'base64') as key, controller, decode(fingerprint, 'base64'), status,
               decode(answer, 'base64'), expires_at
        from json_to_recordset($1::json) as answered (
            key text, controller text, fingerprint text, status smallint, answer text, expires_at timestamptz)
        order by 1
        on conflict (key) do update
        set controller = excluded.controller,
            fingerprint = excluded.fingerprint,
            status = excluded.status,
            answer = excluded.answer,
            expires_at = excluded.expires_at
        where idempotency.expires_at <= $2
        returning key
    ), new as materialized (
        select record_id, controller, subject_id, sequence, purpose, command, status, version, governing_version,
               recorded_at, occurred_at, effective_at, until, allowed, reason, cause, superseded, preferences, language,
               decode(notice_hash, 'base64') as notice_hash, channel, source, choice_id,
               decode(screen_hash, 'base64') as screen_hash, decode(actor_commitment, 'base64') as actor_commitment,
               decode(evidence_commitment, 'base64') as evidence_commitment,
               decode(previous_hash, 'base64') as previous_hash, decode(record_hash, 'base64') as record_hash,
               standing_version, standing_preferences, decode(sealed, 'base64') as sealed, shard, traceparent,
               sequence = max(sequence) over (partition by controller, subject_id) as is_last
        from json_to_recordset($3::json) as given (
            record_id uuid, controller text, subject_id uuid, sequence bigint, purpose text, command text, status text,
            version int, governing_version int, recorded_at timestamptz, occurred_at timestamptz,
            effective_at timestamptz, until timestamptz, allowed boolean, reason text, cause text, superseded boolean,
            preferences jsonb, language text, notice_hash text, channel text, source text, choice_id text,
            screen_hash text, actor_commitment text, evidence_commitment text, previous_hash text, record_hash text,
            standing_version int, standing_preferences jsonb, sealed text, shard smallint, traceparent text)
    ), appended as (
        insert into records (
            record_id, controller, subject_id, sequence, purpose, command, status, version, governing_version,
            recorded_at, occurred_at, effective_at, until, allowed, reason, cause, superseded, preferences, language,
            notice_hash, channel, source, choice_id, screen_hash, actor_commitment, evidence_commitment,
            previous_hash, record_hash, standing_version, standing_preferences)
        select record_id, controller, subject_id, sequence, purpose, command, status, version, governing_version,
               recorded_at, occurred_at, effective_at, until, allowed, reason, cause, superseded, preferences, language,
               notice_hash, channel, source, choice_id, screen_hash, actor_commitment, evidence_commitment,
               previous_hash, record_hash, standing_version, standing_preferences
        from new
    ), detailed as (
        insert into record_details (controller, subject_id, record_id, sealed)
        select controller, subject_id, record_id, sealed
        from new
    ), moved as (
        update subjects
        set last_sequence = new.sequence,
            last_hash = new.record_hash,
            last_recorded_at = new.recorded_at
        from new
        where new.is_last
          and subjects.controller = new.controller
          and subjects.subject_id = new.subject_id
    ), stated as (
        insert into states (
            controller, subject_id, purpose, status, command, version, record_id, sequence, since, until,
            effective_at, preferences, preferences_record_id, granted_versions)
        select controller, subject_id, purpose, status, command, version, record_id, sequence, since, until,
               latest_at, preferences, preferences_record_id, granted_versions::int[]
        from rows from (
            json_to_recordset($4::json) as (
                status text, command text, version int, record_id uuid, since timestamptz, until timestamptz,
                latest_at timestamptz, preferences jsonb, preferences_record_id uuid),
            unnest($5::text[]), unnest($6::uuid[]), unnest($7::text[]), unnest($8::bigint[]), unnest($9::text[]))
            as put (
                status, command, version, record_id, since, until, latest_at, preferences, preferences_record_id,
                controller, subject_id, purpose, sequence, granted_versions)
        on conflict (controller, subject_id, purpose) do update
        set status = excluded.status,
            command = excluded.command,
            version = excluded.version,
            record_id = excluded.record_id,
            sequence = excluded.sequence,
            since = excluded.since,
            until = excluded.until,
            effective_at = excluded.effective_at,
            preferences = excluded.preferences,
            preferences_record_id = excluded.preferences_record_id,
            granted_versions = excluded.granted_versions
    ), staged as (
        insert into outbox (kind, controller, subject_id, sequence, shard, traceparent)
        select 'record', controller, subject_id, sequence, shard, traceparent
        from new
        order by subject_id, sequence
    )
    select count(*) from kept
"""

_REVISIONS = """
    select controller, revision
    from controllers
    where controller = any($1::text[])
"""

_json = msgspec.json.Encoder().encode


async def append(
    connection: Connection,
    appends: Sequence[Append],
    puts: Sequence[StatePut],
    answers: Sequence[Remembered] = (),
    *,
    now: datetime,
) -> bool:
    """Append records in their order, with all that goes with them; at most one state a pair; keep the answers.

    False where an answer's key came into force elsewhere meanwhile: nothing may be committed then.
    The primary key refuses a sequence that stands already (UniqueViolationError).
    """
    kept = await connection.fetchval(
        _APPEND,
        _json(answers),
        now,
        _json(appends),
        _json([put.state for put in puts]),
        [put.controller for put in puts],
        [put.subject_id for put in puts],
        [put.purpose for put in puts],
        [put.sequence for put in puts],
        # An array of arrays of different lengths has no form of its own.
        ["{" + ",".join(map(str, put.granted)) + "}" for put in puts],
    )
    return bool(kept == len(answers))


async def read_revisions(connection: Connection, controllers: Collection[str]) -> dict[str, int]:
    """How often each controller's catalogue has changed: whether a copy in memory is old."""
    rows = await connection.fetch(_REVISIONS, list(controllers))
    return {row[0]: row[1] for row in rows}
