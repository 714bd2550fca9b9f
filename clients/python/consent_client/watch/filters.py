"""Which changes are shown."""

from __future__ import annotations

import msgspec

from consent_client.model import Change


class Filters(msgspec.Struct, frozen=True):
    """What is empty or None lets everything pass. A subject is named by its id or by the end of it."""

    controllers: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    allowed: bool | None = None

    def take(self, change: Change) -> bool:
        return (
            (not self.controllers or change.controller in self.controllers)
            and (not self.purposes or change.purpose in self.purposes)
            and (not self.subjects or str(change.subject_id).endswith(self.subjects))
            and (not self.commands or change.command in self.commands)
            and (self.allowed is None or self.allowed == change.allowed)
        )
