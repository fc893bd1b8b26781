"""The options of every command that reads settings, and the settings that they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.load import LoadedSettings

OPTIONS = ("--config", "--set")
"""The long names of what says which settings are meant; each is followed by one word."""


def add_file_option(parser: argparse._ActionsContainer) -> None:
    """The option that names the settings file."""
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="settings file")


def add_settings_options(parser: argparse._ActionsContainer) -> None:
    """The options that say which settings are meant."""
    add_file_option(parser)
    parser.add_argument(
        "--set",
        dest="assigned",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="a setting for this run, before all others; may be repeated",
    )


def settings_from(arguments: argparse.Namespace) -> LoadedSettings:
    """The settings that a command line asks for; those of the user when it cannot ask.

    Raises `ConfigurationError`.
    """
    from config.paths import find_paths
    from console.batch.engine_plan import load_settings

    return load_settings(
        getattr(arguments, "config", None), find_paths(), assigned=getattr(arguments, "assigned", None) or ()
    )


def passed_on(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The words that ask another command for the same settings."""
    config = getattr(arguments, "config", None)
    assigned = getattr(arguments, "assigned", None) or ()
    words = ["--config", str(config)] if config else []
    for one in assigned:
        words += ["--set", one]
    return tuple(words)
