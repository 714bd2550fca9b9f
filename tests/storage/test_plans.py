"""The hot statements find their rows by index, as the role that runs them, once tables have grown (ARCHITECTURE, Scale).

On tables of some ten thousand rows, analysed, with nothing of the planner switched off. Row-level security is in
force: a condition that may not be looked at before the policy would quietly become a scan of everything.
"""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from tests.databases import TestDatabase
from tests.storage.planning import DAY, NOW, SMALL, YEAR, either_plan, hashes, one_or_a_batch, people, planned
from tests.storage.statements import sql


@either_plan
@one_or_a_batch
async def test_locking_persons(grown: TestDatabase, number: int, generic: bool) -> None:
    controllers, subject_ids = await people(grown, number)
    how = await planned(
        grown, "consent_service", "subjects", "_LOCK", controllers, subject_ids, generic=generic
    )

    assert how == {"subjects_pkey", "subject_keys_pkey"}


async def test_moving_the_heads_of_chains(grown: TestDatabase) -> None:
    """What appends records reads but one table that was there before, and that by its key."""
    parameters = len(set(re.findall(r"\$\d+", sql("ledger", "_APPEND"))))
    how = await planned(grown, "consent_service", "ledger", "_APPEND", *[None] * parameters, generic=True)

    assert how == {"subjects_pkey"}


@either_plan
@one_or_a_batch
async def test_reading_states_under_the_lock(grown: TestDatabase, number: int, generic: bool) -> None:
    controllers, subject_ids = await people(grown, number)
    purposes = ["purpose-1"] * number
    how = await planned(
        grown, "consent_service", "states", "_READ_PAIRS", controllers, subject_ids, purposes, generic=generic
    )

    assert how - SMALL == {"states_pkey"}


@either_plan
@one_or_a_batch
async def test_asking_for_permissions(grown: TestDatabase, number: int, generic: bool) -> None:
    controllers, subject_ids = await people(grown, number)
    purposes = ["purpose-1"] * number
    how = await planned(
        grown, "consent_service", "states", "_ASK", controllers, subject_ids, purposes, generic=generic
    )

    assert how - SMALL == {"subjects_pkey", "states_pkey"}


@either_plan
@one_or_a_batch
async def test_finding_persons_by_identifier(grown: TestDatabase, number: int, generic: bool) -> None:
    wanted = await hashes(grown, number)

    assert await planned(grown, "consent_service", "subjects", "_FIND", wanted, generic=generic) == {
        "identifier_hashes_pkey"
    }


@either_plan
@one_or_a_batch
async def test_looking_up_idempotency_keys(grown: TestDatabase, number: int, generic: bool) -> None:
    wanted = await hashes(grown, number)

    assert await planned(grown, "consent_service", "idempotency", "_READ", wanted, NOW, generic=generic) == {
        "idempotency_pkey"
    }


@either_plan
@one_or_a_batch
async def test_looking_up_choices(grown: TestDatabase, number: int, generic: bool) -> None:
    controllers, subject_ids = await people(grown, number)
    choice_ids = ["choice-2"] * number

    assert await planned(
        grown,
        "consent_service",
        "choices",
        "_READ",
        controllers,
        subject_ids,
        choice_ids,
        choice_ids,
        generic=generic,
    ) == {"choices_pkey"}


@either_plan
async def test_a_page_of_history(grown: TestDatabase, generic: bool) -> None:
    (controller,), (subject_id,) = await people(grown, 1)
    how = await planned(
        *(grown, "consent_service", "records", "_HISTORY"),
        *(controller, subject_id, 0, None, None, 100),
        generic=generic,
    )

    assert how == {"records_pkey", "record_details_pkey", "subject_keys_pkey"}


@either_plan
async def test_a_page_of_a_snapshot(grown: TestDatabase, generic: bool) -> None:
    (controller,), (subject_id,) = await people(grown, 1)
    for purposes in (None, ["purpose-1"]):
        how = await planned(
            *(grown, "consent_service", "states", "_PAGE"),
            *(controller, subject_id, "purpose-1", purposes, 101),
            generic=generic,
        )

        assert how == {"states_pkey", "subjects_pkey"}


@either_plan
async def test_a_record_by_its_id(grown: TestDatabase, generic: bool) -> None:
    how = await planned(
        grown, "consent_service", "records", "_BY_ID", "ansettr", [UUID(int=1)], generic=generic
    )

    assert how == {"records_record_id", "record_details_pkey", "subject_keys_pkey"}


@either_plan
async def test_the_facts_that_a_late_one_is_folded_with(grown: TestDatabase, generic: bool) -> None:
    (controller,), (subject_id,) = await people(grown, 1)
    how = await planned(
        grown, "consent_service", "records", "_READ_FACTS", controller, [subject_id], None, generic=generic
    )

    assert how == {"records_pkey"}


