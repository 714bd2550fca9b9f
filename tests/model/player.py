"""Plays a story against a running service: every answer must be the book's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import httpx

from tests.builders import DAY_ZERO, day
from tests.domain.model import OFFERED, Said, Version
from tests.http.conftest import UNKNOWN_ID
from tests.http.tables import told
from tests.model.book import KEPT_FOR, Book, Expected, Json, Person, Telling, agree, content, item, stamp
from tests.model.looks import Looks
from tests.model.stage import Stage
from tests.model.stories import PERSONS, PURPOSES, Decide, Look, Publish, Repeat, Say, Saying, Step

NOTICES = {"nb": {"name": "Nyhetsbrev", "description": "Vi sender deg nyheter."}}
EVIDENCE = {"authority": "Datatilsynet", "reference": "26/00001"}


@dataclass(frozen=True)
class Sent:
    """What came with an idempotency key, and the answer that stands for it until it lapses (R24)."""

    key: str
    path: str
    body: Json
    answer: httpx.Response
    lapses_at: datetime


class Player:
    def __init__(self, stage: Stage, controller: str, purposes: tuple[str, ...]) -> None:
        self._clock = stage.clock
        self._caller = stage.caller(controller)
        self._purposes = purposes
        persons = [
            Person({"type": "email", "value": f"person-{number}@example.org"}) for number in range(PERSONS)
        ]
        self._book = Book(controller, persons)
        self._looks = Looks(self._caller, self._book, self._clock, purposes)
        self._sent: list[Sent] = []

    async def begins(self) -> None:
        """The purposes have been there for long; all persons but the last are known."""
        self._clock.moment = day(-1000)
        for purpose in self._purposes:
            if purpose in PURPOSES:
                bases, double, renew_days = PURPOSES[purpose]
                await self._publish(
                    purpose, self._version(bases, double, retired=False, renew_days=renew_days)
                )
        self._clock.moment = DAY_ZERO
        for person in self._book.persons[:-1]:
            answer = await self._caller("POST", "/v1/subjects", {"identifiers": [person.identifier]})
            agree((answer.status_code, answer.json()["created"]), (201, True))
            person.subject_id = answer.json()["subject_id"]

    async def takes(self, step: Step) -> None:
        self._clock.forward(hours=step.wait)
        match step:
            case Say():
                await self._says(step)
            case Decide():
                await self._decides(step)
            case Repeat():
                await self._repeats(step)
            case Publish():
                await self._publishes(step)
            case Look():
                await self._looks.at(step)

    async def ends(self) -> None:
        await self._looks.everything()

    async def _says(self, step: Say) -> None:
        person, purpose = self._book.persons[step.person], self._purposes[step.saying.purpose]
        body, telling = self._telling(step.saying)
        path = f"/v1/subjects/{person.subject_id or UNKNOWN_ID}/consents/{purpose}/{step.saying.command}"
        answer = await self._send(path, body, step.key)
        if answer is None:
            return
        if person.subject_id is None or purpose not in self._book.purposes:
            agree(told(answer), "404 not-found")
            return
        expected = self._book.hears(person, [telling], self._clock())
        if expected.refusals:
            self._refused(answer, expected)
        else:
            self._recorded(answer, person, expected, [answer.json()], [body])

    async def _decides(self, step: Decide) -> None:
        person = self._book.persons[step.person]
        bodies, tellings = zip(*(self._telling(saying) for saying in step.sayings), strict=True)
        decisions = [
            {**body, "purpose": telling.purpose, "command": telling.said.command}
            for body, telling in zip(bodies, tellings, strict=True)
        ]
        by_id = {"subject_id": person.subject_id or UNKNOWN_ID}
        subject = {"identifiers": [person.identifier]} if step.by_identifier else by_id
        answer = await self._send("/v1/decisions", {"subject": subject, "decisions": decisions}, step.key)
        if answer is None:
            return
        is_new = person.subject_id is None
        if is_new and not step.by_identifier:
            agree(told(answer), "422 unknown-reference /subject/subject_id")
            return
        if is_new and answer.is_success:
            person.subject_id = answer.json()["subject_id"]
        expected = self._book.hears(person, tellings, self._clock())
        if expected.refusals:
            self._refused(answer, expected, in_list=True)
            return
        agree((answer.json()["subject_id"], answer.json()["created"]), (person.subject_id, is_new))
        self._recorded(answer, person, expected, answer.json()["records"], bodies)

    def _telling(self, saying: Saying) -> tuple[Json, Telling]:
        """A command's body, and what it says."""
        now, purpose = self._clock(), self._purposes[saying.purpose]
        known = purpose in self._book.purposes
        current = self._book.current(purpose, now).number if known else 1
        version = None if saying.older is None else max(1, current - saying.older)
        occurred = None if saying.back is None else now - timedelta(hours=saying.back)
        body = {
            "channel": saying.channel,
            "version": version,
            "occurred_at": stamp(occurred),
            "preferences": None if saying.topic is None else {"topics": [saying.topic]},
            "evidence": EVIDENCE if saying.evidence else None,
        }
        said = Said(saying.command, saying.channel, now, version, occurred, saying.evidence, saying.topic)
        return {name: value for name, value in body.items() if value is not None}, Telling(purpose, said)

    async def _send(self, path: str, body: Json, key: str | None) -> httpx.Response | None:
        """The answer, unless an earlier one stands for the key: then it must be that one again."""
        standing = next((one for one in self._sent if one.key == key and self._clock() < one.lapses_at), None)
        answer = await self._caller("POST", path, body, key=key)
        replayed = answer.headers.get("idempotency-replayed")
        if standing is None:
            agree(replayed, None)
            if key is not None and answer.status_code in (200, 201, 409, 422):
                self._sent.insert(0, Sent(key, path, body, answer, self._clock() + KEPT_FOR))
            return answer
        if (standing.path, standing.body) == (path, body):
            first = standing.answer
            agree((answer.status_code, answer.json(), replayed), (first.status_code, first.json(), "true"))
        else:
            agree((told(answer), replayed), ("422 idempotency-key-reuse", None))
        return None

    async def _repeats(self, step: Repeat) -> None:
        """Only while its answer stands; what it would say after that is not what it said."""
        standing = [one for one in self._sent if self._clock() < one.lapses_at]
        if standing:
            sent = standing[step.older % len(standing)]
            await self._send(sent.path, sent.body, sent.key)

    def _refused(self, answer: httpx.Response, expected: Expected, *, in_list: bool = False) -> None:
        status, slug, *pointers = told(answer).split()
        assert f"{status} {slug}" in expected.refusals, f"{told(answer)}, not {sorted(expected.refusals)}"
        if in_list:
            places = [int(pointer.split("/")[2]) for pointer in pointers]
            agree(places, list(expected.refused))
        members = expected.members.get(f"{status} {slug}", {})
        agree({name: answer.json().get(name) for name in members}, members)

    def _recorded(
        self,
        answer: httpx.Response,
        person: Person,
        expected: Expected,
        results: Sequence[Json],
        bodies: Sequence[Json],
    ) -> None:
        agree((answer.status_code, len(results)), (expected.status, len(expected.records)))
        for result, body, (record, permission, is_new) in zip(results, bodies, expected.records, strict=True):
            hashes: Json = {}
            if is_new:
                hashes = {name: result["record"].get(name) for name in ("record_id", "record_hash")}
                hashes["previous_hash"] = self._book.last_hash(person)
            agree(result, {"record": record | hashes, "permission": permission})
            if is_new:
                person.records.append(result["record"])
                person.evidence[result["record"]["record_id"]] = body.get("evidence")

    async def _publishes(self, step: Publish) -> None:
        now, purpose = self._clock(), self._purposes[step.purpose]
        versions = self._book.purposes.get(purpose)
        latest = versions[-1] if versions else self._version(frozenset({"consent"}))
        starts = None if step.delay is None else now + timedelta(hours=step.delay)
        asked = self._version(
            latest.bases if step.bases is None else step.bases,
            latest.double if step.double is None else step.double,
            retired=latest.retired if step.retired is None else step.retired,
            renew_days=step.renew_days or latest.renew_days,
        )
        if_match = None if step.if_match is None else max(1, len(versions or ()) - step.if_match)
        await self._publish(purpose, asked, step.change, starts, if_match)

    def _version(
        self,
        bases: frozenset[str],
        double: bool = False,
        *,
        retired: bool = False,
        renew_days: int | None = None,
    ) -> Version:
        now = self._clock()
        return Version(
            number=0,
            bases=bases,
            material=True,
            starts=now,
            double=double,
            retired=retired,
            renew_days=renew_days,
            confirm_days=3,
            published=now,
        )

    async def _publish(
        self,
        purpose: str,
        asked: Version,
        change: str | None = None,
        starts: datetime | None = None,
        if_match: int | None = None,
    ) -> None:
        asked = replace(asked, material=change != "editorial", starts=starts or asked.starts)
        body = {
            **content(asked),
            "notices": NOTICES,
            "preferences": {"topics": sorted(OFFERED)},
            **({} if change is None else {"change": change}),
            **({} if starts is None else {"effective_from": stamp(starts)}),
        }
        headers = {} if if_match is None else {"if-match": f'"{if_match}"'}
        answer = await self._caller("PUT", f"/v1/purposes/{purpose}", body, headers=headers)
        status, refusals = self._book.publishes(purpose, asked, change, starts, if_match)
        if refusals:
            found = " ".join(told(answer).split()[:2])
            assert found in refusals, f"{told(answer)}, not {sorted(refusals)}"
            return
        versions = self._book.purposes[purpose]
        expected = item(versions, versions[-1])
        agree(answer.status_code, status)
        agree({name: answer.json().get(name) for name in expected}, expected)
        agree(answer.headers["etag"], f'"{len(versions)}"')
