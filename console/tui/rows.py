"""Snapshots to rows of styled text: the board, the ladder and the tape. Pure functions over exact integers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from console.tui.snapshot import Book, Focus, Print, SymbolView
from console.tui.status import Feed
from console.tui.text import Cell, Glyphs, Row, clock_text, fit, fit_row, short_age, short_count, title_row
from core.model.fixedpoint import format_fixed, format_price, format_quantity

STALE_S = 10.0
_QUOTE_MARKS = {"USD": " ", "USDT": "t", "USDC": "c", "EUR": "e", "GBP": "g", "BTC": "b", "": " "}
_OTHER_QUOTE = "*"
CURSOR = "+cursor"
"""Appended to the style names of the row under the cursor."""


def quote_mark(feed: Feed) -> str:
    """One character after a price that tells its currency: none for dollars, `t` for Tether, `*` for the rest."""
    return _QUOTE_MARKS.get(feed.quote.upper(), _OTHER_QUOTE)


def is_stale(view: SymbolView) -> bool:
    """Whether nothing was heard of the instrument for `STALE_S`."""
    return view.age_s is not None and view.age_s >= STALE_S


# -- the board ---------------------------------------------------------------------------------------------------


@attrs.frozen
class Column:
    """One column of the board: its `name` is also the name to sort by; `right` aligned or left."""

    name: str
    head: str
    width: int
    right: bool = True


_SYMBOL, _VENUE, _LAST = (
    Column("symbol", "symbol", 10, right=False),
    Column("venue", "venue", 10, right=False),
    "last",
)
_OPTIONAL = ("chg", "age", "rate", "bid", "ask", "spread")  # in the order in which room is found for them
_ORDER = ("symbol", "venue", "last", "chg", "bid", "ask", "spread", "rate", "age")
SORTS = ("feed", *_ORDER)
"""What the board can be sorted by; `feed` is the engine's own order."""


def board_columns(views: Sequence[SymbolView], width: int) -> tuple[Column, ...]:
    """The columns that fit into `width`: symbol, venue and last always, then change, age, rate, bid, ask, spread."""
    symbol = max([6, *(len(view.key[0]) for view in views)])
    venue = max([5, *(len(view.key[1]) for view in views)])
    price = min(max([9, *(len(_price(view.last_e9, view.feed)) for view in views)]), 14)
    # On a narrow board symbol and venue give way, so that price and change are always there.
    symbol = min(symbol, max(width - (price + 21), 7))
    venue = min(venue, max(width - (symbol + price + 14), 6))
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
    """One instrument. A stale one is dim throughout and marked `~`; direction is an arrow as well as a colour."""
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
    style = "stale" if stale else "text"
    if name == "symbol":
        text, style = view.key[0], "stale" if stale else "symbol"
    elif name == "venue":
        text, style = view.key[1], "stale" if stale else "dim"
    elif name == "chg":
        text, style = _change(view.change_e4, glyphs), style if stale else _sign_style(view.change_e4)
    elif name == "bid":
        text, style = _price(view.bid_e9, feed), style if stale else "bid"
    elif name == "ask":
        text, style = _price(view.ask_e9, feed), style if stale else "ask"
    elif name == "spread":
        text, style = _price(view.spread_e9, feed), style if stale else "dim"
    elif name == "rate":
        text, style = short_count(round(view.rate, 1)) if view.rate else glyphs.minus, style if view.rate else "dim"
    else:
        text = glyphs.minus if view.age_s is None else short_age(view.age_s)
        style = "warn" if stale else "dim"
    return [(fit(text, column.width, right=column.right, ellipsis=glyphs.ellipsis) + " ", style)]


def _last_cells(view: SymbolView, column: Column, stale: bool, glyphs: Glyphs) -> list[Cell]:
    # Only the price flashes and only the arrow and the price change with a tick: small cells keep the output small.
    if stale:
        style, arrow = "stale", "~"
    else:
        tone = {1: "up", -1: "down"}.get(view.direction, "text")
        style = f"flash_{tone}" if view.flash and view.direction else tone
        arrow = {1: glyphs.up, -1: glyphs.down}.get(view.direction, " ")
    text = _price(view.last_e9, view.feed)
    pad = column.width - 2 - len(text)
    if pad < 0:
        text, pad = fit(text, column.width - 2, ellipsis=glyphs.ellipsis), 0
    return [
        (" " * pad, ""),
        (text, style),
        (quote_mark(view.feed), "stale" if stale else "tether"),
        (arrow + " ", style.removeprefix("flash_")),
    ]


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
    """Those whose symbol, venue, quote currency or product contains `pattern`, in any case; `!` inverts."""
    inverted, wanted = pattern.startswith("!"), pattern.removeprefix("!").strip().lower()
    if not wanted:
        return list(views)
    return [view for view in views if (wanted in _searchable(view)) != inverted]


