"""`backtest --sweep`: run it, say how far it is, print and write what it brought."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from config.paths import find_paths
from console.backtests.heatmap import Heat, heat_rows
from console.backtests.prepared import Prepared
from console.backtests.progress import progress_of
from console.backtests.sweep import Parameters, Runner, Stretch, fingerprint, resume, run_grid
from console.backtests.sweep_document import (
    Sweep,
    counted,
    document,
    heat_of,
    summary,
    table_rows,
    write_csv,
    write_json,
)
from console.backtests.sweep_grid import Grid, parse_grid
from console.backtests.sweep_log import SweepLog
from console.backtests.sweep_options import processes_of
from console.backtests.sweep_standing import Metric, Standing
from console.batch import output
from core.clock import NS_PER_S, monotonic_ns
from core.errors import UsageError
from core.store.aside import written_aside

EXIT_SOME_FAILED: Final = 9
EXIT_ALL_FAILED: Final = 1
TOP: Final = 20
_MAP_WIDTH: Final = 100


def run_plain_sweep(arguments: argparse.Namespace, prepared: Prepared) -> int:
    """Run every combination, print the best and write the files; the exit code."""
    metric = Metric.named(arguments.metric)
    grid = grid_of(arguments, prepared)
    standing = Standing(grid, metric)
    runner = Runner(prepared, [Stretch(prepared.ticks, prepared.until_ns)])
    name = fingerprint(prepared, grid, {})
    with open_log(name, fresh=arguments.fresh) as log:
        began_ns = monotonic_ns()
        resumed = run_all(arguments, runner, standing, log, place_of=lambda parameters: (0, parameters))
        took_s = (monotonic_ns() - began_ns) / NS_PER_S
        finished = Sweep(prepared=prepared, standing=standing, log=log, name=name, resumed=resumed, took_s=took_s)
        for path in arguments.out:
            _write(finished, path, arguments)
        _print(finished, arguments)
    return exit_code(standing)


def grid_of(arguments: argparse.Namespace, prepared: Prepared) -> Grid:
    """The combinations that the command line asks for. Raises `UsageError`."""
    loaded = prepared.loaded
    return parse_grid(
        arguments.sweep, loaded.kind.PARAMETERS, strategy=loaded.strategy.name, fixed=prepared.parameters
    )


def open_log(name: str, *, fresh: bool) -> SweepLog:
    """The log of the sweep of that fingerprint."""
    return SweepLog(find_paths().state / "sweeps", name, fresh=fresh)


def run_all(
    arguments: argparse.Namespace,
    runner: Runner,
    standing: Standing,
    log: SweepLog,
    *,
    place_of: Callable[[Parameters], tuple[int, Parameters]],
) -> int:
    """Take what the log has, run the rest and tell how far it is; how many were in the log.

    Raises `UsageError` when the strategy refuses every combination.
    """
    resumed = resume(standing, log)
    total = len(standing.grid)
    if resumed:
        output.talk(f"{resumed:,} of {total:,} combinations were run before; --fresh begins anew")
    left = len(standing.pending())
    if not left:
        return _checked(standing, log, resumed)
    try:
        with progress_of(arguments.progress, f"sweep 0/{left:,}") as progress:

            def told(count: int, now: Standing) -> None:
                progress.label = progress_text(count, left, now)
                progress(count / left)

            run_grid(runner, standing, log, processes=processes_of(arguments), place_of=place_of, told=told)
    except KeyboardInterrupt:
        kept = standing.done + standing.refused
        output.talk(f"stopped: {kept:,} of {total:,} combinations are kept, the same command goes on from there")
        raise
    return _checked(standing, log, resumed)


def _checked(standing: Standing, log: SweepLog, resumed: int) -> int:
    total = len(standing.grid)
    if standing.refused == total:
        row = log.row(standing.place(0))
        raise UsageError("no combination makes sense", f"all {total:,} were refused", hint=str(row["refused"])[:200])
    return resumed


def progress_text(count: int, left: int, standing: Standing) -> str:
    """How far it is, and the best so far."""
    text = f"sweep {count:,}/{left:,}"
    if standing.best is None:
        return text
    chosen = " ".join(
        f"{name.lstrip('@')}={value}" for name, value in standing.grid.parameters(standing.best).items()
    )
    return f"{text}  best {standing.metric.name} {standing.values[standing.best]:.4g} ({chosen})"


def exit_code(standing: Standing) -> int:
    """0, or what says that some of the runs, or all, failed; with a word on it on stderr."""
    if not standing.failed:
        return 0
    output.talk(f"{counted(standing.failed)} failed, the first because: {standing.first_error}")
    return EXIT_SOME_FAILED if standing.done else EXIT_ALL_FAILED


def _print(sweep: Sweep, arguments: argparse.Namespace) -> None:
    most = None if arguments.all else arguments.top
    if arguments.format == "json":
        with output.writing():
            write_json(sys.stdout, document(sweep), sweep.lines(most))
    elif arguments.format == "ndjson":
        with output.writing():
            sys.stdout.writelines(f"{line}\n" for line in sweep.lines(most))
    elif arguments.format == "csv":
        with output.writing():
            write_csv(sys.stdout, sweep.standing.grid.names, sweep.lines(most))
    else:
        _print_table(sweep, None if arguments.all else arguments.top or TOP)
    talk_warnings(sweep.prepared, arguments.format)


def talk_warnings(prepared: Prepared, form: str) -> None:
    """Say on stderr what to know before believing it; JSON has it in itself."""
    if form != "json":
        output.talk(*(f"! {warning}" for warning in prepared.warnings))


def _print_table(sweep: Sweep, most: int | None) -> None:
    rows = table_rows(sweep, most)
    names = [*sweep.standing.grid.names, sweep.standing.metric.name]
    print_text([summary(sweep), ""])
    output.write_rows(rows, form="table", core=["#", *names])
    heat = heat_of(sweep.standing)
    if heat is not None:
        print_text(["", f"{sweep.standing.metric.name}:", *heat_lines(heat)])


def heat_lines(heat: Heat) -> list[str]:
    """A heat map as wide as the terminal has room for."""
    width = min(os.get_terminal_size().columns, 200) if sys.stdout.isatty() else _MAP_WIDTH
    return ["".join(cell.text for cell in row).rstrip() for row in heat_rows(heat, width=width, plain=plain_output())]


def plain_output() -> bool:
    """Whether stdout takes nothing but ASCII for sure."""
    return "utf" not in (sys.stdout.encoding or "").lower()


def print_text(lines: Sequence[str]) -> None:
    """Print lines as they are."""
    with output.writing():
        sys.stdout.writelines(f"{line}\n" for line in lines)


def _write(sweep: Sweep, path: Path, arguments: argparse.Namespace) -> None:
    with _text_file(path, force=arguments.force) as file:
        if path.suffix.lower() == ".json":
            write_json(file, document(sweep), sweep.lines(None))
        elif path.suffix.lower() == ".csv":
            write_csv(file, sweep.standing.grid.names, sweep.lines(None))
        else:
            from console.backtests.sweep_page import sweep_page

            file.write(sweep_page(sweep))
    output.talk(f"written to {path}")


@contextlib.contextmanager
def _text_file(path: Path, *, force: bool) -> Iterator[TextIO]:
    # There whole or not at all, and never in memory: a million rows are 700 MB.
    with written_aside(path, replace=force) as raw:
        text = io.TextIOWrapper(raw, "utf-8", write_through=False)
        yield text
        text.flush()
        text.detach()
