"""Events whose defaults let a test say only what matters; and the cases of the golden bytes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from consent_client.model import Acknowledgement, DeadLetter
from consent_client.words import Outcome

from consent_service.domain.changes import (
    ConsentChange,
    ConsentState,
    Heartbeat,
    IdentifierChanged,
    PurposePublished,
    RecipientLate,
    RenewalDue,
    published,
)
from consent_service.domain.purposes import Recipient
from consent_service.domain.records import Preferences
from consent_service.domain.values import Basis, Cause, Command, Reason, Status
from tests.builders import a_purpose, a_version, day

ANNA = UUID("0198f3a2-7c11-7000-8000-00000000a11a")
RECORD = UUID("0198f3a2-7c12-7000-8000-000000000001")
BERIT = UUID("0198f3a2-7c11-7000-8000-00000000be17")
NOTICE = UUID("0198f3a2-7c13-7000-8000-000000000001")
WORD = UUID("0198f3a2-7c15-7000-8000-000000000001")
IDENTIFIER = UUID("0198f3a2-7c14-7000-8000-000000000001")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def a_change(**fields: Any) -> ConsentChange:
    """Anna's grant of version 1 of Ansettr's newsletter, her first record."""
    return ConsentChange(
        **{
            "record_id": RECORD,
            "controller": "ansettr",
            "subject_id": ANNA,
            "sequence": 1,
            "purpose": "nyhetsbrev",
            "command": Command.GRANT,
            "status": Status.GIVEN,
            "allowed": True,
            "reason": Reason.GIVEN,
            "until": None,
            "version": 1,
            "standing_version": 1,
            "governing_version": 1,
            "legal_bases": (Basis.CONSENT,),
            "preferences": None,
            "source": None,
            "recorded_at": day(1),
            "occurred_at": None,
            "effective_at": day(1),
            "cause": None,
            "superseded": False,
            "replayed": False,
            "ledger_epoch": 1,
            **fields,
        }
    )


def a_restriction() -> ConsentChange:
    """Of the person as a whole: no purpose, and nothing that belongs to one (R13)."""
    return a_change(
        sequence=4,
        command=Command.RESTRICT,
        **dict.fromkeys(
            ("purpose", "status", "allowed", "reason", "version", "standing_version", "governing_version")
        ),
        legal_bases=(),
    )


def a_published_purpose() -> PurposePublished:
    """Version 2, material, is published while version 1 is in effect."""
    first = a_version(
        1, renew_after="P3Y", recipients=(Recipient("brevo", "Brevo", "processor", deadline="PT15M"),)
    )
    second = a_version(2, legal_bases="consent legitimate_interests", double_opt_in=True)
    return published(a_purpose(first, msgspec.structs.replace(second, published_at=day(30))), ledger_epoch=1)


def a_state(**fields: Any) -> ConsentState:
    """What Anna's grant of version 1 of Ansettr's newsletter led to."""
    return ConsentState(
        **{
            "controller": "ansettr",
            "subject_id": ANNA,
            "purpose": "nyhetsbrev",
            "sequence": 1,
            "record_id": RECORD,
            "status": Status.GIVEN,
            "allowed": True,
            "reason": Reason.GIVEN,
            "until": None,
            "standing_version": 1,
            "legal_bases": (Basis.CONSENT,),
            "preferences": None,
            "recorded_at": day(1),
            "effective_at": day(1),
            "ledger_epoch": 1,
            **fields,
        }
    )


def a_lost_state() -> ConsentState:
    """What Kafka held of a record that a restored ledger does not know: nothing stands."""
    return a_state(
        sequence=0,
        status=Status.UNKNOWN,
        allowed=False,
        reason=Reason.NO_RECORD,
        **dict.fromkeys(("record_id", "standing_version", "recorded_at", "effective_at")),
        ledger_epoch=2,
    )


def a_merged_person() -> ConsentState:
    """Of the person as a whole: Anna is Berit now; nothing stands under Anna's id, nothing is allowed (R29)."""
    return a_state(
        purpose=None,
        sequence=7,
        status=None,
        allowed=False,
        reason=Reason.NO_RECORD,
        standing_version=None,
        legal_bases=(),
        merged_into=BERIT,
    )


def a_heartbeat(**fields: Any) -> Heartbeat:
    """Of group 3, whose oldest event waits for a second and a half."""
    return Heartbeat(
        **{
            "shard_group": 3,
            "at": day(1.000001),
            "oldest_unpublished": timedelta(seconds=1, microseconds=500_001),
            "ledger_epoch": 1,
            **fields,
        }
    )


def a_renewal_due() -> RenewalDue:
    return RenewalDue(
        notice_id=NOTICE,
        controller="ansettr",
        subject_id=ANNA,
        purpose="nyhetsbrev",
        version=1,
        until=day(1097),
        noticed_at=day(1067),
    )


def an_identifier_changed(**fields: Any) -> IdentifierChanged:
    """Anna's e-mail address was linked."""
    return IdentifierChanged(
        **{
            "notice_id": NOTICE,
            "controller": "ansettr",
            "subject_id": ANNA,
            "identifier_id": IDENTIFIER,
            "type": "email",
            "linked": True,
            "noticed_at": day(2),
            **fields,
        }
    )


