"""Raw bytes on a connection of the running service: what is no request that has only one reading is refused, clearly
and once, nothing is stored, and the connection ends (RFC 9112; docs/decisions/0001).

Behind each stands a whole request with a valid token, which would make a person if it were ever read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from consent_service.cli.token import make_token
from consent_service.embedded import PostgresServer
from consent_service.http.connection import FIELDS_MAX, HEAD_BYTES_MAX, PIPELINED_MAX
from consent_service.settings import load_settings
from tests.databases import copy_template, drop
from tests.http.examples_catalogue import load_catalogue
from tests.http.raw import Answer, talk
from tests.processes import environment_for, serving

PERSON = b'{"identifiers":[{"type":"external:crm","value":"smuggled"}]}'


LAST = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@dataclass
class Served:
    url: str
    token: bytes
    rows: Callable[[], Awaitable[dict[str, int]]]

    def fill(self, text: bytes) -> bytes:
        r"""Line feeds stand for CRLF; `\n` and `\r` as two characters for themselves."""
        lines = (
            text.replace(b"\n", b"\r\n").replace(rb"\n", b"\n").replace(rb"\r", b"\r").replace(rb"\0", b"\0")
        )
        return lines.replace(b"TOKEN", b"Bearer " + self.token).replace(b"SMUGGLED", self.smuggled())

    def smuggled(self) -> bytes:
        return (
            b"POST /v1/subjects HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (self.token, len(PERSON), PERSON)
        )


@pytest.fixture(scope="module")
async def served(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    database = await copy_template(postgres)
    await load_catalogue(database)
    folder: Path = tmp_path_factory.mktemp("service")
    environment = environment_for(database, folder)
    async with serving(environment) as service:
        token = make_token(load_settings(environment), "ansettr").encode()
        async with database.row_counts() as rows:
            yield Served(service.url, token, rows)
        assert [line for line in service.process.lines if " error " in line] == []
    await drop(postgres, database)


async def refused(served: Served, pieces: bytes | Iterable[bytes]) -> Answer:
    """The one answer, a problem document; nothing is stored, and others are answered."""
    before = await served.rows()
    found = await talk(served.url, pieces)
    assert await served.rows() == before
    assert [answer.status for answer in await talk(served.url, LAST)] == [200]
    assert len(found) == 1, found
    [answer] = found
    assert answer.problem()["status"] == answer.status
    assert answer.headers["connection"] == "close"
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.headers["x-request-id"]) == 36
    return answer


HEAD = """POST /v1/subjects HTTP/1.1
Host: a
Authorization: TOKEN
Content-Type: application/json
"""

#: How the head ends and what comes behind it. Each is sent behind HEAD, with a blank line where there is none.
FRAMING = r"""
both lengths, the sum first        | Content-Length: 5 / Transfer-Encoding: chunked // 0 // SMUGGLED
both lengths, chunks first         | Transfer-Encoding: chunked / Content-Length: 5 // 0 // SMUGGLED
two lengths                        | Content-Length: 0 / Content-Length: 2 // {}SMUGGLED
the same length twice              | Content-Length: 2 / Content-Length: 2 // {}SMUGGLED
a list of lengths                  | Content-Length: 2, 2 // {}SMUGGLED
a length with a sign               | Content-Length: +2 // {}SMUGGLED
a negative length                  | Content-Length: -1 // {}SMUGGLED
a hexadecimal length               | Content-Length: 0x2 // {}SMUGGLED
a length with a blank inside       | Content-Length: 2 0 // {}SMUGGLED
a length with an underscore        | Content-Length: 0_2 // {}SMUGGLED
a length that overflows            | Content-Length: 18446744073709551618 // {}SMUGGLED
no digits                          | Content-Length: // {}SMUGGLED
another coding before              | Transfer-Encoding: gzip, chunked // 0 // SMUGGLED
another coding behind              | Transfer-Encoding: chunked, identity // 0 // SMUGGLED
an unknown coding                  | Transfer-Encoding: xchunked // 0 // SMUGGLED
no coding at all                   | Transfer-Encoding: identity // SMUGGLED
a quoted coding                    | Transfer-Encoding: "chunked" // 0 // SMUGGLED
chunked twice                      | Transfer-Encoding: chunked, chunked // 0 // SMUGGLED
two headers for the coding         | Transfer-Encoding: chunked / Transfer-Encoding: chunked // 0 // SMUGGLED
a coding behind a vertical tab     | Transfer-Encoding: \vchunked // 0 // SMUGGLED
a coding that is empty             | Transfer-Encoding: // 0 // SMUGGLED
a blank before the colon           | Content-Length : 2 // {}SMUGGLED
a tab before the colon             | Transfer-Encoding\t: chunked // 0 // SMUGGLED
a blank before the name            | X: a /  Content-Length: 2 // {}SMUGGLED
a folded line                      | X: a / \tb / Content-Length: 2 // {}SMUGGLED
no colon                           | Content-Length 2 // {}SMUGGLED
no name                            | : 2 / Content-Length: 2 // {}SMUGGLED
a name of other letters            | Cöntent-Length: 2 / Content-Length: 2 // {}SMUGGLED
a line feed alone                  | X: a\nContent-Length: 2 // {}SMUGGLED
a carriage return alone            | X: a\rContent-Length: 2 // {}SMUGGLED
a carriage return before the end   | X: a\r / Content-Length: 2 // {}SMUGGLED
a NUL in a value                   | X: a\0b / Content-Length: 2 // {}SMUGGLED
a bell in a value                  | X: a\ab / Content-Length: 2 // {}SMUGGLED
a second host                      | Host: b / Content-Length: 2 // {}SMUGGLED
a protocol to go on with           | Upgrade: h2c / Connection: Upgrade / Content-Length: 2 // {}SMUGGLED
a protocol to go on with, chunked  | Upgrade: h2c / Connection: Upgrade / Transfer-Encoding: chunked // 0 // SMUGGLED
a size that is none                | Transfer-Encoding: chunked // g / {} / 0 // SMUGGLED
a negative size                    | Transfer-Encoding: chunked // -2 / {} / 0 // SMUGGLED
a size with a prefix               | Transfer-Encoding: chunked // 0x2 / {} / 0 // SMUGGLED
a size behind a blank              | Transfer-Encoding: chunked //  2 / {} / 0 // SMUGGLED
a size that overflows              | Transfer-Encoding: chunked // 10000000000000002 / {} / 0 // SMUGGLED
no size                            | Transfer-Encoding: chunked //  / {} / 0 // SMUGGLED
a chunk that is longer             | Transfer-Encoding: chunked // 1 / {} / 0 // SMUGGLED
a line feed behind a size          | Transfer-Encoding: chunked // 2\n{} / 0 // SMUGGLED
a line feed behind a chunk         | Transfer-Encoding: chunked // 2 / {}\n0 // SMUGGLED
a line feed in a chunk's extension | Transfer-Encoding: chunked // 2;a\nb / {} / 0 // SMUGGLED
"""


def framing() -> dict[str, str]:
    cells = (line.split("|", 1) for line in FRAMING.strip().splitlines())
    return {name.strip(): rest.strip() for name, rest in cells}


@pytest.mark.parametrize("name", framing())
@pytest.mark.parametrize("cut", [False, True], ids=["in one piece", "body apart"])
async def test_a_request_with_two_readings_has_none(served: Served, name: str, cut: bool) -> None:
    text = framing()[name].replace(r"\t", "\t").replace(r"\v", "\v").replace(r"\a", "\a")
    text = text.replace(" // ", "\n\n").replace(" / ", "\n")
    sent = served.fill((HEAD + text).encode())
    middle = sent.index(b"\r\n\r\n") + 4
    answer = await refused(served, [sent[:middle], sent[middle:]] if cut else sent)
    assert answer.status == 400
    assert answer.problem()["type"] == "/problems/invalid-request"


#: A request line, `!` and the headers behind it, which are `Host: a` where nothing is said.
LINES = r"""
GET /v1/purposes
GET /v1/purposes HTTP/0.9
GET /v1/purposes HTTP/1.2
GET /v1/purposes HTTP/2.0
GET /v1/purposes HTTP/11.1
GET /v1/purposes HTTP/1.1 HTTP/1.1
GET /v1/purposes http/1.1
GET /v1/purposes HTTPS/1.1
GET /v1/pur poses HTTP/1.1
GET /v1/purposes\rX: y HTTP/1.1
GET /v1/purposes\nX: y HTTP/1.1
GET /v1/purposes\0 HTTP/1.1
GET /v1/purposés HTTP/1.1
GET  HTTP/1.1
GET v1/purposes HTTP/1.1
get /v1/purposes HTTP/1.1
FETCH /v1/purposes HTTP/1.1
GET\t/v1/purposes HTTP/1.1
PRI * HTTP/2.0
CONNECT internal.example:443 HTTP/1.1
POST /v1/subjects HTTP/1.1 ! X: y
GET /v1/purposes HTTP/1.1 ! Host: a, Host: a
"""


@pytest.mark.parametrize("line", LINES.strip().splitlines())
async def test_what_is_no_request_line_of_ours_is_refused(served: Served, line: str) -> None:
    first, _, headers = line.partition(" ! ")
    text = "\n".join([first.replace(r"\t", "\t"), *(headers or "Host: a").split(", "), "", ""])
    assert (await refused(served, served.fill((text + "SMUGGLED").encode()))).status == 400


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"EHLO mail.example\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\xff" * 1000,
        b"{}\r\n\r\n",
    ],
    ids=["TLS", "SSH", "SMTP", "Redis", "bytes", "JSON"],
)
async def test_other_protocols_are_refused(served: Served, sent: bytes) -> None:
    assert (await refused(served, sent)).status == 400


def of_fields(count: int) -> list[bytes]:
    return [b"GET /healthz HTTP/1.1\r\nHost: a\r\n", *[b"X-Field: a\r\n"] * (count - 1), b"\r\n"]


#: Heads that are too large.
LARGE: dict[str, list[bytes]] = {
    "a long value": [b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n"],
    "a long name": [b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"x" * HEAD_BYTES_MAX + b": a\r\n\r\n"],
    "a long path": [b"GET /" + b"x" * HEAD_BYTES_MAX + b" HTTP/1.1\r\nHost: a\r\n\r\n"],
    "a long query": [b"GET /healthz?" + b"x" * HEAD_BYTES_MAX + b" HTTP/1.1\r\nHost: a\r\n\r\n"],
    "a value without end": [b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", *[b"x" * 4096] * 40],
    "a path without end": [b"GET /", *[b"x" * 4096] * 40],
    "fields without end": [b"GET /healthz HTTP/1.1\r\nHost: a\r\n", *[b"X: " + b"x" * 4000 + b"\r\n"] * 40],
    "too many fields": of_fields(FIELDS_MAX + 1),
    "far too many fields": of_fields(4_000),
    "a large one behind a small one": [
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n",
        b"X: " + b"x" * (HEAD_BYTES_MAX - 40) + b"\r\n",
        b"X: " + b"x" * 100 + b"\r\n\r\n",
    ],
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("whole", [True, False], ids=["in one piece", "in its pieces"])
async def test_a_head_that_is_too_large_is_431(served: Served, name: str, whole: bool) -> None:
    answer = await refused(served, b"".join(LARGE[name]) if whole else LARGE[name])
    assert (answer.status, answer.problem()["type"]) == (431, "/problems/head-too-large")


async def test_a_head_of_a_hundred_fields_and_nearly_64_kib_is_answered(served: Served) -> None:
    close = b"Connection: close\r\n\r\n"
    fields = b"".join(of_fields(FIELDS_MAX - 1)).removesuffix(b"\r\n")
    long = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (HEAD_BYTES_MAX - 100) + b"\r\n"
    for head in (fields, long):
        [answer] = await talk(served.url, head + close)
        assert answer.status == 200


async def test_blank_lines_before_a_request_are_skipped(served: Served) -> None:
    """RFC 9112 section 2.2."""
    [answer] = await talk(
        served.url, b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    assert answer.status == 200


GOOD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "behind",
    [b"\xff\xfe", b"GET /healthz HTTP/2.0\r\n\r\nSMUGGLED", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["bytes", "another version", "an answer"],
)
async def test_what_was_asked_before_rubbish_is_answered_and_nothing_else(
    served: Served, behind: bytes
) -> None:
    """An answer of 400 in its place would tell that what was recorded was not."""
    before = await served.rows()
    found = await talk(served.url, GOOD + served.fill(behind))
    assert [answer.status for answer in found] == [200]
    assert await served.rows() == before


async def test_requests_that_come_together_are_answered_in_order_and_so_many_at_most(served: Served) -> None:
    paths = [b"/healthz", b"/v1/purposes", b"/nothing"]
    sent = [b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in paths]
    last = b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    found = await talk(served.url, b"".join(sent) + last)
    assert [answer.status for answer in found] == [200, 401, 404, 200]

    many = await talk(served.url, GOOD * 3_000)
    assert PIPELINED_MAX <= len(many) < 3 * PIPELINED_MAX
    assert {answer.status for answer in many} == {200}


async def test_fields_behind_a_body_are_no_headers(served: Served) -> None:
    """Else a token or a key would come in that no proxy has seen (RFC 9110 section 6.5.1)."""
    sent = served.fill(
        b"POST /v1/subjects HTTP/1.1\nHost: a\nContent-Type: application/json\nTransfer-Encoding: chunked\n"
        b"Connection: close\n\n%x\n%b\n0\nAuthorization: TOKEN\n\n" % (len(PERSON), PERSON)
    )
    before = await served.rows()
    [answer] = await talk(served.url, sent)
    assert answer.status == 401
    assert await served.rows() == before


async def test_chunks_are_read_whatever_their_size(served: Served) -> None:
    body = b"".join(b"%x;extension=1\r\n%b\r\n" % (1, PERSON[at : at + 1]) for at in range(len(PERSON)))
    head = (
        b"POST /v1/subjects/lookup HTTP/1.1\nHost: a\nAuthorization: TOKEN\nContent-Type: application/json\n"
    )
    sent = served.fill(head + b"Transfer-Encoding: chunked\nConnection: close\n\n") + body + b"0\r\n\r\n"
    [answer] = await talk(served.url, sent)
    assert (answer.status, answer.problem()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize("filler", [b"1;" + b"x" * 4096, b"0\r\nX: " + b"x" * 4096, b"1\r\n.\r\n" * 700])
async def test_what_surrounds_a_body_may_not_outweigh_it(served: Served, filler: bytes) -> None:
    """Sizes, extensions, fields behind it: they would be gathered without bound."""
    head = served.fill(HEAD.encode() + b"Transfer-Encoding: chunked\n\n")
    endless = b"x" * 4096 if filler[-1:] == b"x" else filler
    assert (await refused(served, [head, filler, *[endless] * 100])).status == 400


async def test_a_whole_address_leads_to_the_same_as_its_path(served: Served) -> None:
    """RFC 9112 section 3.2.2: what it says of the host counts no more than the header."""
    line = b"GET http://internal.example/healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    [answer] = await talk(served.url, line)
    assert answer.status == 200


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
@pytest.mark.parametrize("announced", [b"Content-Length: 2", b"Transfer-Encoding: chunked"])
async def test_a_call_that_takes_no_body_is_refused_one(
    served: Served, method: bytes, announced: bytes
) -> None:
    path = b"/v1/purposes" if method == b"GET" else b"/v1/subjects/%b/identifiers/%b" % (b"0" * 8, b"0" * 8)
    if method == b"DELETE":
        path = b"/v1/subjects/00000000-0000-7000-8000-000000000000/identifiers/00000000-0000-7000-8000-000000000000"
    body = b"2\n{}\n0\n\n" if b"chunked" in announced else b"{}"
    sent = method + b" " + path + b" HTTP/1.1\nHost: a\nAuthorization: TOKEN\nConnection: close\n"
    [answer] = await talk(served.url, served.fill(sent + announced + b"\n\n" + body))
    assert answer.status == 400
    assert answer.problem()["detail"] == "This call takes no body."
