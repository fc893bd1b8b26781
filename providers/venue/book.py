"""An L2 book: what is bid and asked at each price, and the best of it at once. It knows no venue and no clock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from core.model.records import BUY

Levels = tuple[Sequence[int], Sequence[int]]
"""Prices (1e-9) and the quantities (1e-8) at them, best first; not to be changed."""


class BookSide:
    """One side of a book, best level last inside and best level first in every answer.

    Prices and quantities are two lists in one order: almost everything happens near the best price, which is
    their end, so that inserting and deleting move a few words even when the side holds thousands of levels, and
    the best levels are a slice.
    """

    __slots__ = ("_keys", "_quantities_e8", "_sign", "_top", "_top_count")

    def __init__(self, *, sign: int) -> None:
        # A key is price * sign, so that the greatest key is the best price on either side.
        self._sign = sign
        self._keys: list[int] = []
        self._quantities_e8: list[int] = []
        self._top: Levels | None = None
        self._top_count = 0

    def __len__(self) -> int:
        return len(self._keys)

    def apply(self, price_e9: int, quantity_e8: int) -> None:
        """Set the quantity at a price; 0 deletes it, known or not."""
        key = price_e9 * self._sign
        keys = self._keys
        self._top = None
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            if quantity_e8:
                self._quantities_e8[at] = quantity_e8
            else:
                del keys[at], self._quantities_e8[at]
        elif quantity_e8:
            keys.insert(at, key)
            self._quantities_e8.insert(at, quantity_e8)

    def truncate(self, depth: int) -> None:
        """Drop all but the best `depth` levels."""
        surplus = len(self._keys) - depth
        if surplus > 0:
            self._top = None
            del self._keys[:surplus], self._quantities_e8[:surplus]

    def clear(self) -> None:
        """Drop every level."""
        self._keys.clear()
        self._quantities_e8.clear()
        self._top = None

    def best_price_e9(self) -> int | None:
        """The best price, or None when the side is empty."""
        return self._keys[-1] * self._sign if self._keys else None

    def reaches(self, price_e9: int, count: int) -> bool:
        """Whether `price_e9` is among the best `count` levels, or would be; `count` is above 0."""
        return len(self._keys) < count or price_e9 * self._sign >= self._keys[-count]

    def top(self, count: int) -> Levels:
        """At most `count` levels, best first; the same object until the side changes."""
        if self._top is None or self._top_count != count:
            keys = self._keys[: -count - 1 : -1]
            prices_e9 = keys if self._sign > 0 else [-key for key in keys]
            self._top = prices_e9, self._quantities_e8[: -count - 1 : -1]
            self._top_count = count
        return self._top


class Book:
    """Both sides of one symbol's book. Prices at 1e-9, quantities at 1e-8."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(sign=1)
        self.asks = BookSide(sign=-1)

    def apply(self, side: bytes, price_e9: int, quantity_e8: int) -> None:
        """Set the quantity at a price of the `BUY` or the `SELL` side; 0 deletes it, known or not."""
        (self.bids if side == BUY else self.asks).apply(price_e9, quantity_e8)

    def truncate(self, depth: int) -> None:
        """Drop all but the best `depth` levels of each side."""
        self.bids.truncate(depth)
        self.asks.truncate(depth)

    def clear(self) -> None:
        """Drop every level of both sides."""
        self.bids.clear()
        self.asks.clear()

    @property
    def crossed(self) -> bool:
        """Whether somebody bids what somebody asks, or more: no market stands like that."""
        bid_e9, ask_e9 = self.bids.best_price_e9(), self.asks.best_price_e9()
        return bid_e9 is not None and ask_e9 is not None and bid_e9 >= ask_e9
