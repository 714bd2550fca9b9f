"""What the gate answers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from consent_client.words import Reason, Status


class GateReason(StrEnum):
    """Why the gate itself says no, beside the service's reasons."""

    NOT_READY = "not_ready"
    """What stands is not read to its end, or nothing tells yet how old it is."""
    OUT_OF_TOUCH = "out_of_touch"
    """For longer than the set time nothing told that what is known still holds."""
    UNKNOWN_PURPOSE = "unknown_purpose"
    """The controller published no such purpose, or the gate was told not to look at it."""
    NOT_UNDERSTOOD = "not_understood"
    """What was told of it is of a later release, or damaged."""
    OUTDATED = "outdated"
    """Told before the ledger was restored from a backup; about to be told anew."""


class Answer(msgspec.Struct, frozen=True):
    """May the purpose be pursued for the person at this moment.

    `status` and `version` say what that rests on, where it is known. From `until` on it is no.
    """

    allowed: bool
    reason: Reason | GateReason
    status: Status | None = None
    version: int | None = None
    until: datetime | None = None
