"""What a batch has to know before it decides, read in one transaction under the subjects' locks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.errors import UnknownController
from consent_service.domain.purposes import Purpose
from consent_service.domain.records import Fact
from consent_service.domain.values import DATED_CHANNELS
from consent_service.storage.choices import read_choices
from consent_service.storage.database import Connection
from consent_service.storage.idempotency import read_answers
from consent_service.storage.keyring import Keyring
from consent_service.storage.ledger import read_revisions
from consent_service.storage.records import read_facts
from consent_service.storage.states import read_states
from consent_service.storage.subjects import Link, find_identifiers, lock_subjects
from consent_service.usecases.batches import Loaded, identifier_hashes
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.submissions import Submission


class _Meant(msgspec.Struct):
    """A submission with the subjects it may be about: the one it names, or those its identifiers are linked to.

    Once they are locked, only those that its controller has.
    """

    submission: Submission
    controller: str
    subject_ids: set[UUID]


async def load(
    connection: Connection,
    submissions: Sequence[Submission],
    keyring: Keyring,
    catalogue: Catalogue,
    now: Callable[[], datetime],
) -> Loaded:
    """Find the subjects, lock them in one order, then read: what is read after the lock stays true until the end.

    Raises UnknownController, which fails the whole batch; the interface asks for the controller beforehand.
    """
    hashes, meant = await _find(connection, submissions, keyring)
    subjects = await lock_subjects(
        connection, {(one.controller, subject_id) for one in meant for subject_id in one.subject_ids}
    )
    # A batch mixes controllers. Who names another's person must not take part in what is read about that person.
    for one in meant:
        one.subject_ids = {
            subject_id
            for subject_id in one.subject_ids
            if subject_id in subjects and subjects[subject_id].controller == one.controller
        }
    keys = {one.idempotency.key for one in submissions if one.idempotency is not None}
    read_at = now()
    answers = await read_answers(connection, keys, read_at) if keys else {}
    pairs = sorted(
        {
            (one.controller, subject_id, command.purpose)
            for one in meant
            for subject_id in one.subject_ids
            for command in one.submission.commands
        }
    )
    states, revisions = await read_states(connection, pairs) if pairs else ({}, {})
    chosen = {
        (one.controller, subject_id, claim.choice_id, claim.latest_id or claim.choice_id)
        for one in meant
        if (claim := one.submission.chosen) is not None
        for subject_id in one.subject_ids
    }
    return Loaded(
        now=max(read_at, now()),
        subjects=subjects,
        states=states,
        facts=await _read_histories(connection, meant),
        hashes=hashes,
        purposes=await _purposes(connection, {one.controller for one in meant}, revisions, catalogue),
        answers=answers,
        choices=await read_choices(connection, chosen) if chosen else {},
    )


async def _read_histories(
    connection: Connection, meant: Sequence[_Meant]
) -> dict[UUID, dict[str, list[Fact]]]:
    """Of whom something is told that may be late."""
    facts: dict[UUID, dict[str, list[Fact]]] = {}
    for controller in {one.controller for one in meant}:
        late = {
            subject_id
            for one in meant
            if one.controller == controller and _may_be_late(one.submission)
            for subject_id in one.subject_ids
        }
        if late:
            facts |= {subject_id: {} for subject_id in late}
            facts |= await read_facts(connection, controller, late)
    return facts


async def _find(
    connection: Connection, submissions: Sequence[Submission], keyring: Keyring
) -> tuple[dict[bytes, Link], list[_Meant]]:
    named = [
        identifier_hashes(keyring, one.caller.controller, one.reference.identifiers) for one in submissions
    ]
    asked = {one for of_one in named for one in of_one}
    for submission in submissions:
        asked.update(identifier_hashes(keyring, submission.caller.controller, submission.link))
    hashes = await find_identifiers(connection, asked) if asked else {}
    meant = []
    for submission, of_one in zip(submissions, named, strict=True):
        subject_ids = {hashes[one].subject_id for one in of_one if one in hashes}
        if submission.reference.subject_id is not None:
            subject_ids.add(submission.reference.subject_id)
        meant.append(_Meant(submission, submission.caller.controller, subject_ids))
    return hashes, meant


def _may_be_late(submission: Submission) -> bool:
    return any(
        command.occurred_at is not None and command.channel in DATED_CHANNELS
        for command in submission.commands
    )


async def _purposes(
    connection: Connection,
    controllers: set[str],
    read: Mapping[str, int],
    catalogue: Catalogue,
) -> dict[str, Mapping[str, Purpose]]:
    unread = controllers - read.keys()
    revisions = {**read, **(await read_revisions(connection, unread) if unread else {})}
    purposes: dict[str, Mapping[str, Purpose]] = {}
    for controller in controllers:
        revision = revisions.get(controller)
        if revision is None:
            raise UnknownController("The token's controller is not known here.")
        purposes[controller] = await catalogue.purposes_in(connection, controller, revision)
    return purposes
