"""A service that is broken, or none at all, over real sockets: each answer is one of our errors, and nobody's yes."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from consent_client import ConsentClient
from consent_client.errors import UNEXPLAINED, NotUnderstood, Refused, Unavailable
from consent_client.http.received import ANSWER_BYTES_MAX
from consent_client.model import Acknowledgement, SignOfLife
from consent_client.recipient.sending import HttpAcknowledging
from consent_client.words import Outcome

from consent_service.http.examples import IDENTIFIERS, PERMISSION, RECIPIENTS
from tests.clients.http.stranger import Stranger, answer, asking, events, for_ever

WHO = UUID(int=7)
HTML = b"<!doctype html><title>Welcome</title>"
YES = json.dumps(PERMISSION).encode()
WORD = Acknowledgement(
    acknowledgement_id=WHO,
    controller="ansettr",
    recipient="brevo",
    record_id=WHO,
    subject_id=WHO,
    outcome=Outcome.STOPPED,
    at=datetime(2026, 1, 31, tzinfo=UTC),
)


async def ask(client: ConsentClient) -> Any:
    return await client.permission(WHO, "newsletter")


NO_PERMISSION = {
    "nothing": b"",
    "a page": HTML,
    "a list": b"[]",
    "a page that is too deep": b"[" * 100_000,
    "members that are too deep": b'{"a":' * 100_000,
    "a yes that is cut": YES[:-1],
    "a yes and more": YES + b"x",
    "two of them": YES + YES,
    "no UTF-8": YES.replace(b"given", b"\xff", 1),
    "another coding": YES.decode().encode("utf-16"),
    "a text for a truth": YES.replace(b"true", b'"true"'),
    "a number for a truth": YES.replace(b"true", b"1"),
    "a version below 0": YES.replace(b'"version": 1', b'"version": -1'),
    "a version without end": YES.replace(b'"version": 1', b'"version": ' + b"9" * 400),
    "no version that exists": YES.replace(b'"version": 1', b'"version": 1e400'),
    "no number": YES.replace(b'"version": 1', b'"version": NaN'),
    "an end without a zone": YES.replace(b'"until": null', b'"until": "2026-01-31T12:00:00"'),
    "an end on no day": YES.replace(b'"until": null', b'"until": "2026-02-30T12:00:00Z"'),
    "no end": b'{"allowed": true',
}


@pytest.mark.parametrize("body", NO_PERMISSION.values(), ids=NO_PERMISSION)
async def test_what_is_no_answer_is_not_understood_and_not_asked_for_again(body: bytes) -> None:
    stranger = Stranger(answer(body))
    async with asking(stranger) as client:
        with pytest.raises(NotUnderstood, match="the answer is no Permission"):
            await ask(client)
    assert len(stranger.seen) == 1


NO_PROBLEM = {
    "nothing": b"",
    "a page": HTML,
    "too deep": b"[" * 100_000,
    "other members": b'{"type": 1, "detail": []}',
    "faults too deep": b'{"type": "/problems/erased", "detail": "x", "errors": ' + b"[" * 100_000,
    "no UTF-8": b'{"type": "/problems/erased", "detail": "\xff"}',
}


@pytest.mark.parametrize("status", ["301 Moved", "304 Same", "404 No", "410 Gone", "500 Broken"])
@pytest.mark.parametrize("body", NO_PROBLEM.values(), ids=NO_PROBLEM)
async def test_a_no_without_its_reason_is_a_no(status: str, body: bytes) -> None:
    stranger = Stranger(answer(body, status=status))
    async with asking(stranger) as client:
        with pytest.raises(Refused) as refused:
            await ask(client)
    assert (str(refused.value.status), refused.value.type) == (status[:3], UNEXPLAINED)
    assert len(stranger.seen) == 1


LINES = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
NO_HTTP: dict[str, bytes | Iterable[bytes]] = {
    "nothing": b"",
    "another protocol": b"220 mail.example.org ESMTP\r\n",
    "no status": b"HTTP/1.1 abc\r\n\r\n" + YES,
    "half a head": LINES,
    "another protocol from here on": b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n" + YES,
    "a length that is longer": LINES + b"Content-Length: 5000\r\n\r\n" + YES,
    "a length that is none": LINES + b"Content-Length: -1\r\n\r\n" + YES,
    "two lengths": LINES + b"Content-Length: 3\r\nContent-Length: 119\r\n\r\n" + YES,
    "a length without end": LINES + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n" + YES,
    "chunks that are cut": LINES + b"Transfer-Encoding: chunked\r\n\r\n50\r\n" + YES[:20],
    "chunks that are none": LINES + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + YES,
    "a coding that nobody knows": LINES + b"Transfer-Encoding: x, chunked\r\n\r\n" + YES,
    "a header that is none": LINES + b"\0\r\n\r\n" + YES,
}


@pytest.mark.parametrize("said", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_is_no_answer_of_http_is_asked_for_again_and_then_unavailable(said: bytes) -> None:
    stranger = Stranger(said)
    async with asking(stranger) as client:
        with pytest.raises(Unavailable, match="no answer after 2 tries"):
            await ask(client)
    assert len(stranger.seen) == 2


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (LINES, b"X-More: " + b"x" * 1_000 + b"\r\n"),
        (b"", b"HTTP/1.1 103 Early\r\n\r\n"),
        (LINES + b"X: ", b"x" * 100),
    ],
    ids=["headers", "answers that are none yet", "a header"],
)
async def test_a_head_without_end_is_given_up(first: bytes, then: bytes) -> None:
    stranger = Stranger(for_ever(first, then=then))
    async with asking(stranger, tries=1, timeout_s=1.0) as client:
        with pytest.raises(Unavailable):
            await ask(client)


async def test_what_is_left_of_an_answer_with_too_small_a_length_spoils_no_other() -> None:
    cut = answer(YES).replace(b"Content-Length: %d" % len(YES), b"Content-Length: 2")
    stranger = Stranger(cut, answer(YES), kept=True)
    async with asking(stranger) as client:
        with pytest.raises(NotUnderstood):
            await ask(client)
        assert (await ask(client)).allowed


async def test_nobody_is_followed_elsewhere() -> None:
    async with Stranger(answer(YES)) as elsewhere:
        more = f"Location: {elsewhere.url}/v1/subjects\r\n"
        stranger = Stranger(
            *(answer(b"", status=f"{status} Moved", more=more) for status in (301, 302, 307, 308))
        )
        async with asking(stranger) as client:
            for status in (301, 302, 307, 308):
                with pytest.raises(Refused, match=str(status)):
                    await ask(client)
        assert not elsewhere.seen


async def test_nothing_is_kept_that_an_answer_would_have_kept() -> None:
    stranger = Stranger(answer(YES, more="Set-Cookie: who=kari; Path=/\r\n"))
    async with asking(stranger) as client:
        await ask(client)
        await ask(client)
    assert "cookie" not in stranger.seen[1]


async def peak_bytes(act: Callable[[], Awaitable[object]]) -> int:
    """How much memory was held at once while it went on."""
    tracemalloc.start()
    try:
        await act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_nothing_is_unpacked() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    more = "Content-Encoding: gzip\r\n"
    stranger = Stranger(answer(bomb, more=more), answer(bomb, status="409 No", more=more))

    async def refused_twice() -> None:
        with pytest.raises(NotUnderstood, match="packed"):
            await ask(client)
        with pytest.raises(Refused, match=f"409 {UNEXPLAINED}"):
            await ask(client)

    async with asking(stranger) as client:
        assert await peak_bytes(refused_twice) < 8 << 20
    assert "accept-encoding: identity" in stranger.seen[0]


@pytest.mark.parametrize("status", ["200 OK", "404 No"])
async def test_an_answer_without_end_is_not_gathered_for_ever(status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    stranger = Stranger(for_ever(head, then=piece))
    async with asking(stranger, timeout_s=30.0) as client:
        with pytest.raises((NotUnderstood, Refused)):
            await ask(client)
        assert stranger.taken < 2 * ANSWER_BYTES_MAX


@pytest.mark.parametrize(
    "told", [b"9" * 400, b"-1", b"\xd9\xa3", b"Mon, 01 Jan 0001 00:00:00 +9999999999", b"\xff"]
)
async def test_whenever_it_is_to_come_again_the_call_ends_within_its_deadline(told: bytes) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: " + told + b"\r\n\r\n"
    async with asking(Stranger(busy)) as client:
        async with asyncio.timeout(20):
            with pytest.raises(Unavailable, match="503"):
                await ask(client)


# What answers without saying anything


@pytest.mark.parametrize(
    "act",
    [
        lambda client: client.acknowledge("brevo", [WORD]),
        lambda client: client.link(WHO, {"email": IDENTIFIERS["identifiers"][0]["value"]}),
        lambda client: client.unlink(WHO, WHO),
        lambda client: client.withdraw(WHO, "newsletter"),
        lambda client: client.find({"email": "kari@example.org"}),
        lambda client: client.purposes(),
    ],
    ids=["acknowledge", "link", "unlink", "withdraw", "find", "purposes"],
)
async def test_a_page_that_welcomes_us_has_done_nothing(
    act: Callable[[ConsentClient], Awaitable[Any]],
) -> None:
    async with asking(Stranger(answer(HTML, kind="text/html"))) as client:
        with pytest.raises(NotUnderstood):
            await act(client)


async def test_a_removal_whose_first_answer_was_lost_is_not_believed_to_a_page() -> None:
    async with asking(Stranger(answer(b"", status="503 Busy"), answer(HTML, status="404 No"))) as client:
        with pytest.raises(Refused, match=f"404 {UNEXPLAINED}"):
            await client.unlink(WHO, WHO)


@pytest.mark.parametrize("status", ["200 OK", "404 No", "409 No", "422 No", "503 Busy"])
async def test_a_recipients_word_that_a_page_took_was_not_taken(status: str) -> None:
    async with asking(Stranger(answer(HTML, status=status)), tries=1) as client:
        with pytest.raises(Unavailable):
            await HttpAcknowledging(client, "brevo").acknowledge([WORD])


async def test_a_list_without_end_is_not_gathered_for_ever() -> None:
    def page(next_: str, count: int) -> bytes:
        return answer(json.dumps({"items": RECIPIENTS["items"][:1] * count, "next": next_}).encode())

    for count, next_of, asked_max in ((1, lambda _: "on", 2), (0, str, 1), (1_000, str, 101)):
        stranger = Stranger(*(page(next_of(number), count) for number in range(150)))
        async with asking(stranger) as client:
            with pytest.raises(NotUnderstood, match="without end"):
                await client.recipients()
        assert len(stranger.seen) == asked_max


# The stream


NO_STREAM = {
    "a page": answer(HTML, kind="text/html"),
    "a yes": answer(YES),
    "no kind": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nid: a\n\n",
    "packed": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n"
    + gzip.compress(bytes(1 << 20)),
    "no UTF-8": events(b": \xff\n\n"),
    "a place with a NUL": events(b"id: a\0b\n\n"),
    "a place with another letter": events("id: \u00e6\n\n".encode()),
    "a place with a line's end": events(b"id: a\rb: c\n\n"),
    "a change that is none": events(b"id: a\nevent: change\ndata: <html>\n\n"),
    "a change that is too deep": events(b"id: a\nevent: change\ndata: " + b"[" * 100_000 + b"\n\n"),
}


@pytest.mark.parametrize("said", NO_STREAM.values(), ids=NO_STREAM)
async def test_what_is_no_stream_is_not_understood(said: bytes) -> None:
    stranger = Stranger(said)
    async with asking(stranger) as client:
        with pytest.raises(NotUnderstood):
            await anext(client.changes())
    assert len(stranger.seen) == 1


@pytest.mark.parametrize("piece", [b"data: x\n" * 1_000, b"x" * 8_000, b": \n" * 1_000, b"id: x\n" * 1_000])
async def test_an_event_without_end_is_not_gathered_for_ever(piece: bytes) -> None:
    stranger = Stranger(for_ever(events(), then=piece))

    async def follow() -> None:
        with pytest.raises(NotUnderstood, match="no end"):
            await anext(client.changes())

    async with asking(stranger) as client:
        assert await peak_bytes(follow) < 64 << 20


async def test_a_stream_that_says_nothing_is_left_though_it_goes_on() -> None:
    async with asking(Stranger(for_ever(events(), then=b"\n" * 100))) as client:
        with pytest.raises(Unavailable, match="nothing heard"):
            await anext(client.changes(quiet_s=0.2, patience_s=0.5))


async def test_a_stream_that_ends_at_once_is_asked_for_less_and_less_often() -> None:
    stranger = Stranger(events())
    async with asking(stranger) as client:
        with pytest.raises(Unavailable, match="the stream ended"):
            await anext(client.changes(patience_s=0.5))
    assert len(stranger.seen) < 12


async def test_a_refusal_of_the_stream_without_end_is_given_up() -> None:
    head = b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n"
    stranger = Stranger(for_ever(head, then=b"1\r\nx\r\n"))
    async with asking(stranger, timeout_s=0.3) as client:
        with pytest.raises((Unavailable, Refused)):
            await anext(client.changes(patience_s=0.5))


@pytest.mark.parametrize("retry", [b"9" * 5_000, b"-1", b"1e9", b"\xd9\xa3", b"NaN"])
async def test_however_long_it_is_to_wait_the_stream_goes_on_within_a_minute(retry: bytes) -> None:
    stranger = Stranger(events(b"retry: " + retry + b"\n: as of yesterday\nid: a\n\n"))
    async with asking(stranger) as client:
        stream = client.changes()
        async with aclosing(stream):
            assert await anext(stream) == ("a", SignOfLife(None))


async def test_a_place_that_can_be_none_is_not_sent() -> None:
    stranger = Stranger(events())
    async with asking(stranger) as client:
        for place in ("a\nb", "\u00e6", "\0"):
            with pytest.raises(NotUnderstood, match="a place"):
                client.changes(place)
    assert not stranger.seen