@either_plan
async def test_the_outbox_is_read_in_order_and_deleted_by_key(grown: TestDatabase, generic: bool) -> None:
    read = await planned(grown, "consent_relay", "outbox", "_POINTERS", [3, 11], 500, [], generic=generic)
    deleted = await planned(grown, "consent_relay", "outbox", "_DELETE", [UUID(int=1)], [1], generic=generic)
    controllers, subject_ids = await people(grown, 64)
    joined = await planned(
        grown, "consent_relay", "outbox", "_CHANGES", controllers, subject_ids, [1] * 64, generic=generic
    )

    oldest = await planned(grown, "consent_relay", "relaying", "_OLDEST", 8, generic=generic)

    assert (read, deleted) == ({"outbox_shard_position"}, {"outbox_pkey"})
    assert oldest == {"outbox_shard_position"}
    assert joined - SMALL == {"records_pkey"}


@pytest.mark.parametrize("name", ["_RECORDS", "_STANDING"])
@either_plan
async def test_a_page_of_the_ledger_to_publish_again(grown: TestDatabase, name: str, generic: bool) -> None:
    """Also where one group of shards is asked for, of the middle of the ledger."""
    begin, end = UUID(int=1 << 127), UUID(int=2**128 - 1)
    how = await planned(
        *(grown, "consent_relay", "history", name),
        *("ansettr", begin, 0, end, list(range(0, 64, 8)), NOW, 500),
        generic=generic,
    )

    assert how == {"subjects_pkey", "records_pkey"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_RECORDS", {"records_pkey", "record_details_pkey"}),
        ("_STATES", {"states_pkey"}),
        ("_STRAYS", {"record_details_pkey", "records_pkey"}),
        ("_REMOVALS", {"audit_subject"}),
    ],
)
@either_plan
async def test_a_page_of_a_verification(
    grown: TestDatabase, name: str, expected: set[str], generic: bool
) -> None:
    connection = await grown.connect()
    last = await connection.fetchval(
        "select subject_id from subjects where controller = 'ansettr' order by subject_id offset 100 limit 1"
    )
    await connection.close()
    actions = [["details.removed"]] if name == "_REMOVALS" else []
    how = await planned(
        *(grown, "consent_auditor", "verification", name),
        *("ansettr", UUID(int=0), last, *actions),
        generic=generic,
    )

    assert how == expected


@either_plan
async def test_the_next_page_and_controller_of_a_verification(grown: TestDatabase, generic: bool) -> None:
    tables = {"subjects_pkey", "records_pkey", "states_pkey", "record_details_pkey"}
    persons = await planned(
        *(grown, "consent_auditor", "verification", "_PERSONS"),
        *("ansettr", UUID(int=0), 10),
        generic=generic,
    )
    controller = await planned(
        grown, "consent_auditor", "verification", "_NEXT_CONTROLLER", "ansettr", generic=generic
    )

    assert persons == tables | {"subject_keys_pkey"}
    assert controller == {f"{table} by controller" for table in tables}


@either_plan
async def test_a_page_of_the_audit_trail(grown: TestDatabase, generic: bool) -> None:
    """Half of the table is the controller's; a page behind the middle of it, and all that concerns one person."""
    _, (subject_id,) = await people(grown, 1)
    wanted = ("ansettr", UUID(int=1 << 127), NOW, None, 500)
    page = await planned(grown, "consent_auditor", "audit", "_PAGE", *wanted, generic=generic)
    of_one = await planned(
        grown, "consent_auditor", "audit", "_PAGE_OF_SUBJECT", *wanted, subject_id, generic=generic
    )

    assert (page, of_one) == ({"audit_pkey"}, {"audit_subject"})


@either_plan
async def test_the_export_that_a_page_is_part_of(grown: TestDatabase, generic: bool) -> None:
    wanted = ("ansettr", UUID(int=1), "a", "states.exported", NOW)

    assert await planned(grown, "consent_service", "audit", "_DETAILS", *wanted, generic=generic) == {
        "audit_pkey"
    }


@either_plan
async def test_what_has_ended_or_soon_will_is_found_by_its_end(grown: TestDatabase, generic: bool) -> None:
    """A third of all ends within the same seconds: a page behind the first of them is read by index all the same."""
    after = (NOW, UUID(int=0), "")
    ended = await planned(
        grown, "consent_sweeper", "sweeping", "_ENDED", *after, NOW + YEAR, 100, generic=generic
    )
    counted = await planned(
        grown, "consent_sweeper", "sweeping", "_COUNT_ENDED", NOW + DAY, 1000, generic=generic
    )
    ending = await planned(
        grown, "consent_sweeper", "sweeping", "_ENDING", *after, NOW + YEAR, 100, generic=generic
    )

    assert (ended, counted) == ({"states_until"}, {"states_until"})
    assert ending == {"states_until", "subjects_pkey"}


@either_plan
@pytest.mark.parametrize("name", ["_WALK", "_COUNT_OVERTAKEN"])
async def test_a_walk_over_the_subjects_of_a_purpose(grown: TestDatabase, name: str, generic: bool) -> None:
    _, (middle,) = await people(grown, 1)
    arguments = ("ansettr", "purpose-2", middle, 2, 500)
    how = await planned(grown, "consent_sweeper", "sweeping", name, *arguments, generic=generic)

    assert how == {"states_pkey"}


@either_plan
async def test_notices_are_read_by_their_number(grown: TestDatabase, generic: bool) -> None:
    controllers, subject_ids = await people(grown, 64)
    how = await planned(
        grown, "consent_relay", "notices", "_READ", controllers, subject_ids, [1] * 64, generic=generic
    )

    assert how - SMALL == {"stream_notices_number"}
