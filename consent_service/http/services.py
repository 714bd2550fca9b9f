"""What the routes work with, put together by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from consent_service.http.keys import Keys
from consent_service.metrics import Metrics
from consent_service.usecases import clock
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.ledger import Ledger
from consent_service.usecases.permissions import Permissions
from consent_service.usecases.records import Records
from consent_service.usecases.subjects import Subjects


class Health(Protocol):
    """Asked by /readyz (R25)."""

    async def database(self) -> bool:
        """Whether the database answers at this moment."""
        ...

    async def broker(self) -> bool | None:
        """Whether the broker is reached; None where this process has no relay."""
        ...


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes."""

    body_bytes_max: int = 1 << 20


@dataclass(frozen=True)
class Services:
    """The use cases, and what stands beside them. `issuer` and `audience` are what a token must name."""

    ledger: Ledger
    permissions: Permissions
    subjects: Subjects
    records: Records
    catalogue: Catalogue
    keys: Keys
    issuer: str
    audience: str
    health: Health
    metrics: Metrics
    limits: Limits = Limits()
    now: Callable[[], datetime] = clock.now
