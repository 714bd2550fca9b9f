"""No route lets a stranger see, infer or change anything of another controller's (R22)."""

from __future__ import annotations

import pytest

from consent_service.http.routes import OPERATIONS
from tests.http.tables import told
from tests.tenancy.asked import QUESTIONS
from tests.tenancy.comparing import Worlds
from tests.tenancy.world import OWNER, STRANGER

#: The service's own role, and one that no policy binds: there the statements alone tell controllers apart.
as_either = pytest.mark.parametrize("role", ["consent_service", "postgres"])


def test_every_operation_is_asked() -> None:
    assert {question.operation.name for question in QUESTIONS} == {operation.name for operation in OPERATIONS}


@as_either
async def test_R22_a_stranger_cannot_tell_whether_others_are_there_and_changes_nothing_of_theirs(
    worlds: Worlds, role: str
) -> None:
    async with worlds.stage.open(worlds.shared, role) as world:
        assert [one async for one in worlds.differences(world)] == []


async def test_R22_a_stranger_gets_what_the_table_says_and_its_own_in_good_order(worlds: Worlds) -> None:
    async with worlds.stage.open(worlds.shared) as world:
        got = [(step, told(await world.ask(STRANGER, step.request, step.at))) for step in worlds.steps()]

    assert {step.question.line: answer for step, answer in got if step.whose == OWNER} == {
        question.line: question.gets for question in QUESTIONS
    }
    assert [(step.name, answer) for step, answer in got if step.whose == STRANGER and answer >= "3"] == []


async def test_R22_what_a_stranger_asks_about_is_there_for_its_owner(worlds: Worlds) -> None:
    """Also after the stranger has asked."""
    async with worlds.stage.open(worlds.shared) as world:
        for step in worlds.steps():
            await world.ask(STRANGER, step.request, step.at)
        got = [(step.name, told(await world.ask(OWNER, step.request))) for step in worlds.owners_steps()]

    assert [one for one in got if one[1] >= "3"] == []


@as_either
async def test_R22_who_asks_at_the_same_moment_shares_a_batch_and_nothing_else(
    worlds: Worlds, role: str
) -> None:
    """Both ways: the owner's answers are as if there were no stranger, too."""
    async with worlds.stage.open(worlds.shared) as world:
        owners = [
            worlds.seen(await world.ask(OWNER, step.request, step.at)) for step in worlds.owners_steps()
        ]
    async with worlds.stage.open(worlds.shared, role) as world:
        assert [one async for one in worlds.differences_at_once(world, owners)] == []
