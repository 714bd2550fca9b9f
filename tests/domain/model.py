"""A second, slower reading of CORE 1 to 8, for comparison: no table, no stored state, endings as events of their own.

For every question all that was told is played again from the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

AGREED = {"given", "renewed"}
OPEN = AGREED | {"requested"}
OWN_NO = {"refused", "withdrawn", "objected"}
INTAKE = {"request", "confirm", "grant", "defer", "prefer", "lift-objection"}
SHOWN = {"grant", "request"}
DATED = {"import", "paper", "phone", "email", "system"}
UNPROVEN = {"web", "api", "email"}
OFFERED = {"jobs", "news"}


@dataclass(frozen=True)
class Version:
    number: int
    bases: frozenset[str]
    material: bool
    starts: datetime
    double: bool
    retired: bool
    renew_days: int | None
    confirm_days: int


@dataclass(frozen=True)
class Said:
    """What was claimed; once told, `at` is its place in history and `bases` those of the day it was told."""

    command: str
    channel: str
    now: datetime
    version: int | None
    occurred: datetime | None
    evidence: bool
    topic: str | None
    by_the_service: bool = False
    at: datetime | None = None
    bases: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reads:
    status: str = "unknown"
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    topic: str | None = None
    lifted: bool = False


@dataclass
class Model:
    versions: list[Version]
    told: list[Said] = field(default_factory=list)

    def current(self, at: datetime) -> Version:
        return max((v for v in self.versions if v.starts <= at), key=lambda v: v.number)

    def change_after(self, number: int, at: datetime) -> datetime | None:
        starts = [v.starts for v in self.versions if v.number > number and v.material and v.starts <= at]
        return min(starts, default=None)

    def reads(self, at: datetime, told: list[Said] | None = None) -> Reads:
        here = Reads()
        facts = self.told if told is None else told
        for said in sorted(facts, key=lambda said: said.at or said.now):
            assert said.at is not None
            here = self.ended(here, said.at)
            here = self.after(here, said)
        return self.ended(here, at)

    def ended(self, here: Reads, at: datetime) -> Reads:
        if here.status not in OPEN or here.version is None:
            return here
        ends: list[tuple[datetime, int, str]] = []
        if here.until is not None and here.until <= at:
            ends.append((here.until, 0, "expired"))
        changed = self.change_after(here.version, at)
        if changed is not None:
            ends.append((changed, 1, "invalidated"))
        if not ends:
            return here
        moment, _, status = min(ends)
        return replace(here, status=status, since=moment, until=None)

    def after(self, here: Reads, said: Said) -> Reads:
        result = effect(said.bases, here, said)
        topic = said.topic or here.topic
        if said.by_the_service or result.startswith(("=", "4")):
            return here
        if result == "preferred":
            return replace(here, topic=topic)
        assert said.version is not None and said.at is not None
        version = self.versions[said.version - 1]
        days = {"given": version.renew_days, "renewed": version.renew_days, "requested": version.confirm_days}
        term = days.get(result)
        return Reads(
            status=result,
            version=said.version,
            since=None if result == "unknown" else said.at,
            until=None if term is None else said.at + timedelta(days=term),
            topic=topic,
            lifted=said.command == "lift-objection",
        )

    def hears(self, said: Said) -> str:
        """`new`, `superseded`, `=`, `422` or `409`; a new one is kept."""
        at = min(said.occurred, said.now) if said.occurred and said.channel in DATED else said.now
        late = any(at < (earlier.at or at) for earlier in self.told)
        here = self.reads(at, [earlier for earlier in self.told if (earlier.at or at) <= at])
        current = self.current(said.now)
        number = said.version or (
            here.version if here.status in OPEN or said.by_the_service else current.number
        )
        said_here = replace(said, at=at, version=number, bases=current.bases)
        result = "own" if said.by_the_service else effect(current.bases, here, said_here)
        assert number is not None
        if result.startswith("422") or self.unacceptable(said, self.versions[number - 1], here, late=late):
            return "422"
        if self.not_now(said_here, self.versions[number - 1], current, result, late=late):
            return "409"
        if result == "=" and not late:
            return "="
        before = self.visible(said.now)
        self.told.append(said_here)
        return "superseded" if late and before == self.visible(said.now) else "new"

    def visible(self, now: datetime) -> Reads:
        here = self.reads(now)
        return replace(
            here, since=None, lifted=False, version=here.version if here.status != "unknown" else None
        )

    def unacceptable(self, said: Said, version: Version, here: Reads, *, late: bool) -> bool:
        ahead = said.occurred is not None and said.occurred > said.now + timedelta(minutes=5)
        unproven = version.double and (late or said.channel in ("paper", "phone"))
        return (
            (said.command in SHOWN and (said.version is None or version.starts > said.now))
            or (ahead and said.channel != "web")
            or (said.topic is None and said.command == "prefer")
            or (said.topic is not None and said.topic not in OFFERED)
            or (said.command == "confirm" and here.status == "requested" and version.number != here.version)
            or (said.command == "invalidate" and not said.evidence and not said.by_the_service)
            or (said.command == "grant" and not said.evidence and (said.channel == "import" or unproven))
        )

    def not_now(self, said: Said, version: Version, current: Version, result: str, *, late: bool) -> bool:
        assert said.at is not None
        if said.command in SHOWN and self.change_after(version.number, said.at) is not None:
            return True
        if late:
            return False
        unconfirmed = said.command == "grant" and result == "given" and said.channel in UNPROVEN
        return (
            result.startswith("409")
            or (current.retired and said.command in INTAKE)
            or (unconfirmed and version.double)
        )

    def allowed(self, at: datetime) -> bool:
        bases, status = self.current(at).bases, self.reads(at).status
        if not bases:
            return False
        if "consent" in bases:
            return status in AGREED
        return bases != {"legitimate_interests"} or status in ("unknown", "deferred")


def effect(bases: frozenset[str], here: Reads, said: Said) -> str:
    """The status that it leads to, `preferred`, `=` where it says nothing new, or why it is refused."""
    consent, interests = "consent" in bases, "legitimate_interests" in bases
    if said.command == "prefer":
        return "=" if said.topic is not None and said.topic == here.topic else "preferred"
    if said.command == "object":
        return "422" if not interests else "=" if here.status == "objected" else "objected"
    if said.command == "lift-objection":
        if here.status == "unknown" and here.lifted:
            return "="
        if here.status == "objected":
            return "unknown"
        if not interests:
            return "422"
        return "409" if consent or here.status == "unknown" else "unknown"
    if bases and not consent:
        return "422"
    if not bases and said.command in ("request", "confirm", "grant"):
        return "422"
    return effect_on_consent(here, said)


def effect_on_consent(here: Reads, said: Said) -> str:
    match said.command:
        case "withdraw":
            return "=" if here.status in OWN_NO else "withdrawn"
        case "refuse" if here.status not in OWN_NO:
            return "withdrawn" if here.status in AGREED else "refused"
        case "revoke" if here.status not in OWN_NO | {"revoked"}:
            return "revoked"
        case "defer" if here.status in ("unknown", "revoked", "expired", "invalidated"):
            return "deferred"
        case "invalidate" if here.status == "unknown":
            return "409"
        case "invalidate" if here.status in OPEN:
            return "invalidated"
        case "confirm" if here.status not in AGREED:
            return "given" if here.status == "requested" else "409"
        case "request" if here.status not in AGREED:
            return "=" if here.status == "requested" and here.version == said.version else "requested"
        case "grant" if here.status not in AGREED:
            return "given"
        case "grant":
            assert said.at is not None and here.since is not None
            same = here.version == said.version and said.topic in (None, here.topic)
            return "=" if same and said.at - here.since < timedelta(days=1) else "renewed"
        case _:
            return "="
