"""Snapshots to the rows of the board, its order and its filter. Pure functions over exact integers."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from console.tui.healthwords import health_cell, is_unwell
from console.tui.snapshot import SymbolView
from console.tui.status import Feed
from console.tui.text import CURSOR, Cell, Glyphs, Row, fit, fit_row, short_age, short_count, title_row
from core.model.fixedpoint import format_fixed, format_price

STALE_S = 10.0
_QUOTE_MARKS = {"USD": " ", "USDT": "t", "USDC": "c", "EUR": "e", "GBP": "g", "BTC": "b", "": " "}
_OTHER_QUOTE = "*"


def quote_mark(feed: Feed) -> str:
    """One character after a price that tells its currency: none for dollars, `t` for Tether, `*` for the rest."""
    return _QUOTE_MARKS.get(feed.quote.upper(), _OTHER_QUOTE)


def is_stale(view: SymbolView) -> bool:
    """Whether the engine says that what is shown may be old or wrong; where it says nothing, whether nothing came of
    the instrument for `STALE_S`."""
    if view.feed.health:
        return is_unwell(view.feed)
    return view.age_s is not None and view.age_s >= STALE_S


@attrs.frozen
class Column:
    """One column of the board: its `name` is also the name to sort by; `right` aligned or left."""

    name: str
    head: str
    width: int
    right: bool = True


_LAST = "last"
_OPTIONAL = ("chg", "bid", "ask", "rate", "age", "spread")  # in the order in which room is found for them
_ORDER = ("symbol", "venue", "last", "chg", "bid", "ask", "rate", "age", "spread")
SORTS = ("feed", *_ORDER)
"""What the board can be sorted by; `feed` is the engine's own order."""


def board_columns(views: Sequence[SymbolView], width: int) -> tuple[Column, ...]:
    """The columns that fit into `width`: symbol, venue and last always, then change, bid and ask, rate,
    age, spread. The venue is shortened before a quote is left out."""
    symbol = max([6, *(len(view.key[0]) for view in views)])
    venue = max([5, *(len(view.key[1]) for view in views)])
    price = min(max([9, *(len(_price(view.last_e9, view.feed)) for view in views)]), 14)
    # On a narrow board symbol and venue give way, so that price and change are always there.
    symbol = min(symbol, max(width - (price + 21), 7))
    venue = min(venue, max(width - (symbol + price + 14), 6))
    quoted = width - (symbol + 3 * price + 16)  # what change, bid and ask leave for the venue
    venue = min(venue, quoted) if quoted >= 4 else venue
    sizes = {
        "symbol": symbol, "venue": venue, "last": price + 2, "chg": 7, "bid": price, "ask": price,
        "spread": max([6, *(len(_price(view.spread_e9, view.feed)) for view in views)]),
        "rate": 4, "age": 4,
    }  # fmt: skip
    heads = {"chg": "chg%", "rate": "t/s"}
    chosen = {"symbol", "venue", "last"}
    used = 1 + sum(sizes[name] + 1 for name in chosen)
    for name in _OPTIONAL:
        if used + sizes[name] + 1 > width or (name == "ask" and "bid" not in chosen):
            continue
        if name == "bid" and used + 2 * (price + 1) > width:
            continue
        chosen.add(name)
        used += sizes[name] + 1
    # What is left over goes to the air between the columns, to the widest first.
    spare = max(width - used, 0) // len(chosen)
    return tuple(
        Column(name, heads.get(name, name), sizes[name] + min(spare, 3), right=name not in ("symbol", "venue"))
        for name in _ORDER
        if name in chosen
    )


def board_title(*, shown: int, total: int, sort: str, reverse: bool, pattern: str, width: int, glyphs: Glyphs) -> Row:
    """The head of the board: how many rows, sorted by what, filtered by what."""
    count = f"{shown} of {total}" if shown != total else f"{total}"
    order = "" if sort == "feed" else f"by {sort} {glyphs.down if reverse else glyphs.up}"
    parts = (("Board", "title"), (count, "dim"), (order, "dim"), (f"/{pattern}" if pattern else "", "accent"))
    return title_row(parts, width, glyphs)


def board_head(columns: Sequence[Column], *, sort: str, width: int) -> Row:
    """The names of the columns, the one sorted by in the accent colour."""
    cells: list[Cell] = [(" ", "head")]
    for column in columns:
        style = "accent" if column.name == sort else "head"
        # The last price is followed by its mark and its arrow, its head stands above the figures.
        text = column.head + "  " if column.name == _LAST else column.head
        cells.append((fit(text, column.width, right=column.right) + " ", style))
    return fit_row(tuple(cells), width, "head")


def board_row(
    view: SymbolView, columns: Sequence[Column], *, width: int, cursor: bool, focused: bool, glyphs: Glyphs
) -> Row:
    """One instrument. Direction is an arrow as well as a colour; a quiet one has its sign in the arrow's place, and a
    stale or broken one is dim throughout."""
    marker = glyphs.cursor if cursor else glyphs.focus if focused else " "
    stale = is_stale(view)
    cells: list[Cell] = [(marker, "accent")]
    for column in columns:
        cells += _board_cells(view, column, stale, glyphs)
    if focused:
        cells[1] = (cells[1][0], "accent")
    if cursor:
        cells = [(text, style + CURSOR) for text, style in cells]
    return fit_row(tuple(cells), width, CURSOR if cursor else "")


