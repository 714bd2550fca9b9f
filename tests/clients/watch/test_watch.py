"""`consent-watch` as people and programs use it, on real processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import httpx
import pytest
from consent_client import ConsentClient

from consent_service.embedded.ports import HOST, free_port
from tests.clients.conftest import Place
from tests.clients.persons import somebody
from tests.clients.watch.conftest import FORM, PIXEL, Story
from tests.clients.watch.programs import CLIENT, PATIENCE_S, on_terminal, run


def from_kafka(place: Place, *arguments: str) -> tuple[str, ...]:
    return "--kafka", place.bootstrap, "--prefix", place.prefix, *arguments


async def told_over_http(place: Place, story: Story) -> list[Any]:
    """The data of the story's events, as the service writes them."""
    found: list[Any] = []
    headers = {"authorization": f"Bearer {place.token()}", "last-event-id": story.before}
    async with (
        asyncio.timeout(PATIENCE_S),
        httpx.AsyncClient(headers=headers, timeout=PATIENCE_S) as plain,
        plain.stream("GET", f"{place.url}/v1/changes") as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                change = json.loads(line.removeprefix("data: "))
                if change["subject_id"] == str(story.subject_id):
                    found.append(change)
                if len(found) == len(story.records):
                    break
    return found


async def test_piped_it_writes_what_the_service_tells_over_http_line_by_line(
    place: Place, story: Story
) -> None:
    whose = str(story.subject_id)
    code, shown, complaints = await run(
        *from_kafka(place, "--from", "beginning", "--subject", whose, "--limit", "3")
    )

    assert (code, complaints) == (0, "")
    lines = [json.loads(line) for line in shown.splitlines()]
    assert lines == await told_over_http(place, story)
    assert [line["record_id"] for line in lines] == [str(record) for record in story.records]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--purpose", PIXEL], [0, 1]),
        (["--purpose", PIXEL, "--purpose", FORM], [0, 1, 2]),
        (["--command", "withdraw"], [1]),
        (["--allowed"], [0, 2]),
        (["--not-allowed"], [1]),
        (["--purpose", PIXEL, "--allowed"], [0]),
        (["--controller", "ansettr"], [0, 1, 2]),
    ],
)
async def test_filters_pass_what_they_name_and_nothing_else(
    place: Place, story: Story, filters: list[str], expected: list[int]
) -> None:
    end = str(story.subject_id)[-8:]
    arguments = from_kafka(place, "--from", "beginning", "--subject", end, *filters)
    code, shown, _ = await run(*arguments, "--limit", str(len(expected)))

    assert code == 0
    found = [json.loads(line)["record_id"] for line in shown.splitlines()]
    assert found == [str(story.records[number]) for number in expected]


async def test_on_a_terminal_it_writes_coloured_lines_for_people_and_ends_on_an_interrupt(
    place: Place, client: ConsentClient
) -> None:
    subject_id = (await client.subject(somebody())).subject_id
    arguments = from_kafka(place, "--subject", str(subject_id))
    async with on_terminal(*arguments) as program:
        await program.until(lambda shown: "following" in shown)
        await client.grant(subject_id, PIXEL, 1)
        await client.withdraw(subject_id, PIXEL)
        await program.until(lambda shown: "not allowed" in shown and "up to date" in shown)
        program.interrupt()
        assert await program.ended() == 130
        shown = program.shown

    lines = [line for line in shown.splitlines() if str(subject_id)[-8:] in line]
    assert ["grant" in lines[0], "given" in lines[0], "\x1b[32mallowed (given)\x1b[0m" in lines[0]] == [
        True
    ] * 3
    assert ["withdrawn" in lines[1], "\x1b[31mnot allowed (withdrawn)\x1b[0m" in lines[1]] == [True] * 2
    assert all("ansettr" in line and PIXEL in line for line in lines)
    assert "Traceback" not in shown
    assert str(subject_id) not in shown


