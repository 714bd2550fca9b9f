"""What a later release of the service may add, and what is not understood."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from consent_client.errors import NotUnderstood
from consent_client.http.answers import Consent, Decided, Permission, Propagation, PurposeItem
from consent_client.http.changes import ChangeBody, StatesAnswer, to_body, to_change, to_state
from consent_client.http.reading import Reading
from consent_client.words import Basis, Command, Outcome, Reason, Status

from consent_service.http.examples import CHANGE, DECISIONS_ANSWER, PERMISSION, STATES

LATER = "of-a-later-release"


def read(kind: Any, content: Any) -> Any:
    return Reading(kind)(msgspec.json.encode(content))


def test_members_that_are_not_known_are_ignored() -> None:
    permission = read(Permission, {**PERMISSION, LATER: [1, {"x": None}]})

    assert permission == read(Permission, PERMISSION)


@pytest.mark.parametrize("word", ["reason", "status"])
def test_R33_a_permission_with_a_word_that_is_not_known_is_no(word: str) -> None:
    allowed = {"allowed": True, "reason": "given", "status": "given", "version": 1, "until": None}
    assert read(Permission, allowed).allowed is True

    permission = read(Permission, {**allowed, word: LATER})

    assert permission.allowed is False
    assert getattr(permission, word) is None
    consent = {"purpose": "x", "status": "given", "version": 1, "since": None, "record_id": None}
    assert read(Consent, {**consent, "permission": {**allowed, word: LATER}}).permission == permission


@pytest.mark.parametrize("place", [("status",), ("permission", "reason"), ("permission", "status")])
def test_R33_a_change_or_a_state_with_a_word_that_is_not_known_is_no(place: tuple[str, ...]) -> None:
    change, states = msgspec.json.decode(msgspec.json.encode([CHANGE, STATES]))
    permission = {"allowed": True, "reason": "given", "status": "given", "version": 1, "until": None}
    for content in (change, states["items"][0]):
        content.update(status="given", permission=dict(permission))
    assert to_change(read(ChangeBody, change)).allowed
    assert to_state(read(StatesAnswer, states).items[0], "ansettr").allowed

    for content in (change, states["items"][0]):
        inner = content[place[0]] if len(place) > 1 else content
        inner[place[-1]] = LATER
    assert not to_change(read(ChangeBody, change)).allowed
    assert not to_state(read(StatesAnswer, states).items[0], "ansettr").allowed


def test_words_that_are_not_known_are_none_wherever_they_stand() -> None:
    change = read(ChangeBody, {**CHANGE, "command": LATER, "cause": LATER, "legal_bases": ["consent", LATER]})
    assert (change.command, change.cause, change.legal_bases) == (None, None, (Basis.CONSENT,))
    decided = msgspec.json.decode(msgspec.json.encode(DECISIONS_ANSWER))
    decided["records"][0]["record"].update(command=LATER, status=LATER)
    record = read(Decided, decided).records[0].record
    assert (record.command, record.status) == (None, None)
    owing = [{"recipient": "brevo", "outcome": word} for word in ("stopped", LATER, None)]
    told = {"record_id": str(UUID(int=1)), "sequence": 2, "allowed": False, "recipients": owing}
    assert [one.outcome for one in read(Propagation, told).recipients] == [Outcome.STOPPED, None, None]


def test_a_change_about_the_person_as_a_whole_has_no_permission() -> None:
    content = {**CHANGE, "purpose": None, "status": None, "permission": None, "command": "restrict"}

    change = to_change(read(ChangeBody, content))

    assert (change.purpose, change.allowed, change.reason, change.command) == (
        None,
        False,
        None,
        Command.RESTRICT,
    )
    assert to_body(change).permission is None


def test_a_change_is_written_as_it_was_read() -> None:
    told = msgspec.json.encode(CHANGE)

    assert msgspec.json.decode(msgspec.json.encode(to_body(to_change(Reading(ChangeBody)(told))))) == (
        msgspec.json.decode(told)
    )


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"allowed": 1}', b"{}", b"\xff", b'{"reason": ["x"]}']
)
def test_what_is_not_understood_is_said_without_its_content(body: bytes) -> None:
    with pytest.raises(NotUnderstood, match="the answer is no Permission"):
        Reading(Permission)(body)
    with pytest.raises(NotUnderstood) as fault:
        read(Permission, {"allowed": True, "until": "kari@example.org", "reason": "given", "status": "given"})
    assert "kari" not in str(fault.value)


def test_a_version_of_a_purpose_needs_only_what_it_always_has() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    item = read(
        PurposeItem,
        {
            "purpose": "x",
            "version": 1,
            "latest_version": 2,
            "status": "active",
            "legal_bases": ["consent"],
            "effective_from": at,
            "published_at": at,
        },
    )

    assert (item.effective_from, item.recipients) == (at, ())
    assert (Status.GIVEN, Reason.GIVEN) == ("given", "given")
