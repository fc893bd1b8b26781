"""`backfill estimate`: the plan of a fetch with its price, where one can be asked for."""

from __future__ import annotations

import argparse
import os

from console.batch.backfill_options import add_request_options, check_exchange
from console.batch.fetch import show_plan


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "The price is asked for where that can be done: of Databento, with a key. Without one the plan is printed "
        "without it; with --price that is an error (exit code 6). Nothing is bought."
    )
    add_request_options(parser)
    parser.add_argument("--price", action="store_true", help="a price that cannot be asked for is an error")
    parser.add_argument("--verbose", action="store_true", help="every day, and which providers were considered")


def run(arguments: argparse.Namespace) -> int:
    """Print the plan with its price."""
    from providers.databento.key import VARIABLE

    check_exchange(arguments)
    price = arguments.price or arguments.simulated or bool(os.environ.get(VARIABLE, "").strip())
    return show_plan(arguments, price=price)
