"""`db`: the store from the command line. Each action is a module of its own, loaded when it is chosen."""

from __future__ import annotations

import argparse

from console.batch.actions import add_actions, run_action

NAME = "db"
HELP = "look into the store, move data in and out, look after it"

ACTIONS = {
    "stats": "what is stored, series by series",
    "ticks": "the newest records of a series, or those of a time",
    "bars": "bars of a series, made from its trades",
    "strategies": "what strategies did in paper trading, the newest first",
    "export": "write a series to a DBN, CSV or Parquet file",
    "import": "store what a DBN file holds",
    "migrate": "make or update the tables of the database",
    "compress": "pack the days that are over",
    "prune": "remove old days",
    "verify": "check everything that is stored",
}
"""What can be done, each by `console.batch.db_NAME` with `prepare(parser)` and `run(arguments)`."""


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    add_actions(parser, ACTIONS)


def run(arguments: argparse.Namespace) -> int:
    """Do what was chosen; its exit code."""
    return run_action(NAME, arguments)
