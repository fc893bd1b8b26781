"""`config set` and `config unset`: another value in the settings file. Looked at before it is written: what would be
wrong changes nothing."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.hiding import holds_secret, shown
from config.layers import Layer, file_layer, gather
from config.load import combine
from config.paths import find_paths
from config.places import Place, read_place, written
from config.problems import Origin, Problem, SettingsError
from config.reading import Word, check_section, field_at, kind_at
from config.save import ABSENT, change_setting, value_at
from config.schema import Settings
from console.batch import output
from console.batch.settings_meaning import problems_of
from core.errors import ConfigurationError, NotFoundError, RefusedError, UsageError


def run(arguments: argparse.Namespace) -> int:
    """Change the file and say what was there before.

    Raises:
        ConfigurationError: the file would be wrong, or cannot be written.
        ConsoleError: the key is none, is not there to be taken out, or its value is a secret.
    """
    place = _place_of(arguments.key)
    removes = arguments.action == "unset"
    value = ABSENT if removes else _value_of(place, arguments.value)
    path = arguments.config or find_paths().configuration_file
    before: list[Any] = []

    def change(found: Any) -> Any:
        before.append(found)
        return value

    def check(tree: Mapping[str, Any]) -> None:
        if wrong := _new_problems(path, tree):
            more = f"; and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            message = f"{wrong[0].key or arguments.key}: {wrong[0].message}"
            raise ConfigurationError("nothing is changed", message, hint=f"{wrong[0].hint}{more}".removeprefix("; "))

    try:
        saved = change_setting(path, place, change, check=check)
    except SettingsError as error:
        raise ConfigurationError("settings cannot be changed", error.problems[0]) from error
    if removes and before == [None]:
        raise NotFoundError("not in the settings file", written(place), hint=f"looked in {path}")
    _tell(arguments, path, place, before[0], value, changed=saved.changed, backup=saved.backup)
    return 0


def _place_of(key: str) -> Place:
    try:
        place, rest = read_place(key)
    except ValueError:
        place, rest = (), key
    if rest.strip() or not place:
        raise UsageError("not the name of a setting", f"{key[:80]!a}", hint="like screen.frames_per_s")
    if field_at(Settings, place) is None:
        raise ConfigurationError("no such setting", written(place), hint=_meant(place))
    return place


def _meant(place: Place) -> str:
    # The hint of the one who reads files, who knows which part is unknown and what is near.
    hints: list[str] = []

    def report(place: Place, message: str, hint: str = "") -> None:
        hints.append(hint if message == "no such setting" else "")

    tree: Any = 0
    for part in reversed(place):
        tree = {str(part): tree}
    check_section(tree, Settings, (), report)
    return next(filter(None, hints), "")


def _value_of(place: Place, text: str) -> Any:
    value = Word(text).meant(kind_at(Settings, place))
    secret = _secret_in(value, place) or _secret_in(text, place)
    if secret:
        hint = "set it in the environment, or write it into the settings file with an editor and chmod 600 that"
        raise RefusedError("secrets are not taken from the command line", written(secret), hint=hint)
    return value


def _secret_in(value: Any, place: Place) -> Place:
    # The place of a secret in a value, empty when there is none.
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        if found := _secret_in(one, (*place, key)):
            return found
    field = field_at(Settings, place)
    return place if field is not None and holds_secret(field, value) else ()


def _new_problems(path: Path, tree: Mapping[str, Any]) -> list[Problem]:
    # Those that are not in the file as it is, so that a file can be mended step by step.
    now = _problems_with(path, file_layer(path, required=False))
    known = Counter((problem.place, problem.message) for problem in now)
    wrong = []
    for problem in _problems_with(path, Layer(origin=Origin(str(path), is_file=True), tree=tree)):
        known[problem.place, problem.message] -= 1
        if known[problem.place, problem.message] < 0:
            wrong.append(problem)
    return wrong


def _problems_with(path: Path, layer: Layer | None) -> list[Problem]:
    # The file by itself, over the defaults: what stands over it today may be gone tomorrow.
    return problems_of(combine([] if layer is None else [layer]))


def _tell(
    arguments: argparse.Namespace,
    path: Path,
    place: Place,
    before: Any,
    after: Any,
    *,
    changed: bool,
    backup: Path | None,
) -> None:
    row = {
        "setting": written(place),
        "before": _shown(before, place),
        "after": None if after is ABSENT else _shown(after, place),
        "file": str(path),
        "changed": changed,
        "backup": str(backup) if backup else None,
    }
    output.write_object(row, form=arguments.format)
    if backup is not None:
        output.talk(f"comments and layout are not kept: the file as it was is {backup}")
    for name in _in_front(path, place):
        output.talk(f"{name} goes before the settings file")


def _shown(value: Any, place: Place) -> Any:
    if isinstance(value, dict):
        return {key: _shown(one, (*place, key)) for key, one in value.items()}
    if isinstance(value, list):
        return [_shown(one, (*place, number)) for number, one in enumerate(value)]
    field = field_at(Settings, place)
    plain = value if field is None else shown(field, value)
    return plain if plain is None or isinstance(plain, (bool, int, float, str)) else str(plain)


def _in_front(path: Path, place: Place) -> list[str]:
    # Where else the same setting is set, over the file.
    import os

    sources = gather(path, required=False, environment=os.environ)
    names = [layer.origin.name for layer in sources.layers]
    over = sources.layers[names.index(str(path)) + 1 :] if str(path) in names else ()
    return [layer.origin.name for layer in over if value_at(layer.tree, place) is not None]
