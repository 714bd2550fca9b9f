"""What each call leaves in the audit trail; a new route must decide (docs/decisions/0011-who-may-do-what.md)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from consent_service.domain.audit import AuditAction
from consent_service.domain.values import format_time
from consent_service.http.routes import OPERATIONS
from consent_service.http.site_endpoint import SITES
from consent_service.usecases import clock
from tests.http.c15t import GIVEN_MS, new_subject
from tests.http.conftest import UNKNOWN_ID, Api
from tests.http.tables import rows, told

#: What the trail tells of each call. Those with Kafka: tests/http/test_changes.py and test_states.py.
TOLD = """
# The ledger tells of commands, with their actor; of new persons the trail has the identifiers.
POST   | /v1/subjects/{subject_id}/consents/{purpose}/{command}   | nothing
POST   | /v1/decisions                                            | identifier.linked
POST   | /v1/subjects                                             | identifier.linked
# Permission checks never: they are many, and say of one purpose what to do.
GET    | /v1/subjects/{subject_id}/permissions/{purpose}          | nothing
POST   | /v1/permissions                                          | nothing
# What stands now is what permissions say; what stood is history.
GET    | /v1/subjects/{subject_id}                                | nothing
GET    | /v1/subjects/{subject_id}?as_of                          | states.read_as_of
GET    | /v1/subjects/{subject_id}/records                        | history.read
GET    | /v1/records/{record_id}                                  | record.read
POST   | /v1/subjects/lookup                                      | nothing
GET    | /v1/subjects/{subject_id}/identifiers                    | identifiers.read
POST   | /v1/subjects/{subject_id}/identifiers                    | identifier.linked
DELETE | /v1/subjects/{subject_id}/identifiers/{identifier_id}    | identifier.unlinked
# Of recipients: acknowledgements are kept word for word, and who is late is no history.
GET    | /v1/records/{record_id}/propagation                      | nothing
POST   | /v1/acknowledgements                                     | nothing
GET    | /v1/recipients                                           | nothing
GET    | /v1/recipients/{recipient}/pending                       | nothing
# The catalogue is about nobody; changing it is.
GET    | /v1/purposes                                             | nothing
GET    | /v1/purposes/{purpose}                                   | nothing
GET    | /v1/purposes/{purpose}/versions/{version}                | nothing
GET    | /v1/purposes/{purpose}/draft                             | nothing
PUT    | /v1/purposes/{purpose}                                   | purpose.published
PUT    | /v1/purposes/{purpose}?draft                             | purpose.drafted
# Exports.
GET    | /v1/changes                                              | changes.followed
GET    | /v1/states                                               | states.exported
# A visitor asks about itself; its first choice makes a person of it.
GET    | /site/v1/{site_key}/notice                               | nothing
GET    | /site/v1/{site_key}/consents                             | nothing
POST   | /site/v1/{site_key}/consents                             | identifier.linked
GET    | /site/v1/{site_key}/c15t/init                            | nothing
POST   | /site/v1/{site_key}/c15t/subjects                        | identifier.linked
GET    | /site/v1/{site_key}/c15t/subjects/{c15t_subject}         | nothing
PATCH  | /site/v1/{site_key}/c15t/subjects/{c15t_subject}         | nothing
GET    | /healthz                                                 | nothing
GET    | /readyz                                                  | nothing
GET    | /metrics                                                 | nothing
"""
DECIDED = [(f"{method} {path}", action) for method, path, action in rows(TOLD, 3)]
WITH_KAFKA = ("GET /v1/changes", "GET /v1/states")


def test_every_operation_has_been_decided() -> None:
    decided = {call.partition("?")[0] for call, _ in DECIDED}

    assert decided == {f"{operation.method} {operation.path}" for operation in OPERATIONS}


def test_every_action_is_one_that_the_trail_knows() -> None:
    assert {action for _, action in DECIDED} - {"nothing"} <= set(AuditAction)


class Case:
    """A person with a record, an identifier and a draft beside them, and how each operation is called."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def prepare(self) -> None:
        api = self.api
        made = await api("POST", "/v1/subjects", {"identifiers": [crm := somebody()]})
        self.person: str = made.json()["subject_id"]
        granted = await api.says(self.person, "newsletter", "grant", evidence={"form": "footer"})
        assert granted.status_code == 201, granted.text
        self.record: str = granted.json()["record"]["record_id"]
        held = await api("GET", f"/v1/subjects/{self.person}/identifiers")
        self.identifier: str = held.json()["items"][0]["identifier_id"]
        await api("PUT", "/v1/purposes/newsletter?draft=true", {})
        self.moment = format_time(clock.now())
        self.subject = new_subject()
        ticked = {"subject": {"identifiers": [{"type": "visitor", "value": self.subject}]}}
        await api(
            "POST",
            "/v1/decisions",
            {**ticked, "decisions": [{"purpose": "newsletter", "command": "refuse"}]},
        )
        query = {"queries": [{"subject_id": self.person, "purpose": "newsletter"}]}
        decision = {"purpose": "newsletter", "command": "refuse"}
        word = {"record_id": self.record, "outcome": "started", "at": "2026-01-01T00:00:00Z"}
        self.bodies: dict[str, Any] = {
            "POST /v1/subjects/{subject_id}/consents/{purpose}/{command}": {},
            "POST /v1/decisions": {"subject": {"identifiers": [somebody()]}, "decisions": [decision]},
            "POST /v1/permissions": {**query, "as_of": self.moment},
            "POST /v1/subjects": {"identifiers": [somebody()]},
            "POST /v1/subjects/lookup": {"identifiers": [crm]},
            "POST /v1/subjects/{subject_id}/identifiers": {"identifiers": [somebody()]},
            "POST /v1/acknowledgements": {"recipient": "matomo", "records": [word]},
            "PUT /v1/purposes/{purpose}": a_version(),
            "PUT /v1/purposes/{purpose}?draft": {},
            "POST /site/v1/{site_key}/consents": {
                "choice_id": f"choice-{next(_numbers):020d}",
                "language": "en",
                "screen_hash": "0" * 64,
                "layer": "banner",
                "choices": {"newsletter": "refused"},
            },
            "POST /site/v1/{site_key}/c15t/subjects": {
                "type": "cookie_banner",
                "domain": "ansettr.no",
                "subjectId": new_subject(),
                "givenAt": GIVEN_MS,
                "preferences": {"marketing": False},
            },
            "PATCH /site/v1/{site_key}/c15t/subjects/{c15t_subject}": {"externalId": "user_1"},
        }

    async def call(self, what: str) -> httpx.Response:
        method, path = what.split(" ")
        path = (
            path.replace("{subject_id}", self.person)
            .replace("{record_id}", self.record)
            .replace("{identifier_id}", self.identifier)
            .replace("{purpose}", "written" if method == "PUT" else "newsletter")
            .replace("{command}", "withdraw")
            .replace("{recipient}", "matomo")
            .replace("{version}", "1")
            .replace("{site_key}", "ansettr-web")
            .replace("{c15t_subject}", self.subject)
            .replace("?as_of", f"?as_of={self.moment}")
            .replace("?draft", "?draft=true")
        )
        if path.endswith("/permissions/newsletter"):
            path += f"?as_of={self.moment}"
        token = self.api.issuer.sign(recipient="matomo")
        headers = {"consent-reason": f"because of {what[:100]}"}
        if path.startswith(SITES):
            headers |= {"origin": "https://ansettr.no", "consent-visitor": f"visitor-{next(_numbers):020d}"}
        return await self.api(method, path, self.bodies.get(what), token=token, headers=headers)


