"""The relay: inside the service, or as a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consent_service.app.pools import open_pool, process_name
from consent_service.beside import beside, until_stopped
from consent_service.events.publishing.kafka import Kafka
from consent_service.events.publishing.relay import Relay
from consent_service.metrics import Metrics
from consent_service.settings import Settings
from consent_service.storage.announcements import hear_announcements


@asynccontextmanager
async def open_relay(settings: Settings, metrics: Metrics) -> AsyncIterator[Relay | None]:
    """A relay at work while the block runs, or None where the settings name no relay database or no broker."""
    if settings.relay_database_url is None or settings.kafka_bootstrap is None:
        yield None
        return
    # Rows of the outbox that come back after the server died are published again, as after any crash.
    async with open_pool(
        settings, settings.relay_database_url, "consent-relay", synchronous_commit=False
    ) as database:
        relay = Relay(
            database,
            Kafka(settings.kafka_bootstrap, settings.kafka_replication),
            metrics,
            holder=process_name(),
            batch_rows_max=settings.outbox_batch_rows_max,
            stop_s=settings.shutdown_s / 2,
        )
        async with (
            beside(hear_announcements(settings.relay_database_url, relay.wake), name="announcements heard"),
            until_stopped(relay.run, name="relay"),
        ):
            yield relay
