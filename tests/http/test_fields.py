"""Every field's wrong types, bounds and unknown fields: a 4xx that names the field (CORE 12, issue's bad input)."""

from __future__ import annotations

import json
from typing import Any

from tests.http.conftest import UNKNOWN_ID, Api
from tests.http.tables import rows, told

LONG = {"LONG": "x" * 10_000, "LONG-DIGITS": int("9" * 30), "EMOJI": "🙂", "NUL": "a\0b", "HALF": "\ud800"}

#: The body of a `grant`, but for what the row says. A quoted upper-case word stands for a value of `LONG`.
COMMAND = r"""
{"version": "1"}                                   | 400 invalid-request /version
{"version": 1.5}                                   | 400 invalid-request /version
{"version": true}                                  | 400 invalid-request /version
{"version": 0}                                     | 400 invalid-request /version
{"version": -1}                                    | 400 invalid-request /version
{"version": 2147483648}                            | 400 invalid-request /version
{"version": "LONG-DIGITS"}                         | 400 invalid-request /version
{"version": [1]}                                   | 400 invalid-request /version
{"version": 2147483647}                            | 422 unknown-reference /version
{"version": null}                                  | 422 invalid-value /version
{"language": 1}                                    | 400 invalid-request /language
{"language": "LONG"}                               | 400 invalid-request /language
{"language": "EMOJI"}                              | 400 invalid-request /language
{"language": "NUL"}                                | 400 invalid-request /language
{"language": "nb\n"}                               | 400 invalid-request /language
{"language": ""}                                   | 400 invalid-request /language
{"language": "de"}                                 | 422 invalid-value /language
{"channel": 1}                                     | 400 invalid-request /channel
{"channel": "fax"}                                 | 400 invalid-request /channel
{"channel": "system"}                              | 400 invalid-request /channel
{"channel": "WEB"}                                 | 400 invalid-request /channel
{"channel": null}                                  | 400 invalid-request /channel
{"source": 1}                                      | 400 invalid-request /source
{"source": "Footer Form"}                          | 400 invalid-request /source
{"source": "LONG"}                                 | 400 invalid-request /source
{"source": "EMOJI"}                                | 400 invalid-request /source
{"source": "NUL"}                                  | 400 invalid-request /source
{"source": "form\n"}                               | 400 invalid-request /source
{"occurred_at": 1700000000}                        | 400 invalid-request /occurred_at
{"occurred_at": "yesterday"}                       | 400 invalid-request /occurred_at
{"occurred_at": "2026-01-01"}                      | 400 invalid-request /occurred_at
{"occurred_at": "2026-01-01T10:00:00"}             | 400 invalid-request /occurred_at
{"occurred_at": "2026-02-30T10:00:00Z"}            | 400 invalid-request /occurred_at
{"occurred_at": "9998-01-01T10:00:00Z"}            | 422 invalid-value /occurred_at
{"occurred_at": "9999-12-31T23:59:59-12:00"}       | 422 invalid-value /occurred_at
{"occurred_at": "9999-12-31T23:59:59.999999Z"}      | 422 invalid-value /occurred_at
{"occurred_at": "0001-01-01T00:00:00+12:00"}       | 422 invalid-value /occurred_at
{"occurred_at": "1899-12-31T23:59:59Z"}            | 422 invalid-value /occurred_at
{"preferences": []}                                | 400 invalid-request /preferences
{"preferences": {"colour": "red"}}                 | 400 invalid-request /preferences/colour
{"preferences": {"channels": "email"}}             | 400 invalid-request /preferences/channels
{"preferences": {"channels": [1]}}                 | 400 invalid-request /preferences/channels/0
{"preferences": {"channels": ["EMOJI"]}}           | 400 invalid-request /preferences/channels/0
{"preferences": {"channels": ["email", "LONG"]}}   | 400 invalid-request /preferences/channels/1
{"preferences": {"topics": [null]}}                | 400 invalid-request /preferences/topics/0
{"preferences": {"frequency": ["weekly"]}}         | 400 invalid-request /preferences/frequency
{"preferences": {"channels": ["fax"]}}             | 422 invalid-value /preferences/channels
{"preferences": {"frequency": "weekly"}}           | 422 invalid-value /preferences/frequency
{"evidence": "a letter"}                           | 400 invalid-request /evidence
{"evidence": [1]}                                  | 400 invalid-request /evidence
{"evidence": 1}                                    | 400 invalid-request /evidence
{"evidence": {"note": "LONG"}}                     | 400 invalid-request /evidence
{"evidence": {"note": "NUL"}}                      | 400 invalid-request /evidence/note
{"evidence": {"note": ["HALF"]}}                   | 400 invalid-request /evidence/note/0
{"evidence": {"note": "EMOJI"}}                    | 201
{"evidence": null}                                 | 201
{"colour": "red"}                                  | 400 invalid-request /colour
{"a/b~c": 1}                                       | 400 invalid-request /a~1b~0c
{"purpose": "newsletter"}                          | 400 invalid-request /purpose
{}                                                 | 201
"""


