"""Bars however their trades are cut: whole, in pieces and live, against a reference that takes one at a time."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import accumulate, pairwise, zip_longest
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bars.history import BarBuilder, bar_series
from core.bars.live import GRACE_NS, RealtimeBars
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Tick, Ticks
from core.bars.timeframes import Timeframe
from core.clock import NS_PER_MS, NS_PER_S
from core.model.fixedpoint import MAX_QUANTITY_E8, parse_price, parse_quantity
from providers.binance.normalise import decode_trade
from tests.unit.core.bars.events import FRIDAY_NS, Event, events_of, joined_events, ticks_of

Row = tuple[int, int, int]
"""A trade: its instant in ns, price at 1e-9, quantity at 1e-8."""

MINUTE_NS = 60 * NS_PER_S


@attrs.define
class PlainBar:
    """A bar that grows by one trade at a time."""

    open_ns: int
    open_e9: int
    high_e9: int
    low_e9: int
    close_e9: int
    volume_e8: int = 0
    tick_count: int = 0

    def add(self, price_e9: int, quantity_e8: int) -> None:
        """Take one trade in."""
        if not self.tick_count:
            self.open_e9 = self.high_e9 = self.low_e9 = price_e9
        self.high_e9, self.low_e9 = max(self.high_e9, price_e9), min(self.low_e9, price_e9)
        self.close_e9 = price_e9
        self.volume_e8 = min(self.volume_e8 + quantity_e8, MAX_QUANTITY_E8)
        self.tick_count += 1

    def event(self, ts_ns: int, next_tick: int, *, closes: bool = False, done: bool = False) -> Event:
        """The event that it makes: of its newest trade, or of its end where it `closes`."""
        first = self.tick_count == 1 and not closes
        return Event(ts_ns, next_tick, *attrs.astuple(self), first, closes or done, self.tick_count == 0)  # type: ignore[call-arg]


def plain_time_bars(rows: Sequence[Row], timeframe: Timeframe, *, until_ns: int) -> Iterator[tuple[str, Event]]:
    """Every event of bars of time, and whether it is of a `tick`, of one that is a `move`, or of a `close`."""
    bar: PlainBar | None = None
    for number, (ts_ns, price_e9, quantity_e8) in enumerate(rows):
        while bar is not None and ts_ns >= bar.open_ns + timeframe.interval_ns:
            end_ns = bar.open_ns + timeframe.interval_ns
            yield "close", bar.event(end_ns, number, closes=True)
            bar = PlainBar(end_ns, *[bar.close_e9] * 4)
        moved = bar is None or price_e9 != bar.close_e9
        if bar is None:
            start_ns = ts_ns - (ts_ns - timeframe.offset_ns) % timeframe.interval_ns
            bar = PlainBar(start_ns, *[price_e9] * 4)
        bar.add(price_e9, quantity_e8)
        yield "move" if moved else "tick", bar.event(ts_ns, number + 1)
    while bar is not None and until_ns >= bar.open_ns + timeframe.interval_ns:
        end_ns = bar.open_ns + timeframe.interval_ns
        yield "close", bar.event(end_ns, len(rows), closes=True)
        bar = PlainBar(end_ns, *[bar.close_e9] * 4)


def plain_tick_bars(rows: Sequence[Row], size: int) -> Iterator[tuple[str, Event]]:
    """The same of bars of `size` trades."""
    bar: PlainBar | None = None
    last_e9: int | None = None
    for number, (ts_ns, price_e9, quantity_e8) in enumerate(rows):
        if bar is None:
            bar = PlainBar(ts_ns, *[price_e9] * 4)
        bar.add(price_e9, quantity_e8)
        yield "tick" if price_e9 == last_e9 else "move", bar.event(ts_ns, number + 1, done=bar.tick_count == size)
        last_e9 = price_e9
        if bar.tick_count == size:
            yield "close", bar.event(ts_ns, number + 1, closes=True)
            bar = None


def plain_events(rows: Sequence[Row], bar_type: BarType, mode: BarDataMode, *, until_ns: int) -> list[Event]:
    """The events by the reference."""
    kinds = {
        BarDataMode.ON_EACH_TICK: ("tick", "move"),
        BarDataMode.ON_PRICE_MOVE: ("move",),
        BarDataMode.ON_CLOSE_BAR: ("close",),
    }[mode]
    if bar_type.ticks:
        found = plain_tick_bars(rows, bar_type.ticks)
    else:
        found = plain_time_bars(rows, bar_type.timeframe, until_ns=until_ns)
    return [event for kind, event in found if kind in kinds]


def in_pieces(ticks: Ticks, cuts: Sequence[tuple[int, int]]) -> Iterator[tuple[Ticks, int]]:
    """Pieces of `ticks`, each with an instant at which its trades have come and no later one has.

    `cuts` are places, and thousandths of the way from the trade before the place to the one after it.
    """
    edges = [0, *sorted(min(place, len(ticks)) for place, _ in cuts), len(ticks)]
    for (first, end), (_, way) in zip(pairwise(edges), [*cuts, (0, 0)], strict=True):
        before_ns = int(ticks.ts_ns[end - 1]) if end else 0
        after_ns = int(ticks.ts_ns[end]) if end < len(ticks) else before_ns
        yield ticks.part(first, end), before_ns + (after_ns - before_ns) * way // 1000


def pushed(pieces: Iterator[tuple[Ticks, int]], builder: BarBuilder) -> Iterator[BarSeries]:
    """The answers of a builder that is told the time with every second piece."""
    for number, (piece, passed_ns) in enumerate(pieces):
        yield builder.push(piece, until_ns=passed_ns if number % 2 else None)


def pushed_live(pieces: Iterator[tuple[Ticks, int]], bars: RealtimeBars) -> Iterator[BarSeries]:
    """The answers to trades and to timers in turn."""
    for piece, passed_ns in pieces:
        yield bars.push(piece)
        yield bars.on_timer(passed_ns + GRACE_NS)


def check_same(found: Sequence[Event], expected: Sequence[Event]) -> None:
    """Only the first difference is worth showing: a weekend has thousands of events."""
    differing = (pair for pair in zip_longest(found, expected) if pair[0] != pair[1])
    assert next(differing, None) is None


def check(rows: Sequence[Row], bar_type: BarType, *, cuts: Sequence[tuple[int, int]], rest_ns: int) -> None:
    """In every mode the events of one push are those of pieces, of live trades and of the reference."""
    ticks = ticks_of(rows)
    until_ns = rows[-1][0] + rest_ns if rows else rest_ns
    for mode in BarDataMode:
        whole = events_of(bar_series(ticks, bar_type, mode, until_ns=until_ns))
        check_same(plain_events(rows, bar_type, mode, until_ns=until_ns), whole)
        builder = BarBuilder(bar_type, mode)
        pieces = [*pushed(in_pieces(ticks, cuts), builder), builder.push(Ticks.none(), until_ns=until_ns)]
        check_same(joined_events(pieces), whole)
        live = RealtimeBars(bar_type, mode)
        pieces = [*pushed_live(in_pieces(ticks, cuts), live), live.on_timer(until_ns + GRACE_NS)]
        check_same(joined_events(pieces), whole)
        assert live.late == 0


def shown(series: BarSeries) -> list[tuple[Tick | None, Event]]:
    """The events as a strategy is shown them, a stretch at a time."""
    found = []
    next_tick = series.next_tick.tolist()
    for first, end, bar in series.stretches():
        for bar.at in range(end - first):
            columns = {name: getattr(bar, name) for name in Event._fields if name != "next_tick"}
            found.append((bar.current_tick, Event(next_tick=next_tick[first + bar.at], **columns)))
    return found


def check_mixed(rows: Sequence[Row], bar_type: BarType, mode: BarDataMode, cuts: Sequence[tuple[int, int]]) -> None:
    """Every answer to live trades and timers is the builder's of the same trades, and all are those of one push."""
    ticks = ticks_of(rows)
    builder, live = BarBuilder(bar_type, mode), RealtimeBars(bar_type, mode)
    answers = []
    for piece, passed_ns in in_pieces(ticks, cuts):
        pushed, timed = live.push(piece), live.on_timer(passed_ns + GRACE_NS)
        assert (pushed.mode, pushed.ticks, timed.mode, len(timed.ticks)) == (mode, piece, mode, 0)
        check_same(events_of(pushed), events_of(builder.push(piece)))
        check_same(events_of(timed), events_of(builder.push(Ticks.none(), until_ns=passed_ns)))
        begun = builder.open_bar
        ends_ns = begun.open_ns + bar_type.timeframe.interval_ns if begun and not bar_type.ticks else None
        assert live.closes_at_ns == ends_ns
        answers += [pushed, timed]
    whole = bar_series(ticks, bar_type, mode, until_ns=passed_ns)
    check_same(joined_events(answers), events_of(whole))
    assert [tick for answer in answers for tick, _ in shown(answer)] == [tick for tick, _ in shown(whole)]
    assert [event for answer in answers for _, event in shown(answer)] == [
        event for answer in answers for event in events_of(answer)
    ]


