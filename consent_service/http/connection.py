"""One client's connection: uvicorn's HTTP/1.1 protocol, bounded in size and time, and taking no request that two
readers could take for two others.

uvicorn's parser refuses what breaks the grammar; it knows no limit for a head, no limit of time for a body, and lets
pass what RFC 9112 wants refused for the sake of proxies that stand before a server.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from consent_service.domain.errors import ConsentError, HeadTooLarge, InvalidRequest, TooSlow
from consent_service.http.guards import GUARDS
from consent_service.http.problems import problem_body, problem_headers, status_of
from consent_service.http.trace import ABORT
from consent_service.usecases.clock import new_id, now

HEAD_BYTES_MAX = 64 * 1024
FIELDS_MAX = 100
"""Header fields of a request."""
HEAD_S_MAX = 10.0
BODY_S_MAX = 30.0
"""From the end of the head. A mebibyte in that time is 280 kilobit a second."""
TAKEN_S_MAX = 60.0
"""How long a client may take nothing of what it is sent. Streams, which gather nothing, give up before."""
PIPELINED_MAX = 64
"""Requests on one connection that wait for the answers before theirs."""
CLOSING_S_MAX = 10.0
"""How long what was sent last may wait for the client once the connection is being closed."""
LINGER_S = 2.0
"""How long who was refused may go on sending; closed at once, the connection would be reset before they read why."""

#: The parser is given so much at once, so that it is known how much a request that it is in the middle of has taken.
_PIECE_BYTES = 16 * 1024

#: What of a request has begun and has not ended.
_NOTHING, _HEAD, _BODY = range(3)
#: Takes fields behind a body, and keeps none: a header is what a proxy saw before it let the request pass.
_NO_TRAILERS: Any = deque(maxlen=0)
_VERSIONS = ("1.1", "1.0")


class _Refused(Exception):
    """Stops the parser."""


class Refusal:
    """The answer to what is no request that could be answered: a problem document, and the connection's end."""

    def __init__(self, problem: ConsentError) -> None:
        body = problem_body(problem)
        headers = [
            *problem_headers(problem),
            *GUARDS,
            (b"connection", b"close"),
            (b"content-length", b"%d" % len(body)),
        ]
        self._head = STATUS_LINE[status_of(problem)] + b"".join(b"%b: %b\r\n" % one for one in headers)
        self._body = body

    def written(self) -> bytes:
        """With an id of its own, as every answer has."""
        return b"%bx-request-id: %b\r\n\r\n%b" % (self._head, str(new_id(now())).encode(), self._body)


_MALFORMED = Refusal(InvalidRequest("This is no request of HTTP/1.1 (RFC 9112) that has only one reading."))
_UPGRADE = Refusal(
    InvalidRequest("Send a body without `Upgrade`: this service speaks HTTP/1.1 and nothing else.")
)
_HEAD_TOO_LARGE = Refusal(
    HeadTooLarge(f"A request's head has at most {HEAD_BYTES_MAX} bytes and {FIELDS_MAX} header fields.")
)
_TOO_SLOW = Refusal(
    TooSlow(f"A head has to come within {HEAD_S_MAX:g} seconds, and its body within {BODY_S_MAX:g} more.")
)


class Gathering:
    """A transport that writes at once what one step of the event loop brings.

    uvloop writes as soon as it is told to: an answer's head and body would be two system calls and two packets.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's own."""
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)

    def write_eof(self) -> None:
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        """A client that does not take what was sent last would keep the connection for ever."""
        self.flush()
        if not self._transport.is_closing() and self._transport.get_write_buffer_size():
            self._loop.call_later(CLOSING_S_MAX, self._transport.abort)
        self._transport.close()

    def flush(self) -> None:
        """Write what waits. Nothing happens where the other side has gone."""
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))


