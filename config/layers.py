"""Where settings come from, lowest first: the file of the run mode that comes with Ringside, the user's file, the
user's file of the mode beside it, the variables that other programs understand too, `RINGSIDE__SECTION__KEY`, and
`--set`. Each is read and looked at by itself."""

from __future__ import annotations

import importlib.resources
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from config.checks import MAX_TEXT
from config.document import parsed
from config.files import read_file
from config.hiding import holds_secret
from config.levels import LOG_VARIABLE, LOG_VARIABLE_OF_OTHERS, log_levels
from config.locate import MAX_DEPTH, Position, TooDeepError
from config.places import Place, read_place
from config.problems import Origin, Problem, SettingsError, about_file, did_you_mean
from config.reading import Word, check_section, field_at
from config.schema import Settings

ENVIRONMENT_PREFIX: Final = "RINGSIDE__"
USUAL_NAMES: Final = {"DATABASE_URL": ("database", "url"), "REDIS_URL": ("cache", "redis", "url")}
"""Variables that other programs understand too, and the settings they stand for."""
MODE_VARIABLE: Final = "RUN_MODE"
MODES: Final = ("development", "production", "test")
OPTION: Final = "--set"

_PLACE_OF_ERROR = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@attrs.frozen(kw_only=True)
class Layer:
    """What one source says: its values by name as they stand there, and where each stands."""

    origin: Origin
    tree: Mapping[str, Any]
    positions: Mapping[Place, Position] = attrs.field(factory=dict, repr=False)
    exposed: bool = False
    """Whether it is a file that others may read."""

    def origin_of(self, place: Place) -> Origin:
        """Where the setting at a place stands, or the innermost table round it."""
        for length in range(len(place), 0, -1):
            if found := self.positions.get(place[:length]):
                return attrs.evolve(self.origin, line=found.line, column=found.column)
        return self.origin

    def check(self) -> tuple[dict[str, Any], list[Problem]]:
        """What is right in it, as values of the schema, and all that is wrong."""
        problems: list[Problem] = []

        def report(place: Place, message: str, hint: str = "") -> None:
            problems.append(Problem(place=place, message=message, hint=hint, origin=self.origin_of(place)))

        right = check_section(self.tree, Settings, (), report)
        if self.exposed:
            for place in secrets_in(self.tree):
                report(
                    place, f"holds a secret, and others may read {self.origin.name}", f"chmod 600 {self.origin.name}"
                )
        return right, sorted(problems, key=lambda one: one.origin.line or 0)


def secrets_in(tree: Mapping[str, Any]) -> list[Place]:
    """The places of the secrets that stand in a tree."""
    found: list[Place] = []

    def look(value: Any, place: Place) -> None:
        if isinstance(value, dict):
            for key, one in value.items():
                look(one, (*place, key))
        elif isinstance(value, list):
            for number, one in enumerate(value):
                look(one, (*place, number))
        elif place and (field := field_at(Settings, place)) is not None:
            text = value.text if isinstance(value, Word) else value
            if holds_secret(field, text):
                found.append(place)

    look(tree, ())
    return found


@attrs.frozen
class Sources:
    """All layers, lowest first, what kept others from being read, and the run mode, empty when there is none."""

    layers: tuple[Layer, ...]
    problems: tuple[Problem, ...]
    mode: str


def gather(
    path: Path | None, *, required: bool, environment: Mapping[str, str], assigned: Sequence[str] = ()
) -> Sources:
    """Everything that is said about the settings, unchecked. Raises nothing: what cannot be read is a problem."""
    layers: list[Layer] = []
    problems: list[Problem] = []

    def add(make: Callable[[], Layer | None]) -> None:
        try:
            layer = make()
        except SettingsError as error:
            problems.extend(error.found)
        else:
            layers.extend([] if layer is None else [layer])

    mode = environment.get(MODE_VARIABLE, "").strip().lower()
    if mode and mode not in MODES:
        message = f"must be one of {', '.join(MODES)}, not {mode[:40]!a}"
        origin = Origin(f"environment {MODE_VARIABLE}")
        problems.append(Problem(message=message, hint=did_you_mean(mode, MODES), origin=origin))
        mode = ""
    if mode:
        add(lambda: packaged_layer(mode))
    if path is not None:
        add(lambda: file_layer(path, required=required))
        beside = path.with_name(f"{mode}.toml")
        if mode and beside != path:
            add(lambda: file_layer(beside, required=False))
    for name, value in sorted(environment.items(), key=_precedence):
        add(lambda name=name, value=value: _variable_layer(name, value, environment))  # type: ignore[misc]
    for text in assigned:
        add(lambda text=text: assigned_layer(text))  # type: ignore[misc]
    return Sources(tuple(layers), tuple(problems), mode)


