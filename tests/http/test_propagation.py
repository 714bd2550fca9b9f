"""Recipients acknowledge records, and everybody who may can see how far a record has come (R34)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from consent_service.domain.purposes import Recipient
from consent_service.domain.values import Basis
from consent_service.embedded import PostgresServer
from tests.http.conftest import UNKNOWN_ID, Api, purpose, running_api
from tests.http.tables import told

BREVO = Recipient(slug="brevo", name="Brevo", role="processor", deadline="PT15M")
CRM = Recipient(slug="crm", name="CRM", role="processor")
PURPOSES = (
    purpose("newsletter", Basis.CONSENT, recipients=(BREVO, CRM)),
    purpose("analytics", Basis.LEGITIMATE_INTERESTS, recipients=(CRM,)),
    purpose("contract", Basis.CONTRACT, recipients=(CRM,)),
    purpose("own", Basis.CONSENT),
)


@pytest.fixture(scope="module")
async def api(postgres: PostgresServer) -> AsyncIterator[Api]:
    async with running_api(postgres, purposes=PURPOSES) as running:
        yield running


def a_word(record_id: str, outcome: str = "stopped", **fields: Any) -> dict[str, Any]:
    """Done just now."""
    return {"record_id": record_id, "outcome": outcome, "at": now(), **fields}


def now(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


async def says(api: Api, subject_id: str, command: str, of: str = "newsletter") -> str:
    """The id of the record that it leads to."""
    answer = await api.says(subject_id, of, command)
    assert answer.status_code in (200, 201), answer.text
    record_id: str = answer.json()["record"]["record_id"]
    return record_id


async def acknowledge(
    api: Api, *words: dict[str, Any], recipient: str = "brevo", claim: str | None = "brevo", **options: Any
) -> httpx.Response:
    token = api.issuer.sign(recipient=claim)
    body = {"recipient": recipient, "records": list(words)}
    return await api("POST", "/v1/acknowledgements", body, token=token, **options)


async def reached(api: Api, record_id: str) -> dict[str, dict[str, Any]]:
    answer = await api("GET", f"/v1/records/{record_id}/propagation")
    assert answer.status_code == 200, answer.text
    return {one["recipient"]: one for one in answer.json()["recipients"]}


async def test_R34_a_record_that_flips_the_permission_is_owed_by_every_recipient(api: Api) -> None:
    person = await api.person()
    given = await says(api, person, "grant")
    answer = (await api("GET", f"/v1/records/{given}/propagation")).json()

    assert {name: answer[name] for name in ("record_id", "purpose", "sequence", "allowed")} == {
        "record_id": given,
        "purpose": "newsletter",
        "sequence": 1,
        "allowed": True,
    }
    brevo, crm = answer["recipients"]
    assert [one["recipient"] for one in (brevo, crm)] == ["brevo", "crm"]
    assert brevo["settled_at"] is brevo["outcome"] is None
    assert (brevo["acknowledgements"], brevo["late_s"]) == ([], 0.0)
    owed = [
        datetime.fromisoformat(one["due_at"]) - datetime.fromisoformat(one["owed_since"])
        for one in (brevo, crm)
    ]
    assert owed == [timedelta(minutes=15), timedelta(hours=1)]


async def test_R34_a_word_settles_what_its_recipient_owes_and_nobody_elses(api: Api) -> None:
    person = await api.person()
    given = await says(api, person, "grant")
    word = a_word(given, "started", acknowledgement_id=str(uuid4()))
    answer = await acknowledge(api, word)

    assert (answer.status_code, answer.json()) == (200, {"settled": 1})
    found = await reached(api, given)
    assert (found["brevo"]["outcome"], found["brevo"]["settled_by"]) == ("started", given)
    assert datetime.fromisoformat(found["brevo"]["acknowledged_at"]) == datetime.fromisoformat(word["at"])
    (kept,) = found["brevo"]["acknowledgements"]
    assert (kept["outcome"], kept["acknowledgement_id"]) == ("started", word["acknowledgement_id"])
    assert found["crm"]["settled_at"] is None


async def test_R34_a_word_settles_earlier_records_of_the_same_pair(api: Api) -> None:
    person = await api.person()
    given = await says(api, person, "grant")
    objected = await says(api, person, "object", "analytics")
    withdrawn = await says(api, person, "withdraw")
    answer = await acknowledge(api, a_word(withdrawn), recipient="crm", claim="crm")

    assert answer.json() == {"settled": 2}
    settled = (await reached(api, given))["crm"]
    assert (settled["outcome"], settled["settled_by"]) == ("stopped", withdrawn)
    assert settled["acknowledgements"] == []
    assert (await reached(api, objected))["crm"]["settled_at"] is None


async def test_R34_a_word_about_an_earlier_record_leaves_later_ones_open(api: Api) -> None:
    person = await api.person()
    given = await says(api, person, "grant")
    withdrawn = await says(api, person, "withdraw")

    assert (await acknowledge(api, a_word(given, "started"))).json() == {"settled": 1}
    assert (await reached(api, withdrawn))["brevo"]["settled_at"] is None


async def test_words_of_one_call_count_in_their_order(api: Api) -> None:
    """Each record's own word settles it, where it comes first."""
    person = await api.person()
    records = [await says(api, person, command) for command in ("grant", "withdraw", "grant")]
    outcomes = ("started", "stopped", "started")
    answer = await acknowledge(api, *(a_word(*one) for one in zip(records, outcomes, strict=True)))

    assert answer.json() == {"settled": 3}
    for record_id, outcome in zip(records, outcomes, strict=True):
        found = (await reached(api, record_id))["brevo"]
        assert (found["outcome"], found["settled_by"]) == (outcome, record_id)


