"""Sweeps: each run is what it would be by itself, none is lost with another, and a stopped sweep goes on."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from console.__main__ import build_parser
from console.backtests import sweep as sweep_module
from console.backtests.document import metrics_facts
from console.backtests.prepared import Prepared
from console.backtests.sweep import Runner, Stretch, fingerprint, run_grid
from console.backtests.sweep_document import heat_of
from console.backtests.sweep_grid import Axis, Grid
from console.backtests.sweep_log import Place, SweepLog
from console.backtests.sweep_options import check_idle, check_sweep, is_sweep, run_sweep, starting
from console.backtests.sweep_standing import Metric, Standing, metric_names
from console.batch.output import OutputError
from core.bars.series import BarData, BarSeries
from core.bars.spec import BarDataMode, BarType
from core.errors import RefusedError, UsageError
from core.sim.engine import run_backtest
from core.strategy import BUY, HOLD, SELL, Parameter, Signal, Strategy
from strategies.catalogue import LoadedStrategy
from tests.unit.console.backtests.sweeping import grid_of, prepared, sweep, walk

RANGES = ("short=2:6:2", "long=4:10:3")


class Odd(Strategy):
    """Buys every n-th bar and sells the one after; fails in each way that a strategy can when told to."""

    PARAMETERS = (
        Parameter(name="every", default=3, minimum=2, maximum=1000),
        Parameter(name="fault", default=0, minimum=0, maximum=9),
        Parameter(name="unused", default=0, minimum=0, maximum=9),
    )

    @property
    def name(self) -> str:
        """What it is called."""
        return "odd"

    def bar_data_mode(self) -> BarDataMode:
        """At the close of each bar, when nothing is wrong."""
        fault = int(self.parameters["fault"])
        if fault == 6:
            raise KeyError("mode")
        if fault == 8:
            os._exit(4)
        return BarDataMode.ON_CLOSE_BAR if fault != 7 else "never"  # type: ignore[return-value]

    def reset(self) -> None:
        """Begin to count."""
        self._count = 0

    def on_bar_data(self, bar: BarData) -> Signal | Sequence[Signal]:
        """Buy, sell, hold, or fail."""
        self._count += 1
        if self._count == 5:
            self._fail(int(self.parameters["fault"]))
        every = self.parameters["every"]
        return BUY if self._count % every == 0 else SELL if self._count % every == 1 else HOLD

    def _fail(self, fault: int) -> None:
        if fault == 1:
            raise ValueError("a \x1b[31mstrange\x1b[0m value")
        if fault == 2:
            os._exit(3)
        if fault == 3:
            while True:
                pass
        if fault == 4:
            raise SystemExit(1)

    def signals(self, bars: BarSeries) -> NDArray[np.int8] | None:
        """None, but for a fault: it writes to what it was only lent."""
        if self.parameters["fault"] == 5:
            bars.close_e9[:] = 1
        return None


def test_each_run_is_what_it_would_be_by_itself(tmp_path: Path) -> None:
    """Shared bars, forked processes and the way through the log change no figure."""
    source = prepared(walk(3000))
    _standing, rows, _resumed, _ran = sweep(source, tmp_path, *RANGES)
    assert len(rows) == 7
    for row in rows.values():
        parameters = row["parameters"]
        assert isinstance(parameters, dict)
        alone = run_backtest(source.request(parameters))
        assert row["metrics"] == json.loads(json.dumps(metrics_facts(alone.metrics)))


def test_what_the_strategy_refuses_is_counted_and_not_run(tmp_path: Path) -> None:
    """A short average that is not below the long one is no error."""
    standing, rows, _resumed, _ran = sweep(prepared(walk(2000)), tmp_path, *RANGES)
    assert (standing.refused, standing.failed, len(rows)) == (2, 0, 7)


def test_the_result_does_not_depend_on_how_many_work(tmp_path: Path) -> None:
    """Rank, best and rows are the same with one process and with three."""
    source = prepared(walk(2000))
    found = [sweep(source, tmp_path / str(jobs), *RANGES, jobs=jobs) for jobs in (1, 3)]
    assert found[0][0].best == found[1][0].best
    assert list(found[0][1].items()) == list(found[1][1].items())


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (1, "odd failed"),
        (2, "its process ended by itself with 3"),
        (3, "took longer than 2 s"),
        (4, "SystemExit"),
        (5, "odd failed answering all events: ValueError"),
        (6, "KeyError: 'mode'"),
        (7, "odd answers nonsense: bar_data_mode() must give a BarDataMode"),
        (8, "its process ended by itself with 4"),
    ],
)
def test_a_run_that_fails_costs_only_itself(tmp_path: Path, fault: int, told: str) -> None:
    """Also the first of them. Its reason is in its row, in plain words; all others are whole."""
    source = prepared(walk(2000), Odd, timeout_s=2.0)
    standing, rows, _resumed, _ran = sweep(source, tmp_path, "every=2:4", f"fault={fault},0")
    assert (standing.done, standing.failed) == (3, 3)
    failed = [row for row in rows.values() if row["error"] is not None]
    assert all(told in str(row["error"]) and str(row["error"]).isprintable() for row in failed)
    _standing, alone, _resumed, _ran = sweep(source, tmp_path / "alone", "every=2:4", "fault=0")
    assert [row["metrics"] for row in rows.values() if row["error"] is None] == [
        row["metrics"] for row in alone.values()
    ]


def test_bars_are_kept_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many stretches there are, the newest bars stay and every run has its own."""
    monkeypatch.setattr(sweep_module, "EVENTS_KEPT", 300)
    ticks = walk(3000)
    stretches = [Stretch(ticks.part(first, first + 300), None) for first in range(0, 3000, 300)]
    runner = Runner(prepared(ticks), stretches)
    runner.make_bars()
    made = [runner.series(number, runner.request(number, {})) for number in range(10)]
    assert all(series.ticks is part.ticks for series, part in zip(made, stretches, strict=True))
    assert sum(len(series) for series in runner._series.values()) <= 300
    assert runner.series(9, runner.request(9, {})) is made[9]


