"""The options that describe an engine, shared by `serve` and `demo`. `engine_plan` makes a plan of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.batch.log_options import add_log_option
from console.batch.settings_options import add_settings_options


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Everything that `serve` can be told."""
    what = parser.add_argument_group("what is streamed")
    what.add_argument("--live", action="store_true", help="stream live data (the default; kept for scripts)")
    what.add_argument("--provider", help="kraken, kraken_futures, binance, databento or simulated; several by commas")
    what.add_argument("--symbols", help="canonical symbols like BTCUSD,ETHUSD")
    what.add_argument("--dataset", metavar="NAME", help="the dataset of databento, as GLBX.MDP3")
    what.add_argument("--bars", metavar="LENGTHS", help="bars to stream from databento too: 1s, 1m or 1h")
    what.add_argument("--demo", action="store_true", help="stream from the venue's demo market (kraken_futures)")
    what.add_argument(
        "--redundant",
        action="store_true",
        help="stream over two connections at once, so that losing one loses nothing",
    )
    what.add_argument(
        "--simulated", action="store_true", help="run the provider against the built-in simulated venue"
    )
    what.add_argument(
        "--recording", action="append", type=Path, metavar="FILE", help="play a recorded capture instead"
    )
    what.add_argument("--speed", default="1", help="speed of a recording: a factor, or max (default: 1)")
    what.add_argument("--until-end", action="store_true", help="stop when the recording ends")
    what.add_argument("--duration", type=float, default=0.0, metavar="S", help="stop after so many seconds")
    what.add_argument("--seed", type=int, default=1, help="seed of the simulated market (default: 1)")
    what.add_argument(
        "--faults", default="", metavar="NAME=EVERY,…", help="let the simulated venue misbehave, see docs"
    )
    where = parser.add_argument_group(
        "where it goes",
        "DATABASE_URL names the PostgreSQL to store in, REDIS_URL the Redis to cache in; without them: files, memory",
    )
    where.add_argument("--persist", action="store_true", help="store everything")
    where.add_argument("--ipc", action="store_true", help="give rings names that other processes look for")
    where.add_argument("--ipc-symbols", metavar="SYMBOLS", help="only these symbols' rings (default: all)")
    where.add_argument("--instance-id", default="", help="name of this engine")
    where.add_argument("--split", action="store_true", help="run each provider in a process of its own")
    where.add_argument("--read-only", action="store_true", help="refuse everything that changes what the engine does")
    add_settings_options(where)
    add_log_option(where)
    where.add_argument("--metrics", action="store_true", help="answer Prometheus on loopback, see docs/metrics.md")
    where.add_argument("--metrics-port", type=int, metavar="PORT", help="the same, on this port (default: 9464)")
    paper = parser.add_argument_group("paper trading", "what is not said here is in [paper_trading] of the settings")
    paper.add_argument(
        "--paper-trading",
        action="store_true",
        help="let strategies trade on what is streamed, with accounts that are not real",
    )
    paper.add_argument(
        "--strategy",
        action="append",
        metavar="NAME",
        help="a strategy that trades, its name or its file; may be repeated (default: those of the settings)",
    )
