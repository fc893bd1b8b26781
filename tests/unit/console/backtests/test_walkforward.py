"""Walk-forward: what is chosen depends on what came before, and what is traded begins where that ends."""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.__main__ import build_parser
from console.backtests.prepared import Prepared
from console.backtests.sweep_options import run_sweep
from console.backtests.walkforward import Plan, chained, efficiency, make_folds, parse_plan, trade
from console.backtests.walkforward_command import folds_of
from core.bars.series import BarData
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.bars.timeframes import Timeframe
from core.clock import NS_PER_S
from core.errors import UsageError
from core.model.orders import Side
from core.sim.engine import run_backtest
from core.sim.trader import Sizing
from core.strategy import HOLD, Signal, Strategy
from strategies.catalogue import STRATEGIES
from tests.unit.console.backtests.sweeping import START_NS, prepared, walk

MINUTE_NS = 60 * NS_PER_S
SWEEP = ("--sweep", "short=2:6:2", "--sweep", "long=7:10:3")


class Listening(Strategy):
    """Remembers when it was shown what, and never trades."""

    def __init__(self) -> None:
        super().__init__()
        self.heard_ns: list[int] = []

    @property
    def name(self) -> str:
        """What it is called."""
        return "listening"

    def bar_data_mode(self) -> BarDataMode:
        """At the close of each bar."""
        return BarDataMode.ON_CLOSE_BAR

    def reset(self) -> None:
        """Forget."""
        self.heard_ns = []

    def on_bar_data(self, bar: BarData) -> Signal:
        """Note the time."""
        self.heard_ns.append(bar.ts_ns)
        return HOLD


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("6", Plan(6)),
        (" 2 ", Plan(2)),
        ("4:0.8", Plan(4, Fraction(4, 5))),
        ("4:80%", Plan(4, Fraction(4, 5))),
        ("500:.5", Plan(500, Fraction(1, 2))),
    ],
)
def test_a_plan_is_a_number_and_a_share(text: str, plan: Plan) -> None:
    """Three quarters when no share is given."""
    assert parse_plan(text, anchored=False) == plan
    assert parse_plan(text, anchored=True) == attrs.evolve(plan, anchored=True)


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "501", "x", "3:", "3:0", "3:1", "3:99.9%", "3:nan", "3:1e-1", "٣", "3:0.5.5"]
)
def test_a_bad_plan_is_refused(text: str) -> None:
    """Instead of being guessed at."""
    with pytest.raises(UsageError):
        parse_plan(text, anchored=False)


@given(
    folds=st.integers(1, 40),
    share=st.integers(10, 95),
    anchored=st.booleans(),
    minutes=st.integers(2000, 20_000),
    offset_s=st.integers(0, 59),
)
def test_stretches_to_trade_follow_one_another(
    folds: int, share: int, *, anchored: bool, minutes: int, offset_s: int
) -> None:
    """They fill the range to its end, each after what was chosen on, and no bar is cut."""
    start_ns = START_NS + offset_s * NS_PER_S
    end_ns = START_NS + minutes * MINUTE_NS + 1
    plan = Plan(folds, Fraction(share, 100), anchored)
    found = make_folds(plan, start_ns=start_ns, end_ns=end_ns, bars=BarType(Timeframe.MINUTE))
    assert len(found) == folds
    assert found[0].start_ns == start_ns
    assert found[-1].end_ns == end_ns
    assert all(one.end_ns == after.cut_ns for one, after in itertools.pairwise(found))
    assert all(one.start_ns < one.cut_ns < one.end_ns for one in found)
    assert all(one.cut_ns % MINUTE_NS == 0 for one in found)
    assert not anchored or {one.start_ns for one in found} == {start_ns}
    lengths = [one.end_ns - one.cut_ns for one in found]
    assert max(lengths) - min(lengths) <= 2 * MINUTE_NS
    if not anchored:
        whole = (end_ns - start_ns) / (folds + share / (100 - share))
        assert all(abs(one.cut_ns - one.start_ns - whole * share / (100 - share)) <= 2 * MINUTE_NS for one in found)


def test_more_folds_than_bars_are_refused() -> None:
    """A stretch in which no bar closes tells nothing."""
    with pytest.raises(UsageError, match="too many folds"):
        make_folds(Plan(10), start_ns=START_NS, end_ns=START_NS + 10 * MINUTE_NS, bars=BarType(Timeframe.MINUTE))


def test_what_is_chosen_on_ends_before_what_is_traded() -> None:
    """No trade at the cut or later is among those that parameters are chosen on."""
    source = prepared(walk(3000, every_s=7))
    for fold in folds_of(Plan(5), source):
        stretch = fold.choosing(source.ticks)
        assert stretch.until_ns == fold.cut_ns
        assert int(stretch.ticks.ts_ns[-1]) < fold.cut_ns <= int(stretch.ticks.ts_ns[-1]) + 7 * NS_PER_S
        assert int(stretch.ticks.ts_ns[0]) >= fold.start_ns