def stopped(source: Prepared, directory: Path, *, after: int) -> None:
    """A sweep that is interrupted when so many runs are done."""
    grid = grid_of(source, *RANGES)
    standing = Standing(grid, Metric("sharpe"))

    def told(count: int, _standing: Standing) -> None:
        if count == after:
            raise KeyboardInterrupt

    runner = Runner(source, [Stretch(source.ticks, None)])
    with SweepLog(directory, fingerprint(source, grid, {}), fresh=False) as log, pytest.raises(KeyboardInterrupt):
        run_grid(runner, standing, log, processes=2, place_of=lambda parameters: (0, parameters), told=told)


def test_a_stopped_sweep_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """What was done is not run again, and the end is the same as without the stop."""
    source = prepared(walk(2000))
    stopped(source, tmp_path / "stopped", after=4)
    standing, rows, resumed, ran = sweep(source, tmp_path / "stopped", *RANGES)
    whole = sweep(source, tmp_path / "whole", *RANGES)
    assert (resumed, ran) == (4, 5)
    assert rows == whole[1]
    assert standing.best == whole[0].best
    assert sweep(source, tmp_path / "stopped", *RANGES)[2:] == (9, 0)
    assert sweep(source, tmp_path / "stopped", *RANGES, fresh=True)[2:] == (0, 9)


def test_runs_that_failed_are_tried_again(tmp_path: Path) -> None:
    """They may have had a passing cause; what was well is kept."""
    source = prepared(walk(2000), Odd)
    sweep(source, tmp_path, "every=2:4", "fault=0,1")
    standing, _rows, resumed, ran = sweep(source, tmp_path, "every=2:4", "fault=0,1")
    assert (resumed, ran, standing.failed) == (3, 3, 3)


def test_another_metric_needs_no_run(tmp_path: Path) -> None:
    """What is ranked by is not part of what is run."""
    source = prepared(walk(2000))
    sweep(source, tmp_path, *RANGES, metric="sharpe")
    standing, rows, resumed, ran = sweep(source, tmp_path, *RANGES, metric="fees")
    assert (resumed, ran) == (9, 0)
    fees = [float(row["metrics"]["fees"]) for row in rows.values()]  # type: ignore[index]
    assert fees == sorted(fees)
    assert standing.best == next(iter(rows))


