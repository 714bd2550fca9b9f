"""What a walk through the ledger finds: whatever R21 promises, done with a superuser's SQL."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import UUID

import pytest

from consent_service.domain.errors import ConsentError, UnknownController
from consent_service.domain.records import Preferences
from consent_service.domain.values import CALLER_COMMANDS, Channel
from consent_service.usecases.verification_person import Fault, What
from tests.databases import TestDatabase
from tests.usecases.recording import Room, a_command, faults_of, known, open_room, someone
from tests.usecases.tampering import Scene, chain, move_head, rewrite, superuser

#: Column, a new value for Anna's second record, and what a walk says of it.
CHANGED_COLUMNS = """
    record_id              gen_random_uuid()                    CHANGED
    controller             'coness'                             NO_PERSON
    subject_id             gen_random_uuid()                    NO_PERSON
    sequence               7                                    CHANGED
    purpose                'nyhetsbrev'                         CHANGED
    command                'refuse'                             CHANGED
    status                 'given'                              CHANGED
    version                version + 1                          CHANGED
    governing_version      governing_version + 1                CHANGED
    recorded_at            recorded_at + interval '1 us'        CHANGED
    occurred_at            recorded_at                          CHANGED
    effective_at           effective_at - interval '1 us'       CHANGED
    until                  recorded_at                          CHANGED
    allowed                not allowed                          CHANGED
    reason                 'given'                              CHANGED
    cause                  'authority'                          CHANGED
    superseded             not superseded                       CHANGED
    preferences            '{"topics": ["jobs"]}'               CHANGED
    language               'en'                                 CHANGED
    notice_hash            sha256('another notice')             CHANGED
    channel                'paper'                              CHANGED
    source                 'another'                            CHANGED
    choice_id              'another'                            CHANGED
    screen_hash            sha256('another screen')             CHANGED
    actor_commitment       sha256('another actor')              CHANGED
    evidence_commitment    sha256('evidence')                   CHANGED
    previous_hash          sha256('another record')             LINK
    record_hash            sha256('another record')             CHANGED
    standing_version       standing_version + 1                 STANDING
    standing_preferences   '{"topics": ["jobs"]}'               STANDING
"""
#: The same of Anna's state for the newsletter.
CHANGED_STATES = """
    controller             'coness'
    subject_id             gen_random_uuid()
    purpose                'avtale'
    status                 'withdrawn'
    command                'withdraw'
    version                version + 1
    record_id              gen_random_uuid()
    sequence               sequence - 1
    since                  since - interval '1 us'
    until                  until + interval '1 day'
    effective_at           effective_at + interval '1 us'
    preferences            null
    preferences_record_id  gen_random_uuid()
    granted_versions       '{7}'
"""


def table(text: str, columns: int) -> list[list[str]]:
    """A text table's rows; the last column but one may hold blanks."""
    rows = []
    for line in text.strip().splitlines():
        column, rest = line.split(maxsplit=1)
        rows.append([column, *([rest] if columns == 2 else rest.rsplit(maxsplit=1))])
    return rows


async def columns_of(scene: Scene, name: str) -> list[str]:
    async with superuser(scene.database) as connection:
        rows = await connection.fetch(
            "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 order by attnum",
            name,
        )
    return [row[0] for row in rows]


async def test_R21_a_ledger_that_nobody_touched_has_no_fault(scene: Scene) -> None:
    assert await scene.faults() == []


async def test_every_column_of_the_two_tables_is_tried(scene: Scene) -> None:
    assert [row[0] for row in table(CHANGED_COLUMNS, 3)] == await columns_of(scene, "records")
    assert {row[0] for row in table(CHANGED_STATES, 2)} == set(await columns_of(scene, "states"))


@pytest.mark.parametrize(
    ("column", "value", "what"), table(CHANGED_COLUMNS, 3), ids=lambda text: text.split()[0]
)
async def test_R21_a_changed_field_is_found(scene: Scene, column: str, value: str, what: str) -> None:
    await scene.tamper(f"update records set {column} = {value} where subject_id = ANNA and sequence = 2")
    faults = await scene.faults()

    assert What[what] in {fault.what for fault in faults}
    if what != "NO_PERSON":
        sequence = 7 if column == "sequence" else 2
        assert Fault("ansettr", scene.anna, sequence, What[what]) in faults
    else:
        assert (What.GAP, 3) in await scene.annas_faults()


