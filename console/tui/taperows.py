"""Trades to the rows of the tape. Pure functions over exact integers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from console.tui.amounts import LEAST_WIDTH, amount_text
from console.tui.snapshot import Print
from console.tui.status import Feed
from console.tui.text import Cell, Glyphs, Row, bar_text, clock_text, fit, fit_row, title_row
from core.model.fixedpoint import format_price, format_quantity


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
    price_width = min(max([1, *map(len, prices)]), max(inner - 4, 1))
    amounts = [format_quantity(one.quantity_e8, feed.quantity_decimals) for one in shown]
    natural = max([1, *map(len, amounts)])
    time_decimals, time_width = _time_form(inner - (1 + 2 + price_width + 1), natural)
    head = 1 + time_width + 2 + price_width + 1
    room = max(inner - head, 0)
    whole = len(format_quantity(max([0, *(one.quantity_e8 for one in shown)]), 0))
    decimals = min(feed.quantity_decimals, max(room - whole - 1, min(feed.quantity_decimals, 1)))
    amount_width = min(max([1, *(len(format_quantity(one.quantity_e8, decimals)) for one in shown)]), room)
    mark_width = max(min(inner - head - amount_width - 2, 10), 0)
    largest = max([1, *(one.quantity_e8 for one in shown)])
    rows: list[Row] = []
    for one, whole_price in zip(shown, prices, strict=True):
        price = fit(whole_price, price_width, right=True, ellipsis=glyphs.ellipsis)
        tone, arrow = _SIDES[one.side]
        moment = f"{clock_text(one.ts_event, decimals=time_decimals)} " if time_width else ""
        amount = amount_text(one.quantity_e8, width=amount_width, decimals=decimals, ellipsis=glyphs.ellipsis)
        cells: list[Cell] = [
            (edge, "grid"),
            (f" {moment}", "dim"),
            (f"{getattr(glyphs, arrow) if arrow else ' '} {price} ", tone),
            (amount.rjust(amount_width), "text"),
        ]
        if mark_width > 2:
            # By the root, so that a trade a hundred times smaller still leaves a mark.
            mark = bar_text(math.isqrt(one.quantity_e8), largest=math.isqrt(largest), width=mark_width, glyphs=glyphs)
            cells.append((" " + mark.ljust(mark_width), f"{tone}_bar" if tone != "text" else "dim"))
        rows.append(fit_row(tuple(cells), width))
    blank: Row = ((edge, "grid"), (" " * inner, ""))
    return rows + [blank] * (height - len(rows))


def _time_form(room: int, natural: int) -> tuple[int, int]:
    # The places of a second and the cells of the time: an amount that can be read comes first.
    if room >= 13 + min(natural, 9):
        return 3, 13
    return (0, 9) if room >= 9 + min(natural, LEAST_WIDTH) else (0, 0)


_SIDES = {1: ("up", "up"), -1: ("down", "down"), 0: ("text", "")}
