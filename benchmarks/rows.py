"""Many rows at once, past the service: what its reads and writes touch has the size and shape of the real thing.

Subjects, their sealed keys and their heads are real, so the service goes on from them. The records that stand before
have hashes that mean nothing (`ledger verify` would say so); no measured path reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import asyncpg

from benchmarks.messages import CONTROLLER, PURPOSE, Person
from consent_service.domain.partitions import shard_of, subject_hash
from consent_service.storage.keyring import Keyring
from consent_service.usecases.batches import key_place
from consent_service.usecases.clock import new_id, now

RECORDS_EACH = 4
"""Records a subject: grant, withdrawal, grant, withdrawal, two days apart."""

_RECORDS = """
    insert into records (
        record_id, controller, subject_id, sequence, purpose, command, status, version, governing_version,
        recorded_at, effective_at, allowed, reason, superseded, language, notice_hash, channel,
        actor_commitment, previous_hash, record_hash, standing_version)
    select uuidv7(), controller, subject_id, sequence, $1,
           case when sequence % 2 = 1 then 'grant' else 'withdraw' end,
           case when sequence % 2 = 1 then 'given' else 'withdrawn' end,
           1, 1, at, at, sequence % 2 = 1,
           case when sequence % 2 = 1 then 'given' else 'withdrawn' end,
           false, 'nb', last_hash, 'web', last_hash,
           sha256(uuid_send(subject_id) || int8send(sequence - 1)),
           sha256(uuid_send(subject_id) || int8send(sequence)),
           1
    from subjects
    cross join lateral (
        select sequence, last_recorded_at - (last_sequence - sequence) * interval '2 days' as at
        from generate_series(1, last_sequence) as sequence) as facts
"""

_DETAILS = """
    insert into record_details (controller, subject_id, record_id, sealed)
    select controller, subject_id, record_id, record_hash || record_hash
    from records
"""

_STATES = """
    insert into states (controller, subject_id, purpose, status, command, version, record_id, sequence, since,
                        effective_at)
    select controller, subject_id, purpose, status, command, version, record_id, sequence, effective_at, effective_at
    from records
    where sequence = $1
"""

_ANSWERS = """
    insert into idempotency (key, controller, fingerprint, status, answer, expires_at)
    select sha256(record_hash), controller, record_hash, 201,
           convert_to('{"subject_id":"' || subject_id || '","results":[{"record_id":"' || record_id
                      || '","appended":true,"permission":{"allowed":true,"reason":"given","status":"given","version":1,'
                      || '"until":null,"preferences":null}}]}', 'UTF8'),
           now() + interval '47 hours'
    from records
"""

_PEOPLE = """
    select subjects.subject_id::text, coalesce(states.status in ('given', 'renewed'), false)
    from subjects
    left join states
        on states.controller = subjects.controller
       and states.subject_id = subjects.subject_id
       and states.purpose = $2
    where subjects.controller = $1
    order by sha256(uuid_send(subjects.subject_id))
    limit $3
"""


async def fill(
    connection: asyncpg.Connection[Any], keyring: Keyring, subjects: int, records_each: int
) -> None:
    """As superuser, into an empty database. Returns with nothing left to do in the background."""
    await connection.execute("set synchronous_commit = off")
    ids = [new_id(now()) for _ in range(subjects)]
    at = now() - timedelta(days=2)
    heads: Iterator[tuple[Any, ...]] = (
        (CONTROLLER, one, shard_of(subject_hash(one)), at - timedelta(days=30), records_each)
        + ((sha256(one.bytes).digest(), at) if records_each else (None, None))
        for one in ids
    )
    columns = (
        "controller",
        "subject_id",
        "shard",
        "created_at",
        "last_sequence",
        "last_hash",
        "last_recorded_at",
    )
    await connection.copy_records_to_table("subjects", records=heads, columns=columns)
    keys: Iterator[tuple[Any, ...]] = (
        (CONTROLLER, one, keyring.sealing_id, keyring.seal(keyring.new_subject_key(), key_place(one)))
        for one in ids
    )
    await connection.copy_records_to_table(
        "subject_keys", records=keys, columns=("controller", "subject_id", "key_id", "sealed_key")
    )
    await connection.execute(_RECORDS, PURPOSE)
    await connection.execute(_DETAILS)
    await connection.execute(_STATES, records_each)
    await connection.execute(_ANSWERS)
    await connection.execute("vacuum analyze")
    await connection.execute("checkpoint")


async def people(connection: asyncpg.Connection[Any], limit: int) -> list[Person]:
    """Persons from all over the database, and whether each one's consent stands."""
    return [(row[0], row[1]) for row in await connection.fetch(_PEOPLE, CONTROLLER, PURPOSE, limit)]
