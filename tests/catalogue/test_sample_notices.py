"""The sample's notices tell a person what a purpose is for, who gets the data, how long, and how to stop."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

Facts = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
DATA: Facts = yaml.safe_load((ROOT / "tests/data/policies.yaml").read_text(encoding="utf-8"))
DESCRIBED = {
    f"{company['company']}/{purpose['slug']}": purpose["description_en"]
    for company in DATA["companies"]
    for purpose in company["purposes"]
}
PURPOSES: dict[str, Facts] = {
    f"{path.stem}/{purpose['slug']}": purpose
    for path in sorted((ROOT / "consent_service/samples").glob("*.yaml"))
    for purpose in yaml.safe_load(path.read_text(encoding="utf-8"))["purposes"]
}
EVERY_PURPOSE = pytest.mark.parametrize("name", PURPOSES)

#: Duration | how the Norwegian notice says it | how the English notice says it.
SAID = """
P0D   | straks             | as soon as
P1M   | én måned           | one month
P3M   | tre måneder        | three months
P6M   | seks måneder       | six months
P180D | 180 dager          | 180 days
P1Y   | ett år             | one year
P2Y   | to år              | two years
P3Y   | tre år             | three years
P3Y6M | tre og et halvt år | three and a half years
P5Y   | fem år             | five years
P7Y   | sju år             | seven years
"""
WORDS = {row.split("|")[0].strip(): row.split("|")[1:] for row in SAID.strip().splitlines()}

WITHDRAWAL = {
    "nb": r"trekke (hele )?samtykket tilbake|rekker du (det|samtykket) tilbake|når som helst trekke det",
    "en": r"withdraw your consent|withdraw it at any time",
}
OBJECTION = {"nb": "protestere", "en": r"\bobject\b"}
NO_CONSENT = {"nb": "ikke noe samtykke å trekke tilbake", "en": "no consent to withdraw"}


def runs_of_words(text: str) -> set[tuple[str, ...]]:
    """Every seven words that follow each other; the same seven in two texts are a copy."""
    words = re.findall(r"[\w'-]+", text.lower())
    return set(zip(*(words[start:] for start in range(7)), strict=False))


def descriptions(name: str) -> dict[str, str]:
    return {language: notice["description"] for language, notice in PURPOSES[name]["notices"].items()}


@EVERY_PURPOSE
def test_notices_are_there_in_both_languages_in_words_of_their_own(name: str) -> None:
    assert set(PURPOSES[name]["notices"]) == {"nb", "en"}
    assert all(notice["name"] for notice in PURPOSES[name]["notices"].values())
    nb, en = descriptions(name)["nb"], descriptions(name)["en"]
    assert min(len(nb), len(en)) > 60 and nb != en
    assert not runs_of_words(DESCRIBED[name]) & runs_of_words(en)


@EVERY_PURPOSE
def test_core_14_labels_name_exactly_the_preferences_offered(name: str) -> None:
    codes = list(chain.from_iterable(PURPOSES[name].get("preferences", {}).values()))
    assert len(codes) == len(set(codes))
    for notice in PURPOSES[name]["notices"].values():
        assert list(notice.get("labels", {})) == codes


@EVERY_PURPOSE
def test_notices_say_for_how_long(name: str) -> None:
    text = descriptions(name)
    for duration in (item["duration"] for item in PURPOSES[name]["retention"] if "duration" in item):
        norwegian, english = WORDS[duration]
        assert norwegian.strip() in text["nb"]
        assert english.strip() in text["en"]


@EVERY_PURPOSE
def test_notices_name_the_tools_that_get_the_data(name: str) -> None:
    tools = [tool.partition(" (")[0].removesuffix(" pixel") for tool in DATA["tools_named"]]
    for recipient in PURPOSES[name].get("recipients", []):
        for tool in (tool for tool in tools if recipient["name"].startswith(tool)):
            assert all(tool in text for text in descriptions(name).values())


@EVERY_PURPOSE
def test_notices_say_how_to_stop(name: str) -> None:
    bases = PURPOSES[name]["legal_bases"]
    for language, text in descriptions(name).items():
        answer = text.replace(NO_CONSENT[language], "")
        assert bool(re.search(WITHDRAWAL[language], answer)) == ("consent" in bases)
        assert bool(re.search(OBJECTION[language], answer)) == ("legitimate_interests" in bases)
