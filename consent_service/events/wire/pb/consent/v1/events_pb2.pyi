import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Command(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMMAND_UNSPECIFIED: _ClassVar[Command]
    COMMAND_REQUEST: _ClassVar[Command]
    COMMAND_CONFIRM: _ClassVar[Command]
    COMMAND_GRANT: _ClassVar[Command]
    COMMAND_REFUSE: _ClassVar[Command]
    COMMAND_DEFER: _ClassVar[Command]
    COMMAND_WITHDRAW: _ClassVar[Command]
    COMMAND_OBJECT: _ClassVar[Command]
    COMMAND_LIFT_OBJECTION: _ClassVar[Command]
    COMMAND_PREFER: _ClassVar[Command]
    COMMAND_REVOKE: _ClassVar[Command]
    COMMAND_INVALIDATE: _ClassVar[Command]
    COMMAND_EXPIRE: _ClassVar[Command]
    COMMAND_RESTRICT: _ClassVar[Command]
    COMMAND_LIFT_RESTRICTION: _ClassVar[Command]
    COMMAND_SUPPRESS: _ClassVar[Command]
    COMMAND_LIFT_SUPPRESSION: _ClassVar[Command]
    COMMAND_ERASE: _ClassVar[Command]
    COMMAND_MERGE: _ClassVar[Command]

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_UNSPECIFIED: _ClassVar[Status]
    STATUS_UNKNOWN: _ClassVar[Status]
    STATUS_REQUESTED: _ClassVar[Status]
    STATUS_DEFERRED: _ClassVar[Status]
    STATUS_GIVEN: _ClassVar[Status]
    STATUS_RENEWED: _ClassVar[Status]
    STATUS_REFUSED: _ClassVar[Status]
    STATUS_WITHDRAWN: _ClassVar[Status]
    STATUS_REVOKED: _ClassVar[Status]
    STATUS_EXPIRED: _ClassVar[Status]
    STATUS_INVALIDATED: _ClassVar[Status]
    STATUS_OBJECTED: _ClassVar[Status]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_GIVEN: _ClassVar[Reason]
    REASON_RENEWED: _ClassVar[Reason]
    REASON_LEGITIMATE_INTEREST: _ClassVar[Reason]
    REASON_NOT_CONSENT_BASED: _ClassVar[Reason]
    REASON_NO_RECORD: _ClassVar[Reason]
    REASON_REQUESTED: _ClassVar[Reason]
    REASON_DEFERRED: _ClassVar[Reason]
    REASON_REFUSED: _ClassVar[Reason]
    REASON_WITHDRAWN: _ClassVar[Reason]
    REASON_REVOKED: _ClassVar[Reason]
    REASON_EXPIRED: _ClassVar[Reason]
    REASON_INVALIDATED: _ClassVar[Reason]
    REASON_OBJECTED: _ClassVar[Reason]
    REASON_RESTRICTED: _ClassVar[Reason]
    REASON_SUPPRESSED: _ClassVar[Reason]
    REASON_ERASED: _ClassVar[Reason]
    REASON_SIGNAL: _ClassVar[Reason]
    REASON_NO_LEGAL_BASIS: _ClassVar[Reason]

class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAUSE_UNSPECIFIED: _ClassVar[Cause]
    CAUSE_PURPOSE_CHANGED: _ClassVar[Cause]
    CAUSE_AUTHORITY: _ClassVar[Cause]

class Basis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BASIS_UNSPECIFIED: _ClassVar[Basis]
    BASIS_CONSENT: _ClassVar[Basis]
    BASIS_CONTRACT: _ClassVar[Basis]
    BASIS_LEGAL_OBLIGATION: _ClassVar[Basis]
    BASIS_VITAL_INTERESTS: _ClassVar[Basis]
    BASIS_PUBLIC_TASK: _ClassVar[Basis]
    BASIS_LEGITIMATE_INTERESTS: _ClassVar[Basis]

class VersionChange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERSION_CHANGE_UNSPECIFIED: _ClassVar[VersionChange]
    VERSION_CHANGE_MATERIAL: _ClassVar[VersionChange]
    VERSION_CHANGE_EDITORIAL: _ClassVar[VersionChange]

class Confirmation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONFIRMATION_UNSPECIFIED: _ClassVar[Confirmation]
    CONFIRMATION_NONE: _ClassVar[Confirmation]
    CONFIRMATION_DOUBLE_OPT_IN: _ClassVar[Confirmation]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_STOPPED: _ClassVar[Outcome]
    OUTCOME_STARTED: _ClassVar[Outcome]
    OUTCOME_FAILED: _ClassVar[Outcome]
    OUTCOME_NOT_HELD: _ClassVar[Outcome]
    OUTCOME_ACCEPTED: _ClassVar[Outcome]
    OUTCOME_ERASED: _ClassVar[Outcome]
COMMAND_UNSPECIFIED: Command
COMMAND_REQUEST: Command
COMMAND_CONFIRM: Command
COMMAND_GRANT: Command
COMMAND_REFUSE: Command
COMMAND_DEFER: Command
COMMAND_WITHDRAW: Command
COMMAND_OBJECT: Command
COMMAND_LIFT_OBJECTION: Command
COMMAND_PREFER: Command
COMMAND_REVOKE: Command
COMMAND_INVALIDATE: Command
COMMAND_EXPIRE: Command
COMMAND_RESTRICT: Command
COMMAND_LIFT_RESTRICTION: Command
COMMAND_SUPPRESS: Command
COMMAND_LIFT_SUPPRESSION: Command
COMMAND_ERASE: Command
COMMAND_MERGE: Command
STATUS_UNSPECIFIED: Status
STATUS_UNKNOWN: Status
STATUS_REQUESTED: Status
STATUS_DEFERRED: Status
STATUS_GIVEN: Status
STATUS_RENEWED: Status
STATUS_REFUSED: Status
STATUS_WITHDRAWN: Status
STATUS_REVOKED: Status
STATUS_EXPIRED: Status
STATUS_INVALIDATED: Status
STATUS_OBJECTED: Status
REASON_UNSPECIFIED: Reason
REASON_GIVEN: Reason
REASON_RENEWED: Reason
REASON_LEGITIMATE_INTEREST: Reason
REASON_NOT_CONSENT_BASED: Reason
REASON_NO_RECORD: Reason
REASON_REQUESTED: Reason
REASON_DEFERRED: Reason
REASON_REFUSED: Reason
REASON_WITHDRAWN: Reason
REASON_REVOKED: Reason
REASON_EXPIRED: Reason
REASON_INVALIDATED: Reason
REASON_OBJECTED: Reason
REASON_RESTRICTED: Reason
REASON_SUPPRESSED: Reason
REASON_ERASED: Reason
REASON_SIGNAL: Reason
REASON_NO_LEGAL_BASIS: Reason
CAUSE_UNSPECIFIED: Cause
CAUSE_PURPOSE_CHANGED: Cause
CAUSE_AUTHORITY: Cause
BASIS_UNSPECIFIED: Basis
BASIS_CONSENT: Basis
BASIS_CONTRACT: Basis
BASIS_LEGAL_OBLIGATION: Basis
BASIS_VITAL_INTERESTS: Basis
BASIS_PUBLIC_TASK: Basis
BASIS_LEGITIMATE_INTERESTS: Basis
VERSION_CHANGE_UNSPECIFIED: VersionChange
VERSION_CHANGE_MATERIAL: VersionChange
VERSION_CHANGE_EDITORIAL: VersionChange
CONFIRMATION_UNSPECIFIED: Confirmation
CONFIRMATION_NONE: Confirmation
CONFIRMATION_DOUBLE_OPT_IN: Confirmation
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_STOPPED: Outcome
OUTCOME_STARTED: Outcome
OUTCOME_FAILED: Outcome
OUTCOME_NOT_HELD: Outcome
OUTCOME_ACCEPTED: Outcome
OUTCOME_ERASED: Outcome

class Permission(_message.Message):
    __slots__ = ("allowed", "reason", "until")
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    allowed: bool
    reason: Reason
    until: _timestamp_pb2.Timestamp
    def __init__(self, allowed: _Optional[bool] = ..., reason: _Optional[_Union[Reason, str]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Preferences(_message.Message):
    __slots__ = ("channels", "topics", "frequency")
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_FIELD_NUMBER: _ClassVar[int]
    channels: _containers.RepeatedScalarFieldContainer[str]
    topics: _containers.RepeatedScalarFieldContainer[str]
    frequency: str
    def __init__(self, channels: _Optional[_Iterable[str]] = ..., topics: _Optional[_Iterable[str]] = ..., frequency: _Optional[str] = ...) -> None: ...

class ConsentChange(_message.Message):
    __slots__ = ("record_id", "controller", "subject_id", "sequence", "purpose", "command", "status", "permission", "version", "standing_version", "governing_version", "legal_bases", "preferences", "source", "recorded_at", "occurred_at", "effective_at", "cause", "superseded", "replayed", "ledger_epoch")
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STANDING_VERSION_FIELD_NUMBER: _ClassVar[int]
    GOVERNING_VERSION_FIELD_NUMBER: _ClassVar[int]
    LEGAL_BASES_FIELD_NUMBER: _ClassVar[int]
    PREFERENCES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    LEDGER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    record_id: str
    controller: str
    subject_id: str
    sequence: int
    purpose: str
    command: Command
    status: Status
    permission: Permission
    version: int
    standing_version: int
    governing_version: int
    legal_bases: _containers.RepeatedScalarFieldContainer[Basis]
    preferences: Preferences
    source: str
    recorded_at: _timestamp_pb2.Timestamp
    occurred_at: _timestamp_pb2.Timestamp
    effective_at: _timestamp_pb2.Timestamp
    cause: Cause
    superseded: bool
    replayed: bool
    ledger_epoch: int
    def __init__(self, record_id: _Optional[str] = ..., controller: _Optional[str] = ..., subject_id: _Optional[str] = ..., sequence: _Optional[int] = ..., purpose: _Optional[str] = ..., command: _Optional[_Union[Command, str]] = ..., status: _Optional[_Union[Status, str]] = ..., permission: _Optional[_Union[Permission, _Mapping]] = ..., version: _Optional[int] = ..., standing_version: _Optional[int] = ..., governing_version: _Optional[int] = ..., legal_bases: _Optional[_Iterable[_Union[Basis, str]]] = ..., preferences: _Optional[_Union[Preferences, _Mapping]] = ..., source: _Optional[str] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., effective_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cause: _Optional[_Union[Cause, str]] = ..., superseded: _Optional[bool] = ..., replayed: _Optional[bool] = ..., ledger_epoch: _Optional[int] = ...) -> None: ...

class PurposePublished(_message.Message):
    __slots__ = ("controller", "purpose", "version", "published_at", "versions", "replayed", "ledger_epoch")
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_AT_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    LEDGER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    controller: str
    purpose: str
    version: int
    published_at: _timestamp_pb2.Timestamp
    versions: _containers.RepeatedCompositeFieldContainer[PurposeVersion]
    replayed: bool
    ledger_epoch: int
    def __init__(self, controller: _Optional[str] = ..., purpose: _Optional[str] = ..., version: _Optional[int] = ..., published_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., versions: _Optional[_Iterable[_Union[PurposeVersion, _Mapping]]] = ..., replayed: _Optional[bool] = ..., ledger_epoch: _Optional[int] = ...) -> None: ...

class PurposeVersion(_message.Message):
    __slots__ = ("version", "effective_from", "change", "legal_bases", "default_permission", "oldest_valid_version", "retired", "renew_after", "confirmation", "recipients")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FROM_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    LEGAL_BASES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_PERMISSION_FIELD_NUMBER: _ClassVar[int]
    OLDEST_VALID_VERSION_FIELD_NUMBER: _ClassVar[int]
    RETIRED_FIELD_NUMBER: _ClassVar[int]
    RENEW_AFTER_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATION_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    version: int
    effective_from: _timestamp_pb2.Timestamp
    change: VersionChange
    legal_bases: _containers.RepeatedScalarFieldContainer[Basis]
    default_permission: Permission
    oldest_valid_version: int
    retired: bool
    renew_after: str
    confirmation: Confirmation
    recipients: _containers.RepeatedCompositeFieldContainer[Recipient]
    def __init__(self, version: _Optional[int] = ..., effective_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., change: _Optional[_Union[VersionChange, str]] = ..., legal_bases: _Optional[_Iterable[_Union[Basis, str]]] = ..., default_permission: _Optional[_Union[Permission, _Mapping]] = ..., oldest_valid_version: _Optional[int] = ..., retired: _Optional[bool] = ..., renew_after: _Optional[str] = ..., confirmation: _Optional[_Union[Confirmation, str]] = ..., recipients: _Optional[_Iterable[_Union[Recipient, _Mapping]]] = ...) -> None: ...

class Recipient(_message.Message):
    __slots__ = ("slug", "deadline")
    SLUG_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    slug: str
    deadline: str
    def __init__(self, slug: _Optional[str] = ..., deadline: _Optional[str] = ...) -> None: ...

class ConsentState(_message.Message):
    __slots__ = ("controller", "subject_id", "purpose", "sequence", "record_id", "status", "permission", "standing_version", "legal_bases", "preferences", "recorded_at", "effective_at", "ledger_epoch", "merged_into")
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    STANDING_VERSION_FIELD_NUMBER: _ClassVar[int]
    LEGAL_BASES_FIELD_NUMBER: _ClassVar[int]
    PREFERENCES_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    LEDGER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    MERGED_INTO_FIELD_NUMBER: _ClassVar[int]
    controller: str
    subject_id: str
    purpose: str
    sequence: int
    record_id: str
    status: Status
    permission: Permission
    standing_version: int
    legal_bases: _containers.RepeatedScalarFieldContainer[Basis]
    preferences: Preferences
    recorded_at: _timestamp_pb2.Timestamp
    effective_at: _timestamp_pb2.Timestamp
    ledger_epoch: int
    merged_into: str
    def __init__(self, controller: _Optional[str] = ..., subject_id: _Optional[str] = ..., purpose: _Optional[str] = ..., sequence: _Optional[int] = ..., record_id: _Optional[str] = ..., status: _Optional[_Union[Status, str]] = ..., permission: _Optional[_Union[Permission, _Mapping]] = ..., standing_version: _Optional[int] = ..., legal_bases: _Optional[_Iterable[_Union[Basis, str]]] = ..., preferences: _Optional[_Union[Preferences, _Mapping]] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., effective_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ledger_epoch: _Optional[int] = ..., merged_into: _Optional[str] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("shard_group", "shard_groups", "at", "oldest_unpublished", "ledger_epoch")
    SHARD_GROUP_FIELD_NUMBER: _ClassVar[int]
    SHARD_GROUPS_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    OLDEST_UNPUBLISHED_FIELD_NUMBER: _ClassVar[int]
    LEDGER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    shard_group: int
    shard_groups: int
    at: _timestamp_pb2.Timestamp
    oldest_unpublished: _duration_pb2.Duration
    ledger_epoch: int
    def __init__(self, shard_group: _Optional[int] = ..., shard_groups: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., oldest_unpublished: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ledger_epoch: _Optional[int] = ...) -> None: ...

class RenewalDue(_message.Message):
    __slots__ = ("notice_id", "controller", "subject_id", "purpose", "version", "until", "noticed_at")
    NOTICE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    NOTICED_AT_FIELD_NUMBER: _ClassVar[int]
    notice_id: str
    controller: str
    subject_id: str
    purpose: str
    version: int
    until: _timestamp_pb2.Timestamp
    noticed_at: _timestamp_pb2.Timestamp
    def __init__(self, notice_id: _Optional[str] = ..., controller: _Optional[str] = ..., subject_id: _Optional[str] = ..., purpose: _Optional[str] = ..., version: _Optional[int] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., noticed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class IdentifierChanged(_message.Message):
    __slots__ = ("notice_id", "controller", "subject_id", "identifier_id", "type", "linked", "noticed_at")
    NOTICE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LINKED_FIELD_NUMBER: _ClassVar[int]
    NOTICED_AT_FIELD_NUMBER: _ClassVar[int]
    notice_id: str
    controller: str
    subject_id: str
    identifier_id: str
    type: str
    linked: bool
    noticed_at: _timestamp_pb2.Timestamp
    def __init__(self, notice_id: _Optional[str] = ..., controller: _Optional[str] = ..., subject_id: _Optional[str] = ..., identifier_id: _Optional[str] = ..., type: _Optional[str] = ..., linked: _Optional[bool] = ..., noticed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Acknowledgement(_message.Message):
    __slots__ = ("acknowledgement_id", "controller", "recipient", "record_id", "subject_id", "outcome", "at", "due_at")
    ACKNOWLEDGEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    acknowledgement_id: str
    controller: str
    recipient: str
    record_id: str
    subject_id: str
    outcome: Outcome
    at: _timestamp_pb2.Timestamp
    due_at: _timestamp_pb2.Timestamp
    def __init__(self, acknowledgement_id: _Optional[str] = ..., controller: _Optional[str] = ..., recipient: _Optional[str] = ..., record_id: _Optional[str] = ..., subject_id: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ("dead_letter_id", "recipient", "topic", "partition", "offset", "reason", "at", "type", "value")
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: str
    recipient: str
    topic: str
    partition: int
    offset: int
    reason: str
    at: _timestamp_pb2.Timestamp
    type: str
    value: bytes
    def __init__(self, dead_letter_id: _Optional[str] = ..., recipient: _Optional[str] = ..., topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., reason: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., type: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class RecipientLate(_message.Message):
    __slots__ = ("notice_id", "controller", "subject_id", "purpose", "record_id", "recipient", "owed_since", "due_at", "noticed_at")
    NOTICE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    OWED_SINCE_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    NOTICED_AT_FIELD_NUMBER: _ClassVar[int]
    notice_id: str
    controller: str
    subject_id: str
    purpose: str
    record_id: str
    recipient: str
    owed_since: _timestamp_pb2.Timestamp
    due_at: _timestamp_pb2.Timestamp
    noticed_at: _timestamp_pb2.Timestamp
    def __init__(self, notice_id: _Optional[str] = ..., controller: _Optional[str] = ..., subject_id: _Optional[str] = ..., purpose: _Optional[str] = ..., record_id: _Optional[str] = ..., recipient: _Optional[str] = ..., owed_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., noticed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
