"""Commands of several actions, each a module of its own, `console.batch.COMMAND_ACTION`, loaded when it is chosen."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any


def add_actions(parser: argparse.ArgumentParser, actions: Mapping[str, str]) -> None:
    """Declare actions with what their help says; each declares its options when it is chosen."""
    added = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_ActionParser)
    for name, help_text in actions.items():
        added.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.")


def run_action(command: str, arguments: argparse.Namespace) -> int:
    """Do what was chosen; its exit code."""
    return int(_module(command, arguments.action).run(arguments))


def _module(command: str, action: str) -> ModuleType:
    return importlib.import_module(f"console.batch.{command}_{action.replace('-', '_')}")


class _ActionParser(argparse.ArgumentParser):
    # argparse parses with the parser of the chosen action alone: time enough to load its module.
    _prepared = False

    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        if not self._prepared:
            self._prepared = True
            *_, command, action = self.prog.split(" ")
            _module(command, action).prepare(self)
        return super().parse_known_args(*args, **options)