def test_a_sweep_of_something_else_has_another_log() -> None:
    """Data, code, settings, fixed parameters and ranges all name it."""
    ticks = walk(200)
    source = prepared(ticks)
    grid = grid_of(source, *RANGES)
    names = {
        fingerprint(source, grid, {}),
        fingerprint(source, grid_of(source, "short=2:6:2", "long=4:10:2"), {}),
        fingerprint(source, grid, {"folds": 1}),
        fingerprint(prepared(ticks, data_sha256="e"), grid, {}),
        fingerprint(prepared(ticks, parameters={"long": "9"}), grid, {}),
        fingerprint(attrs.evolve(source, code_sha256="d"), grid, {}),
        fingerprint(attrs.evolve(source, array_form=False), grid, {}),
        fingerprint(attrs.evolve(source, config={"fees": 1}), grid, {}),
    }
    assert len(names) == 8
    assert fingerprint(prepared(ticks), grid, {}) in names


def test_rows_of_a_log_that_make_no_sense_are_run_again(tmp_path: Path) -> None:
    """A file that somebody wrote to cannot break a sweep."""
    source = prepared(walk(2000))
    grid = grid_of(source, *RANGES)
    rows: list[Any] = [
        {"parameters": {"short": "2", "long": "4"}},
        {"parameters": {"short": 2, "long": 4}, "metrics": {}, "error": None},
        {"parameters": {"short": "2", "long": "4"}, "metrics": [], "error": None},
        {"parameters": {"short": "99", "long": "4"}, "metrics": {}, "error": None},
        {"parameters": None, "refused": "so"},
        {"parameters": {"short": "2", "long": "4"}, "metrics": {}, "error": 5},
        {"parameters": {"short": "2", "long": "4"}, "metrics": {}, "error": None},
        {"parameters": {"short": "2", "long": "4"}, "metrics": {"sharpe": 10**400}, "error": None},
        {"parameters": {"short": "2", "long": "4"}, "metrics": {name: [] for name in metric_names()}, "error": None},
    ]
    with SweepLog(tmp_path, fingerprint(source, grid, {}), fresh=False) as log:
        for row in rows:
            log.add(row)
    assert sweep(source, tmp_path, *RANGES)[2:] == (0, 9)


def standing_of(values: list[float | None], *sizes: int, metric: str = "sharpe") -> Standing:
    """What is known when these figures were found; None failed."""
    names = ("a", "b", "c")
    axes = tuple(Axis(name, tuple(str(at) for at in range(size))) for name, size in zip(names, sizes, strict=False))
    standing = Standing(Grid(axes), Metric(metric))
    for number, value in enumerate(values):
        error = "it failed" if value is None else None
        metrics = {} if value is None else {metric: None if value == 0 else value}
        standing.take(number, {"parameters": {}, "metrics": metrics, "error": error}, Place(0, 0))
    return standing


def test_the_best_comes_first_and_what_failed_last() -> None:
    """Those without the figure in between; of equals the one that comes first."""
    standing = standing_of([1.0, None, 3.0, 0, 3.0, 2.0], 6)
    assert standing.ranked() == [2, 4, 5, 0, 3, 1]
    assert standing.best == 2
    assert standing_of([5.0, 2.0, 2.0], 3, metric="volatility").ranked() == [1, 2, 0]


def test_the_best_does_not_depend_on_which_ends_first() -> None:
    """Equals are taken in the order of the ranges."""
    standing = standing_of([], 3)
    for number in (2, 0, 1):
        standing.take(number, {"metrics": {"sharpe": 1.0}, "error": None}, Place(0, 0))
    assert standing.best == standing.best_of(0, 3) == 0


def test_the_heat_of_two_parameters_is_every_run() -> None:
    """One row for each value of the second, one column for each of the first."""
    heat = heat_of(standing_of([1.0, 2.0, 3.0, 4.0, None, 6.0], 2, 3))
    assert heat is not None
    assert (heat.x, heat.y, heat.xs, heat.ys) == ("a", "b", ("0", "1"), ("0", "1", "2"))
    assert heat.values == [[1.0, 4.0], [2.0, None], [3.0, 6.0]]


@pytest.mark.parametrize(
    ("metric", "expected"), [("sharpe", [[5.0, 7.0], [6.0, 8.0]]), ("fees", [[1.0, 3.0], [2.0, 4.0]])]
)
def test_the_heat_of_more_is_the_best_of_the_others(metric: str, expected: list[list[float]]) -> None:
    """The two with the most values are the sides, the first named when there are more."""
    heat = heat_of(standing_of([1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0], 2, 2, 2, metric=metric))
    assert heat is not None
    assert (heat.x, heat.y, heat.values) == ("a", "b", expected)
    assert heat_of(standing_of([1.0], 1)) is None


