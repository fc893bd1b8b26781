"""A backtest's result as rows: figures, curves, trades, and what to know of its data. Pure."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final

import attrs

from console.tui.backtest.document import DataFacts, Deal, Result, Series
from console.tui.backtest.figures import figure_rows, money_decimals, number_text, style_of
from console.tui.plot import Curve, Mark, plot_rows
from console.tui.tables import Column, fit_columns, head_row, table_row
from console.tui.text import Cell, Glyphs, Row, clock_text, fit, fit_row, grouped, row_width, short_age, title_row
from core.clock import DAY_NS, NS_PER_S, utc_day

_COLUMNS: Final = (
    Column("entry", "opened", 8),
    Column("side", "side", 5),
    Column("quantity", "quantity", 11, right=True, least=78),
    Column("bought", "in", 10, right=True),
    Column("sold", "out", 10, right=True, least=48),
    Column("held", "held", 4, right=True),
    Column("fees", "fees", 9, right=True, least=92),
    Column("profit", "profit", 11, right=True, grows=True, most=16),
)
_MOST_MARKS: Final = 60


@attrs.frozen
class Heights:
    """How many rows each part of a result has, titles included."""

    figures: int
    price: int
    equity: int
    drawdown: int
    facts: int


def share_heights(height: int, *, price: bool, plots: bool) -> Heights:
    """How `height` rows are shared: small screens have the figures, the equity and a few trades, or all of the trades
    that there is room for without `plots`."""
    figures = 5 if height < 24 else 6 if height < 36 else 8
    facts = 1 if height < 24 else 3 if height < 40 else 5
    left = max(height - figures - facts, 0)
    left -= min(max(left // 3, 4), left) if plots else left
    drawdown = 2 if left < 10 else left // 5
    high = (left - drawdown) // 2 if price and left >= 22 else 0
    equity = max(left - drawdown - high, 0)
    return Heights(figures, high, equity, drawdown if equity else 0, facts)


def result_rows(result: Result, *, plots: bool, top: int, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """At most `height` rows of `width` cells; the list of trades begins with number `top`."""
    above = above_deals(result, plots=plots, width=width, height=height, glyphs=glyphs)
    hint = "h: plots" if not plots else "h: more of them" if result.deals else ""
    below = deal_rows(result, top=top, hint=hint, width=width, height=height - len(above), glyphs=glyphs)
    return [*above, *below][:height]


@lru_cache(maxsize=2)
def above_deals(result: Result, *, plots: bool, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """What stands above the list of trades, and still while that is scrolled: figures, curves, facts."""
    heights = share_heights(height, price=bool(result.series.price), plots=plots)
    rows = figure_rows(result.metrics, width=width, most=heights.figures, glyphs=glyphs)
    # Where figures are few the curves have their room.
    spare = heights.figures - len(rows)
    rows += _curve_rows(result, heights, spare=spare, width=width, glyphs=glyphs)
    return [*rows, *facts_rows(result, room=heights.facts, width=width, glyphs=glyphs)]


def _curve_rows(result: Result, heights: Heights, *, spare: int, width: int, glyphs: Glyphs) -> list[Row]:
    # The price with the trades on it, the equity, and the drawdown below it.
    series = result.series
    rows: list[Row] = []
    if heights.price:
        rows.append(title_row((("Price", "title"), (_legend(glyphs), "dim")), width, glyphs))
        curve = Curve(ts_ns=series.ts_ns, values=series.price, styles=("bid", "bid"), marks=_marks(result, glyphs))
        rows += plot_rows(curve, width=width, height=heights.price - 1, glyphs=glyphs)
    if heights.equity:
        money = f"in {result.currency}" if result.currency else ""
        rows.append(title_row((("Equity", "title"), (money, "dim"), ("drawdown below", "dim")), width, glyphs))
        initial = result.metrics.get("initial")
        rows += equity_rows(
            series, base=None if initial is None else float(initial), equity=heights.equity - 1 + spare,
            drawdown=heights.drawdown, width=width, glyphs=glyphs,
        )  # fmt: skip
    return rows


def equity_rows(
    series: Series, *, base: float | None, equity: int, drawdown: int, width: int, glyphs: Glyphs
) -> list[Row]:
    """The worth of an account over time, above `base` in another colour than below, and how far it is below its
    highest."""
    level = math.nan if base is None else base
    curve = Curve(ts_ns=series.ts_ns, values=series.equity, base=level, styles=("up", "down"))
    rows = plot_rows(curve, width=width, height=equity, glyphs=glyphs)
    under = Curve(ts_ns=series.ts_ns, values=series.drawdown, base=0.0, styles=("down_bar", "down_bar"), filled=True,
                  percent=True)  # fmt: skip
    return rows + plot_rows(under, width=width, height=drawdown, glyphs=glyphs, times=drawdown > 1)


def _legend(glyphs: Glyphs) -> str:
    return f"{glyphs.up} bought {glyphs.down} sold"


def _marks(result: Result, glyphs: Glyphs) -> list[Mark]:
    marks = []
    for deal in result.deals[-_MOST_MARKS:]:
        buys = deal.side == "buy"
        ends = ((deal.entry_ns, deal.entry, buys), (deal.exit_ns, deal.exit, not buys))
        for instant_ns, price, bought in ends[: 1 if deal.open else 2]:
            sign, style = (glyphs.up, "up") if bought else (glyphs.down, "down")
            marks.append(Mark(instant_ns, float(price), sign, style))
    return marks


def facts_rows(result: Result, *, room: int, width: int, glyphs: Glyphs) -> list[Row]:
    """What to know of the data and of the run; warnings first."""
    cells = [*data_cells(result.data, glyphs), (f"took {took_text(result.took_s)}", "dim")]
    cells += [(f"id {result.fingerprint}", "dim")] if result.fingerprint else []
    notes = [fit_row(tuple(part), width) for part in _packed(cells, width)]
    warned: list[Row] = []
    for one in result.warnings:
        parts = textwrap.wrap(f"{glyphs.warning} {one}", max(width - 2, 1))
        warned += [((fit(f" {part}", width), "warn"),) for part in parts]
    if room == 1 and warned:
        count = (
            f"{glyphs.warning} {len(result.warnings)} warning{'s' if len(result.warnings) > 1 else ''}: tab, enter"
        )
        return [fit_row(tuple(part), width) for part in _packed([(count, "warn"), *cells], width)][:1]
    rows = [*notes[: max(room - len(warned), 1)], *warned]
    if len(rows) > room:
        rows[room - 1] = ((fit(f" {glyphs.ellipsis} more: tab, then enter shows all", width), "warn"),)
    return rows[:room]


def data_cells(data: DataFacts, glyphs: Glyphs) -> list[Cell]:
    """The data in a few words each, what is amiss with it marked."""
    cells: list[Cell] = [
        (f"{grouped(data.rows)} ticks", "text"),
        (f"{grouped(data.bars)} bar{'s' if data.bars != 1 else ''}", "text"),
    ]
    if data.gaps:
        cells.append((f"{glyphs.warning} {data.gaps} gap{'s' if data.gaps > 1 else ''}", "warn"))
    if data.synthetic:
        cells.append((f"{data.synthetic:.1%} made up", "warn" if data.synthetic > 0.1 else "dim"))
    cells += [(f"{grouped(data.duplicates)} twice", "dim")] if data.duplicates else []
    cells += [(f"{grouped(data.out_of_order)} late", "dim")] if data.out_of_order else []
    return cells


def _packed(cells: Sequence[Cell], width: int) -> list[list[Cell]]:
    lines: list[list[Cell]] = [[]]
    for text, style in cells:
        if lines[-1] and row_width(tuple(lines[-1])) + len(text) + 2 > width:
            lines.append([])
        lines[-1] += [(f" {text} ", style)]
    return lines


def took_text(duration_s: float) -> str:
    """How long something took."""
    return f"{duration_s * 1000:.0f} ms" if duration_s < 1 else f"{duration_s:.1f} s"


def deal_rows(result: Result, *, top: int, hint: str, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """The trades below a title, beginning with number `top`."""
    if height < 2:
        return []
    count, room = len(result.deals), max(height - 2, 1)
    top = min(top, max(count - room, 0))
    span = f"{top + 1} to {min(top + room, count)} of {grouped(count)}" if count > room else grouped(count)
    rows = [title_row((("Trades", "title"), (span if count else "none", "dim"), (hint, "dim")), width, glyphs)]
    if not count:
        return rows
    columns = fit_columns(_COLUMNS, width)
    rows.append(head_row(columns, width=width, glyphs=glyphs))
    days = result.deals[-1].exit_ns - result.deals[0].entry_ns >= DAY_NS
    shown = result.deals[top : top + room]
    places = _Places(
        money=money_decimals(result.metrics),
        price=max(max(_decimals(deal.entry), _decimals(deal.exit)) for deal in shown),
        quantity=max(_decimals(deal.quantity) for deal in shown),
    )
    for deal in shown:
        cells = _deal_cells(deal, places, days=days, glyphs=glyphs)
        rows.append(table_row(columns, cells, width=width, glyphs=glyphs))
    return rows[:height]


@attrs.frozen(kw_only=True)
class _Places:
    # Digits behind the point, the same in all rows.
    money: int
    price: int
    quantity: int


def _deal_cells(deal: Deal, places: _Places, *, days: bool, glyphs: Glyphs) -> dict[str, Cell]:
    held_s = max(deal.exit_ns - deal.entry_ns, 0) / NS_PER_S
    when = utc_day(deal.entry_ns)[2:] if days else clock_text(deal.entry_ns, decimals=0)
    side = "long" if deal.side == "buy" else "short"

    def plain(value: Decimal, decimals: int) -> str:
        return number_text(value, decimals, signed=False, glyphs=glyphs)

    return {
        "entry": (when, "dim"),
        "side": (side, "bid" if side == "long" else "ask"),
        "quantity": (plain(deal.quantity, places.quantity), "text"),
        "bought": (plain(deal.entry, places.price), "text"),
        "sold": ("open", "dim") if deal.open else (plain(deal.exit, places.price), "text"),
        "held": (short_age(held_s), "dim"),
        "fees": (plain(deal.fees, places.money), "dim"),
        "profit": (number_text(deal.profit, places.money, signed=True, glyphs=glyphs), style_of(deal.profit)),
    }


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return min(max(-exponent, 0), 8) if isinstance(exponent, int) else 0