def filled(text: str) -> dict[str, Any]:
    for word, value in LONG.items():
        text = text.replace(f'"{word}"', json.dumps(value))
    body: dict[str, Any] = json.loads(text)
    return body


async def test_a_fault_in_a_command_is_named_by_its_field(api: Api) -> None:
    found = []
    for text, _ in rows(COMMAND, 2):
        body = json.dumps({"version": 1, **filled(text)}).encode()
        path = f"/v1/subjects/{await api.person()}/consents/newsletter/grant"
        found.append(f"{text} | {told(await api('POST', path, body))}")
    assert found == [f"{text} | {expected}" for text, expected in rows(COMMAND, 2)]


#: The route, its body, and the answer.
BODIES = r"""
/v1/subjects        | {}                                                            | 400 invalid-request /identifiers
/v1/subjects        | []                                                            | 400 invalid-request ""
/v1/subjects        | "x"                                                           | 400 invalid-request ""
/v1/subjects        | null                                                          | 400 invalid-request ""
/v1/subjects        | {"identifiers": {}}                                           | 400 invalid-request /identifiers
/v1/subjects        | {"identifiers": []}                                           | 400 invalid-request /identifiers
/v1/subjects        | {"identifiers": [1]}                                          | 400 invalid-request /identifiers/0
/v1/subjects        | {"identifiers": [{"type": "email"}]}                          | 400 invalid-request /identifiers/0/value
/v1/subjects        | {"identifiers": [{"value": "a@b.no"}]}                        | 400 invalid-request /identifiers/0/type
/v1/subjects        | {"identifiers": [{"type": 1, "value": "a@b.no"}]}             | 400 invalid-request /identifiers/0/type
/v1/subjects        | {"identifiers": [{"type": "LONG", "value": "a"}]}             | 400 invalid-request /identifiers/0/type
/v1/subjects        | {"identifiers": [{"type": "email", "value": "LONG"}]}         | 400 invalid-request /identifiers/0/value
/v1/subjects        | {"identifiers": [{"type": "email", "value": ""}]}             | 400 invalid-request /identifiers/0/value
/v1/subjects        | {"identifiers": [{"type": "email", "value": "NUL"}]}          | 400 invalid-request /identifiers/0/value
/v1/subjects        | {"identifiers": [{"type": "email", "value": "a@b.no", "x": 1}]} | 400 invalid-request /identifiers/0/x
/v1/subjects        | {"identifiers": [{"type": "email", "value": "EMOJI"}]}        | 422 invalid-value /identifiers/0/value
/v1/subjects        | {"identifiers": [{"type": "fax", "value": "1"}]}              | 422 invalid-value /identifiers/0/type
/v1/subjects        | {"identifiers": [{"type": "phone", "value": "12345678"}]}     | 422 invalid-value /identifiers/0/value
/v1/subjects        | {"identifiers": [{"type": "visitor", "value": "short"}]}      | 422 invalid-value /identifiers/0/value
/v1/subjects        | {"identifiers": [VISITOR, {"type": "email", "value": "a@b.no"}]} | 422 invalid-value /identifiers
/v1/subjects        | {"identifiers": [VISITOR, VISITOR, VISITOR, VISITOR, VISITOR, VISITOR, VISITOR, VISITOR, VISITOR, VISITOR, VISITOR]} | 400 invalid-request /identifiers
/v1/subjects        | {"identifiers": [VISITOR], "name": "Kari"}                    | 400 invalid-request /name
/v1/subjects/lookup | {"identifiers": [{"type": "email"}]}                          | 400 invalid-request /identifiers/0/value
/v1/subjects/lookup | {"identifiers": [VISITOR, {"type": "email", "value": "a@b.no"}]} | 422 invalid-value /identifiers
/v1/subjects/lookup | {"identifiers": [{"type": "email", "value": "nobody@b.no"}]}  | 404 not-found
/v1/permissions     | {}                                                            | 400 invalid-request /queries
/v1/permissions     | {"queries": []}                                               | 400 invalid-request /queries
/v1/permissions     | {"queries": [{"purpose": "newsletter"}]}                      | 400 invalid-request /queries/0
/v1/permissions     | {"queries": [{"subject_id": PERSON}]}                         | 400 invalid-request /queries/0/purpose
/v1/permissions     | {"queries": [{"subject_id": 1, "purpose": "newsletter"}]}     | 400 invalid-request /queries/0/subject_id
/v1/permissions     | {"queries": [{"subject_id": "x", "purpose": "newsletter"}]}   | 400 invalid-request /queries/0/subject_id
/v1/permissions     | {"queries": [{"subject_id": PERSON, "purpose": "A B"}]}       | 400 invalid-request /queries/0/purpose
/v1/permissions     | {"queries": [{"subject_id": PERSON, "purpose": "newsletter", "x": 1}]} | 400 invalid-request /queries/0/x
/v1/permissions     | {"queries": [{"subject_id": PERSON, "identifier": VISITOR, "purpose": "newsletter"}]} | 400 invalid-request /queries/0
/v1/permissions     | {"queries": [{"subject_id": PERSON, "purpose": "newsletter"}], "as_of": "2026-01-01T00:00:00"} | 400 invalid-request /as_of
/v1/permissions     | {"queries": [{"subject_id": PERSON, "purpose": "newsletter"}], "as_of": "9000-01-01T00:00:00Z"} | 422 invalid-value /as_of
/v1/permissions     | {"queries": [{"subject_id": PERSON, "purpose": "newsletter"}, {"subject_id": NOBODY, "purpose": "newsletter"}]} | 422 unknown-reference /queries/1/subject_id
/v1/permissions     | {"queries": [{"subject_id": PERSON, "purpose": "nothing"}]}   | 422 unknown-reference /queries/0/purpose
/v1/permissions     | {"queries": [{"identifier": {"type": "email", "value": "a"}, "purpose": "newsletter"}]} | 422 invalid-value /queries/0/identifier/value
/v1/decisions       | {"decisions": []}                                             | 400 invalid-request /decisions
/v1/decisions       | {"subject": {}, "decisions": [WITHDRAW]}                      | 400 invalid-request /subject
/v1/decisions       | {"subject": {"subject_id": PERSON, "identifiers": [VISITOR]}, "decisions": [WITHDRAW]} | 400 invalid-request /subject
/v1/decisions       | {"subject": {"subject_id": PERSON}, "decisions": []}          | 400 invalid-request /decisions
/v1/decisions       | {"subject": {"subject_id": PERSON}, "decisions": [{"purpose": "newsletter"}]} | 400 invalid-request /decisions/0/command
/v1/decisions       | {"subject": {"subject_id": PERSON}, "decisions": [{"command": "refuse"}]} | 400 invalid-request /decisions/0/purpose
/v1/decisions       | {"subject": {"subject_id": PERSON}, "decisions": [{"purpose": "newsletter", "command": "agree"}]} | 400 invalid-request /decisions/0/command
/v1/decisions       | {"subject": {"subject_id": PERSON}, "decisions": [{"purpose": "newsletter", "command": "expire"}]} | 422 invalid-value /decisions/0/command
/v1/decisions       | {"subject": {"subject_id": PERSON}, "decisions": [{"purpose": "newsletter", "command": "erase"}]} | 422 invalid-value /decisions/0/command
/v1/decisions       | {"subject": {"subject_id": PERSON}, "decisions": [WITHDRAW, WITHDRAW]} | 422 invalid-value /decisions/1/purpose
/v1/decisions       | {"subject": {"subject_id": NOBODY}, "decisions": [WITHDRAW]}  | 422 unknown-reference /subject/subject_id
/v1/decisions       | {"subject": {"subject_id": PERSON}, "decisions": [{"purpose": "nothing", "command": "refuse"}]} | 422 unknown-reference /decisions/0/purpose
/v1/decisions       | {"subject": {"identifiers": [{"type": "email", "value": "a"}]}, "decisions": [WITHDRAW]} | 422 invalid-value /subject/identifiers/0/value
/v1/decisions       | {"subject": {"subject_id": PERSON}, "decisions": [WITHDRAW, {"purpose": "contract", "command": "refuse", "occurred_at": "1800-01-01T00:00:00Z"}]} | 422 invalid-value /decisions/1/occurred_at
/v1/decisions       | {"subject": {"subject_id": PERSON}, "decisions": [WITHDRAW, {"purpose": "contract", "command": "refuse"}, {"purpose": "pixel", "command": "grant", "version": 1}]} | 422 not-withdrawable /decisions/1 /decisions/2
"""


