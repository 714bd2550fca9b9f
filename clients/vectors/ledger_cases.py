"""What ledger.json is computed from: inputs alone, no result."""

from __future__ import annotations

from typing import Any

CONTROLLER = "ansettr"
SUBJECT = "0198c2a0-1111-7abc-8def-0123456789ab"
SUBJECT_KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
OTHER_KEY = "ff" * 32
NIL = "00000000-0000-0000-0000-000000000000"
MAXIMUM = "ffffffff-ffff-ffff-ffff-ffffffffffff"
NOTICE_HASH = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
SCREEN_HASH = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"


def record(**fields: Any) -> dict[str, Any]:
    """A record with these fields, the ones that none may lack, and null for the rest."""
    return {
        "record_id": "0198c2a0-2222-7000-8000-000000000001",
        "controller": CONTROLLER,
        "subject_id": SUBJECT,
        "sequence": 1,
        "purpose": "nyhetsbrev",
        "command": "grant",
        "status": "given",
        "version": 1,
        "governing_version": 1,
        "recorded_at": "2026-03-01T12:00:00.000000Z",
        "occurred_at": None,
        "effective_at": "2026-03-01T12:00:00.000000Z",
        "until": None,
        "allowed": True,
        "reason": "given",
        "cause": None,
        "superseded": False,
        "preferences": None,
        "language": None,
        "notice_hash": None,
        "channel": "api",
        "source": None,
        "choice_id": None,
        "screen_hash": None,
        "actor_commitment": None,
        "evidence_commitment": None,
        "previous_hash": "11" * 32,
    } | fields


PERSON_WIDE = {
    "purpose": None,
    "status": None,
    "version": None,
    "governing_version": None,
    "allowed": None,
    "reason": None,
}

RECORDS: list[tuple[str, dict[str, Any]]] = [
    (
        "every field present",
        {
            "sequence": 7,
            "command": "invalidate",
            "status": "invalidated",
            "version": 2,
            "governing_version": 3,
            "occurred_at": "2026-02-28T22:59:59.999999Z",
            "until": "2029-03-01T12:00:00.000001Z",
            "allowed": False,
            "reason": "invalidated",
            "cause": "authority",
            "superseded": True,
            "preferences": {"channels": ["email", "sms"], "topics": ["hr", "law"], "frequency": "weekly"},
            "language": "nb-NO",
            "notice_hash": NOTICE_HASH,
            "channel": "web",
            "source": "footer-form",
            "choice_id": "0198c2a0-3333-7000-8000-00000000000c",
            "screen_hash": SCREEN_HASH,
            "actor_commitment": "22" * 32,
            "evidence_commitment": "33" * 32,
        },
    ),
    ("no field that may be absent", {**PERSON_WIDE, "command": "suppress"}),
    (
        "a grant with a term and the notice that was shown",
        {
            "until": "2029-03-01T12:00:00.000000Z",
            "language": "nb",
            "notice_hash": NOTICE_HASH,
            "channel": "web",
        },
    ),
    (
        "a withdrawal: not allowed, two booleans false",
        {
            "sequence": 2,
            "command": "withdraw",
            "status": "withdrawn",
            "allowed": False,
            "reason": "withdrawn",
        },
    ),
    (
        "a paper form that was signed earlier and changed nothing",
        {
            "sequence": 12,
            "occurred_at": "2019-11-05T00:00:00.000000Z",
            "effective_at": "2019-11-05T00:00:00.000000Z",
            "channel": "paper",
            "superseded": True,
            "evidence_commitment": "44" * 32,
        },
    ),
    (
        "the service's own expiry",
        {
            "sequence": 3,
            "command": "expire",
            "status": "expired",
            "recorded_at": "2029-03-01T12:05:00.000123Z",
            "occurred_at": "2029-03-01T12:00:00.000000Z",
            "effective_at": "2029-03-01T12:00:00.000000Z",
            "allowed": False,
            "reason": "expired",
            "channel": "system",
        },
    ),
    (
        "a material change, with its cause",
        {
            "command": "invalidate",
            "status": "invalidated",
            "governing_version": 2,
            "allowed": False,
            "reason": "invalidated",
            "cause": "purpose_changed",
            "channel": "system",
        },
    ),
    (
        "an objection against legitimate interests",
        {
            "purpose": "kandidatsok",
            "command": "object",
            "status": "objected",
            "allowed": False,
            "reason": "objected",
        },
    ),
    ("a person-wide restriction", {**PERSON_WIDE, "sequence": 4, "command": "restrict"}),
    (
        "a person-wide erasure with an actor",
        {**PERSON_WIDE, "sequence": 5, "command": "erase", "actor_commitment": "55" * 32},
    ),
    ("preferences without a member are not absent", {"command": "prefer", "preferences": {}}),
    (
        "preferences with one member",
        {"command": "prefer", "status": "unknown", "preferences": {"frequency": "monthly"}},
    ),
    ("an empty text is not absent (the service takes none)", {"source": "", "choice_id": ""}),
    (
        "a length counts bytes, not characters (the service takes slugs here)",
        {"source": "påmelding-✓", "choice_id": "valg-\U0001f44d"},
    ),
    ("a sequence beyond what a double holds exactly", {"sequence": 9007199254740993}),
    (
        "another controller, the smallest and the greatest UUID",
        {"controller": "coness", "record_id": NIL, "subject_id": MAXIMUM},
    ),
]