@pytest.mark.parametrize(("column", "value"), table(CHANGED_STATES, 2), ids=lambda text: text.split()[0])
async def test_what_stands_is_added_up_anew(scene: Scene, column: str, value: str) -> None:
    await scene.tamper(
        f"update states set {column} = {value} where subject_id = ANNA and purpose = 'nyhetsbrev'",
    )
    what = column if column not in ("controller", "subject_id", "purpose") else "there is no state"

    assert Fault("ansettr", scene.anna, None, What.STATE, f"nyhetsbrev: {what}") in await scene.faults()


async def test_a_state_that_was_taken_away_or_invented_is_found(scene: Scene) -> None:
    await scene.tamper(
        "delete from states where subject_id = ANNA and purpose = 'nyhetsbrev'",
        "insert into states (controller, subject_id, purpose, status, command, version, sequence, effective_at) "
        "values ('ansettr', ANNA, 'avtale', 'given', 'grant', 1, 1, now())",
    )

    assert [fault.detail for fault in await scene.faults()] == [
        "avtale: there is no record",
        "nyhetsbrev: there is no state",
    ]


@pytest.mark.parametrize(
    ("sequence", "shown_at", "what"),
    [(1, 2, {What.GAP, What.LINK}), (3, 4, {What.GAP, What.LINK}), (4, None, {What.HEAD})],
)
async def test_R21_a_removed_record_is_found(
    scene: Scene, sequence: int, shown_at: int | None, what: set[What]
) -> None:
    await scene.tamper(f"delete from records where subject_id = ANNA and sequence = {sequence}")

    assert {(one, shown_at) for one in what} <= await scene.annas_faults()


async def test_R21_reordered_records_are_found(scene: Scene) -> None:
    await scene.tamper(
        "update records set sequence = 99 where subject_id = ANNA and sequence = 2",
        "update records set sequence = 2 where subject_id = ANNA and sequence = 3",
        "update records set sequence = 3 where subject_id = ANNA and sequence = 99",
    )

    expected = {(what, sequence) for what in (What.CHANGED, What.LINK) for sequence in (2, 3)}
    assert expected <= await scene.annas_faults()


async def test_R21_a_record_moved_to_another_person_is_found(scene: Scene) -> None:
    await scene.tamper(
        "update records set subject_id = (select subject_id from subjects where last_sequence = 1), sequence = 2 "
        "where subject_id = ANNA and sequence = 4",
    )
    faults = await scene.faults()

    assert (What.HEAD, None) in await scene.annas_faults()
    assert {What.CHANGED, What.LINK, What.HEAD} <= {
        fault.what for fault in faults if fault.subject_id != scene.anna
    }


async def test_R21_a_field_changed_together_with_its_own_hash_is_found(scene: Scene) -> None:
    async with superuser(scene.database) as connection:
        await rewrite(connection, scene.anna, 2, source="another")
        assert (What.LINK, 3) in await scene.annas_faults()

        await rewrite(connection, scene.anna, 4, source="another")
        assert (What.HEAD, None) in await scene.annas_faults()


@pytest.mark.parametrize(
    "forged", ["last_sequence = 3", "last_hash = sha256('x')", "last_recorded_at = '2020-01-01'"]
)
async def test_R21_a_head_that_does_not_match_is_found(scene: Scene, forged: str) -> None:
    await scene.tamper(f"update subjects set {forged} where subject_id = ANNA")

    assert await scene.faults() == [
        Fault("ansettr", scene.anna, None, What.HEAD, forged.split(maxsplit=1)[0])
    ]


