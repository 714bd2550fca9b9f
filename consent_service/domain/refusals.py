"""Why a command is not accepted: first what is not acceptable in itself (422), then what is not now (410, 409).

The order is CORE 12's; the reasons are R2, R3, R8 to R12, R16, CORE 2 to 8.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from consent_service.domain.errors import (
    ConfirmationNeeded,
    ConsentError,
    Erased,
    EvidenceRequired,
    InvalidValue,
    NoLegalBasis,
    NotConsentBased,
    NotObjectable,
    NotPossibleNow,
    NotWithdrawable,
    PurposeRetired,
    UnknownReference,
    VersionOvertaken,
)
from consent_service.domain.languages import match_language
from consent_service.domain.lifecycle import INTAKE, Cell, Outcome, possible_commands
from consent_service.domain.purposes import (
    BasesKind,
    Confirmation,
    Offer,
    Purpose,
    PurposeVersion,
)
from consent_service.domain.records import Claim, Preferences, State, SubjectFlags
from consent_service.domain.values import Channel, Command, Status

#: A caller's clock may be this far ahead; then the time is clamped (R14).
CLOCK_SKEW = timedelta(minutes=5)

_NEEDS_VERSION = frozenset({Command.GRANT, Command.REQUEST})
_KEEPS_VERSION = frozenset({Status.GIVEN, Status.RENEWED, Status.REQUESTED})
_UNPROVEN_CHANNELS = frozenset({Channel.WEB, Channel.API, Channel.EMAIL})

_WHY: dict[type[ConsentError], str] = {
    NoLegalBasis: "No legal basis is decided for this purpose: nothing can be granted, but refused and withdrawn.",
    NotConsentBased: "The purpose does not rest on consent, so this command has no meaning here.",
    NotObjectable: "Legitimate interests are not among the purpose's legal bases, so there is nothing to object to.",
}


def judged_version(claim: Claim, purpose: Purpose, state: State | None, status: Status) -> int:
    """The version a command is about: the one it names, that of a standing consent, or the current one (CORE 8).

    The service's own records are about the consent that they close (CORE 7).
    Raises InvalidValue where it must be named and is not, UnknownReference where it does not exist.
    """
    if claim.version is not None:
        if purpose.get(claim.version) is None:
            raise UnknownReference(
                f"The purpose has no version {claim.version}; the latest is {len(purpose.versions)}.",
                pointer="/version",
            )
        return claim.version
    if claim.command in _NEEDS_VERSION:
        raise InvalidValue(
            f"`{claim.command}` must name the version whose text was shown.", pointer="/version"
        )
    if state is not None and (status in _KEEPS_VERSION or claim.channel is Channel.SYSTEM):
        return state.version
    return purpose.current(claim.recorded_at).number


def refuse_bases(outcome: Outcome | None, governing: PurposeVersion) -> None:
    """Raise where the legal bases know no such command (422, CORE 2)."""
    if isinstance(outcome, type):
        raise outcome(_why(outcome, governing))


def refuse_values(
    claim: Claim, version: PurposeVersion, state: State | None, status: Status, *, late: bool
) -> str | None:
    """Raise what is not acceptable whatever stands (422). Returns the notice's language that matched, if any."""
    _refuse_times(claim, version)
    language = match_language(claim.language_asked, version.content.notices)
    if claim.language_asked is not None and language is None and claim.command in _NEEDS_VERSION:
        raise InvalidValue(
            "The version has no notice in that language; it has: "
            + ", ".join(sorted(version.content.notices)),
            pointer="/language",
        )
    _refuse_preferences(claim, version.content.preferences)
    requested = state.version if state is not None and status is Status.REQUESTED else None
    if claim.command is Command.CONFIRM and requested not in (None, version.number):
        raise InvalidValue(f"Version {requested} was requested; confirm that one.", pointer="/version")
    _refuse_without_evidence(claim, version, late=late)
    return language


def _refuse_times(claim: Claim, version: PurposeVersion) -> None:
    ahead = claim.occurred_at is not None and claim.occurred_at > claim.recorded_at + CLOCK_SKEW
    if ahead and claim.channel is not Channel.WEB:
        raise InvalidValue("`occurred_at` lies in the future.", pointer="/occurred_at")
    if claim.command in _NEEDS_VERSION and version.effective_from > claim.recorded_at:
        raise InvalidValue(f"Version {version.number} is not in effect yet.", pointer="/version")


