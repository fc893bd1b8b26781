"""The watchdog over random markets: no false alarm, no missed one, no flicker, nothing that grows."""

from __future__ import annotations

import math
import random
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import NS_PER_S
from providers.base import BookState
from providers.connection import TRANSITIONS, ConnectionStatus
from providers.venue.habit import Habit
from providers.venue.watchdog import HOLD_S, Health
from tests.unit.providers.venue.watched import Watched, arrivals

_RATES = st.lists(st.sampled_from([3.0, 1.0, 0.3, 0.1, 0.03, 0.01]), min_size=2, max_size=6)
_SEVERITY = list(Health)


def _market(rates: list[float]) -> tuple[Watched, dict[str, float]]:
    named = {f"S{number}": rate for number, rate in enumerate(rates)}
    return Watched(*named), named


@settings(max_examples=12, deadline=None)
@given(rates=_RATES, seed=st.integers(0, 10**6), pace=st.sampled_from([1.0, 0.1, 5.0]))
def test_a_healthy_market_is_never_stale(rates: list[float], seed: int, pace: float) -> None:
    """Whatever the rates, and when all change pace at once, nobody is stale or broken."""
    venue, named = _market(rates)
    chance = random.Random(seed)
    for second in range(3000):
        now = pace if second >= 1500 else 1.0
        venue.second({symbol: arrivals(chance, rate * now) for symbol, rate in named.items()})
        assert all(verdict.health in {Health.LIVE, Health.QUIET} for verdict in venue.said.values()), venue.said


@settings(max_examples=12, deadline=None)
@given(rates=_RATES, seed=st.integers(0, 10**6), number=st.integers(0, 5))
def test_a_lost_symbol_is_noticed(rates: list[float], seed: int, number: int) -> None:
    """A symbol that falls silent among living ones is stale after some multiple of its longest usual silence."""
    venue, named = _market([3.0, *rates])
    muted = f"S{1 + number % len(rates)}"
    chance = random.Random(seed)
    for _ in range(4000):
        venue.second({symbol: arrivals(chance, rate) for symbol, rate in named.items()})
    rate = named[muted]
    for _ in range(int(120 / rate) + 60):
        venue.second({symbol: arrivals(chance, each) for symbol, each in named.items() if symbol != muted})
        if venue.health(muted) is Health.STALE:
            return
    raise AssertionError(f"{muted} at {rate} a second: {venue.said[muted]}")


@st.composite
def _happenings(draw: st.DrawFn) -> list[tuple[str, int]]:
    kinds = st.sampled_from(["trades", "silence", "cut", "back", "withhold", "live", "leave", "sleep"])
    return draw(st.lists(st.tuples(kinds, st.integers(1, 40)), min_size=1, max_size=25))


@settings(max_examples=100, deadline=None)
@given(happenings=_happenings(), seed=st.integers(0, 10**6))
def test_no_flicker_and_no_lie(happenings: list[tuple[str, int]], seed: int) -> None:
    """Through cuts, withheld books, silences and sleeps: without a connection nothing is live, a withheld book is
    broken at once, and what was stale or broken is better only after some seconds; reasons are printable."""
    venue, chance = Watched("A", "B", "C"), random.Random(seed)
    worse_ns: dict[str, int] = {}
    before: dict[str, Health] = {}
    for kind, count in happenings:
        _happen(venue, kind)
        for _ in range(count):
            quiet = kind == "silence" or venue.connection.status is not ConnectionStatus.CONNECTED
            venue.second({symbol: 0 if quiet else arrivals(chance, 2.0) for symbol in venue.counters})
            for symbol, verdict in venue.said.items():
                _check(venue, symbol)
                was = before.get(symbol)
                bad = was in {Health.STALE, Health.BROKEN}
                if was is not None and bad and _SEVERITY.index(verdict.health) < _SEVERITY.index(was):
                    assert venue.now_ns - worse_ns[symbol] >= HOLD_S * NS_PER_S
                if was is None or verdict.health is not was:
                    worse_ns[symbol] = venue.now_ns
            before = {symbol: verdict.health for symbol, verdict in venue.said.items()}


def _happen(venue: Watched, kind: str) -> None:
    status = venue.connection.status
    if kind == "cut" and ConnectionStatus.RECONNECTING in TRANSITIONS[status]:
        venue.connection.enter(ConnectionStatus.RECONNECTING, "cut")
    elif kind == "back" and status is ConnectionStatus.RECONNECTING:
        venue.connection.enter(ConnectionStatus.CONNECTED)
        venue.connection.reconnects += 1
    elif kind in {"withhold", "live"}:
        venue.counters["A"].book_state = BookState.WITHHELD if kind == "withhold" else BookState.LIVE
    elif kind == "leave":
        venue.counters.pop("C", None)
    elif kind == "sleep":
        venue.second(after_s=600.0)


def _check(venue: Watched, symbol: str) -> None:
    verdict = venue.said[symbol]
    assert verdict.reason.isprintable()
    assert bool(verdict.reason) is (verdict.health is not Health.LIVE)
    lost = venue.connection.status is ConnectionStatus.RECONNECTING
    if lost or venue.counters[symbol].book_state is BookState.WITHHELD:
        assert verdict.health is Health.BROKEN


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 100_000)), min_size=3, max_size=200))
def test_a_habit_is_bounded(moves: list[tuple[int, int]]) -> None:
    """Whatever comes whenever, a habit keeps numbers of fixed size, within what was seen."""
    habit, count, now_ns = Habit(0, 0), 0, 0
    size = sum(sys.getsizeof(getattr(habit, name)) for name in Habit.__slots__)
    for came, after_s in moves:
        count += came
        now_ns += after_s * NS_PER_S
        assert habit.note(count, now_ns) == came
        habit.place(count)
        assert habit.missed(count) == 0.0 <= habit.missed(count + 100)
    assert 0 < habit.rate <= 1.0 + 1e-9
    assert 1.0 <= habit.longest_s <= max(after_s for _came, after_s in moves) + 1e-9
    assert sum(sys.getsizeof(getattr(habit, name)) for name in Habit.__slots__) <= size + 64


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 3.0))
def test_a_habit_learns_its_rate_and_its_share(seed: int, rate: float) -> None:
    """After some hundred arrivals it knows in how many looks it moves, and how many of its neighbours' moves are
    between two of its own, within a factor of two."""
    chance, habit, count = random.Random(seed), Habit(0, 0), 0
    neighbours = 0
    for second in range(1, int(300 / rate) + 100):
        count += arrivals(chance, rate)
        neighbours += arrivals(chance, 2.0)
        if habit.note(count, second * NS_PER_S):
            habit.place(neighbours)
    moving = 1 - math.exp(-rate)
    assert moving / 2 < habit.rate < moving * 2
    habit.place(neighbours)
    assert moving / 2 < habit.missed(neighbours + 2000) / 1000 < moving * 2
