"""What the gate knows of persons and purposes, small enough for ten million pairs."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from consent_client.gate.answers import Answer, GateReason
from consent_client.gate.judging import CONSENTED, judge, place_in_effect
from consent_client.gate.moments import from_microseconds, nanoseconds
from consent_client.gate.packing import ALLOWED, EPOCH, ORDER, Known, code, every_code, pack, unpack
from consent_client.model import Change, Purpose, State, Terms
from consent_client.words import Reason

NO, YES, CONSENT = 0, 1, 2
"""What a code amounts to; `CONSENT`: yes, while the version counts and the end has not come."""
_ALWAYS = 1 << 63
_NOT_UNDERSTOOD = code(None, None, allowed=False)


class Pursued:
    """One purpose: what was published of it, and the last word of everybody known.

    `pairs` has packed words by the subject's id as a number. `rules`, `default` and `oldest_valid` hold from `since`
    until before `upto`, nanoseconds since 1970.
    """

    __slots__ = (
        "default",
        "is_damaged",
        "oldest_valid",
        "pairs",
        "purpose",
        "rules",
        "since",
        "slug",
        "upto",
    )

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.pairs: dict[int, int] = {}
        self.purpose: Purpose | None = None
        self.is_damaged = False
        self.forget_terms()

    def forget_terms(self) -> None:
        """Have them looked up at the next question."""
        self.since = self.upto = 0

    def turn(self, now: int, epoch: int) -> None:
        """Take what holds at that moment."""
        versions = self.purpose.versions if self.purpose is not None else ()
        at = from_microseconds(now // 1000)
        place = place_in_effect(versions, at)
        following = 0 if place is None else place + 1
        self.since = 0 if place is None else nanoseconds(versions[place].effective_from)
        self.upto = nanoseconds(versions[following].effective_from) if following < len(versions) else _ALWAYS
        if place is None or self.purpose is None or self.is_damaged or self.purpose.ledger_epoch < epoch:
            self.rules, self.default, self.oldest_valid = bytes(1024), False, 0
            return
        terms = versions[place]
        self.rules = _rules(terms.default_reason, terms.default_allowed)
        self.default = judge(None, versions, at).allowed
        self.oldest_valid = terms.oldest_valid_version


class Memory:
    """Of one controller; with `purposes`, of these alone. `persons` has words about persons as a whole.

    What was packed in the present ledger epoch is not below `in_epoch`.
    """

    def __init__(self, controller: str, purposes: Collection[str] | None = None) -> None:
        self.controller = controller
        self._named = None if purposes is None else frozenset(purposes)
        self.pursued: dict[str, Pursued] = {}
        self.persons: dict[int, int] = {}
        self.epoch = self.in_epoch = 0

    def forget(self) -> None:
        """Everything, as at the beginning."""
        self.pursued.clear()
        self.persons.clear()
        self.epoch = self.in_epoch = 0

    def __len__(self) -> int:
        """Subjects and purposes of which something is known."""
        return sum(len(pursued.pairs) for pursued in self.pursued.values())

    def raise_epoch(self, epoch: int) -> None:
        """What was told in an earlier epoch is no from now on."""
        self.epoch = epoch
        self.in_epoch = epoch << EPOCH
        for pursued in self.pursued.values():
            pursued.forget_terms()

    def of(self, slug: str) -> Pursued | None:
        """Where to keep what is told of a purpose; None where it is not looked at."""
        found = self.pursued.get(slug)
        if found is None and (self._named is None or slug in self._named):
            found = self.pursued[slug] = Pursued(slug)
        return found

    def pairs_of(self, slug: str | None) -> dict[int, int] | None:
        """Where words of this purpose, or about persons as a whole, are kept; None where they are not."""
        if slug is None:
            return self.persons
        found = self.of(slug)
        return None if found is None else found.pairs

    def take_state(self, state: State | Change) -> None:
        """Raises ValueError where it cannot be kept."""
        pairs = self.pairs_of(state.purpose)
        if pairs is None:
            return
        known = Known(
            status=state.status,
            reason=state.reason,
            allowed=state.allowed,
            version=state.standing_version,
            until=state.until,
            sequence=state.sequence,
            epoch=state.ledger_epoch,
        )
        take(pairs, state.subject_id.int, pack(known))

    def take_gone(self, slug: str | None, subject: int) -> None:
        """Nothing is said of the pair any more."""
        pairs = self.pairs_of(slug)
        if pairs is not None:
            pairs.pop(subject, None)

    def take_damaged(self, slug: str | None, subject: int) -> None:
        """Something was told of the pair that nobody understands: no, until something as new is understood."""
        pairs = self.pairs_of(slug)
        if pairs is not None:
            known = pairs.get(subject, self.epoch << EPOCH)
            pairs[subject] = known >> ORDER << ORDER | _NOT_UNDERSTOOD

    def take_purpose(self, purpose: Purpose) -> None:
        """Unless a later version is known."""
        pursued = self.of(purpose.purpose)
        if pursued is None:
            return
        known = pursued.purpose
        told = (purpose.ledger_epoch, purpose.version)
        if known is None or told >= (known.ledger_epoch, known.version):
            pursued.purpose, pursued.is_damaged = purpose, False
            pursued.forget_terms()

    def take_purpose_gone(self, slug: str) -> None:
        pursued = self.of(slug)
        if pursued is not None:
            pursued.purpose, pursued.is_damaged = None, False
            pursued.forget_terms()

    def take_purpose_damaged(self, slug: str) -> None:
        pursued = self.of(slug)
        if pursued is not None:
            pursued.is_damaged = True
            pursued.forget_terms()

    def answer(self, subject: int, slug: str, now: int) -> Answer:
        """With its reasons; nanoseconds since 1970."""
        pursued = self.pursued.get(slug)
        if pursued is None or (pursued.purpose is None and not pursued.is_damaged):
            return Answer(False, GateReason.UNKNOWN_PURPOSE)
        of_person = self.persons.get(subject)
        if of_person is not None and not self.allows_person(subject):
            word = unpack(of_person)
            if word.epoch < self.epoch:
                return Answer(False, GateReason.OUTDATED)
            return Answer(False, word.reason or GateReason.NOT_UNDERSTOOD)
        if pursued.purpose is None or pursued.is_damaged:
            return Answer(False, GateReason.NOT_UNDERSTOOD)
        packed = pursued.pairs.get(subject)
        if pursued.purpose.ledger_epoch < self.epoch or (packed is not None and packed < self.in_epoch):
            return Answer(False, GateReason.OUTDATED)
        known = None if packed is None else unpack(packed)
        return judge(known, pursued.purpose.versions, from_microseconds(now // 1000))

    def reason_of_person(self, subject: int) -> Reason | None:
        """Why the person as a whole is a no."""
        packed = self.persons.get(subject)
        return None if packed is None else unpack(packed).reason

    def allows_person(self, subject: int) -> bool:
        """Whether nothing is said against the person as a whole."""
        packed = self.persons.get(subject)
        return packed is None or (bool(packed >> ALLOWED & 1) and packed >= self.in_epoch)


def take(pairs: dict[int, int], subject: int, packed: int) -> None:
    """Unless something newer is known (R27)."""
    known = pairs.get(subject)
    if known is None or packed >> ORDER >= known >> ORDER:
        pairs[subject] = packed


@cache
def _rules(default_reason: Reason | None, default_allowed: bool) -> bytes:
    """What each code amounts to under a version with this default: what `judge` says of it."""
    beginning = from_microseconds(0)
    terms = Terms(
        version=1,
        effective_from=beginning,
        legal_bases=(),
        default_allowed=default_allowed,
        default_reason=default_reason,
        oldest_valid_version=1,
        retired=False,
        renew_after=None,
        recipients=(),
    )
    rules = bytearray()
    for _, status, reason, allowed in every_code():
        known = Known(
            status=status, reason=reason, allowed=allowed, version=1, until=None, sequence=0, epoch=0
        )
        found = judge(known, (terms,), beginning)
        by_consent = found.reason in CONSENTED.values()
        rules.append((CONSENT if by_consent else YES) if found.allowed else NO)
    return bytes(rules)
