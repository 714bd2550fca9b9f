"""The image: built in stages, run by an ordinary user, with a health check that asks the service itself."""

from __future__ import annotations

import json
import re

from tests.packaging.compose import ROOT

INSTRUCTION = re.compile(r"^([A-Z]+) (.*)$", re.MULTILINE)


def instructions() -> list[tuple[str, str]]:
    """(word, arguments) in order; comments left out, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text()
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [(word, arguments.strip()) for word, arguments in INSTRUCTION.findall(joined)]


def final_stage() -> list[tuple[str, str]]:
    """What makes the image that runs."""
    words = [word for word, _ in instructions()]
    last = len(words) - 1 - words[::-1].index("FROM")
    return instructions()[last:]


def health_check() -> list[str]:
    """The command of the health check."""
    [arguments] = [arguments for word, arguments in final_stage() if word == "HEALTHCHECK"]
    command: list[str] = json.loads(arguments[arguments.index("[") :])
    return command


def test_packages_are_installed_in_a_stage_of_their_own() -> None:
    stages = [arguments for word, arguments in instructions() if word == "FROM"]
    assert len(stages) > 1
    named = {stage.partition(" AS ")[2] for stage in stages}
    copied_from = re.findall(r"--from=(\S+)", " ".join(arguments for _, arguments in final_stage()))
    assert copied_from
    assert set(copied_from) <= named
    assert not [arguments for word, arguments in final_stage() if "pip install" in arguments]
    installing = [arguments for word, arguments in instructions() if "pip install" in arguments]
    assert installing
    assert all("--require-hashes" in arguments for arguments in installing)


def test_the_container_runs_as_an_ordinary_user() -> None:
    users = [arguments for word, arguments in final_stage() if word == "USER"]
    assert users
    assert int(users[-1]) > 0
    words = [word for word, _ in final_stage()]
    assert "RUN" not in words[words.index("USER") :]


def test_the_health_check_asks_the_service_whether_it_is_ready() -> None:
    command = health_check()
    assert command[0] == "python"
    assert "/readyz" in command[-1]


def test_the_image_holds_what_the_program_reads_and_nothing_else() -> None:
    copied = {arguments.split()[0] for word, arguments in instructions() if word == "COPY"}
    assert copied == {"requirements.lock", "--from=packages", "migrations", "consent_service"}
    let_in = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert let_in == {"requirements.lock", "migrations", "consent_service"}
