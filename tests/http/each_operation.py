"""A call of every operation of systems that is answered well, for what has to hold of all of them.

A new operation has to be added here: `calls` is compared with the routes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from consent_service.http.routes import OPERATIONS
from consent_service.http.site_endpoint import SITES

#: What browsers call, with an origin and no token, has tests of its own (test_site_bodies, test_origins, test_notice).
OF_SYSTEMS = tuple(one for one in OPERATIONS if not one.path.startswith(SITES))
RECIPIENT = "matomo"
#: When a recipient acted.
AT = "2026-01-31T12:00:00Z"


class Known(msgspec.Struct, frozen=True):
    """What is there: a person with an identifier and a record on a purpose of RECIPIENT's, and texts to send along.

    `extra_id` is an identifier of the person's that may be removed, `draft` a purpose that has a draft.
    """

    subject_id: str
    record_id: str
    extra_id: str
    identifier: dict[str, str]
    purpose: str = "newsletter"
    draft: str = "drafted"
    source: str = "footer-form"
    evidence: dict[str, Any] = msgspec.field(default_factory=lambda: {"form": "footer"})
    notice: str = "We send you news."


class Asked(msgspec.Struct, frozen=True):
    """One call. What it needs of a token beyond every scope is the claim `recipient`, RECIPIENT."""

    name: str
    method: str
    path: str
    body: Any = None

    def with_path(self, path: str) -> Asked:
        return msgspec.structs.replace(self, path=path)


def calls(known: Known) -> list[Asked]:
    """Each operation once, in the order of the routes; the one that removes an identifier included."""
    subject, record, purpose = known.subject_id, known.record_id, known.purpose
    identifiers = {"identifiers": [known.identifier]}
    said = {"source": known.source, "evidence": known.evidence, "channel": "web", "language": "nb"}
    word = {"record_id": record, "outcome": "stopped", "at": AT}
    version = {
        "change": "editorial",
        "legal_bases": ["consent"],
        "notices": {"nb": {"name": "Navn", "description": known.notice}},
    }
    bodies: dict[str, Any] = {
        "recordCommand": {"version": 1, **said},
        "recordDecisions": {
            "subject": identifiers,
            "decisions": [{"purpose": purpose, "command": "withdraw", **said}],
        },
        "readPermissions": {"queries": [{"identifier": known.identifier, "purpose": purpose}]},
        "findOrMakeSubject": identifiers,
        "lookUpSubject": identifiers,
        "linkIdentifiers": identifiers,
        "acknowledge": {"recipient": RECIPIENT, "records": [word]},
        "putPurpose": version,
    }
    places = {
        "subject_id": subject,
        "record_id": record,
        "identifier_id": known.extra_id,
        "command": "grant",
        "recipient": RECIPIENT,
        "version": "1",
    }
    found = []
    for one in OF_SYSTEMS:
        slug = {"putPurpose": "written", "readPurposeDraft": known.draft}.get(one.name, purpose)
        path = one.path.format(**places, purpose=slug)
        found.append(Asked(one.name, one.method, path, bodies.pop(one.name, None)))
        assert (found[-1].body is None) == (one.body is None), f"{one.name} needs a body here"
    assert not bodies, f"there is no such operation any more: {bodies}"
    return found
