"""How far the stream is behind the ledger, as its heartbeats tell."""

from __future__ import annotations

from datetime import datetime, timedelta

from consent_client.model import Heartbeat

#: A heartbeat comes every five seconds; twice that and some more is late.
SILENT_S = 15.0


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
        behind = now - min(self._fresh.values())
        late = behind > timedelta(seconds=SILENT_S)
        state = "behind" if late else "up to date"
        if state == self._said:
            return None
        self._said = state
        return (
            f"the stream is {round(behind.total_seconds())} s behind" if late else "the stream is up to date"
        )
