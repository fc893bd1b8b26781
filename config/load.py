"""Reads the settings: defaults, then a TOML file, then `DATABASE_URL` and `REDIS_URL`, then `RINGSIDE__SECTION__KEY`;
remembers where each came from.

Every mistake is reported at once, each with its path; an unknown key is a mistake, because a key that is silently
ignored is how wrong limits reach production.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import attrs

from config.checks import Amount, Parameters
from config.numbers import WrittenFloat, amount_text, parameter_texts
from config.schema import Settings

ENVIRONMENT_PREFIX = "RINGSIDE__"
USUAL_NAMES = {"DATABASE_URL": ("database", "url"), "REDIS_URL": ("cache", "redis", "url")}
"""Variables that other programs understand too, and the settings they stand for."""

# libpq's sslpassword and Redis' ssl_password too; a value in quotes may hold spaces and quotes.
_PASSWORD = re.compile(r"(://[^:/@]*:).*@|(password\s*=\s*)('(?:[^'\\]|\\.)*'?|(?:\\.|\S)+)")


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
    if path is not None:
        tree = read_toml(path, required=required)
        for key, value in tree.items():
            _note_origin(value, str(path), key, origins)
    problems = _exposed_secrets(tree, path)
    variables = os.environ if environment is None else environment
    for name, place in USUAL_NAMES.items():
        if variables.get(name):
            _set(tree, origins, place, variables[name], name=name)
    for name, value in sorted(variables.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            _set(tree, origins, name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"), _value(value), name=name)
    problems += _unknown_keys(tree, Settings, "")
    if problems:
        raise SettingsError(problems)
    return LoadedSettings(_structure(tree), origins)


def read_toml(path: Path, *, required: bool) -> dict[str, Any]:
    """What stands in the file, unchecked; nothing without a file unless `required`. Raises `SettingsError`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=WrittenFloat)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not required:
            return {}
        raise SettingsError([f"cannot read {path}: {error.strerror}"]) from error
    except ValueError as error:  # no TOML, no UTF-8, or a number of more digits than Python reads
        raise SettingsError([f"{path}: {error}"]) from error


def _note_origin(value: Any, origin: str, place: str, origins: dict[str, str]) -> None:
    # Of a table, and of a list of tables, that of each value in it.
    if isinstance(value, dict):
        for key, nested in value.items():
            _note_origin(nested, origin, f"{place}.{key}", origins)
    elif _is_tables(value):
        for number, nested in enumerate(value):
            _note_origin(nested, origin, f"{place}[{number}]", origins)
    else:
        origins[place] = origin


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _exposed_secrets(tree: Mapping[str, Any], path: Path | None) -> list[str]:
    found = [place for place in USUAL_NAMES.values() if _PASSWORD.search(_text_at(tree, place))]
    if not found or path is None or not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return []
    return [f"{'.'.join(place)}: holds a password, and others may read {path} (chmod 600 it)" for place in found]


def _text_at(tree: Any, place: Sequence[str]) -> str:
    for part in place:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree if isinstance(tree, str) else ""


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}", parse_float=WrittenFloat)["value"]
    except ValueError:
        return text  # a bare word is a string: nobody quotes twice for a shell


def _set(tree: dict[str, Any], origins: dict[str, str], place: Sequence[str], value: Any, *, name: str) -> None:
    for part in place[:-1]:
        nested = tree.setdefault(part, {})
        if not isinstance(nested, dict):
            raise SettingsError([f"{name}: {part} is not a table"])
        tree = nested
    tree[place[-1]] = value
    path = ".".join(place)
    for replaced in [other for other in origins if other.startswith((f"{path}.", f"{path}["))]:
        del origins[replaced]
    _note_origin(value, f"environment {name}", path, origins)


