"""What the newest records of rings say of symbols: the last price, and whether the book that is shown is crossed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from core.flow.publish import PublishedRing
from core.model.records import F_MAYBE_BAD_BOOK, UNDEF_PRICE, Records, Schema

Shown = dict[str, Any]

NOTHING_SHOWN: Final[Shown] = {"price_e9": None, "crossed": None}
"""What there is to say of a symbol without records."""


def newest_shown(rings: Iterable[PublishedRing]) -> dict[str, Shown]:
    """By symbol, for each that has rings: `price_e9` of its last trade and whether its book is `crossed`, None where
    there is no trade, and no book that may be shown."""
    found: dict[str, Shown] = {}
    for ring in rings:
        row = found.setdefault(ring.instrument.symbol, dict(NOTHING_SHOWN))
        if ring.schema is Schema.TRADES:
            row["price_e9"] = _price_e9(ring.newest())
        elif ring.schema is Schema.BOOK:
            row["crossed"] = _is_crossed(ring.newest())
    return found


def _price_e9(newest: Records) -> int | None:
    if not len(newest):
        return None
    price_e9 = int(newest["price"][0])
    return None if price_e9 == UNDEF_PRICE else price_e9


def _is_crossed(newest: Records) -> bool | None:
    if not len(newest) or int(newest["flags"][0]) & F_MAYBE_BAD_BOOK:
        return None
    bid_e9, ask_e9 = int(newest["bid_px_00"][0]), int(newest["ask_px_00"][0])
    return UNDEF_PRICE not in {bid_e9, ask_e9} and bid_e9 >= ask_e9