async def test_R14_a_record_dated_before_the_one_before_it_is_found(scene: Scene) -> None:
    """Even where all hashes were computed afresh."""
    async with superuser(scene.database) as connection:
        records = await chain(connection, scene.anna)
        await rewrite(
            connection, scene.anna, 4, recorded_at=records[2].recorded_at, effective_at=records[2].recorded_at
        )
        await move_head(connection, scene.anna)

    assert (What.TIME, 4) in await scene.annas_faults()


async def test_a_value_that_the_service_never_writes_is_told_and_the_walk_goes_on(scene: Scene) -> None:
    await scene.tamper("update records set reason = 'nonsense' where subject_id = ANNA and sequence < 3")

    assert await scene.annas_faults() == {(What.UNREADABLE, 1), (What.UNREADABLE, 2)}


async def test_a_purpose_or_version_that_the_catalogue_lacks_is_told(scene: Scene) -> None:
    async with superuser(scene.database) as connection:
        await rewrite(connection, scene.anna, 2, purpose="lotteri")
        await rewrite(connection, scene.anna, 4, version=9)

    assert {(What.CATALOGUE, 2), (What.CATALOGUE, 4)} <= await scene.annas_faults()


async def test_records_whose_person_was_taken_away_are_found(scene: Scene) -> None:
    await scene.tamper("delete from subjects where subject_id = ANNA")

    assert await scene.annas_faults() == {(What.NO_PERSON, None)}


async def test_a_page_is_a_page_and_nobody_falls_between(database: TestDatabase) -> None:
    """Pages of two, among them persons without records, records without persons, and two controllers."""
    async with open_room(database, ("ansettr", "coness")) as room:
        for number in range(5):
            for controller in ("ansettr", "coness"):
                commands = [a_command()] * (number % 3 > 0)
                await room.says(someone(f"person-{number}"), *commands, controller=controller)
    async with superuser(database) as connection:
        await connection.execute("update records set source = 'another'")
        await connection.execute("delete from subjects where controller = 'coness' and last_sequence = 1")
    whole = await faults_of(database)

    assert len(whole) == 6 + 3
    for persons_read in (1, 2, 3):
        assert await faults_of(database, persons_read=persons_read) == whole
    coness = [fault for fault in whole if fault.controller == "coness"]
    assert len(coness) == 6
    assert await faults_of(database, "coness", persons_read=2) == coness


async def test_an_unknown_controller_is_no_clean_ledger(database: TestDatabase) -> None:
    with pytest.raises(UnknownController):
        await faults_of(database, "nobody")


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_the_service_writes_it_finds_no_fault_with(database: TestDatabase, seed: int) -> None:
    """R15, CORE 7: late facts, preferences, expiry and material changes among two hundred random commands."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable story, no secret
    async with open_room(database) as room:
        persons = [(await room.says(someone(str(number)))).subject_id for number in range(2)]
        appended = 0
        for _ in range(200):
            room.clock.forward(days=chance.choice((0, 0.2, 30, 200)))
            if chance.random() < 0.01:
                await room.changes_materially("ansettr")
            appended += await _says_something(room, chance, chance.choice(persons))
    assert appended > 50

    assert await faults_of(database) == []


async def _says_something(room: Room, chance: random.Random, person: UUID) -> bool:
    """Whether it was recorded; a refusal is as good as any."""
    purposes = await room.catalogue.purposes("ansettr")
    purpose = chance.choice((*sorted(purposes), *["nyhetsbrev"] * 6))
    command = chance.choice(CALLER_COMMANDS)
    prefers = command == "prefer" or (purpose == "nyhetsbrev" and chance.random() < 0.3)
    said = a_command(
        command,
        purpose,
        channel=chance.choice((Channel.API, Channel.PAPER, Channel.IMPORT)),
        evidence=b'{"authority": "Datatilsynet"}',
        has_authority=True,
        preferences=Preferences(topics=chance.choice(((), ("jobs",), ("jobs", "news")))) if prefers else None,
        occurred_at=room.clock() - timedelta(days=chance.choice((0, 0, 10, 300))),
        **({"version": len(purposes[purpose].versions)} if command in ("grant", "request") else {}),
    )
    try:
        return (await room.says(known(person), said)).appended
    except ConsentError:
        return False
