"""Bodies that are no JSON, or not such as we take: 400 that says where; 413 and 415 before it (CORE 12)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from consent_service.domain.errors import InvalidRequest
from consent_service.http.commands import CommandBody
from consent_service.http.json_body import read_json
from tests.http.conftest import Api
from tests.http.tables import rows, told

DECODER = msgspec.json.Decoder(CommandBody)

#: A body, and where the fault lies.
BROKEN = r"""
                                              | ""
{                                             | ""
{"version": 1                                 | ""
{"version": 1}}                               | ""
{"version": 1} x                              | ""
{'version': 1}                                | ""
{"version": 01}                               | ""
{"version": 1,}                               | ""
{"version": NaN}                              | ""
{"version": Infinity}                         | ""
{version: 1}                                  | ""
nothing                                       | ""
{"evidence": {"a": tru}}                      | ""
{"evidence": {"a": NaN}}                      | ""
{"evidence": {"a": 1,}}                       | ""
{"evidence": {"a": "\x"}}                     | ""
{"version": 1, "version": 2}                  | /version
{"version": 1, "\u0076ersion": 2}             | /version
{"source": "a", "version": 1, "source": "a"}  | /source
{"evidence": {"a": {"b": 1, "b": 1}}}         | /evidence/a/b
{"evidence": {"a": [{"b": 1}, {"b": 1, "b": 2}]}} | /evidence/a/1/b
{"evidence": {"a/b": 1, "a/b": 1}}            | /evidence/a~1b
{"evidence": {"a": "x\u0000y"}}               | /evidence/a
{"evidence": {"a\u0000": 1}}                  | /evidence
{"evidence": {"a": "\ud800"}}                 | /evidence/a
{"evidence": {"a": "\udc00\ud800"}}           | /evidence/a
{"evidence": {"\udfff": 1}}                   | /evidence
"""


@pytest.mark.parametrize(("text", "pointer"), rows(BROKEN, 2))
def test_a_body_that_is_not_taken_is_refused_where_its_fault_lies(text: str, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_json(text.encode(), DECODER)
    assert (refusal.value.pointer or '""') == pointer


#: Escapes that look like faults and are none.
SOUND = r"""
{"evidence": {"a": "\u00e6\u00f8\u00e5"}}
{"evidence": {"a": "\ud83d\ude42"}}
{"evidence": {"a": "\\u0000"}}
{"evidence": {"a": "\\ud800"}}
{"evidence": {"a": {"b": 1}, "c": {"b": 1}}}
{"evidence": {"a": [{"b": 1}, {"b": 1}]}}
"""


@pytest.mark.parametrize("text", SOUND.strip().splitlines())
def test_escapes_and_names_that_come_again_elsewhere_are_no_fault(text: str) -> None:
    body = read_json(text.encode(), DECODER)
    assert bytes(body.evidence) == text.partition(": ")[2][:-1].encode()


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"version": 1}',
        b'{"source": "\xff"}',
        b'{"evidence": {"a": "\xc3"}}',
        b'{"evidence": {"a": "\x00"}}',
        '{"version": 1}'.encode("utf-16"),
        b'{"evidence": {"a": ' + b"9" * 5000 + b"}}",
    ],
)
def test_what_is_not_json_in_utf8_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_json(body, DECODER)


@pytest.mark.parametrize("inner", [b"", rb'"\u0041"', rb'"\u0000"'])
@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("depth", [900, 5_000, 100_000])
def test_bodies_nested_deeply_are_refused_and_break_nothing(
    begin: bytes, end: bytes, depth: int, inner: bytes
) -> None:
    """What passes here, an array of 900, is refused as evidence."""
    body = b'{"evidence":' + begin * depth + (inner or b"1") + end * depth + b"}"
    try:
        read_json(body, DECODER)
    except InvalidRequest:
        return
    assert depth == 900


@pytest.mark.parametrize("draft", ["", "?draft=true"])
@pytest.mark.parametrize("depth", [13, 480, 900, 5_000])
async def test_facts_of_a_purpose_nested_deeply_are_refused(api: Api, depth: int, draft: str) -> None:
    body = b'{"policy_facts": {"a": ' + b"[" * depth + b"]" * depth + b"}}"
    answer = await api("PUT", f"/v1/purposes/deep{draft}", body)
    assert answer.status_code == 400
    assert "nested too deeply" in answer.json()["detail"]


async def test_a_body_larger_than_1_mib_is_too_large_however_it_comes(api: Api) -> None:
    person = await api.person()
    path = f"/v1/subjects/{person}/consents/newsletter/withdraw"
    fits = b'{"source": "form"}'.ljust(1 << 20)
    assert told(await api("POST", path, fits)) == "201"
    assert told(await api("POST", path, fits + b" ")) == "413 too-large"

    async def in_parts() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * (1 << 16)

    json = {"content-type": "application/json"}
    without_length = await api("POST", path, headers=json, content=in_parts())
    assert "content-length" not in without_length.request.headers
    assert told(without_length) == "413 too-large"


#: A Content-Type, and the answer to a withdrawal; the body is JSON.
KINDS = """
application/json                      | 200
application/json; charset=utf-8       | 200
application/json;charset="UTF-8"      | 200
Application/JSON                      | 200
application/json; charset=latin-1     | 415 unsupported-media-type
application/problem+json              | 415 unsupported-media-type
text/plain                            | 415 unsupported-media-type
application/x-www-form-urlencoded     | 415 unsupported-media-type
application/jsonx                     | 415 unsupported-media-type
json                                  | 415 unsupported-media-type
"""


async def test_only_json_in_utf8_is_taken(api: Api) -> None:
    path = f"/v1/subjects/{await api.person()}/consents/newsletter/withdraw"
    await api("POST", path, {})
    found = []
    for kind, _ in rows(KINDS, 2):
        found.append((kind, told(await api("POST", path, b"{}", headers={"content-type": kind}))))
    assert found == rows(KINDS, 2)
    without = await api.client.post(
        path, content=b"{}", headers={"authorization": f"Bearer {api.issuer.sign()}"}
    )
    assert told(without) == "415 unsupported-media-type"
    packed = await api("POST", path, b"{}", headers={"content-encoding": "gzip"})
    assert told(packed) == "415 unsupported-media-type"


async def test_no_body_equals_an_empty_object_for_a_command_alone(api: Api) -> None:
    person = await api.person()
    assert told(await api("POST", f"/v1/subjects/{person}/consents/newsletter/withdraw")) == "201"
    assert told(await api("POST", "/v1/decisions")) == '400 invalid-request ""'


async def test_415_comes_before_413_and_413_before_400(api: Api) -> None:
    path = f"/v1/subjects/{await api.person()}/consents/newsletter/withdraw"
    large = b"{" * (1 << 20) + b"{"
    text = {"content-type": "text/plain"}
    assert told(await api("POST", path, large, headers=text)) == "415 unsupported-media-type"
    assert told(await api("POST", path, large)) == "413 too-large"
