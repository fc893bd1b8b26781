"""`config show`: every setting, its value and where the value came from."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.batch import output

NAME = "config"
HELP = "show the settings and where each came from"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (("show", "print every setting"), ("check", "say what is wrong with the settings")):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("-c", "--config", type=Path, metavar="FILE", help="settings file")
        output.add_format_options(action)


def run(arguments: argparse.Namespace) -> int:
    """Print the settings; the exit code is 3 when they cannot be used."""
    from config.load import dump
    from config.paths import find_paths
    from console.batch.engine_options import load_settings

    paths = find_paths()
    loaded = load_settings(arguments.config, paths)
    rows = [
        {"setting": name, "value": value, "origin": loaded.origins.get(name, "default")}
        for name, value in dump(loaded.settings).items()
    ]
    if arguments.action == "check":
        output.write_object(
            {"ok": True, "file": str(arguments.config or paths.configuration_file)}, form=arguments.format
        )
    else:
        output.write_rows(rows, form=arguments.format, envelope={"schema_version": 1})
    return 0
