"""Every setting, parsed once from a mapping; nothing else reads the environment (docs/OPERATIONS.md lists them)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from urllib.parse import urlsplit

import msgspec


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

    token_issuer: str = "https://tokens.localhost"
    token_audience: str = "consent-service"
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
    """Of them, those that read or write what a visitor chose."""
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
    """How long a stop waits for what was accepted."""
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


def _pairs(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part]
    if not all(name and separator for name, separator, _ in pairs):
        raise ValueError("must be name=value, several with commas between")
    read = {name: value for name, _, value in pairs}
    if len(read) < len(pairs):
        raise ValueError("names something twice")
    return read


def _keys(text: str) -> dict[str, Secret]:
    """Two ids for the same bytes are refused: an identifier would have the same hash twice.

    Faults name a key by its place: where the id was forgotten, the key itself stands in its stead.
    """
    keys: set[bytes] = set()
    for place, value in enumerate(_pairs(text).values(), 1):
        try:
            raw = base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise ValueError(f"key {place} is not id=base64") from error
        if len(raw) != 32:
            raise ValueError(f"key {place} has {len(raw)} bytes behind its id, 32 are needed (id=base64)")
        if raw in keys:
            raise ValueError(f"key {place} is another's bytes again")
        keys.add(raw)
    return _passwords(text)


def _passwords(text: str) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in _pairs(text).items()}


#: One of the hosts of a database's URL; without any it is in the query.
_HOST = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]*)(:\d{1,5})?")


def _database(text: str) -> Secret:
    """Whoever takes such a URL apart later would quote what it stumbles over, and that is part of a password."""
    try:
        parts = urlsplit(text)
        hosts = parts.netloc.rpartition("@")[2].split(",")
        is_whole = parts.scheme in ("postgres", "postgresql") and all(map(_HOST.fullmatch, hosts))
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError(
            "must be a postgresql:// URL, with / ? # [ ] @ of a password as %2F %3F %23 %5B %5D %40"
        )
    return Secret(text)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"must be a whole number, not {text!r}") from None


def _positive(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def _port(text: str) -> int:
    value = _whole(text)
    if not 0 <= value < 65_536:
        raise ValueError("must be a port: 0 to 65535")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"must be a number of seconds, not {text!r}") from None
    if not 0 < value < 86_400:
        raise ValueError("must be more than 0 and less than a day, in seconds")
    return value


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _limit(text: str) -> Limit:
    requests, slash, seconds = text.partition("/")
    if not slash:
        raise ValueError("must be requests/seconds, such as 600/60")
    return Limit(_positive(requests), _positive(seconds))


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be {', '.join(words[:-1])} or {words[-1]}")
        return text

    return read


_READERS: dict[str, Callable[[str], Any]] = {
    "mode": _one_of("development", "production"),
    "log_level": _one_of("debug", "info", "warning", "error"),
    "port": _port,
    "database_url": _database,
    "relay_database_url": _database,
    "sweeper_database_url": _database,
    "keeper_database_url": _database,
    "owner_database_url": _database,
    "superuser_database_url": _database,
    "auditor_database_url": _database,
    "role_passwords": _passwords,
    "kafka_replication": _positive,
    "lookup_keys": _keys,
    "sealing_keys": _keys,
    "trusted_proxies": _networks,
    "site_limit_network": _limit,
    "site_limit_choices": _limit,
    "site_limit_visitor": _limit,
    "site_limit_site": _limit,
    "limit_bad_tokens": _limit,
    "pool_connections_max": _positive,
    "writer_queue_rows_max": _positive,
    "writer_batch_rows_max": _positive,
    "reader_queue_rows_max": _positive,
    "statement_timeout_s": _seconds,
    "lock_timeout_s": _seconds,
    "shutdown_s": _seconds,
    "outbox_batch_rows_max": _positive,
    "idempotency_keep_h": _positive,
    "feed_heartbeat_s": _seconds,
    "feed_readers_max": _positive,
    "feed_catch_ups_max": _positive,
    "feed_window_rows_max": _positive,
    "sweep_rows_per_s": _positive,
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
        if name not in known:
            faults.append(f"{variable}: there is no such setting")
            continue
        text = environment[variable]
        if text == "":
            continue
        try:
            values[name] = _READERS.get(name, str)(text)
        except ValueError as error:
            faults.append(f"{variable}: {error}")
    faults.extend(_two_ways_to_name_issuers(values))
    for name, field in known.items():
        if field.required and name not in values and not any(name.upper() in fault for fault in faults):
            faults.append(f"{_PREFIX}{name.upper()}: is needed")
    if faults:
        raise SettingsError("\n".join(faults))
    return Settings(**values)


def _two_ways_to_name_issuers(values: Mapping[str, Any]) -> Iterator[str]:
    for name in ("token_issuer", "jwks"):
        if "issuers" in values and name in values:
            yield f"{_PREFIX}{name.upper()}: cannot be beside CONSENT_ISSUERS, whose file says it for each issuer"


#: Read by the command line alone: where the newcomer's data and the downloaded engines live.
_NOT_SETTINGS = frozenset({"CONSENT_DATA_DIR", "CONSENT_CACHE_DIR"})
