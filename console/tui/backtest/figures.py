"""The figures of a backtest in words: each with its name, its unit, and the sign that its colour repeats. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal

import attrs

from console.tui.text import Cell, Glyphs, Row, fit, fit_row, short_age

Kind = Literal["money", "share", "ratio", "count", "time"]
Metrics = Mapping[str, Decimal | None]


@attrs.frozen
class Figure:
    """One figure: its name in a document, its label, what kind of number it is; `signed` ones are better the higher
    they are above 0."""

    name: str
    label: str
    kind: Kind
    signed: bool = False


FIGURES: Final = (
    Figure("total_return", "total return", "share", signed=True),
    Figure("final", "ended with", "money"),
    Figure("sharpe", "Sharpe", "ratio", signed=True),
    Figure("max_drawdown", "max drawdown", "share", signed=True),
    Figure("trades", "trades", "count"),
    Figure("win_rate", "win rate", "share"),
    Figure("profit_factor", "profit factor", "ratio"),
    Figure("fees", "fees", "money"),
    Figure("sortino", "Sortino", "ratio", signed=True),
    Figure("average_trade", "average trade", "money", signed=True),
    Figure("exposure", "time in position", "share"),
    Figure("annual_return", "annual return", "share", signed=True),
    Figure("best_trade", "best trade", "money", signed=True),
    Figure("worst_trade", "worst trade", "money", signed=True),
    Figure("realised", "realised", "money", signed=True),
    Figure("unrealised", "unrealised", "money", signed=True),
    Figure("max_drawdown_s", "longest drawdown", "time"),
    Figure("volatility", "volatility", "share"),
    Figure("turnover", "turnover", "money"),
    Figure("initial", "began with", "money"),
    Figure("orders", "orders", "count"),
    Figure("rejected", "refused orders", "count"),
    Figure("fills", "fills", "count"),
    Figure("return_interval_s", "returns taken over", "time"),
)
"""In the order of what matters most: where there is little room the last ones are left out. Labels are those that the
command prints."""
BY_NAME: Final = {one.name: one for one in FIGURES}
_DRAWDOWN: Final = "max_drawdown"


def money_decimals(metrics: Metrics) -> int:
    """The places that an amount is shown with: two where accounts hold thousands, eight where they hold bitcoin."""
    initial = metrics.get("initial")
    return 2 if initial is None or abs(initial) >= 1000 else 4 if abs(initial) >= 50 else 8


def number_text(value: Decimal, decimals: int, *, signed: bool, glyphs: Glyphs) -> str:
    """`value` with so many places, its thousands apart; a plus where it is `signed` and above 0."""
    text = f"{abs(value):,.{decimals}f}".replace(",", " ")
    sign = glyphs.minus if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}{text}" if any(digit in text for digit in "123456789") else text


def figure_cell(figure: Figure, metrics: Metrics, glyphs: Glyphs) -> Cell:
    """A figure's text and style; a dash where it is not defined."""
    value = metrics.get(figure.name)
    if value is None:
        return glyphs.dash, "dim"
    if figure.name == _DRAWDOWN:  # however it is told, it is a loss
        value = -abs(value)
    text = _text(figure, value, money_decimals(metrics), glyphs)
    if figure.name == "rejected" and value > 0:
        return text, "warn"
    return text, style_of(value) if figure.signed else "symbol"


def style_of(value: Decimal) -> str:
    """Green above 0, red below."""
    return "up" if value > 0 else "down" if value < 0 else "symbol"


def _text(figure: Figure, value: Decimal, decimals: int, glyphs: Glyphs) -> str:
    if figure.kind == "share":
        return number_text(value * 100, 2, signed=figure.signed, glyphs=glyphs) + " %"
    if figure.kind == "ratio":
        return number_text(value, 2, signed=figure.signed, glyphs=glyphs)
    if figure.kind == "count":
        return number_text(value, 0, signed=False, glyphs=glyphs)
    if figure.kind == "time":
        return short_age(float(min(value, Decimal(10**9))))
    return number_text(value, decimals, signed=figure.signed, glyphs=glyphs)


def figure_rows(
    metrics: Metrics, figures: Sequence[Figure] = FIGURES, *, width: int, most: int, glyphs: Glyphs
) -> list[Row]:
    """At most `most` rows of figures in as many columns as there is room for, read down before across."""
    columns = max(min(width // 26, 4), 2 if width >= 44 else 1)
    shown = [one for one in figures if one.name in metrics][: columns * most]
    lines = -(-len(shown) // columns)
    each = width // columns
    apart = " " if each > 22 else ""
    rows = []
    for line in range(lines):
        cells: list[Cell] = []
        for one in shown[line::lines]:
            text, style = figure_cell(one, metrics, glyphs)
            room = max(each - 2 - len(apart) - len(text), 0)
            label = fit(one.label, room, ellipsis=glyphs.ellipsis)
            cells += [(" ", ""), (label, "dim"), (" ", ""), (text[: each - 2], style), (apart, "")]
        rows.append(fit_row(tuple(cells), width))
    return rows