def _searchable(view: SymbolView) -> str:
    return " ".join((*view.key, view.feed.quote, view.feed.product)).lower()


def copy_text(view: SymbolView) -> str:
    """One line of the board as tab-separated text for another program."""
    feed = view.feed
    prices = (_price(price, feed) for price in (view.last_e9, view.bid_e9, view.ask_e9))
    return "\t".join((*view.key, feed.quote, *prices))


# -- the ladder --------------------------------------------------------------------------------------------------


def ladder_rows(focus: Focus | None, *, width: int, height: int, glyphs: Glyphs, edge: str = "") -> list[Row]:
    """The book: asks above, best nearest the middle, bids below, each level with its share of the largest as a bar.

    Exactly `height` rows of `width` cells. A withheld book shows no level at all.
    """
    title = title_row((("Book", "title"),), width, glyphs, edge=edge and glyphs.tee)
    inner = width - len(edge)
    depth = min((height - 2) // 2, 10)
    book = None if focus is None else focus.book
    if focus is None or book is None or book.withheld or not (book.bids or book.asks) or depth < 1:
        return [title, *_empty_ladder(focus, width=width, height=height - 1, edge=edge)]
    feed = focus.view.feed
    layout = _ladder_layout(book, feed, inner, depth)
    asks = _side_rows(book.asks[:depth], "ask", feed, layout, inner, glyphs)
    bids = _side_rows(book.bids[:depth], "bid", feed, layout, inner, glyphs)
    blank: Row = ((" " * inner, ""),)
    body = [blank] * (depth - len(asks)) + asks[::-1] + [_middle_row(book, feed, inner, glyphs)] + bids
    body += [blank] * (height - 1 - len(body))
    return [title, *(((edge, "grid"), *row) for row in body[: height - 1])]


@attrs.frozen(kw_only=True)
class _Ladder:
    price: int
    quantity: int
    total: int
    bar: int
    largest_e8: int
    quantity_decimals: int


def _ladder_layout(book: Book, feed: Feed, width: int, depth: int) -> _Ladder:
    levels = (*book.bids[:depth], *book.asks[:depth])
    price = max(len(format_price(level[0], feed.price_decimals)) for level in levels)
    sums = max(sum(level[1] for level in side[:depth]) for side in (book.bids, book.asks))
    decimals = min(feed.quantity_decimals, 4)
    quantity = max(len(format_quantity(level[1], decimals)) for level in levels)
    while decimals and 1 + price + 1 + quantity > width:
        decimals, quantity = decimals - 1, quantity - 1
    total = len(format_quantity(sums, decimals))
    left = width - (1 + price + 1 + quantity)
    if left < total + 8:
        total = 0
    bar = left - (total + 1 if total else 0) - 2
    return _Ladder(
        price=price,
        quantity=quantity,
        total=total,
        bar=bar if bar >= 4 else 0,
        largest_e8=max(level[1] for level in levels),
        quantity_decimals=decimals,
    )


def _side_rows(
    levels: Sequence[tuple[int, int]], side: str, feed: Feed, layout: _Ladder, width: int, glyphs: Glyphs
) -> list[Row]:
    rows: list[Row] = []
    sum_e8 = 0
    for price_e9, quantity_e8 in levels:
        sum_e8 += quantity_e8
        price = format_price(price_e9, feed.price_decimals)
        quantity = format_quantity(quantity_e8, layout.quantity_decimals)
        cells: list[Cell] = [(" " + price.rjust(layout.price) + " ", side)]
        cells.append((fit(quantity, layout.quantity, right=True, ellipsis=glyphs.ellipsis), "text"))
        if layout.total:
            cells.append((" " + format_quantity(sum_e8, layout.quantity_decimals).rjust(layout.total), "dim"))
        if layout.bar:
            bar = bar_text(quantity_e8, layout.largest_e8, layout.bar, glyphs)
            cells.append((" " + bar.ljust(layout.bar + 1), f"{side}_bar"))
        row = tuple(cells)
        rows.append(row if layout.bar else _filled(row, quantity_e8, layout, width, f"{side}_fill"))
    return rows


def _filled(row: Row, quantity_e8: int, layout: _Ladder, width: int, style: str) -> Row:
    # Where there is no room for a bar beside the figures it is the ground behind the quantity, from the right.
    filled = -(-quantity_e8 * (layout.quantity + 1) // layout.largest_e8)
    text = "".join(cell[0] for cell in row).ljust(width)[:width]
    head = width - min(filled, width)
    price_end = min(len(row[0][0]), head)
    return ((text[:price_end], row[0][1]), (text[price_end:head], "text"), (text[head:], style))


def bar_text(value: int, largest: int, width: int, glyphs: Glyphs) -> str:
    """A bar of at most `width` cells, in eighths of a cell; anything above nothing is at least one eighth."""
    if value <= 0 or largest <= 0:
        return ""
    eighths = max(min(value * width * 8 // largest, width * 8), 1)
    return (glyphs.ramps[8] * (eighths // 8) + glyphs.ramps[eighths % 8]).rstrip()


def _middle_row(book: Book, feed: Feed, width: int, glyphs: Glyphs) -> Row:
    if not book.bids or not book.asks:
        return ((fit(" one side only", width), "warn"),)
    bid_e9, ask_e9 = book.bids[0][0], book.asks[0][0]
    spread_e9, middle_e9 = ask_e9 - bid_e9, (bid_e9 + ask_e9) // 2
    if spread_e9 < 0:
        return ((fit(" crossed", width), "warn"),)
    points = format_fixed(spread_e9 * 1_000_000 // middle_e9, 2, 2) if middle_e9 > 0 else "?"
    spread = format_price(spread_e9, feed.price_decimals)
    middle = format_price(middle_e9, min(feed.price_decimals + 1, 9))
    for text in (f"mid {middle}  spread {spread} = {points} bp", f"{middle}  {points} bp", f"{points} bp"):
        if len(text) + 4 <= width:
            break
    tail = glyphs.dotted * max(width - len(text) - 4, 0)
    return fit_row(((f"{glyphs.dotted} ", "grid"), (text, "title"), (f" {tail}", "grid")), width)


def _empty_ladder(focus: Focus | None, *, width: int, height: int, edge: str) -> list[Row]:
    inner = width - len(edge)
    lines: list[Cell] = []
    if focus is not None:
        feed = focus.view.feed
        withheld = feed.book_state == "withheld" or (focus.book is not None and focus.book.withheld)
        if withheld:
            lines = [("book withheld", "alert"), ("until a fresh one checks", "dim")]
            lines += [(feed.problem, "warn")] if feed.problem else []
        else:
            lines = [("waiting for the book", "dim")]
    rows: list[Row] = [((edge, "grid"), (" " * inner, ""))] * max(height, 0)
    top = max((height - len(lines)) // 2, 0)
    for number, (text, style) in enumerate(lines[:height]):
        rows[top + number] = fit_row(((edge, "grid"), (fit(text, inner - 1).strip().center(inner), style)), width)
    return rows


# -- the tape ----------------------------------------------------------------------------------------------------


def tape_title(*, width: int, glyphs: Glyphs, behind: int | None, edge: str = "") -> Row:
    """The head of the tape; `behind` is None while it runs, else how many trades came since it was paused."""
    paused = "" if behind is None else f"paused, +{behind} behind"
    return title_row((("Tape", "title"), (paused, "warn")), width, glyphs, edge=edge and glyphs.cross)


def tape_rows(
    prints: Sequence[Print], feed: Feed, *, width: int, height: int, glyphs: Glyphs, edge: str = ""
) -> list[Row]:
    """The newest trades first: UTC time, arrow of the aggressor, price, quantity, and a mark of its size.

    Exactly `height` rows of `width` cells.
    """
    shown = prints[: max(height, 0)]
    inner = width - len(edge)
    prices = [format_price(one.price_e9, feed.price_decimals) for one in shown]
    price_width = max([1, *map(len, prices)])
    time_decimals = 3 if inner >= 1 + 12 + 3 + price_width + 9 else 0
    head = 1 + (12 if time_decimals else 8) + 3 + price_width + 1
    room = max(inner - head, 0)
    whole = len(format_quantity(max([0, *(one.quantity_e8 for one in shown)]), 0))
    decimals = min(feed.quantity_decimals, max(room - whole - 1, 0))
    amounts = [format_quantity(one.quantity_e8, decimals) for one in shown]
    amount_width = min(max([1, *map(len, amounts)]), room)
    mark_width = max(min(inner - head - amount_width - 2, 10), 0)
    largest = max([1, *(one.quantity_e8 for one in shown)])
    rows: list[Row] = []
    for one, price, amount in zip(shown, prices, amounts, strict=True):
        tone, arrow = _SIDES[one.side]
        cells: list[Cell] = [
            (edge, "grid"),
            (f" {clock_text(one.ts_event, decimals=time_decimals)} ", "dim"),
            (f"{getattr(glyphs, arrow) if arrow else ' '} {price.rjust(price_width)} ", tone),
            (fit(amount, amount_width, right=True, ellipsis=glyphs.ellipsis), "text"),
        ]
        if mark_width > 2:
            # By the root, so that a trade a hundred times smaller still leaves a mark.
            mark = bar_text(math.isqrt(one.quantity_e8), math.isqrt(largest), mark_width, glyphs)
            cells.append((" " + mark.ljust(mark_width), f"{tone}_bar" if tone != "text" else "dim"))
        rows.append(fit_row(tuple(cells), width))
    blank: Row = ((edge, "grid"), (" " * inner, ""))
    return rows + [blank] * (height - len(rows))


_SIDES = {1: ("up", "up"), -1: ("down", "down"), 0: ("text", "")}
