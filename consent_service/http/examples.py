"""Examples for the documentation: one person and one purpose of the sample catalogue."""

from __future__ import annotations

from typing import Any

C15T_ID = "sub_1A3mq7XzPfWk9tRu2vHcYbDgNe8"
SUBJECT_ID = "0198c5a2-7d10-7c3e-9a41-5b0f4d2e8a67"
RECORD_ID = "0198c5a2-7d3b-7f02-8e15-2c9d6a7b4f31"
PURPOSE = "nettstedanalyse-matomo"
IDENTIFIER_ID = "0198c5a2-7d0e-7a19-b3c4-8f1e2d3c4b5a"

IDENTIFIERS: dict[str, Any] = {"identifiers": [{"type": "email", "value": "kari.nordmann@example.no"}]}
SUBJECT: dict[str, Any] = {"subject_id": SUBJECT_ID, "created": True}
FOUND: dict[str, Any] = {"subject_id": SUBJECT_ID}
LINKED: dict[str, Any] = {"items": [{"identifier_id": IDENTIFIER_ID, "type": "email"}]}
IDENTIFIER_PAGE: dict[str, Any] = {
    "items": [
        {
            "identifier_id": IDENTIFIER_ID,
            "type": "email",
            "value": "kari.nordmann@example.no",
            "linked_at": "2026-03-02T09:15:00.120000Z",
        }
    ],
    "next": None,
}

COMMAND: dict[str, Any] = {"version": 1, "language": "nb", "channel": "web", "source": "banner"}
PERMISSION: dict[str, Any] = {
    "allowed": True,
    "reason": "given",
    "status": "given",
    "version": 1,
    "until": None,
}
RECORD: dict[str, Any] = {
    "record_id": RECORD_ID,
    "subject_id": SUBJECT_ID,
    "purpose": PURPOSE,
    "version": 1,
    "sequence": 1,
    "command": "grant",
    "status": "given",
    "recorded_at": "2026-03-02T09:15:00.123456Z",
    "occurred_at": None,
    "effective_at": "2026-03-02T09:15:00.123456Z",
    "until": None,
    "language": "nb",
    "notice_hash": "6f1f2a0c9d4b8e7a5c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b",
    "channel": "web",
    "source": "banner",
    "preferences": None,
    "permission": PERMISSION,
    "superseded": False,
    "cause": None,
    "choice_id": None,
    "actor": "web-shop",
    "record_hash": "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
    "previous_hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
}
RECORDED: dict[str, Any] = {"record": RECORD, "permission": PERMISSION}
RECORD_WITH_EVIDENCE: dict[str, Any] = {**RECORD, "evidence": {"screen": "front-page", "ticket": "4711"}}
RECORD_PAGE: dict[str, Any] = {"items": [RECORD], "next": None}
DECISIONS: dict[str, Any] = {
    "subject": IDENTIFIERS,
    "decisions": [
        {"purpose": PURPOSE, "command": "grant", "version": 1, "channel": "web"},
        {"purpose": "facebook-piksel", "command": "refuse", "channel": "web"},
    ],
}
DECISIONS_ANSWER: dict[str, Any] = {"subject_id": SUBJECT_ID, "created": True, "records": [RECORDED]}

QUERIES: dict[str, Any] = {
    "queries": [
        {"identifier": {"type": "email", "value": "kari.nordmann@example.no"}, "purpose": PURPOSE},
        {"identifier": {"type": "email", "value": "ola@example.no"}, "purpose": PURPOSE},
    ]
}
ANSWERS: dict[str, Any] = {
    "answers": [
        {"subject_id": SUBJECT_ID, "purpose": PURPOSE, **PERMISSION},
        {
            "subject_id": None,
            "purpose": PURPOSE,
            "allowed": False,
            "reason": "no_record",
            "status": "unknown",
            "version": 1,
            "until": None,
        },
    ]
}
SUBJECT_STATE: dict[str, Any] = {
    "subject_id": SUBJECT_ID,
    "consents": [
        {
            "purpose": PURPOSE,
            "status": "given",
            "version": 1,
            "since": "2026-03-02T09:15:00.123456Z",
            "record_id": RECORD_ID,
            "permission": PERMISSION,
            "preferences": None,
        }
    ],
}

