"""`backtest --walk-forward`: choose and trade fold by fold, print and write what it brought."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from console.backtests.export import write_text
from console.backtests.pool import run_jobs
from console.backtests.prepared import Prepared
from console.backtests.progress import progress_of
from console.backtests.sweep import Parameters, Row, Runner, fingerprint
from console.backtests.sweep_command import (
    EXIT_ALL_FAILED,
    EXIT_SOME_FAILED,
    grid_of,
    open_log,
    plain_output,
    print_text,
    run_all,
    talk_warnings,
)
from console.backtests.sweep_document import counted, short
from console.backtests.sweep_grid import MOST_COMBINATIONS, Axis, Grid
from console.backtests.sweep_log import SweepLog
from console.backtests.sweep_options import processes_of
from console.backtests.sweep_standing import Metric, Standing
from console.backtests.table import sparkline
from console.backtests.walkforward import Fold, Plan, Traded, make_folds, parse_plan, trade
from console.backtests.walkforward_document import (
    NOTE,
    Step,
    WalkForward,
    document,
    flat_rows,
    fold_rows,
    walk_forward_page,
)
from console.batch import output
from core.clock import NS_PER_S, monotonic_ns
from core.errors import UsageError
from core.flow.printable import printable

FOLD: Final = "@fold"
"""The axis of the log by which folds are told apart; no parameter can be called that on a command line."""
_LINE_COLUMNS: Final = 76


def run_walk_forward(arguments: argparse.Namespace, prepared: Prepared) -> int:
    """Run every fold, print them and write the files; the exit code."""
    plan = parse_plan(arguments.walk_forward, anchored=arguments.anchored)
    metric = Metric.named(arguments.metric)
    chosen = grid_of(arguments, prepared)
    folds = folds_of(plan, prepared)
    grid = Grid((Axis(FOLD, tuple(str(fold.number) for fold in folds)), *chosen.axes))
    if len(grid) > MOST_COMBINATIONS:
        raise UsageError("too many runs", f"{len(folds)} folds of {len(chosen):,}", hint="fewer folds, wider steps")
    standing = Standing(grid, metric)
    edges = [[fold.start_ns, fold.cut_ns, fold.end_ns] for fold in folds]
    name = fingerprint(prepared, grid, {"folds": edges})
    runner = Runner(prepared, [fold.choosing(prepared.ticks) for fold in folds])
    began_ns = monotonic_ns()
    with open_log(name, fresh=arguments.fresh) as log:
        resumed = run_all(arguments, runner, standing, log, place_of=_place)
        steps = _trade_all(arguments, prepared, folds, _chosen(standing, log, len(chosen)))
    run = WalkForward(
        prepared=prepared, plan=plan, standing=standing, names=chosen.names, steps=steps, name=name, resumed=resumed,
        took_s=(monotonic_ns() - began_ns) / NS_PER_S,
    )  # fmt: skip
    for path in arguments.out:
        _write(run, path, force=arguments.force)
    _print(run, arguments.format)
    talk_warnings(prepared, arguments.format)
    return _exit_code(run)


def folds_of(plan: Plan, prepared: Prepared) -> list[Fold]:
    """The folds of the range that the trades fill. Raises `UsageError` when there are too many."""
    stamps, bars = prepared.ticks.ts_ns, prepared.bar_type or prepared.loaded.strategy.preferred_bar_type()
    end_ns = max(int(stamps[-1]) + 1, prepared.until_ns or 0)
    return make_folds(plan, start_ns=int(stamps[0]), end_ns=end_ns, bars=bars)


def _place(parameters: Parameters) -> tuple[int, Parameters]:
    rest = {name: value for name, value in parameters.items() if name != FOLD}
    return int(parameters[FOLD]) - 1, rest


def _chosen(standing: Standing, log: SweepLog, each: int) -> list[Row | None]:
    # The best row of every fold.
    best = [standing.best_of(first, first + each) for first in range(0, len(standing.grid), each)]
    return [None if number is None else log.row(standing.place(number)) for number in best]


def _trade_all(
    arguments: argparse.Namespace,
    prepared: Prepared,
    folds: Sequence[Fold],
    chosen: Sequence[Row | None],
) -> list[Step]:
    jobs = [number for number, row in enumerate(chosen) if row is not None]
    found: dict[int, Traded] = {}
    errors = {
        number: "no run on its first stretch has the figure" for number, row in enumerate(chosen) if row is None
    }

    def work(number: int) -> Traded:
        row = chosen[number]
        assert row is not None
        return trade(prepared, folds[number], _place(row["parameters"])[1])

    answers = run_jobs(jobs, work, processes=processes_of(arguments), timeout_s=prepared.timeout_s)
    with contextlib.closing(answers), progress_of(arguments.progress, "trading the folds") as progress:
        for count, done in enumerate(answers, 1):
            if done.answer is None:
                errors[done.job] = printable(done.error or "no reason given", 300)
            else:
                found[done.job] = done.answer
            progress(count / len(jobs))
    return [
        Step(fold=fold, chosen=row, traded=found.get(number), error=errors.get(number))
        for number, (fold, row) in enumerate(zip(folds, chosen, strict=True))
    ]


def _exit_code(run: WalkForward) -> int:
    if not run.failed:
        return 0
    reasons = [step.error for step in run.steps if step.error] + [run.standing.first_error]
    output.talk(f"{counted(run.failed)} failed, the first because: {reasons[0]}")
    return EXIT_ALL_FAILED if all(step.traded is None for step in run.steps) else EXIT_SOME_FAILED


def _print(run: WalkForward, form: str) -> None:
    if form == "json":
        with output.writing():
            sys.stdout.write(_json(run))
    elif form == "ndjson":
        with output.writing():
            sys.stdout.writelines(json.dumps(step.document(run.names)) + "\n" for step in run.steps)
    elif form == "csv":
        with output.writing():
            sys.stdout.write(_csv(run))
    else:
        _print_table(run)


def _print_table(run: WalkForward) -> None:
    head = document(run)
    where = f"{head['strategy']['name']} on {head['instrument']['venue']} {head['instrument']['symbol']}"
    ahead = "everything before" if run.plan.anchored else f"{float(run.plan.share):.0%} of each"
    folds = "1 fold" if len(run.steps) == 1 else f"{len(run.steps):,} folds"
    print_text([f"{where}: {folds}, chosen by {head['metric']} on {ahead}", ""])
    output.write_rows(fold_rows(run), form="table", core=["fold", "from", "cut", "to", *run.names])
    figures = {**head["chained"]["metrics"], "efficiency": head["efficiency"]}
    print_text(["", "chained:"])
    values = head["chained"]["equity"]["equity"]
    if values:
        print_text([sparkline(values, _LINE_COLUMNS, plain=plain_output())])
    output.write_rows([{name: short(value) for name, value in figures.items()}], form="table")
    print_text(["", *textwrap.wrap(NOTE, _LINE_COLUMNS)])


def _json(run: WalkForward) -> str:
    return json.dumps(document(run), separators=(",", ":"), allow_nan=False) + "\n"


def _csv(run: WalkForward) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = flat_rows(run)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow("" if value is None else printable(str(value), 300) for value in row.values())
    return text.getvalue()


def _write(run: WalkForward, path: Path, *, force: bool) -> None:
    made = {".json": _json, ".csv": _csv, ".html": walk_forward_page}[path.suffix.lower()]
    write_text(path, made(run), force=force)
    output.talk(f"written to {path}")
