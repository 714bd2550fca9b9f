"""The issuers whose tokens count here, each for its controllers and with its own keys (API face 1, CORE 16)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from consent_service.http.documents import KeysUnusable
from consent_service.http.keys import Keys, open_keys
from consent_service.metrics import Metrics

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trust:
    """What is believed of an issuer, before anything was fetched.

    `controllers`: those it may speak for, None for all of them. `jwks`: path or URL of its keys, None for discovery.
    """

    issuer: str
    audience: str
    controllers: frozenset[str] | None = None
    jwks: str | None = None
    token_age_max_s: float | None = None


@dataclass(frozen=True)
class Issuer:
    """An issuer with its keys. No other issuer's key verifies its tokens."""

    trust: Trust
    keys: Keys

    def may_speak_for(self, controller: str) -> bool:
        return self.trust.controllers is None or controller in self.trust.controllers


@asynccontextmanager
async def open_issuers(trusts: Sequence[Trust], metrics: Metrics) -> AsyncIterator[tuple[Issuer, ...]]:
    """The issuers, their keys kept fresh while the block runs.

    Raises KeysUnusable that names every issuer whose keys cannot be used, a line each; one that is away is waited for.
    """
    issuers: list[Issuer] = []
    faults: list[str] = []
    async with AsyncExitStack() as stack:
        for trust in trusts:
            try:
                keys = await stack.enter_async_context(
                    open_keys(trust.issuer, trust.jwks, failed=_telling(trust.issuer, metrics))
                )
            except KeysUnusable as error:
                faults.append(f"the keys of {trust.issuer}: {error}")
                continue
            metrics.token_keys_age_seconds.labels(trust.issuer).set_function(keys.age_s)
            issuers.append(Issuer(trust, keys))
        if faults:
            raise KeysUnusable("\n".join(faults))
        yield tuple(issuers)


def _telling(issuer: str, metrics: Metrics) -> Callable[[KeysUnusable], None]:
    failures = metrics.token_keys_failures.labels(issuer)

    def tell(error: KeysUnusable) -> None:
        failures.inc()
        _log.warning("token keys were not refreshed", extra={"issuer": issuer, "reason": str(error)})

    return tell