# Between trades: some whole bars, 40 hours being a weekend, and a part of one, in 60ths and in single nanoseconds.
GAPS = st.tuples(
    st.sampled_from([0, 0, 0, 0, 1, 3, 40]), st.integers(0, 59) | st.just(0), st.sampled_from([0, 0, 1, -1])
)
PRICES_E9 = st.integers(1, 5) | st.integers(-(2**63 - 2), 2**63 - 2)
QUANTITIES_E8 = st.integers(0, 10**10) | st.sampled_from([0, 2**62, MAX_QUANTITY_E8])
STEPS = st.lists(st.tuples(GAPS, PRICES_E9, QUANTITIES_E8), max_size=30)
BAR_TYPES = st.sampled_from(["1m", "1m", "5m", "1h", "4h", "1d", "1w", "1t", "2t", "3t", "7t", "100t"])
CUTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1000)), max_size=6)

# Trades of one instant, one or a crowd, after gaps on either side of what is closed bar by bar.
FAR_GAPS = st.tuples(st.sampled_from([0, 0, 0, 0, 1, 3, 63, 64, 65, 70]), st.integers(0, 59) | st.just(0))
CROWDS = st.lists(st.tuples(FAR_GAPS, PRICES_E9, QUANTITIES_E8, st.sampled_from([1, 1, 1, 1, 2, 70])), max_size=20)
PIECES = st.lists(
    st.tuples(st.sampled_from([0, 1, 1, 1, 1, 2, 5, 63, 64, 65]), st.just(0) | st.integers(0, 1000)), max_size=40
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(0, 90 * 60), BAR_TYPES, CUTS, st.integers(0, 250))
def test_events_do_not_depend_on_how_the_trades_come(
    steps: list[tuple[tuple[int, int, int], int, int]],
    begin_s: int,
    bars: str,
    cuts: list[tuple[int, int]],
    rest: int,
) -> None:
    """Whole, in pieces, live with a timer and one by one: the same events, over weekends and in a crowd."""
    bar_type = BarType.parse(bars)
    interval_ns = bar_type.timeframe.interval_ns
    rows: list[Row] = []
    time_ns = FRIDAY_NS + begin_s * NS_PER_S
    for (whole, part, odd), price, quantity in steps:
        time_ns += max(whole * interval_ns + part * interval_ns // 60 + odd, 0)
        rows.append((time_ns, price, quantity))
    check(rows, bar_type, cuts=cuts, rest_ns=rest * interval_ns // 60)


@settings(max_examples=200, deadline=None)
@given(CROWDS, BAR_TYPES, PIECES)
def test_small_and_large_pushes_and_timers_can_be_mixed(
    crowds: list[tuple[tuple[int, int], int, int, int]], bars: str, pieces: list[tuple[int, int]]
) -> None:
    """One trade, a few or a crowd at a time, with timers between: each answer is as by arrays, in every mode."""
    bar_type = BarType.parse(bars)
    interval_ns = bar_type.timeframe.interval_ns
    rows: list[Row] = []
    time_ns = FRIDAY_NS
    for (whole, part), price, quantity, crowd in crowds:
        time_ns += whole * interval_ns + part * interval_ns // 60
        rows += [(time_ns, price - number % 2, quantity) for number in range(crowd)]
    cuts = [*zip(accumulate(size for size, _ in pieces), (way for _, way in pieces), strict=True)]
    for mode in BarDataMode:
        check_mixed(rows, bar_type, mode, cuts)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 5), st.integers(0, 9)), max_size=30),
    st.lists(st.integers(0, 30), max_size=5),
    st.lists(st.integers(0, 300), max_size=5),
)
def test_late_trades_are_counted_and_change_nothing(rows: list[Row], places: list[int], timers: list[int]) -> None:
    """Of trades in any order each is in its bar or counted as late, however they are cut and timed."""
    ticks = ticks_of([(second * NS_PER_S, price, quantity) for second, price, quantity in rows], start_ns=FRIDAY_NS)
    bars = RealtimeBars(BarType(), BarDataMode.ON_CLOSE_BAR, grace_ns=0)
    edges = [0, *sorted(min(place, len(rows)) for place in places), len(rows)]
    closed, open_minute, late = {}, 0, 0
    for (first, end), second in zip(pairwise(edges), [*timers, *[0] * len(edges)], strict=False):
        for at, _, _ in rows[first:end]:
            late += at // 60 < open_minute
            open_minute = max(open_minute, at // 60)
        started = first > 0 or end > 0
        for piece in (bars.push(ticks.part(first, end)), bars.on_timer(FRIDAY_NS + second * NS_PER_S)):
            for event in events_of(piece):
                assert event.open_ns not in closed
                closed[event.open_ns] = event
        open_minute = max(open_minute, second // 60) if started else open_minute
    events = list(closed.values())
    assert bars.late == late
    assert [event.open_ns for event in events] == sorted(closed)
    assert all(later.open_ns - event.open_ns == MINUTE_NS for event, later in pairwise(events))
    last = events_of(bars.on_timer(FRIDAY_NS + 600 * NS_PER_S))
    assert sum(event.tick_count for event in [*events, *last]) == len(rows) - late


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 5), st.just(0) | st.integers(0, 300)), max_size=30),
    st.integers(1, 4),
    st.sampled_from(["1m", "1h", "2t"]),
    st.sampled_from(BarDataMode),
)
def test_trades_in_any_order_make_the_events_of_those_that_are_kept(
    trades: list[tuple[int, int, int]], size: int, bars: str, mode: BarDataMode
) -> None:
    """Answers, `size` trades a push, say what one push of all kept trades says, and only late ones are not kept.

    A trade is a second, a price, and the second of a timer after it.
    """
    ticks = ticks_of([(second * NS_PER_S, price, 1) for second, price, _ in trades], start_ns=FRIDAY_NS)
    live = RealtimeBars(BarType.parse(bars), mode, grace_ns=0)
    answers = []
    for end in range(size, len(trades) + size, size):
        answers.append(live.push(ticks.part(end - size, end)))
        answers.append(live.on_timer(FRIDAY_NS + trades[min(end, len(trades)) - 1][2] * NS_PER_S))
    answers.append(live.on_timer(FRIDAY_NS + 300 * NS_PER_S))
    kept = Ticks.joined([answer.ticks for answer in answers])
    assert live.late == len(ticks) - len(kept)
    whole = bar_series(kept, BarType.parse(bars), mode, until_ns=FRIDAY_NS + 300 * NS_PER_S)
    check_same(joined_events(answers), events_of(whole))


