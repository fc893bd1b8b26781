"""Values over time to rows of styled text: a line of dots with its scale on the right. Pure.

A cell holds two by four dots where the terminal has braille characters, one by two where it has ASCII alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from console.tui.text import Cell, Glyphs, Row, clock_text, fit, fit_row, short_count
from core.clock import DAY_NS, NS_PER_S, utc_day

_BITS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_ASCII_DOTS: Final = {1: "'", 2: ".", 3: ":"}
_LEAST: Final = 12
"""In fewer cells than these nothing can be told from a plot."""
_LABEL_COLUMNS: Final = 14

Floats = NDArray[np.float64]


@attrs.frozen
class Mark:
    """A point to be seen on the line: when, at what value, by which character in which style."""

    ts_ns: int
    value: float
    character: str
    style: str


@attrs.frozen(kw_only=True)
class Curve:
    """Finite `values` at `ts_ns`, ascending and as many. Above `base` the line has the first of `styles`, below it
    the second; `filled` fills it down or up to `base`. `percent` writes the scale so."""

    ts_ns: Sequence[int]
    values: Sequence[float]
    base: float = math.nan
    styles: tuple[str, str] = ("accent", "accent")
    filled: bool = False
    percent: bool = False
    marks: Sequence[Mark] = ()


@attrs.frozen
class _Frame:
    # Values to rows of dots, the highest on row 0.
    low: float
    high: float
    dots: int

    def row(self, value: float) -> int:
        share = (self.high - value) / (self.high - self.low)
        return min(max(round(share * (self.dots - 1)), 0), self.dots - 1)


def plot_rows(curve: Curve, *, width: int, height: int, glyphs: Glyphs, times: bool = False) -> list[Row]:
    """Exactly `height` rows of `width` cells; with `times` the last of them tells when."""
    blank: Row = ((" " * width, ""),)
    lines = height - times
    if lines < 1 or width < _LEAST or not len(curve.values):
        return [blank] * max(height, 0)
    low, high, step = _bounds(curve, lines)
    labels = _labels(low, high, step, percent=curve.percent)
    label_width = max(len(text) for _value, text in labels)
    columns = width - label_width - 2
    if columns < 4:
        return [blank] * height
    across, down = (2, 4) if glyphs.braille else (1, 2)
    frame = _Frame(low, high, lines * down)
    characters, styles = _draw(curve, frame, columns=columns, across=across, down=down, glyphs=glyphs)
    shown = {frame.row(value) // down: text for value, text in labels}
    rows = [
        fit_row((*_runs(line, names), (f"  {shown.get(at, ''):>{label_width}}", "dim")), width)
        for at, (line, names) in enumerate(zip(characters, styles, strict=True))
    ]
    return [*rows, fit_row(((time_axis(curve.ts_ns, columns), "dim"),), width)] if times else rows


def _bounds(curve: Curve, lines: int) -> tuple[float, float, float]:
    values = [*curve.values] if math.isnan(curve.base) else [*curve.values, curve.base]
    low, high = min(values), max(values)
    if high - low <= abs(high) * 1e-12:  # one value, as far as a float can tell
        room = abs(high) * 0.001 or (0.01 if curve.percent else 1.0)
        low, high = low - room, high if curve.filled else high + room
    step = _nice((high - low) / max(min(lines / 2, 6), 1))
    while math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) < 1:  # one figure alone is no scale
        step = _nice(step * 0.4)
    return low, high, step


def _nice(at_least: float) -> float:
    power = 10.0 ** math.floor(math.log10(at_least))
    return next((digit * power for digit in (1, 2, 5) if digit * power >= at_least * 0.999), 10 * power)


def _labels(low: float, high: float, step: float, *, percent: bool) -> list[tuple[float, str]]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [number * step for number in range(first, last + 1)][:20] or [high]
    return [(value, scale_text(value, step, percent=percent)) for value in values]


def scale_text(value: float, step: float, *, percent: bool = False) -> str:
    """`value` as a scale of steps of `step` is lettered."""
    if percent:
        value, step = value * 100, step * 100
    decimals = min(max(-math.floor(math.log10(step) + 1e-9), 0), 9)
    text = short_count(value) if abs(value) >= 1e7 and step >= 1e5 else f"{value:.{decimals}f}"
    if float(f"{value:.{decimals}f}") == 0:
        text = text.lstrip("-")
    return f"{text} %" if percent else text


def extents(ts_ns: Sequence[int], values: Sequence[float], columns: int) -> tuple[Floats, Floats]:
    """The lowest and the highest value in each of `columns` equal stretches of time, joined to those of the one
    before."""
    since = np.asarray(ts_ns, np.int64).astype(np.float64) - float(ts_ns[0])
    found = np.asarray(values, np.float64)
    span = float(since[-1]) or 1.0
    places = np.clip(np.rint(since / span * (columns - 1)), 0, columns - 1).astype(np.int64)
    low: Floats = np.interp(np.linspace(0.0, span, columns), since, found)
    high = low.copy()
    np.minimum.at(low, places, found)
    np.maximum.at(high, places, found)
    before_low, before_high = low[:-1].copy(), high[:-1].copy()
    low[1:] = np.minimum(low[1:], before_high)
    high[1:] = np.maximum(high[1:], before_low)
    return low, high


def _draw(
    curve: Curve, frame: _Frame, *, columns: int, across: int, down: int, glyphs: Glyphs
) -> tuple[list[list[str]], list[list[str]]]:
    lines = frame.dots // down
    characters = [[" "] * columns for _ in range(lines)]
    styles = [[""] * columns for _ in range(lines)]
    if not math.isnan(curve.base):
        at = frame.row(curve.base) // down
        line = glyphs.dotted if glyphs.braille else glyphs.dash
        characters[at], styles[at] = [line] * columns, ["faint"] * columns
    dots = np.zeros((frame.dots, columns * across), bool)
    base = frame.row(curve.base) if curve.filled else 0
    for at, (low, high) in enumerate(zip(*extents(curve.ts_ns, curve.values, columns * across), strict=True)):
        top, bottom = frame.row(high), frame.row(low)
        if curve.filled:
            top, bottom = min(top, base), max(bottom, base)
        dots[top : bottom + 1, at] = True
    _put_dots(curve, frame, dots, characters, styles, glyphs)
    _put_marks(curve, frame, characters, styles, down)
    return characters, styles


def _put_dots(
    curve: Curve,
    frame: _Frame,
    dots: NDArray[np.bool_],
    characters: list[list[str]],
    styles: list[list[str]],
    glyphs: Glyphs,
) -> None:
    lines, columns = len(characters), len(characters[0])
    down, across = dots.shape[0] // lines, dots.shape[1] // columns
    cells = dots.reshape(lines, down, columns, across).transpose(0, 2, 1, 3)
    rows: NDArray[np.bool_] = np.asarray(cells.any(axis=3))
    highest = np.arange(lines)[:, None] * down + rows.argmax(axis=2)
    border = dots.shape[0] if math.isnan(curve.base) else frame.row(curve.base)
    above = (highest <= border).tolist()
    codes = (cells * np.array(_BITS)[:down, :across]).sum(axis=(2, 3)).tolist()
    for row, column in np.argwhere(np.any(rows, axis=2)).tolist():
        code = codes[row][column]
        characters[row][column] = chr(0x2800 + code) if glyphs.braille else _ASCII_DOTS[code]
        styles[row][column] = curve.styles[0 if above[row][column] and not curve.filled else 1]


def _put_marks(curve: Curve, frame: _Frame, characters: list[list[str]], styles: list[list[str]], down: int) -> None:
    first, span = curve.ts_ns[0], max(curve.ts_ns[-1] - curve.ts_ns[0], 1)
    for mark in curve.marks:
        column = (mark.ts_ns - first) * (len(characters[0]) - 1) // span
        if 0 <= column < len(characters[0]):
            row = frame.row(mark.value) // down
            characters[row][column], styles[row][column] = mark.character, mark.style


def _runs(characters: Sequence[str], styles: Sequence[str]) -> Iterator[Cell]:
    at = 0
    for style, run in groupby(styles):
        length = sum(1 for _ in run)
        yield "".join(characters[at : at + length]), style
        at += length


def time_axis(ts_ns: Sequence[int], columns: int) -> str:
    """`columns` characters that tell the instants below which they stand: days, or times of one day."""
    first, span = ts_ns[0], ts_ns[-1] - ts_ns[0]
    decimals = 3 if span < 10 * NS_PER_S else 0
    days = span >= 3 * DAY_NS
    length = 10 if days else 9 + decimals if decimals else 8 if span < 6 * 3600 * NS_PER_S else 5
    text = [" "] * columns
    count = max(columns // _LABEL_COLUMNS, 1)
    for number in range(count):
        column = number * (columns - length) // max(count - 1, 1)
        if column < 0:
            break
        instant_ns = first + span * (column + length // 2) // max(columns - 1, 1)
        label = str(utc_day(instant_ns)) if days else clock_text(instant_ns, decimals=decimals)[:length]
        text[column : column + length] = label
    return fit("".join(text), columns)
