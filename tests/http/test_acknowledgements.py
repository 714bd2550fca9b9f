"""Words about a record of the person as a whole, which no command writes yet; and words with an Idempotency-Key (R34)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from consent_service.embedded import PostgresServer
from tests.http.conftest import Api, running_api
from tests.http.tables import told
from tests.http.test_propagation import PURPOSES, a_word, acknowledge, reached, says

_RESTRICT = """
    insert into records
    select (jsonb_populate_record(records, $1::jsonb || jsonb_build_object('sequence', sequence + 1))).*
    from records
    where record_id = $2
"""
NOT_OF_A_PERSON = ("purpose", "version", "status", "governing_version", "standing_version", "allowed")


@pytest.fixture(scope="module")
async def api(postgres: PostgresServer) -> AsyncIterator[Api]:
    async with running_api(postgres, purposes=PURPOSES) as running:
        yield running


async def restricted(api: Api, last: str) -> str:
    """The id of a restriction behind that record, put there by hand."""
    whole = str(uuid4())
    changed = {"record_id": whole, "command": "restrict", **dict.fromkeys(NOT_OF_A_PERSON)}
    rows = await api.database.connect()
    await rows.execute(_RESTRICT, json.dumps(changed), last)
    await rows.close()
    return whole


async def test_R13_a_word_about_the_person_settles_what_is_owed_of_every_purpose(api: Api) -> None:
    person = await api.person()
    given = await says(api, person, "grant")
    objected = await says(api, person, "object", "analytics")
    whole = await restricted(api, objected)

    answer = await acknowledge(api, a_word(whole), recipient="crm", claim="crm")

    assert (answer.status_code, answer.json()) == (200, {"settled": 2})
    for record_id in (given, objected):
        found = (await reached(api, record_id))["crm"]
        assert (found["outcome"], found["settled_by"]) == ("stopped", whole)
    assert (await reached(api, given))["brevo"]["settled_at"] is None
    assert [one["outcome"] for one in (await reached(api, whole))["crm"]["acknowledgements"]] == ["stopped"]


async def test_whom_no_purpose_names_is_not_believed_about_a_person_either(api: Api) -> None:
    whole = await restricted(api, await says(api, await api.person(), "grant"))
    refused = await acknowledge(api, a_word(whole), recipient="nobody", claim="nobody")

    assert told(refused) == "422 unknown-reference /records/0/record_id"


async def test_a_key_is_not_looked_at_since_a_word_is_known_by_what_it_says(api: Api) -> None:
    first, second = [await says(api, await api.person(), "grant") for _ in range(2)]
    words = [a_word(record_id, "started") for record_id in (first, first, second)]
    answers = [await acknowledge(api, word, headers={"idempotency-key": "one"}) for word in words]

    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (200, {"settled": 1}),
        (200, {"settled": 0}),
        (200, {"settled": 1}),
    ]
    assert "idempotency-replayed" not in answers[1].headers
