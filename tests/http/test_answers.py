"""What each route answers when all is well: shapes and statuses as the interface promises them (CORE 9 to 11, 13)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tests.http.conftest import UNKNOWN_ID, Api
from tests.http.tables import rows, told

RECORD_FIELDS = """
    record_id subject_id purpose version sequence command status recorded_at occurred_at language notice_hash channel
    source preferences actor record_hash previous_hash effective_at until permission superseded cause choice_id
"""


async def test_a_grant_answers_the_record_and_the_permission(api: Api) -> None:
    person = await api.person()
    answer = await api.says(
        person,
        "newsletter",
        "grant",
        language="nb-NO",
        channel="web",
        source="footer-form",
        preferences={"channels": ["sms", "email", "sms"]},
        evidence={"form": "footer"},
    )
    assert answer.status_code == 201
    body = answer.json()
    record = body["record"]
    assert set(body) == {"record", "permission"}
    assert set(record) == set(RECORD_FIELDS.split())
    assert body["permission"] == record["permission"]
    assert body["permission"] == {
        "allowed": True,
        "reason": "given",
        "status": "given",
        "version": 1,
        "until": None,
    }
    assert record["subject_id"] == person
    assert (record["purpose"], record["version"], record["sequence"]) == ("newsletter", 1, 1)
    assert (record["command"], record["status"], record["channel"]) == ("grant", "given", "web")
    assert (record["language"], record["source"], record["actor"]) == ("nb", "footer-form", "web-shop")
    assert record["preferences"] == {"channels": ["email", "sms"]}
    assert UUID(record["record_id"]).version == 7
    assert datetime.fromisoformat(record["recorded_at"]) == datetime.fromisoformat(record["effective_at"])
    assert all(
        len(bytes.fromhex(record[name])) == 32 for name in ("notice_hash", "record_hash", "previous_hash")
    )


async def test_saying_it_again_answers_200_and_the_standing_record(api: Api) -> None:
    """R8."""
    person = await api.person()
    first = await api.says(person, "newsletter", "withdraw")
    again = await api.says(person, "newsletter", "withdraw")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert "idempotency-replayed" not in again.headers


async def test_evidence_stands_only_in_the_record_that_is_asked_for_by_its_id(api: Api) -> None:
    """CORE 9: as it was sent, blanks and all."""
    person = await api.person()
    path = f"/v1/subjects/{person}/consents/newsletter/grant"
    answer = await api("POST", path, b'{"version": 1, "evidence": {"note" : "\\u00e6", "n": 1.50}}')
    assert "evidence" not in answer.json()["record"]
    history = await api("GET", f"/v1/subjects/{person}/records")
    assert history.json()["items"] == [answer.json()["record"]]
    one = await api("GET", f"/v1/records/{answer.json()['record']['record_id']}")
    assert one.json() == {**answer.json()["record"], "evidence": {"note": "æ", "n": 1.5}}
    assert b'{"note" : "\\u00e6", "n": 1.50}' in one.content
    refused = await api.says(person, "newsletter", "refuse")
    without = await api("GET", f"/v1/records/{refused.json()['record']['record_id']}")
    assert without.json()["evidence"] is None


#: What stands in the path, and the answer (R20, CORE 4).
PATHS = f"""
GET  | /v1/subjects/{UNKNOWN_ID}                                    | 404 not-found
GET  | /v1/subjects/no-uuid                                         | 404 not-found
GET  | /v1/subjects/00000000000070008000000000000000                | 404 not-found
GET  | /v1/subjects/{{PERSON}}                                      | 200
HEAD | /v1/subjects/{{PERSON}}                                      | 200
GET  | /v1/subjects/{{PERSON}}/                                     | 404 not-found
GET  | /v1//subjects/{{PERSON}}                                     | 404 not-found
GET  | /v1/subjects/{{UPPER}}                                       | 200
GET  | /v1/subjects/{{PERSON}}%00                                   | 404 not-found
GET  | /v1/subjects/{{PERSON}}/nothing                              | 404 not-found
GET  | /v1/subjects/{{PERSON}}/permissions/nothing                  | 404 not-found
GET  | /v1/subjects/{{PERSON}}/permissions/A%20B                    | 404 not-found
GET  | /v1/subjects/{{PERSON}}/permissions/%F0%9F%99%82             | 404 not-found
GET  | /v1/subjects/{{PERSON}}/permissions/newsletter%00            | 404 not-found
GET  | /v1/subjects/{UNKNOWN_ID}/permissions/newsletter             | 404 not-found
GET  | /v1/subjects/{UNKNOWN_ID}/records                            | 404 not-found
GET  | /v1/subjects/{UNKNOWN_ID}/identifiers                        | 404 not-found
GET  | /v1/records/{UNKNOWN_ID}                                     | 404 not-found
GET  | /v1/records/no-uuid                                          | 404 not-found
GET  | /v1/purposes/nothing                                         | 404 not-found
GET  | /v1/purposes/A%20B                                           | 404 not-found
GET  | /v1/purposes/newsletter/versions/2                           | 404 not-found
GET  | /v1/purposes/newsletter/versions/0                           | 404 not-found
GET  | /v1/purposes/newsletter/versions/01                          | 404 not-found
GET  | /v1/purposes/newsletter/versions/99999999999999999999        | 404 not-found
GET  | /v1/purposes/newsletter/draft                                | 404 not-found
GET  | /v1/*                                                        | 404 not-found
GET  | /v1/subjects/*                                               | 404 not-found
GET  | /v1/purposes/*                                               | 404 not-found
GET  | /v1                                                          | 404 not-found
GET  | /v2/subjects                                                 | 404 not-found
POST | /v1/subjects/{{PERSON}}/consents/newsletter/withdraw         | 201
POST | /v1/subjects/{{PERSON}}/consents/nothing/withdraw            | 404 not-found
POST | /v1/subjects/{{PERSON}}/consents/newsletter/expire           | 404 not-found
POST | /v1/subjects/{{PERSON}}/consents/newsletter/erase            | 404 not-found
POST | /v1/subjects/{{PERSON}}/consents/newsletter/agree            | 404 not-found
POST | /v1/subjects/{UNKNOWN_ID}/consents/newsletter/withdraw       | 404 not-found
POST | /v1/subjects/no-uuid/consents/newsletter/withdraw            | 404 not-found
POST | /v1/subjects/{{PERSON}}                                      | 405 method-not-allowed
"""


async def test_what_is_unknown_in_a_path_is_404(api: Api) -> None:
    person = await api.person()
    found = []
    for method, path, _ in rows(PATHS, 3):
        filled = path.replace("{PERSON}", person).replace("{UPPER}", person.upper())
        found.append((method, path, told(await api(method, filled))))
    assert found == rows(PATHS, 3)


async def test_a_decision_makes_a_person_once_and_records_all_or_nothing(api: Api) -> None:
    """CORE 10."""
    subject = {"identifiers": [api.somebody()]}
    refused = await api(
        "POST",
        "/v1/decisions",
        {
            "subject": subject,
            "decisions": [
                {"purpose": "newsletter", "command": "grant", "version": 1},
                {"purpose": "pixel", "command": "grant", "version": 1},
            ],
        },
    )
    assert told(refused) == "422 no-legal-basis /decisions/1"
    assert told(await api("POST", "/v1/subjects/lookup", subject)) == "404 not-found"
    decisions = [
        {"purpose": "newsletter", "command": "grant", "version": 1},
        {"purpose": "analytics", "command": "object"},
    ]
    made = await api("POST", "/v1/decisions", {"subject": subject, "decisions": decisions})
    assert made.status_code == 201
    body = made.json()
    assert set(body) == {"subject_id", "created", "records"}
    assert body["created"] is True
    assert [one["record"]["purpose"] for one in body["records"]] == ["newsletter", "analytics"]
    assert [one["record"]["sequence"] for one in body["records"]] == [1, 2]
    assert [one["permission"]["reason"] for one in body["records"]] == ["given", "objected"]
    again = await api("POST", "/v1/decisions", {"subject": subject, "decisions": decisions})
    assert again.status_code == 200
    assert again.json() == {**body, "created": False}
    by_id = {
        "subject": {"subject_id": body["subject_id"]},
        "decisions": [
            {"purpose": "newsletter", "command": "withdraw"},
            decisions[1],
        ],
    }
    mixed = await api("POST", "/v1/decisions", by_id)
    assert mixed.status_code == 201
    assert [one["record"]["sequence"] for one in mixed.json()["records"]] == [3, 2]


async def test_a_batch_of_permissions_answers_in_the_order_asked(api: Api) -> None:
    """CORE 11."""
    identifier, person = api.somebody(), await api.person()
    await api.says(person, "newsletter", "grant")
    known = (await api("POST", "/v1/subjects", {"identifiers": [identifier]})).json()["subject_id"]
    answer = await api(
        "POST",
        "/v1/permissions",
        {
            "queries": [
                {"identifier": identifier, "purpose": "contract"},
                {"subject_id": person, "purpose": "newsletter"},
                {"identifier": api.somebody(), "purpose": "newsletter"},
            ]
        },
    )
    assert answer.json() == {
        "answers": [
            {
                "subject_id": known,
                "purpose": "contract",
                "allowed": True,
                "reason": "not_consent_based",
                "status": "unknown",
                "version": 1,
                "until": None,
            },
            {
                "subject_id": person,
                "purpose": "newsletter",
                "allowed": True,
                "reason": "given",
                "status": "given",
                "version": 1,
                "until": None,
            },
            {
                "subject_id": None,
                "purpose": "newsletter",
                "allowed": False,
                "reason": "no_record",
                "status": "unknown",
                "version": 1,
                "until": None,
            },
        ]
    }


async def test_as_of_tells_what_was_known_then(api: Api) -> None:
    """R18, on all three faces of it."""
    person = await api.person()
    granted = (await api.says(person, "newsletter", "grant")).json()["record"]
    await api.says(person, "newsletter", "withdraw")
    then = {"as_of": granted["recorded_at"]}
    one = await api("GET", f"/v1/subjects/{person}/permissions/newsletter", params=then)
    assert one.json()["reason"] == "given"
    state = await api("GET", f"/v1/subjects/{person}", params=then)
    assert [item["status"] for item in state.json()["consents"]] == ["given"]
    history = await api("GET", f"/v1/subjects/{person}/records", params=then)
    assert [item["command"] for item in history.json()["items"]] == ["grant"]
    query = {"subject_id": person, "purpose": "newsletter"}
    batch = await api("POST", "/v1/permissions", {"queries": [query], **then})
    assert batch.json()["answers"][0]["reason"] == "given"
    now = await api("GET", f"/v1/subjects/{person}/permissions/newsletter")
    assert now.json()["reason"] == "withdrawn"
    before = {"as_of": "2020-01-01T00:00:00Z"}
    single = await api("GET", f"/v1/subjects/{person}/permissions/newsletter", params=before)
    assert told(single) == "404 not-found"
    batch = await api("POST", "/v1/permissions", {"queries": [query], **before})
    assert told(batch) == "422 unknown-reference /queries/0/purpose"


async def test_a_subject_shows_what_stands_for_each_purpose_with_a_record(api: Api) -> None:
    person = await api.person()
    assert (await api("GET", f"/v1/subjects/{person}")).json() == {"subject_id": person, "consents": []}
    record = (await api.says(person, "newsletter", "grant", preferences={"topics": ["jobs"]})).json()[
        "record"
    ]
    assert (await api("GET", f"/v1/subjects/{person}")).json()["consents"] == [
        {
            "purpose": "newsletter",
            "status": "given",
            "version": 1,
            "since": record["effective_at"],
            "record_id": record["record_id"],
            "permission": record["permission"],
            "preferences": {"topics": ["jobs"]},
        }
    ]


async def test_a_history_is_read_page_by_page(api: Api) -> None:
    person = await api.person()
    for command in ("grant", "withdraw") * 3:
        await api.says(person, "newsletter", command)
    await api.says(person, "analytics", "object")
    seen: list[int] = []
    after: dict[str, str] = {}
    pages = 0
    while True:
        page = (await api("GET", f"/v1/subjects/{person}/records", params={"limit": "3", **after})).json()
        seen += [item["sequence"] for item in page["items"]]
        pages += 1
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert (seen, pages) == ([1, 2, 3, 4, 5, 6, 7], 3)
    only = await api("GET", f"/v1/subjects/{person}/records?purpose=analytics")
    assert [item["sequence"] for item in only.json()["items"]] == [7]


async def test_identifiers_are_linked_read_and_removed(api: Api) -> None:
    """CORE 13, R19."""
    person, visitor = await api.person(), api.somebody()
    email = {"type": "email", "value": f" Kari.{person}@Example.NO "}
    path = f"/v1/subjects/{person}/identifiers"
    first = await api("POST", path, {"identifiers": [email, visitor]})
    again = await api("POST", path, {"identifiers": [email]})
    assert (first.status_code, again.status_code) == (201, 200)
    assert [sorted(item) for item in first.json()["items"]] == [["identifier_id", "type"]] * 2
    assert again.json()["items"] == first.json()["items"][:1]
    listed: list[dict[str, str]] = []
    after: dict[str, str] = {}
    while True:
        page = (await api("GET", path, params={"limit": "2", **after})).json()
        listed += page["items"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert [item["type"] for item in listed] == ["visitor", "email", "visitor"]
    assert listed[1]["value"] == f"kari.{person}@example.no"
    assert set(listed[1]) == {"identifier_id", "type", "value", "linked_at"}
    found = await api("POST", "/v1/subjects/lookup", {"identifiers": [email]})
    assert found.json() == {"subject_id": person}
    removed = await api("DELETE", f"{path}/{listed[1]['identifier_id']}")
    assert (removed.status_code, removed.content) == (204, b"")
    assert told(await api("DELETE", f"{path}/{listed[1]['identifier_id']}")) == "404 not-found"
    assert told(await api("POST", "/v1/subjects/lookup", {"identifiers": [email]})) == "404 not-found"


async def test_a_person_is_found_or_made(api: Api) -> None:
    body = {
        "identifiers": [
            {"type": "external:crm", "value": "4711"},
            {"type": "phone", "value": "+47 22 33 44 55"},
        ]
    }
    made, found = await api("POST", "/v1/subjects", body), await api("POST", "/v1/subjects", body)
    assert (made.status_code, found.status_code) == (201, 200)
    assert made.json() == {"subject_id": made.json()["subject_id"], "created": True}
    assert found.json() == {**made.json(), "created": False}
