"""Every setting, parsed once from a mapping; nothing else reads the environment (docs/OPERATIONS.md lists them)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import msgspec

from consent_service import setting_texts as texts


class SettingsError(Exception):
    """All faults of the environment together, a line each."""


class Secret(str):
    """Text that does not show itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


class Limit(msgspec.Struct, frozen=True):
    """So many requests in so many seconds."""

    requests: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.requests}/{self.seconds}"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the service is told from outside. Times in seconds, sizes in bytes or rows, as the names say."""

    mode: str = "production"
    """`development` allows local tokens; anything else is `production`."""
    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free one."""
    public_url: str | None = None
    """Where people and browsers reach the service; by default the address it listens on."""

    database_url: Secret
    """As role consent_service."""
    relay_database_url: Secret | None = None
    """As role consent_relay; given to `serve`, the relay runs inside the service."""
    sweeper_database_url: Secret | None = None
    """As role consent_sweeper; given to `serve`, the sweeper runs inside the service."""
    keeper_database_url: Secret | None = None
    """As role consent_keeper: `keys`."""
    owner_database_url: Secret | None = None
    """As role consent_owner: migrations."""
    superuser_database_url: Secret | None = None
    """For `database prepare` alone."""
    auditor_database_url: Secret | None = None
    """As role consent_auditor: `ledger verify`."""
    role_passwords: dict[str, Secret] = {}
    """role=password, comma-separated: what `database prepare` sets."""

    kafka_bootstrap: str | None = None
    """host:port, comma-separated."""
    kafka_replication: int = 1
    """Replication factor of topics that the relay makes."""

    token_issuer: str = "https://tokens.localhost"  # noqa: S105  an issuer is no password
    token_audience: str = "consent-service"  # noqa: S105  nor is an audience
    jwks: str | None = None
    """Path or https URL of the JSON Web Key Set that verifies tokens."""
    issuers: str | None = None
    """Path of a file that names several issuers, in place of `token_issuer` and `jwks`."""
    token_age_max: str | None = None
    """ISO 8601 duration: tokens that were issued longer ago are refused; by default none is."""
    development_key: str | None = None
    """Path of the private key that signs development tokens; refused outside development mode."""

    lookup_keys: dict[str, Secret] = {}
    """id=base64 of 32 bytes, comma-separated; the first is in use (identifier look-up)."""
    sealing_keys: dict[str, Secret] = {}
    """id=base64 of 32 bytes, comma-separated; the first is in use (values at rest)."""

    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks, comma-separated, of the proxies whose X-Forwarded-For is believed."""
    site_limit_network: Limit = Limit(6000, 60)
    """Requests/seconds of one network to the sites' interface; beyond it 429 with Retry-After."""
    site_limit_choices: Limit = Limit(600, 60)
    """Of them, those that read or write what a visitor chose, on one site."""
    site_limit_visitor: Limit = Limit(60, 60)
    """The same, of one visitor."""
    site_limit_site: Limit = Limit(30_000, 60)
    """Choices on one site."""
    limit_bad_tokens: Limit = Limit(600, 60)
    """Tokens that are not valid, of one network."""

    pool_connections_max: int = 12
    writer_queue_rows_max: int = 4000
    """Commands that may wait; beyond it 503 with Retry-After."""
    writer_batch_rows_max: int = 256
    reader_queue_rows_max: int = 20000
    statement_timeout_s: float = 10.0
    lock_timeout_s: float = 5.0
    shutdown_s: float = 10.0
    """How long a stop waits for what was accepted; half as long for Kafka to take it."""
    outbox_batch_rows_max: int = 500
    idempotency_keep_h: int = 48
    feed_heartbeat_s: float = 15.0
    """A stream of changes is never quiet for longer."""
    feed_readers_max: int = 2000
    """Streams of changes that a process has open; beyond it 503 with Retry-After."""
    feed_catch_ups_max: int = 8
    """Of them, those that read what is past from Kafka by themselves."""
    feed_window_rows_max: int = 10000
    """Changes of a topic in memory; a reader that is further behind the end is cut off."""
    sweep_rows_per_s: int = 500
    """What all sweepers together close in a second at most: a million in 34 minutes."""
    renewal_notice: str = "P30D"
    """ISO 8601 duration: how long before a consent ends by itself that is told."""
    log_level: str = "info"

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Of a network, its choices, a visitor, a site, and bad tokens, in this order."""
        of_sites = (self.site_limit_network, self.site_limit_choices)
        return (*of_sites, self.site_limit_visitor, self.site_limit_site, self.limit_bad_tokens)


_PREFIX = "CONSENT_"


def _secret(text: str) -> Secret:
    return Secret(texts.database(text))


def _secrets(read: Callable[[str], dict[str, str]]) -> Callable[[str], dict[str, Secret]]:
    return lambda text: {name: Secret(value) for name, value in read(text).items()}


def _limit(text: str) -> Limit:
    return Limit(*texts.limit(text))


_READERS: dict[str, Callable[[str], Any]] = {
    "mode": texts.one_of("development", "production"),
    "log_level": texts.one_of("debug", "info", "warning", "error"),
    "host": texts.host,
    "port": texts.port,
    "public_url": texts.url,
    "kafka_bootstrap": texts.brokers,
    "database_url": _secret,
    "relay_database_url": _secret,
    "sweeper_database_url": _secret,
    "keeper_database_url": _secret,
    "owner_database_url": _secret,
    "superuser_database_url": _secret,
    "auditor_database_url": _secret,
    "role_passwords": _secrets(texts.passwords),
    "kafka_replication": texts.positive,
    "lookup_keys": _secrets(texts.keys),
    "sealing_keys": _secrets(texts.keys),
    "trusted_proxies": texts.networks,
    "site_limit_network": _limit,
    "site_limit_choices": _limit,
    "site_limit_visitor": _limit,
    "site_limit_site": _limit,
    "limit_bad_tokens": _limit,
    "pool_connections_max": texts.positive,
    "writer_queue_rows_max": texts.positive,
    "writer_batch_rows_max": texts.positive,
    "reader_queue_rows_max": texts.positive,
    "statement_timeout_s": texts.seconds,
    "lock_timeout_s": texts.seconds,
    "shutdown_s": texts.seconds,
    "outbox_batch_rows_max": texts.positive,
    "idempotency_keep_h": texts.positive,
    "feed_heartbeat_s": texts.seconds,
    "feed_readers_max": texts.positive,
    "feed_catch_ups_max": texts.positive,
    "feed_window_rows_max": texts.positive,
    "sweep_rows_per_s": texts.positive,
}


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Read `CONSENT_<NAME>` for each setting. Raises SettingsError that names every fault at once."""
    known = {field.name: field for field in msgspec.structs.fields(Settings)}
    faults: list[str] = []
    values: dict[str, Any] = {}
    for variable in sorted(environment):
        if not variable.startswith(_PREFIX) or variable in _NOT_SETTINGS:
            continue
        name = variable.removeprefix(_PREFIX).lower()
        if name not in known or variable != _PREFIX + name.upper():
            named = variable.encode("unicode_escape").decode()
            faults.append(f"{named}: there is no such setting")
            continue
        text = environment[variable]
        if text == "":
            continue
        try:
            values[name] = _read(name, text)
        except ValueError as error:
            faults.append(f"{variable}: {error}")
    faults.extend(_two_ways_to_name_issuers(values))
    for name, field in known.items():
        named = f"{_PREFIX}{name.upper()}: "
        if field.required and name not in values and not any(fault.startswith(named) for fault in faults):
            faults.append(f"{named}is needed")
    if faults:
        raise SettingsError("\n".join(faults))
    return Settings(**values)


def _read(name: str, text: str) -> Any:
    if not text.isprintable():
        raise ValueError("must be text on one line")
    return _READERS.get(name, str)(text)


def _two_ways_to_name_issuers(values: Mapping[str, Any]) -> Iterator[str]:
    for name in ("token_issuer", "jwks"):
        if "issuers" in values and name in values:
            yield f"{_PREFIX}{name.upper()}: cannot be beside CONSENT_ISSUERS, whose file says it for each issuer"


#: Read by the command line alone: where the newcomer's data and the downloaded engines live.
_NOT_SETTINGS = frozenset({"CONSENT_DATA_DIR", "CONSENT_CACHE_DIR"})
