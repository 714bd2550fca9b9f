"""Choosing a notice's language: CORE 8, by the look-up of RFC 4647 section 3.4."""

from __future__ import annotations

import pytest

from consent_service.domain.languages import is_language_tag, match_language

#: Asked, offered, found.
LOOKED_UP = """
nb                            nb,en            nb
nb-NO                         nb,en            nb
NB-no                         nb,en            nb
en-GB                         nb,EN            EN
en-Latn-GB-boont              en,en-Latn       en-Latn
zh-Hant-CN-x-private1         zh-Hant-CN,zh    zh-Hant-CN
zh-Hant-CN-x-private1         zh-Hant-CN-x,zh  zh
zh-Hant-CN-a-myext-x-private  zh-Hant-CN,zh    zh-Hant-CN
no                            nb,nn            -
nb                            nb-NO            -
sv                            nb,en            -
n                             nb               -
nbx                           nb               -
*                             nb,en            -
"""


@pytest.mark.parametrize("line", LOOKED_UP.strip().splitlines())
def test_a_look_up_cuts_from_the_end_until_something_is_offered(line: str) -> None:
    """CORE 8: the tag as offered is what is stored."""
    asked, offered, found = line.split()
    assert match_language(asked, offered.split(",")) == (None if found == "-" else found)


def test_who_asks_for_no_language_gets_none() -> None:
    """CORE 8: absent means that tag and notice hash are null."""
    assert match_language(None, ["nb", "en"]) is None
    assert match_language("nb", []) is None


@pytest.mark.parametrize(
    "text", ["nb", "nb-NO", "en-Latn-GB-boont", "zh-Hant-CN-x-private1", "de-1996", "i-klingon"]
)
def test_what_has_the_form_of_a_tag(text: str) -> None:
    assert is_language_tag(text)


@pytest.mark.parametrize(
    "text",
    ["", "-", "nb-", "-nb", "nb_NO", "nb--NO", "*", "nb NO", "nb\n", "norwegian", "1996", "nb-æøå", "ｎｂ"],
)
def test_what_has_not(text: str) -> None:
    assert not is_language_tag(text)
