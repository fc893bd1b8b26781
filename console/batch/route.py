"""`route`: who serves a symbol, by which of the three tiers and why, and what was rejected. Nobody is asked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from console.batch import output
from console.batch.settings_options import add_settings_options, settings_from

if TYPE_CHECKING:
    from config.schema import Settings
    from providers.routing.router import Decision

NAME = "route"
HELP = "which provider and dataset serve a symbol, and why"
ASSET_TYPES: Final = ("futures", "equity", "crypto")
PURPOSES: Final = ("historical", "realtime")
PARTLY_DONE: Final = 9


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--symbols", required=True, metavar="LIST", help="comma-separated, as ESH5 or BTCUSD,ETHUSD")
    parser.add_argument(
        "--purpose", choices=(*PURPOSES, "both"), default="both", help="of which data (default: both)"
    )
    add_routing_options(parser)
    add_settings_options(parser)
    output.add_format_options(parser)


def add_routing_options(parser: argparse.ArgumentParser) -> None:
    """The options by which a command line says what a symbol is and who is to serve it."""
    parser.add_argument("--exchange", default="", metavar="NAME", help="where it is traded, as CME, NASDAQ or KRAKEN")
    parser.add_argument(
        "--asset-type", type=str.lower, choices=ASSET_TYPES, help="what it is, where nothing else tells"
    )
    parser.add_argument(
        "--provider", default="", metavar="NAME", help="this provider or none, whatever the rules say"
    )
    parser.add_argument("--dataset", default="", metavar="NAME", help="this dataset or none, as GLBX.MDP3")


def run(arguments: argparse.Namespace) -> int:
    """Print one row a symbol and purpose; 9 when some of them have no route.

    Raises:
        ConsoleError: none of them has a route, and this is the first reason.
    """
    from console.routing import decision_row

    purposes = PURPOSES if arguments.purpose == "both" else (arguments.purpose,)
    decisions = decisions_of(arguments, settings_from(arguments).settings, purposes)
    failures = [decision.problem for decision in decisions if decision.problem is not None]
    failed = len(failures) == len(decisions)
    if arguments.format == "table":
        _show([decision for decision in decisions if decision.considered or not failed])
    elif not failed:
        rows = [decision_row(decision) for decision in decisions]
        output.write_rows(rows, form=arguments.format, envelope={"schema_version": 1})
    if failed:
        raise failures[0]
    return PARTLY_DONE if failures else 0


def decisions_of(arguments: argparse.Namespace, settings: Settings, purposes: Sequence[str]) -> list[Decision]:
    """The decision about each symbol of a command line with the options of `add_routing_options`, for each purpose.

    Raises:
        UsageError: a symbol cannot be one.
        ConfigurationError: the rules in the settings make no sense.
    """
    from console.routing import decide_by, load_rules
    from core.model.symbology import parse_symbols
    from providers.routing.assets import AssetType
    from providers.routing.router import RouteRequest

    rules = load_rules(settings)
    return [
        decide_by(
            rules,
            RouteRequest(
                symbol=symbol,
                exchange=arguments.exchange,
                asset_type=AssetType(arguments.asset_type) if arguments.asset_type else None,
                provider=arguments.provider,
                dataset=arguments.dataset,
                purpose="realtime" if purpose == "realtime" else "historical",
            ),
        )
        for symbol in parse_symbols(arguments.symbols)
        for purpose in purposes
    ]


def _show(decisions: Sequence[Decision]) -> None:
    from console.routing import decision_row

    for number, row in enumerate(map(decision_row, decisions)):
        with output.writing():
            sys.stdout.write("\n" * bool(number) + "".join(f"{output.harmless(line)}\n" for line in _heading(row)))
        tiers = [
            {
                " ": ">" if one["accepted"] else " ",
                **{name: one[name] for name in ("tier", "rule", "provider", "dataset", "reason")},
            }
            for one in row["considered"]
        ]
        output.write_rows(tiers, form="table")


def _heading(row: dict[str, Any]) -> list[str]:
    place = f"{row['symbol']}@{row['exchange']}" if row["exchange"] else str(row["symbol"])
    served = " ".join(part for part in (row["provider"], row["dataset"]) if part) or f"no route, {row['problem']}"
    return [f"{place} {row['purpose']}: {served}"] + (
        [f"{row['asset_type']}: {row['asset_reason']}"] if row["asset_type"] else []
    )
