"""A second reading of the interface: what every call must answer, out of what was said and answered before.

What one person's commands on one purpose lead to is told by the lifecycle's second reading, `tests/domain/model.py`.
Nothing here is taken from the service.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pprint import pformat
from typing import Any

from tests.domain.model import Heard, Model, Permission, Reads, Said, Version

KEPT_FOR = timedelta(hours=48)
MOMENT = timedelta(microseconds=1)
ACTOR = "web-shop"
Json = dict[str, Any]


@dataclass(frozen=True)
class Telling:
    """A command as it is sent: `said` without the time and the place that the ledger gives it."""

    purpose: str
    said: Said


@dataclass(frozen=True)
class Expected:
    """An answer: its records, each with the permission beside it, and whether each is new. Or a refusal: any of these
    (`422 invalid-value`), with the places of all elements that are refused, and the members it may have."""

    status: int = 0
    records: Sequence[tuple[Json, Json, bool]] = ()
    refusals: frozenset[str] = frozenset()
    refused: Sequence[int] = ()
    members: Json = field(default_factory=dict)


@dataclass
class Person:
    """`records` are as they were answered; `subject_id` is None while nobody has heard of the person."""

    identifier: Json
    subject_id: str | None = None
    pairs: dict[str, Model] = field(default_factory=dict)
    records: list[Json] = field(default_factory=list)
    evidence: dict[str, Json | None] = field(default_factory=dict)
    last_recorded_at: datetime | None = None


def stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def agree(found: object, expected: object) -> None:
    assert found == expected, f"answered:\n{pformat(found)}\nexpected:\n{pformat(expected)}"


def shown(permission: Permission) -> Json:
    return {**vars(permission), "until": stamp(permission.until)}


def chosen(topic: str | None) -> Json | None:
    return None if topic is None else {"topics": [topic]}


class Book:
    """One controller's. `moments` are those at which anything was recorded or published, in order."""

    def __init__(self, controller: str, persons: list[Person]) -> None:
        self.controller = controller
        self.persons = persons
        self.purposes: dict[str, list[Version]] = {}
        self.moments: list[datetime] = []

    def current(self, purpose: str, now: datetime) -> Version:
        return Model(self.purposes[purpose]).current(now)

    def hears(self, person: Person, tellings: Sequence[Telling], now: datetime) -> Expected:
        """What these commands lead to, all of them or none (CORE 9, 10)."""
        told = {purpose: len(pair.told) for purpose, pair in person.pairs.items()}
        last, sequence = person.last_recorded_at, len(person.records)
        results: list[tuple[Telling, Heard, datetime]] = []
        records: list[tuple[Json, Json, bool]] = []
        for telling in tellings:
            at = now if last is None else max(now, last + MOMENT)
            heard = self._heard(person, telling, at, sequence + 1)
            results.append((telling, heard, at))
            if heard.said is not None:
                last, sequence = at, sequence + 1
            if not heard.types:
                records.append(self._record(person, telling.purpose, heard, at))
        refused = [place for place, (_, heard, _) in enumerate(results) if heard.types]
        if refused:
            members = self._members(*results[refused[0]])
            for purpose, pair in person.pairs.items():
                del pair.told[told.get(purpose, 0) :]
            first = results[refused[0]][1]
            return Expected(
                refusals=frozenset(f"{first.result} {one}" for one in first.types),
                refused=refused,
                members=members,
            )
        if last is not None and last != person.last_recorded_at:
            self.moments.append(last)
        person.last_recorded_at = last
        return Expected(status=201 if any(new for *_, new in records) else 200, records=records)

    def _pair(self, person: Person, purpose: str) -> Model:
        return person.pairs.setdefault(purpose, Model(self.purposes[purpose]))

    def _heard(self, person: Person, telling: Telling, at: datetime, sequence: int) -> Heard:
        if telling.purpose not in self.purposes:
            return Heard("422", frozenset({"unknown-reference"}))
        said = replace(telling.said, now=at, sequence=sequence)
        return self._pair(person, telling.purpose).hears(said)

    def _record(self, person: Person, purpose: str, heard: Heard, at: datetime) -> tuple[Json, Json, bool]:
        """A new record but for its hashes and id, or the standing one, word for word."""
        pair = person.pairs[purpose]
        permission = shown(pair.permission(at))
        said = heard.said
        if said is None:
            assert heard.sequence is not None
            return person.records[heard.sequence - 1], permission, False
        reads = pair.reads(at)
        record = {
            "subject_id": person.subject_id,
            "purpose": purpose,
            "version": said.version,
            "sequence": said.sequence,
            "command": said.command,
            "status": reads.status,
            "recorded_at": stamp(at),
            "occurred_at": stamp(said.occurred),
            "effective_at": stamp(said.at),
            "until": stamp(reads.until),
            "language": None,
            "notice_hash": None,
            "channel": said.channel,
            "source": None,
            "preferences": chosen(said.topic),
            "permission": permission,
            "superseded": heard.result == "superseded",
            "cause": "authority" if said.command == "invalidate" else None,
            "choice_id": None,
            "actor": ACTOR,
        }
        return record, permission, True

    def _members(self, telling: Telling, heard: Heard, at: datetime) -> Json:
        if heard.result != "409":
            return {}
        first = "confirm" if heard.status == "requested" else "request"
        return {
            "409 version-overtaken": {"current_version": self.current(telling.purpose, at).number},
            "409 confirmation-needed": {"possible": [first]},
        }

    def last_hash(self, person: Person) -> str:
        """What the next record must have as its `previous_hash` (CORE 18)."""
        if person.records:
            return str(person.records[-1]["record_hash"])
        return sha256(f"consent-ledger:1\0{self.controller}\0{person.subject_id}".encode()).hexdigest()

    def permission(self, person: Person, purpose: str, now: datetime, as_of: datetime | None) -> Json | None:
        """None where there was no such purpose yet (R18, CORE 11)."""
        versions = self.purposes.get(purpose)
        if versions is None or (as_of is not None and as_of < versions[0].published):
            return None
        pair = person.pairs.get(purpose, Model(versions))
        return shown(pair.permission(now) if as_of is None else pair.known_at(as_of).permission(as_of))

    def consents(self, person: Person, now: datetime, as_of: datetime | None) -> list[Json]:
        found = []
        for purpose, pair in sorted(person.pairs.items()):
            known = pair if as_of is None else pair.known_at(as_of)
            if known.told:
                at = as_of or now
                found.append(self._consent(person, purpose, known.reads(at), known.permission(at)))
        return found

    def _consent(self, person: Person, purpose: str, reads: Reads, permission: Permission) -> Json:
        standing = None if reads.sequence is None else person.records[reads.sequence - 1]
        return {
            "purpose": purpose,
            "status": reads.status,
            "version": permission.version,
            "since": stamp(reads.since),
            "record_id": standing and standing["record_id"],
            "permission": shown(permission),
            "preferences": chosen(reads.topic),
        }

    def history(self, person: Person, purpose: str | None, as_of: datetime | None) -> list[Json]:
        return [
            record
            for record in person.records
            if purpose in (None, record["purpose"])
            and (as_of is None or datetime.fromisoformat(record["recorded_at"]) <= as_of)
        ]

    def publishes(
        self,
        purpose: str,
        asked: Version,
        change: str | None,
        starts: datetime | None,
        if_match: int | None,
    ) -> tuple[int, frozenset[str]]:
        """The status, or the refusals of which each would be right (R4, CORE 5). A new version is kept."""
        now, versions = asked.published, self.purposes.get(purpose, [])
        latest = versions[-1] if versions else None
        differs = latest is None or content(latest) != content(asked)
        reasons = {"422 invalid-value": asked.double and "consent" not in asked.bases}
        if differs and latest is not None:
            reasons["422 invalid-value"] |= change is None or asked.starts < latest.starts
            reasons["422 must-be-material"] = change == "editorial" and asked.bases != latest.bases
        if differs and starts is not None:
            reasons["422 invalid-value"] |= starts < now
        known = (None, len(versions), self.current(purpose, now).number) if versions else (None,)
        if not any(reasons.values()):
            reasons["412 version-mismatch"] = if_match not in known
        refusals = frozenset(reason for reason, applies in reasons.items() if applies)
        if refusals or not differs:
            return 200, refusals
        number, material = len(versions) + 1, asked.material or latest is None
        self.purposes.setdefault(purpose, []).append(replace(asked, number=number, material=material))
        self.moments.append(now)
        return 201, frozenset()


def item(versions: Sequence[Version], version: Version) -> Json:
    """A version as it is shown, its fixed texts left out (CORE 15)."""
    return {
        "version": version.number,
        "latest_version": len(versions),
        "status": "retired" if version.retired else "active",
        "change": "material" if version.material else "editorial",
        "effective_from": stamp(version.starts),
        "published_at": stamp(version.published),
        **content(version),
    }


def content(version: Version) -> Json:
    return {
        "legal_bases": sorted(version.bases),
        "confirmation": "double_opt_in" if version.double else "none",
        "confirm_within": f"P{version.confirm_days}D",
        "renew_after": version.renew_days and f"P{version.renew_days}D",
        "retired": version.retired,
    }
