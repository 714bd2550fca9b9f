"""Whatever callers send in whatever order, every answer is the one that a second reading of the interface foretells.

The stories of a `make test` are always the same, those of a soak are always new; a story that fails is told with all
that was sent and answered. It is first made as short as it gets, which may take five minutes.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings

from tests.http.conftest import KEYRING
from tests.model.player import Player
from tests.model.stage import Stage
from tests.model.stories import Decide, Look, Repeat, Say, Saying, Story, stories
from tests.soak import soak
from tests.usecases.recording import faults_of

pytestmark = pytest.mark.soak

STORIES = soak(80, 1600)

GRANT = Saying(0, "grant", "web", older=0, back=None, evidence=True, topic="jobs")
PAPER = Saying(0, "refuse", "paper", older=None, back=24, evidence=False, topic=None)
OBJECTION = Saying(1, "object", "api", older=None, back=None, evidence=False, topic=None)
#: Something new, the same again, replayed, renewed, late, all together, all refused, and looked back on.
OUTLINE = Story(
    ("newsletter", "statistics", "payroll"),
    [
        Say(1, 0, GRANT, "a"),
        Say(1, 0, GRANT, None),
        Repeat(1, 0),
        Say(24, 0, GRANT, None),
        Say(12, 0, PAPER, None),
        Decide(0, 2, True, [GRANT, OBJECTION], None),
        Decide(1, 2, False, [PAPER, OBJECTION, Saying(2, "grant", "web", 0, None, False, None)], None),
        Look(1, 0, "history", 0, 1, just_before=True, limit=1),
        Look(1, 0, "permission", 0, 2, just_before=True, limit=1),
        Look(240, 0, "subject", 0, None, just_before=False, limit=1),
    ],
)


async def play(stage: Stage, story: Story) -> None:
    player = Player(stage, await stage.controller(), story.purposes)
    await player.begins()
    for step in story.steps:
        await player.takes(step)
    await player.ends()


@pytest.mark.timeout(soak(600, 3600))
@settings(
    max_examples=STORIES,
    deadline=None,
    database=None,
    derandomize=bool(soak(True, False)),
    print_blob=True,
)
@example(OUTLINE)
@given(stories)
async def test_R2_to_R24_every_answer_is_the_one_foretold(stage: Stage, story: Story) -> None:
    await play(stage, story)


@pytest.mark.timeout(soak(180, 600))
async def test_R21_what_the_stories_left_behind_is_whole(stage: Stage) -> None:
    """And what stands is what the records add up to: of all stories that were played before, and one more."""
    await play(stage, OUTLINE)
    assert await faults_of(stage.database, keyring=KEYRING) == []
