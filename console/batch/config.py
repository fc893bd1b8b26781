"""`config show`: every setting, its value and where the value came from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.batch import output

if TYPE_CHECKING:
    from config.schema import Settings

NAME = "config"
HELP = "show the settings and where each came from"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (("show", "print every setting"), ("check", "say what is wrong with the settings")):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("-c", "--config", type=Path, metavar="FILE", help="settings file")
        output.add_format_options(action)


def check_meaning(settings: Settings) -> None:
    """Raise `ConfigurationError` for settings of the right kind that name no provider, no possible symbol, or
    accounts or paper trading that make no sense."""
    from config.paths import find_paths
    from console.paper.checking import check_paper_trading
    from console.plan import expand_providers
    from console.routing import load_rules
    from console.spending import budget_of, max_cost_of
    from core.errors import ConfigurationError, UsageError
    from core.model.symbology import parse_symbols

    try:
        expand_providers(settings.engine.provider, simulated=False)
        parse_symbols(",".join(settings.engine.symbols))
    except UsageError as error:
        raise ConfigurationError(error.operation, error.subject, hint=error.hint) from error
    check_paper_trading(settings, find_paths())
    load_rules(settings)
    budget_of(settings.backfill)
    max_cost_of(settings.backfill, None)


def run(arguments: argparse.Namespace) -> int:
    """Print the settings; the exit code is 3 when they cannot be used."""
    from config.load import dump
    from config.paths import find_paths
    from console.batch.engine_plan import load_settings

    paths = find_paths()
    loaded = load_settings(arguments.config, paths)
    rows = [
        {"setting": name, "value": value, "origin": loaded.origins.get(name, "default")}
        for name, value in dump(loaded.settings).items()
    ]
    if arguments.action == "check":
        check_meaning(loaded.settings)
        file = arguments.config or paths.configuration_file
        output.write_object({"ok": True, "file": str(file) if file.exists() else None}, form=arguments.format)
    else:
        output.write_rows(rows, form=arguments.format, envelope={"schema_version": 1})
    return 0
