"""Limits in memory: so many in any such time, by key; nobody gets rid of what they used (STANDARDS 7.4)."""

from __future__ import annotations

import re

import pytest

from consent_service.http.limits import Limiter, Quota, Quotas, SiteLimits, headers_of
from consent_service.http.refusals import LimitReached
from consent_service.metrics import Metrics


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def a_limiter(clock: Clock, requests: int, window_s: int, **options: int) -> Limiter:
    return Limiter("policy", Quota(requests, window_s), ticks=clock, seed=b"seed", **options)


def allowed(limiter: Limiter, key: bytes, times: int) -> int:
    return sum(limiter.take(key).allowed for _ in range(times))


@pytest.mark.parametrize("quota", [(1, 60), (3, 1), (60, 60), (600, 60), (7, 3600), (30_000, 60)])
def test_a_whole_quota_may_come_at_once_and_not_one_more(clock: Clock, quota: tuple[int, int]) -> None:
    limiter = a_limiter(clock, *quota)

    assert allowed(limiter, b"one", quota[0] + 50) == quota[0]


def test_what_is_left_counts_down_and_comes_back(clock: Clock) -> None:
    limiter = a_limiter(clock, 4, 60)

    assert [limiter.take(b"one").remaining for _ in range(4)] == [3, 2, 1, 0]
    clock.now += 15
    assert limiter.look(b"one").remaining == 1
    clock.now += 45
    assert limiter.look(b"one") == limiter.look(b"never seen")
    assert limiter.look(b"one").remaining == 4


def test_in_no_window_more_than_twice_the_quota_comes_through(clock: Clock) -> None:
    """A burst, and then as much as comes back: what a token bucket gives."""
    limiter = a_limiter(clock, 60, 60)
    came = []
    for _ in range(400):
        came += [clock.now] * allowed(limiter, b"one", 5)
        clock.now += 0.5
    for start in came:
        assert sum(start <= one < start + 60 for one in came) <= 120
    assert len(came) == pytest.approx(60 + 200, abs=2)


def test_who_waits_as_long_as_told_is_let_in(clock: Clock) -> None:
    limiter = a_limiter(clock, 10, 60)
    allowed(limiter, b"one", 10)
    refused = limiter.take(b"one")

    assert (refused.allowed, refused.remaining, refused.wait_s) == (False, 0, 6)
    clock.now += refused.wait_s
    assert limiter.take(b"one").allowed
    assert not limiter.take(b"one").allowed


def test_asking_in_vain_does_not_make_it_longer(clock: Clock) -> None:
    limiter = a_limiter(clock, 10, 60)
    allowed(limiter, b"one", 5_000)
    clock.now += 60

    assert allowed(limiter, b"one", 20) == 10


def test_looking_uses_nothing(clock: Clock) -> None:
    limiter = a_limiter(clock, 2, 60)
    for _ in range(10):
        limiter.look(b"one")

    assert allowed(limiter, b"one", 5) == 2


def test_keys_do_not_count_for_each_other(clock: Clock) -> None:
    limiter = a_limiter(clock, 2, 60)
    for number in range(200):
        assert allowed(limiter, b"key-%d" % number, 3) == 2


def test_a_flood_of_other_keys_gives_nobody_a_new_quota(clock: Clock) -> None:
    """What an attacker would do where the oldest key is forgotten to make room."""
    limiter = a_limiter(clock, 2, 60, width=64)
    allowed(limiter, b"one", 2)
    for number in range(10_000):
        limiter.take(b"invented-%d" % number)

    assert not limiter.take(b"one").allowed


def test_few_others_are_taken_for_somebody_who_floods(clock: Clock) -> None:
    """A thousand networks over their limits; of ten thousand others nearly nobody shares both cells with them."""
    limiter = a_limiter(clock, 5, 60)
    for number in range(1_000):
        allowed(limiter, b"flood-%d" % number, 6)

    assert sum(limiter.look(b"visitor-%d" % number).allowed for number in range(10_000)) > 9_980


def test_which_keys_share_a_cell_is_known_to_nobody(clock: Clock) -> None:
    """Two processes, two seeds: what collides in one does not in the other."""
    narrow = [Limiter("p", Quota(1, 60), width=8, ticks=clock) for _ in range(2)]
    for limiter in narrow:
        limiter.take(b"one")
    same = [[limiter.look(b"%d" % number).allowed for number in range(200)] for limiter in narrow]

    assert same[0] != same[1]


def test_the_headers_are_those_of_the_draft(clock: Clock) -> None:
    limiter = a_limiter(clock, 100, 60)
    limiter.take(b"one")
    told = {name.decode(): value.decode() for name, value in headers_of([limiter.take(b"one")])}

    assert told == {"ratelimit-policy": '"policy";q=100;w=60', "ratelimit": '"policy";r=98;t=2'}


FEW = Quotas(network=Quota(1000, 60), choices=Quota(20, 60), visitor=Quota(3, 60), site=Quota(40, 60))


def site_limits(clock: Clock, quotas: Quotas = FEW, metrics: Metrics | None = None) -> SiteLimits:
    return SiteLimits(quotas, metrics=metrics, ticks=clock)


