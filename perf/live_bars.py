"""Bars of live trades that come one at a time, beside the same pushes to the builder that works on arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from core.bars.history import BarBuilder
from core.bars.live import RealtimeBars
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from perf._backtest_data import ticks as make_ticks
from perf.figures import Figure

RUNS: Final = 15
PUSHES: Final = 600
AGAINST: Final = "BarBuilder.push of the same"

Push = Callable[[Ticks], BarSeries]
Run = Callable[[Push, list[Ticks]], int]


def measure() -> Iterator[Figure]:
    """Microseconds a push and a timer, the best of several runs on either side, in turn."""
    ticks = make_ticks().part(0, PUSHES)
    singles = [ticks.part(number, number + 1) for number in range(PUSHES)]
    for bars in ("1m", "100t"):
        for mode in BarDataMode:
            yield _figure(f"One trade to {bars} bars, {mode}", bars, mode, singles, _pushed)
    yield _figure("  and each ends its bar, 1t bars", "1t", BarDataMode.ON_CLOSE_BAR, singles, _pushed)
    yield _figure(
        "  and high, low and close are looked at, 1m, each-tick", "1m", BarDataMode.ON_EACH_TICK, singles, _looked_at
    )
    yield _timers(singles[0])


def _figure(work: str, bars: str, mode: BarDataMode, pieces: list[Ticks], run: Run) -> Figure:
    bar_type = BarType.parse(bars)
    ours, theirs = [], []
    for _ in range(RUNS):
        ours.append(_timed(run, RealtimeBars(bar_type, mode).push, pieces))
        theirs.append(_timed(run, BarBuilder(bar_type, mode).push, pieces))
    assert len({found for _, found in ours + theirs}) == 1, "they made other events"
    return Figure(work, min(ours)[0], min(theirs)[0], "us", AGAINST, digits=3)


def _timed(run: Run, push: Push, pieces: list[Ticks]) -> tuple[float, int]:
    began_s = time.perf_counter()
    found = run(push, pieces)
    return (time.perf_counter() - began_s) * 1e6 / len(pieces), found


def _pushed(push: Push, pieces: list[Ticks]) -> int:
    return sum(len(push(piece)) for piece in pieces)


def _looked_at(push: Push, pieces: list[Ticks]) -> int:
    seen = 0
    for piece in pieces:
        for first, end, bar in push(piece).stretches():
            for bar.at in range(end - first):
                seen += bar.high_e9 + bar.low_e9 + bar.close_e9
    return seen


def _timers(first: Ticks) -> Figure:
    # So early that nothing is over: what is asked most of the time.
    now_ns, nothing = int(first.ts_ns[0]), [Ticks.none()] * PUSHES
    live, builder = RealtimeBars(BarType(), BarDataMode.ON_CLOSE_BAR), BarBuilder(BarType(), BarDataMode.ON_CLOSE_BAR)
    live.push(first)
    builder.push(first)
    ours = [_timed(_pushed, lambda _: live.on_timer(now_ns), nothing) for _ in range(RUNS)]
    theirs = [_timed(_pushed, lambda none: builder.push(none, until_ns=now_ns), nothing) for _ in range(RUNS)]
    return Figure("A timer that closes no bar", min(ours)[0], min(theirs)[0], "us", AGAINST, digits=3)
