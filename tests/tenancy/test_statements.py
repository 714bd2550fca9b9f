"""Every statement asks for the controller itself, whatever a policy would have hidden; without it the tests go red.

Policies do not bind everybody. A batch of commands or questions may mix controllers, and then sees the rows of all of
them; the relay and the auditor see everything. There the statements alone tell controllers apart.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from consent_service.http import exchange
from consent_service.http.idempotency import read_idempotency
from consent_service.storage.keyring import Keyring
from consent_service.usecases.submissions import Caller, Idempotency
from tests.http.tables import rows
from tests.soak import soak
from tests.storage.test_row_level_security import TABLES
from tests.tenancy.comparing import Worlds
from tests.tenancy.mutants import ASSIGNMENT, CONDITION, EQUALS, Mutant, mutants, texts
from tests.tenancy.world import OWNER, World

#: Why a statement that reads or changes rows of controllers asks for none.
UNCONDITIONED = """
history._PREFIXES                 | of all controllers that the transaction names
idempotency._READ                 | by a hash of which the controller is a part
idempotency._SWEEP                | what has lapsed, of all controllers that the transaction names
outbox._POINTERS                  | the relay publishes the rows of all controllers
reconciliation._WAITING           | of all controllers, each named
reconciliation._WAITING_PURPOSES  | of all controllers, each named
relaying._OLDEST                  | an age, of all controllers
relaying._ROWS                    | a count, of all controllers
rotation._COUNT                   | counts, of all controllers that the transaction names
rotation._COUNT_UNFOUND           | a count, of all controllers that the transaction names
subjects._FIND                    | by a hash whose key is the controller's own
sweeping._ENDED                   | the sweeper serves all controllers, each named
sweeping._COUNT_ENDED             | a count, of all controllers
verification._NEXT_CONTROLLER     | who there is, for the auditor
"""
#: Conditions that may go without anybody seeing another's.
SURVIVE = """
outbox._DELETE 1         | without it a row of a purpose waits for another controller's of the same name
notices._GIVE 1          | joins what the same statement has inserted, by ids that are made with the notice
verification._RECORDS 1  | says what 2 and 3 say together
verification._RECORDS 2  | says what 1 and 3 say together, for the planner alone
"""
#: Conditions of the service's own role that probes see missing, and no route.
NO_ROUTE = """
api_keys._KEEP_USES 1           | written beside the requests, not by them
catalogue._REVISION 1           | another's number makes a copy look old or new: no content is another's
catalogue._TOPIC_PREFIX 1       | the feed's, whose prefix is the stage's here
catalogue._SITES 1              | each site is found among them by its key, which nobody else has
catalogue._LOCK_CONTROLLER 1    | the token's controller is known by then; what is locked beside it is unlocked again
catalogue._CHANGE_CONTROLLER 1  | the command line's
catalogue._CHANGE_SITE 1        | the command line's
ledger._REVISIONS 1             | each finds its own by name
notices._GIVE 1                 | see SURVIVE
states._READ_PAIRS 1            | another's number makes a copy look old or new
subjects._READ 1                | whoever reads a person here does not open their key
"""
TOUCHED = re.compile(rf"\b(from|join|update) ({'|'.join(TABLES)})\b")


@pytest.fixture(scope="module")
async def still(worlds: Worlds) -> AsyncIterator[World]:
    """The shared world, in which nothing is kept."""
    async with worlds.stage.open(worlds.shared, "postgres") as world:
        yield world


def test_every_condition_on_a_controller_is_found() -> None:
    for text in texts().values():
        assert len(EQUALS.findall(text)) == len(CONDITION.findall(text)) + text.count(ASSIGNMENT)


def test_every_statement_asks_for_the_controller_or_tells_why_not() -> None:
    without = {
        f"{module}.{name}"
        for (module, name), text in texts().items()
        if TOUCHED.search(text) and not CONDITION.search(text)
    }

    assert without == names(UNCONDITIONED)


async def test_R22_what_no_route_shows_is_the_strangers_alone_too(worlds: Worlds, still: World) -> None:
    assert [one async for one in worlds.probed_differently(still)] == []


def names(table: str) -> set[str]:
    return {name for name, _ in rows(table, 2)}


async def first_of(differences: AsyncIterator[str]) -> str | None:
    async for difference in differences:
        return difference
    return None


async def seen_by_routes(worlds: Worlds) -> str | None:
    async with worlds.stage.open(worlds.shared, "postgres") as world:
        return await first_of(worlds.differences(world))


@pytest.mark.parametrize("mutant", mutants(), ids=lambda one: one.name)
async def test_R22_without_a_condition_somebody_sees_anothers(
    worlds: Worlds, still: World, mutant: Mutant
) -> None:
    with mutant.at_work():
        told = await first_of(worlds.probed_differently(still, mutant.module)) or await seen_by_routes(worlds)

    assert (told is None) == (mutant.name in names(SURVIVE))


@pytest.mark.soak
@pytest.mark.parametrize(
    "mutant", soak(mutants("consent_service")[::18], mutants("consent_service")), ids=lambda one: one.name
)
async def test_R22_without_a_condition_a_route_shows_anothers(worlds: Worlds, mutant: Mutant) -> None:
    with mutant.at_work():
        told = await seen_by_routes(worlds)

    assert (told is None) == (mutant.name in names(NO_ROUTE))


@pytest.mark.parametrize("bound", ["identifiers", "idempotency keys"])
async def test_R22_a_hash_that_is_not_the_controllers_own_shows_anothers(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """What stands in for a condition where rows are found by a hash."""
    if bound == "identifiers":
        real = Keyring.lookup_keys
        monkeypatch.setattr(Keyring, "lookup_keys", lambda keyring, _: real(keyring, OWNER))
    else:

        def read(header: bytes, caller: Caller, **request: Any) -> Idempotency:
            return read_idempotency(header, msgspec.structs.replace(caller, controller=OWNER), **request)

        monkeypatch.setattr(exchange, "read_idempotency", read)

    assert await seen_by_routes(worlds) is not None