def choose(
    limits: SiteLimits, said: str, network: bytes = b"home", visitor: bytes = b"kari", site: bytes = b"web"
) -> str:
    """What limit a choice of `yes`, `no` or `both` met, or nothing."""
    yes, no = said in ("yes", "both"), said in ("no", "both")
    try:
        limits.admit_choice(network, visitor, site, says_yes=yes, says_no=no)
    except LimitReached as refused:
        (policy,) = refused.members()["violated-policies"]
        return str(policy)
    return ""


@pytest.mark.parametrize("ticks", [0.1, 870.702, 3_718.939, 16_182.989, 9_876_543.21])
def test_when_there_is_room_again_is_told_alike_on_every_clock(ticks: float) -> None:
    limiter = Limiter("visitor", Quota(3, 3600), ticks=lambda: ticks)

    assert [limiter.take(b"kari").reset_s for _ in range(3)] == [1200, 2400, 3600]
    assert limiter.take(b"kari").wait_s == 1200


def test_a_no_has_room_where_all_room_for_yes_is_used_up(clock: Clock) -> None:
    limits = site_limits(clock)

    assert [choose(limits, "yes") for _ in range(5)] == ["", "", "", "visitor", "visitor"]
    assert [choose(limits, "no") for _ in range(5)] == ["", "", "", "visitor-refusals", "visitor-refusals"]


def test_a_no_is_never_limited_harder_than_a_yes(clock: Clock) -> None:
    """Whatever came before: where a yes would be let in, a no would too."""
    for before in ("yes", "no", "both"):
        limits, alike = site_limits(clock), site_limits(clock)
        for _ in range(2):
            choose(limits, before)
            choose(alike, before)
        assert (choose(limits, "no") == "") >= (choose(alike, "yes") == "")


def test_what_says_both_takes_what_room_there_is(clock: Clock) -> None:
    limits = site_limits(clock)

    assert [choose(limits, "both") for _ in range(7)] == [""] * 6 + ["visitor-refusals"]


def test_a_closed_banner_counts_as_a_yes_does(clock: Clock) -> None:
    limits = site_limits(clock)
    for _ in range(3):
        choose(limits, "neither")

    assert choose(limits, "yes") == "visitor"
    assert choose(limits, "no") == ""


def test_inventing_visitors_helps_only_as_far_as_the_network_goes(clock: Clock) -> None:
    limits = site_limits(clock)
    met = [choose(limits, "yes", visitor=b"invented-%d" % number) for number in range(30)]

    assert met == [""] * 20 + ["choices"] * 10


def test_what_a_network_says_on_one_site_holds_nobody_back_on_another(clock: Clock) -> None:
    """Nor does it show there: an office may be known by its use of one site, and the other is another controller's."""
    limits = site_limits(clock)
    for said in ("yes", "no"):
        crowd = [choose(limits, said, visitor=b"web-%d" % number) for number in range(21)]
        assert crowd[-1] in ("choices", "refusals")
        assert choose(limits, said, visitor=b"shop-1", site=b"shop") == ""

    told = dict(limits.admit_reading(b"home", b"kari", b"shop"))[b"ratelimit"]
    assert b'"choices";r=18;' in told


def test_networks_together_go_only_as_far_as_the_site(clock: Clock) -> None:
    limits = site_limits(clock)
    met = [choose(limits, "yes", b"net-%d" % number, b"visitor-%d" % number) for number in range(50)]

    assert met == [""] * 40 + ["site"] * 10
    assert choose(limits, "no", b"net-1", b"visitor-1") == ""
    assert choose(limits, "yes", b"net-99", b"visitor-99", site=b"other") == ""


def test_reading_is_limited_too_and_tells_what_is_left(clock: Clock) -> None:
    limits = site_limits(clock)
    told = [dict(limits.admit_reading(b"home", b"kari", b"web"))[b"ratelimit"] for _ in range(3)]

    assert re.findall(rb'"visitor";r=(\d)', b" ".join(told)) == [b"2", b"1", b"0"]
    with pytest.raises(LimitReached) as refused:
        limits.admit_reading(b"home", b"kari", b"web")
    assert refused.value.headers["retry-after"] == "20"
    assert refused.value.headers["ratelimit-policy"] == '"visitor";q=3;w=60'


def test_how_much_a_site_has_left_is_not_told(clock: Clock) -> None:
    told = site_limits(clock).admit_choice(b"home", b"kari", b"web", says_yes=True, says_no=False)

    assert {name for name, _ in told} == {b"ratelimit-policy", b"ratelimit"}
    assert b'"visitor"' in told[0][1]
    assert b"site" not in told[0][1] + told[1][1]


def test_what_was_over_a_limit_is_counted_by_policy(clock: Clock) -> None:
    metrics = Metrics()
    limits = site_limits(clock, metrics=metrics)
    for _ in range(5):
        choose(limits, "yes")

    assert metrics.registry.get_sample_value("consent_limited_total", {"policy": "visitor"}) == 2
