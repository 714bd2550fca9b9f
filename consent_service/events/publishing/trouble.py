"""What a relay says while it cannot publish: one line for each time of trouble, however often it is tried."""

from __future__ import annotations

import asyncio
import logging

from consent_service.domain.errors import Unavailable
from consent_service.events.publishing.kafka import PublishingFailed
from consent_service.metrics import Metrics

_log = logging.getLogger(__name__)


class Trouble:
    """Begins with the first failure of anything, is over when nothing fails any more."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._failing: set[object] = set()
        self._since = 0.0
        self.tries = 0

    @property
    def is_on(self) -> bool:
        return bool(self._failing)

    def begin_for(self, who: object, error: BaseException) -> None:
        """It failed, for the first time or again."""
        self._metrics.publish_failures.inc()
        self.tries += 1
        if not self._failing:
            self._since = asyncio.get_running_loop().time()
            cause = error.__cause__ or error
            if isinstance(error, (PublishingFailed, Unavailable)):
                _log.warning("publishing stands still", extra={"error": type(cause).__name__})
            else:
                _log.error("publishing stands still", exc_info=error)
        self._failing.add(who)

    def over_for(self, who: object) -> None:
        """It got through, or is not ours any more."""
        if who not in self._failing:
            return
        self._failing.discard(who)
        if not self._failing:
            seconds = asyncio.get_running_loop().time() - self._since
            _log.info("publishing goes on", extra={"attempt": self.tries + 1, "seconds": round(seconds, 1)})
            self.tries = 0
