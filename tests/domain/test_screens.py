"""What was on screen, and its hash; which language a whole screen is shown in (R37, CORE 8)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
import rfc8785

from consent_service.domain.banner_texts import BANNER_TEXTS
from consent_service.domain.choices import Button
from consent_service.domain.languages import choose_language
from consent_service.domain.purposes import NoticeText
from consent_service.domain.screens import (
    BUTTONS,
    Layer,
    Screen,
    ShownPurpose,
    displayed,
    languages_of,
    screen_hash,
    show,
)
from tests.builders import a_purpose, a_version, day
from tests.http.tables import rows

SHOWN = (ShownPurpose("nyhetsbrev", 2, "nb", "ab" * 32), ShownPurpose("matomo", 1, "nb", "cd" * 32))
SCREEN = Screen(Layer.BANNER, SHOWN, {"title": 'Du bestemmer \u2028 «æøå» " \\ /', "close": "Lukk"})


def in_languages(*languages: str, **content: Any) -> Any:
    notices = {one: NoticeText(name=f"Navn {one}", description="Tekst") for one in languages}
    return a_version(notices=notices, **content)


def test_R37_the_hash_is_what_anybody_can_compute_from_the_notice() -> None:
    """With another library than ours, from what `notice` holds."""
    told: dict[str, Any] = {
        "layer": "banner",
        "purposes": [["nyhetsbrev", 2, "nb", "ab" * 32], ["matomo", 1, "nb", "cd" * 32]],
        "texts": {"title": 'Du bestemmer \u2028 «æøå» " \\ /', "close": "Lukk"},
    }

    assert screen_hash(SCREEN) == hashlib.sha256(rfc8785.dumps(told)).digest()


def test_R37_what_is_kept_hashes_to_the_same_again() -> None:
    kept = json.loads(msgspec.json.encode(SCREEN))

    assert hashlib.sha256(rfc8785.dumps(kept)).digest() == screen_hash(SCREEN)
    assert msgspec.convert(kept, Screen) == SCREEN


@pytest.mark.parametrize(
    "changed",
    [
        {"layer": Layer.SETTINGS},
        {"purposes": SHOWN[::-1]},
        {"purposes": SHOWN[:1]},
        {"purposes": (ShownPurpose("nyhetsbrev", 3, "nb", "ab" * 32), SHOWN[1])},
        {"purposes": (ShownPurpose("nyhetsbrev", 2, "nn", "ab" * 32), SHOWN[1])},
        {"purposes": (ShownPurpose("nyhetsbrev", 2, "nb", "ac" * 32), SHOWN[1])},
        {"texts": {**SCREEN.texts, "close": "Lat att"}},
        {"texts": {"title": SCREEN.texts["title"]}},
    ],
    ids=["layer", "order", "fewer", "version", "language", "notice", "a word", "a text less"],
)
def test_R37_everything_that_was_shown_is_in_the_hash(changed: dict[str, Any]) -> None:
    assert screen_hash(msgspec.structs.replace(SCREEN, **changed)) != screen_hash(SCREEN)


def test_refusing_stands_wherever_accepting_stands() -> None:
    for buttons in BUTTONS.values():
        assert Button.ACCEPT_ALL in buttons
        assert Button.REFUSE_ALL in buttons


def test_the_banner_says_everything_in_every_language() -> None:
    words = {name for texts in BANNER_TEXTS.values() for name in texts}

    assert set(BANNER_TEXTS) == {"nb", "nn", "en"}
    assert {name for buttons in BUTTONS.values() for name in buttons} <= words
    for texts in BANNER_TEXTS.values():
        assert set(texts) == words
        assert all(text.strip() for text in texts.values())


def test_R37_the_sites_order_is_kept_and_what_cannot_be_asked_is_left_out() -> None:
    purposes = {
        "asked": a_purpose(a_version()),
        "also-asked": a_purpose(a_version()),
        "retired": a_purpose(a_version(), a_version(2, retired=True)),
        "hole": a_purpose(a_version(legal_bases="")),
        "later": a_purpose(a_version(effective_from=day(1000))),
        "wordless": a_purpose(a_version(legal_bases="contract", notices={})),
        "required": a_purpose(a_version(legal_bases="contract")),
        "not-on-this-site": a_purpose(a_version()),
    }
    order = ("wordless", "required", "later", "hole", "also-asked", "retired", "asked", "unknown")

    assert [slug for slug, _ in displayed(purposes, order, day(500))] == ["required", "also-asked", "asked"]
    assert "later" in [slug for slug, _ in displayed(purposes, order, day(1000))]


#: The languages of each purpose | those that a whole screen can be shown in
OFFERED = """
nb en / nb en nn  | en nb
nb / nb en        | nb
nb / en           | en nb
nb en             | en nb
"""


@pytest.mark.parametrize(("of_each", "offered"), rows(OFFERED, 2))
def test_a_screen_is_shown_in_a_language_that_all_its_purposes_have(of_each: str, offered: str) -> None:
    versions = [in_languages(*languages.split()) for languages in of_each.split("/")]

    assert languages_of(versions) == tuple(offered.split())


def test_a_purpose_without_the_language_is_shown_in_its_nearest() -> None:
    shown = show([("one", in_languages("nb", "sv")), ("other", in_languages("en", "de"))], "de")

    assert [(one.purpose, one.language) for one, _ in shown] == [("one", "nb"), ("other", "de")]
    assert all(one.notice_hash == version.notice_hashes[one.language] for one, version in shown)


#: asked for, in order | offered | chosen
CHOSEN = """
nb                 | nb en       | nb
nb-NO              | nb en       | nb
NB-no              | nb en       | nb
nn                 | nb en       | nb
nn                 | nb nn en    | nn
de fr              | nb en       | nb
de fr              | sv en       | en
de fr              | sv da       | da
de en              | nb en       | en
no                 | nb nn en    | nb
no                 | nn en       | nn
no-NO en           | nb en       | nb
en-GB-oed nb       | nb en       | en
zh-Hant-TW         | zh-Hant en  | zh-Hant
"""


@pytest.mark.parametrize(("asked", "offered", "chosen"), rows(CHOSEN, 3))
def test_the_first_language_that_there_is_is_chosen_then_nb_and_en(
    asked: str, offered: str, chosen: str
) -> None:
    assert choose_language(asked.split(), offered.split()) == chosen
