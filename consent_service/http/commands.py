"""Commands on one purpose, and decisions: several at once, recorded all or none (CORE 8 to 10)."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from consent_service.domain.errors import (
    ConfirmationNeeded,
    ConflictingIdentifiers,
    ConsentError,
    Erased,
    EvidenceRequired,
    IdempotencyKeyReuse,
    InvalidRequest,
    InvalidValue,
    NoLegalBasis,
    NotConsentBased,
    NotObjectable,
    NotPossibleNow,
    NotWithdrawable,
    Overloaded,
    PurposeRetired,
    UnknownReference,
    VersionOvertaken,
)
from consent_service.domain.records import Preferences
from consent_service.domain.values import CALLER_COMMANDS, Channel, Command
from consent_service.http.examples import COMMAND, DECISIONS, DECISIONS_ANSWER, RECORDED
from consent_service.http.exchange import Call, Reply, json_reply
from consent_service.http.operation import IDEMPOTENCY_KEY, Answer, Operation
from consent_service.http.queries import in_utc
from consent_service.http.services import Services
from consent_service.http.wire import (
    Code,
    Identifiers,
    LanguageTag,
    Moment,
    Recorded,
    Slug,
    Version,
    read_identifiers,
    recorded,
)
from consent_service.usecases.submissions import Answer as Outcome
from consent_service.usecases.submissions import CommandInput, SubjectReference, Submission

EVIDENCE_BYTES_MAX = 8192
EVIDENCE_DEPTH_MAX = 32

_COMMANDS = tuple(str(command) for command in CALLER_COMMANDS)
_NULL = b"null"
_NO_EVIDENCE = msgspec.Raw(_NULL)
_read_evidence = msgspec.json.Decoder(dict[str, object]).decode
_Codes = Annotated[list[Code], Meta(max_length=100)]


class PreferencesInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the person prefers, as codes that the purpose version offers."""

    channels: _Codes = []
    topics: _Codes = []
    frequency: Code | None = None


class CommandBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command. `version` is the purpose version whose text was shown: needed for `grant` and `request`."""

    version: Version | None = None
    language: LanguageTag | None = None
    channel: Literal["web", "email", "phone", "paper", "api", "import"] = "api"
    source: Slug | None = None
    occurred_at: Moment | None = None
    preferences: PreferencesInput | None = None
    evidence: Annotated[
        msgspec.Raw,
        Meta(
            description="Free text and proof, an object of at most 8 KiB; sealed, and never on the stream.",
            extra_json_schema={"type": ["object", "null"], "default": None},
        ),
    ] = msgspec.field(default_factory=lambda: _NO_EVIDENCE)


class Decision(CommandBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One command of a decision, on one purpose."""

    purpose: Slug
    command: Annotated[str, Meta(max_length=32, extra_json_schema={"enum": list(_COMMANDS)})]


class DecisionSubject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person by id, or by identifiers; unknown identifiers make a person, an unknown id never does."""

    subject_id: UUID | None = None
    identifiers: Identifiers | None = None


class DecisionsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """1 to 100 decisions of one person, each purpose at most once."""

    subject: DecisionSubject
    decisions: Annotated[list[Decision], Meta(min_length=1, max_length=100)]


class DecisionsAnswer(msgspec.Struct, frozen=True):
    """The records in the order asked. `created` tells that a new person was made."""

    subject_id: UUID
    created: bool
    records: list[Recorded]


_command_body = msgspec.json.Decoder(CommandBody)
_decisions_body = msgspec.json.Decoder(DecisionsBody)


async def record_command(call: Call, services: Services) -> Reply:
    """POST .../consents/{purpose}/{command}: 201 with a new record, 200 with the standing one."""
    subject_id = call.path_id("subject_id")
    purpose, command = call.parameters["purpose"], call.parameters["command"]
    body = call.json(_command_body, absent=CommandBody())
    outcome = await services.ledger.submit(
        Submission(
            caller=call.caller,
            reference=SubjectReference(subject_id=subject_id),
            commands=(read_command(body, purpose, Command(command)),),
            idempotency=call.idempotency(),
            traceparent=call.traceparent,
        )
    )
    records = await _recorded(outcome, call, services)
    return json_reply(201 if outcome.appended else 200, records[0], replayed=outcome.replayed)


async def record_decisions(call: Call, services: Services) -> Reply:
    """POST /v1/decisions: 201 where one of them is new, otherwise 200."""
    body = call.json(_decisions_body)
    outcome = await services.ledger.submit(
        Submission(
            caller=call.caller,
            reference=_read_subject(body.subject),
            commands=_read_decisions(body.decisions),
            idempotency=call.idempotency(),
            traceparent=call.traceparent,
        )
    )
    answer = DecisionsAnswer(
        subject_id=outcome.subject_id,
        created=outcome.created,
        records=await _recorded(outcome, call, services),
    )
    status = 201 if any(result.appended for result in outcome.results) else 200
    return json_reply(status, answer, replayed=outcome.replayed)


def read_command(body: CommandBody, purpose: str, command: Command, pointer: str = "") -> CommandInput:
    """As the ledger takes it. Raises InvalidRequest and InvalidValue with pointers from the body's root."""
    evidence = None if bytes(body.evidence) == _NULL else bytes(body.evidence)
    return CommandInput(
        purpose=purpose,
        command=command,
        version=body.version,
        language=body.language,
        channel=Channel(body.channel),
        source=body.source,
        occurred_at=(
            None if body.occurred_at is None else in_utc(body.occurred_at, pointer=f"{pointer}/occurred_at")
        ),
        preferences=None if body.preferences is None else _read_preferences(body.preferences),
        evidence=evidence,
        has_authority=evidence is not None and _names_authority(evidence, f"{pointer}/evidence"),
        pointer=pointer,
    )