def test_a_strategy_is_shown_what_came_before_and_trades_only_in_its_stretch() -> None:
    """All bars from the beginning of the fold on reach it once, in order; orders are given after the cut."""
    source = prepared(walk(3000), Listening)
    fold = folds_of(Plan(3), source)[1]
    shown: list[Listening] = []

    def kept(parameters: dict[str, str]) -> Listening:
        shown.append(Listening())
        return shown[-1]

    object.__setattr__(source, "loaded", _Loaded(source.loaded, kept))
    trade(source, fold, {})
    heard = shown[-1].heard_ns
    assert heard == sorted(set(heard))
    assert fold.start_ns < heard[0] <= fold.start_ns + 2 * MINUTE_NS
    assert fold.end_ns - MINUTE_NS <= heard[-1] <= fold.end_ns


@attrs.define
class _Loaded:
    # A strategy that can be looked at after it ran.
    loaded: Any
    make: Any

    @property
    def strategy(self) -> Strategy:
        """As it was loaded."""
        strategy: Strategy = self.loaded.strategy
        return strategy

    def fresh(self, parameters: dict[str, str]) -> Strategy:
        """One that is kept."""
        made: Strategy = self.make(parameters)
        return made


@pytest.mark.parametrize("array_form", [True, False])
@pytest.mark.parametrize("name", ["sma", "ema"])
def test_trading_a_stretch_is_the_end_of_a_run_over_both(name: str, *, array_form: bool) -> None:
    """The fills are those that one run over both stretches has after the cut, from its first purchase there on; bars
    and ticks, array form and events alike."""
    kind = STRATEGIES[name]
    parameters = {"short": "3", "long": "9"} if name == "sma" else {"fast": "5", "slow": "20"}
    source = attrs.evolve(
        prepared(walk(4000), kind, parameters=parameters), array_form=array_form, sizing=Sizing(quantity_e8=10**8)
    )
    folds = folds_of(Plan(12), source)
    for fold in folds:
        first, end = np.searchsorted(source.ticks.ts_ns, [fold.start_ns, fold.end_ns]).tolist()
        request = attrs.evolve(source.request({}), ticks=source.ticks.part(first, end), until_ns=fold.end_ns)
        whole = run_backtest(request)
        first_ns = fold.cut_ns + (name == "sma")  # a bar that closes at the cut belongs to what came before
        decided = {order.number for order in whole.orders if order.given_ns >= first_ns}
        later = [fill for fill in whole.fills if fill.order in decided]
        if later and later[0].side is Side.SELL:  # of what was bought before
            later.pop(0)
        traded = trade(source, fold, {})
        assert traded.metrics.fills == len(later)
        assert traded.metrics.turnover_e12 == sum(fill.price_e9 * fill.quantity_e8 // 10**5 for fill in later)
        assert fold.cut_ns <= int(traded.curve.ts_ns[0])


def test_what_comes_later_changes_nothing_that_was_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    """With other prices after the first stretch to trade, its parameters and its trading are the same, and those of
    every fold before the change."""
    ticks = walk(4000)
    before = run(prepared(ticks), capsys)
    for fold in before["folds"][:3]:
        changed = np.where(ticks.ts_ns >= fold["out_of_sample"]["end_ns"], ticks.price_e9 * 2, ticks.price_e9)
        after = run(prepared(attrs.evolve(ticks, price_e9=changed), data_sha256=f"e{fold['fold']}"), capsys)
        assert after["folds"][: fold["fold"]] == before["folds"][: fold["fold"]]
        assert after["folds"][-1] != before["folds"][-1]
        changed = np.where(ticks.ts_ns >= fold["in_sample"]["end_ns"], ticks.price_e9[::-1], ticks.price_e9)
        after = run(prepared(attrs.evolve(ticks, price_e9=changed), data_sha256=f"f{fold['fold']}"), capsys)
        kept = {name: after["folds"][fold["fold"] - 1][name] for name in ("in_sample", "parameters")}
        assert kept == {name: fold[name] for name in kept}


def options(*words: str) -> argparse.Namespace:
    """The command line of a walk-forward run."""
    return build_parser().parse_args(
        ["backtest", "--strategy", "sma", "--symbol", "BTCUSD", *SWEEP, "--metric", "total_return", *words]
    )


def run(source: Prepared, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Its document."""
    assert run_sweep(options("--walk-forward", "4", "--json", *words), source) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_each_fold_trades_with_the_best_of_its_own_stretch(capsys: pytest.CaptureFixture[str]) -> None:
    """As a sweep of that stretch alone finds it."""
    source = prepared(walk(4000))
    document = run(source, capsys)
    assert [fold["fold"] for fold in document["folds"]] == [1, 2, 3, 4]
    for fold, cut in zip(document["folds"], folds_of(Plan(4), source), strict=True):
        stretch = cut.choosing(source.ticks)
        returns = {}
        for short in (2, 4, 6):
            for long in (7, 10):
                parameters = {"short": str(short), "long": str(long)}
                request = attrs.evolve(source.request(parameters), ticks=stretch.ticks, until_ns=stretch.until_ns)
                returns[short, long] = run_backtest(request).metrics.total_return
        best = max(returns, key=lambda key: returns[key])
        assert fold["parameters"] == {"short": str(best[0]), "long": str(best[1])}
        assert fold["in_sample"]["metrics"]["total_return"] == returns[best]
        assert fold["out_of_sample"]["metrics"] == trade(source, cut, fold["parameters"]).row


def test_the_chained_worth_puts_the_returns_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Its total is their product, and its curve never goes back in time."""
    document = run(prepared(walk(4000)), capsys, "--anchored")
    product = np.prod([1 + fold["out_of_sample"]["metrics"]["total_return"] for fold in document["folds"]])
    assert document["chained"]["metrics"]["total_return"] == pytest.approx(product - 1, abs=1e-9)
    curve = document["chained"]["equity"]
    assert curve["ts_ns"] == sorted(curve["ts_ns"])
    assert len(curve["ts_ns"]) == len(curve["equity"]) == len(curve["drawdown"]) > 100
    assert document["anchored"] is True
    assert {fold["in_sample"]["start_ns"] for fold in document["folds"]} == {START_NS}


def test_a_walk_forward_run_goes_on_where_it_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    """The runs that choose are kept; another cut is another sweep."""
    source = prepared(walk(3000))
    first = run(source, capsys)
    again = run(source, capsys)
    assert (first["resumed"], again["resumed"]) == (0, 24)
    assert again["folds"] == first["folds"]
    assert run(source, capsys, "--anchored")["resumed"] == 0
    assert run(source, capsys, "--fresh")["resumed"] == 0


def test_a_stretch_without_trades_costs_only_its_fold(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the metric is not defined nothing is chosen, which is told; the others go on."""
    ticks = walk(4000)
    quiet = (ticks.ts_ns < START_NS + 6_000 * NS_PER_S) | (ticks.ts_ns > START_NS + 70_000 * NS_PER_S)
    source = prepared(Ticks(*(getattr(ticks, name)[quiet] for name in ("ts_ns", "price_e9", "quantity_e8", "side"))))
    code = run_sweep(options("--walk-forward", "8:50%", "--json", "--metric", "win_rate"), source)
    document = json.loads(capsys.readouterr().out)
    errors = [fold["error"] for fold in document["folds"]]
    assert code == 9
    assert errors.count(None) >= 1
    assert "no run on its first stretch has the figure" in errors


def test_a_run_in_which_nothing_was_traded_keeps_its_money(capsys: pytest.CaptureFixture[str]) -> None:
    """The account has what it began with, and the exit code says that every fold failed."""
    ticks = walk(2000)
    source = prepared(attrs.evolve(ticks, price_e9=np.full_like(ticks.price_e9, 10**9)))
    assert run_sweep(options("--walk-forward", "2", "--json", "--metric", "win_rate"), source) == 1
    chained_metrics = json.loads(capsys.readouterr().out)["chained"]["metrics"]
    assert (chained_metrics["initial"], chained_metrics["final"]) == (100_000.0, 100_000.0)


def test_table_csv_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One row a fold in each; the page draws the chained worth."""
    source = prepared(walk(3000))
    paths = [tmp_path / f"walk.{kind}" for kind in ("json", "csv", "html")]
    out = [word for path in paths for word in ("--out", str(path))]
    assert run_sweep(options("--walk-forward", "3", *out), source) == 0
    table = capsys.readouterr().out
    assert "chained:" in table
    assert "total_return out" in table
    assert len(json.loads(paths[0].read_text())["folds"]) == 3
    assert "<svg" in paths[2].read_text()
    assert run_sweep(options("--walk-forward", "3", "--format", "csv"), source) == 0
    printed = capsys.readouterr().out
    assert printed == paths[1].read_text()
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [row["fold"] for row in rows] == ["1", "2", "3"]
    assert run_sweep(options("--walk-forward", "3", "--format", "ndjson"), source) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_efficiency_compares_gains_a_day() -> None:
    """1 is what was promised; without a promised gain there is nothing to compare with."""
    assert efficiency(gained=0.01, traded_ns=10, promised=0.03, chosen_ns=30) == pytest.approx(1.0)
    assert efficiency(gained=-0.01, traded_ns=10, promised=0.01, chosen_ns=10) == pytest.approx(-1.0)
    assert efficiency(gained=0.01, traded_ns=10, promised=0.0, chosen_ns=30) is None


def test_nothing_traded_is_an_empty_curve() -> None:
    """And breaks no plot."""
    assert len(chained([None, None], 100.0).ts_ns) == 0
