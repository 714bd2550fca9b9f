"""How much one may ask for: limits in this process's memory, per network, visitor and site (STANDARDS 7.4, 7.7).

Site keys are public, so anybody can write. What protects the service is counted here, in each process by itself, and
forgotten when it ends. Nothing of it is stored or logged.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Sequence
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network
from math import ceil

import msgspec

from consent_service.http.network import Networks
from consent_service.http.problems import Headers
from consent_service.http.refusals import LimitReached
from consent_service.metrics import Metrics

#: Cells of each of the two rows of a limiter: half a megabyte a row.
WIDTH = 1 << 16
_ROWS = 2
_SEED_BYTES = 16
#: How much a whole site has left is nobody's business.
_UNTOLD = frozenset({"site", "site-refusals"})


class Quota(msgspec.Struct, frozen=True):
    """So many requests, in any such time; all of them may come at once."""

    requests: int
    window_s: int


class Taken(msgspec.Struct, frozen=True):
    """What a limiter said. `remaining` requests are left at once; in `reset_s` there are all of them again.

    `wait_s` until the next one is allowed; 0 where this one was.
    """

    policy: str
    quota: Quota
    remaining: int
    reset_s: int
    wait_s: int

    @property
    def allowed(self) -> bool:
        return self.wait_s == 0


class Limiter:
    """Counts by key, in memory of a fixed size (a GCRA in each cell of a count-min sketch).

    A key has a cell in each row, by a hash with a seed that nobody outside knows, and what it has used is the lesser of
    both. Others that share a cell can make it seem more, never less. So no key is ever dropped, and nobody gets rid of
    what they used by inventing others.
    """

    def __init__(
        self,
        policy: str,
        quota: Quota,
        *,
        width: int = WIDTH,
        ticks: Callable[[], float] = time.monotonic,
        seed: bytes | None = None,
    ) -> None:
        self._policy = policy
        self._quota = quota
        self._width = width
        self._ticks = ticks
        self._seed = seed or os.urandom(_SEED_BYTES)
        #: When the key will have used nothing any more, in seconds of `ticks`.
        self._cells = array("d", bytes(8 * _ROWS * width))
        self._interval = quota.window_s / quota.requests

    def take(self, key: bytes) -> Taken:
        """Use one request of the key, unless none is left: then nothing is used."""
        return self._judge(key, used=1)

    def look(self, key: bytes) -> Taken:
        """The same, without using any."""
        return self._judge(key, used=0)

    def _judge(self, key: bytes, used: int) -> Taken:
        now = self._ticks()
        digest = blake2b(key, digest_size=8, key=self._seed).digest()
        first = int.from_bytes(digest[:4]) % self._width
        second = int.from_bytes(digest[4:]) % self._width + self._width
        cells, window = self._cells, self._quota.window_s
        free_at = max(min(cells[first], cells[second]), now)
        after = free_at + self._interval
        # Half a request of room for what adding up rounds away.
        excess = after - now - window - self._interval / 2
        if excess > 0:
            waits = max(1, _whole_s(after - now - window))
            return Taken(self._policy, self._quota, 0, max(waits, _whole_s(free_at - now)), waits)
        if used:
            free_at = after
            cells[first] = max(cells[first], after)
            cells[second] = max(cells[second], after)
        left = int((window - (free_at - now)) / self._interval + 0.5)
        return Taken(self._policy, self._quota, left, _whole_s(free_at - now), 0)


def _whole_s(seconds: float) -> int:
    """Rounded up, but for what adding to a machine's large clock has put on top."""
    return ceil(seconds - 1e-6)


class Quotas(msgspec.Struct, frozen=True):
    """Of the sites' interface `network`: every request of one network; `choices` and `visitor`: choices and readings of
    what stands on one site, of one network and of one visitor; `site`: choices on one site.
    `bad_tokens`: of one network.
    """

    network: Quota = Quota(6000, 60)
    choices: Quota = Quota(600, 60)
    visitor: Quota = Quota(60, 60)
    site: Quota = Quota(30_000, 60)
    bad_tokens: Quota = Quota(600, 60)