def a_late_recipient() -> RecipientLate:
    """Brevo has not stopped within a quarter of an hour."""
    return RecipientLate(
        notice_id=NOTICE,
        controller="ansettr",
        subject_id=ANNA,
        purpose="nyhetsbrev",
        record_id=RECORD,
        recipient="brevo",
        owed_since=day(3),
        due_at=day(3) + timedelta(minutes=15),
        noticed_at=day(3) + timedelta(minutes=15, seconds=1.5),
    )


def an_acknowledgement(**fields: Any) -> Acknowledgement:
    """Brevo has stopped."""
    return Acknowledgement(
        **{
            "acknowledgement_id": WORD,
            "controller": "ansettr",
            "recipient": "brevo",
            "record_id": RECORD,
            "subject_id": ANNA,
            "outcome": Outcome.STOPPED,
            "at": day(3) + timedelta(seconds=2),
            **fields,
        }
    )


def a_dead_letter() -> DeadLetter:
    """What Brevo could not act on."""
    return DeadLetter(
        dead_letter_id=WORD,
        recipient="brevo",
        topic="consent.changes.v1",
        partition=3,
        offset=4711,
        reason="handler-failed",
        at=day(3),
        type="consent.changed.v1",
        value=b"\n$",
    )


#: Everything that the service writes to Kafka, and what recipients do.
Event = (
    ConsentChange
    | PurposePublished
    | ConsentState
    | Heartbeat
    | RenewalDue
    | IdentifierChanged
    | RecipientLate
    | Acknowledgement
    | DeadLetter
)

#: Name, event, traceparent. A case is never changed, since what was published once must be read for ever.
GOLDEN: tuple[tuple[str, Event, str | None], ...] = (
    ("a first grant", a_change(), None),
    (
        "a renewal with everything it can carry",
        a_change(
            sequence=2,
            command=Command.GRANT,
            status=Status.RENEWED,
            reason=Reason.RENEWED,
            until=day(1097.5),
            legal_bases=(Basis.CONSENT, Basis.LEGITIMATE_INTERESTS),
            preferences=Preferences(channels=("email", "sms"), topics=("jobs",), frequency="weekly"),
            source="brevo",
            occurred_at=day(1.25),
            effective_at=day(1.25),
            recorded_at=day(2.000001),
            replayed=True,
            ledger_epoch=3,
        ),
        TRACEPARENT,
    ),
    (
        "a withdrawal",
        a_change(
            sequence=3,
            command=Command.WITHDRAW,
            status=Status.WITHDRAWN,
            allowed=False,
            reason=Reason.WITHDRAWN,
            recorded_at=day(3),
            effective_at=day(3),
        ),
        None,
    ),
    ("a restriction of the whole person", a_restriction(), None),
    (
        "an older grant that changed nothing",
        a_change(
            sequence=5,
            status=Status.WITHDRAWN,
            allowed=False,
            reason=Reason.WITHDRAWN,
            standing_version=2,
            governing_version=2,
            superseded=True,
            occurred_at=day(-3),
            effective_at=day(-3),
        ),
        None,
    ),
    (
        "an invalidation by an authority",
        a_change(
            sequence=6,
            command=Command.INVALIDATE,
            status=Status.INVALIDATED,
            allowed=False,
            reason=Reason.INVALIDATED,
            cause=Cause.AUTHORITY,
        ),
        None,
    ),
    ("a purpose with a version to come", a_published_purpose(), None),
    (
        "the state of a consent that ends, with preferences",
        a_state(
            until=day(1097.5),
            legal_bases=(Basis.CONSENT, Basis.LEGITIMATE_INTERESTS),
            preferences=Preferences(channels=("email", "sms"), topics=("jobs",), frequency="weekly"),
            ledger_epoch=3,
        ),
        None,
    ),
    (
        "the state of a withdrawn consent",
        a_state(
            sequence=3,
            status=Status.WITHDRAWN,
            allowed=False,
            reason=Reason.WITHDRAWN,
            recorded_at=day(3),
            effective_at=day(3),
        ),
        None,
    ),
    ("the state of a record lost by a restore", a_lost_state(), None),
    ("the state of a person merged into another", a_merged_person(), None),
    ("a heartbeat", a_heartbeat(), None),
    ("a heartbeat of a group where nothing waits", a_heartbeat(oldest_unpublished=timedelta()), None),
    ("a renewal that is due", a_renewal_due(), None),
    ("an identifier that was linked", an_identifier_changed(), None),
    (
        "an identifier that was removed",
        an_identifier_changed(type="external:recruitee", linked=False, noticed_at=day(4)),
        None,
    ),
    ("a recipient that is late", a_late_recipient(), None),
    ("a recipient that has stopped", an_acknowledgement(), None),
    (
        "a recipient where somebody will see to it",
        an_acknowledgement(outcome=Outcome.ACCEPTED, due_at=day(10)),
        None,
    ),
    ("a message that a recipient could not act on", a_dead_letter(), None),
)
