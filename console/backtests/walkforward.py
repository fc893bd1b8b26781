"""Walk-forward: parameters are chosen on one stretch of the data and traded on the next, again and again.

What is chosen for a stretch is chosen on trades before it: a run that chooses is given no others. The run that trades
the stretch begins with fresh money. Its strategy is first shown the events of the stretch that was chosen on, so that
averages are warm, and what it answers to those is left out: it knows them as a live one would, and holds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from console.backtests.document import metrics_facts
from console.backtests.prepared import Prepared
from console.backtests.sweep import Stretch
from core.bars.series import BarData, BarSeries
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.errors import UsageError
from core.sim.engine import run_backtest
from core.sim.result import EquityCurve, Metrics
from core.strategy import Signal, Strategy

MOST_FOLDS: Final = 500
SHARE: Final = Fraction(3, 4)
_COLUMNS: Final = (
    "ts_ns", "open_ns", "open_e9", "high_e9", "low_e9", "close_e9", "volume_e8", "tick_count", "is_first_tick",
    "is_bar_closed", "is_synthetic",
)  # fmt: skip


@attrs.frozen
class Plan:
    """How the range is cut: `folds` stretches to trade, before each of them one to choose on, which is `share` of the
    two together or, when `anchored`, everything from the beginning on."""

    folds: int
    share: Fraction = SHARE
    anchored: bool = False


@attrs.frozen(kw_only=True)
class Fold:
    """One step: parameters are chosen on [`start_ns`, `cut_ns`) and traded on [`cut_ns`, `end_ns`)."""

    number: int
    start_ns: int
    cut_ns: int
    end_ns: int

    def choosing(self, ticks: Ticks) -> Stretch:
        """What parameters are chosen on: no trade at `cut_ns` or later is in it."""
        first, end = np.searchsorted(ticks.ts_ns, [self.start_ns, self.cut_ns]).tolist()
        return Stretch(ticks.part(first, end), self.cut_ns)


def parse_plan(text: str, *, anchored: bool) -> Plan:
    """The plan of `6`, `6:0.8` or `6:80%`. Raises `UsageError`."""
    count, colon, share = text.strip().partition(":")
    if not (count.isascii() and count.isdigit() and len(count) < 5 and 1 <= int(count) <= MOST_FOLDS):
        raise UsageError("bad walk-forward", ascii(text[:40]), hint=f"from 1 to {MOST_FOLDS} folds, like 6 or 6:0.75")
    return Plan(int(count), _share(share.strip()) if colon else SHARE, anchored)


def _share(text: str) -> Fraction:
    percent = text.endswith("%")
    plain = text.removesuffix("%")
    if not (plain.isascii() and plain.replace(".", "", 1).isdigit() and len(plain) < 10):
        raise UsageError("bad share", ascii(text[:40]), hint="like 0.75 or 75%")
    share = Fraction(plain) / (100 if percent else 1)
    if not Fraction(1, 10) <= share <= Fraction(99, 100):
        raise UsageError("bad share", ascii(text[:40]), hint="from 0.1 to 0.99")
    return share


def make_folds(plan: Plan, *, start_ns: int, end_ns: int, bars: BarType) -> list[Fold]:
    """The folds of [`start_ns`, `end_ns`). The stretches to trade are of one length, as near as can be without
    cutting bars of time.

    Raises:
        UsageError: there are more folds than bars.
    """
    lead = plan.share / (1 - plan.share)  # how many times as long as a stretch to trade the one before it is
    length = Fraction(end_ns - start_ns) / (plan.folds + lead)
    edges = [_aligned(start_ns + int(length * (lead + number)), bars) for number in range(plan.folds)] + [end_ns]
    starts = [start_ns if plan.anchored else start_ns + int(length * number) for number in range(plan.folds)]
    starts = [max(_aligned(start, bars), start_ns) for start in starts]
    folds = [
        Fold(number=number, start_ns=start, cut_ns=cut, end_ns=end)
        for number, (start, cut, end) in enumerate(zip(starts, edges[:-1], edges[1:], strict=True), 1)
    ]
    if any(fold.start_ns >= fold.cut_ns or fold.cut_ns >= fold.end_ns for fold in folds):
        hint = "fewer folds, shorter bars, or more data"
        raise UsageError("too many folds", f"{plan.folds} in this range of {bars} bars", hint=hint)
    return folds


def _aligned(instant_ns: int, bars: BarType) -> int:
    if bars.ticks:
        return instant_ns
    timeframe = bars.timeframe
    return instant_ns - (instant_ns - timeframe.offset_ns) % timeframe.interval_ns


@attrs.frozen(eq=False)
class Traded:
    """What trading a stretch brought: its figures, and the worth of an account that began with `initial`."""

    metrics: Metrics
    curve: EquityCurve
    initial: float

    @property
    def row(self) -> Mapping[str, Any]:
        """The figures as JSON has them."""
        return metrics_facts(self.metrics)


def trade(prepared: Prepared, fold: Fold, parameters: Mapping[str, str]) -> Traded:
    """Trade the fold's second stretch with `parameters`, on fresh money and with warm averages.

    Raises what `run_backtest` raises.
    """
    ticks = prepared.ticks
    first, cut, end = np.searchsorted(ticks.ts_ns, [fold.start_ns, fold.cut_ns, fold.end_ns]).tolist()
    request = prepared.request(parameters)
    whole = attrs.evolve(request, ticks=ticks.part(first, end), until_ns=fold.end_ns).series()
    # The first event that has seen a trade of the stretch: a bar that closes at the cut belongs to what came before.
    warm = int(np.searchsorted(whole.next_tick, cut - first, side="right"))
    strategy = _WarmedUp(request.strategy, whole, warm)
    shown = _rest(whole, warm, ticks.part(cut, end), skipped=cut - first)
    result = run_backtest(
        attrs.evolve(request, strategy=strategy, ticks=shown.ticks, until_ns=fold.end_ns), series=shown
    )
    return Traded(result.metrics, result.curve, result.metrics.initial_e12 / 10**12)


def _rest(series: BarSeries, first: int, ticks: Ticks, *, skipped: int) -> BarSeries:
    # The events from number `first` on; `ticks` are the trades without the first `skipped`.
    def column(name: str) -> NDArray[Any]:
        values: NDArray[Any] = getattr(series, name)[first:]
        return values

    columns = {name: _later(column, name) for name in _COLUMNS}
    return BarSeries(series.mode, ticks, {**columns, "next_tick": series.next_tick[first:] - skipped})


def _later(column: Any, name: str) -> Any:
    return lambda: column(name)


class _WarmedUp(Strategy):
    # A strategy that has seen the first events of a series when it is asked for the first time.
    def __init__(self, inner: Strategy, series: BarSeries, first: int) -> None:
        super().__init__()
        self._inner, self._series, self._first = inner, series, first
        self._cold = True

    @property
    def name(self) -> str:
        """That of the strategy itself, as all of the following."""
        return self._inner.name

    def bar_data_mode(self) -> BarDataMode:
        """At which events it is called."""
        return self._inner.bar_data_mode()

    def preferred_bar_type(self) -> BarType:
        """Which bars it is shown."""
        return self._inner.preferred_bar_type()

    def account_id(self) -> str:
        """The account it trades on."""
        return self._inner.account_id()

    def reset(self) -> None:
        """Forget everything seen; what came before is shown again when there is an event."""
        self._inner.reset()
        self._cold = True

    def on_bar_data(self, bar: BarData) -> Signal | Sequence[Signal]:
        """What it answers, with all that came before in mind."""
        if self._cold:
            self._cold = False
            self._warm_up()
        return self._inner.on_bar_data(bar)

    def _warm_up(self) -> None:
        for first, end, bar in self._series.stretches():
            for bar.at in range(min(end, self._first) - first):
                self._inner.on_bar_data(bar)
            if end >= self._first:
                return

    def signals(self, bars: BarSeries) -> NDArray[np.int8] | None:
        """The answers to the rest of the series."""
        answers = self._inner.signals(self._series)
        if answers is None or len(answers) != len(self._series):
            return answers
        return answers[self._first :]


def chained(parts: Sequence[Traded | None], initial: float) -> EquityCurve:
    """The worth of an account that began with `initial` and traded all stretches one after the other, each with what
    the one before left: the returns are those of the stretches, whose money was always the same. None did nothing."""
    stamps, equity, exposure = [], [], []
    worth = initial
    for part in parts:
        if part is None or not len(part.curve.ts_ns):
            continue
        scale = max(worth, 0.0) / part.initial
        stamps.append(part.curve.ts_ns)
        equity.append(part.curve.equity * scale)
        exposure.append(part.curve.exposure * scale)
        worth = float(equity[-1][-1])
    if not stamps:
        nothing = np.empty(0)
        return EquityCurve(nothing.astype(np.int64), nothing, nothing)
    return EquityCurve(np.concatenate(stamps), np.concatenate(equity), np.concatenate(exposure))


def efficiency(*, gained: float, traded_ns: int, promised: float, chosen_ns: int) -> float | None:
    """What was gained a day while trading over what the choice promised a day; None when it promised no gain."""
    if promised <= 0 or traded_ns <= 0 or chosen_ns <= 0:
        return None
    return (gained / traded_ns) / (promised / chosen_ns)
