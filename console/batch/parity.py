"""`parity`: replay what a paper session saw through the backtester, and compare order by order."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final

from console.backtests.options import add_timeout_option, check_timeout
from console.batch import output

if TYPE_CHECKING:
    from console.backtests.guard import TimeLimit

NAME = "parity"
HELP = "prove that a paper session traded as the backtest of what it saw"

_SHOWN: Final = 6
_WIDTH: Final = 80
_IDLE: Final[tuple[Any, ...]] = (None, "", 0, False, [], {})


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("session", help="latest, the name of a session or its unique beginning; see accounts --list")
    parser.add_argument("--desk", default="", metavar="NAME", help="of which desk (default: that of the settings)")
    add_timeout_option(parser, "seconds that one strategy may take on one symbol")
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare; the exit code is 0 when everything is the same, 10 when something is not."""
    from config.paths import find_paths
    from console.backtests.guard import time_limit
    from console.backtests.verify import DIFFERENT
    from console.batch.engine_plan import load_settings
    from console.batch.giving_up import giving_up
    from console.batch.progress import ProgressLine
    from console.paper.desks import desk_place
    from console.paper.parity import compare, load_strategies, parity_document
    from console.paper.session import find
    from strategies.approval import LIST_NAME

    check_timeout(arguments.timeout)
    paths = find_paths()
    desk = arguments.desk or load_settings(None, paths).settings.paper_trading.desk
    past = find(desk_place(paths.state, desk), arguments.session)
    last_resort = giving_up(arguments.format)

    def limit(who: str) -> TimeLimit:
        return time_limit(arguments.timeout, last_resort, who=who)

    # A user's file is a program: it may print.
    with ProgressLine("replaying") as progress, contextlib.redirect_stdout(sys.stderr):
        with limit("loading the strategies"):
            strategies = load_strategies(past, paths.configuration / LIST_NAME)
        parity = compare(past, strategies, progress, limit=limit)
    found = parity_document(past, parity)
    if arguments.format == "table":
        _tell(found)
    else:
        output.write_object(found, form=arguments.format)
    return 0 if parity.proven else DIFFERENT


def _tell(found: dict[str, Any]) -> None:
    output.talk(
        f"session {found['session']} of desk {found['desk']}: {found['trades']:,} trades in {found['steps']:,} steps",
        *found["notes"],
    )
    rows = [
        {"strategy": row["label"], "venue": row["venue"], "symbol": row["symbol"], "orders": row["count"],
         "same": row["same"]}
        for row in found["strategies"]
    ]  # fmt: skip
    output.write_rows(rows, form="table")
    counts = ", ".join(
        f"{found[name]['same']:,} of {found[name]['count']:,} {name}" for name in ("orders", "fills", "signals")
    )
    if found["same"] and not found["orders"]["count"]:
        output.talk("nothing to compare")
    elif found["same"]:
        output.talk(f"parity 100 %: {counts} are the same in the backtest")
    else:
        output.talk(f"parity {found['percent']} %: {counts} are the same", *_told(found["first_divergence"]))


def _told(first: dict[str, Any]) -> list[str]:
    from core.clock import iso_ns

    recorded, replayed = first["recorded"], first["replayed"]
    told = [f"first divergence: step {first['step']:,} at {iso_ns(first['ts_ns'])}"]
    told += ["in the ledger:", *_lines(recorded), "in the backtest:", *_lines(replayed)]
    if recorded and replayed:
        one, other = recorded[0], replayed[0]
        names = [name for name in one | other if one.get(name) != other.get(name)]
        told += _wrapped("the first of them differ in " + ", ".join(names), "")
    before, after = ({one["id"]: one for one in first[f"{name}_accounts"]} for name in ("recorded", "replayed"))
    for account in before | after:
        ledger, backtest = ([one[account]] if account in one else [] for one in (before, after))
        if ledger != backtest:
            told += ["afterwards, in the ledger:", *_lines(ledger), "and in the backtest:", *_lines(backtest)]
    return told


def _lines(lines: list[dict[str, Any]]) -> list[str]:
    told = []
    for line in lines[:_SHOWN]:
        facts = (f"{name} {_text(value)}" for name, value in line.items() if name != "kind" and value not in _IDLE)
        told += _wrapped(f"{line['kind']}: {', '.join(facts)}", "  ")
    if len(lines) > _SHOWN:
        told.append(f"  {len(lines) - _SHOWN:,} more lines")
    return told or ["  nothing"]


def _text(value: object) -> str:
    import json

    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _wrapped(text: str, indent: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "    ")
