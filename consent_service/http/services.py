"""What the routes work with, put together by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from consent_service.http.exchange import Source
from consent_service.http.issuers import Issuer
from consent_service.http.limits import Guards
from consent_service.metrics import Metrics
from consent_service.usecases import clock
from consent_service.usecases.api_keys import ApiKeys
from consent_service.usecases.auditing import AuditTrail
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.ledger import Ledger
from consent_service.usecases.permissions import Permissions
from consent_service.usecases.propagation import Acknowledgements
from consent_service.usecases.recipients import Recipients
from consent_service.usecases.records import Records
from consent_service.usecases.sites import Sites
from consent_service.usecases.states import States
from consent_service.usecases.subjects import Subjects
from consent_service.usecases.submissions import Caller
from consent_service.usecases.visitors import Visitors


class Health(Protocol):
    """Asked by /readyz (R25)."""

    async def database(self) -> bool:
        """Whether the database answers at this moment."""
        ...

    async def broker(self) -> bool | None:
        """Whether the broker is reached; None where this process has no relay."""
        ...


class Feed(Protocol):
    """What /v1/changes is read from (R32)."""

    async def open(self, caller: Caller, after: str | None) -> Source:
        """Server-sent events behind the one of that id, or else from now on; the caller closes the source.

        Raises InvalidRequest, NoLongerKept, Overloaded, Unavailable.
        """
        ...

    async def newest(self, controller: str) -> str:
        """The id from which on comes what is published from now on. Raises Unavailable."""
        ...


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes."""

    body_bytes_max: int = 1 << 20


@dataclass(frozen=True)
class Services:
    """The use cases, and what stands beside them. `issuers` are those whose tokens count."""

    ledger: Ledger
    permissions: Permissions
    subjects: Subjects
    records: Records
    acknowledgements: Acknowledgements
    recipients: Recipients
    catalogue: Catalogue
    issuers: tuple[Issuer, ...]
    states: States
    api_keys: ApiKeys
    trail: AuditTrail
    sites: Sites
    visitors: Visitors
    health: Health
    metrics: Metrics
    feed: Feed | None = None
    """None where the settings name no Kafka."""
    limits: Limits = Limits()
    guards: Guards = field(default_factory=Guards)
    now: Callable[[], datetime] = clock.now
