"""`backfill`: history on demand, its cost, and what is stored of it. Each action is a module of its own."""

from __future__ import annotations

import argparse

from console.batch.actions import add_actions, run_action

NAME = "backfill"
HELP = "price, fetch and fill history; show what it cost and what is there"

ACTIONS = {
    "estimate": "what fetching would bring and cost",
    "fetch": "fetch history that is not stored yet",
    "fill-gaps": "find the holes in what is stored, and fetch them",
    "status": "fetching under way and done, and what is stored day by day",
    "resume": "go on with a fetch that was interrupted",
    "cost-report": "what was bought, and what is left of the budgets",
}
"""What can be done, each by `console.batch.backfill_NAME` with `prepare(parser)` and `run(arguments)`."""


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    add_actions(parser, ACTIONS)


def run(arguments: argparse.Namespace) -> int:
    """Do what was chosen; its exit code."""
    return run_action(NAME, arguments)
