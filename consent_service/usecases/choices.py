"""Choices of a batch by their ids: each is taken once for ever, and coming again it changes nothing (R36)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.choices import Choice
from consent_service.domain.errors import IdempotencyKeyReuse
from consent_service.storage.choices import NewChoice
from consent_service.usecases.people import Person
from consent_service.usecases.submissions import ChoiceClaim, Submission


class Choices:
    """`known` is what was read under the locks; `taken` gathers what is new."""

    def __init__(self, known: Mapping[tuple[UUID, str], bytes], now: datetime) -> None:
        self._fingerprints = dict(known)
        self._now = now
        self.taken: list[NewChoice] = []

    def is_taken(self, person: Person, chosen: ChoiceClaim) -> bool:
        """Whether this very choice was taken before. Raises IdempotencyKeyReuse where that one said something else."""
        fingerprint = self._fingerprints.get((person.subject_id, chosen.choice_id))
        if fingerprint is None:
            return False
        if fingerprint != chosen.fingerprint:
            raise IdempotencyKeyReuse(
                "This `choice_id` belongs to another choice; make a new one for every choice.",
                pointer="/choice_id",
            )
        return True

    def admitted(self, person: Person | None, submission: Submission) -> Submission:
        """The submission without what it gives, where a choice that was made later was taken before."""
        chosen = submission.chosen
        if person is None or chosen is None or chosen.latest_id is None:
            return submission
        is_overtaken = any(
            subject_id == person.subject_id and chosen.choice_id < choice_id <= chosen.latest_id
            for subject_id, choice_id in self._fingerprints
        )
        if not is_overtaken:
            return submission
        kept = tuple(one for one in submission.commands if one.choice is not Choice.GIVEN)
        return msgspec.structs.replace(submission, commands=kept)

    def take(self, person: Person, chosen: ChoiceClaim) -> None:
        self._fingerprints[person.subject_id, chosen.choice_id] = chosen.fingerprint
        self.taken.append(
            NewChoice(
                controller=person.controller,
                subject_id=person.subject_id,
                choice_id=chosen.choice_id,
                fingerprint=chosen.fingerprint,
                recorded_at=self._now,
            )
        )
