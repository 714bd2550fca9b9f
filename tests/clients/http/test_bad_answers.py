"""What a service, or something that stands in its place, may send: read for what it is, or not understood."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from consent_client.errors import NotUnderstood, Refused
from consent_client.gate.memory import Memory
from consent_client.http import answers, pages
from consent_client.http.backoff import retry_after_s
from consent_client.http.changes import ChangeBody, StatesAnswer, to_change, to_state
from consent_client.http.event_lines import Event, EventLines
from consent_client.http.exchange import refuse
from consent_client.http.following import _told
from consent_client.http.reading import Reading
from consent_client.http.received import Received
from consent_client.http.tokens import Tokens, claims
from consent_client.model import Change, Purpose, SignOfLife, State, Terms
from consent_client.words import Basis, Reason
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent_service.http import examples
from tests.mutations import HARD, mutated, outcome, replaced, tree, write
from tests.soak import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(soak(180, 1_800))]

many = settings(max_examples=soak(200, 4_000), deadline=None, derandomize=bool(soak(1, 0)), print_blob=True)

#: Each answer's type, and one that the service documents.
ANSWERS: list[tuple[Any, Any]] = [
    (answers.Permission, examples.PERMISSION),
    (answers.SubjectAnswer, examples.SUBJECT),
    (answers.Recorded, examples.RECORDED),
    (answers.Decided, examples.DECISIONS_ANSWER),
    (answers.Record, examples.RECORD_WITH_EVIDENCE),
    (answers.Propagation, examples.PROPAGATION),
    (pages.RecordPage, examples.RECORD_PAGE),
    (pages.IdentifierPage, examples.IDENTIFIER_PAGE),
    (pages.PendingPage, examples.PENDING),
    (pages.RecipientPage, examples.RECIPIENTS),
    (pages.Consents, examples.SUBJECT_STATE),
    (pages.PermissionAnswers, examples.ANSWERS),
    (ChangeBody, examples.CHANGE),
    (StatesAnswer, examples.STATES),
]
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
PURPOSE = Purpose(
    controller="ansettr",
    purpose=examples.PURPOSE,
    version=1,
    published_at=BEGINNING,
    versions=(
        Terms(
            version=1,
            effective_from=BEGINNING,
            legal_bases=(Basis.CONSENT,),
            default_allowed=False,
            default_reason=Reason.NO_RECORD,
            oldest_valid_version=1,
            retired=False,
            renew_after=None,
            recipients=(),
        ),
    ),
    ledger_epoch=1,
)
each_answer = pytest.mark.parametrize(("kind", "sample"), ANSWERS, ids=[kind.__name__ for kind, _ in ANSWERS])


def check(kind: Any, text: str) -> None:
    body = text.encode("utf-8", "surrogatepass")
    found = outcome(NotUnderstood, Reading(kind), body)
    memory = Memory("ansettr")
    if isinstance(found, ChangeBody):
        keep(memory, to_change(found))
    if isinstance(found, StatesAnswer):
        for item in found.items:
            keep(memory, to_state(item, "ansettr"))
    assert isinstance(found, kind | NotUnderstood)


def keep(memory: Memory, told: Change | State) -> None:
    """As the gate does, which is then asked why."""
    with contextlib.suppress(ValueError):
        memory.take_state(told)
    memory.take_purpose(PURPOSE)
    for known in memory.pursued.values():
        for subject in known.pairs:
            memory.answer(subject, known.slug, 0)


@each_answer
def test_a_hard_value_anywhere_is_read_or_not_understood(kind: Any, sample: Any) -> None:
    for hard in HARD:
        for changed in replaced(tree(sample), hard):
            check(kind, write(changed))


@each_answer
@given(data=st.data())
@settings(many, max_examples=soak(60, 1_500))
def test_an_answer_with_anything_wrong_is_read_or_not_understood(
    kind: Any, sample: Any, data: st.DataObject
) -> None:
    check(kind, write(data.draw(mutated(sample))))


@given(
    st.integers(100, 599),
    st.binary(max_size=60)
    | mutated(
        {
            "type": "/problems/erased",
            "title": "A",
            "status": 410,
            "detail": "B",
            "errors": [{"detail": "C", "pointer": "/a"}],
        }
    ).map(lambda changed: write(changed).encode("utf-8", "surrogatepass")),
)
@example(404, b'{"a": ' + b"[" * 100_000)
@many
def test_every_refusal_is_told_as_one(status: int, body: bytes) -> None:
    refused = outcome(Refused, refuse, Received(status, {}, body))
    assert isinstance(refused, Refused)
    assert refused.status == status
    assert str(refused)


lines = st.sampled_from(
    [
        *(b"id: 1", b"id:", b"id", b"event: change", b"data: {}", b"data", b": as of 2026-01-31T12:00:00Z"),
        *(
            b"retry: 1000",
            b"retry: " + b"9" * 5_000,
            b"retry: \xd9\xa3",
            b"retry: 1.5",
            b"retry: -1",
            b"retry: 0x1",
        ),
        *(
            b"",
            b"",
            b"\r",
            b":",
            b"\xff",
            b"\xef\xbb\xbfdata: 1",
            b"data: \r\r",
            b": as of yesterday",
            b"id: a\0b",
        ),
        *(
            b": as of 2026-01-31",
            b": as of 2026-01-31T12:00:00",
            b"id: \xc3\xa6",
            b"id: a\rb",
            b"id: " + b"x" * 5_000,
        ),
    ]
) | st.binary(max_size=20)


@given(st.lists(lines, max_size=12), st.lists(st.integers(0, 400), max_size=6))
@example([b"retry: " + b"9" * 5_000, b"", b""], [])
@example([b": as of 2026-01-31", b"id: 1", b"", b""], [])
@many
def test_a_stream_is_events_or_not_understood_however_it_is_cut(sent: list[bytes], cuts: list[int]) -> None:
    content = b"\n".join(sent)
    whole = outcome(NotUnderstood, EventLines().take, content)
    pieces = itertools.pairwise([0, *sorted(min(cut, len(content)) for cut in cuts), len(content)])
    taker = EventLines()
    found = outcome(NotUnderstood, lambda: [event for a, b in pieces for event in taker.take(content[a:b])])
    # Where some of it is not understood, the events before it may have been given already.
    assert isinstance(whole, NotUnderstood) == isinstance(found, NotUnderstood)
    if not isinstance(whole, NotUnderstood):
        assert found == whole
        for event in whole:
            check_event(event)


def check_event(event: Event) -> None:
    """What goes into a header and into a clock is fit for it."""
    assert event.retry_s is None or event.retry_s >= 0
    assert event.id is None or (event.id.isascii() and event.id.isprintable())
    told = outcome(NotUnderstood, _told, event)
    if isinstance(told, SignOfLife):
        assert told.as_of is None or told.as_of.tzinfo is not None
    else:
        assert isinstance(told, Change | NotUnderstood)


@given(
    st.text(max_size=40) | st.sampled_from(["9" * 400, "1e9", "-1", "Fri, 31 Dec 9999999999999 23:59:59 GMT"])
)
@example("Mon, 01 Jan 0001 00:00:00 +9999999999")
@example("\u0663")
@many
def test_when_to_come_again_is_a_time_or_nothing(told: str) -> None:
    seconds = retry_after_s({"retry-after": told})
    assert seconds is None or seconds >= 0


parts = st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("=")) | st.text(
    max_size=8
)
payloads = st.dictionaries(
    st.sampled_from(["exp", "controller"]),
    st.sampled_from([10**400, math.inf, True, "1", None, [], 1e300, -1]),
).map(lambda content: base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("="))


@given(st.lists(parts | payloads, min_size=1, max_size=4).map(".".join))
@example("a." + base64.urlsafe_b64encode(b'{"a": ' + b"[" * 100_000).decode() + ".c")
@example("a." + base64.urlsafe_b64encode(b'{"exp": ' + b"9" * 400 + b"}").decode() + ".c")
@many
async def test_a_token_says_something_of_itself_or_nothing(token: str) -> None:
    assert isinstance(claims(token), dict)
    held = Tokens(token)
    assert await held.token() == token
    assert await held.token() == token