class BoundedRequests(HttpToolsProtocol):
    """Refuses what is too large, too slow or has two readings, and ends the connection with it."""

    _part = _NOTHING
    _is_deaf = False
    """Nothing more is read: what is being answered is the last."""
    _read_bytes = 0
    """Since the request began, but for the piece in which it did."""
    _body_bytes = 0
    _refusal = _MALFORMED
    _slow_timer: asyncio.TimerHandle | None = None
    _taken_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]
        self._abort = self.transport.abort
        self._wait(HEAD_S_MAX)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        # The loop closes its transport now, without asking ours.
        self.transport.flush()  # type: ignore[attr-defined]

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._taken_timer is None:
            self._taken_timer = self.loop.call_later(TAKEN_S_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        if self._taken_timer is not None:
            self._taken_timer.cancel()
            self._taken_timer = None
        super().resume_writing()

    def on_message_begin(self) -> None:
        HttpToolsProtocol.on_message_begin(self)
        self.scope[ABORT] = self._abort  # type: ignore[literal-required]
        self._part = _HEAD
        self._read_bytes = self._body_bytes = 0

    def on_headers_complete(self) -> None:
        # A call costs what this costs, so the usual head is told by a few looks.
        fields = self.headers
        known = dict(fields)
        unusual = (
            len(known) != len(fields)
            or b"host" not in known
            or b"transfer-encoding" in known
            or b"upgrade" in known
            or len(fields) > FIELDS_MAX
            or self._read_bytes > HEAD_BYTES_MAX - _PIECE_BYTES
            or self.pipeline
            or self.parser.get_http_version() != "1.1"
        )
        if unusual:
            self._check_head()
        HttpToolsProtocol.on_headers_complete(self)
        self._part = _BODY
        self.headers = _NO_TRAILERS
        if self._slow_timer is not None:
            self._stop_waiting()
        if unusual and self.parser.should_upgrade():
            # Nothing is upgraded to. What comes behind such a request the parser leaves out, or takes for a new one.
            self.cycle.keep_alive = False
            self._is_deaf = True

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        self._part = _NOTHING
        if self._slow_timer is not None:
            self._stop_waiting()
        HttpToolsProtocol.on_message_complete(self)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if len(data) > _PIECE_BYTES:
            for at in range(0, len(data), _PIECE_BYTES):
                self.data_received(data[at : at + _PIECE_BYTES])
            return
        self._read_bytes += len(data)
        HttpToolsProtocol.data_received(self, data)
        if self._part != _NOTHING or not self._is_answering():
            self._wait_for_more()

    def _wait_for_more(self) -> None:
        if self._is_deaf or self.transport.is_closing():
            return
        if self._part == _HEAD and self._read_bytes > HEAD_BYTES_MAX:
            self._refuse(_HEAD_TOO_LARGE)
        elif self._part == _BODY and self._read_bytes > 2 * (HEAD_BYTES_MAX + self._body_bytes):
            # Sizes of chunks, and fields behind the last: more of them than there is in the chunks.
            self._refuse(_MALFORMED)
        else:
            # Blank lines before a request count too.
            self._wait(BODY_S_MAX if self._part == _BODY else HEAD_S_MAX)

    def send_400_response(self, msg: str) -> None:
        """uvicorn's word for what the parser did not take."""
        self._refuse(self._refusal)

    def _check_head(self) -> None:
        """Stop the parser where the head is too large, or where somebody could read it otherwise than we do."""
        if len(self.pipeline) >= PIPELINED_MAX:
            raise _Refused
        names = [name for name, _ in self.headers]
        if len(names) > FIELDS_MAX or self._is_too_large():
            self._refusal = _HEAD_TOO_LARGE
            raise _Refused
        version = self.parser.get_http_version()
        hosts = names.count(b"host")
        if version not in _VERSIONS or hosts > 1 or (hosts == 0 and version == "1.1"):
            raise _Refused
        if b"transfer-encoding" in names:
            codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
            if codings != [b"chunked"] or version != "1.1" or b"content-length" in names:
                raise _Refused
        if self.parser.should_upgrade() and self._announces_body():
            # The parser leaves the body of such a request where it is, to be read as the next one.
            self._refusal = _UPGRADE
            raise _Refused

    def _is_too_large(self) -> bool:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES_MAX

    def _announces_body(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
            for name, value in self.headers
        )

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self, seconds: float) -> None:
        """Until the request that has begun is complete, from its first piece or its head's end on."""
        if self._slow_timer is None:
            self._slow_timer = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None

    def _give_up(self) -> None:
        self._slow_timer = None
        if self.flow.read_paused:
            # It is we who do not read.
            self._wait(BODY_S_MAX)
        elif self._part == _NOTHING:
            self.transport.close()
        else:
            self._refuse(_TOO_SLOW)

    def _refuse(self, refusal: Refusal) -> None:
        """Say so and close the connection; an answer to an earlier request comes first, and is then the last."""
        self._stop_waiting()
        self._is_deaf = True
        answering = self._is_answering()
        if self._part == _BODY:
            # What answers there waits for this body.
            says_so = answering and not self.cycle.response_started and not self.pipeline
        elif answering:
            self.cycle.keep_alive = False
            return
        else:
            says_so = True
        if not says_so:
            self.transport.close()
            return
        self.transport.write(refusal.written())
        self.transport.write_eof()
        self._slow_timer = self.loop.call_later(LINGER_S, self.transport.close)
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
