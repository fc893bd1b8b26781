"""`symbol`: what can be streamed, what is known, and adding and removing symbols while engines run.

Each action is a module of its own, loaded when it is chosen.
"""

from __future__ import annotations

import argparse
import importlib

from console.batch import output
from console.batch.settings_options import add_settings_options

NAME = "symbol"
HELP = "find symbols, list them, add and remove them while engines run"

ACTIONS = {
    "list": "the symbols that the settings name, that this machine knows and that engines stream",
    "add": "stream symbols in running engines at once, and keep them in the settings",
    "remove": "stop streaming symbols and take them out of the settings",
    "discover": "what a venue lists",
}
_MODULES = {"list": "symbol_list", "add": "symbol_change", "remove": "symbol_change", "discover": "symbol_discover"}


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in ACTIONS.items():
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        add_settings_options(action)
        if name == "discover":
            _add_discover_options(action)
        elif name != "list":
            _add_change_options(action)
        output.add_format_options(action)


def _add_change_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="SYMBOL", help="symbols like BTCUSD or BTCUSD,ETHUSD")
    parser.add_argument("--symbols", action="append", default=[], help="the same")
    parser.add_argument(
        "--instance", default="", metavar="NAME", help="only this engine (default: all of the provider)"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--no-save", action="store_true", help="leave the settings as they are")
    how.add_argument("--only-save", action="store_true", help="leave running engines as they are")
    _add_provider_options(parser)


def _add_discover_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--filter", default="", metavar="TEXT", help="part of a name, or a pattern like 'ETH*'")
    parser.add_argument("--symbols", help="for databento, whose list is endless: the raw symbols to look up")
    parser.add_argument("--demo", action="store_true", help="the venue's demo market (kraken_futures)")
    _add_provider_options(parser)


def _add_provider_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--provider", help="kraken, kraken_futures, binance, databento or simulated; several by commas"
    )
    parser.add_argument("--simulated", action="store_true", help="the provider's built-in simulated venue")
    parser.add_argument("--dataset", metavar="NAME", help="the dataset of databento, as GLBX.MDP3")


def run(arguments: argparse.Namespace) -> int:
    """Do what was chosen; its exit code."""
    return int(importlib.import_module(f"console.batch.{_MODULES[arguments.action]}").run(arguments))
