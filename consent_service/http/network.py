"""Which network a request comes from: the client's address, cut short, and kept nowhere (STANDARDS 7.7)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

from consent_service.http.trace import AsgiScope

_log = logging.getLogger("consent_service.http")

Address = IPv4Address | IPv6Address

#: How much of an address is a network: what one connection usually has at least.
PREFIX_V4 = 24
PREFIX_V6 = 48
#: More hops than any request has; the rest was written by whoever sent it.
HOPS_MAX = 32
#: Stands for whoever cannot be told from others: a socket without an address.
NOWHERE = b"-"

_FORWARDED_FOR = b"x-forwarded-for"
_SHORT_V4 = 32 - PREFIX_V4
_SHORT_V6 = 128 - PREFIX_V6


class Networks:
    """`trusted` are the networks of our own proxies: only from them is X-Forwarded-For believed."""

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._told = False

    def of(self, scope: AsgiScope) -> bytes:
        """The client's network, as a key for counting. Equal keys are one network; a key tells no whole address."""
        client = self._client(scope)
        if client is None:
            return NOWHERE
        if isinstance(client, IPv4Address):
            return b"4%x" % (int(client) >> _SHORT_V4)
        return b"6%x" % (int(client) >> _SHORT_V6)

    def _client(self, scope: AsgiScope) -> Address | None:
        """The socket's other end; behind trusted proxies, the last hop that is none of them.

        A hop that is no address ends the walk: what stands to the left of it, nobody we trust has written.
        """
        peer = scope.get("client")
        address = None if peer is None else read_address(peer[0])
        if address is None or not self._is_trusted(address):
            self._tell_once(scope)
            return address
        for hop in _hops(scope):
            before = read_address(hop)
            if before is None:
                return address
            address = before
            if not self._is_trusted(address):
                return address
        return address

    def _is_trusted(self, address: Address) -> bool:
        return any(address.version == one.version and address in one for one in self._trusted)

    def _tell_once(self, scope: AsgiScope) -> None:
        """All visitors behind a proxy that is not named count as one network: their operator should know."""
        if not self._told and any(name == _FORWARDED_FOR for name, _ in scope["headers"]):
            self._told = True
            _log.warning(
                "X-Forwarded-For came from an address that CONSENT_TRUSTED_PROXIES does not name; it is not believed"
            )


def _hops(scope: AsgiScope) -> list[str]:
    """What proxies say, the nearest first; several headers are one list (RFC 9110 section 5.3)."""
    told = b",".join(value for name, value in scope["headers"] if name == _FORWARDED_FOR)
    if not told:
        return []
    return [part.strip().decode("latin-1") for part in reversed(told.split(b",")[-HOPS_MAX:])]


def read_address(text: str) -> Address | None:
    """An IPv4 or IPv6 address, also with a port or in brackets as some proxies write it; None for anything else.

    An IPv4 address in IPv6's clothes is an IPv4 address; a zone is left out.
    """
    if text.startswith("["):
        text, _, port = text[1:].partition("]")
        if port and not _is_port(port):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6
