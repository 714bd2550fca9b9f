"""The text of an API key: what is read back, and what is told apart without a database."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.domain.api_keys import (
    LENGTH_MAX,
    SECRET_ALPHABET,
    SECRET_LENGTH,
    ApiKeyName,
    hash_api_key,
    read_api_key,
    write_api_key,
)
from consent_service.domain.values import SLUG

NAME = ApiKeyName("ansettr", "abcdefghijk0")
SECRET = "x" * SECRET_LENGTH
TEXT = write_api_key(NAME, SECRET)

names = st.builds(
    ApiKeyName, st.from_regex(SLUG, fullmatch=True), st.from_regex(r"[a-z0-9]{12}", fullmatch=True)
)
secrets = st.text(SECRET_ALPHABET, min_size=SECRET_LENGTH, max_size=SECRET_LENGTH)


def test_a_key_says_whose_it_is_and_which() -> None:
    """Agreed with everybody who looks for keys in files: it never changes."""
    assert TEXT == "consent_ansettr_abcdefghijk0_" + "x" * 43 + "61b18315"
    assert NAME.prefix == "consent_ansettr_abcdefghijk0"
    assert hash_api_key("a").hex() == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"


@given(names, secrets)
def test_a_key_is_read_as_it_was_written(name: ApiKeyName, secret: str) -> None:
    text = write_api_key(name, secret)

    assert read_api_key(text) == name
    assert len(text) <= LENGTH_MAX


def test_the_longest_key_is_as_long_as_one_may_be() -> None:
    assert len(write_api_key(ApiKeyName("a" * 64, "b" * 12), SECRET)) == LENGTH_MAX


@given(names, secrets, st.integers(0), st.sampled_from(string.ascii_letters + string.digits + "_-"))
def test_one_wrong_character_is_told(name: ApiKeyName, secret: str, place: int, character: str) -> None:
    good = write_api_key(name, secret)
    at = place % len(good)
    changed = good[:at] + character + good[at + 1 :]

    assert (read_api_key(changed) is None) == (changed != good)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "consent_",
        TEXT[:-1],
        TEXT + "0",
        TEXT[1:],
        TEXT.upper(),
        TEXT + "\n",
        " " + TEXT,
        TEXT.replace("abcdefghijk0", "abcdefghijk"),
        TEXT[:-1] + "é",
        "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl",
    ],
)
def test_what_is_no_whole_key_is_none(text: str) -> None:
    assert read_api_key(text) is None


@given(st.text(max_size=160) | st.text(string.ascii_lowercase + "_-0123", max_size=160))
def test_any_text_is_none(text: str) -> None:
    assert read_api_key("consent_" + text) is None