RECIPIENT = "matomo"
SITE = "ansettr-web"
ACKNOWLEDGEMENT_ID = "0198c5a2-7f10-7b5d-8c22-6e4f3a2b1c0d"
ACKNOWLEDGEMENTS: dict[str, Any] = {
    "recipient": RECIPIENT,
    "records": [{"record_id": RECORD_ID, "outcome": "started", "at": "2026-03-02T09:15:02Z"}],
}
SETTLED: dict[str, Any] = {"settled": 1}
PROPAGATION: dict[str, Any] = {
    "record_id": RECORD_ID,
    "purpose": PURPOSE,
    "sequence": 1,
    "allowed": True,
    "recipients": [
        {
            "recipient": RECIPIENT,
            "owed_since": "2026-03-02T09:15:00.123456Z",
            "due_at": "2026-03-02T10:15:00.123456Z",
            "settled_at": "2026-03-02T09:15:02.310000Z",
            "settled_by": RECORD_ID,
            "outcome": "started",
            "acknowledged_at": "2026-03-02T09:15:02Z",
            "late_s": 0.0,
            "acknowledgements": [
                {
                    "recipient": RECIPIENT,
                    "outcome": "started",
                    "at": "2026-03-02T09:15:02Z",
                    "received_at": "2026-03-02T09:15:02.310000Z",
                    "due_at": None,
                    "acknowledgement_id": ACKNOWLEDGEMENT_ID,
                }
            ],
        }
    ],
}

RECIPIENTS: dict[str, Any] = {
    "items": [
        {
            "recipient": RECIPIENT,
            "pending": 2,
            "late": 1,
            "late_s": 418.2,
            "oldest_owed_since": "2026-03-02T09:15:00.123456Z",
            "latest_acknowledgement_at": "2026-03-02T09:02:11.310000Z",
        }
    ],
    "next": None,
}
PENDING: dict[str, Any] = {
    "items": [
        {
            "record_id": RECORD_ID,
            "subject_id": SUBJECT_ID,
            "purpose": PURPOSE,
            "sequence": 1,
            "allowed": True,
            "owed_since": "2026-03-02T09:15:00.123456Z",
            "due_at": "2026-03-02T10:15:00.123456Z",
            "late_s": 0.0,
        }
    ],
    "next": None,
}

PURPOSE_INPUT: dict[str, Any] = {
    "change": "material",
    "legal_bases": ["consent"],
    "notices": {
        "nb": {"name": "Nyhetsbrev", "description": "Vi sender deg nyheter på e-post."},
        "en": {"name": "Newsletter", "description": "We send you news by e-mail."},
    },
    "recipients": [{"slug": "brevo", "name": "Brevo", "role": "processor"}],
    "renew_after": "P3Y",
    "confirmation": "double_opt_in",
}

EVENT_ID = "AaJ0m1Zb9kEcBgECAwQFBgcICQoLDOpxK5w"
CHANGE: dict[str, Any] = {
    "record_id": RECORD_ID,
    "controller": "ansettr",
    "subject_id": SUBJECT_ID,
    "sequence": 1,
    "purpose": PURPOSE,
    "command": "grant",
    "status": "given",
    "version": 1,
    "permission": PERMISSION,
    "governing_version": 1,
    "legal_bases": ["consent"],
    "preferences": None,
    "source": "banner",
    "recorded_at": "2026-03-02T09:15:00.123456Z",
    "occurred_at": None,
    "effective_at": "2026-03-02T09:15:00.123456Z",
    "cause": None,
    "superseded": False,
    "replayed": False,
    "ledger_epoch": 1,
    "traceparent": None,
}
STATES: dict[str, Any] = {
    "items": [{**SUBJECT_STATE["consents"][0], "subject_id": SUBJECT_ID, "sequence": 1, "ledger_epoch": 1}],
    "next": None,
    "resume": EVENT_ID,
}
