"""The permission that follows from what was told, as the service itself would judge at that moment (R33)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from consent_client.gate.answers import Answer, GateReason
from consent_client.gate.packing import Known
from consent_client.model import Terms
from consent_client.words import Reason, Status

#: About the person as a whole: these go first, and stand until something else is told.
PERSON_WIDE = frozenset({Reason.ERASED, Reason.SUPPRESSED, Reason.RESTRICTED})
CONSENTED = {Status.GIVEN: Reason.GIVEN, Status.RENEWED: Reason.RENEWED}
#: These are what ends by itself.
_CLOSING = frozenset({Status.GIVEN, Status.RENEWED, Status.REQUESTED})
_UNASKED = frozenset({Status.UNKNOWN, Status.DEFERRED})


def place_in_effect(versions: Sequence[Terms], at: datetime) -> int | None:
    """Which of these is in effect; None before the first is."""
    for place in range(len(versions) - 1, -1, -1):
        if versions[place].effective_from <= at:
            return place
    return None


def judge(known: Known | None, versions: Sequence[Terms], at: datetime) -> Answer:
    """Of a purpose with these versions, what the last word known of a person amounts to at that moment.

    Which kind of bases a version has is read off what a person without records gets under it.
    """
    if not versions:
        return Answer(False, GateReason.NOT_UNDERSTOOD)
    place = place_in_effect(versions, at)
    terms = versions[place or 0]
    status, version = Status.UNKNOWN, terms.version
    if known is not None:
        if known.status is None or known.reason is None:
            return Answer(False, GateReason.NOT_UNDERSTOOD)
        status = _standing(known, known.status, versions[: (place or 0) + 1], at)
        if status is not Status.UNKNOWN:
            version = known.version or version
        if known.reason in PERSON_WIDE:
            return Answer(False, known.reason, status, version)
    if place is None:
        return Answer(False, Reason.NO_LEGAL_BASIS, status, version)
    return _by_bases(known, terms, status, version)


def _by_bases(known: Known | None, terms: Terms, status: Status, version: int) -> Answer:
    default = terms.default_reason
    if default is Reason.NOT_CONSENT_BASED or default is Reason.NO_LEGAL_BASIS:
        return Answer(terms.default_allowed, default, status, version)
    if default is Reason.LEGITIMATE_INTEREST:
        if status in _UNASKED:
            return Answer(terms.default_allowed, default, status, version)
        return Answer(False, Reason(status.value), status, version)
    if default is not Reason.NO_RECORD:
        return Answer(False, GateReason.NOT_UNDERSTOOD, status, version)
    if known is None or status is Status.UNKNOWN:
        return Answer(False, Reason.NO_RECORD, status, version)
    if status not in CONSENTED:
        return Answer(False, Reason(status.value), status, version)
    # A consent that was told as no permission has an end that was not told.
    reason = CONSENTED[status]
    if not known.allowed or known.reason is not reason:
        return Answer(False, known.reason or GateReason.NOT_UNDERSTOOD, status, version)
    return Answer(True, reason, status, version, known.until)


def _standing(known: Known, status: Status, versions: Sequence[Terms], at: datetime) -> Status:
    """The status as it reads now: of an end and a material change that have both come, the earlier counts."""
    if status not in _CLOSING:
        return status
    overtaking = next(
        (terms for terms in versions if (known.version or 0) < terms.oldest_valid_version), None
    )
    ended = known.until is not None and known.until <= at
    if known.until is not None and ended and (overtaking is None or known.until <= overtaking.effective_from):
        return Status.EXPIRED
    return Status.INVALIDATED if overtaking is not None else status
