"""What is counted of a session while it trades, and of its ledger afterwards."""

from __future__ import annotations

import pytest

from console.paper.tally import MOST_FILLS, MOST_POINTS, Tally
from core.clock import NS_PER_S
from core.model.orders import OrderState
from core.sim.lines import EquityLine, FillLine, Line
from core.sim.tape import steps_of
from tests.unit.console.paper import ledgers
from tests.unit.console.paper.desks import E12, PERPETUAL, SPOT, T0, act, head, hole, traded

MINUTE_NS = 60 * NS_PER_S
BTC = ("KRAKEN", "BTCUSD")


def tally_of(*lines: Line) -> Tally:
    """What lines come to, after a head without orders."""
    tally = Tally(head())
    tally.add(1, lines)
    return tally


def test_each_strategy_has_its_own_counts() -> None:
    """Signals, orders, fills and rejections of a lane are what the desk wrote of it; an order counts once."""
    recorded = traded()
    tally = tally_of(*recorded.lines)
    long, short = tally.lane("long", SPOT), tally.lane("short", PERPETUAL)
    assert (long.signals, long.orders, long.fills, long.rejected) == (4, 4, 2, 1)
    assert (short.signals, short.orders, short.fills, short.rejected) == (3, 3, 2, 0)
    assert (tally.signals(), tally.orders(), tally.filled()) == (7, 7, 4)
    assert (long.last_signal_ns, short.last_signal_ns) == (T0 + 51 * 5 * NS_PER_S, T0 + 60 * 5 * NS_PER_S)
    assert tally.lane("long", PERPETUAL) == tally.lane("nobody", SPOT)
    assert tally.lane("nobody", SPOT).orders == 0


def test_step_by_step_or_at_once_is_the_same() -> None:
    """Whoever counts each step as it is committed comes to what whoever reads the ledger comes to."""
    recorded = traded()
    recorded.act(act("flatten"))
    live, written = Tally(head(recorded.state)), 0
    for step in steps_of(recorded.rows):
        live.add(written + 1, recorded.lines[written : step.lines])
        written = step.lines
    after = tally_of(*recorded.lines)
    for label, key in (("long", SPOT), ("short", PERPETUAL)):
        assert live.lane(label, key) == after.lane(label, key)
    assert list(live.fills) == list(after.fills) != []
    assert live.curve("main") == after.curve("main") != []


def test_no_line_counts_twice() -> None:
    """Lines that were counted are passed over when they come again with new ones behind them."""
    tally = Tally(head())
    tally.add(1, [ledgers.signal(), ledgers.signal()])
    tally.add(2, [ledgers.signal(), ledgers.signal()])
    tally.add(1, [ledgers.signal()])
    assert tally.lane("sma", BTC).signals == 3


def test_orders_of_before_are_not_orders_of_this_session() -> None:
    """An order that waited when the session began is filled in it, and was given in another."""
    before = traded().desk.state()
    waiting = before.orders[0]
    tally = Tally(head(before))
    tally.add(1, [waiting, ledgers.order(900), ledgers.order(900, OrderState.CANCELLED)])
    assert tally.lane(waiting.lane, SPOT).orders == 0
    assert tally.lane("sma", BTC).orders == 1


def test_only_the_newest_fills_are_kept() -> None:
    """Of many fills all are counted and the newest are held, the oldest of them first."""
    fills = [ledgers.fill(number) for number in range(MOST_FILLS + 50)]
    tally = tally_of(*fills)
    assert [one.order for one in tally.fills] == list(range(50, MOST_FILLS + 50))
    assert tally.lane("sma", BTC).fills == MOST_FILLS + 50


def test_what_was_not_seen_is_counted_by_symbol() -> None:
    """Holes are counted, and the trades in them where their number is known."""
    tally = tally_of(hole(3), hole(0), hole(4), hole(1, PERPETUAL))
    assert (tally.holes(SPOT).holes, tally.holes(SPOT).lost) == (3, 7)
    assert (tally.holes(PERPETUAL).holes, tally.holes(PERPETUAL).lost) == (1, 1)
    assert tally.holes(BTC).holes == 0


def test_a_long_curve_is_thinned_and_keeps_its_peaks() -> None:
    """A year of minutes is at most 240 points, among them the first, the last, the highest and the lowest."""
    minutes = 525_600
    tally = Tally(head())
    worths = {123_456: 999_999 * E12, 400_001: -5 * E12}
    first_ns = 1_800_000_000 * NS_PER_S
    points = [
        (first_ns + number * MINUTE_NS, worths.get(number, 1000 * E12 + number % 977 * E12))
        for number in range(minutes)
    ]
    tally.add(1, [EquityLine(account="main", ts_ns=ts_ns, equity_e12=worth) for ts_ns, worth in points])
    curve = tally.curve("main")
    assert 100 < len(curve) <= MOST_POINTS
    assert {points[0], points[123_456], points[400_001], points[-1]} <= set(curve)
    assert curve == sorted(curve)
    assert set(curve) <= set(points)


def test_a_curve_that_was_looked_at_goes_on() -> None:
    """What was asked for once is not what is told for ever, and who changes it changes nothing here."""
    tally = tally_of(ledgers.equity(1))
    tally.curve("main").clear()
    assert tally.curve("main") == [(ledgers.T0, 1)]
    tally.add(2, [ledgers.equity(2, ledgers.T0 + 1)])
    assert tally.curve("main") == [(ledgers.T0, 1), (ledgers.T0 + 1, 2)]


@pytest.mark.parametrize(("ts_ns", "worth_e12"), [(0, 1), (ledgers.T0, 1), (10**30, 1), (ledgers.T0 + 1, 10**400)])
def test_points_that_make_no_curve_are_left_out(ts_ns: int, worth_e12: int) -> None:
    """A time that goes back or is none, or a worth beyond all sense, spoils no curve, however often it comes."""
    tally = tally_of(ledgers.equity(5 * E12))
    tally.add(2, [ledgers.equity(worth_e12, ts_ns)] * 3000)
    assert tally.curve("main") == [(ledgers.T0, 5 * E12)]


def test_liquidations_are_fills_of_no_strategy() -> None:
    """What closed a position that an account could not bear counts as a fill, and as nobody's order."""
    tally = tally_of(ledgers.order(1, lane=""), ledgers.fill(1, lane=""))
    assert (tally.orders(), tally.filled()) == (0, 1)
    assert isinstance(tally.fills[0], FillLine)