def options(*words: str) -> argparse.Namespace:
    """The command line of a sweep."""
    return build_parser().parse_args(["backtest", "--strategy", "sma", "--symbol", "BTCUSD", *words])


def swept(*words: str, source: Prepared | None = None) -> int:
    """Run a command line on a random walk."""
    return run_sweep(options(*words), source or prepared(walk(2000)))


SWEEP = ("--sweep", "short=2:6:2", "--sweep", "long=4:10:3")


def test_json_has_the_runs_and_what_they_mean(capsys: pytest.CaptureFixture[str]) -> None:
    """One object: what was run, the best, the heat map, and every run, the best first."""
    assert swept(*SWEEP, "--json", "--metric", "total_return") == 0
    document = json.loads(capsys.readouterr().out)
    assert {
        name: document[name] for name in ("schema_version", "kind", "parameters", "metric", "refused", "failed")
    } == {
        "schema_version": 1,
        "kind": "sweep",
        "parameters": ["short", "long"],
        "metric": "total_return",
        "refused": 2,
        "failed": 0,
    }
    returns = [run["metrics"]["total_return"] for run in document["runs"]]
    assert returns == sorted(returns, reverse=True)
    assert len(returns) == 7
    assert document["best"] == document["runs"][0]
    assert document["command"].endswith("--sweep short=2:6:2 --sweep long=4:10:3 --metric total_return")
    assert document["heat"]["xs"] == ["2", "4", "6"]
    assert [len(row) for row in document["heat"]["values"]] == [3, 3, 3]
    assert max(value for row in document["heat"]["values"] for value in row if value is not None) == returns[0]


def test_the_same_command_again_says_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    """And gives the same runs."""
    swept(*SWEEP, "--json")
    first = json.loads(capsys.readouterr().out)
    swept(*SWEEP, "--json")
    again = capsys.readouterr()
    assert "9 of 9 combinations were run before; --fresh begins anew" in again.err
    assert json.loads(again.out)["resumed"] == 9
    assert json.loads(again.out)["runs"] == first["runs"]


def test_csv_and_ndjson_have_one_row_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    """With the parameters as columns; --top leaves all but the best out."""
    swept(*SWEEP, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 7
    assert list(rows[0])[:2] == ["short", "long"]
    swept(*SWEEP, "--format", "ndjson", "--top", "3")
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["parameters"] for line in lines] == [
        {"short": row["short"], "long": row["long"]} for row in rows[:3]
    ]


def test_the_table_shows_the_best_and_the_map(capsys: pytest.CaptureFixture[str]) -> None:
    """Parameters first, then what decides."""
    swept(*SWEEP, "--top", "2", "--metric", "win_rate")
    lines = capsys.readouterr().out.splitlines()
    assert "7 of 9 combinations, 2 refused" in lines[0]
    assert lines[2].split()[:4] == ["#", "short", "long", "win_rate"]
    assert [line.split()[0] for line in lines[3:5]] == ["1", "2"]
    assert "long \\ short" in lines


def test_files_are_written_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON, CSV and a page; what is there is not overwritten without a word."""
    paths = [tmp_path / f"sweep.{kind}" for kind in ("json", "csv", "html")]
    out = [word for path in paths for word in ("--out", str(path))]
    swept(*SWEEP, *out, "--top", "1")
    assert len(json.loads(paths[0].read_text())["runs"]) == 7
    assert len(paths[1].read_text().splitlines()) == 8
    page = paths[2].read_text()
    assert "<svg" in page
    assert "<script" not in page
    with pytest.raises(RefusedError):
        check_sweep(options(*SWEEP, *out))
    capsys.readouterr()


def test_files_are_written_though_nobody_reads_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for in a file does not go with a full disk, or a reader that left, behind stdout."""
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OutputError):
            swept(*SWEEP, "--json", "--out", str(tmp_path / "sweep.json"))
    assert len(json.loads((tmp_path / "sweep.json").read_text())["runs"]) == 7