@pytest.mark.parametrize(
    ("outcome", "settles"),
    [
        *(("stopped", True), ("not_held", True), ("erased", True)),
        *(("failed", False), ("accepted", False)),
    ],
)
async def test_R34_the_outcome_says_whether_it_is_settled(api: Api, outcome: str, settles: bool) -> None:
    person = await api.person()
    await says(api, person, "grant")
    withdrawn = await says(api, person, "withdraw")
    promise = {"due_at": now(days=2)} if outcome == "accepted" else {}
    answer = await acknowledge(api, a_word(withdrawn, outcome, **promise))

    assert answer.json() == {"settled": 2 if settles else 0}
    found = (await reached(api, withdrawn))["brevo"]
    assert (found["settled_at"] is not None) == settles
    assert [one["outcome"] for one in found["acknowledgements"]] == [outcome]


async def test_R34_a_promise_moves_the_deadline_of_the_recipient_alone(api: Api) -> None:
    person = await api.person()
    given = await says(api, person, "grant")
    before = await reached(api, given)
    promised = now(days=3)
    await acknowledge(api, a_word(given, "accepted", due_at=promised))
    after = await reached(api, given)

    assert datetime.fromisoformat(after["brevo"]["due_at"]) == datetime.fromisoformat(promised)
    assert after["crm"] == before["crm"]
    assert (await acknowledge(api, a_word(given, "started"))).json() == {"settled": 1}
    spoken = (await reached(api, given))["brevo"]["acknowledgements"]
    assert [one["outcome"] for one in spoken] == ["accepted", "started"]


async def test_saying_the_same_again_is_no_error_and_kept_once(api: Api) -> None:
    person = await api.person()
    given = await says(api, person, "grant")
    answers = [await acknowledge(api, a_word(given, "started")) for _ in range(2)]

    assert [answer.json()["settled"] for answer in answers] == [1, 0]
    assert len((await reached(api, given))["brevo"]["acknowledgements"]) == 1


