"""The rate limits against plain lists: never more than allowed in any span, and nothing waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.venue.ratelimit import MAX_KEYS, Charge, HostLimits, Limit, TokenLimit, WindowLimit

S = 1_000_000_000
WEIGHTS = st.lists(st.tuples(st.integers(0, 3 * S), st.integers(1, 12)), min_size=1, max_size=60)


def _play(limit: Limit, asked: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """When each weight went, if each was asked for some time after the one before went, and waited as told."""
    went: list[tuple[int, int]] = []
    now_ns = 7
    for pause_ns, weight in asked:
        now_ns += pause_ns
        now_ns += limit.wait_ns(weight, now_ns)
        assert limit.wait_ns(weight, now_ns) == 0, "whoever waited as long as told may go"
        limit.take(weight, now_ns)
        went.append((now_ns, weight))
    return went


@given(WEIGHTS, st.integers(12, 30), st.integers(1, 2 * S))
def test_tokens_never_exceed_capacity_and_refill(
    asked: list[tuple[int, int]], capacity: int, interval_ns: int
) -> None:
    """Between any two requests no more went than the capacity and what came back meanwhile."""
    went = _play(TokenLimit(capacity, interval_ns), asked)
    for at, (begin_ns, _) in enumerate(went):
        used = 0
        for now_ns, weight in went[at:]:
            used += weight
            assert (used - capacity) * interval_ns <= now_ns - begin_ns


@given(WEIGHTS, st.integers(12, 30), st.integers(1, 5 * S))
def test_no_window_holds_more_than_its_limit(asked: list[tuple[int, int]], limit: int, window_ns: int) -> None:
    """Wherever a window begins, no more than the limit went in it."""
    went = _play(WindowLimit(limit, window_ns), asked)
    for at, (begin_ns, _) in enumerate(went):
        assert sum(weight for now_ns, weight in went[at:] if now_ns < begin_ns + window_ns) <= limit


@given(WEIGHTS, st.integers(1, 30))
def test_a_wait_is_never_longer_than_a_whole_refill(asked: list[tuple[int, int]], capacity: int) -> None:
    """Even a weight beyond the limit goes once the limit is unused: nothing starves."""
    for limit in (TokenLimit(capacity, S), WindowLimit(capacity, capacity * S)):
        now_ns = 0
        for _, weight in asked:
            wait_ns = limit.wait_ns(weight, now_ns)
            assert wait_ns <= max(capacity, 12) * S
            now_ns += wait_ns
            limit.take(weight, now_ns)


@pytest.mark.parametrize("make", [lambda: TokenLimit(10, S), lambda: WindowLimit(10, 10 * S)])
def test_the_venues_count_is_believed_when_it_is_higher(make: type[Limit]) -> None:
    """What others used on the same address counts; a lower count, which is an older one, changes nothing."""
    limit = make()
    limit.take(2, 0)
    limit.observe(1, 0)
    assert limit.wait_ns(8, 0) == 0
    limit.observe(9, 0)
    assert limit.wait_ns(1, 0) == 0
    assert limit.wait_ns(2, 0) > 0


def test_the_shortest_wait_is_told_exactly() -> None:
    """One more is admitted one interval later, and in a window when the oldest leaves it."""
    tokens, window = TokenLimit(3, 10), WindowLimit(3, 10)
    for now_ns in (0, 1, 2):
        tokens.take(1, now_ns)
        window.take(1, now_ns)
    assert (tokens.wait_ns(1, 2), tokens.wait_ns(2, 2)) == (8, 18)
    assert (window.wait_ns(1, 2), window.wait_ns(2, 2)) == (8, 9)


def _kraken_like() -> HostLimits:
    return HostLimits({"address": lambda: TokenLimit(2, 1), "pair": lambda: TokenLimit(1, S)})


def test_a_key_has_a_limit_of_its_own() -> None:
    """One pair's limit holds up neither another pair nor the address."""
    limits = _kraken_like()
    bitcoin, ether = ([Charge("pair", 1, name), Charge("address")] for name in ("BTC/USD", "ETH/USD"))
    limits.take(bitcoin, 0)
    assert limits.wait_ns(bitcoin, 0) == S
    assert limits.wait_ns(ether, 0) == 0


@given(st.lists(st.integers(0, 100 * S), min_size=1, max_size=9))
def test_a_pause_stops_everything_until_the_longest_has_passed(pauses: list[int]) -> None:
    """Retry-After and bans hold for the host; the longest of several counts, whatever came last."""
    limits = _kraken_like()
    for wait_ns in pauses:
        limits.pause(wait_ns, 5)
    for charges in ([], [Charge("address")], [Charge("pair", 1, "x")]):
        assert limits.wait_ns(charges, 5) == max(pauses)
        assert limits.wait_ns(charges, 5 + max(pauses)) == 0


def test_unused_keys_are_forgotten() -> None:
    """However many keys are named, only those in use are remembered, and they keep their use."""
    limits = _kraken_like()
    for number in range(MAX_KEYS + 10):
        limits.take([Charge("pair", 1, str(number))], number * S)
    assert limits.wait_ns([Charge("pair", 1, str(MAX_KEYS + 9))], (MAX_KEYS + 9) * S) == S
    assert len(limits._limits) < 20
