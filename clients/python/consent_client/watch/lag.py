"""How far the stream is behind the ledger, as its heartbeats tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from consent_client.model import Heartbeat

#: A heartbeat comes every five seconds; twice that and some more is late.
SILENT_S = 15.0
#: A group says that it waits since 1970 while its topics are being filled, and before it knows whether they must be.
_FILLED_SINCE = datetime(1970, 1, 2, tzinfo=UTC)


class Lag:
    """The newest heartbeat of each partition and group of shards; the one that is furthest behind counts."""

    def __init__(self) -> None:
        self._fresh: dict[tuple[int, int], datetime] = {}
        self._said: str | None = None

    def hear(self, partition: int, heartbeat: Heartbeat) -> None:
        self._fresh[partition, heartbeat.shard_group] = heartbeat.at - heartbeat.oldest_unpublished

    def news(self, now: datetime) -> str | None:
        """What there is to say, once; None where it is as it was, or nothing was heard yet."""
        if not self._fresh:
            return None
        oldest = min(self._fresh.values())
        behind = now - oldest
        if oldest <= _FILLED_SINCE:
            state = said = "the stream is being filled from the ledger"
        elif behind > timedelta(seconds=SILENT_S):
            state, said = "behind", f"the stream is {round(behind.total_seconds())} s behind"
        else:
            state = said = "the stream is up to date"
        if state == self._said:
            return None
        self._said = state
        return said