async def test_a_record_that_flips_nothing_is_owed_by_nobody_but_may_be_acknowledged(api: Api) -> None:
    person = await api.person()
    refused = await says(api, person, "refuse")

    assert await reached(api, refused) == {}
    assert (await acknowledge(api, a_word(refused))).json() == {"settled": 0}
    spoken = (await reached(api, refused))["brevo"]
    assert (spoken["owed_since"], len(spoken["acknowledgements"])) == (None, 1)


async def test_R34_the_token_names_the_recipient(api: Api) -> None:
    person = await api.person()
    given = await says(api, person, "grant")
    for claim in (None, "crm"):
        refused = await acknowledge(api, a_word(given), claim=claim)

        assert told(refused) == "403 insufficient-scope"
        assert "token --recipient brevo" in refused.json()["detail"]
        assert "www-authenticate" in refused.headers
    assert (await reached(api, given))["brevo"]["settled_at"] is None


async def test_R34_what_was_never_sent_cannot_be_acknowledged(api: Api) -> None:
    theirs = (await api("POST", "/v1/subjects", {"identifiers": [api.somebody()]}, controller="sonh")).json()
    path = f"/v1/subjects/{theirs['subject_id']}/consents/newsletter/grant"
    elsewhere = (await api("POST", path, {"version": 1}, controller="sonh")).json()["record"]["record_id"]
    person = await api.person()
    given = await says(api, person, "grant")
    owned = await says(api, person, "grant", "own")
    words = [a_word(one) for one in (UNKNOWN_ID, given, owned, elsewhere)]
    refused = await acknowledge(api, *words)

    assert told(refused) == (
        "422 unknown-reference /records/0/record_id /records/2/record_id /records/3/record_id"
    )
    assert (await reached(api, given))["brevo"]["settled_at"] is None, "all or none"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ({"outcome": "started"}, "422 invalid-value /records/0/outcome"),
        ({"at": timedelta(minutes=6)}, "422 invalid-value /records/0/at"),
        ({"at": timedelta(minutes=4)}, "200"),
        ({"at": "1066-01-01T00:00:00Z"}, "422 invalid-value /records/0/at"),
        ({"outcome": "accepted"}, "422 invalid-value /records/0/due_at"),
        ({"outcome": "accepted", "due_at": timedelta(days=32)}, "422 invalid-value /records/0/due_at"),
        ({"outcome": "accepted", "due_at": timedelta(days=-1)}, "422 invalid-value /records/0/due_at"),
        ({"due_at": timedelta(days=1)}, "422 invalid-value /records/0/due_at"),
        ({"outcome": "done"}, "400 invalid-request /records/0/outcome"),
        ({"at": "2026-01-01T00:00:00"}, "400 invalid-request /records/0/at"),
        ({"note": "x"}, "400 invalid-request /records/0/note"),
    ],
)
async def test_a_word_must_make_sense(api: Api, words: dict[str, Any], wanted: str) -> None:
    person = await api.person()
    await says(api, person, "grant")
    withdrawn = await says(api, person, "withdraw")

    said = {
        name: (datetime.now(UTC) + one).isoformat() if isinstance(one, timedelta) else one
        for name, one in words.items()
    }

    assert told(await acknowledge(api, {**a_word(withdrawn), **said})) == wanted


async def test_at_most_a_thousand_words_come_together(api: Api) -> None:
    person = await api.person()
    given = await says(api, person, "grant")

    assert (await acknowledge(api, *[a_word(given, "started")] * 1000)).json() == {"settled": 1}
    assert told(await acknowledge(api, *[a_word(given)] * 1001)) == "400 invalid-request /records"
    assert told(await acknowledge(api)) == "400 invalid-request /records"


