"""What the audit trail tells: the acts that it knows, and the reason that whoever acts may give."""

from __future__ import annotations

from enum import StrEnum

REASON_LENGTH_MAX = 200


class AuditAction(StrEnum):
    """What was done. Names are never used for anything else: rows of the trail are there for ever.

    What is recorded of a person by commands stands in the ledger, with its actor, and not here; nor do permission
    checks (docs/decisions/0011-who-may-do-what.md).
    """

    IDENTIFIERS_READ = "identifiers.read"
    IDENTIFIER_LINKED = "identifier.linked"
    IDENTIFIER_UNLINKED = "identifier.unlinked"
    HISTORY_READ = "history.read"
    RECORD_READ = "record.read"
    STATES_READ_AS_OF = "states.read_as_of"
    STATES_EXPORTED = "states.exported"
    CHANGES_FOLLOWED = "changes.followed"
    EVENTS_REPUBLISHED = "events.republished"
    CONTROLLER_LOADED = "controller.loaded"
    SITE_LOADED = "site.loaded"
    PURPOSE_DRAFTED = "purpose.drafted"
    PURPOSE_PUBLISHED = "purpose.published"
    API_KEY_MADE = "api_key.made"
    API_KEY_REVOKED = "api_key.revoked"
    EPOCH_BEGUN = "epoch.begun"
    KEYS_ROTATING = "keys.rotating"
    KEYS_ROTATED = "keys.rotated"
    KEYS_FORGETTING = "keys.forgetting"
    KEYS_FORGOTTEN = "keys.forgotten"
    # What is for erasure to write, once there is such: `ledger verify` takes either as the excuse for missing details.
    DETAILS_REMOVED = "details.removed"
    PERSON_ERASED = "person.erased"


def read_reason(text: str) -> str:
    """A reason without the blanks around it: 1 to REASON_LENGTH_MAX characters that can be seen. Raises ValueError.

    Line breaks, control characters and those that turn the direction of writing are none.
    """
    reason = text.strip()
    if not 1 <= len(reason) <= REASON_LENGTH_MAX or not reason.isprintable():
        raise ValueError(f"a reason has 1 to {REASON_LENGTH_MAX} visible characters, on one line")
    return reason
