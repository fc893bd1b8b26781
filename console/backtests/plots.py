"""Plots as SVG for a page that styles them: lines over time, what lies under zero, bars, marks. Pure.

Colours are classes, so that the page decides on them, light or dark. Nothing in a plot comes unescaped from a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

import attrs

from core.clock import DAY_NS, NS_PER_S

WIDTH: Final = 960
_LEFT: Final = 76
_RIGHT: Final = 14
_TOP: Final = 10
_BOTTOM: Final = 26
_MINUTE_NS: Final = 60 * NS_PER_S
_HOUR_NS: Final = 3600 * NS_PER_S
_STEPS_NS: Final = (
    1_000_000, 10_000_000, 100_000_000, NS_PER_S, 5 * NS_PER_S, 15 * NS_PER_S, _MINUTE_NS, 5 * _MINUTE_NS,
    15 * _MINUTE_NS, 30 * _MINUTE_NS, _HOUR_NS, 2 * _HOUR_NS, 4 * _HOUR_NS, 12 * _HOUR_NS, DAY_NS, 2 * DAY_NS,
    7 * DAY_NS, 14 * DAY_NS, 30 * DAY_NS, 91 * DAY_NS, 182 * DAY_NS, 365 * DAY_NS, 1826 * DAY_NS,
    9131 * DAY_NS, 18_262 * DAY_NS,
)  # fmt: skip
_TIME_TICKS: Final = 7

# How things look where no page says otherwise.
_LINE: Final = 'fill="none" stroke="#1f6feb" stroke-width="1.5"'
_GRID: Final = 'fill="none" stroke="#d5d8dc"'
_GAIN: Final = 'fill="#137a4b"'
_LOSS: Final = 'fill="#c0362c"'
_CROSS: Final = 'fill="none" stroke="#1c2126" stroke-width="1.5"'
_TEXT: Final = 'font-family="sans-serif" font-size="11" fill="#68727c"'

Point = tuple[int, float]
"""An instant in ns and a value."""


@attrs.frozen
class Mark:
    """A place on a plot: an instant, a value, its looks (`buy`, `sell`, `exit`) and what it says when pointed at."""

    ts_ns: int
    value: float
    kind: str
    text: str


@attrs.frozen(kw_only=True)
class _Frame:
    # From instants and values to places on the plot.
    start_ns: int
    end_ns: int
    low: float
    high: float
    height: int

    def x(self, ts_ns: int) -> float:
        return _LEFT + (ts_ns - self.start_ns) / (self.end_ns - self.start_ns) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _TOP + (self.high - value) / (self.high - self.low) * (self.height - _TOP - _BOTTOM)

    @property
    def bottom(self) -> int:
        return self.height - _BOTTOM


def line_plot(points: Sequence[Point], *, title: str, height: int = 240, marks: Sequence[Mark] = ()) -> str:
    """A line through `points`, with `marks` on it."""
    if not points:
        return _empty(title, height)
    frame = _frame(points, height, [mark.value for mark in marks])
    drawn = f'<path class="line" {_LINE} d="{_path(frame, points)}"/>' + "".join(
        _marked(frame, mark) for mark in marks
    )
    return _plot(frame, title, drawn)


def area_plot(points: Sequence[Point], *, title: str, height: int = 130, percent: bool = True) -> str:
    """What lies between zero and `points`."""
    if not points:
        return _empty(title, height)
    frame = _frame(points, height, [0.0])
    zero = frame.y(0.0)
    path = (
        f"M{frame.x(points[0][0]):.1f} {zero:.1f}L{_path(frame, points)[1:]}L{frame.x(points[-1][0]):.1f} {zero:.1f}Z"
    )
    return _plot(frame, title, f'<path class="area" {_LOSS} fill-opacity="0.3" d="{path}"/>', percent=percent)


def bar_plot(points: Sequence[tuple[int, float | None]], *, until_ns: int, title: str, height: int = 160) -> str:
    """A bar for the value of each period, which begins at its instant and ends at the next, the last at `until_ns`.
    None has no bar."""
    known = [(ts_ns, value) for ts_ns, value in points if value is not None]
    if not known or until_ns <= points[0][0]:
        return _empty(title, height)
    frame = _frame([*known, (until_ns, 0.0)], height, [0.0], start_ns=points[0][0])
    ends = [ts_ns for ts_ns, _ in points[1:]] + [until_ns]
    drawn = "".join(
        _bar(frame, start_ns, end_ns, value)
        for (start_ns, value), end_ns in zip(points, ends, strict=True)
        if value is not None
    )
    return _plot(frame, title, drawn, percent=True)


def _bar(frame: _Frame, start_ns: int, end_ns: int, value: float) -> str:
    left, right, zero, top = frame.x(start_ns), frame.x(end_ns), frame.y(0.0), frame.y(value)
    gap = min(2.0, (right - left) * 0.15)
    kind, colour = ("gain", _GAIN) if value >= 0 else ("loss", _LOSS)
    told = f"{_moment(start_ns, DAY_NS)}: {value:+.2%}"
    return (
        f'<rect class="{kind}" {colour} x="{left + gap:.1f}" y="{min(zero, top):.1f}"'
        f' width="{max(right - left - 2 * gap, 0.5):.1f}" height="{max(abs(zero - top), 0.5):.1f}">'
        f"<title>{told}</title></rect>"
    )


def _frame(points: Sequence[Point], height: int, more: Iterable[float], *, start_ns: int | None = None) -> _Frame:
    values = [value for _, value in points] + list(more)
    low, high = min(values), max(values)
    margin = (high - low) * 0.04 or abs(high) * 0.01 or 0.01
    first_ns = points[0][0] if start_ns is None else start_ns
    return _Frame(
        start_ns=first_ns,
        end_ns=max(points[-1][0], first_ns + 1),
        low=low - margin,
        high=high + margin,
        height=height,
    )


def _path(frame: _Frame, points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{frame.x(ts_ns):.1f} {frame.y(value):.1f}" for ts_ns, value in points)


def _marked(frame: _Frame, mark: Mark) -> str:
    x, y = frame.x(min(max(mark.ts_ns, frame.start_ns), frame.end_ns)), frame.y(mark.value)
    looks = {
        "buy": (f"M{x:.1f} {y + 3:.1f}l5 9h-10z", _GAIN),
        "sell": (f"M{x:.1f} {y - 3:.1f}l5 -9h-10z", _LOSS),
    }
    shape, colour = looks.get(mark.kind, (f"M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m0 -7l-7 7", _CROSS))
    return f'<path class="{escape(mark.kind)}" {colour} d="{shape}"><title>{escape(mark.text)}</title></path>'


def _plot(frame: _Frame, title: str, drawn: str, *, percent: bool = False) -> str:
    lines = []
    for value in nice_ticks(frame.low, frame.high):
        y = frame.y(value)
        label = f"{value:.2%}" if percent else f"{value:,.10g}"
        lines.append(f'<path class="grid" {_GRID} d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
        lines.append(f'<text {_TEXT} x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for ts_ns, label in time_ticks(frame.start_ns, frame.end_ns):
        x = frame.x(ts_ns)
        lines.append(f'<path class="grid" {_GRID} d="M{x:.1f} {_TOP}V{frame.bottom}"/>')
        anchor = "end" if x > WIDTH - 36 else "middle"  # half a label has no room
        lines.append(f'<text {_TEXT} x="{x:.1f}" y="{frame.height - 8}" text-anchor="{anchor}">{label}</text>')
    return _svg(title, frame.height, "".join(lines) + drawn)


def _empty(title: str, height: int) -> str:
    return _svg(
        title, height, f'<text {_TEXT} x="{WIDTH / 2}" y="{height / 2}" text-anchor="middle">nothing to draw</text>'
    )


def _svg(title: str, height: int, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">{inside}</svg>'
    )


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between `low` and `high`, which are finite and not equal: at most `most` and one more."""
    rough = (high - low) / most
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next((factor * magnitude for factor in (1, 2, 2.5, 5) if factor * magnitude >= rough), 10 * magnitude)
    first = math.ceil(low / step)
    return [number * step for number in range(first, first + most + 2) if number * step <= high]


def time_ticks(start_ns: int, end_ns: int) -> list[tuple[int, str]]:
    """Round instants of UTC between two, each with its label."""
    span_ns = end_ns - start_ns
    step_ns = next((step for step in _STEPS_NS if span_ns // step <= _TIME_TICKS), _STEPS_NS[-1])
    first = -(-start_ns // step_ns) * step_ns
    return [(at, _moment(at, step_ns)) for at in range(first, end_ns + 1, step_ns)]


def _moment(ts_ns: int, step_ns: int) -> str:
    moment = datetime.fromtimestamp(ts_ns // NS_PER_S, UTC)
    if step_ns >= 30 * DAY_NS:
        return f"{moment:%Y-%m}"
    if step_ns >= DAY_NS:
        return f"{moment:%Y-%m-%d}"
    if step_ns >= _MINUTE_NS:
        return f"{moment:%m-%d %H:%M}"
    if step_ns >= NS_PER_S:
        return f"{moment:%H:%M:%S}"
    return f"{moment:%H:%M:%S}.{ts_ns % NS_PER_S // 1_000_000:03d}"
