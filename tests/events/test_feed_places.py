"""The ids of the HTTP feed's events: compact, exact, and refused when anything about them is wrong (R32)."""

from __future__ import annotations

import base64
import string
import zlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.domain.errors import InvalidRequest
from consent_service.events.feed.places import Place, mark_of, read_place

MARK = mark_of("consent.changes.v1", UUID(int=7), 1)
offsets = st.lists(st.integers(0, (1 << 63) - 1), min_size=1, max_size=40)
LETTERS = string.ascii_letters + string.digits + "-_"


def text_of(raw: bytes) -> str:
    """With a checksum that fits."""
    whole = raw + zlib.crc32(raw).to_bytes(4, "big")
    return base64.urlsafe_b64encode(whole).rstrip(b"=").decode()


@given(offsets)
def test_R32_an_id_is_read_back_as_the_place_that_it_was_made_of(told: list[int]) -> None:
    place = read_place(Place(MARK, told).token.decode())

    assert (place.mark, place.offsets) == (MARK, told)


@given(offsets, st.data())
def test_R32_an_id_follows_the_place_as_it_moves(told: list[int], data: st.DataObject) -> None:
    place = Place(MARK, told)
    assert place.token
    partition = data.draw(st.integers(0, len(told) - 1))
    offset = data.draw(st.integers(0, (1 << 63) - 2))
    place.advance(partition, offset)

    expected = [*told]
    expected[partition] = max(told[partition], offset + 1)
    assert read_place(place.token.decode()).offsets == expected


def test_R32_an_id_is_short() -> None:
    assert len(Place(MARK, [1_000_000] * 12).token) == 66


def test_R32_every_changed_letter_is_noticed() -> None:
    token = Place(MARK, [3, 0, 4711]).token.decode()
    for place in range(len(token)):
        for letter in LETTERS.replace(token[place], ""):
            with pytest.raises(InvalidRequest):
                read_place(token[:place] + letter + token[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        *("", "A", "AAAA", "=", "a b", "å", "A" * 4001),
        text_of(b""),
        text_of(b"\x01" + MARK),
        text_of(b"\x02" + MARK + b"\x05"),
        text_of(b"\x01" + MARK + b"\x85"),
        text_of(b"\x01" + MARK + b"\x85\x00"),
        text_of(b"\x01" + MARK + b"\xff" * 9 + b"\x01"),
        text_of(b"\x01" + MARK + b"\x05") + "==",
    ],
)
def test_R32_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_place(text)


def test_R32_a_topic_that_is_made_anew_or_of_a_new_epoch_has_another_mark() -> None:
    topics = ("a.changes.v1", "b.changes.v1")
    marks = {mark_of(topic, UUID(int=life), epoch) for topic in topics for life in (1, 2) for epoch in (1, 2)}

    assert len(marks) == 8