def _board_cells(view: SymbolView, column: Column, stale: bool, glyphs: Glyphs) -> list[Cell]:
    name, feed = column.name, view.feed
    if name == _LAST:
        return _last_cells(view, column, stale, glyphs)
    quiet = feed.health == "quiet"
    style = "stale" if stale else "dim" if quiet else "text"
    if name == "symbol":
        text, style = view.key[0], "stale" if stale else "symbol"
    elif name == "venue":
        text, style = view.key[1], "stale" if stale else "dim"
    elif name == "chg":
        text, style = _change(view.change_e4, glyphs), style if stale else _sign_style(view.change_e4)
    elif name == "bid":
        text, style = _price(view.bid_e9, feed), style if stale or quiet else "bid"
    elif name == "ask":
        text, style = _price(view.ask_e9, feed), style if stale or quiet else "ask"
    elif name == "spread":
        text, style = _price(view.spread_e9, feed), style if stale else "dim"
    elif name == "rate":
        text, style = short_count(round(view.rate, 1)) if view.rate else glyphs.minus, style if view.rate else "dim"
    else:
        text = glyphs.minus if view.age_s is None else short_age(view.age_s)
        style = _sign(view, glyphs)[1] if stale else "dim"
    return [(fit(text, column.width, right=column.right, ellipsis=glyphs.ellipsis) + " ", style)]


def _last_cells(view: SymbolView, column: Column, stale: bool, glyphs: Glyphs) -> list[Cell]:
    # Only the price flashes and only the arrow and the price change with a tick: small cells keep the output small.
    arrow, arrow_style = _sign(view, glyphs)
    if stale:
        style = "stale"
    elif view.feed.health == "quiet" and not view.direction:
        style = "dim"
    else:
        tone = {1: "up", -1: "down"}.get(view.direction, "text")
        style = f"flash_{tone}" if view.flash and view.direction else tone
        arrow, arrow_style = {1: glyphs.up, -1: glyphs.down}.get(view.direction, " "), tone
    text = _price(view.last_e9, view.feed)
    pad = column.width - 2 - len(text)
    if pad < 0:
        text, pad = fit(text, column.width - 2, ellipsis=glyphs.ellipsis), 0
    return [
        (" " * pad, ""),
        (text, style),
        (quote_mark(view.feed), "stale" if stale else "tether"),
        (arrow + " ", arrow_style),
    ]


def _sign(view: SymbolView, glyphs: Glyphs) -> Cell:
    # Of an engine that says nothing of health, old is told by age alone.
    return health_cell(view.feed, glyphs) if view.feed.health else ("~", "warn")


def _price(price_e9: int | None, feed: Feed) -> str:
    return "" if price_e9 is None else format_price(price_e9, feed.price_decimals)


def _change(change_e4: int | None, glyphs: Glyphs) -> str:
    if change_e4 is None:
        return ""
    sign = "+" if change_e4 > 0 else glyphs.minus if change_e4 < 0 else " "
    return sign + format_fixed(abs(change_e4), 2, 2)


def _sign_style(value: int | None) -> str:
    return "up" if (value or 0) > 0 else "down" if (value or 0) < 0 else "dim"


def sort_views(views: Sequence[SymbolView], sort: str, *, reverse: bool) -> list[SymbolView]:
    """`views` by one of `SORTS`; those without a value come last either way."""
    if sort == "feed":
        return list(reversed(views)) if reverse else list(views)
    known = [(value, view) for view in views if (value := _sort_value(view, sort)) is not None]
    unknown = [view for view in views if _sort_value(view, sort) is None]
    known.sort(key=lambda pair: (pair[0], pair[1].key), reverse=reverse)
    return [view for _value, view in known] + unknown


def _sort_value(view: SymbolView, sort: str) -> str | int | float | None:
    return {
        "symbol": view.key[0], "venue": view.key[1], "last": view.last_e9, "chg": view.change_e4,
        "bid": view.bid_e9, "ask": view.ask_e9, "spread": view.spread_e9, "rate": view.rate, "age": view.age_s,
    }[sort]  # fmt: skip


def filter_views(views: Sequence[SymbolView], pattern: str) -> list[SymbolView]:
    """Those whose symbol, venue, quote currency, product or health contains `pattern`, in any case; `!` inverts."""
    inverted, wanted = pattern.startswith("!"), pattern.removeprefix("!").strip().lower()
    if not wanted:
        return list(views)
    return [view for view in views if (wanted in _searchable(view)) != inverted]


def _searchable(view: SymbolView) -> str:
    return " ".join((*view.key, view.feed.quote, view.feed.product, view.feed.health)).lower()


def copy_text(view: SymbolView) -> str:
    """One line of the board as tab-separated text for another program: symbol, venue, currency, last, change in per
    cent, bid, ask, trades a second. What is not known is empty."""
    feed = view.feed
    last, bid, ask = (_price(price, feed) for price in (view.last_e9, view.bid_e9, view.ask_e9))
    change = "" if view.change_e4 is None else format_fixed(view.change_e4, 2, 2)
    return "\t".join((*view.key, feed.quote, last, change, bid, ask, f"{view.rate:.1f}"))
