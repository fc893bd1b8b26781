"""Where in a run of prices a level is first reached: what waiting orders are asked again and again. Pure."""

from __future__ import annotations

from typing import Final

from core.bars.ticks import Column

_FIRST: Final = 256
_MOST: Final = 65_536


def first_at_or_below(prices: Column, level: int, *, start: int, end: int) -> int:
    """The number of the first price `<= level` from `start` up to and without `end`; `end` when there is none."""
    size = _FIRST
    while start < end:
        piece = prices[start : min(start + size, end)] <= level
        found = int(piece.argmax())
        if piece[found]:
            return start + found
        start, size = start + len(piece), min(size * 4, _MOST)
    return end


def first_at_or_above(prices: Column, level: int, *, start: int, end: int) -> int:
    """The number of the first price `>= level` from `start` up to and without `end`; `end` when there is none."""
    size = _FIRST
    while start < end:
        piece = prices[start : min(start + size, end)] >= level
        found = int(piece.argmax())
        if piece[found]:
            return start + found
        start, size = start + len(piece), min(size * 4, _MOST)
    return end