@pytest.mark.parametrize("words", [(), ("--format", "csv"), ("--walk-forward", "2", "--metric", "total_return")])
def test_what_is_odd_about_the_data_is_told(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, and in what is written."""
    source = attrs.evolve(prepared(walk(2000)), warnings=("3 outliers", "assumed"))
    assert swept(*SWEEP, *words, source=source) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("! ")]
    assert told == ["! 3 outliers", "! assumed"]
    swept(*SWEEP, *words, "--json", source=source)
    assert [f"! {line}" for line in json.loads(capsys.readouterr().out)["warnings"]] == told


class Paired(Odd):
    """Refuses what does not go together, and says in different words what it wants."""

    def initialize(self, params: Mapping[str, str]) -> None:
        """Take parameters of which one is below the other."""
        super().initialize(params)
        if self.parameters["unused"] <= self.parameters["fault"]:
            raise UsageError("bad parameters", "unused", hint="above fault")

    def preferred_bar_type(self) -> BarType:
        """Bars of so many trades as a parameter says."""
        return BarType(ticks=int(self.parameters["every"]))


@pytest.mark.parametrize(
    ("words", "every"),
    [
        (("--param", "unused=3", "--sweep", "fault=0:4", "--sweep", "every=7,8"), 7),
        (("--param", "unused=4", "--sweep", "fault=5,0", "--sweep", "every=7,8"), 7),
        (("--param", "unused=1", "--sweep", "fault=2:3"), 3),
        (("--param", "unused=9", "--sweep", "fault=8,0", "--sweep", "every=7"), 3),
    ],
)
def test_parameters_are_checked_together(words: tuple[str, ...], every: int) -> None:
    """What is set need not go with the defaults of what is swept: the first set that is taken says what is wanted,
    and the defaults do when there is none or when it fails."""
    kind = LoadedStrategy(Odd(), None, "0" * 64, Paired)
    assert starting(options(*words), kind).strategy.parameters["every"] == every


def test_what_is_set_wrongly_is_told_before_anything_is_run() -> None:
    """A name that is not there, or a value beyond the bounds."""
    for given in ("nothing=3", "every=1"):
        with pytest.raises(UsageError, match=given.partition("=")[0]):
            starting(options("--param", given, "--sweep", "fault=0:1"), LoadedStrategy(Odd(), None, "0" * 64, Odd))


def test_exit_codes_tell_some_from_all(capsys: pytest.CaptureFixture[str]) -> None:
    """9 when some runs failed, 1 when all did, and the reason on stderr."""
    source = prepared(walk(2000), Odd)
    assert swept("--sweep", "fault=0,1", source=source) == 9
    assert "1 run failed, the first because: odd failed" in capsys.readouterr().err
    assert swept("--sweep", "fault=1", "--sweep", "every=2:3", source=source) == 1
    assert capsys.readouterr().out


def test_a_sweep_that_makes_no_sense_is_refused_as_a_whole() -> None:
    """When the strategy takes none of the combinations, its reason is the hint."""
    with pytest.raises(UsageError) as caught:
        swept("--sweep", "short=20:30")
    assert caught.value.operation == "no combination makes sense"
    assert "short" in caught.value.hint


@pytest.mark.parametrize(
    "words",
    [
        ("--walk-forward", "3"),
        ("--sweep", "short=1", "--jobs", "-1"),
        ("--sweep", "short=1", "--jobs", "100000"),
        ("--sweep", "short=1", "--top", "0"),
        ("--sweep", "short=1", "--anchored"),
        ("--sweep", "short=1", "--metric", "luck"),
        ("--sweep", "short=1", "--out", "x.pdf"),
        ("--sweep", "short=1", "--walk-forward", "0"),
        ("--sweep", "short=1", "--walk-forward", "2", "--top", "3"),
        ("--sweep", "short=1", "--walk-forward", "2", "--all"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words: tuple[str, ...]) -> None:
    """Before any data is loaded."""
    assert is_sweep(options(*words))
    with pytest.raises(UsageError):
        check_sweep(options(*words))


def test_a_command_line_without_ranges_is_no_sweep() -> None:
    """It is one run."""
    assert not is_sweep(options())
    check_idle(options())


@pytest.mark.parametrize("words", [("--top", "3"), ("--all",), ("--jobs", "2"), ("--fresh",), ("--anchored",)])
def test_options_of_a_sweep_want_one(words: tuple[str, ...]) -> None:
    """Without ranges they would be ignored: they are refused."""
    with pytest.raises(UsageError, match="without --sweep"):
        check_idle(options(*words))


def test_progress_is_told_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines that a program can read, the last of them the end."""
    swept(*SWEEP, "--json", "--progress", "json", "--fresh")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0]["progress"] == 0.0
    assert lines[-1]["progress"] == 1.0
    assert "best sharpe" in lines[-1]["text"]
