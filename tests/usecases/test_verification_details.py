"""Sealed details, keys and person-wide acts under a walk; and what a walk cannot find (R13, R21, CORE 18)."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import msgspec
import pytest

from consent_service.domain.audit import AuditAction
from consent_service.domain.values import Command
from consent_service.storage.keyring import seal_details
from consent_service.usecases.batches import key_place
from consent_service.usecases.people import Details
from consent_service.usecases.verification_person import Fault, What
from tests.usecases.recording import KEYRING
from tests.usecases.tampering import (
    Scene,
    append_person_wide,
    chain,
    move_head,
    open_key,
    replace,
    superuser,
)

FIRST = "(select record_id from records where subject_id = ANNA and sequence = 1)"
SECOND = "(select record_id from records where subject_id = ANNA and sequence = 2)"


async def reseal(scene: Scene, actor: str, evidence: bytes) -> None:
    """Exchange the first record's details, with the right key: what somebody can do who has the sealing keys too."""
    async with superuser(scene.database) as connection:
        key = await open_key(connection, scene.anna)
        record_id = (await chain(connection, scene.anna))[0].record_id
        details = msgspec.json.encode(Details(actor, msgspec.Raw(evidence)))
        await connection.execute(
            "update record_details set sealed = $2 where record_id = $1",
            record_id,
            seal_details(key, record_id.bytes, details),
        )


async def tell_audit(connection: asyncpg.Connection, subject_id: UUID, action: str, **details: str) -> None:
    await connection.execute(
        "insert into audit (audit_id, controller, at, actor, action, subject_id, details) "
        "values (gen_random_uuid(), 'ansettr', now(), 'retention', $2, $1, $3)",
        subject_id,
        action,
        details,
    )


@pytest.mark.parametrize(
    ("actor", "evidence"),
    [
        ("crm", b'{"form": "f-2"}'),
        ("crm", b"null"),
        ("crm", b'{"form":"f-1"}'),
        ("somebody", b'{"form": "f-1"}'),
    ],
    ids=["other evidence", "no evidence", "one blank less", "another actor"],
)
async def test_R21_exchanged_details_are_found(scene: Scene, actor: str, evidence: bytes) -> None:
    await reseal(scene, actor, evidence)

    assert await scene.faults() == [Fault("ansettr", scene.anna, 1, What.DETAILS_CHANGED)]


async def test_the_same_details_sealed_again_are_the_same(scene: Scene) -> None:
    await reseal(scene, "crm", b'{"form": "f-1"}')

    assert await scene.faults() == []


@pytest.mark.parametrize(
    "sealed",
    [
        "'\\x00'",
        "sealed || '\\x00'",
        "set_byte(sealed, 20, get_byte(sealed, 20) # 1)",
        f"(select sealed from record_details where record_id = {SECOND})",
    ],
    ids=["cut off", "longer", "one bit", "another record's"],
)
async def test_R21_changed_details_do_not_open(scene: Scene, sealed: str) -> None:
    await scene.tamper(f"update record_details set sealed = {sealed} where record_id = {FIRST}")

    assert await scene.faults() == [Fault("ansettr", scene.anna, 1, What.DETAILS_BROKEN)]


async def test_R21_details_are_missed_unless_the_audit_tells_of_their_removal(scene: Scene) -> None:
    await scene.tamper(f"delete from record_details where record_id in ({FIRST}, {SECOND})")
    assert await scene.annas_faults() == {(What.DETAILS_MISSING, 1), (What.DETAILS_MISSING, 2)}

    async with superuser(scene.database) as connection:
        record_id = str((await chain(connection, scene.anna))[0].record_id)
        await tell_audit(connection, scene.anna, AuditAction.DETAILS_REMOVED, record_id=record_id)
        await tell_audit(connection, scene.anna, AuditAction.IDENTIFIERS_READ)

    assert await scene.annas_faults() == {(What.DETAILS_MISSING, 2)}


async def test_details_of_no_record_are_found(scene: Scene) -> None:
    await scene.tamper(
        "insert into record_details (controller, subject_id, record_id, sealed) "
        "values ('ansettr', ANNA, gen_random_uuid(), 'x')"
    )

    assert await scene.faults() == [Fault("ansettr", scene.anna, None, What.DETAILS_STRAY, "1")]


@pytest.mark.parametrize(
    ("tampered", "what"),
    [
        ("delete from subject_keys where subject_id = ANNA", What.KEY_MISSING),
        ("update subject_keys set sealed_key = 'x' where subject_id = ANNA", What.KEY_BROKEN),
        ("update subject_keys set key_id = 'lost' where subject_id = ANNA", What.KEY_BROKEN),
        (
            "update subject_keys set sealed_key = other.sealed_key from subject_keys other "
            "where subject_keys.subject_id = ANNA and other.subject_id <> ANNA",
            What.KEY_BROKEN,
        ),
    ],
    ids=["taken away", "changed", "under a key that is gone", "another person's"],
)
async def test_a_key_that_is_gone_or_does_not_open_is_told_once(
    scene: Scene, tampered: str, what: What
) -> None:
    await scene.tamper(tampered)

    assert await scene.faults() == [Fault("ansettr", scene.anna, None, what)]


