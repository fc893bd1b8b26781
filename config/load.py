"""Reads the settings: defaults, then a TOML file, then `RINGSIDE__SECTION__KEY`; remembers where each came from.

Every mistake is reported at once, each with its path; an unknown key is a mistake, because a key that is silently
ignored is how wrong limits reach production.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from config.schema import Settings

ENVIRONMENT_PREFIX = "RINGSIDE__"


class SettingsError(Exception):
    """The settings cannot be used; `problems` says why, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@attrs.frozen
class LoadedSettings:
    """Settings and the origin of each value that is not a default, by dotted path."""

    settings: Settings
    origins: dict[str, str]


def load(
    path: Path | None, *, required: bool = False, environment: Mapping[str, str] | None = None
) -> LoadedSettings:
    """The settings in force. A missing file is an error only when `required`.

    Raises:
        SettingsError: the file cannot be read, is no TOML, or says something that makes no sense.
    """
    tree: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if path is not None and (required or path.exists()):
        tree = _read_toml(path)
        _note_origins(tree, str(path), "", origins)
    for name, value in sorted((os.environ if environment is None else environment).items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            _set_from_environment(tree, origins, name, value)
    problems = _unknown_keys(tree, Settings, "")
    if problems:
        raise SettingsError(problems)
    return LoadedSettings(_structure(tree), origins)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"cannot read {path}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: {error}"]) from error


def _note_origins(tree: Mapping[str, Any], origin: str, prefix: str, origins: dict[str, str]) -> None:
    for key, value in tree.items():
        if isinstance(value, dict):
            _note_origins(value, origin, f"{prefix}{key}.", origins)
        else:
            origins[prefix + key] = origin


def _set_from_environment(tree: dict[str, Any], origins: dict[str, str], name: str, text: str) -> None:
    parts = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string: nobody quotes twice for a shell
    for part in parts[:-1]:
        nested = tree.setdefault(part, {})
        if not isinstance(nested, dict):
            raise SettingsError([f"{name}: {part} is not a table"])
        tree = nested
    tree[parts[-1]] = value
    origins[".".join(parts)] = f"environment {name}"


def _unknown_keys(tree: Mapping[str, Any], section: type, prefix: str) -> list[str]:
    fields = attrs.fields_dict(attrs.resolve_types(section))
    problems = []
    for key, value in tree.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f" (did you mean {prefix}{near[0]}?)" if near else ""
            problems.append(f"{prefix}{key}: no such setting{hint}")
        elif attrs.has(fields[key].type or object):
            if isinstance(value, dict):
                problems += _unknown_keys(value, fields[key].type or object, f"{prefix}{key}.")
            else:
                problems.append(f"{prefix}{key}: must be a table")
    return problems


def _structure(tree: dict[str, Any]) -> Settings:
    from cattrs import Converter, transform_error

    converter = Converter(detailed_validation=True)
    # cattrs would turn "no" into True and 3 into "3": a setting of the wrong kind is a mistake, not a guess.
    for kind in (bool, str, int):
        converter.register_structure_hook(kind, _strict)
    converter.register_structure_hook(float, _strict_float)
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _strict_strings)
    try:
        return converter.structure(tree, Settings)
    except Exception as error:
        problems = transform_error(error, path="", format_exception=lambda cause, _kind: str(cause))
        raise SettingsError([problem.replace(" @ .", " at ") for problem in problems]) from error


_KINDS = {bool: "true or false", str: "text in quotes", int: "a whole number"}


def _strict(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"must be {_KINDS[kind]}, not {value!r}")
    return value


def _strict_float(value: Any, _kind: type) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"must be a number, not {value!r}")
    return float(value)


def _strict_strings(value: Any, _kind: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"must be a list of strings, not {value!r}")
    return tuple(value)


def dump(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Every value by dotted path."""
    flat: dict[str, Any] = {}
    for field in attrs.fields(type(settings)):
        value = getattr(settings, field.name)
        if attrs.has(type(value)):
            flat |= dump(value, f"{prefix}{field.name}.")
        else:
            flat[prefix + field.name] = list(value) if isinstance(value, tuple) else value
    return flat
