"""The bodies of c15t's interface, in the names of c15t 2.2.1 (R39)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from consent_service.domain.c15t import Category
from consent_service.domain.choices import Unrecorded
from consent_service.http.wire import C15T_SUBJECT
from consent_service.usecases.c15t import GIVEN_MS_MAX, GIVEN_MS_MIN

_TYPE = "[a-z][a-z0-9_]{0,99}"

SubjectId = Annotated[
    str,
    Meta(
        pattern=rf"^{C15T_SUBJECT}\Z",
        description="What c15t's client made for this browser.",
        extra_json_schema={"pattern": f"^{C15T_SUBJECT}$"},
    ),
]


class C15tSaveBody(msgspec.Struct, frozen=True, rename="camel"):
    """What a visitor saved. `type` is `cookie_banner`, with `preferences`; other types are taken and not recorded.
    `givenAt` is in milliseconds from 1970. Further fields are passed over.
    """

    subject_id: SubjectId
    type: Annotated[
        str,
        Meta(
            pattern=rf"^{_TYPE}\Z",
            description="A type of c15t's.",
            extra_json_schema={"pattern": f"^{_TYPE}$"},
        ),
    ]
    domain: str
    given_at: Annotated[float, Meta(ge=GIVEN_MS_MIN, le=GIVEN_MS_MAX)]
    preferences: dict[str, bool] | None = None
    ui_source: str | None = None
    consent_action: str | None = None
    policy_snapshot_token: str | None = None


class C15tMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """`recorded`: whether anything new was taken. `askAgain`: what was not, and why."""

    recorded: bool
    ask_again: tuple[Unrecorded, ...] = ()


class C15tSavedBody(msgspec.Struct, frozen=True, rename="camel"):
    """`appliedPreferences` is what stands now."""

    subject_id: str
    consent_id: str
    domain_id: str
    domain: str
    type: str
    applied_preferences: dict[Category, bool]
    given_at: datetime
    metadata: C15tMetadata


class C15tSubject(msgspec.Struct, frozen=True):
    id: str


class C15tConsent(msgspec.Struct, frozen=True, rename="camel"):
    """What stands. `isLatestPolicy` is false where something was overtaken, or has expired: ask again."""

    id: str
    type: str
    policy_id: str
    is_latest_policy: bool
    preferences: dict[Category, bool]
    given_at: datetime


class C15tReadBody(msgspec.Struct, frozen=True, rename="camel"):
    subject: C15tSubject
    consents: tuple[C15tConsent, ...]
    is_valid: bool


class C15tPatchBody(msgspec.Struct, frozen=True, rename="camel"):
    """Whom the page says that the visitor is. Anybody can say that, so it is not recorded."""

    external_id: str
    identity_provider: str | None = None


class C15tClaimed(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    external_id: str


class C15tPatchedBody(msgspec.Struct, frozen=True):
    success: bool
    subject: C15tClaimed