_numbers = iter(range(10_000))


def somebody() -> dict[str, str]:
    return {"type": "external:crm", "value": f"audited-{next(_numbers)}"}


def a_version() -> dict[str, Any]:
    """Another one each time."""
    text = {"name": "Nyhetsbrev", "description": f"Utgave {next(_numbers)}."}
    return {"change": "material", "legal_bases": ["consent"], "notices": {"nb": text}}


async def trail(api: Api) -> list[tuple[Any, ...]]:
    connection = await api.database.connect()
    found = await connection.fetch(
        "select actor, action, reason, subject_id::text, details::text from audit order by audit_id"
    )
    await connection.close()
    return [tuple(row) for row in found]


@pytest.mark.parametrize(("what", "action"), [one for one in DECIDED if one[0] not in WITH_KAFKA])
async def test_a_call_leaves_what_was_decided(api: Api, what: str, action: str) -> None:
    case = Case(api)
    await case.prepare()
    before = len(await trail(api))
    answer = await case.call(what)
    assert answer.status_code < 300, answer.text
    entered = (await trail(api))[before:]

    # Browsers give no reasons.
    who = (
        ("site:ansettr-web", action, None)
        if SITES in what
        else ("web-shop", action, f"because of {what[:100]}")
    )
    expected = [] if action == "nothing" else [who]
    assert [one[:3] for one in entered] == expected


async def test_a_read_tells_whose_history_and_how_much_of_it(api: Api) -> None:
    case = Case(api)
    await case.prepare()
    before = len(await trail(api))
    page = await api("GET", f"/v1/subjects/{case.person}/records?limit=1")
    await api.says(case.person, "newsletter", "withdraw")
    path = f"/v1/subjects/{case.person}/records?limit=1&purpose=newsletter"
    second = await api("GET", f"{path}&after={'MQ'}")
    await api("GET", f"/v1/records/{case.record}")
    await api("GET", f"/v1/subjects/{case.person}?as_of={case.moment}")
    entered = (await trail(api))[before:]

    assert page.json()["next"] is None
    assert [item["sequence"] for item in second.json()["items"]] == [2]
    assert {one[3] for one in entered} == {case.person}
    assert [json.loads(one[4]) for one in entered] == [
        {"count": 1},
        {"count": 1, "after": 1, "purpose": "newsletter"},
        {"record_id": case.record},
        {"as_of": case.moment},
    ]


async def test_what_was_not_read_is_not_told(api: Api) -> None:
    before = len(await trail(api))
    for path in (
        f"/v1/subjects/{UNKNOWN_ID}/records",
        f"/v1/subjects/{UNKNOWN_ID}?as_of=2026-01-01T00:00:00Z",
        f"/v1/records/{UNKNOWN_ID}",
    ):
        assert told(await api("GET", path)) == "404 not-found"

    assert len(await trail(api)) == before


async def test_no_history_is_read_that_the_trail_cannot_tell_of(api: Api) -> None:
    """Somebody holds the trail: reads of histories are 503, while permissions and what stands are answered."""
    case = Case(api)
    await case.prepare()
    before = len(await trail(api))
    audited = (
        "GET /v1/subjects/{subject_id}/records",
        "GET /v1/records/{record_id}",
        "GET /v1/subjects/{subject_id}?as_of",
        "GET /v1/subjects/{subject_id}/identifiers",
    )
    holder = await api.database.connect()
    async with holder.transaction():
        await holder.execute("lock table audit in share row exclusive mode")
        for what in ("GET /v1/subjects/{subject_id}/permissions/{purpose}", "GET /v1/subjects/{subject_id}"):
            assert (await case.call(what)).status_code == 200
        answers = await asyncio.gather(*(case.call(what) for what in audited))
    await holder.close()

    assert [told(answer) for answer in answers] == ["503 unavailable"] * 4
    assert not any("newsletter" in answer.text for answer in answers)
    assert len(await trail(api)) == before
