"""`accounts`: what the accounts of paper trading hold and what their strategies did, whether they trade now or not.

Without an action it shows; what operators can do is `accounts_acts`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from console.batch import output
from console.batch.settings_options import add_settings_options, settings_from

NAME = "accounts"
HELP = "the accounts of paper trading: what they hold, what strategies did, and what to do about it"

ACTIONS: Final = {
    "pause": "let a strategy, those of an account or all look on without giving orders",
    "resume": "let them trade again",
    "halt": "let an account, or all, do nothing but reduce what they hold",
    "release": "end a halt",
    "flatten": "close what a strategy, those of an account or all hold",
    "kill": "halt everything, pause every strategy and close everything",
    "reset": "begin anew, with the accounts of the settings; nobody may be trading",
}
CONFIRMED: Final = frozenset({"kill", "reset"})


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options and the actions."""
    _add_desk_options(parser)
    output.add_format_options(parser)
    parser.add_argument("--session", default="latest", metavar="ID", help="another session than the latest")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--fills", type=int, metavar="N", help="the newest N fills of the session")
    what.add_argument("--audit", action="store_true", help="what operators did, the newest first")
    what.add_argument("--list", action="store_true", help="the sessions there are")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    for name, text in ACTIONS.items():
        action = actions.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            # What is given before the action holds for it too.
            argument_default=argparse.SUPPRESS,
        )
        if name in CONFIRMED:
            action.add_argument("--confirm", metavar="DESK", help="the name of the desk, to say that it is meant")
        else:
            whom = "an account or all" if name in {"halt", "release"} else "label of a strategy, an account or all"
            action.add_argument("target", help=whom)
        _add_desk_options(action)
        action.add_argument("--json", dest="format", action="store_const", const="json", help="print it as JSON")


def _add_desk_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--desk", metavar="NAME", help="which desk (default: that of the settings)")
    add_settings_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show, or do what was chosen; its exit code."""
    if arguments.action is not None:
        from console.batch import accounts_acts

        return accounts_acts.run(arguments)
    from console.batch import accounts_shown

    return accounts_shown.run(arguments)


def place_of(arguments: argparse.Namespace) -> tuple[Path, str]:
    """The directory under which desks are kept, and which of them is meant.

    Raises:
        ConfigurationError: the settings cannot be used.
    """
    from config.paths import find_paths

    desk = arguments.desk
    if desk is None:
        desk = settings_from(arguments).settings.paper_trading.desk
    return find_paths().state, desk
