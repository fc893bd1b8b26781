"""The parameter sets of a sweep: every combination of the values that its ranges name. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

import attrs

from core.errors import UsageError
from core.strategy import Parameter

MOST_COMBINATIONS: Final = 1_000_000
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,12})?")
_SCALE_DIGITS: Final = 12
_HINT: Final = "like --sweep short=5:50:5, or short=5,10,20"


@attrs.frozen
class Axis:
    """The values that one parameter takes, as text, no two of them the same number."""

    name: str
    values: tuple[str, ...]

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Which of the values each is."""
        return {value: place for place, value in enumerate(self.values)}


@attrs.frozen
class Grid:
    """Every combination of the values of some axes. They are numbered; the last axis turns fastest."""

    axes: tuple[Axis, ...]

    def __len__(self) -> int:
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def names(self) -> list[str]:
        """What is varied."""
        return [axis.name for axis in self.axes]

    def places(self, number: int) -> list[int]:
        """Which value of each axis the combination of that number has."""
        places = []
        for axis in reversed(self.axes):
            number, place = divmod(number, len(axis.values))
            places.append(place)
        return places[::-1]

    def parameters(self, number: int) -> dict[str, str]:
        """The combination of that number."""
        return {axis.name: axis.values[at] for axis, at in zip(self.axes, self.places(number), strict=True)}

    def number(self, parameters: Mapping[str, str]) -> int | None:
        """The number of a combination; None when it is none of these."""
        if len(parameters) != len(self.axes):
            return None
        number = 0
        for axis in self.axes:
            place = axis.places.get(parameters.get(axis.name, ""))
            if place is None:
                return None
            number = number * len(axis.values) + place
        return number


def parse_grid(
    ranges: Sequence[str], parameters: Sequence[Parameter], *, strategy: str, fixed: Mapping[str, str]
) -> Grid:
    """What `--sweep` asks for: each of `ranges` like `short=5:50:5` (both ends included where the step meets them),
    `short=5:50` in steps of 1, or `short=5,10,20`. Values are exact decimals.

    `parameters` are those of the `strategy`, and `fixed` what the command line sets to one value.

    Raises:
        UsageError: it makes no sense, names what is not there, leaves the bounds, or is more than a million.
    """
    known = {alias: one for one in parameters for alias in (one.name, *one.aliases)}
    taken = {_known(name, known, strategy).name for name in fixed}
    for name, value in fixed.items():
        known[name].parse(value)
    axes: list[Axis] = []
    room = MOST_COMBINATIONS
    for text in ranges:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise UsageError("bad range", _shown(text), hint=_HINT)
        parameter = _known(name, known, strategy)
        if parameter.name in taken:
            raise UsageError("parameter given twice", f"{parameter.name} of {strategy}")
        taken.add(parameter.name)
        axes.append(Axis(parameter.name, _values(values, parameter, room)))
        room //= len(axes[-1].values)
    return Grid(tuple(axes))


def _known(name: str, known: Mapping[str, Parameter], strategy: str) -> Parameter:
    if name not in known:
        names = ", ".join(dict.fromkeys(one.name for one in known.values())) or "it has none"
        raise UsageError("unknown parameter", f"{_shown(name)} of {strategy}", hint=names)
    return known[name]


def _values(text: str, parameter: Parameter, room: int) -> tuple[str, ...]:
    if ":" in text:
        numbers = _stretch(text, parameter.name, room)
    else:
        numbers = [_number(part, parameter.name) for part in text.split(",")]
        if len(numbers) > room:
            raise _too_many(parameter.name)
    values = tuple(_text(number) for number in numbers)
    seen: set[str] = set()
    for value in values:
        parameter.parse(value)
        if value in seen:
            raise UsageError("value given twice", f"{parameter.name}={value}")
        seen.add(value)
    return values


def _stretch(text: str, name: str, room: int) -> Sequence[int]:
    parts = [_number(part, name) for part in text.split(":")]
    if len(parts) not in {2, 3}:
        raise UsageError("bad range", _shown(f"{name}={text}"), hint=_HINT)
    first, last, step = parts if len(parts) == 3 else (*parts, 10**_SCALE_DIGITS)
    if step <= 0:
        word = "zero" if step == 0 else "negative"
        raise UsageError(f"{word} step", _shown(f"{name}={text}"), hint="from the smaller end upwards: a:b:step")
    if last < first:
        raise UsageError("empty range", _shown(f"{name}={text}"), hint="from the smaller end upwards: a:b:step")
    if (last - first) // step >= room:
        raise _too_many(name)
    return range(first, last + 1, step)


def _number(text: str, name: str) -> int:
    # An exact decimal, as an integer at 1e-12.
    if _NUMBER.fullmatch(text.strip()) is None:
        raise UsageError("bad range", f"{name}: {_shown(text)} is no plain decimal number", hint=_HINT)
    whole, _, fraction = text.strip().removeprefix("-").partition(".")
    number = int(whole + fraction.ljust(_SCALE_DIGITS, "0"))
    return -number if text.strip().startswith("-") else number


def _text(number: int) -> str:
    whole, fraction = divmod(abs(number), 10**_SCALE_DIGITS)
    decimals = f".{fraction:0{_SCALE_DIGITS}}".rstrip("0").rstrip(".")
    return f"{'-' if number < 0 else ''}{whole}{decimals}"


def _too_many(name: str) -> UsageError:
    return UsageError(
        "too many combinations", f"more than {MOST_COMBINATIONS:,}", hint=f"narrow {name}, or widen its step"
    )


def _shown(text: str) -> str:
    return ascii(text[:60])
