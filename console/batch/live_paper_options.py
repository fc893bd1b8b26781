"""The options of `live --paper-trading`, and the plan that they make with the settings."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from console.batch.settings_options import add_settings_options
from core.errors import UsageError

if TYPE_CHECKING:
    from config.paths import Paths
    from config.schema import PaperTradingSettings, Settings
    from console.paper.plan import PaperPlan, RunPlan

_LABELLED: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)=(.+)")
_PLAIN: Final = ("desk", "bars", "mode", "slippage", "latency", "jitter", "maker", "taker")
_FLAGS: Final = ("shorts", "touch")
_OPTIONS: Final = ("strategy", "param", "size", "quantity", "account", "config", *_PLAIN, *_FLAGS)


def add_paper_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    paper = parser.add_argument_group("paper trading", "what is not named here is taken from [paper_trading]")
    paper.add_argument("--paper-trading", action="store_true", help="trade with accounts that are not real")
    paper.add_argument("--strategy", action="append", metavar="[LABEL=]NAME|FILE",
                       help="one that `backtest --list` names, or an approved file.py; may be repeated")  # fmt: skip
    paper.add_argument("--param", action="append", metavar="[LABEL.]NAME=VALUE",
                       help="set a parameter of the strategy of that label; may be repeated")  # fmt: skip
    paper.add_argument("--desk", metavar="NAME", help="whose state is gone on from (default: default)")
    paper.add_argument("--bars", metavar="BARS", help="1m 5m 15m 30m 1h 4h 1d 1w, or 100t for bars of 100 trades")
    paper.add_argument("--mode", metavar="MODE", help="when strategies are called: each-tick, price-move, close-bar")
    size = paper.add_mutually_exclusive_group()
    size.add_argument("--size", "--fraction", metavar="SHARE",
                      help="how much of the account signals are about, in equal parts for all on it")  # fmt: skip
    size.add_argument("--quantity", metavar="Q", help="how much it is about in units or contracts")
    paper.add_argument("--shorts", action="store_true", help="a SELL goes short, where the product allows it")
    paper.add_argument("--account", metavar="ID", help="trade on this account of the settings")
    paper.add_argument("--maker", metavar="RATE", help="fee of resting orders, like 0.1%% or 10bps")
    paper.add_argument("--taker", metavar="RATE", help="fee of orders that take")
    paper.add_argument("--slippage", metavar="RATE|Nt", help="so much worse, or N price steps worse")
    paper.add_argument("--latency", metavar="TIME", help="until an order is there, like 50ms")
    paper.add_argument("--jitter", metavar="TIME", help="up to so much longer, by chance")
    paper.add_argument("--touch", action="store_true", help="limit orders also fill at their price, not only through")
    add_settings_options(paper)


def check_unused(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` when one of them is given without --paper-trading."""
    given = [name for name in _OPTIONS if getattr(arguments, name)]
    if given:
        raise UsageError("only for paper trading", f"--{given[0]}", hint="add --paper-trading")


def plan_of(arguments: argparse.Namespace, settings: Settings, paths: Paths) -> PaperPlan:
    """What the command line and the settings describe. Raises `ConsoleError` when they make no sense."""
    from console.paper.desks import OWN_INSTANCE
    from console.paper.plan import paper_plan

    _check_empty(arguments)
    section = _section(arguments, settings.paper_trading)
    plan = paper_plan(
        attrs.evolve(settings, paper_trading=section),
        paths,
        instance=OWN_INSTANCE + section.desk,
        isolated=True,
    )
    runs = tuple(attrs.evolve(run, account=arguments.account or run.account) for run in plan.runs)
    if arguments.symbols:
        runs = tuple(attrs.evolve(run, symbols=()) for run in runs)
    plan = attrs.evolve(plan, runs=_with_parameters(runs, arguments.param or []))
    symbols = dict.fromkeys(symbol for run in plan.runs for symbol in run.symbols or plan.symbols)
    if not symbols or not all(run.symbols or plan.symbols for run in plan.runs):
        raise UsageError("no symbols", "--symbols is missing", hint="or name them in [paper_trading]")
    return attrs.evolve(plan, symbols=tuple(symbols) if arguments.symbols else plan.symbols)


def _check_empty(arguments: argparse.Namespace) -> None:
    # Of a script whose variable is not set; what would be taken instead is not what it means.
    for name in ("symbols", *_OPTIONS):
        if getattr(arguments, name) == "":
            raise UsageError("nothing is given", f"--{name} is empty", hint="leave it out, or give a value")


def _section(arguments: argparse.Namespace, section: PaperTradingSettings) -> PaperTradingSettings:
    from config.schema import DEFAULT_SIZE, PaperRunSettings
    from core.model.symbology import parse_symbols

    changed: dict[str, Any] = {name: getattr(arguments, name) for name in _PLAIN if getattr(arguments, name)}
    changed |= {name: True for name in _FLAGS if getattr(arguments, name)}
    if arguments.size:
        changed |= {"size": arguments.size, "quantity": ""}
    if arguments.quantity:
        changed |= {"size": DEFAULT_SIZE, "quantity": arguments.quantity}
    if arguments.symbols:
        changed["symbols"] = parse_symbols(arguments.symbols)
    try:
        if arguments.strategy:
            named = [_labelled(text) for text in arguments.strategy]
            runs = tuple(PaperRunSettings(label=label, strategy=strategy) for label, strategy in named)
            changed |= {"strategy": "", "strategies": (), "run": runs}
        return attrs.evolve(section, **changed)
    except ValueError as error:
        raise UsageError("bad options", str(error)) from error


def _labelled(text: str) -> tuple[str, str]:
    found = _LABELLED.fullmatch(text)
    return ("", text) if found is None else (found[1], found[2])


def _with_parameters(runs: tuple[RunPlan, ...], given: list[str]) -> tuple[RunPlan, ...]:
    from console.backtests.options import parse_parameters

    found: dict[str, dict[str, str]] = {run.label: dict(run.parameters) for run in runs}
    for name, value in parse_parameters(given).items():
        label, _, parameter = name.rpartition(".")
        if not label and len(runs) == 1:
            label = runs[0].label
        if label not in found:
            hint = f"like --param {runs[0].label}.{parameter or name}={value}; there are {', '.join(found)}"
            raise UsageError("parameter of which strategy", ascii(name)[:60], hint=hint)
        found[label][parameter] = value
    return tuple(attrs.evolve(run, parameters=found[run.label]) for run in runs)
