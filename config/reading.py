"""From what stands in a file to values of the schema: one setting at a time, so that no mistake hides another.

`check_section` looks at what one source says, and `build` makes the settings of all sources together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final, Protocol, get_args, get_origin

import attrs

from config.checks import Amount, Parameters, WordError
from config.document import parsed
from config.hiding import is_secret
from config.numbers import amount_text, parameter_texts
from config.places import Place, written
from config.problems import did_you_mean


class Report(Protocol):
    """Takes a problem of the setting at a place."""

    def __call__(self, place: Place, message: str, hint: str = "") -> None: ...


@attrs.frozen
class Word:
    """A value as a shell gives it: TOML, or text that nobody wants to quote twice."""

    text: str

    def meant(self, kind: Any) -> Any:
        """The value that a setting of this kind takes from it."""
        try:
            found, _ = parsed(f"value = {self.text}")
        except ValueError:
            found = {}
        value = found["value"] if len(found) == 1 else self.text
        if kind is str and not isinstance(value, str):
            return self.text
        if _is_texts(kind) and not isinstance(value, (list, dict)):
            return [one.strip() for one in str(value if isinstance(value, str) else self.text).split(",")]
        return value


class _RefusedError(Exception):
    # A value that is none, and what was probably meant.
    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class _Wrong:
    # Stands for a value that was refused: what it replaces is not to be taken in its place.
    pass


WRONG: Final = _Wrong()
_MISSING: Final = object()

STAND_INS: Final[Mapping[str, str]] = {
    "currency": "USD",
    "initial_balance": "1",
    "kind": "log",
    "strategy": "rsi",
}
"""What is put for a setting that must be given and is not, so that the others can be looked at all the same."""


@cache
def fields_of(section: type) -> dict[str, attrs.Attribute[Any]]:
    """The settings of a section by name, their types resolved."""
    return dict(attrs.fields_dict(attrs.resolve_types(section)))


def field_at(section: type, place: Place) -> attrs.Attribute[Any] | None:
    """The field of the setting at a place, or of the table or list that it is part of; None for no such setting."""
    kind: Any = section
    field = None
    for part in place:
        if not attrs.has(kind):
            # A name in a table of tables, a number in a list, and whatever is within a plain value.
            kind = item_type(kind)
            continue
        field = fields_of(kind).get(str(part))
        if field is None:
            return None
        kind = field.type
    return field


def kind_at(section: type, place: Place) -> Any:
    """What kind of value stands at a place, `object` for what is within a plain value."""
    kind: Any = section
    for part in place:
        kind = fields_of(kind)[str(part)].type if attrs.has(kind) else item_type(kind)
    return kind


def item_type(kind: Any) -> Any:
    """What a `tuple[X, ...]` is a tuple of, and a `Mapping[str, X]` leads to."""
    origin, parameters = get_origin(kind), get_args(kind)
    if kind == Parameters:
        return object
    return parameters[0] if origin is tuple else parameters[1] if origin is Mapping else object


def check_section(table: Mapping[str, Any], section: type, place: Place, report: Report) -> dict[str, Any]:
    """What is right in a table, as values of the schema, still by name. What is wrong is reported, and `WRONG`."""
    fields = fields_of(section)
    right = {}
    for key, value in table.items():
        if key not in fields:
            prefix = f"{written(place)}." if place else ""
            report((*place, key), "no such setting", did_you_mean(key, fields, prefix=prefix))
            continue
        try:
            right[key] = _check(value, fields[key], (*place, key), report)
        except _RefusedError as refused:
            right[key] = WRONG
            report((*place, key), str(refused), refused.hint)
    return right


def _check(value: Any, field: attrs.Attribute[Any], place: Place, report: Report) -> Any:
    kind: Any = field.type
    if isinstance(value, Word):
        value = value.meant(kind)
    if attrs.has(kind):
        if not isinstance(value, dict):
            raise _RefusedError("must be a table")
        return check_section(value, kind, place, report)
    if attrs.has(item := item_type(kind)):
        return _check_tables(value, item, place, report, named=get_origin(kind) is Mapping)
    return _leaf(value, field)


def _check_tables(value: Any, section: type, place: Place, report: Report, *, named: bool) -> Any:
    # Of several tables: a list of them, or one a name.
    if not isinstance(value, dict if named else list):
        raise _RefusedError(f"must be {'tables by name' if named else 'a list of tables'}")
    right: dict[Any, Any] = {}
    tables: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    for key, table in tables:
        right[key] = WRONG
        if not isinstance(table, dict):
            report((*place, key), "must be a table")
        elif named and not (key and key.isprintable()):
            report((*place, key), "must have a name that can be printed")
        else:
            right[key] = check_section(table, section, (*place, key), report)
    return right if named else list(right.values())


def _leaf(value: Any, field: attrs.Attribute[Any]) -> Any:
    try:
        converted = _converted(value, field.type, secret=is_secret(field))
        if field.validator is not None:
            field.validator(None, field, converted)
        if isinstance(converted, float) and not math.isfinite(converted):
            raise ValueError("must be a finite number")
    except (TypeError, ValueError) as error:
        hint = error.hint if isinstance(error, WordError) else ""
        raise _RefusedError(str(error).removeprefix(f"{field.name} "), hint) from None
    return converted


_KINDS: Final[Mapping[type, str]] = {bool: "true or false", str: "text in quotes", int: "a whole number"}


def _converted(value: Any, kind: Any, *, secret: bool) -> Any:
    # Nothing is guessed: "no" is not false and 3 is not "3".
    if kind == Amount:
        return amount_text(value)
    if kind == Parameters:
        return parameter_texts(value)
    if _is_texts(kind):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise TypeError(f"must be a list of strings, not {_described(value)}")
        return tuple(value)
    if kind in (float, float | None):
        return _number(value)
    if type(value) is not kind:
        raise TypeError(f"must be {_KINDS[kind]}" + ("" if secret else f", not {_described(value)}"))
    return value


def _is_texts(kind: Any) -> bool:
    return bool(kind in (tuple[str, ...], tuple[str, ...] | None))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"must be a number, not {_described(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    return number


def _described(value: Any) -> str:
    # Numbers as they are; of what may be long or secret only what it is.
    if isinstance(value, (bool, int, float)):
        return str(value).lower()[:40]
    kind: type = type(value)
    names: Mapping[type, str] = {str: "text", list: "a list", dict: "a table"}
    return names.get(kind, f"a {kind.__name__}")


def build(section: type, values: Mapping[str, Any], place: Place, report: Report) -> Any:
    """A section with these checked values, defaults for the others. What must be given and is not is reported, and so
    is what the values mean together; the section is made all the same."""
    arguments: dict[str, Any] = {}
    for name, field in fields_of(section).items():
        value = values.get(name, _MISSING)
        if value is not _MISSING and value is not WRONG:
            arguments[name] = _built(value, field.type, (*place, name), report)
        elif field.default is attrs.NOTHING:
            if value is _MISSING:
                report((*place, name), "must be given")
            arguments |= _stand_in(name, place)
    try:
        return section(**arguments)
    except ValueError as error:
        report(_meant_place(section, place, str(error)), str(error))
        return _unchecked(section, arguments)


def _stand_in(name: str, place: Place) -> dict[str, str]:
    # Two of one name would be a mistake that nobody made.
    name_here = "-".join(["MISSING", *(str(part) for part in place if isinstance(part, int))])
    if name == "id":
        return {name: name_here}
    return {name: STAND_INS[name]} | ({"label": name_here} if name == "strategy" else {})


def _built(value: Any, kind: Any, place: Place, report: Report) -> Any:
    if attrs.has(kind):
        return build(kind, value, place, report)
    item = item_type(kind)
    if not attrs.has(item):
        return value
    if isinstance(value, dict):
        return {name: _one_of(item, one, (*place, name), report) for name, one in value.items()}
    return tuple(_one_of(item, one, (*place, number), report) for number, one in enumerate(value))


def _one_of(section: type, value: Any, place: Place, report: Report) -> Any:
    # What stands in place of a refused one is there to keep the numbers of the others.
    if value is WRONG:
        return build(section, {}, place, lambda _place, _message, _hint="": None)
    return build(section, value, place, report)


_FIRST_WORD = re.compile(r"([a-z_.]+)(?:\[(\d+)\])?(?= )")


def _meant_place(section: type, place: Place, message: str) -> Place:
    # A section says first which of its settings it is about.
    found = _FIRST_WORD.match(message)
    if found is None:
        return place
    inner: Place = tuple(found[1].split("."))
    inner += (int(found[2]),) if found[2] else ()
    return (*place, *inner) if field_at(section, inner) is not None else place


def _unchecked(section: type, arguments: Mapping[str, Any]) -> Any:
    made: Any = object.__new__(section)
    for name, field in fields_of(section).items():
        default: Any = field.default
        value = arguments[name] if name in arguments else _default(default)
        object.__setattr__(made, name, value)
    return made


def _default(default: Any) -> Any:
    maker: Callable[[], Any] | None = getattr(default, "factory", None)
    return default if maker is None else maker()