def binance_rows(path: Path) -> list[Row]:
    """The trades of a Binance capture, decoded as its feed decodes them, in order of time."""
    with gzip.open(path, "rb") as file:
        texts = [line.partition(b" ")[2] for line in file if b"@trade" in line]
    trades = [decode_trade(text).data for text in texts]
    rows = [
        (trade.traded_ms * NS_PER_MS, parse_price(trade.price), parse_quantity(trade.quantity)) for trade in trades
    ]
    return sorted(rows, key=lambda row: row[0])


def kraken_rows(path: Path) -> list[Row]:
    """The trades of a page of Kraken's history, in order of time."""
    trades = json.loads(path.read_text(), parse_float=Decimal)["result"]["XBTUSDT"]
    rows = [(int(time_s.scaleb(9)), parse_price(price), parse_quantity(size)) for price, size, time_s, *_ in trades]
    return sorted(rows, key=lambda row: row[0])


@pytest.mark.parametrize("bars", ["1m", "5m", "1h", "1t", "100t"])
@pytest.mark.parametrize("venue", ["binance", "kraken"])
def test_real_trades_make_the_same_events(captures: Path, venue: str, bars: str) -> None:
    """Hours of real trades, busy and sparse, agree with the reference whole, in pieces and live."""
    if venue == "binance":
        rows = binance_rows(captures / "binance" / "spot_btcusdt_20240808.txt.gz")
        assert len(rows) == 9757
    else:
        rows = kraken_rows(captures / "kraken_spot" / "rest_trades_xbtusdt_first500.json")
        assert len(rows) == 500
    cuts = [(place, place % 1001) for place in range(0, len(rows), 97)]
    check(rows, BarType.parse(bars), cuts=cuts, rest_ns=150 * NS_PER_S)
