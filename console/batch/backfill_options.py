"""What the commands that fetch history ask for in the same words."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from console.batch import output
from console.batch.db_options import SCHEMAS
from console.batch.db_target import add_store_option
from console.batch.route import add_routing_options
from console.batch.times import TIMES_OR_AGO, instant_of
from core.errors import UsageError

if TYPE_CHECKING:
    from console.backfill.plan import Wish

_KEPT: Final = (
    "symbols", "exchange", "asset_type", "provider", "dataset", "schema", "start", "end", "simulated", "seed",
)  # fmt: skip
"""What of a command line is written down, so that it can be done again."""


def add_request_options(parser: argparse.ArgumentParser, *, symbols: bool = True, since: bool = True) -> None:
    """The options that say what is wanted; `symbols` and the time it begins are required where so said."""
    parser.add_argument("--symbols", required=symbols, metavar="LIST", help="like ESH5 or BTCUSD,ETHUSD")
    add_routing_options(parser)
    parser.add_argument("--schema", choices=SCHEMAS, default="trades", help="kind of record (default: trades)")
    parser.add_argument("--start", required=since, metavar="TIME", help=f"first instant, {TIMES_OR_AGO}")
    parser.add_argument("--end", metavar="TIME", help="first instant that is no longer wanted (default: now)")
    parser.add_argument("--simulated", action="store_true", help="practise on the simulated venue")
    parser.add_argument("--faults", default="", metavar="LIST", help="what the simulated venue does wrong")
    parser.add_argument("--seed", type=int, default=1, help="which simulated market")
    output.add_format_options(parser)
    add_store_option(parser)


def add_spending_options(parser: argparse.ArgumentParser) -> None:
    """The options of what may be bought, and how its progress is told."""
    parser.add_argument("--max-cost", metavar="USD", help="the most that this may cost; dearer is refused")
    parser.add_argument("--yes", action="store_true", help="buy without being asked again")
    parser.add_argument("--progress", choices=("line", "json"), default="line", help="how progress is told on stderr")


def check_exchange(arguments: argparse.Namespace) -> None:
    """Read an exchange that is a dataset, or one of our names of a simulated venue, as what it means."""
    from core.model.publishers import SIMULATED_PREFIX

    exchange = arguments.exchange.upper()
    if exchange.startswith(SIMULATED_PREFIX):
        arguments.simulated, exchange = True, exchange.removeprefix(SIMULATED_PREFIX)
    if exchange == "DATABENTO" and arguments.simulated:
        exchange = f"{SIMULATED_PREFIX}{exchange}"
    if "." in exchange:
        arguments.provider = arguments.provider or "databento"
        arguments.dataset, exchange = arguments.dataset or exchange, ""
    arguments.exchange = exchange


def wish_of(arguments: argparse.Namespace, *, now_ns: int) -> Wish:
    """What a command line asks for. Raises `UsageError`."""
    from console.backfill.plan import Wish
    from core.model.records import Schema
    from core.model.symbology import parse_symbols

    if arguments.faults and not arguments.simulated:
        raise UsageError("faults without a simulated venue", arguments.faults, hint="add --simulated")
    start_ns = instant_of(arguments.start, now_ns=now_ns)
    return Wish(
        symbols=parse_symbols(arguments.symbols),
        schema=Schema(arguments.schema),
        start_ns=start_ns,
        end_ns=max(now_ns, start_ns + 1) if arguments.end is None else instant_of(arguments.end, now_ns=now_ns),
        simulated=arguments.simulated,
    )


def kept_request(arguments: argparse.Namespace, *, now_ns: int) -> dict[str, Any]:
    """What of a command line is written down with the job, times as instants."""
    kept = {name: getattr(arguments, name) for name in _KEPT}
    kept["action"] = "fill-gaps" if getattr(arguments, "action", "") == "fill-gaps" else "fetch"
    start = None if arguments.start is None else str(instant_of(arguments.start, now_ns=now_ns))
    return kept | {
        "start": start,
        "end": str(now_ns if arguments.end is None else instant_of(arguments.end, now_ns=now_ns)),
    }
