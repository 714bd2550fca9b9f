"""docker-compose.yml as Compose would read it: merged, with the values of an environment file filled in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"

OURS = ("prepare", "migrate", "catalogue", "token", "service", "relay", "sweeper", "keeper")
"""The services that run our image, in the order in which they start."""

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<form>:\?|:-)?(?P<rest>[^}]*)\}")


def example_values() -> dict[str, str]:
    """What .env.example sets."""
    lines = (line.strip() for line in EXAMPLE.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def filled(text: str, values: dict[str, str]) -> str:
    """The text with ${NAME}, ${NAME:-default} and ${NAME:?message} replaced; LookupError with the message."""

    def value(found: re.Match[str]) -> str:
        name, form, rest = found["name"], found["form"], found["rest"]
        if given := values.get(name):
            return given
        if form == ":-":
            return str(rest)
        raise LookupError(f"{name}: {rest}")

    return VARIABLE.sub(value, text)


def services(values: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """The services by name; the values of .env.example unless others are given."""
    known = example_values() if values is None else values

    def fill(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: fill(inner) for key, inner in node.items()}
        if isinstance(node, list):
            return [fill(inner) for inner in node]
        return filled(node, known) if isinstance(node, str) else node

    found: dict[str, dict[str, Any]] = fill(yaml.safe_load(FILE.read_text())["services"])
    return found