#: Name, details, fields; sequence, previous_hash and commitments are computed.
CHAIN: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    (
        "asked to confirm",
        {"actor": "web-form", "evidence": '{"form":"footer","text":"Ja takk, på e-post"}'},
        {
            "record_id": "0198c2a0-4444-7000-8000-000000000001",
            "command": "request",
            "status": "requested",
            "until": "2026-03-08T12:00:00.000000Z",
            "allowed": False,
            "reason": "requested",
            "language": "nb",
            "notice_hash": NOTICE_HASH,
            "channel": "web",
        },
    ),
    (
        "confirmed",
        {"actor": "service"},
        {
            "record_id": "0198c2a0-4444-7000-8000-000000000002",
            "command": "confirm",
            "recorded_at": "2026-03-01T12:03:20.250000Z",
            "effective_at": "2026-03-01T12:03:20.250000Z",
            "until": "2029-03-01T12:03:20.250000Z",
            "channel": "email",
        },
    ),
    (
        "suppressed, for the whole person",
        {"actor": "privacy-officer", "evidence": '{"letter":"2026/118"}'},
        {
            **PERSON_WIDE,
            "record_id": "0198c2a0-4444-7000-8000-000000000003",
            "command": "suppress",
            "recorded_at": "2026-04-01T08:00:00.000000Z",
            "effective_at": "2026-04-01T08:00:00.000000Z",
        },
    ),
    (
        "withdrawn, without details",
        {},
        {
            "record_id": "0198c2a0-4444-7000-8000-000000000004",
            "command": "withdraw",
            "status": "withdrawn",
            "recorded_at": "2026-04-01T08:00:00.000001Z",
            "effective_at": "2026-04-01T08:00:00.000001Z",
            "allowed": False,
            "reason": "suppressed",
            "channel": "web",
        },
    ),
]

GENESIS = [(CONTROLLER, SUBJECT), ("coness", SUBJECT), (CONTROLLER, NIL), (CONTROLLER, MAXIMUM)]

TIMES = [
    "2026-03-01T12:00:00.000000Z",
    "2026-03-01T12:00:00Z",
    "2026-03-29T02:30:00+02:00",
    "2025-12-31T23:30:00.5-01:00",
    "2024-02-29T23:59:59.999999Z",
    "1970-01-01T00:00:00.000001+00:00",
    "0987-06-05T04:03:02.000001Z",
    "9999-12-31T23:59:59.999999Z",
]

PREFERENCES: list[dict[str, Any]] = [
    {},
    {"channels": ["email"]},
    {"topics": ["hr-hub", "law"], "frequency": "weekly"},
    {"topics": ["a", "b", "c"], "channels": ["email", "phone", "sms"], "frequency": "2-a-month"},
]

COMMITMENTS = [
    (SUBJECT_KEY, "0198c2a0-2222-7000-8000-000000000001", "actor", "web-form"),
    (SUBJECT_KEY, "0198c2a0-2222-7000-8000-000000000001", "evidence", "web-form"),
    (SUBJECT_KEY, "0198c2a0-2222-7000-8000-000000000002", "actor", "web-form"),
    (OTHER_KEY, "0198c2a0-2222-7000-8000-000000000001", "actor", "web-form"),
    (SUBJECT_KEY, NIL, "evidence", '{"signature":"Åse Ødegård ✓"}'),
    (SUBJECT_KEY, MAXIMUM, "evidence", ""),
]
