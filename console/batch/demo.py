"""`demo`: the whole console on a simulated market. Needs no key, network or service; leaves nothing behind."""

from __future__ import annotations

import argparse

from console.batch import engine_options, output
from console.batch.log_options import add_log_option

NAME = "demo"
HELP = "the console on a simulated market; leaves nothing behind"

PROVIDERS = "kraken,binance"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated market (default: 1)")
    parser.add_argument("--symbols", help="canonical symbols (default: a dozen)")
    parser.add_argument("--faults", default="", metavar="NAME=EVERY,…", help="let the simulated venues misbehave")
    add_log_option(parser)
    output.add_format_options(parser)


def serve_arguments(arguments: argparse.Namespace) -> argparse.Namespace:
    """The `serve` command line that a demo stands for."""
    parser = argparse.ArgumentParser()
    engine_options.add_engine_options(parser)
    line = ["--provider", PROVIDERS, "--simulated", "--persist", "--seed", str(arguments.seed)]
    line += ["--faults", arguments.faults] if arguments.faults else []
    line += ["--symbols", arguments.symbols] if arguments.symbols else []
    line += ["--log-format", arguments.log_format] if arguments.log_format else []
    return parser.parse_args(line)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo without a screen until a signal."""
    from console.batch.engine_plan import make_plan
    from console.batch.serve import run_headless
    from console.temporary import temporary_home

    with temporary_home():
        plan, _ = make_plan(serve_arguments(arguments), host="daemon")
        return run_headless(plan, form=arguments.format)
