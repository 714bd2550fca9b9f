"""What a browser says about a purpose, what it means for its bases, and what is asked again (R36 to R38, CORE 2)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from consent_service.domain.errors import (
    ConfirmationNeeded,
    ConsentError,
    NoLegalBasis,
    NotConsentBased,
    NotWithdrawable,
    PurposeRetired,
    VersionOvertaken,
)
from consent_service.domain.purposes import BasesKind, Confirmation, Purpose, PurposeVersion
from consent_service.domain.records import Permission
from consent_service.domain.values import Command, Reason, Status


class Choice(StrEnum):
    """One purpose's part of what a visitor chose."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    DEFERRED = "deferred"


class Button(StrEnum):
    """How it was said. A language of its own for evidence; only the first two choose for every purpose at once."""

    ACCEPT_ALL = "accept_all"
    REFUSE_ALL = "refuse_all"
    SETTINGS = "settings"
    SAVE = "save"
    CLOSE = "close"
    WITHDRAW = "withdraw"


class AskAgain(StrEnum):
    """Why a choice was not recorded."""

    OUTDATED = "outdated"
    """What was shown is not what holds now, or is not known here: show the present screen (R37)."""
    CONFIRMATION_NEEDED = "confirmation_needed"
    """The purpose demands double opt-in, which a banner cannot give (R10)."""


class Unrecorded(msgspec.Struct, frozen=True):
    """A purpose of which the choice was not recorded, though the others were."""

    purpose: str
    reason: AskAgain


#: These never grant: closing is no consent, and who refuses does not agree.
NEVER_GRANTING = frozenset({Button.REFUSE_ALL, Button.CLOSE, Button.WITHDRAW, Button.SETTINGS})

_BY_CONSENT = frozenset({BasesKind.CONSENT, BasesKind.CONSENT_INTERESTS})
_OBJECTABLE = frozenset({BasesKind.INTERESTS, BasesKind.OTHER_INTERESTS})
_COMMANDS = {
    Choice.GIVEN: Command.GRANT,
    Choice.REFUSED: Command.REFUSE,
    Choice.WITHDRAWN: Command.WITHDRAW,
    Choice.DEFERRED: Command.DEFER,
}
#: What nobody can say any more once the bases differ from those that were shown.
_OF_OTHER_BASES = (NotConsentBased, NotWithdrawable, NoLegalBasis, PurposeRetired)
_UNDECIDED = frozenset({Status.UNKNOWN, Status.DEFERRED})
_BEFORE_THE_SIGNAL = frozenset({Reason.ERASED, Reason.SUPPRESSED, Reason.RESTRICTED, Reason.NO_LEGAL_BASIS})


def command_for(choice: Choice, kind: BasesKind) -> Command:
    """What is recorded for it: where legitimate interests alone can be said no to, a no is an objection (CORE 2)."""
    if choice in (Choice.REFUSED, Choice.WITHDRAWN) and kind in _OBJECTABLE:
        return Command.OBJECT
    return _COMMANDS[choice]


def choices_of(version: PurposeVersion) -> tuple[Choice, ...]:
    """What a banner may offer for this version; nothing where there is nothing to choose.

    A purpose under double opt-in is not given by a click, but can be said no to.
    """
    if version.kind in _BY_CONSENT:
        confirmed = version.content.confirmation is Confirmation.DOUBLE_OPT_IN
        return tuple(one for one in Choice if not (confirmed and one is Choice.GIVEN))
    if version.kind in _OBJECTABLE:
        return (Choice.REFUSED, Choice.WITHDRAWN)
    return ()


def why_unrecorded(choice: Choice, refusal: ConsentError, *, is_current: bool) -> AskAgain | None:
    """Why a refused choice is left out and told; None where the refusal stands, and refuses the others with it.

    `is_current`: what was shown is the version in effect, so that the screen itself said what can be chosen.
    """
    if choice is Choice.GIVEN and isinstance(refusal, ConfirmationNeeded):
        return AskAgain.CONFIRMATION_NEEDED
    if isinstance(refusal, VersionOvertaken):
        return AskAgain.OUTDATED
    if not is_current and isinstance(refusal, _OF_OTHER_BASES):
        return AskAgain.OUTDATED
    return None


def with_signal(permission: Permission, purpose: Purpose, at: datetime) -> Permission:
    """The permission as a browser gets it that sends `Sec-GPC: 1`: no, without an explicit choice (R38)."""
    if (
        not purpose.current(at).content.shares_or_sells
        or permission.status not in _UNDECIDED
        or permission.reason in _BEFORE_THE_SIGNAL
    ):
        return permission
    return msgspec.structs.replace(permission, allowed=False, reason=Reason.SIGNAL, until=None)
