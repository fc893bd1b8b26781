"""The options of `backtest` that ask for many runs, and what is done then. Imports nothing heavy."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
from typing import TYPE_CHECKING, Final

import attrs

from core.errors import UsageError

if TYPE_CHECKING:
    from console.backtests.prepared import Prepared
    from strategies.catalogue import LoadedStrategy

MOST_JOBS: Final = 256
METRIC: Final = "sharpe"
_TRIED_FIRST: Final = 200


def add_sweep_options(parser: argparse.ArgumentParser) -> None:
    """Declare what a sweep and a walk-forward run take."""
    sweep = parser.add_argument_group("many runs")
    sweep.add_argument("--sweep", action="append", default=[], metavar="NAME=A:B:STEP",
                       help="run every value of a parameter, also like short=5,10,20; may be repeated")  # fmt: skip
    sweep.add_argument("--metric", default=METRIC, metavar="NAME", help=f"what is best (default: {METRIC})")
    shown = sweep.add_mutually_exclusive_group()
    shown.add_argument("--top", type=int, metavar="N", help="show so many (default: 20 in a table, else all)")
    shown.add_argument("--all", action="store_true", help="show all")
    sweep.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: one a core)")
    again = sweep.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on where the same sweep stopped (the default)")
    again.add_argument("--fresh", action="store_true", help="begin anew")
    sweep.add_argument("--walk-forward", metavar="N[:SHARE]",
                       help="choose on a stretch, trade the next with it, N times; SHARE of each is for choosing "
                       "(default: 0.75)")  # fmt: skip
    sweep.add_argument("--anchored", action="store_true", help="walk-forward: always choose from the beginning on")


def is_sweep(arguments: argparse.Namespace) -> bool:
    """Whether the command line asks for many runs."""
    return bool(arguments.sweep or arguments.walk_forward)


def check_idle(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` for options of sweeps without one."""
    given = {
        "--top": arguments.top is not None,
        "--all": arguments.all,
        "--jobs": arguments.jobs != 0,
        "--resume": arguments.resume,
        "--fresh": arguments.fresh,
        "--anchored": arguments.anchored,
    }
    idle = [name for name, there in given.items() if there]
    if idle and not is_sweep(arguments):
        raise UsageError("nothing to sweep", f"{idle[0]} without --sweep", hint="like --sweep short=5:50:5")


def run_sweep(arguments: argparse.Namespace, prepared: Prepared) -> int:
    """Run what is asked for and print it; 9 when some of the runs failed and 1 when all did.

    Raises:
        ConsoleError: it makes no sense, or the machine does not allow it.
    """
    check_sweep(arguments)
    prepared = attrs.evolve(prepared, command=f"{prepared.command} {_command_line(arguments)}")
    if arguments.walk_forward:
        from console.backtests.walkforward_command import run_walk_forward

        return run_walk_forward(arguments, prepared)
    from console.backtests.sweep_command import run_plain_sweep

    return run_plain_sweep(arguments, prepared)


def check_sweep(arguments: argparse.Namespace) -> None:
    """See that the options make sense, and that the files can be written; worth doing before any data is loaded.

    Raises:
        UsageError: they do not.
        RefusedError: a file is there and may not be replaced.
    """
    from console.backtests.export import check_outputs
    from console.backtests.sweep_standing import Metric
    from console.backtests.walkforward import parse_plan

    if not arguments.sweep:
        raise UsageError("nothing to choose from", "--walk-forward without --sweep", hint="like --sweep short=5:50:5")
    if not 0 <= arguments.jobs <= MOST_JOBS:
        hint = f"from 1 to {MOST_JOBS}, or 0 for one a core"
        raise UsageError("bad number of processes", str(arguments.jobs)[:40], hint=hint)
    if arguments.top is not None and arguments.top < 1:
        raise UsageError("bad number of rows", str(arguments.top)[:40], hint="1 or more")
    if arguments.walk_forward and (arguments.top is not None or arguments.all):
        raise UsageError("nothing to choose rows from", "--top or --all", hint="--walk-forward shows every fold")
    if arguments.anchored and not arguments.walk_forward:
        raise UsageError("nothing to anchor", "--anchored", hint="it goes with --walk-forward")
    if arguments.walk_forward:
        parse_plan(arguments.walk_forward, anchored=arguments.anchored)
    Metric.named(arguments.metric)
    check_outputs(arguments.out, force=arguments.force)


def starting(arguments: argparse.Namespace, loaded: LoadedStrategy) -> LoadedStrategy:
    """`loaded`, made without parameters, with those of the first combination that it does not refuse: what the
    command line sets need not go together with the defaults of what it sweeps, and what a strategy asks for may
    depend on either. As it is when that run fails, or when it refuses the first 200. Tried in another process.

    Raises:
        UsageError: the ranges, or the parameters that are set, make no sense.
    """
    from console.backtests.blame import wishes
    from console.backtests.options import parse_parameters
    from console.backtests.pool import run_jobs
    from console.backtests.sweep_grid import parse_grid

    given = parse_parameters(arguments.param)
    grid = parse_grid(arguments.sweep, loaded.kind.PARAMETERS, strategy=loaded.strategy.name, fixed=given)

    def taken(number: int) -> bool:
        try:
            wishes(loaded.fresh({**given, **grid.parameters(number)}))
        except UsageError:
            return False
        return True

    tried = run_jobs(range(min(len(grid), _TRIED_FIRST)), taken, processes=1, timeout_s=arguments.timeout)
    with contextlib.closing(tried), contextlib.redirect_stdout(sys.stderr):
        for done in tried:
            if done.error is not None:
                break
            if done.answer:
                return attrs.evolve(loaded, strategy=loaded.fresh({**given, **grid.parameters(done.job)}))
    return loaded


def _command_line(arguments: argparse.Namespace) -> str:
    # What to type, after the options of a single run, to do this again.
    words = [word for one in arguments.sweep for word in ("--sweep", one)]
    words += ["--metric", arguments.metric] if arguments.metric != METRIC else []
    words += ["--walk-forward", arguments.walk_forward] if arguments.walk_forward else []
    words += ["--anchored"] if arguments.anchored else []
    return shlex.join(words)


def processes_of(arguments: argparse.Namespace) -> int:
    """How many processes to use."""
    if arguments.jobs:
        return int(arguments.jobs)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