def _precedence(variable: tuple[str, str]) -> tuple[bool, str]:
    return variable[0].startswith(ENVIRONMENT_PREFIX), variable[0]


def packaged_text(name: str) -> str:
    """One of the TOML files that come with Ringside."""
    return importlib.resources.files("config").joinpath(name).read_text(encoding="utf-8")


def packaged_layer(mode: str) -> Layer:
    """What the run mode says by itself."""
    text = packaged_text(f"{mode}.toml")
    return layer_of(text, Origin(f"packaged {mode}.toml"))


def file_layer(path: Path, *, required: bool) -> Layer | None:
    """What stands in a file; None without one, unless it is `required`. Raises `SettingsError`."""
    try:
        content, mode = read_file(path)
        text = content.decode()
    except FileNotFoundError as error:
        if required:
            raise SettingsError([about_file(path, f"cannot read it: {error.strerror}")]) from error
        return None
    except OSError as error:
        raise SettingsError([about_file(path, f"cannot read it: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([about_file(path, f"is no UTF-8 text: {error.reason} at byte {error.start}")]) from error
    exposed = bool(mode & (stat.S_IRWXG | stat.S_IRWXO))
    return layer_of(text, Origin(str(path), is_file=True), exposed=exposed)


def layer_of(text: str, origin: Origin, *, exposed: bool = False) -> Layer:
    """The layer of a TOML document. Raises `SettingsError` with the line when it is none."""
    try:
        tree, positions = parsed(text)
    except TooDeepError as error:
        at = attrs.evolve(origin, line=error.position.line, column=error.position.column)
        raise SettingsError([Problem(message=str(error), origin=at)]) from error
    except ValueError as error:  # no TOML, or a number of more digits than Python reads
        raise SettingsError([_no_toml(str(error), text, origin)]) from error
    return Layer(origin=origin, tree=tree, positions=positions, exposed=exposed)


def _no_toml(message: str, text: str, origin: Origin) -> Problem:
    line, column = None, None
    if found := _PLACE_OF_ERROR.search(message):
        line, column = (int(found[1]), int(found[2])) if found[1] else (text.rstrip("\n").count("\n") + 1, None)
        message = message[: found.start()]
    return Problem(message=f"no TOML: {message}", origin=attrs.evolve(origin, line=line, column=column))


def _variable_layer(name: str, value: str, environment: Mapping[str, str]) -> Layer | None:
    origin = Origin(f"environment {name}")
    if name in USUAL_NAMES:
        return Layer(origin=origin, tree=_nested(USUAL_NAMES[name], value)) if value else None
    if name == LOG_VARIABLE or (name == LOG_VARIABLE_OF_OTHERS and not environment.get(LOG_VARIABLE)):
        tree = log_levels(value, origin, strict=name == LOG_VARIABLE)
        return Layer(origin=origin, tree={"log": tree}) if tree else None
    if not name.startswith(ENVIRONMENT_PREFIX):
        return None
    place = tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))
    if len(place) > MAX_DEPTH:
        raise SettingsError([Problem(message="is nested too deeply", origin=Origin(f"environment {name[:80]}..."))])
    return Layer(origin=origin, tree=_nested(place, Word(value)))


def assigned_layer(text: str) -> Layer:
    """What `SECTION.KEY=VALUE` says. Raises `SettingsError` when it is none, or gives a secret away: command lines
    are seen by all."""
    origin = Origin(OPTION)
    try:
        place, rest = read_place(text[:MAX_TEXT])
        mark, value = rest.lstrip()[:1], rest.lstrip()[1:].strip()
        if mark != "=":
            raise ValueError("no value")
        if not all(isinstance(part, str) for part in place):
            raise ValueError("a number")
    except ValueError as error:
        problem = Problem(message="must be as SECTION.KEY=VALUE", hint="like screen.frames_per_s=5", origin=origin)
        raise SettingsError([problem]) from error
    tree = _nested(place, Word(value))
    if told := secrets_in(tree) or secrets_in(_nested(place, Word(value).meant(object))):
        hint = "use the environment, or a settings file that nobody else can read"
        raise SettingsError([Problem(place=told[0], message="is a secret", hint=hint, origin=origin)])
    return Layer(origin=origin, tree=tree)


def _nested(place: Sequence[Any], value: Any) -> dict[str, Any]:
    tree = value
    for part in reversed(place):
        tree = {part: tree}
    return dict(tree)
