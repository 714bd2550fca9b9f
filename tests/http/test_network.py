"""Whose request it is: the socket's other end, or what a trusted proxy says; nothing that a client can make up."""

from __future__ import annotations

import logging
from ipaddress import ip_network

import pytest

from consent_service.http.network import HOPS_MAX, NOWHERE, Networks, read_address
from tests.http.tables import rows

PROXIES = Networks([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])
#: A client that nobody has sent anything for.
SAME = "203.0.113.9"


def key(networks: Networks, peer: str | None, *forwarded: bytes) -> bytes:
    headers = [(b"x-forwarded-for", one) for one in forwarded]
    client = None if peer is None else (peer, 50000)
    return networks.of({"type": "http", "client": client, "headers": headers})


#: peer | X-Forwarded-For | whose request it counts as
FORWARDED = """
# Nobody is trusted but our proxies: the socket counts, whatever is written.
198.51.100.7       | 203.0.113.9                            | 198.51.100.7
198.51.100.7       | 203.0.113.9, 10.0.0.1                  | 198.51.100.7
# One proxy, two proxies, and one that a client pretends to have gone through.
10.0.0.1           | 203.0.113.9                            | 203.0.113.9
10.0.0.1           | 203.0.113.9, 10.2.3.4                  | 203.0.113.9
10.0.0.1           | 1.2.3.4, 203.0.113.9                   | 203.0.113.9
10.0.0.1           | 1.2.3.4, 10.9.9.9, 203.0.113.9, 10.1.1.1 | 203.0.113.9
# All of them are ours: the outermost.
10.0.0.1           | 10.0.0.3, 10.0.0.2                     | 10.0.0.3
10.0.0.1           |                                        | 10.0.0.1
# What is no address ends the walk: the proxy that wrote it.
10.0.0.1           | unknown                                | 10.0.0.1
10.0.0.1           | 203.0.113.9, _hidden, 10.2.0.1         | 10.2.0.1
10.0.0.1           | 203.0.113.9,                           | 10.0.0.1
10.0.0.1           | 999.0.113.9                            | 10.0.0.1
10.0.0.1           | 203.0.113.9:x                          | 10.0.0.1
10.0.0.1           | <script>                               | 10.0.0.1
10.0.0.1           | ٢٠٣.0.113.9                            | 10.0.0.1
# As some proxies write it, with a port or in brackets.
10.0.0.1           | 203.0.113.9:4711                       | 203.0.113.9
10.0.0.1           | [2001:db8:1::7]:4711                   | 2001:db8:1::7
10.0.0.1           | [2001:db8:1::7]                        | 2001:db8:1::7
10.0.0.1           | 2001:db8:1::7                          | 2001:db8:1::7
# An IPv4 address in IPv6's clothes is the same client, and the same proxy.
::ffff:10.0.0.1    | ::ffff:203.0.113.9                     | 203.0.113.9
::ffff:203.0.113.9 |                                        | 203.0.113.9
fd00::1            | 203.0.113.9                            | 203.0.113.9
fe80::1%eth0       | 203.0.113.9                            | fe80::1
"""


@pytest.mark.parametrize(("peer", "forwarded", "client"), rows(FORWARDED, 3))
def test_a_client_is_found_behind_trusted_proxies_alone(peer: str, forwarded: str, client: str) -> None:
    headers = [forwarded.encode("utf-8")] if forwarded else []

    assert key(PROXIES, peer, *headers) == key(Networks(), client)


def test_without_a_setting_nobody_is_trusted() -> None:
    assert key(Networks(), "127.0.0.1", b"203.0.113.9") == key(Networks(), "127.0.0.1")


def test_several_headers_are_one_list_in_their_order() -> None:
    found = key(PROXIES, "10.0.0.1", b"1.2.3.4", b"203.0.113.9, 10.0.0.2")

    assert found == key(Networks(), SAME)


def test_a_longer_list_than_anybody_has_is_not_walked_to_its_end() -> None:
    endless = b", ".join([b"203.0.113.9", *[b"10.0.0.2"] * (HOPS_MAX + 1000)])

    assert key(PROXIES, "10.0.0.1", endless) == key(Networks(), "10.0.0.2")


#: one | other | do they count together?
TOGETHER = """
203.0.113.1      | 203.0.113.254     | yes
203.0.113.1      | 203.0.114.1       | no
2001:db8:1::1    | 2001:db8:1:ffff::9 | yes
2001:db8:1::1    | 2001:db8:2::1     | no
::cb00:7101      | 203.0.113.1       | no
"""


@pytest.mark.parametrize(("one", "other", "together"), rows(TOGETHER, 3))
def test_addresses_are_cut_short_to_networks(one: str, other: str, together: str) -> None:
    assert (key(Networks(), one) == key(Networks(), other)) is (together == "yes")


def test_a_key_tells_no_whole_address() -> None:
    assert key(Networks(), SAME) == b"4cb0071"
    assert key(Networks(), "2001:db8:1::7") == b"620010db80001"


def test_who_has_no_address_is_counted_together() -> None:
    assert key(Networks(), None) == key(PROXIES, "/run/consent.sock") == NOWHERE


def test_a_proxy_that_is_not_named_is_told_once_without_an_address(caplog: pytest.LogCaptureFixture) -> None:
    networks = Networks()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            key(networks, "10.0.0.1", b"203.0.113.9")

    assert len(caplog.records) == 1
    assert "CONSENT_TRUSTED_PROXIES" in caplog.text
    assert "203.0" not in caplog.text
    assert "10.0.0.1" not in caplog.text


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "[::1", "]", ":", "::1]:80", "1.2.3.4:", "1.2.3.4:123456", "1", " ", "a" * 9000]
)
def test_what_is_no_address_is_none(text: str) -> None:
    found = read_address(text)

    assert found is None or text == "[::1"
