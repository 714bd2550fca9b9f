"""`ConsentClient`: the calls of `/v1`, typed."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from uuid import UUID

from consent_client.errors import NotUnderstood, Refused
from consent_client.http import asking, pages
from consent_client.http.answers import (
    Consent,
    Decided,
    Found,
    Identifier,
    Pending,
    Permission,
    PermissionAnswer,
    Propagation,
    PurposeItem,
    RecipientStanding,
    Record,
    Recorded,
    StatePage,
    SubjectAnswer,
)
from consent_client.http.asking import Claims, Decision, Identifiers, Query
from consent_client.http.changes import StatesAnswer, to_state
from consent_client.http.event_lines import check_place
from consent_client.http.exchange import Ask, Exchange
from consent_client.http.following import Following
from consent_client.http.reading import Reading
from consent_client.http.remembered import Remembered
from consent_client.http.tokens import Token
from consent_client.model import Acknowledgement, Change, SignOfLife
from consent_client.words import Command

Item = TypeVar("Item")
_PAGE_ITEMS = 1000
_GATHERED_MAX = 100_000

_read_subject = Reading(SubjectAnswer)
_read_found = Reading(Found)
_read_permission = Reading(Permission)
_read_permissions = Reading(pages.PermissionAnswers)
_read_consents = Reading(pages.Consents)
_read_recorded = Reading(Recorded)
_read_decided = Reading(Decided)
_read_record = Reading(Record)
_read_records = Reading(pages.RecordPage)
_read_identifiers = Reading(pages.IdentifierPage)
_read_purpose = Reading(PurposeItem)
_read_purposes = Reading(pages.PurposePage)
_read_states = Reading(StatesAnswer)
_read_propagation = Reading(Propagation)
_read_recipients = Reading(pages.RecipientPage)
_read_pending = Reading(pages.PendingPage)
_read_linked = Reading(pages.Linked)
_read_settled = Reading(pages.Settled)


class ConsentClient:
    """One service and the controller of one token: `async with ConsentClient(url, token) as client`.

    A call raises Refused where the service says no, Unavailable where it gave no answer after `tries` of at most
    `timeout_s` each, all within `deadline_s`; NotUnderstood, and Closed. Trying again records nothing twice.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        timeout_s: float = 10.0,
        deadline_s: float = 30.0,
        tries: int = 5,
        remembered_max: int = 10_000,
        remembered_s: float = 300.0,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        """`remembered_*` bound what `resolve` keeps; `verify` is how the service's certificate is checked."""
        self._exchange = Exchange(
            url, token, timeout_s=timeout_s, deadline_s=deadline_s, tries=tries, verify=verify
        )
        self._remembered = Remembered(count_max=remembered_max, age_s=remembered_s)

    async def __aenter__(self) -> Self:
        self._exchange.check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every connection. Closing again does nothing."""
        await self._exchange.close()

    # Persons

    async def subject(self, identifiers: Identifiers, *, traceparent: str | None = None) -> SubjectAnswer:
        """Find the person with these identifiers, or make one; those that nobody has yet are linked."""
        self._remembered.forget()
        body = {"identifiers": asking.identifiers_body(identifiers)}
        return _read_subject(await self._post("/v1/subjects", body, traceparent=traceparent))

    async def find(self, identifiers: Identifiers) -> UUID | None:
        """The person with these identifiers, or None."""
        body = {"identifiers": asking.identifiers_body(identifiers)}
        try:
            answer = await self._exchange.ask(Ask(method="POST", path="/v1/subjects/lookup", body=body))
        except Refused as refusal:
            if refusal.type == "not-found":
                return None
            raise
        return _read_found(answer).subject_id

    async def resolve(self, type: str, value: str) -> UUID | None:  # noqa: A002
        """As `find` for one identifier, from memory where it was asked lately."""
        known = self._remembered.get(type, value)
        if known is not None:
            return known[0]
        found = await self.find([(type, value)])
        self._remembered.keep(type, value, found)
        return found

    async def identifiers(self, subject_id: UUID) -> tuple[Identifier, ...]:
        """All identifiers in clear (scope `identifiers:read`); the service notes each reading."""
        path = "/v1/subjects/{}/identifiers"
        return await self._all(path, subject_id, reading=_read_identifiers)

    async def link(self, subject_id: UUID, identifiers: Identifiers) -> None:
        """Refused with `identifier-taken` where one is somebody else's."""
        self._remembered.forget()
        body = {"identifiers": asking.identifiers_body(identifiers)}
        _read_linked(await self._post("/v1/subjects/{}/identifiers", body, subject_id))

    async def unlink(self, subject_id: UUID, identifier_id: UUID) -> None:
        self._remembered.forget()
        path, parts = "/v1/subjects/{}/identifiers/{}", (subject_id, identifier_id)
        if await self._exchange.ask(Ask(method="DELETE", path=path, parts=parts)):
            raise NotUnderstood("the answer has a body where none belongs")

    # Commands

    async def command(
        self,
        /,
        subject_id: UUID,
        purpose: str,
        command: Command | str,
        *,
        version: int | None = None,
        traceparent: str | None = None,
        **claims: Unpack[Claims],
    ) -> Recorded:
        """One command on one purpose; `version` and `claims` as in Decision."""
        body = asking.decision_body(Decision(purpose=purpose, command=command, version=version, **claims))
        parts = (subject_id, body.pop("purpose"), body.pop("command"))
        path = "/v1/subjects/{}/consents/{}/{}"
        return _read_recorded(await self._post(path, body, *parts, traceparent=traceparent))

    async def grant(
        self,
        /,
        subject_id: UUID,
        purpose: str,
        version: int,
        *,
        traceparent: str | None = None,
        **claims: Unpack[Claims],
    ) -> Recorded:
        """`version` is the one whose text was shown."""
        return await self.command(
            subject_id, purpose, Command.GRANT, version=version, traceparent=traceparent, **claims
        )

    async def withdraw(
        self,
        /,
        subject_id: UUID,
        purpose: str,
        *,
        version: int | None = None,
        traceparent: str | None = None,
        **claims: Unpack[Claims],
    ) -> Recorded:
        """Always possible where the purpose rests on consent; said again, the standing record is the answer."""
        return await self.command(
            subject_id, purpose, Command.WITHDRAW, version=version, traceparent=traceparent, **claims
        )

    async def decide(
        self,
        subject: UUID | Identifiers,
        decisions: Iterable[Decision],
        *,
        traceparent: str | None = None,
    ) -> Decided:
        """Several commands of one person, all or none; identifiers that nobody has make a person."""
        if isinstance(subject, UUID):
            who: Mapping[str, Any] = {"subject_id": subject}
        else:
            self._remembered.forget()
            who = {"identifiers": asking.identifiers_body(subject)}
        body = {"subject": who, "decisions": [asking.decision_body(one) for one in decisions]}
        return _read_decided(await self._post("/v1/decisions", body, traceparent=traceparent))

    # Permissions and what stands

    async def permission(
        self, subject_id: UUID, purpose: str, *, as_of: datetime | None = None
    ) -> Permission:
        """May the purpose be pursued for the person, now or as was known at `as_of`."""
        path = "/v1/subjects/{}/permissions/{}"
        return _read_permission(await self._get(path, subject_id, purpose, **_moment(as_of)))

    async def permissions(
        self, queries: Iterable[Query], *, as_of: datetime | None = None
    ) -> tuple[PermissionAnswer, ...]:
        """Up to a thousand at one moment, in the order asked."""
        body: dict[str, Any] = {"queries": [asking.query_body(query) for query in queries]}
        if as_of is not None:
            body["as_of"] = as_of
        ask = Ask(method="POST", path="/v1/permissions", body=body)
        return _read_permissions(await self._exchange.ask(ask)).answers

    async def consents(self, subject_id: UUID, *, as_of: datetime | None = None) -> tuple[Consent, ...]:
        """What stands for each purpose that has a record."""
        answer = await self._get("/v1/subjects/{}", subject_id, **_moment(as_of))
        return _read_consents(answer).consents

    async def records(
        self, subject_id: UUID, purpose: str | None = None, *, as_of: datetime | None = None
    ) -> AsyncGenerator[Record, None]:
        """The history, oldest first, read page by page."""
        query = _moment(as_of)
        if purpose is not None:
            query["purpose"] = purpose
        path = "/v1/subjects/{}/records"
        async for record in self._pages(path, subject_id, reading=_read_records, **query):
            yield record

    async def record(self, record_id: UUID) -> Record:
        """One record with its evidence."""
        return _read_record(await self._get("/v1/records/{}", record_id))

    # Catalogue

    async def purposes(self) -> tuple[PurposeItem, ...]:
        """All purposes, each as its version in effect."""
        return await self._all("/v1/purposes", reading=_read_purposes)

    async def purpose(self, slug: str) -> PurposeItem:
        """The version in effect."""
        return _read_purpose(await self._get("/v1/purposes/{}", slug))

    async def version(self, slug: str, number: int) -> PurposeItem:
        """Any version ever published."""
        return _read_purpose(await self._get("/v1/purposes/{}/versions/{}", slug, number))

    # The stream

    async def states(self, *, limit: int = _PAGE_ITEMS) -> AsyncGenerator[StatePage, None]:
        """A snapshot of all that stands, page by page; then follow `changes(resume)`."""
        controller = await self._exchange.controller()
        query = {"limit": str(limit)}
        while True:
            page = _read_states(await self._get("/v1/states", **query))
            yield StatePage(
                tuple(to_state(body, controller) for body in page.items), check_place(page.resume)
            )
            if not pages.goes_on(page, query):
                return

    def changes(
        self, after: str | None = None, *, quiet_s: float = 40.0, patience_s: float | None = None
    ) -> AsyncGenerator[tuple[str, Change | SignOfLife], None]:
        """The changes behind the id `after`, or from now on, each with its id; in between signs of life.

        Goes on over every cut and end of the connection, also where nothing was heard for `quiet_s`. Keep the last id
        with your own data. Raises NoLongerKept where the stream cannot go on from there: read `states()` and
        go on from their `resume`. Raises Unavailable once nothing answers for `patience_s`; None waits for ever.
        """
        following = Following(self._exchange, after, quiet_s=quiet_s, patience_s=patience_s)
        return following.changes()

    # Recipients

    async def acknowledge(self, recipient: str, acknowledgements: Iterable[Acknowledgement]) -> None:
        """Tell what the recipient did about up to a thousand records, all or none; whose controller is the token's."""
        records = [asking.acknowledgement_body(one) for one in acknowledgements]
        body = {"recipient": recipient, "records": records}
        _read_settled(await self._post("/v1/acknowledgements", body))

    async def propagation(self, record_id: UUID) -> Propagation:
        """Which recipients owe an act on this record, and which have acted."""
        return _read_propagation(await self._get("/v1/records/{}/propagation", record_id))

    async def recipients(self) -> tuple[RecipientStanding, ...]:
        """Who is late, and with how much."""
        return await self._all("/v1/recipients", reading=_read_recipients)

    async def pending(self, recipient: str) -> AsyncGenerator[Pending, None]:
        """What the recipient has yet to act on, read page by page."""
        async for one in self._pages("/v1/recipients/{}/pending", recipient, reading=_read_pending):
            yield one

    # All of them

    async def _get(self, path: str, *parts: object, **query: str) -> bytes:
        return await self._exchange.ask(Ask(method="GET", path=path, parts=parts, query=query))

    async def _post(self, path: str, body: Any, *parts: object, traceparent: str | None = None) -> bytes:
        ask = Ask(method="POST", path=path, parts=parts, body=body, changing=True, traceparent=traceparent)
        return await self._exchange.ask(ask)

    async def _pages(
        self, path: str, *parts: object, reading: Callable[[bytes], pages.Page[Item]], **query: str
    ) -> AsyncGenerator[Item, None]:
        query["limit"] = str(_PAGE_ITEMS)
        while True:
            page = reading(await self._get(path, *parts, **query))
            for item in page.items:
                yield item
            if not pages.goes_on(page, query):
                return

    async def _all(
        self, path: str, *parts: object, reading: Callable[[bytes], pages.Page[Item]]
    ) -> tuple[Item, ...]:
        """Raises NotUnderstood where there are more than anybody has."""
        gathered: list[Item] = []
        async for item in self._pages(path, *parts, reading=reading):
            gathered.append(item)
            if len(gathered) > _GATHERED_MAX:
                raise NotUnderstood("the list goes on without end")
        return tuple(gathered)


def _moment(as_of: datetime | None) -> dict[str, str]:
    return {} if as_of is None else {"as_of": as_of.isoformat()}
