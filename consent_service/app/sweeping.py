"""The sweeper: inside the service, or as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consent_service.app.pools import keyring_from, open_pool, process_name
from consent_service.app.services import _holding
from consent_service.beside import beside, until_stopped
from consent_service.domain.durations import parse_duration
from consent_service.events.publishing.relay import Relay
from consent_service.metrics import Metrics
from consent_service.settings import Settings, SettingsError
from consent_service.storage.announcements import Announcer
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.sweeping import Sweeper


async def run_sweeper(settings: Settings, stop: asyncio.Event) -> None:
    """Sweep until `stop` is set, as a process of its own."""
    async with open_sweeper(settings, Metrics()):
        await stop.wait()


@asynccontextmanager
async def open_sweeper(
    settings: Settings, metrics: Metrics, *, relay: Relay | None = None
) -> AsyncIterator[None]:
    """A sweeper at work while the block runs; none where the settings name no sweeper's database."""
    if settings.sweeper_database_url is None:
        yield
        return
    try:
        notice = parse_duration(settings.renewal_notice)
    except ValueError:
        raise SettingsError("CONSENT_RENEWAL_NOTICE: must be an ISO 8601 duration such as P30D") from None
    keyring = keyring_from(settings)
    async with open_pool(settings, settings.sweeper_database_url, "consent-sweeper") as database:
        announcer = Announcer(database)
        wake = announcer.wake if relay is None else relay.wake
        sweeper = Sweeper(
            database,
            Catalogue(database),
            keyring,
            holder=process_name(),
            rows_per_s=settings.sweep_rows_per_s,
            renewal_notice=notice,
            metrics=metrics,
            wake=wake,
        )
        async with (
            beside(announcer.run(), name="announcements"),
            _holding(database, keyring),
            until_stopped(sweeper.run, name="sweeper"),
        ):
            yield
