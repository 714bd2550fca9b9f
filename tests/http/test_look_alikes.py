r"""Identifiers that look like one another: one person, two, or none (CORE 13).

What a person writes is folded only where it is surely the same: blanks around it, capital letters, one letter with its
mark, a domain's other spellings. Letters of other scripts are other letters: two persons, since a person must never
answer for another. What nobody can see is refused in e-mail addresses and numbers. What another system calls a person is
taken to the letter: who could not be named could not withdraw.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.http.conftest import Api
from tests.http.tables import rows, told

#: Two identifiers as somebody writes them, and whose they are.
LOOK_ALIKES = r"""
email        | anna@example.no     | ANNA@Example.NO               | one person
email        | anna@example.no     | \u00a0anna@example.no\u2009   | one person
email        | \u00e5se@example.no | a\u030ase@example.no          | one person
email        | anna@example.no     | anna@\uff45xample.no          | one person
email        | anna@example.no     | anna@exam\u00adple.no         | one person
email        | anna@example.no     | anna@exam\u200bple.no         | one person
email        | anna@example.no     | \u0430nna@example.no          | two persons
email        | anna@example.no     | anna@ex\u0430mple.no          | two persons
email        | anna@example.no     | \uff41nna@example.no          | two persons
email        | finn@example.no     | \ufb01nn@example.no           | two persons
email        | anna@example.no     | ann\u0251@example.no          | two persons
email        | anna@example.no     | anna+x@example.no             | two persons
email        | anna@example.no     | an\u200bna@example.no         | none
email        | anna@example.no     | an\u200dna@example.no         | none
email        | anna@example.no     | an\u00adna@example.no         | none
email        | anna@example.no     | \ufeffanna@example.no         | none
email        | anna@example.no     | \u202eanna@example.no         | none
email        | anna@example.no     | \u2066anna\u2069@example.no   | none
email        | anna@example.no     | anna\u200f@example.no         | none
email        | anna@example.no     | anna\u3164@example.no         | none
email        | anna@example.no     | anna\uffa0@example.no         | none
email        | anna@example.no     | anna\u2800@example.no         | none
email        | anna@example.no     | anna\ufe0f@example.no         | none
email        | anna@example.no     | an\u034fna@example.no         | none
email        | anna@example.no     | anna\U000e0100@example.no     | none
email        | anna@example.no     | anna\U000e0041@example.no     | none
email        | anna@example.no     | anna@exam\u202eple.no         | none
email        | anna@example.no     | anna\uff20example.no          | none
phone        | +4722334455         | +47\u202f22\u201133\u00a04455 | one person
phone        | +4722334455         | \uff0b4722334455              | none
phone        | +4722334455         | +472233445\u0665              | none
phone        | +4722334455         | +472233445\uff15              | none
phone        | +4722334455         | \u202a+4722334455\u202c       | none
phone        | +4722334455         | +4722\u200b334455             | none
external:crm | A-4711              | a-4711                        | two persons
external:crm | A-4711              | A\u20114711                   | two persons
external:crm | A-4711              | \u0410-4711                   | two persons
external:crm | A-4711              | A-4711\u200b                  | two persons
external:crm | A-4711              | \u202eA-4711                  | two persons
external:crm | \u00e5se            | a\u030ase                     | two persons
external:crm | A-4711              | A-4711\u001b                  | none
visitor      | visitor-aaaaaaaaaaaaaaaaaa | visitor-\u0430aaaaaaaaaaaaaaaaa | none
"""
_ESCAPE = re.compile(r"\\(?:U([0-9a-f]{8})|u([0-9a-f]{4}))")
Rows = Callable[[], Awaitable[dict[str, int]]]


def unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), text)


@pytest.fixture(scope="module")
async def counted(api: Api) -> AsyncIterator[Rows]:
    async with api.database.row_counts() as counted:
        yield counted


async def test_identifiers_that_look_alike_are_one_person_two_or_none(api: Api, counted: Rows) -> None:
    found = []
    for number, (kind, *spellings, _) in enumerate(rows(LOOK_ALIKES, 4)):
        first, second = [await person_of(api, counted, kind, unescaped(one), number) for one in spellings]
        assert first is not None, spellings
        whose = "none" if second is None else "one person" if first == second else "two persons"
        found.append((kind, *spellings, whose))
    assert found == rows(LOOK_ALIKES, 4)


async def person_of(api: Api, counted: Rows, kind: str, value: str, number: int) -> str | None:
    """Who is found or made, in a domain or system of each row's own; None where it is refused and nothing is stored."""
    if kind == "email":
        value = re.sub("(?i)ple[.]no", f"ple-{number}.no", value)
    if kind == "external:crm":
        kind = f"external:crm-{number}"
    before = await counted()
    answer = await api("POST", "/v1/subjects", {"identifiers": [{"type": kind, "value": value}]})
    if answer.status_code not in (200, 201):
        assert told(answer) == "422 invalid-value /identifiers/0/value"
        assert await counted() == before
        return None
    subject_id: str = answer.json()["subject_id"]
    if kind.startswith("external"):
        # To the letter, so that the person is found in that system.
        [held] = (await api("GET", f"/v1/subjects/{subject_id}/identifiers")).json()["items"]
        assert held["value"] == value
    return subject_id
