"""Builders whose defaults let a test read as a sentence. Days are counted from `DAY_ZERO`, in UTC.

`Pair` tells a story: one subject and one purpose, commands said one after the other, nothing stored.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from consent_service.domain.consent import Standing as Reading
from consent_service.domain.consent import decide, fold, permission, standing
from consent_service.domain.purposes import (
    Change,
    Confirmation,
    NoticeText,
    Offer,
    Purpose,
    PurposeContent,
    PurposeVersion,
)
from consent_service.domain.records import (
    Claim,
    Fact,
    Permission,
    Preferences,
    State,
    SubjectFlags,
    Verdict,
)
from consent_service.domain.values import Basis, Command, Status

DAY_ZERO = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
OFFER = Offer(channels=("email", "sms"), topics=("jobs", "news"), frequencies=("monthly", "weekly"))
NOTICES = {
    "nb": NoticeText(name="Nyhetsbrev", description="Vi sender deg nyheter på e-post."),
    "en": NoticeText(name="Newsletter", description="We send you news by e-mail."),
}


def day(number: float) -> datetime:
    """The moment so many days after `DAY_ZERO`; negative before it."""
    return DAY_ZERO + timedelta(days=number)


def an_id(number: int) -> UUID:
    return UUID(int=number)


def bases(names: str) -> tuple[Basis, ...]:
    """`"consent legitimate_interests"` as a tuple; an empty text for no basis at all."""
    return tuple(Basis(name) for name in names.split())


def a_version(
    number: int = 1,
    *,
    legal_bases: str = "consent",
    change: str = "material",
    effective_from: datetime | None = None,
    double_opt_in: bool = False,
    **content: Any,
) -> PurposeVersion:
    """In effect a thousand days before day zero if it is the first, else from day `100 * (number - 1)`."""
    start = effective_from or day(-1000 if number == 1 else 100 * (number - 1))
    confirmation = Confirmation.DOUBLE_OPT_IN if double_opt_in else Confirmation.NONE
    return PurposeVersion(
        number=number,
        change=Change(change),
        effective_from=start,
        published_at=start,
        content=PurposeContent(
            legal_bases=bases(legal_bases),
            confirmation=confirmation,
            **{"notices": NOTICES, "preferences": OFFER, **content},
        ),
        content_hash=f"{number:064x}",
        notice_hashes=dict.fromkeys(content.get("notices", NOTICES), f"{number:064x}"),
    )


def a_purpose(*versions: PurposeVersion) -> Purpose:
    """The newsletter of Ansettr, resting on consent, unless versions say otherwise."""
    return Purpose(controller="ansettr", slug="nyhetsbrev", versions=versions or (a_version(),))


def a_claim(command: Command | str, at: datetime = DAY_ZERO, **fields: Any) -> Claim:
    """Recorded at that moment. `grant` and `request` are about version 1 unless they name another."""
    command = Command(command)
    if command in (Command.GRANT, Command.REQUEST):
        fields = {"version": 1, **fields}
    elif command is Command.INVALIDATE:
        fields = {"has_authority": True, **fields}
    elif command is Command.PREFER:
        fields = {"preferences": Preferences(topics=("jobs",)), **fields}
    return Claim(**{"command": command, "record_id": an_id(1), "sequence": 1, "recorded_at": at, **fields})


def a_state(status: Status | str = Status.GIVEN, since: datetime = DAY_ZERO, **fields: Any) -> State:
    """Stored since that moment for version 1 by record 1000, never ending unless `until` says so."""
    status = Status(status)
    return State(
        **{
            "status": status,
            "command": Command.GRANT,
            "version": 1,
            "record_id": an_id(1000),
            "since": since,
            "until": None,
            "latest_at": since,
            **fields,
        }
    )


class Pair:
    """One subject and one purpose. `says` judges a command as the ledger would, and keeps what it led to."""

    def __init__(self, purpose: Purpose | None = None, flags: SubjectFlags | None = None) -> None:
        self.purpose = purpose or a_purpose()
        self.flags = flags or SubjectFlags()
        self.state: State | None = None
        self.facts: list[Fact] = []

    def says(self, command: Command | str, at: datetime = DAY_ZERO, **fields: Any) -> Verdict:
        """Raises what `decide` raises, and then nothing has changed."""
        sequence = len(self.facts) + 1
        return self.hears(
            a_claim(command, at, **{"record_id": an_id(sequence), "sequence": sequence, **fields})
        )

    def hears(self, claim: Claim) -> Verdict:
        """Like `says`, of a claim that is made already."""
        verdict = decide(self.flags, self.state, claim, self.purpose, self.facts)
        if verdict.appended:
            self.facts.append(
                Fact(
                    record_id=claim.record_id,
                    sequence=claim.sequence,
                    command=claim.command,
                    version=verdict.version,
                    governing_version=verdict.governing_version,
                    effective_at=verdict.effective_at,
                    preferences=claim.preferences,
                    cause=claim.cause,
                )
            )
        self.state = verdict.state
        return verdict

    def permission(self, at: datetime) -> Permission:
        return permission(self.flags, self.state, self.purpose, at)

    def reads(self, at: datetime) -> Reading:
        return standing(self.state, self.purpose, at)

    def folded(self) -> State | None:
        return fold(self.purpose, self.facts)