async def test_a_key_of_another_length_is_no_key(scene: Scene) -> None:
    async with superuser(scene.database) as connection:
        short = KEYRING.seal(b"k" * 16, key_place(scene.anna))
        await connection.execute(
            "update subject_keys set sealed_key = $2 where subject_id = $1", scene.anna, short
        )

    assert await scene.faults() == [Fault("ansettr", scene.anna, None, What.KEY_BROKEN)]


async def test_R21_an_erased_persons_chain_verifies_as_before(scene: Scene) -> None:
    """The key and the details are gone, the record of it is in the chain, and the audit tells."""
    async with superuser(scene.database) as connection:
        await append_person_wide(connection, scene.anna, Command.ERASE)
        await connection.execute("update subjects set erased_at = now() where subject_id = $1", scene.anna)
        await tell_audit(connection, scene.anna, AuditAction.PERSON_ERASED)
        await connection.execute("delete from subject_keys where subject_id = $1", scene.anna)
        assert await scene.faults() == []

        await connection.execute("delete from record_details where subject_id = $1", scene.anna)
        assert await scene.faults() == []

        await connection.execute("delete from audit where subject_id = $1", scene.anna)
        assert {what for what, _ in await scene.annas_faults()} == {What.DETAILS_MISSING}


@pytest.mark.parametrize("flag", ["erased", "suppressed", "restricted"])
async def test_R13_a_flag_that_no_record_tells_of_is_found(scene: Scene, flag: str) -> None:
    await scene.tamper(f"update subjects set {flag}_at = now() where subject_id = ANNA")

    assert await scene.faults() == [Fault("ansettr", scene.anna, None, What.FLAGS, flag)]


async def test_R13_a_flag_that_was_taken_away_is_found(scene: Scene) -> None:
    async with superuser(scene.database) as connection:
        await append_person_wide(connection, scene.anna, Command.SUPPRESS)
        sequence = len(await chain(connection, scene.anna))
        record_id = str((await chain(connection, scene.anna))[-1].record_id)
        await tell_audit(connection, scene.anna, AuditAction.DETAILS_REMOVED, record_id=record_id)
        assert await scene.faults() == [Fault("ansettr", scene.anna, None, What.FLAGS, "suppressed")]

        await append_person_wide(connection, scene.anna, Command.LIFT_SUPPRESSION)
        assert await scene.annas_faults() == {(What.DETAILS_MISSING, sequence + 1)}


async def test_NOT_found_a_cut_tail_with_a_forged_head(scene: Scene) -> None:
    """What R21 says a walk cannot find, shown: the last record goes, and all that would tell of it is put right.

    The public log of hashes that comes later will find it; until then an answer that somebody kept, or the stream.
    """
    async with superuser(scene.database) as connection:
        *_, before, last = await chain(connection, scene.anna)
        await connection.execute("delete from record_details where record_id = $1", last.record_id)
        await connection.execute("delete from records where record_id = $1", last.record_id)
        await move_head(connection, scene.anna)
        assert await scene.annas_faults() == {(What.STATE, None)}

        await connection.execute(
            "update states set preferences = $2, preferences_record_id = (select record_id from records "
            "where subject_id = $1 and sequence = 1), sequence = $3, effective_at = $4 "
            "where subject_id = $1 and purpose = 'nyhetsbrev'",
            scene.anna,
            before.standing_preferences,
            before.sequence,
            before.effective_at,
        )

    assert await scene.faults() == []


async def test_NOT_found_a_tail_written_anew(scene: Scene) -> None:
    """Hashes need no secret, so whoever rewrites a record can rewrite all that follow (docs/LEDGER.md)."""
    async with superuser(scene.database) as connection:
        _, _, third, fourth = await chain(connection, scene.anna)
        await replace(connection, msgspec.structs.replace(third, source="another"))
        forged = (await chain(connection, scene.anna))[2]
        await replace(connection, msgspec.structs.replace(fourth, previous_hash=forged.record_hash))
        await move_head(connection, scene.anna)

    assert await scene.faults() == []


async def test_NOT_found_a_whole_person_removed(scene: Scene) -> None:
    """R21: nothing is left that does not match."""
    for table in ("subjects", "subject_keys", "records", "record_details", "states"):
        await scene.tamper(f"delete from {table} where subject_id = ANNA")

    assert await scene.faults() == []
