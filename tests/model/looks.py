"""What can be read, laid beside the book: permissions, what stands, history page by page, records, purposes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx

from tests.http.conftest import UNKNOWN_ID
from tests.http.tables import told
from tests.model.book import MOMENT, Book, Json, Person, agree, item, stamp
from tests.model.stage import Caller
from tests.model.stories import Look
from tests.usecases.recording import Clock

LONG_AGO = timedelta(days=5000)
LIMIT_MAX = 1000


class Looks:
    def __init__(self, caller: Caller, book: Book, clock: Clock, purposes: tuple[str, ...]) -> None:
        self._caller = caller
        self._book = book
        self._clock = clock
        self._purposes = purposes

    async def at(self, look: Look) -> None:
        """One look, as the story has it."""
        person, purpose = self._book.persons[look.person], self._purposes[look.purpose]
        as_of = self._moment(look)
        match look.what:
            case "permission":
                await self.permission(person, purpose, as_of)
            case "permissions":
                known = [one for one in self._purposes if one in self._book.purposes]
                await self.permissions([*known, purpose], as_of, by_id=look.just_before)
            case "subject":
                await self.subject(person, as_of)
            case "history":
                await self.history(person, purpose if look.just_before else None, as_of, look.limit)
            case "record":
                await self.record(person, look.limit)
            case _:
                await self.purpose(purpose, look.limit)

    async def everything(self) -> None:
        """At the end of a story: what stands is what was told, and every chain is whole."""
        known = [one for one in self._purposes if one in self._book.purposes]
        await self.permissions(known, None, by_id=all(person.subject_id for person in self._book.persons))
        for person in self._book.persons:
            await self.subject(person, None)
            await self.history(person, None, None, LIMIT_MAX)

    def _moment(self, look: Look) -> datetime | None:
        if look.as_of is None:
            return None
        if look.as_of < 0:
            return self._clock() + (timedelta(hours=1) if look.as_of == -1 else -LONG_AGO)
        moments = self._book.moments or [self._clock()]
        moment = moments[-1 - look.as_of % len(moments)]
        return moment - MOMENT if look.just_before else moment

    async def permission(self, person: Person, purpose: str, as_of: datetime | None) -> None:
        expected = self._book.permission(person, purpose, self._clock(), as_of)
        refusals = {"404 not-found"} if expected is None or person.subject_id is None else set()
        if self._ahead(as_of):
            refusals.add("422 invalid-value as_of")
        path = f"/v1/subjects/{person.subject_id or UNKNOWN_ID}/permissions/{purpose}"
        answer = await self._read(path, as_of, refusals)
        if answer is not None:
            agree(answer, expected)

    async def permissions(self, purposes: list[str], as_of: datetime | None, *, by_id: bool) -> None:
        """All of these for everybody; `by_id` also for those who have none, else by identifier."""
        queries: list[Json] = []
        expected: list[Json] = []
        refusals = set()
        for person in self._book.persons:
            for purpose in purposes:
                judged = self._book.permission(person, purpose, self._clock(), as_of)
                who: Json = {"identifier": person.identifier}
                if by_id:
                    who = {"subject_id": person.subject_id or UNKNOWN_ID}
                if judged is None:
                    refusals.add(f"422 unknown-reference /queries/{len(queries)}/purpose")
                if by_id and person.subject_id is None:
                    refusals.add(f"422 unknown-reference /queries/{len(queries)}/subject_id")
                queries.append({"purpose": purpose, **who})
                expected.append({"subject_id": person.subject_id, "purpose": purpose, **(judged or {})})
        if self._ahead(as_of):
            refusals.add("422 invalid-value /as_of")
        body: Json = {"queries": queries} | ({} if as_of is None else {"as_of": stamp(as_of)})
        answer = await self._caller("POST", "/v1/permissions", body)
        if self._readable(answer, refusals):
            agree(answer.json(), {"answers": expected})

    async def subject(self, person: Person, as_of: datetime | None) -> None:
        answer = await self._read_person(person, "", as_of)
        if answer is not None:
            consents = self._book.consents(person, self._clock(), as_of)
            agree(answer, {"subject_id": person.subject_id, "consents": consents})

    async def history(self, person: Person, purpose: str | None, as_of: datetime | None, limit: int) -> None:
        asked: Json = {"limit": limit} | ({} if purpose is None else {"purpose": purpose})
        expected = self._book.history(person, purpose, as_of)
        for start in range(0, max(1, len(expected)), limit):
            page = await self._read_person(person, "/records", as_of, **asked)
            if page is None:
                return
            agree(page["items"], expected[start : start + limit])
            agree(page["next"] is None, start + limit >= len(expected))
            asked["after"] = page["next"]

    async def record(self, person: Person, older: int) -> None:
        records = person.records[-older:]
        record_id = records[0]["record_id"] if records else UNKNOWN_ID
        answer = await self._read(f"/v1/records/{record_id}", None, set() if records else {"404 not-found"})
        if answer is not None:
            agree(answer, {**records[0], "evidence": person.evidence[record_id]})

    async def purpose(self, purpose: str, number: int) -> None:
        versions = self._book.purposes.get(purpose, [])
        path = f"/v1/purposes/{purpose}"
        answer = await self._read(path, None, set() if versions else {"404 not-found"})
        if answer is not None:
            current = self._book.current(purpose, self._clock())
            agree({name: answer[name] for name in item(versions, current)}, item(versions, current))
        known = number <= len(versions)
        answer = await self._read(f"{path}/versions/{number}", None, set() if known else {"404 not-found"})
        if answer is not None:
            expected = item(versions, versions[number - 1])
            agree({name: answer[name] for name in expected}, expected)

    async def _read_person(self, person: Person, what: str, as_of: datetime | None, **asked: Any) -> Any:
        refusals = {"404 not-found"} if person.subject_id is None else set()
        if self._ahead(as_of):
            refusals.add("422 invalid-value as_of")
        return await self._read(
            f"/v1/subjects/{person.subject_id or UNKNOWN_ID}{what}", as_of, refusals, **asked
        )

    async def _read(self, path: str, as_of: datetime | None, refusals: set[str], **asked: Any) -> Any:
        if as_of is not None:
            asked["as_of"] = stamp(as_of)
        answer = await self._caller("GET", path, params=asked)
        return answer.json() if self._readable(answer, refusals) else None

    def _ahead(self, as_of: datetime | None) -> bool:
        return as_of is not None and as_of > self._clock()

    def _readable(self, answer: httpx.Response, refusals: set[str]) -> bool:
        """Whether it is no refusal; a refusal must be one of these."""
        assert told(answer) in (refusals or {"200"}), f"{told(answer)}, not {refusals or 200}"
        return not refusals
