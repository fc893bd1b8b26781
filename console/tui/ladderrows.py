"""A book to the rows of the ladder. Pure functions over exact integers."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from console.tui.amounts import LEAST_WIDTH, amount_text
from console.tui.healthwords import health_word, is_unwell
from console.tui.snapshot import Book, Focus
from console.tui.status import ENDED, Feed
from console.tui.text import Cell, Glyphs, Row, bar_text, fit, fit_row, title_row
from core.model.fixedpoint import format_fixed, format_price, format_quantity


def ladder_rows(focus: Focus | None, *, width: int, height: int, glyphs: Glyphs, edge: str = "") -> list[Row]:
    """The book: asks above, best nearest the middle, bids below, each level with its share of the largest as a bar.

    Exactly `height` rows of `width` cells. A withheld book shows no level at all; one that may be old, no colours.
    """
    state: Cell = ("", "") if focus is None else health_word(focus.view.feed, glyphs)
    title = title_row((("Book", "title"), state), width, glyphs, edge=edge and glyphs.tee)
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
    body = [_faded(row) for row in body] if is_unwell(feed) else body
    return [title, *(((edge, "grid"), *row) for row in body[: height - 1])]


def _faded(row: Row) -> Row:
    # Last known prices must never look like living ones.
    return tuple((text, "faint" if style.endswith("_bar") else "stale") for text, style in row)


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
    price = min(max(len(format_price(level[0], feed.price_decimals)) for level in levels), max(width - 2, 0))
    sums = max(sum(level[1] for level in side[:depth]) for side in (book.bids, book.asks))
    decimals = min(feed.quantity_decimals, 4)
    quantity = max(len(format_quantity(level[1], decimals)) for level in levels)
    while decimals > 1 and 1 + price + 1 + quantity > width:
        decimals, quantity = decimals - 1, quantity - 1
    quantity = min(quantity, width - (1 + price + 1))
    if quantity < min(LEAST_WIDTH, max(len(format_quantity(level[1], decimals)) for level in levels)):
        quantity = 0  # too narrow for a figure that can be read: the bars alone tell the sizes
    total = len(format_quantity(sums, decimals)) if quantity else width
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
        price = fit(format_price(price_e9, feed.price_decimals), layout.price, right=True, ellipsis=glyphs.ellipsis)
        cells: list[Cell] = [(f" {price} ", side)]
        cells.append((_amount(quantity_e8, layout.quantity, layout, glyphs), "text"))
        if layout.total:
            cells.append((" " + _amount(sum_e8, layout.total, layout, glyphs), "dim"))
        if layout.bar:
            bar = bar_text(quantity_e8, largest=layout.largest_e8, width=layout.bar, glyphs=glyphs)
            cells.append((" " + bar.ljust(layout.bar + 1), f"{side}_bar"))
        row = tuple(cells)
        rows.append(row if layout.bar else _filled(row, quantity_e8, layout, width, f"{side}_fill"))
    return rows


def _amount(quantity_e8: int, width: int, layout: _Ladder, glyphs: Glyphs) -> str:
    decimals = layout.quantity_decimals
    return amount_text(quantity_e8, width=width, decimals=decimals, ellipsis=glyphs.ellipsis).rjust(width)


def _filled(row: Row, quantity_e8: int, layout: _Ladder, width: int, style: str) -> Row:
    # Where there is no room for a bar beside the figures it is the ground behind the quantity, from the right.
    filled = -(-quantity_e8 * (layout.quantity + 1) // layout.largest_e8)
    text = "".join(cell[0] for cell in row).ljust(width)[:width]
    head = width - min(filled, width)
    price_end = min(len(row[0][0]), head)
    return ((text[:price_end], row[0][1]), (text[price_end:head], "text"), (text[head:], style))


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
        if feed.book_state == ENDED:
            lines = [("recording ended", "dim")]
        elif withheld:
            lines = [("book withheld", "alert"), ("until a fresh one checks", "dim")]
            lines += [(feed.problem, "warn")] if feed.problem else []
        else:
            lines = [("waiting for the book", "dim")]
    rows: list[Row] = [((edge, "grid"), (" " * inner, ""))] * max(height, 0)
    top = max((height - len(lines)) // 2, 0)
    for number, (text, style) in enumerate(lines[:height]):
        rows[top + number] = fit_row(((edge, "grid"), (fit(text, inner - 1).strip().center(inner), style)), width)
    return rows