async def test_R34_a_page_of_what_a_recipient_owes_goes_on_where_it_ended(postgres: PostgresServer) -> None:
    async with running_api(postgres, purposes=PURPOSES) as api:
        people = [await api.person() for _ in range(3)]
        records = [await says(api, person, "grant") for person in people]
        records += [await says(api, person, "withdraw") for person in people]
        await acknowledge(api, a_word(records[1], "started"))
        path = "/v1/recipients/brevo/pending?limit=2"
        page = (await api("GET", path)).json()
        found = page["items"]
        while page["next"] is not None:
            page = (await api("GET", f"{path}&after={page['next']}")).json()
            found += page["items"]

        assert [one["record_id"] for one in found] == [records[0], *records[2:]]
        assert found[0].keys() == {
            *("record_id", "subject_id", "purpose", "sequence", "allowed", "owed_since", "due_at", "late_s")
        }
        assert [one["allowed"] for one in found] == [True, True, False, False, False]
        mine = api.issuer.sign(purposes=["analytics"])
        assert (await api("GET", path, token=mine)).json() == {"items": [], "next": None}


async def test_R34_who_is_late_and_by_how_much(postgres: PostgresServer) -> None:
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    async with running_api(postgres, purposes=PURPOSES, now=lambda: moment) as api:
        person = await api.person()
        began, given = moment, await says(api, person, "grant")
        moment += timedelta(minutes=10)
        await says(api, person, "object", "analytics")
        moment += timedelta(minutes=20)
        brevo, crm = (await api("GET", "/v1/recipients")).json()["items"]

        assert {name: (brevo[name], crm[name]) for name in ("recipient", "pending", "late", "late_s")} == {
            "recipient": ("brevo", "crm"),
            "pending": (1, 2),
            "late": (1, 0),
            "late_s": (900.0, 0.0),
        }
        assert datetime.fromisoformat(crm["oldest_owed_since"]) == began
        assert brevo["latest_acknowledgement_at"] is None
        assert (await reached(api, given))["brevo"]["late_s"] == 900.0

        await acknowledge(api, {**a_word(given, "started"), "at": moment.isoformat()})
        settled = moment
        moment += timedelta(days=1)
        brevo, crm = (await api("GET", "/v1/recipients?limit=2")).json()["items"]

        assert (brevo["pending"], brevo["late_s"], brevo["oldest_owed_since"]) == (0, 0.0, None)
        assert datetime.fromisoformat(brevo["latest_acknowledgement_at"]) == settled
        assert (crm["late"], crm["late_s"]) == (2, 86_400 - 1_800)
        assert (await reached(api, given))["brevo"]["late_s"] == 900.0, "for ever"


async def test_recipients_come_in_pages(api: Api) -> None:
    first = (await api("GET", "/v1/recipients?limit=1")).json()
    second = (await api("GET", f"/v1/recipients?limit=1&after={first['next']}")).json()

    assert [one["recipient"] for page in (first, second) for one in page["items"]] == ["brevo", "crm"]
    assert second["next"] is None


async def test_R34_a_recipient_sees_its_own_duties_alone(api: Api) -> None:
    token = api.issuer.sign(recipient="crm")
    listed = (await api("GET", "/v1/recipients", token=token)).json()["items"]

    assert [one["recipient"] for one in listed] == ["crm"]
    assert (await api("GET", "/v1/recipients/crm/pending", token=token)).status_code == 200
    refused = await api("GET", "/v1/recipients/brevo/pending", token=token)
    assert told(refused) == "403 insufficient-scope"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/v1/recipients/nobody/pending", "404 not-found"),
        ("/v1/recipients/No%20slug/pending", "404 not-found"),
        ("/v1/recipients/brevo/pending?after=abcd", "400 invalid-request after"),
        ("/v1/recipients/brevo/pending?limit=0", "400 invalid-request limit"),
        ("/v1/recipients?after=_-8", "400 invalid-request after"),
        ("/v1/recipients?after=QQ", "400 invalid-request after"),
    ],
)
async def test_what_cannot_be_listed_is_refused(api: Api, path: str, wanted: str) -> None:
    assert told(await api("GET", path)) == wanted


async def test_the_propagation_of_an_unknown_record_is_not_found(api: Api) -> None:
    assert told(await api("GET", f"/v1/records/{UNKNOWN_ID}/propagation")) == "404 not-found"
