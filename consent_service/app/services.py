"""The use cases of a serving process, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial

from consent_service.app.pools import keyring_from, open_pool, process_name
from consent_service.app.trust import trusts_from
from consent_service.beside import beside, until_stopped
from consent_service.events.acknowledging import Acknowledging
from consent_service.events.feed.feed import Feed, open_feed
from consent_service.events.publishing.relay import Relay
from consent_service.http.issuers import open_issuers
from consent_service.http.limits import Guards, Quota, Quotas
from consent_service.http.services import Services
from consent_service.metrics import Metrics
from consent_service.settings import Settings
from consent_service.storage.announcements import Announcer
from consent_service.storage.database import Database
from consent_service.storage.keyring import Keyring
from consent_service.usecases.api_keys import ApiKeys
from consent_service.usecases.auditing import AuditTrail
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.idempotency import sweep_regularly
from consent_service.usecases.key_holding import hold
from consent_service.usecases.ledger import Ledger
from consent_service.usecases.listening import read_listening
from consent_service.usecases.permissions import Permissions
from consent_service.usecases.propagation import Acknowledgements
from consent_service.usecases.recipients import Recipients
from consent_service.usecases.records import Records
from consent_service.usecases.sites import Sites
from consent_service.usecases.states import States
from consent_service.usecases.subjects import Subjects
from consent_service.usecases.visitors import Visitors

#: Words that are not kept by then are heard again.
_HEARING_STOPS_S = 1.0


class ServiceHealth:
    """What /readyz asks (R25)."""

    def __init__(self, database: Database, relay: Relay | None) -> None:
        self._database = database
        self._relay = relay
        self._asking: asyncio.Task[bool] | None = None

    async def database(self) -> bool:
        """Who comes while it is being asked shares the answer: anybody may ask, and takes one connection for all."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._database.answers(), name="is the database there")
        return await asyncio.shield(self._asking)

    async def broker(self) -> bool | None:
        return None if self._relay is None else not self._relay.failing


@asynccontextmanager
async def open_services(
    settings: Settings, metrics: Metrics, stop: asyncio.Event, *, relay: Relay | None = None
) -> AsyncIterator[Services]:
    """The use cases on a database of role consent_service. At the end, what was accepted is answered first.

    Streams of changes, and listening to recipients, end as soon as `stop` is set.
    """
    trusts = trusts_from(settings)
    keyring = keyring_from(settings)
    async with (
        open_issuers(trusts, metrics) as issuers,
        open_pool(settings, settings.database_url, "consent-service") as database,
    ):
        announcer = Announcer(database)
        wake = announcer.wake if relay is None else relay.wake
        catalogue = Catalogue(database, wake=wake)
        ledger = _ledger(settings, database, catalogue, keyring, metrics, wake)
        states = States(database, catalogue)
        sites = Sites(database, catalogue)
        feed = _feed(settings, states, metrics)
        services = Services(
            ledger=ledger,
            permissions=Permissions(
                database, catalogue, keyring, queue_rows_max=settings.reader_queue_rows_max
            ),
            subjects=Subjects(database, catalogue, keyring, wake=wake),
            records=Records(database, keyring),
            acknowledgements=Acknowledgements(database, catalogue, metrics=metrics),
            recipients=Recipients(database, catalogue),
            catalogue=catalogue,
            issuers=issuers,
            states=states,
            api_keys=ApiKeys(database),
            trail=AuditTrail(database),
            sites=sites,
            visitors=Visitors(database, catalogue, keyring, sites, ledger),
            guards=_guards(settings, metrics),
            feed=feed,
            health=ServiceHealth(database, relay),
            metrics=metrics,
        )
        async with (
            beside(
                sweep_regularly(database, lambda: catalogue.known_controllers), name="sweep of kept answers"
            ),
            beside(announcer.run(), name="announcements"),
            beside(services.api_keys.keep_uses(), name="uses of API keys"),
            _holding(database, keyring),
            contextlib.nullcontext() if feed is None else open_feed(feed, stop),
            _hearing(settings, database, services.acknowledgements, metrics, stop),
        ):
            try:
                yield services
            finally:
                await ledger.close(settings.shutdown_s)


def _holding(database: Database, keyring: Keyring) -> AbstractAsyncContextManager[None]:
    """While the block runs, a rotation of keys counts with this process; half a minute longer where that is slow."""
    return until_stopped(partial(hold, database, keyring, process_name()), name="keys held", limit_s=1.0)


def _ledger(
    settings: Settings,
    database: Database,
    catalogue: Catalogue,
    keyring: Keyring,
    metrics: Metrics,
    wake: Callable[[], None],
) -> Ledger:
    return Ledger(
        database,
        catalogue,
        keyring,
        metrics=metrics,
        queue_rows_max=settings.writer_queue_rows_max,
        batch_rows_max=settings.writer_batch_rows_max,
        lock_timeout_s=settings.lock_timeout_s,
        keep_answers_for=timedelta(hours=settings.idempotency_keep_h),
        wake=wake,
    )


def _guards(settings: Settings, metrics: Metrics) -> Guards:
    quotas = Quotas(*(Quota(one.requests, one.seconds) for one in settings.limits))
    return Guards(settings.trusted_proxies, quotas, metrics)


def _feed(settings: Settings, states: States, metrics: Metrics) -> Feed | None:
    """None where the settings name no Kafka."""
    if settings.kafka_bootstrap is None:
        return None
    return Feed(
        settings.kafka_bootstrap,
        states.topic_prefix,
        states.ledger_epoch,
        metrics,
        heartbeat_s=settings.feed_heartbeat_s,
        window_rows_max=settings.feed_window_rows_max,
        readers_max=settings.feed_readers_max,
        catch_ups_max=settings.feed_catch_ups_max,
    )


@asynccontextmanager
async def _hearing(
    settings: Settings,
    database: Database,
    acknowledgements: Acknowledgements,
    metrics: Metrics,
    stop: asyncio.Event,
) -> AsyncIterator[None]:
    """Recipients are heard on Kafka until `stop` is set; not at all where the settings name none."""
    if settings.kafka_bootstrap is None:
        yield
        return
    acknowledging = Acknowledging(
        settings.kafka_bootstrap, lambda: read_listening(database), acknowledgements.take_each, metrics
    )
    async with until_stopped(acknowledging.run, name="acknowledgements", stop=stop, limit_s=_HEARING_STOPS_S):
        yield
