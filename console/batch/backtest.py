"""`backtest`: tries a strategy on stored trades or on files, and tells what it would have brought."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from console.backtests.options import add_options, deciding_words
from console.backtests.sweep_options import add_sweep_options, check_idle, check_sweep, is_sweep
from console.batch import output
from console.batch.giving_up import giving_up
from core.errors import UsageError

NAME = "backtest"
HELP = "try a strategy on stored trades or DBN files"
PREVIEW_ROWS = 20


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_options(parser)
    add_sweep_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the result; exit code 10 when a verification found a difference, that of the sweep when it is one."""
    from console.backtests.export import check_outputs

    _check_acts(arguments)
    if arguments.list:
        return _list(arguments)
    if arguments.verify is not None:
        return _verify(arguments)
    if arguments.preview:
        return _preview(arguments)
    if is_sweep(arguments):
        check_sweep(arguments)
    else:
        check_outputs(arguments.out, force=arguments.force)
    return _run(arguments)


def _check_acts(arguments: argparse.Namespace) -> None:
    acts = {
        "--list": arguments.list,
        "--preview": arguments.preview,
        "--verify": arguments.verify is not None,
        "--sweep or --walk-forward": is_sweep(arguments),
    }
    check_idle(arguments)
    named = [name for name, given in acts.items() if given]
    if len(named) > 1:
        raise UsageError("one thing at a time", " with ".join(named), hint="use one of them")
    if arguments.out and named and not is_sweep(arguments):
        raise UsageError("nothing to write", f"--out with {named[0]}", hint="a run writes its result")
    if arguments.verify and deciding_words(arguments):
        hint = "the file says what to run; without a file the options do"
        raise UsageError("cannot be changed", f"{deciding_words(arguments)[0]} with --verify FILE", hint=hint)


def _list(arguments: argparse.Namespace) -> int:
    from console.backtests.listing import strategy_rows

    rows = strategy_rows()
    if arguments.format == "table":
        for row in rows:
            row["parameters"] = "  ".join(f"{one['name']}={one['default']:g}" for one in row["parameters"])
    output.write_rows(rows, form=arguments.format, envelope={"schema_version": 1, "kind": "strategies"})
    return 0


def _preview(arguments: argparse.Namespace) -> int:
    from console.backtests.options import check, command_line
    from console.backtests.preparing import load_market, load_strategy, loaded_wishes
    from console.backtests.preview import preview
    from console.backtests.progress import progress_of
    from core.bars.spec import BarType

    check(arguments)
    bar_type = BarType.parse(arguments.bars) if arguments.bars else None
    if arguments.strategy:
        bar_type = bar_type or loaded_wishes(arguments, load_strategy(arguments)).bars
    bar_type = bar_type or BarType()
    with progress_of(arguments.progress, "loading") as progress:
        market = load_market(arguments, bar_type, progress)
    made = preview(market, bars=str(bar_type), command=f"{command_line(arguments)} --preview")
    if arguments.format in {"json", "ndjson"}:
        output.write_object(made, form=arguments.format)
    elif arguments.format == "csv":
        output.write_rows(made["bars"], form="csv")
    else:
        _show_preview(made)
    output.talk(*(f"! {warning}" for warning in made["warnings"]))
    return 0


def _show_preview(made: dict[str, Any]) -> None:
    data = {name: value for name, value in made["data"].items() if not name.endswith("_ns")}
    output.write_object({"instrument": made["instrument"], "data": data}, form="table")
    shown = made["bars"][-PREVIEW_ROWS:]
    if shown:
        each = f", {made['bars_each']} in each row" if made["bars_each"] > 1 else ""
        bars = f"{made['data']['bars']:,} bars of {made['timeframe']}{each}"
        _write_lines(["", f"{bars}: the last {len(shown)} of {len(made['bars'])} rows"])
        output.write_rows(shown, form="table")


def _run(arguments: argparse.Namespace) -> int:
    from console.backtests.document import document
    from console.backtests.export import write_outputs
    from console.backtests.preparing import prepare_run
    from console.backtests.progress import progress_of
    from console.backtests.running import run_once

    with progress_of(arguments.progress, "loading") as progress:
        prepared = prepare_run(arguments, progress)
    if is_sweep(arguments):
        from console.backtests.sweep_options import run_sweep

        return run_sweep(arguments, prepared)
    with progress_of(arguments.progress, "running") as progress:
        finished = run_once(prepared, progress=progress, last_resort=giving_up(arguments.format))
    made = document(finished, all_orders=arguments.trades)
    write_outputs(made, arguments.out, force=arguments.force)
    _show(arguments, made)
    return 0


def _show(arguments: argparse.Namespace, made: dict[str, Any]) -> None:
    from console.backtests.export import trades_csv
    from console.backtests.table import summary

    if arguments.format in {"json", "ndjson"}:
        output.write_object(made, form=arguments.format)
        return
    if arguments.format == "csv":
        _write_lines(trades_csv(made["trades"]).splitlines())
        output.talk(*(f"! {warning}" for warning in made["warnings"]))
        return
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    _write_lines(summary(made, plain=plain))
    if arguments.trades:
        for name in ("orders", "fills"):
            _write_lines(["", name])
            output.write_rows(made[name], form="table")
    output.talk(*(f"written to {path}" for path in arguments.out))


def _verify(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from console.backtests.options import check
    from console.backtests.verify import DIFFERENT, verify_file, verify_twice

    last_resort = giving_up(arguments.format)
    if arguments.verify:
        found = verify_file(Path(arguments.verify), last_resort)
    else:
        check(arguments)
        found = verify_twice(arguments, last_resort)
    if arguments.format in {"json", "ndjson"}:
        output.write_object(found, form=arguments.format)
    else:
        told = "the same" if found["same"] else f"different: {', '.join(found['differ']) or 'figures'}"
        _write_lines([told, f"fingerprint {found['after']['id']}", *found["differences"]])
    return 0 if found["same"] else DIFFERENT


def _write_lines(lines: Sequence[str]) -> None:
    with output.writing():
        for line in lines:
            sys.stdout.write(f"{output.harmless(line)}\n")
