"""The scopes that a token may carry, and what each allows (API face 1)."""

from __future__ import annotations

SCOPES: dict[str, str] = {
    "subjects:read": "find a person by identifiers",
    "subjects:write": "make persons, link and remove identifiers",
    "identifiers:read": "read a person's identifiers in clear; every reading is audited",
    "consents:read": "read permissions, records and what stands",
    "consents:write": "record commands and decisions",
    "catalogue:read": "read purposes and their versions",
    "catalogue:write": "publish versions and save drafts",
    "changes:read": "follow the stream of changes and read the snapshot of states",
    "acknowledgements:write": "confirm as a recipient that records were acted on",
    "recipients:read": "see which recipients are late",
}