def _unknown_keys(tree: Mapping[str, Any], section: type, prefix: str) -> list[str]:
    fields = attrs.fields_dict(attrs.resolve_types(section))
    problems = []
    for key, value in tree.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f" (did you mean {prefix}{near[0]}?)" if near else ""
            problems.append(f"{prefix}{key}: no such setting{hint}")
        elif attrs.has(kind := fields[key].type or object):
            problems += _unknown_in(value, kind, f"{prefix}{key}")
        elif attrs.has(item := _item_type(kind)):
            problems += _unknown_in_each(value, item, f"{prefix}{key}", named=get_origin(kind) is Mapping)
    return problems


def _unknown_in_each(value: Any, section: type, place: str, *, named: bool) -> list[str]:
    # Of several tables: a list of them, or one a name.
    tables: dict[str, Any]
    if named and isinstance(value, dict):
        tables = {f"{place}.{name}": table for name, table in value.items()}
    elif not named and isinstance(value, list):
        tables = {f"{place}[{number}]": table for number, table in enumerate(value)}
    else:
        return [f"{place}: must be {'tables by name' if named else 'a list of tables'}"]
    return [problem for where, table in tables.items() for problem in _unknown_in(table, section, where)]


def _unknown_in(value: Any, section: type, place: str) -> list[str]:
    return _unknown_keys(value, section, f"{place}.") if isinstance(value, dict) else [f"{place}: must be a table"]


def _item_type(kind: Any) -> type:
    # What a `tuple[X, ...]` is a tuple of, and a `Mapping[str, X]` leads to.
    origin, parameters = get_origin(kind), get_args(kind)
    item: type = parameters[0] if origin is tuple else parameters[1] if origin is Mapping else object
    return item


def _structure(tree: dict[str, Any]) -> Settings:
    from cattrs import Converter, transform_error

    converter = Converter(detailed_validation=True)
    # cattrs would turn "no" into True and 3 into "3": a setting of the wrong kind is a mistake, not a guess.
    for kind in (bool, str, int):
        converter.register_structure_hook(kind, _strict)
    converter.register_structure_hook(float, _strict_float)
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _strict_strings)
    converter.register_structure_hook_func(lambda kind: kind == Amount, amount_text)
    converter.register_structure_hook_func(lambda kind: kind == Parameters, parameter_texts)
    try:
        return converter.structure(tree, Settings)
    except Exception as error:
        problems = transform_error(error, path="", format_exception=_told)
        # What is wrong between two sections has no place of its own and names both.
        placed = [problem.removesuffix(" @ ").replace(" @ .", " at ") for problem in problems]
        raise SettingsError(placed) from error


def _told(cause: BaseException, _kind: type | None) -> str:
    return "must be given" if isinstance(cause, KeyError) else str(cause)


_KINDS = {bool: "true or false", str: "text in quotes", int: "a whole number"}


def _strict(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"must be {_KINDS[kind]}, not {_without_password(repr(value))}")
    return value


def _strict_float(value: Any, _kind: type) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"must be a number, not {value!r}")
    return float(value)


def _strict_strings(value: Any, _kind: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"must be a list of strings, not {value!r}")
    return tuple(value)


def _without_password(address: str) -> str:
    return _PASSWORD.sub(lambda found: f"{found[1]}***@" if found[1] else f"{found[2]}***", address)


def dump(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Every value by dotted path, passwords in addresses as `***`."""
    flat: dict[str, Any] = {}
    for field in attrs.fields(type(settings)):
        value = getattr(settings, field.name)
        if attrs.has(type(value)):
            flat |= dump(value, f"{prefix}{field.name}.")
        elif isinstance(value, tuple) and value and attrs.has(type(value[0])):
            for number, item in enumerate(value):
                flat |= dump(item, f"{prefix}{field.name}[{number}].")
        elif isinstance(value, Mapping):
            for key, one in value.items():
                place = f"{prefix}{field.name}.{key}"
                flat |= dump(one, f"{place}.") if attrs.has(type(one)) else {place: one}
        elif field.metadata.get("secret"):
            flat[prefix + field.name] = _without_password(value)
        else:
            flat[prefix + field.name] = list(value) if isinstance(value, tuple) else value
    return flat
