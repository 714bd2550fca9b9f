"""A recipient that the catalogue does not know as it calls itself is told so once, in its log."""

from __future__ import annotations

import logging

import msgspec
import pytest

from consent_service.domain.changes import PurposePublished, published
from consent_service.domain.purposes import Purpose, Recipient
from tests.builders import a_purpose, a_version, day
from tests.clients.recipient.systems import System, obeying, until
from tests.clients.recipient.test_recipient import all_committed
from tests.clients.recipient.topics import Topics, a_step

NAMED = (Recipient("system", "System", "processor"),)
NOBODY = "no purpose of system names it as a recipient now, or in a version to come"
UNKNOWN = "ansettr has published no purpose rekruttering"
OTHERS = "no purpose of a controller ansettr was published"


def told(*versions: object, slug: str = "nyhetsbrev", controller: str = "ansettr") -> PurposePublished:
    purpose = a_purpose(*versions)  # type: ignore[arg-type]
    return published(Purpose(controller, slug, purpose.versions), ledger_epoch=1)


UNNAMED = told()
SECOND = a_version(2, effective_from=day(100_000), recipients=NAMED)
LATER = told(a_version(1), msgspec.structs.replace(SECOND, published_at=day(1)))
CASES = [
    pytest.param([UNNAMED], ("nyhetsbrev",), [NOBODY], id="named by none"),
    pytest.param([UNNAMED, told(a_version(recipients=NAMED))], ("nyhetsbrev",), [], id="named by the latest"),
    pytest.param([LATER], ("nyhetsbrev",), [], id="named by a version to come"),
    pytest.param(
        [UNNAMED, told(a_version(recipients=NAMED), slug="rekruttering")],
        ("nyhetsbrev", "rekruttering"),
        [],
        id="named by another of its purposes",
    ),
    pytest.param(
        [told(a_version(recipients=NAMED))], ("nyhetsbrev", "rekruttering"), [UNKNOWN], id="a purpose unknown"
    ),
    pytest.param([told(controller="coness")], ("nyhetsbrev",), [OTHERS], id="a controller unknown"),
    pytest.param([], ("nyhetsbrev",), [], id="nothing published yet"),
]


@pytest.mark.parametrize(("purposes", "pursued", "warned"), CASES)
async def test_R34_a_name_that_no_purpose_has_is_warned_of_once(
    topics: Topics,
    caplog: pytest.LogCaptureFixture,
    purposes: list[PurposePublished],
    pursued: tuple[str, ...],
    warned: list[str],
) -> None:
    await topics.make("purposes")
    await topics.tell_purposes(*purposes)
    await topics.tell(*(a_step(number, 1) for number in range(20)))
    system = System()
    system.purposes = pursued
    caplog.set_level(logging.DEBUG, "consent_client")

    async with obeying(system, topics):
        await all_committed(topics, 20)
        await until(lambda: "the catalogue is read" in caplog.text)

    ours = [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING
        and record.name == "consent_client.recipient"
        and "purpose" in record.getMessage()
    ]
    assert [line.startswith(start) for line, start in zip(ours, warned, strict=True)] == [True] * len(warned)


async def test_without_a_topic_of_purposes_it_obeys_all_the_same(topics: Topics) -> None:
    await topics.tell(a_step(1, 1))
    system = System()

    async with obeying(system, topics):
        await all_committed(topics, 1)

    assert system.done == [(1, "start 1")]
