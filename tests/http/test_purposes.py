"""The catalogue over HTTP: published, read, drafted, listed (CORE 5, 15)."""

from __future__ import annotations

from tests.http.conftest import Api
from tests.http.tables import rows, told


async def test_a_purpose_is_published_read_and_drafted(api: Api) -> None:
    """CORE 5: the ETag is the version's number."""
    notices = {"nb": {"name": "Kurs", "description": "Vi minner deg om kurs."}}
    body = {"change": "material", "legal_bases": ["consent"], "notices": notices}
    path = "/v1/purposes/courses"
    first = await api("PUT", path, body)
    same = await api("PUT", path, body, headers={"if-match": '"1"'})
    assert (first.status_code, same.status_code) == (201, 200)
    assert first.json() == same.json()
    assert first.headers["etag"] == same.headers["etag"] == '"1"'
    draft = await api("PUT", f"{path}?draft=true", {**body, "renew_after": "P1Y"})
    assert (draft.status_code, draft.json()["status"], "etag" in draft.headers) == (201, "draft", False)
    assert (await api("GET", f"{path}/draft")).json() == draft.json()
    assert (await api("GET", path)).json()["renew_after"] is None
    second = await api("PUT", path, {**body, "renew_after": "P1Y"}, headers={"if-match": '"1"'})
    assert (second.status_code, second.headers["etag"]) == (201, '"2"')
    stale = await api("PUT", path, {**body, "renew_after": "P2Y"}, headers={"if-match": '"1"'})
    assert told(stale) == "412 version-mismatch"
    assert (await api("GET", f"{path}/versions/1")).json()["version"] == 1
    assert (await api("GET", path)).json()["version"] == 2


async def test_R33_a_purpose_tells_the_terms_in_effect_and_those_to_come(api: Api) -> None:
    """Without Kafka, consumers judge permissions by these."""
    notices = {"nb": {"name": "Møter", "description": "Vi minner deg om møter."}}
    body = {"change": "material", "legal_bases": ["legitimate_interests"], "notices": notices}
    path = "/v1/purposes/meetings"
    await api("PUT", path, body)
    draft = await api("PUT", f"{path}?draft=true", {**body, "renew_after": "P1Y"})
    later = {**body, "legal_bases": ["consent"], "effective_from": "2999-01-01T00:00:00Z"}
    await api("PUT", path, later)

    item = (await api("GET", path)).json()

    assert (item["version"], draft.json()["terms"]) == (1, [])
    members = ("version", "default_allowed", "default_reason", "oldest_valid_version")
    assert [[terms[name] for name in members] for terms in item["terms"]] == [
        [1, True, "legitimate_interest", 1],
        [2, False, "no_record", 2],
    ]
    assert item["terms"][1]["effective_from"] == "2999-01-01T00:00:00Z"


#: What an If-Match or a draft may be.
PUTS = """
if-match: "x"       | 400 invalid-request If-Match
if-match: 1         | 400 invalid-request If-Match
if-match: W/"1"     | 400 invalid-request If-Match
if-match: *         | 400 invalid-request If-Match
if-match: "0"       | 400 invalid-request If-Match
?draft=yes          | 400 invalid-request draft
?draft=             | 400 invalid-request draft
"""


async def test_a_put_that_is_not_well_formed_changes_nothing(api: Api) -> None:
    found = []
    for how, _ in rows(PUTS, 2):
        name, _, value = how.partition(": ")
        headers = {name: value} if value else {}
        query = "" if value else how
        found.append((how, told(await api("PUT", f"/v1/purposes/never{query}", {}, headers=headers))))
    assert found == rows(PUTS, 2)
    assert told(await api("GET", "/v1/purposes/never")) == "404 not-found"
    unknown = await api("PUT", "/v1/purposes/never", {"colour": "red"})
    assert told(unknown) == "400 invalid-request /colour"
    nested = await api("PUT", "/v1/purposes/never", {"recipients": [{"slug": "brevo", "colour": "red"}]})
    assert told(nested) == "400 invalid-request /recipients/0/colour"


async def test_purposes_are_listed_page_by_page(api: Api) -> None:
    first = (await api("GET", "/v1/purposes?limit=4", controller="sonh")).json()
    rest = (await api("GET", f"/v1/purposes?limit=4&after={first['next']}", controller="sonh")).json()
    assert [item["purpose"] for item in first["items"]] == ["analytics", "contract", "hr-hub", "newsletter"]
    assert [item["purpose"] for item in rest["items"]] == ["old", "pixel"]
    assert [item["status"] for item in rest["items"]] == ["retired", "active"]
    assert rest["next"] is None


NOTICES = {"nb": {"name": "Kurs", "description": "Vi minner deg om kurs."}}
END = "9999-12-31T23:59:59.999999Z"


async def test_a_consent_for_ever_and_a_clock_at_its_end_can_be_read_again(api: Api) -> None:
    """R17: `until` and a browser's claim lie at the end of the calendar, and the person can still withdraw."""
    body = {"change": "material", "legal_bases": ["consent"], "notices": NOTICES, "renew_after": "P9999Y"}
    await api("PUT", "/v1/purposes/for-ever", body)
    person = await api.person()
    assert told(await api.says(person, "for-ever", "grant", channel="web", occurred_at=END)) == "201"
    for path in ("", "/records", "/permissions/for-ever"):
        assert told(await api("GET", f"/v1/subjects/{person}{path}")) == "200", path
    assert told(await api.says(person, "for-ever", "withdraw")) == "201"


async def test_a_version_takes_effect_before_the_end_of_the_calendar(api: Api) -> None:
    body = {"change": "material", "legal_bases": ["consent"], "notices": NOTICES}
    for moment in (END, "9999-12-31T23:59:59-14:00"):
        refused = await api("PUT", "/v1/purposes/one-day", {**body, "effective_from": moment})
        assert told(refused) == "422 invalid-value /effective_from"
    last = {**body, "effective_from": "9999-12-31T00:00:00Z"}
    assert told(await api("PUT", "/v1/purposes/one-day", last)) == "201"
    assert told(await api("GET", "/v1/purposes/one-day")) == "200"
