"""The composition root: opens what is needed in order, hands it to constructors, closes in reverse (ANCHORS 9)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import gc
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from consent_service.beside import beside, tell_if_failed, until_stopped
from consent_service.domain.durations import parse_duration
from consent_service.events.acknowledging import Acknowledging
from consent_service.events.feed.feed import Feed, open_feed
from consent_service.events.publishing.kafka import Kafka
from consent_service.events.publishing.relay import Relay
from consent_service.http.application import build_app
from consent_service.http.keys import open_keys
from consent_service.http.limits import Guards, Quota, Quotas
from consent_service.http.server import listen, serve
from consent_service.http.services import Services
from consent_service.metrics import Metrics
from consent_service.settings import Secret, Settings, SettingsError
from consent_service.storage.announcements import Announcer, hear_announcements
from consent_service.storage.database import Database, open_database
from consent_service.storage.keyring import Keyring
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.idempotency import sweep_regularly
from consent_service.usecases.ledger import Ledger
from consent_service.usecases.listening import read_listening
from consent_service.usecases.permissions import Permissions
from consent_service.usecases.propagation import Acknowledgements
from consent_service.usecases.recipients import Recipients
from consent_service.usecases.records import Records
from consent_service.usecases.sites import Sites
from consent_service.usecases.states import States
from consent_service.usecases.subjects import Subjects
from consent_service.usecases.sweeping import Sweeper
from consent_service.usecases.visitors import Visitors

_log = logging.getLogger(__name__)


class PortTaken(Exception):
    """The address cannot be listened on: another program does, or it is not this machine's."""


def keyring_from(settings: Settings) -> Keyring:
    """The keys that look up and seal. Raises SettingsError where one kind is missing."""
    missing = [name for name in ("lookup_keys", "sealing_keys") if not getattr(settings, name)]
    if missing:
        raise SettingsError("\n".join(f"CONSENT_{name.upper()}: is needed" for name in missing))
    return Keyring(_bytes(settings.lookup_keys), _bytes(settings.sealing_keys))


def _bytes(keys: Mapping[str, Secret]) -> dict[str, bytes]:
    return {name: base64.b64decode(value) for name, value in keys.items()}


class ServiceHealth:
    """What /readyz asks (R25)."""

    def __init__(self, database: Database, relay: Relay | None) -> None:
        self._database = database
        self._relay = relay

    async def database(self) -> bool:
        return await self._database.answers()

    async def broker(self) -> bool | None:
        return None if self._relay is None else not self._relay.failing


@asynccontextmanager
async def open_pool(
    settings: Settings, url: str, name: str, *, synchronous_commit: bool = True
) -> AsyncIterator[Database]:
    """A pool with the settings' limits."""
    async with open_database(
        url,
        connections_max=settings.pool_connections_max,
        statement_timeout_s=settings.statement_timeout_s,
        lock_timeout_s=settings.lock_timeout_s,
        name=name,
        synchronous_commit=synchronous_commit,
        transactions_are_short=True,
    ) as database:
        yield database


@asynccontextmanager
async def open_services(
    settings: Settings, metrics: Metrics, stop: asyncio.Event, *, relay: Relay | None = None
) -> AsyncIterator[Services]:
    """The use cases on a database of role consent_service. At the end, what was accepted is answered first.

    Streams of changes end as soon as `stop` is set.
    """
    if settings.jwks is None:
        raise SettingsError("CONSENT_JWKS: is needed: the path or URL of the keys that verify tokens")
    keyring = keyring_from(settings)
    async with (
        open_keys(settings.jwks) as keys,
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
            keys=keys,
            issuer=settings.token_issuer,
            audience=settings.token_audience,
            states=states,
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
            contextlib.nullcontext() if feed is None else open_feed(feed, stop),
            _hearing(settings, database, services.acknowledgements, metrics),
        ):
            try:
                yield services
            finally:
                await ledger.close(settings.shutdown_s)


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


#: Words that are not kept by then are heard again.
_HEARING_STOPS_S = 3.0


@asynccontextmanager
async def _hearing(
    settings: Settings, database: Database, acknowledgements: Acknowledgements, metrics: Metrics
) -> AsyncIterator[None]:
    """Recipients are heard on Kafka while the block runs; not where the settings name none."""
    if settings.kafka_bootstrap is None:
        yield
        return
    acknowledging = Acknowledging(
        settings.kafka_bootstrap, lambda: read_listening(database), acknowledgements.take_each, metrics
    )
    async with until_stopped(acknowledging.run, name="acknowledgements", limit_s=_HEARING_STOPS_S):
        yield


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Raises PortTaken."""
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise PortTaken(f"cannot listen on {settings.host}: {error.strerror or error}") from error
        raise PortTaken(
            f"port {settings.port} on {settings.host} is taken by another program; "
            "stop it, or choose another with CONSENT_PORT (`run`: --port)"
        ) from error


async def run_service(
    settings: Settings,
    stop: asyncio.Event,
    *,
    bound: socket.socket | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer HTTP until `stop` is set; with a relay database and a broker in the settings, publish too.

    The order of the end: no new connections, requests under way are answered, the ledger's queue is emptied, the
    relay publishes what that left, pools close.
    """
    listening = bound or bind(settings)
    url = public_url(settings, listening)
    metrics = Metrics()

    def tell() -> None:
        _log.info("serving", extra={"url": url})
        ready()

    async with (
        open_relay(settings, metrics) as relay,
        open_services(settings, metrics, stop, relay=relay) as services,
        open_sweeper(settings, metrics, relay=relay),
    ):
        app = build_app(services, public_url=url)
        _collect_seldom()
        await serve(app, listening, stop, tell, int(settings.shutdown_s))


def _collect_seldom() -> None:
    """What was made at the start stays; collecting it again and again would only cost: 11 to 20 % of the records."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def public_url(settings: Settings, bound: socket.socket) -> str:
    """Where the service is reached: as set, or where it listens."""
    host, port = bound.getsockname()[:2]
    return settings.public_url or f"http://{host}:{port}"


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
    except ValueError as error:
        raise SettingsError(f"CONSENT_RENEWAL_NOTICE: {error}") from error
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
            until_stopped(sweeper.run, name="sweeper"),
        ):
            yield


def process_name() -> str:
    """Names this process among all that run; none that ran before had the same."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


async def run_relay(settings: Settings, stop: asyncio.Event) -> None:
    """Publish until `stop` is set, as a process of its own."""
    async with open_relay(settings, Metrics()):
        _collect_seldom()
        await stop.wait()


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
        )
        stop = asyncio.Event()
        running = asyncio.create_task(relay.run(stop), name="relay")
        running.add_done_callback(tell_if_failed)
        async with beside(
            hear_announcements(settings.relay_database_url, relay.wake), name="announcements heard"
        ):
            try:
                yield relay
            finally:
                stop.set()
                await asyncio.wait({running})
