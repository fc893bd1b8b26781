"""`config show`, `check`, `set` and `unset`: every setting with its value and its origin, what is wrong, and other
values for the settings file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.batch import output
from console.batch.settings_options import add_file_option, add_settings_options

if TYPE_CHECKING:
    from config.load import Examined

NAME = "config"
HELP = "show, check and change the settings"
ACTIONS = {
    "show": "print every setting and where its value came from",
    "check": "say everything that is wrong with the settings",
    "set": "write a setting into the settings file",
    "unset": "take a setting out of the settings file",
}


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in ACTIONS.items():
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name in ("set", "unset"):
            action.add_argument("key", metavar="KEY", help="the setting, as screen.frames_per_s")
            if name == "set":
                action.add_argument("value", metavar="VALUE", help="as in TOML; a bare word is text")
            add_file_option(action)
        else:
            add_settings_options(action)
        if name == "show":
            action.add_argument(
                "--default", action="store_true", help="print a settings file of all defaults, with what they mean"
            )
        output.add_format_options(action)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the exit code is 3 when the settings cannot be used."""
    if arguments.action in ("set", "unset"):
        from console.batch import config_change

        return config_change.run(arguments)
    return _check(arguments) if arguments.action == "check" else _show(arguments)


def _show(arguments: argparse.Namespace) -> int:
    if arguments.default:
        from config.layers import packaged_text

        output.write_text(packaged_text("default.toml"))
        return 0
    from config.load import dump
    from console.batch.settings_options import settings_from

    loaded = settings_from(arguments)
    rows = [
        {"setting": name, "value": value, "origin": loaded.origins.get(name, "default")}
        for name, value in dump(loaded.settings).items()
    ]
    envelope = {"schema_version": 1, "mode": loaded.mode or None, "files": list(loaded.files)}
    output.write_rows(rows, form=arguments.format, envelope=envelope)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from config.paths import find_paths
    from console.batch.settings_meaning import problems_of
    from core.errors import ConfigurationError

    file = arguments.config or find_paths().configuration_file
    found = examined(file, arguments)
    problems = problems_of(found)
    if arguments.format == "json":
        answer = {
            "schema_version": 1,
            "ok": not problems,
            "file": str(file) if file.exists() else None,
            "mode": found.mode or None,
            "files": list(found.files),
            "problems": [problem.row() for problem in problems],
        }
        output.write_object(answer, form="json")
    elif arguments.format == "table":
        output.write_text("".join(f"{output.harmless(str(problem))}\n" for problem in problems))
        output.talk(*_conclusion(len(problems), found))
    else:
        columns = ("origin", "file", "line", "column", "key", "message", "hint")
        output.write_rows([problem.row() for problem in problems], form=arguments.format, columns=columns)
    return ConfigurationError.exit_code if problems else 0


def examined(file: Path, arguments: argparse.Namespace) -> Examined:
    """What the settings of a command line say, right or wrong."""
    from config.load import examine

    assigned = getattr(arguments, "assigned", None) or ()
    return examine(file, required=arguments.config is not None, assigned=assigned)


def _conclusion(count: int, found: Examined) -> list[str]:
    looked: list[Any] = [*found.files, *(["RUN_MODE " + found.mode] if found.mode else [])]
    where = f"looked at: {', '.join([*looked, 'the environment'])}"
    if count:
        return [f"{count} problem{'s' if count > 1 else ''}; {where}"]
    return [f"nothing is wrong; {where}"]
