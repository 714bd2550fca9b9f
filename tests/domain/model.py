"""A second, slower reading of CORE 1 to 8, for comparison: no table, no stored state, endings as events of their own.

For every question all that was told is played again from the beginning. Of a refusal it names every problem type
that would be right: which of several reasons is told first is nowhere ruled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

AGREED = {"given", "renewed"}
OPEN = AGREED | {"requested"}
OWN_NO = {"refused", "withdrawn", "objected"}
INTAKE = {"request", "confirm", "grant", "defer", "prefer", "lift-objection"}
CONSENTING = {"request", "confirm", "grant", "defer", "invalidate"}
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
    published: datetime


@dataclass(frozen=True)
class Said:
    """What was claimed; once told, `at` is its place in history, `governing` the version of the day it was told and
    `bases` that one's."""

    command: str
    channel: str
    now: datetime
    version: int | None
    occurred: datetime | None
    evidence: bool
    topic: str | None
    by_the_service: bool = False
    sequence: int = 0
    at: datetime | None = None
    governing: int | None = None
    bases: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reads:
    """What stands; `sequence` is of the record that set the status, `topic_sequence` of the one that set the topic."""

    status: str = "unknown"
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    topic: str | None = None
    lifted: bool = False
    sequence: int | None = None
    topic_sequence: int | None = None


@dataclass(frozen=True)
class Heard:
    """What came of it: `new`, `superseded`, `=`, `422` or `409`.

    `types` are the problem types of a refusal and `status` what stood at the fact's own time, `said` is a new fact as
    it was kept, `sequence` the record that stands where nothing new was said.
    """

    result: str
    types: frozenset[str] = frozenset()
    status: str | None = None
    said: Said | None = None
    sequence: int | None = None


@dataclass(frozen=True)
class Permission:
    allowed: bool
    reason: str
    status: str
    version: int | None
    until: datetime | None


