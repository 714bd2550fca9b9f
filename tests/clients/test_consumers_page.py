"""docs/CONSUMERS.md as a newcomer follows it: every block of code on the page runs, beside a real service."""

from __future__ import annotations

import asyncio
import re
import sys
import textwrap
from pathlib import Path
from typing import Any
from uuid import UUID

from consent_client import ConsentClient, MappingKey
from consent_client.words import Outcome

from tests.clients.conftest import Place
from tests.events.streams import eventually
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "CONSUMERS.md").read_text()
BLOCKS = dict(re.findall(r"## ([^\n]+)\n(?:(?!\n## ).)*?```python\n(.*?)```", PAGE, re.DOTALL))
SLUG, PURPOSE = "matomo", "nettstedanalyse-matomo"


def ran_in(names: dict[str, Any], block: str) -> Any:
    """The block as the body of a coroutine function, since the page leaves that frame out."""
    lines = textwrap.indent(BLOCKS[block], "    ")
    exec(compile(f"async def block():\n{lines}", block, "exec"), names)  # noqa: S102  the page's own code
    return names["block"]()


def test_every_block_of_the_page_is_run_here() -> None:
    assert len(re.findall("```python", PAGE)) == len(BLOCKS) == 4


async def test_a_newcomers_system_obeys_and_its_word_is_on_record(
    place: Place, client: ConsentClient, tmp_path: Path
) -> None:
    code = BLOCKS["In ten minutes: a system that stops"]
    # The sample's prefix is `consent`; here each run has its own.
    code = code.replace('store="counter.db"', f'store="counter.db", prefix="{place.prefix}"')
    (tmp_path / "counter.py").write_text(code)
    person = (await client.subject({"email": "newcomer@example.no"})).subject_id

    counter = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "counter.py", place.bootstrap,
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": str(ROOT / "clients" / "python")},
    )  # fmt: skip
    assert counter.stdout is not None
    try:
        async with asyncio.timeout(40):
            await client.grant(person, PURPOSE, version=1)
            assert await told(counter.stdout, person) == f"may count {person}"
            withdrawn = await client.withdraw(person, PURPOSE)
            assert await told(counter.stdout, person) == f"must not count {person}"
    finally:
        counter.terminate()
    assert await counter.wait() == 0

    async def is_proven() -> bool:
        [word] = (await client.propagation(withdrawn.record.record_id)).recipients
        return (word.recipient, word.outcome) == (SLUG, Outcome.STOPPED)

    await eventually(is_proven)
    assert person not in [one.subject_id async for one in client.pending(SLUG)]


async def told(stdout: asyncio.StreamReader, person: UUID) -> str:
    """What the program prints of the person next; others of the run are passed over."""
    while line := (await stdout.readline()).decode().strip():
        if str(person) in line:
            return line
    raise AssertionError("it ended")


async def test_the_recruitment_system_of_the_page_finds_deletes_and_says_so(
    place: Place, client: ConsentClient
) -> None:
    held = {"kari@example.no": "candidate 7"}

    class Database:
        def candidate_with(self, emails: list[str]) -> str | None:
            return next((held[email] for email in emails if email in held), None)

        def delete(self, own_id: str) -> None:
            for email in [email for email, its in held.items() if its == own_id]:
                del held[email]

    names: dict[str, Any] = {"my_database": Database()}
    exec(BLOCKS["Whose record is it?"], names)  # noqa: S102  the page's own code
    kari = (await client.subject({"email": "kari@example.no"})).subject_id
    await client.grant(kari, "rekruttering", version=1)
    stop = asyncio.Event()
    running = asyncio.create_task(
        names["Recruitment"]().run(
            kafka=place.bootstrap,
            controller="ansettr",
            prefix=place.prefix,
            client=client,
            mapping_keys=[MappingKey("k1", bytes(32))],
            stop=stop,
        )
    )
    withdrawn = await client.withdraw(kari, "rekruttering")

    async def is_proven() -> bool:
        words = (await client.propagation(withdrawn.record.record_id)).recipients
        return {word.recipient: word.outcome for word in words}.get("recruitee") == Outcome.ERASED

    await eventually(is_proven)
    stop.set()
    await running
    assert held == {}


async def test_the_gate_and_the_client_of_the_page_answer(place: Place, capsys: Any) -> None:
    from consent_client import ConsentGate

    sent: list[str] = []

    async def send(event: str) -> None:
        sent.append(event)

    async with ConsentClient(place.url, place.token()) as client:
        person = (await client.subject({"email": "gate@example.no"})).subject_id
        await client.grant(person, "facebook-piksel", version=1)
        await eventually(lambda: _is_allowed(place, person))
    block = BLOCKS["May I, now?"].replace('"127.0.0.1:9092"', f'"{place.bootstrap}"')
    block = block.replace('controller="ansettr"', f'controller="ansettr", prefix="{place.prefix}"')
    BLOCKS["May I, now?"] = block
    await ran_in(
        {"subject_id": person, "send": send, "event": "seen", "ConsentGate": ConsentGate}, "May I, now?"
    )
    assert sent == ["seen"]

    BLOCKS["Words over HTTP"] = BLOCKS["Words over HTTP"].replace("http://127.0.0.1:8000", place.url)
    await ran_in({"token": place.token()}, "Words over HTTP")
    assert capsys.readouterr().out.splitlines()[-1] == "True given"


async def _is_allowed(place: Place, person: UUID) -> bool:
    """Whether the state is on Kafka: a gate that begins now reads it."""
    from consent_client import ConsentGate

    async with ConsentGate.kafka(place.bootstrap, controller="ansettr", prefix=place.prefix) as gate:
        await gate.ready()
        return gate.allows(person, "facebook-piksel")
