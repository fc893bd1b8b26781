"""`db`: the store from the command line. Each action is a module of its own, loaded when it is chosen."""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType
from typing import Any

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
    """Declare the actions; each declares its options when it is chosen."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_ActionParser)
    for name, help_text in ACTIONS.items():
        actions.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.")


def run(arguments: argparse.Namespace) -> int:
    """Do what was chosen; its exit code."""
    return int(_module(arguments.action).run(arguments))


def _module(action: str) -> ModuleType:
    return importlib.import_module(f"console.batch.db_{action}")


class _ActionParser(argparse.ArgumentParser):
    # argparse parses with the parser of the chosen action alone: time enough to load its module.
    _prepared = False

    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        if not self._prepared:
            self._prepared = True
            _module(self.prog.rpartition(" ")[2]).prepare(self)
        return super().parse_known_args(*args, **options)