def _read_preferences(given: PreferencesInput) -> Preferences:
    """Arrays sorted and unique (CORE 14)."""
    return Preferences(
        channels=tuple(sorted(set(given.channels))),
        topics=tuple(sorted(set(given.topics))),
        frequency=given.frequency,
    )


def _names_authority(evidence: bytes, pointer: str) -> bool:
    """Whether authority and reference are named (CORE 4). Raises InvalidRequest for what is no evidence."""
    if len(evidence) > EVIDENCE_BYTES_MAX:
        raise InvalidRequest(f"Evidence has at most {EVIDENCE_BYTES_MAX} bytes.", pointer=pointer)
    try:
        content = _read_evidence(evidence)
    except (msgspec.MsgspecError, ValueError):
        raise InvalidRequest("Evidence is a JSON object.", pointer=pointer) from None
    if _is_deeper(content, EVIDENCE_DEPTH_MAX):
        raise InvalidRequest(f"Evidence is nested at most {EVIDENCE_DEPTH_MAX} deep.", pointer=pointer)
    named = (content.get("authority"), content.get("reference"))
    return all(isinstance(one, str) and one.strip() for one in named)


def _is_deeper(value: object, depth: int) -> bool:
    if isinstance(value, dict):
        return depth == 0 or any(_is_deeper(member, depth - 1) for member in value.values())
    if isinstance(value, list):
        return depth == 0 or any(_is_deeper(item, depth - 1) for item in value)
    return False


def _read_subject(given: DecisionSubject) -> SubjectReference:
    if (given.subject_id is None) == (given.identifiers is None):
        raise InvalidRequest("Name the person by `subject_id` or by `identifiers`.", pointer="/subject")
    if given.identifiers is None:
        return SubjectReference(subject_id=given.subject_id, pointer="/subject/subject_id")
    pointer = "/subject/identifiers"
    return SubjectReference(identifiers=read_identifiers(given.identifiers, pointer), pointer=pointer)


def _read_decisions(given: list[Decision]) -> tuple[CommandInput, ...]:
    taken: list[CommandInput] = []
    seen: set[str] = set()
    for place, decision in enumerate(given):
        pointer = f"/decisions/{place}"
        if decision.command not in _COMMANDS:
            raise _no_such_command(decision.command, f"{pointer}/command")
        if decision.purpose in seen:
            raise InvalidValue("The purpose is named twice.", pointer=f"{pointer}/purpose")
        seen.add(decision.purpose)
        taken.append(read_command(decision, decision.purpose, Command(decision.command), pointer))
    return tuple(taken)


def _no_such_command(command: str, pointer: str) -> ConsentError:
    """The service's own and person-wide commands are well-formed, if not the caller's (CORE 4)."""
    detail = f"Not one of the commands: {', '.join(_COMMANDS)}."
    if command in list(Command):
        return InvalidValue(detail, pointer=pointer)
    return InvalidRequest(detail, pointer=pointer)


async def _recorded(outcome: Outcome, call: Call, services: Services) -> list[Recorded]:
    again = [result.record_id for result in outcome.results if result.record is None]
    views = await services.records.several(call.controller, again) if again else {}
    return [recorded(result, call.caller.subject, views) for result in outcome.results]


_REFUSALS = (
    UnknownReference,
    InvalidValue,
    EvidenceRequired,
    NotWithdrawable,
    NotObjectable,
    NotConsentBased,
    NoLegalBasis,
    IdempotencyKeyReuse,
    Erased,
    NotPossibleNow,
    VersionOvertaken,
    ConfirmationNeeded,
    PurposeRetired,
    Overloaded,
)

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/subjects/{subject_id}/consents/{purpose}/{command}",
        name="recordCommand",
        tag="Commands",
        summary="Record a command on one purpose",
        description="Saying the same twice is no error: it answers 200 with the standing record.",
        scope="consents:write",
        handler=record_command,
        body=CommandBody,
        body_needed=False,
        body_example=COMMAND,
        headers=(IDEMPOTENCY_KEY,),
        path_enums={"command": _COMMANDS},
        answers=(
            Answer(201, "The new record.", Recorded, RECORDED, headers=("Idempotency-Replayed",)),
            Answer(
                200,
                "Nothing new was said: the standing record.",
                Recorded,
                RECORDED,
                headers=("Idempotency-Replayed",),
            ),
        ),
        problems=_REFUSALS,
    ),
    Operation(
        method="POST",
        path="/v1/decisions",
        name="recordDecisions",
        tag="Commands",
        summary="Record several commands of one person, all or none",
        scope="consents:write",
        handler=record_decisions,
        body=DecisionsBody,
        body_example=DECISIONS,
        headers=(IDEMPOTENCY_KEY,),
        answers=(
            Answer(
                201,
                "At least one record is new.",
                DecisionsAnswer,
                DECISIONS_ANSWER,
                headers=("Idempotency-Replayed",),
            ),
            Answer(
                200,
                "Nothing new was said: the standing records.",
                DecisionsAnswer,
                DECISIONS_ANSWER,
                headers=("Idempotency-Replayed",),
            ),
        ),
        problems=(*_REFUSALS, ConflictingIdentifiers),
    ),
)
