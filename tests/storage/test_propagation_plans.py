"""What recipients owe is found by index, whoever asks (ARCHITECTURE, Scale)."""

from __future__ import annotations

from uuid import UUID

from tests.databases import TestDatabase
from tests.storage.planning import DAY, NOW, either_plan, one_or_a_batch, people, planned


@either_plan
@one_or_a_batch
async def test_what_a_recipients_word_settles(grown: TestDatabase, number: int, generic: bool) -> None:
    controllers, subject_ids = await people(grown, number)
    columns = [["x"] * number for _ in range(2)]
    how = await planned(
        *(grown, "consent_service", "propagation", "_KEEP", NOW, controllers, subject_ids, [3] * number),
        *(columns[0], ["stopped"] * number, [None] * number, columns[1], subject_ids, [None] * number),
        *([NOW] * number, [True] * number),
        generic=generic,
    )

    assert how == {"duties_pkey"}


@either_plan
@one_or_a_batch
async def test_the_records_that_words_are_about(grown: TestDatabase, number: int, generic: bool) -> None:
    controllers, subject_ids = await people(grown, number)
    how = await planned(
        grown, "consent_service", "propagation", "_REACHED", controllers, subject_ids, generic=generic
    )

    assert how == {"records_record_id"}


@either_plan
async def test_how_far_a_record_has_come(grown: TestDatabase, generic: bool) -> None:
    (controller,), (subject_id,) = await people(grown, 1)
    for name, index in (("_DUTIES", "duties_pkey"), ("_WORDS", "acknowledgements_once")):
        how = await planned(
            grown, "consent_service", "propagation", name, controller, subject_id, 2, generic=generic
        )

        assert how == {index}


@either_plan
async def test_what_recipients_owe_is_found_by_what_is_open(grown: TestDatabase, generic: bool) -> None:
    place = (NOW, UUID(int=0), 0)
    pending = await planned(
        *(grown, "consent_service", "recipients", "_PENDING"),
        *("ansettr", "crm", *place, None, 101),
        generic=generic,
    )
    standings = await planned(
        *(grown, "consent_service", "recipients", "_STANDINGS"),
        *("ansettr", ["brevo", "crm"], NOW + DAY, 100),
        generic=generic,
    )
    oldest = await planned(
        grown, "consent_sweeper", "lateness", "_OLDEST", ["ansettr"] * 2, ["brevo", "crm"], generic=generic
    )

    assert (pending, oldest) == ({"duties_open"}, {"duties_open"})
    assert standings == {"duties_open", "acknowledgements_received"}


@either_plan
async def test_what_is_late_is_found_by_its_deadline(grown: TestDatabase, generic: bool) -> None:
    controllers, subject_ids = await people(grown, 64)
    late = await planned(grown, "consent_sweeper", "lateness", "_LATE", NOW + DAY, 100, generic=generic)
    noticed = await planned(
        *(grown, "consent_sweeper", "lateness", "_NOTICE"),
        *(NOW + DAY, controllers, subject_ids, [3] * 64, ["crm"] * 64),
        generic=generic,
    )

    assert (late, noticed) == ({"duties_late", "subjects_pkey"}, {"duties_pkey"})