@dataclass
class Model:
    versions: list[Version]
    told: list[Said] = field(default_factory=list)

    def current(self, at: datetime) -> Version:
        begun = [v for v in self.versions if v.starts <= at]
        return max(begun, key=lambda v: v.number, default=self.versions[0])

    def known_at(self, at: datetime) -> Model:
        """R18: what was published and told by then."""
        published = [v for v in self.versions if v.published <= at]
        return Model(published or self.versions[:1], [said for said in self.told if said.now <= at])

    def change_after(self, number: int, at: datetime, known: int | None = None) -> datetime | None:
        """When a later version first changed something; with `known`, of those up to that one."""
        last = len(self.versions) if known is None else known
        starts = [v.starts for v in self.versions[number:last] if v.material and v.starts <= at]
        return min(starts, default=None)

    def reads(self, at: datetime, told: list[Said] | None = None) -> Reads:
        here = Reads()
        facts = self.told if told is None else told
        for said in sorted(facts, key=lambda said: said.at or said.now):
            assert said.at is not None
            here = self.ended(here, said.at, said.governing)
            here = self.after(here, said)
        return self.ended(here, at)

    def ended(self, here: Reads, at: datetime, known: int | None = None) -> Reads:
        if here.status not in OPEN or here.version is None:
            return here
        ends: list[tuple[datetime, int, str]] = []
        if here.until is not None and here.until <= at:
            ends.append((here.until, 0, "expired"))
        changed = self.change_after(here.version, at, known)
        if changed is not None:
            ends.append((changed, 1, "invalidated"))
        if not ends:
            return here
        moment, _, status = min(ends)
        return replace(here, status=status, since=moment, until=None)

    def after(self, here: Reads, said: Said) -> Reads:
        result = effect(said.bases, here, said)
        if said.by_the_service or result.startswith(("=", "4")):
            return here
        if said.topic is not None:
            here = replace(here, topic=said.topic, topic_sequence=said.sequence)
        if result == "preferred":
            return here
        assert said.version is not None and said.at is not None
        version = self.versions[said.version - 1]
        days = {"given": version.renew_days, "renewed": version.renew_days, "requested": version.confirm_days}
        term = days.get(result)
        return Reads(
            status=result,
            version=said.version,
            since=None if result == "unknown" else said.at,
            until=None if term is None else said.at + timedelta(days=term),
            topic=here.topic,
            lifted=said.command == "lift-objection",
            sequence=said.sequence,
            topic_sequence=here.topic_sequence,
        )

    def hears(self, said: Said) -> Heard:
        """A new fact is kept."""
        at = min(said.occurred, said.now) if said.occurred and said.channel in DATED else said.now
        late = any(at < (earlier.at or at) for earlier in self.told)
        here = self.reads(at, [earlier for earlier in self.told if (earlier.at or at) <= at])
        current = self.current(said.now)
        number = said.version or (
            here.version if here.status in OPEN or said.by_the_service else current.number
        )
        assert number is not None
        claim = replace(said, at=at, version=number, governing=current.number, bases=current.bases)
        result = "own" if said.by_the_service else effect(current.bases, here, claim)
        wrong = self.unacceptable(said, number, here, result, late=late)
        if wrong:
            return Heard("422", frozenset(wrong), here.status)
        not_now = self.not_now(claim, current, result, late=late)
        if not_now:
            return Heard("409", frozenset(not_now), here.status)
        if result == "=" and not late:
            return Heard("=", sequence=here.topic_sequence if said.command == "prefer" else here.sequence)
        before = self.visible(said.now)
        self.told.append(claim)
        superseded = late and before == self.visible(said.now)
        return Heard("superseded" if superseded else "new", said=claim)

    def visible(self, now: datetime) -> Reads:
        """What somebody sees of it (CORE 6)."""
        here = self.reads(now)
        version = here.version if here.status != "unknown" else None
        return Reads(here.status, version, until=here.until, topic=here.topic)

    def unacceptable(self, said: Said, number: int, here: Reads, result: str, *, late: bool) -> set[str]:
        version = self.versions[number - 1] if number <= len(self.versions) else None
        ahead = said.occurred is not None and said.occurred > said.now + timedelta(minutes=5)
        shown = said.command in SHOWN
        unproven = version is not None and version.double and (late or said.channel in ("paper", "phone"))
        reasons = {
            result.removeprefix("422 "): result.startswith("422"),
            "unknown-reference": version is None,
            "invalid-value": (shown and said.version is None)
            or (shown and version is not None and version.starts > said.now)
            or (ahead and said.channel != "web")
            or (said.topic is None and said.command == "prefer")
            or (said.topic is not None and said.topic not in OFFERED)
            or (said.command == "confirm" and here.status == "requested" and number != here.version),
            "evidence-required": not said.evidence
            and (
                (said.command == "invalidate" and not said.by_the_service)
                or (said.command == "grant" and (said.channel == "import" or unproven))
            ),
        }
        return {reason for reason, applies in reasons.items() if applies}

    def not_now(self, claim: Said, current: Version, result: str, *, late: bool) -> set[str]:
        assert claim.at is not None and claim.version is not None
        version = self.versions[claim.version - 1]
        unconfirmed = claim.command == "grant" and result == "given" and claim.channel in UNPROVEN
        reasons = {
            "version-overtaken": claim.command in SHOWN
            and self.change_after(version.number, claim.at) is not None,
            "not-possible-now": result.startswith("409") and not late,
            "purpose-retired": current.retired and claim.command in INTAKE and not late,
            "confirmation-needed": unconfirmed and version.double and not late,
        }
        return {reason for reason, applies in reasons.items() if applies}

    def permission(self, at: datetime) -> Permission:
        """CORE 1, 7 and 11."""
        current, here = self.current(at), self.reads(at)
        consent, interests = "consent" in current.bases, current.bases == {"legitimate_interests"}
        if not current.bases or current.starts > at:
            allowed, reason = False, "no_legal_basis"
        elif consent:
            allowed = here.status in AGREED
            reason = "no_record" if here.status == "unknown" else here.status
        elif interests:
            allowed = here.status in ("unknown", "deferred")
            reason = "legitimate_interest" if allowed else here.status
        else:
            allowed, reason = True, "not_consent_based"
        return Permission(
            allowed=allowed,
            reason=reason,
            status=here.status,
            version=current.number if here.status == "unknown" else here.version,
            until=here.until if consent and allowed else None,
        )


def effect(bases: frozenset[str], here: Reads, said: Said) -> str:
    """The status that it leads to, `preferred`, `=` where it says nothing new, or why it is refused."""
    consent, interests = "consent" in bases, "legitimate_interests" in bases
    if said.command == "prefer":
        return "=" if said.topic is not None and said.topic == here.topic else "preferred"
    if said.command == "object":
        if not interests:
            return "422 not-objectable"
        return "=" if here.status == "objected" else "objected"
    if said.command == "lift-objection":
        if here.status == "unknown" and here.lifted:
            return "="
        if here.status == "objected":
            return "unknown"
        if not interests:
            return "422 not-objectable"
        return "409" if consent or here.status == "unknown" else "unknown"
    if bases and not consent:
        return "422 not-consent-based" if said.command in CONSENTING else "422 not-withdrawable"
    if not bases and said.command in ("request", "confirm", "grant"):
        return "422 no-legal-basis"
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