def _refuse_preferences(claim: Claim, offer: Offer) -> None:
    """Raise InvalidValue for a code that the version does not offer (CORE 14), or for `prefer` without any."""
    chosen = claim.preferences
    if chosen is None:
        if claim.command is Command.PREFER:
            raise InvalidValue("`prefer` must say which preferences.", pointer="/preferences")
        return
    for name, codes, offered in _choices(chosen, offer):
        for code in codes:
            if code not in offered:
                raise InvalidValue(
                    f"The version does not offer this; it offers: {', '.join(offered) or 'none'}.",
                    pointer=f"/preferences/{name}",
                )


def _choices(chosen: Preferences, offer: Offer) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    frequency = () if chosen.frequency is None else (chosen.frequency,)
    return [
        ("channels", chosen.channels, offer.channels),
        ("topics", chosen.topics, offer.topics),
        ("frequency", frequency, offer.frequencies),
    ]


def _why(refusal: type[ConsentError], governing: PurposeVersion) -> str:
    if refusal is not NotWithdrawable:
        return _WHY[refusal]
    bases = ", ".join(governing.content.legal_bases)
    if governing.kind in (BasesKind.INTERESTS, BasesKind.OTHER_INTERESTS):
        return f"The purpose rests on {bases}, not on consent: there is no consent to withdraw; use `object`."
    return f"The purpose rests on {bases}, not on consent: there is no consent to withdraw."


def _refuse_without_evidence(claim: Claim, version: PurposeVersion, *, late: bool) -> None:
    """Raise EvidenceRequired whatever stands: R16 for imports, CORE 3 for double opt-in, CORE 4 for `invalidate`.

    Of a late fact no confirmation can be demanded any more, so under double opt-in it needs evidence on any channel.
    """
    if (
        claim.command is Command.INVALIDATE
        and claim.channel is not Channel.SYSTEM
        and not claim.has_authority
    ):
        raise EvidenceRequired(
            "`invalidate` needs evidence with `authority` and `reference`.", pointer="/evidence"
        )
    if claim.command is not Command.GRANT or claim.has_evidence:
        return
    if claim.channel is Channel.IMPORT:
        raise EvidenceRequired("An imported grant needs evidence.", pointer="/evidence")
    doubled = version.content.confirmation is Confirmation.DOUBLE_OPT_IN
    if doubled and (late or claim.channel not in _UNPROVEN_CHANNELS):
        raise EvidenceRequired(
            "The version demands double opt-in; a grant on this channel needs evidence.", pointer="/evidence"
        )


def refuse_now(
    claim: Claim,
    purpose: Purpose,
    version: PurposeVersion,
    governing: PurposeVersion,
    status: Status,
    outcome: Outcome | None,
    *,
    at: datetime,
    late: bool,
) -> None:
    """Raise what is acceptable, but not now (409). Of a late fact only an overtaken version is refused (R15, R16)."""
    if governing.content.retired and claim.command in INTAKE and not late:
        raise PurposeRetired("The purpose is retired: nothing new is accepted, withdrawing still is.")
    if claim.command in _NEEDS_VERSION and purpose.overtaken(version.number, at) is not None:
        raise VersionOvertaken(
            f"A material change has overtaken version {version.number}; show version {governing.number}.",
            governing.number,
        )
    if late:
        return
    doubled = version.content.confirmation is Confirmation.DOUBLE_OPT_IN
    confirmation = doubled and claim.channel in _UNPROVEN_CHANNELS
    if outcome is Cell.GIVE and confirmation:
        first = Command.CONFIRM if status is Status.REQUESTED else Command.REQUEST
        raise ConfirmationNeeded(f"The version demands double opt-in: use `{first}`.", (first,))
    if outcome is Cell.NOT_NOW:
        possible = tuple(
            command
            for command in possible_commands(governing.kind, status, confirmation=confirmation)
            if not (governing.content.retired and command in INTAKE)
        )
        raise NotPossibleNow(
            f"`{claim.command}` is not possible in status {status}; possible: {', '.join(possible) or 'nothing'}.",
            possible,
        )


def refuse_erased(subject: SubjectFlags) -> None:
    """Raise for a person who was erased: every command is 410 (CORE 2)."""
    if subject.erased_at is not None:
        raise Erased("The person was erased; nothing more is recorded.")