async def test_a_fault_in_a_body_is_named_by_its_pointer(api: Api) -> None:
    words = {
        "PERSON": json.dumps(await api.person()),
        "NOBODY": json.dumps(UNKNOWN_ID),
        "VISITOR": json.dumps(api.somebody()),
        "WITHDRAW": json.dumps({"purpose": "newsletter", "command": "withdraw"}),
    }
    found = []
    for path, text, _ in rows(BODIES, 3):
        body = text
        for word, value in words.items():
            body = body.replace(word, value)
        answer = await api(
            "POST", path, json.dumps(filled(body) if body.startswith("{") else json.loads(body)).encode()
        )
        found.append(f"{path} | {text} | {told(answer)}")
    assert found == [" | ".join(row) for row in rows(BODIES, 3)]


async def test_at_most_a_hundred_decisions_and_a_thousand_queries_come_together(api: Api) -> None:
    person = await api.person()
    query = {"subject_id": person, "purpose": "newsletter"}
    assert told(await api("POST", "/v1/permissions", {"queries": [query] * 1000})) == "200"
    answer = await api("POST", "/v1/permissions", {"queries": [query] * 1001})
    assert told(answer) == "400 invalid-request /queries"
    decisions = [{"purpose": f"purpose-{number}", "command": "refuse"} for number in range(101)]
    answer = await api("POST", "/v1/decisions", {"subject": {"subject_id": person}, "decisions": decisions})
    assert told(answer) == "400 invalid-request /decisions"


async def test_evidence_has_at_most_8_kib_as_it_was_sent(api: Api) -> None:
    person = await api.person()
    inside = 8192 - len('{"note":""}')
    for length, expected in ((inside, "201"), (inside + 1, "400 invalid-request /evidence")):
        body = b'{"version":1,"evidence":{"note":"%s"}}' % (b"x" * length)
        answer = await api("POST", f"/v1/subjects/{person}/consents/newsletter/grant", body)
        assert told(answer) == expected, length


async def test_evidence_is_nested_at_most_32_deep(api: Api) -> None:
    person = await api.person()
    for depth, expected in ((32, "201"), (33, "400 invalid-request /evidence")):
        evidence = b'{"a":' * depth + b"1" + b"}" * depth
        body = b'{"version":1,"evidence":%s}' % evidence
        answer = await api("POST", f"/v1/subjects/{person}/consents/newsletter/grant", body)
        assert told(answer) == expected, depth