class SiteLimits:
    """The limits of the public interface. What says no has room of its own, as large as that of what says yes."""

    def __init__(
        self,
        quotas: Quotas | None = None,
        *,
        metrics: Metrics | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics or Metrics()
        asked = quotas or Quotas()

        def limiter(policy: str, quota: Quota) -> Limiter:
            return Limiter(policy, quota, ticks=ticks)

        self._network = limiter("network", asked.network)
        self._choices = limiter("choices", asked.choices)
        self._visitor = limiter("visitor", asked.visitor)
        self._site = limiter("site", asked.site)
        self._refusals = limiter("refusals", asked.choices)
        self._visitor_refusals = limiter("visitor-refusals", asked.visitor)
        self._site_refusals = limiter("site-refusals", asked.site)

    def admit(self, network: bytes) -> None:
        """Any request. Raises LimitReached."""
        self._refuse_if_over(self._network.take(network))

    def admit_reading(self, network: bytes, visitor: bytes, site: bytes) -> Headers:
        """What stands for a visitor. Returns the headers that tell what is left. Raises LimitReached."""
        return self._take([(self._choices, _on(site, network)), (self._visitor, visitor)])

    def admit_choice(
        self, network: bytes, visitor: bytes, site: bytes, *, says_yes: bool, says_no: bool
    ) -> Headers:
        """A choice. One that says both takes of the room of what says yes, or else of the other's.

        Returns the headers that tell what is left. Raises LimitReached.
        """
        from_there = _on(site, network)
        granting = ((self._choices, from_there), (self._visitor, visitor), (self._site, site))
        refusing = (
            (self._refusals, from_there),
            (self._visitor_refusals, visitor),
            (self._site_refusals, site),
        )
        if not says_no:
            return self._take(granting)
        if not says_yes or not all(limiter.look(key).allowed for limiter, key in granting):
            return self._take(refusing)
        return self._take(granting)

    def _take(self, asked: Sequence[tuple[Limiter, bytes]]) -> Headers:
        taken = []
        for limiter, key in asked:
            one = limiter.take(key)
            self._refuse_if_over(one)
            taken.append(one)
        return headers_of([one for one in taken if one.policy not in _UNTOLD])

    def _refuse_if_over(self, taken: Taken) -> None:
        if not taken.allowed:
            self._metrics.limited.labels(taken.policy).inc()
            raise limit_reached(taken)


def _on(site: bytes, network: bytes) -> bytes:
    """As what a network's choices on a site are counted: they hold back none on another, which is not told (R22)."""
    return site + b" " + network


class Guards:
    """What stands before everybody who is not known: whose request it is, and how much is taken of one."""

    def __init__(
        self,
        trusted: Sequence[IPv4Network | IPv6Network] = (),
        quotas: Quotas | None = None,
        metrics: Metrics | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`trusted`: the networks of our own proxies."""
        asked = quotas or Quotas()
        self.networks = Networks(trusted)
        self.sites = SiteLimits(asked, metrics=metrics, ticks=ticks)
        self.bad_tokens = Limiter("bad-tokens", asked.bad_tokens, ticks=ticks)


def limit_reached(over: Taken) -> LimitReached:
    """429 with when to come again."""
    told = {name.decode(): value.decode() for name, value in headers_of([over])}
    return LimitReached(over.policy, over.wait_s, told)


def headers_of(taken: Sequence[Taken]) -> Headers:
    """RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers."""
    policies = ", ".join(f'"{one.policy}";q={one.quota.requests};w={one.quota.window_s}' for one in taken)
    left = ", ".join(f'"{one.policy}";r={one.remaining};t={one.reset_s}' for one in taken)
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", left.encode())]
