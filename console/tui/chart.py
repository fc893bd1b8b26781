"""Candles to rows of styled text: prices on the right, volume and time below. Pure, and integers throughout.

A candle is one column wide and drawn in half cells: each half holds nothing (0), wick (1) or body (2), and the
character of upper half `u` and lower half `l` is `glyphs.candles[3 * u + l]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import attrs

from console.tui.snapshot import Focus
from console.tui.text import Cell, Glyphs, Row, clock_text, fit, fit_row, title_row
from core.bars.candles import CANDLE
from core.clock import NS_PER_S
from core.model.fixedpoint import PRICE_DECIMALS, format_price
from core.model.records import Records

_TIME_LABEL_COLUMNS = 12
_NAMES = {5: "5s", 60: "1m", 300: "5m", 900: "15m", 3600: "1h"}
_PRODUCTS = {
    "spot": "spot", "inverse_perpetual": "inverse perpetual", "linear_perpetual": "linear perpetual",
    "inverse_future": "inverse future", "linear_future": "linear future", "equity": "equity",
}  # fmt: skip


def chart_title(focus: Focus | None, *, width: int, glyphs: Glyphs, edge: str = "") -> Row:
    """The head of the right-hand panes: what is shown, its product, its currencies, and the candles' width."""
    corner = edge and glyphs.cross
    if focus is None:
        return title_row((("no instrument", "dim"),), width, glyphs, edge=corner)
    feed = focus.view.feed
    money = f"in {feed.quote}" if feed.quote else ""
    if feed.settle and feed.settle != feed.quote:
        money += f", settled in {feed.settle}"
    kind = ", ".join(part for part in (_PRODUCTS.get(feed.product, feed.product), money) if part)
    name = " ".join(focus.view.key)
    interval = _NAMES.get(focus.interval_ns // NS_PER_S, "")
    parts = ((name, "accent"), (kind, "tether" if feed.quote not in ("USD", "") else "title"), (interval, "dim"))
    return title_row(parts, width, glyphs, edge=corner)


@attrs.frozen(kw_only=True)
class _Scale:
    # Prices to half rows, counted from the top; `step_e9` is the distance between labelled prices.
    low_e9: int
    high_e9: int
    halves: int
    step_e9: int

    def half(self, price_e9: int) -> int:
        height = self.high_e9 - self.low_e9
        return (self.high_e9 - price_e9) * (self.halves - 1) // height


def chart_rows(focus: Focus | None, *, width: int, height: int, glyphs: Glyphs, edge: str = "") -> list[Row]:
    """Exactly `height` rows of `width` cells: the newest candle at the right edge, empty intervals left empty."""
    blank: Row = ((edge, "grid"), (" " * (width - len(edge)), ""))
    if height < 3 or width < 20:
        return [blank] * max(height, 0)
    if focus is None or not len(focus.bars):
        rows = [blank] * height
        text = "waiting for the first trade"
        rows[height // 2] = fit_row(((edge, "grid"), (text.center(width - len(edge)), "dim")), width)
        return rows
    feed = focus.view.feed
    newest_e9 = int(focus.bars["close"][-1]) if focus.view.last_e9 is None else focus.view.last_e9
    label_width = max(
        len(format_price(int(focus.bars[name].max()), feed.price_decimals)) for name in ("high", "close")
    )
    columns = width - len(edge) - label_width - 3
    if columns < 2:  # prices as long as the pane is wide: their figures stand on the board
        return [blank] * height
    spread = _spread(focus.bars, focus.interval_ns, columns)
    visible, places = _visible(focus.bars, focus.interval_ns, columns, spread)
    volume_rows = 3 if height >= 16 else 2 if height >= 9 else 0
    price_rows = height - volume_rows - 1
    scale = _scale(visible, newest_e9, price_rows, feed.price_decimals)
    grid = _Grid(columns, price_rows)
    _draw_lines(grid, scale, newest_e9, glyphs)
    _draw_candles(grid, scale, visible, places, glyphs)
    labels = dict(_labels(scale, feed.price_decimals))
    labels[scale.half(newest_e9) // 2] = (format_price(newest_e9, feed.price_decimals), "last_label")
    rows = []
    for number, cells in enumerate(grid.rows()):
        text, style = labels.get(number, ("", "dim"))
        label: Cell = (f" {text.rjust(label_width)} ", style if text else "")
        rows.append(((edge, "grid"), *cells, (" ", ""), label))
    rows += _volume_rows(visible, places, columns, volume_rows, glyphs, edge)
    rows.append(_time_row(focus, columns, spread, edge))
    return [fit_row(row, width) for row in rows]


def _spread(bars: Records, interval_ns: int, columns: int) -> int:
    # Columns a candle: while there are few of them they stand apart.
    intervals = int(bars["ts_event"][-1] - bars["ts_event"][0]) // interval_ns + 1
    return 2 if intervals * 2 <= columns else 1


def _visible(bars: Records, interval_ns: int, columns: int, spread: int) -> tuple[Records, list[int]]:
    newest = int(bars["ts_event"][-1])
    recent = bars[bars["ts_event"] > newest - -(-columns // spread) * interval_ns]
    places = columns - 1 - (newest - recent["ts_event"]) // interval_ns * spread
    return recent.astype(CANDLE, copy=False), places.tolist()


def _scale(bars: Records, newest_e9: int, rows: int, decimals: int) -> _Scale:
    low, high = min(int(bars["low"].min()), newest_e9), max(int(bars["high"].max()), newest_e9)
    step = _nice_step(max((high - low) * 4 // max(rows, 1), 10 ** (PRICE_DECIMALS - decimals)))
    # Whole fractions of a step: the scale then stands still while prices move a little.
    part = max(step // 4, 1)
    return _Scale(low_e9=low // part * part, high_e9=(high // part + 1) * part, halves=rows * 2, step_e9=step)


def _nice_step(at_least_e9: int) -> int:
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power >= at_least_e9:
                return digit * power
        power *= 10


def _labels(scale: _Scale, decimals: int) -> Iterator[tuple[int, tuple[str, str]]]:
    price_e9 = -(-scale.low_e9 // scale.step_e9) * scale.step_e9
    while price_e9 <= scale.high_e9:
        yield scale.half(price_e9) // 2, (format_price(price_e9, decimals), "dim")
        price_e9 += scale.step_e9


class _Grid:
    # Characters and style names of the plot, written in any order and read as rows of runs.
    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.characters = [[" "] * columns for _ in range(rows)]
        self.styles = [[""] * columns for _ in range(rows)]

    def put(self, *, column: int, row: int, character: str, style: str) -> None:
        self.characters[row][column] = character
        self.styles[row][column] = style

    def fill(self, row: int, character: str, style: str) -> None:
        self.characters[row] = [character] * self.columns
        self.styles[row] = [style] * self.columns

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        for characters, styles in zip(self.characters, self.styles, strict=True):
            cells: list[Cell] = []
            at = 0
            for style, run in groupby(styles):
                length = sum(1 for _ in run)
                cells.append(("".join(characters[at : at + length]), style))
                at += length
            yield tuple(cells)


def _draw_lines(grid: _Grid, scale: _Scale, newest_e9: int, glyphs: Glyphs) -> None:
    for row, _label in _labels(scale, 0):
        grid.fill(row, glyphs.dotted, "faint")
    grid.fill(scale.half(newest_e9) // 2, glyphs.dotted, "last_line")


def _draw_candles(grid: _Grid, scale: _Scale, bars: Records, places: list[int], glyphs: Glyphs) -> None:
    for bar, column in zip(bars.tolist(), places, strict=True):
        _start, open_e9, high_e9, low_e9, close_e9, _volume, _trades = bar
        style = "up" if close_e9 >= open_e9 else "down"
        top, bottom = scale.half(high_e9), scale.half(low_e9)
        body_top, body_bottom = scale.half(max(open_e9, close_e9)), scale.half(min(open_e9, close_e9))
        for row in range(top // 2, bottom // 2 + 1):
            upper, lower = (
                2 if body_top <= half <= body_bottom else 1 if top <= half <= bottom else 0
                for half in (2 * row, 2 * row + 1)
            )
            grid.put(column=column, row=row, character=glyphs.candles[3 * upper + lower], style=style)


def _volume_rows(
    bars: Records, places: list[int], columns: int, rows: int, glyphs: Glyphs, edge: str
) -> list[tuple[Cell, ...]]:
    if not rows:
        return []
    grid = _Grid(columns, rows)
    largest = max(int(bars["volume"].max()), 1)
    for bar, column in zip(bars.tolist(), places, strict=True):
        eighths = max(bar[5] * rows * 8 // largest, 1 if bar[5] else 0)
        style = "up_bar" if bar[4] >= bar[1] else "down_bar"
        for row in range(rows):
            level = min(max(eighths - 8 * (rows - 1 - row), 0), 8)
            grid.put(column=column, row=row, character=glyphs.levels[level], style=style if level else "")
    return [
        ((edge, "grid"), *cells, (" vol" if number == 0 else "", "dim")) for number, cells in enumerate(grid.rows())
    ]


def _time_row(focus: Focus, columns: int, spread: int, edge: str) -> tuple[Cell, ...]:
    # A label stands under every twelfth interval counted from the epoch, so that labels wander with their candles.
    newest, interval_ns = int(focus.bars["ts_event"][-1]), focus.interval_ns
    text = [" "] * columns
    length = 5 if interval_ns >= 60 * NS_PER_S else 8
    for column in range(columns - 1, -1, -spread):
        number = (newest - (columns - 1 - column) // spread * interval_ns) // interval_ns
        if number % (_TIME_LABEL_COLUMNS // spread) == 0 and column + length <= columns:
            text[column : column + length] = clock_text(number * interval_ns, decimals=0)[:length]
    return ((edge, "grid"), (fit("".join(text), columns), "dim"))
