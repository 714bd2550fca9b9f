"""Every call of the client on a real service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from consent_client import ConsentClient
from consent_client.errors import Closed, Refused
from consent_client.http import client as module
from consent_client.http.asking import Decision, Query
from consent_client.words import Basis, Command, Reason, Status

from tests.clients.conftest import Place
from tests.clients.persons import somebody

PIXEL = "facebook-piksel"
NOBODY = UUID("00000000-0000-7000-8000-000000000000")


async def a_person(client: ConsentClient) -> UUID:
    return (await client.subject(somebody())).subject_id


async def test_a_person_is_made_once_and_found_again(client: ConsentClient) -> None:
    who = somebody()

    assert await client.find(who) is None
    made = await client.subject(who)
    assert made.created
    assert (await client.subject(who)).created is False
    assert await client.find(who) == made.subject_id


async def test_identifiers_are_linked_read_in_clear_and_removed(client: ConsentClient) -> None:
    who, more = somebody(), somebody()
    subject_id = (await client.subject(who)).subject_id

    await client.link(subject_id, more)
    linked = await client.identifiers(subject_id)
    assert [one.value for one in linked] == [who["email"], more["email"]]
    await client.unlink(subject_id, linked[0].identifier_id)
    assert [one.value for one in await client.identifiers(subject_id)] == [more["email"]]


async def test_a_look_up_is_remembered_and_absence_only_briefly(place: Place) -> None:
    who = somebody()
    async with ConsentClient(place.url, place.token(), remembered_s=300) as client:
        assert await client.resolve("email", who["email"]) is None
        made = await client.subject(who)
        found = await client.resolve("email", who["email"])
        assert found == made.subject_id
        # Somebody else removes it: this client does not hear of that.
        async with ConsentClient(place.url, place.token()) as other:
            [identifier] = await other.identifiers(made.subject_id)
            await other.unlink(made.subject_id, identifier.identifier_id)
            assert await other.resolve("email", who["email"]) is None
        assert await client.resolve("email", who["email"]) == made.subject_id
    async with ConsentClient(place.url, place.token(), remembered_s=0) as client:
        assert await client.resolve("email", who["email"]) is None
        await client.link(made.subject_id, who)
        assert await client.resolve("email", who["email"]) == made.subject_id


async def test_a_consent_is_given_withdrawn_and_read_back(client: ConsentClient, place: Place) -> None:
    subject_id = await a_person(client)

    given = await client.grant(subject_id, PIXEL, 1, language="nb", channel="web", source="form")
    assert (given.record.status, given.permission.allowed) == (Status.GIVEN, True)
    between = given.record.recorded_at
    withdrawn = await client.withdraw(subject_id, PIXEL, evidence={"reason": "too many"})
    assert withdrawn.record.sequence == 2

    now = await client.permission(subject_id, PIXEL)
    assert (now.allowed, now.reason, now.status) == (False, Reason.WITHDRAWN, Status.WITHDRAWN)
    then = await client.permission(subject_id, PIXEL, as_of=between)
    assert (then.allowed, then.reason) == (True, Reason.GIVEN)
    [stands] = await client.consents(subject_id)
    assert (stands.purpose, stands.status, stands.record_id) == (
        PIXEL,
        Status.WITHDRAWN,
        withdrawn.record.record_id,
    )
    [stood] = await client.consents(subject_id, as_of=between)
    assert stood.status is Status.GIVEN
    kept = await client.record(withdrawn.record.record_id)
    assert kept.evidence == {"reason": "too many"}
    assert (kept.previous_hash, kept.command) == (given.record.record_hash, Command.WITHDRAW)
    assert await place.records(subject_id) == 2


async def test_what_happened_earlier_is_told_with_its_time(client: ConsentClient) -> None:
    subject_id = await a_person(client)
    earlier = datetime.now(UTC) - timedelta(days=3)

    told = await client.command(
        subject_id, PIXEL, "withdraw", channel="phone", occurred_at=earlier, version=1
    )

    assert (told.record.occurred_at, told.record.effective_at) == (earlier, earlier)


async def test_decisions_are_all_or_none(client: ConsentClient) -> None:
    who = somebody()
    purposes = [purpose.purpose for purpose in await client.purposes()]
    refusals = [Decision(purpose=purpose, command=Command.REFUSE) for purpose in purposes]

    with pytest.raises(Refused) as refused:
        await client.decide(who, [Decision(purpose=PIXEL, command=Command.GRANT, version=99)])
    assert (refused.value.status, refused.value.type) == (422, "unknown-reference")
    assert [pointer for pointer, _ in refused.value.errors] == ["/decisions/0/version"]
    assert await client.find(who) is None

    possible = [one for one in refusals if one.purpose == PIXEL]
    decided = await client.decide(who, possible)
    assert (decided.created, decided.records[0].record.status) == (True, Status.REFUSED)
    again = await client.decide(decided.subject_id, possible)
    assert (again.created, again.records[0].record) == (False, decided.records[0].record)


async def test_many_permissions_are_answered_in_the_order_asked(client: ConsentClient) -> None:
    who = somebody()
    subject_id = (await client.subject(who)).subject_id
    await client.grant(subject_id, PIXEL, 1)

    answers = await client.permissions(
        [
            Query(PIXEL, identifier=("email", somebody()["email"])),
            Query(PIXEL, subject_id=subject_id),
            Query(PIXEL, identifier=("email", who["email"])),
        ]
    )

    assert [(one.subject_id, one.allowed) for one in answers] == [
        (None, False),
        (subject_id, True),
        (subject_id, True),
    ]


async def test_a_history_is_read_over_its_pages(
    client: ConsentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject_id = await a_person(client)
    for _ in range(3):
        await client.grant(subject_id, PIXEL, 1)
        await client.withdraw(subject_id, PIXEL)
    monkeypatch.setattr(module, "_PAGE_ITEMS", 2)

    assert [record.sequence async for record in client.records(subject_id)] == [1, 2, 3, 4, 5, 6]
    assert [record async for record in client.records(subject_id, "kontaktskjema")] == []


async def test_the_catalogue_is_read_as_versions(client: ConsentClient) -> None:
    listed = {purpose.purpose: purpose for purpose in await client.purposes()}
    pixel = await client.purpose(PIXEL)

    assert listed[PIXEL] == pixel
    assert pixel == await client.version(PIXEL, 1)
    assert pixel.legal_bases == (Basis.CONSENT,)
    assert pixel.notices["nb"].name
    with pytest.raises(Refused, match="404 not-found"):
        await client.version(PIXEL, 2)


async def test_what_the_service_refuses_is_told_in_its_words(client: ConsentClient) -> None:
    with pytest.raises(Refused) as refused:
        await client.grant(NOBODY, PIXEL, 1)
    assert (refused.value.status, refused.value.type) == (404, "not-found")
    subject_id = await a_person(client)
    with pytest.raises(Refused) as refused:
        await client.command(subject_id, PIXEL, "grant")
    assert (refused.value.status, refused.value.type) == (422, "invalid-value")
    assert refused.value.errors[0][0] == "/version"


async def test_an_address_that_is_no_consent_service_is_said(place: Place) -> None:
    async with ConsentClient(place.url + "/nowhere", place.token()) as client:
        with pytest.raises(Refused, match="404"):
            await client.purposes()
    with pytest.raises(ValueError, match="http://"):
        ConsentClient("localhost:8000", "")


async def test_a_client_that_was_closed_says_so(place: Place) -> None:
    async with ConsentClient(place.url, place.token()) as client:
        await client.purposes()
    with pytest.raises(Closed, match="closed"):
        await client.purposes()
    with pytest.raises(Closed):
        await anext(client.changes())
    with pytest.raises(Closed):
        await anext(client.states())
    with pytest.raises(Closed):
        async with client:
            pass
    await client.close()
