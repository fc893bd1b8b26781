"""A figure over two parameters as rows of short texts, each with a level to colour it by. Pure.

The table on standard output, the report and the screen draw the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import attrs

LEVELS: Final = 9
NO_LEVEL: Final = -1
_SHADES: Final = "·░▒▓█"
_PLAIN_SHADES: Final = ".-+*#"
_NOTHING: Final = "-"

Matrix = Sequence[Sequence[float | None]]


class Cell(NamedTuple):
    """A piece of a row: its text, and how good its value is, from 0 (worst) to `LEVELS` - 1 (best); `NO_LEVEL` where
    it has none."""

    text: str
    level: int = NO_LEVEL


@attrs.frozen(kw_only=True)
class Heat:
    """`values[row][column]` for the row's `ys` and the column's `xs`; None where there is no figure. `x` and `y` are
    the names of the parameters, `smaller_is_better` tells which end is good."""

    x: str
    y: str
    xs: tuple[str, ...]
    ys: tuple[str, ...]
    values: Matrix
    smaller_is_better: bool = False

    def document(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "x": self.x,
            "y": self.y,
            "xs": list(self.xs),
            "ys": list(self.ys),
            "values": [list(row) for row in self.values],
        }

    def levels(self) -> list[list[int]]:
        """The level of each value. One in twenty at either end is not told apart from its neighbours, so that a few
        odd values do not make all others look alike."""
        known = sorted(value for row in self.values for value in row if value is not None)
        if not known:
            return [[NO_LEVEL for _ in row] for row in self.values]
        odd = len(known) // 20
        low, high = known[odd], known[-1 - odd]
        return [[self._level(value, low, high) for value in row] for row in self.values]

    def _level(self, value: float | None, low: float, high: float) -> int:
        if value is None:
            return NO_LEVEL
        if low == high:
            return LEVELS - 1
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return round((1 - share if self.smaller_is_better else share) * (LEVELS - 1))


def heat_rows(heat: Heat, *, width: int, height: int = 40, plain: bool = False) -> list[list[Cell]]:
    """The map in rows no wider than `width` characters (40 at least) and no more than `height` of them (5 at least).

    Each value stands beside its shade where there is room, else there are only shades; what then does not fit is
    drawn together with what is beside it, and the best of them shown. `plain` keeps to ASCII.
    """
    width, height = max(width, 40), max(height, 5)
    heat = shrunk(heat, columns=len(heat.xs), rows=height - 2)
    label = min(max(len(text) for text in (*heat.ys, heat.y)), width // 3)
    shades = _PLAIN_SHADES if plain else _SHADES
    texts = [[number_text(value) for value in row] for row in heat.values]
    across = max(len(text) for text in (*heat.xs, *(text for row in texts for text in row)))
    title = [Cell(_cut(f"{heat.y} \\ {heat.x}", width))]
    if label + len(heat.xs) * (across + 2) <= width:
        header = [Cell(" " * label), *(Cell(f" {text:>{across}} ") for text in heat.xs)]
        return [title, header, *_numbered(heat, texts, label, across, shades)]
    heat = shrunk(heat, columns=(width - label - 1) // 2, rows=len(heat.ys))
    return [title, [Cell(_ends(heat, label))], *_shaded(heat, label, shades)]


def number_text(value: float | None) -> str:
    """A figure in as few characters as it can be read in."""
    if value is None:
        return _NOTHING
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.2f}" if 0.095 <= abs(value) < 1e6 else f"{value:.2g}"


def _numbered(heat: Heat, texts: list[list[str]], label: int, across: int, shades: str) -> Iterator[list[Cell]]:
    for name, row, levels in zip(heat.ys, texts, heat.levels(), strict=True):
        cells = (
            Cell(f" {text:>{across}}{_shade(level, shades)}", level) for text, level in zip(row, levels, strict=True)
        )
        yield [Cell(f"{_cut(name, label):>{label}}"), *cells]


def _shaded(heat: Heat, label: int, shades: str) -> Iterator[list[Cell]]:
    for name, levels in zip(heat.ys, heat.levels(), strict=True):
        yield [Cell(f"{_cut(name, label):>{label}} "), *(Cell(_shade(level, shades) * 2, level) for level in levels)]


def _shade(level: int, shades: str) -> str:
    return " " if level < 0 else shades[level * len(shades) // LEVELS]


def _ends(heat: Heat, label: int) -> str:
    # Only the first and the last column have room for what they are called.
    room = 2 * len(heat.xs)
    first, last = heat.xs[0], heat.xs[-1]
    if len(first) + len(last) + 1 > room:
        return " " * (label + 1) + _cut(first, room)
    return " " * (label + 1) + first + last.rjust(room - len(first))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[:width]


def shrunk(heat: Heat, *, columns: int, rows: int) -> Heat:
    """The same with no more columns and rows than these, each place the best of the neighbours it stands for."""
    across, down = _groups(len(heat.xs), columns), _groups(len(heat.ys), rows)
    if len(across) == len(heat.xs) and len(down) == len(heat.ys):
        return heat
    best: Callable[[list[float]], float] = min if heat.smaller_is_better else max

    def joined(lines: slice, places: slice) -> float | None:
        known = [value for row in heat.values[lines] for value in row[places] if value is not None]
        return best(known) if known else None

    return attrs.evolve(
        heat,
        xs=tuple(heat.xs[places.start] for places in across),
        ys=tuple(heat.ys[lines.start] for lines in down),
        values=[[joined(lines, places) for places in across] for lines in down],
    )


def _groups(count: int, most: int) -> list[slice]:
    size = max(1, -(-count // max(most, 1)))
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]
