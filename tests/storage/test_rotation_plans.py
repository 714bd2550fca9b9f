"""A page of a rotation of keys is read and written by index, once tables have grown (ARCHITECTURE, Scale)."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.databases import TestDatabase
from tests.storage.planning import either_plan, hashes, planned

ROWS = 100


async def a_page(grown: TestDatabase) -> list[UUID]:
    """Neighbours among the persons of one controller; here an identifier has the id of its person."""
    connection = await grown.connect()
    rows = await connection.fetch(
        "select subject_id from subjects where controller = 'ansettr' order by 1 offset 5000 limit $1", ROWS
    )
    await connection.close()
    return [row[0] for row in rows]


@either_plan
async def test_pages_follow_the_primary_keys(grown: TestDatabase, generic: bool) -> None:
    middle = (await a_page(grown))[0]
    keys = await planned(
        *(grown, "consent_keeper", "rotation", "_SUBJECT_KEYS"),
        *("ansettr", middle, ROWS, "s2"),
        generic=generic,
    )
    identifiers = await planned(
        *(grown, "consent_keeper", "rotation", "_IDENTIFIERS"),
        *("ansettr", middle, middle, ROWS, "s2", "l2"),
        generic=generic,
    )
    ids = await planned(
        *(grown, "consent_keeper", "rotation", "_IDENTIFIER_IDS"),
        *("ansettr", middle, middle, ROWS),
        generic=generic,
    )

    assert keys == {"subject_keys_pkey"}
    assert identifiers == {"identifiers_pkey", "identifier_hashes_identifier"}
    assert ids == {"identifiers_pkey"}


@either_plan
async def test_what_is_sealed_anew_is_found_by_its_place(grown: TestDatabase, generic: bool) -> None:
    page = await a_page(grown)
    sealed = [b"sealed"] * len(page)
    keys = await planned(
        *(grown, "consent_keeper", "rotation", "_RESEAL_KEYS"),
        *("ansettr", "s2", page, sealed, sealed, page[0], page[-1]),
        generic=generic,
    )
    identifiers = await planned(
        *(grown, "consent_keeper", "rotation", "_RESEAL_IDENTIFIERS"),
        *("ansettr", "s2", page, page, sealed, sealed, page[0], page[-1]),
        generic=generic,
    )

    assert (keys, identifiers) == ({"subject_keys_pkey"}, {"identifiers_pkey"})


@either_plan
async def test_hashes_are_forgotten_by_their_identifiers(grown: TestDatabase, generic: bool) -> None:
    page = await a_page(grown)
    forgotten = await planned(
        *(grown, "consent_keeper", "rotation", "_DELETE_HASHES"),
        *("ansettr", page, "l1", "l2"),
        generic=generic,
    )

    assert forgotten == {"identifier_hashes_identifier"}


@either_plan
async def test_unlinking_finds_an_identifiers_hashes_by_it(grown: TestDatabase, generic: bool) -> None:
    one = (await a_page(grown))[0]
    unlinked = await planned(
        *(grown, "consent_service", "subjects", "_DELETE_HASHES"), *("ansettr", one, one), generic=generic
    )

    assert unlinked == {"identifier_hashes_identifier"}


@pytest.mark.parametrize("number", [1, ROWS], ids=["one", "a page"])
async def test_clashes_are_looked_up_by_hash(grown: TestDatabase, number: int) -> None:
    wanted = await hashes(grown, number)

    assert await planned(grown, "consent_keeper", "subjects", "_FIND", wanted, generic=True) == {
        "identifier_hashes_pkey"
    }