async def test_from_the_beginning_it_says_how_the_stream_is_and_not_how_it_was(
    place: Place, story: Story
) -> None:
    """Before it knew what its topics lack, the relay said on each partition that nothing is up to date."""
    arguments = from_kafka(place, "--from", "beginning", "--subject", str(story.subject_id))
    async with on_terminal(*arguments) as program:
        shown = await program.until(lambda shown: "up to date" in shown)
        program.interrupt()
        assert await program.ended() == 130

    assert [line for line in shown.splitlines() if "the stream is" in line and "up to date" not in line] == []


@pytest.mark.parametrize(
    ("arguments", "environment", "coloured"),
    [
        ((), {"NO_COLOR": "1"}, False),
        (("--colour", "never"), {}, False),
        (("--colour", "always"), {"NO_COLOR": "1"}, True),
    ],
)
async def test_colour_is_a_matter_of_taste(
    place: Place, story: Story, arguments: tuple[str, ...], environment: dict[str, str], coloured: bool
) -> None:
    wanted = from_kafka(place, "--from", "beginning", "--subject", str(story.subject_id), "--limit", "1")
    async with on_terminal(*wanted, *arguments, **environment) as program:
        assert await program.ended() == 0
        shown = await program.until(lambda shown: "given" in shown)

    assert ("\x1b[" in shown) == coloured


async def test_over_http_it_follows_from_now_with_the_environments_token(
    place: Place, client: ConsentClient
) -> None:
    subject_id = (await client.subject(somebody())).subject_id
    arguments = "--url", place.url, "--subject", str(subject_id), "--limit", "1"
    async with on_terminal(*arguments, CONSENT_TOKEN=place.token()) as program:
        await program.until(lambda shown: "following" in shown)
        await client.grant(subject_id, PIXEL, 1)
        assert await program.ended() == 0
        await program.until(lambda shown: "given" in shown)


async def test_where_nothing_answers_or_nothing_is_there_it_says_so(place: Place) -> None:
    nowhere = f"{HOST}:{free_port()}"
    for arguments, words in (
        (("--kafka", nowhere), f"no Kafka answers at {nowhere}"),
        (("--kafka", place.bootstrap, "--prefix", "nobody"), "no topic nobody.changes.v1"),
        (("--url", place.url, "--token", "a.b.c"), "401 unauthenticated"),
        (("--url", "localhost", "--token", "x"), "http://"),
    ):
        code, shown, complaints = await run(*arguments)
        assert (code, shown, len(complaints.splitlines())) == (1, "", 1)
        assert words in complaints


async def test_a_pipe_that_is_closed_ends_it_quietly(place: Place, client: ConsentClient) -> None:
    """At the next line that it writes."""
    subject_id = (await client.subject(somebody())).subject_id
    arguments = from_kafka(place, "--from", "beginning", "--subject", str(subject_id))
    reading, writing = os.pipe()
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "consent_client.watch", *arguments,
        stdout=writing, stderr=asyncio.subprocess.PIPE, env={"PYTHONPATH": str(CLIENT)},
    )  # fmt: skip
    os.close(writing)
    os.close(reading)

    async def speak() -> None:
        while True:
            await client.grant(subject_id, PIXEL, 1)
            await client.withdraw(subject_id, PIXEL)

    speaking = asyncio.create_task(speak())
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, complaints = await program.communicate()
    finally:
        speaking.cancel()
        if program.returncode is None:
            program.kill()
        await asyncio.wait({speaking})

    assert (program.returncode, complaints) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "one of the arguments --kafka --url is required"),
        (("--url", "http://x"), "--url needs --token or CONSENT_TOKEN"),
        (("--url", "http://x", "--token", "x", "--from", "beginning"), "needs --kafka"),
        (("--kafka", "x:1", "--limit", "0"), "above 0"),
        (("--kafka", "x:1", "--command", "shout"), "shout"),
    ],
)
async def test_a_wrong_use_is_explained(arguments: tuple[str, ...], words: str) -> None:
    code, _, complaints = await run(*arguments)

    assert code == 2
    assert words in complaints


async def test_help_shows_examples() -> None:
    code, shown, _ = await run("--help")

    assert code == 0
    assert "examples:" in shown
