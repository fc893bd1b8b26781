"""Reads the settings: the layers of `config.layers` over the defaults of the schema; remembers where each value came
from.

Every mistake of every layer is reported at once, each with its place; an unknown key is a mistake, because a key that
is silently ignored is how wrong limits reach production.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from config.hiding import shown
from config.layers import Layer, gather
from config.places import Place, written
from config.problems import Origin, Problem, SettingsError
from config.reading import build
from config.schema import Settings


@attrs.frozen
class LoadedSettings:
    """Settings and the origin of each value that is not a default, by dotted path; the run mode, empty for none, and
    the files that were read."""

    settings: Settings
    origins: dict[str, str]
    mode: str = ""
    files: tuple[str, ...] = ()


@attrs.frozen
class Examined:
    """Settings as far as they can be used, all that is wrong with them, and where each setting and table that is not
    a default stands."""

    settings: Settings
    problems: tuple[Problem, ...]
    origins: Mapping[Place, Origin]
    mode: str
    files: tuple[str, ...]

    def origin_of(self, place: Place) -> Origin:
        """Where the setting at a place stands, or the innermost table round it."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.origins:
                return self.origins[place[:length]]
        return Origin()


def load(
    path: Path | None,
    *,
    required: bool = False,
    environment: Mapping[str, str] | None = None,
    assigned: Sequence[str] = (),
) -> LoadedSettings:
    """The settings in force. A missing file is an error only when `required`. `assigned` are those of the command
    line, as `SECTION.KEY=VALUE`.

    Raises:
        SettingsError: something cannot be read, is no TOML, or says something that makes no sense.
    """
    found = examine(path, required=required, environment=environment, assigned=assigned)
    if found.problems:
        raise SettingsError(found.problems)
    return LoadedSettings(found.settings, said_origins(found), found.mode, found.files)


def said_origins(found: Examined) -> dict[str, str]:
    """The origins of values, by dotted path."""
    by_key = {written(place): str(origin) for place, origin in found.origins.items()}
    return {key: by_key[key] for key in dump(found.settings) if key in by_key}


def examine(
    path: Path | None,
    *,
    required: bool = False,
    environment: Mapping[str, str] | None = None,
    assigned: Sequence[str] = (),
) -> Examined:
    """What `load` reads, with every problem; raises nothing."""
    sources = gather(
        path,
        required=required,
        environment=os.environ if environment is None else environment,
        assigned=assigned,
    )
    return combine(sources.layers, sources.problems, mode=sources.mode)


def combine(layers: Sequence[Layer], problems: Sequence[Problem] = (), *, mode: str = "") -> Examined:
    """What layers say together, lowest first; `problems` come before those of the layers."""
    told = list(problems)
    values: dict[str, Any] = {}
    origins: dict[Place, Origin] = {}
    for layer in layers:
        right, wrong = layer.check()
        told += wrong
        _merge(values, right, (), layer, origins)
    merged = Examined(Settings(), (), origins, mode, ())

    def report(place: Place, message: str, hint: str = "") -> None:
        told.append(Problem(place=place, message=message, hint=hint, origin=merged.origin_of(place)))

    settings = build(Settings, values, (), report)
    files = tuple(layer.origin.name for layer in layers if layer.positions or layer.origin.is_file)
    return Examined(settings, tuple(told), origins, mode, files)


def _merge(
    values: dict[str, Any], over: Mapping[str, Any], place: Place, layer: Layer, origins: dict[Place, Origin]
) -> None:
    # Tables are joined key by key; anything else replaces what was there, a list as a whole.
    for key, value in over.items():
        here = (*place, key)
        if isinstance(value, dict):
            if not isinstance(values.get(key), dict):
                _forget(values.get(key), here, origins)
                values[key] = {}
            origins[here] = layer.origin_of(here)
            _merge(values[key], value, here, layer, origins)
        else:
            _forget(values.get(key), here, origins)
            values[key] = value
            _note(value, here, layer, origins)


def _forget(value: Any, place: Place, origins: dict[Place, Origin]) -> None:
    # The origins of what is replaced and of all within it.
    origins.pop(place, None)
    for key, one in _items(value):
        _forget(one, (*place, key), origins)


def _note(value: Any, place: Place, layer: Layer, origins: dict[Place, Origin]) -> None:
    # Of a list, that of each item, and of each value in it.
    origins[place] = layer.origin_of(place)
    for key, one in _items(value):
        _note(one, (*place, key), layer, origins)


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()


def dump(settings: Any, place: Place = ()) -> dict[str, Any]:
    """Every value by dotted path, what is secret as `***`."""
    flat: dict[str, Any] = {}
    for field in attrs.fields(type(settings)):
        value, here = getattr(settings, field.name), (*place, field.name)
        if attrs.has(type(value)):
            flat |= dump(value, here)
        elif isinstance(value, tuple) and value and attrs.has(type(value[0])):
            for number, item in enumerate(value):
                flat |= dump(item, (*here, number))
        elif isinstance(value, Mapping):
            for key, one in value.items():
                flat |= dump(one, (*here, key)) if attrs.has(type(one)) else {written((*here, key)): one}
        else:
            plain = shown(field, value)
            flat[written(here)] = list(plain) if isinstance(plain, tuple) else plain
    return flat
