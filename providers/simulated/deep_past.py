"""The long past of a generated market: trades and bars at any instant since 2020, a function of seed and name only.

Nothing is stored: whether there is a trade is a hash of its place in time, its price lies on a path through hashed
heights, so that any piece of the past can be drawn alone and every process draws the same. Times are milliseconds.
Pure.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from core.clock import DAY_NS, NS_PER_MS
from providers.simulated.universe import Listing

BEGINS_MS: Final = 1_577_836_800_000
"""2020-01-01: nothing was traded before."""
HOUR_MS: Final = 3_600_000
DAY_MS: Final = DAY_NS // NS_PER_MS

_LARGEST_LOTS: Final = 4096
_SHARE: Final = 0.7  # of the cells that hold a trade, on average
_MOOD_MS: Final = 300_000  # for which a market is as busy or calm
_GRID_MS: Final = 20_000
# How far the price swings (as a share of where the listing begins), and how long it takes; the shortest is the grid.
_SWINGS: Final = (
    (0.06, 45 * DAY_MS), (0.03, 7 * DAY_MS), (0.015, DAY_MS), (0.005, 3 * HOUR_MS), (0.002, HOUR_MS // 3),
    (0.0008, 180_000), (0.0003, _GRID_MS),
)  # fmt: skip
_BUSY_CELL_MS: Final = 5000
_HOURS_KEPT: Final = 100_000

Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_Bits = npt.NDArray[np.uint64]
_Instant = TypeVar("_Instant", int, Ints)

BAR: Final = np.dtype([(name, "<i8") for name in (
    "begin_ms", "open", "high", "low", "close", "lots", "turnover", "bought", "bought_turnover", "contracts",
    "trades",
)])  # fmt: skip
"""A bar. Prices are in ticks, `lots` and `bought` (what takers bought) in lots, both turnovers in ticks times lots,
`contracts` in whole ones of an inverse product."""
_SUMS: Final = ("lots", "turnover", "bought", "bought_turnover", "contracts", "trades")
Bars = npt.NDArray[np.void]


class DeepTrade(NamedTuple):
    """One trade: its instant, which is its number as well, the taker's side, and price and quantity as the listing
    counts them. No two of a market share an instant."""

    at_ms: int
    buy: bool
    ticks: int
    units: int


class Drawn(NamedTuple):
    """Trades as columns in the order of time, all int64; `buy` is 1 where the taker bought, else 0."""

    at_ms: Ints
    ticks: Ints
    lots: Ints
    buy: Ints


class DeepPast:
    """The past of `listing` from `BEGINS_MS` until `end_ms`. Every range is given as [start_ms, end_ms).

    On average there are at most `most_a_s` trades a second, and none is of more than `largest_units`.
    """

    def __init__(
        self,
        listing: Listing,
        *,
        seed: int,
        end_ms: int,
        most_a_s: float = 0.5,
        largest_units: int = 2**62,
    ) -> None:
        self.end_ms = end_ms
        self.lot_units = max(1, min(listing.typical_units // 1000, largest_units // _LARGEST_LOTS))
        self.listing = listing
        keys = hashlib.blake2b(f"{seed}/{listing.symbol}/past".encode(), digest_size=64).digest()
        # One key for the trades, one for their moods, one for all swings.
        self._trade_key, self._mood_key, self._swing_key = (
            np.uint64(int.from_bytes(keys[at : at + 8], "little")) for at in (0, 8, 16)
        )
        pace = min(most_a_s, 0.09 * math.sqrt(listing.changes_per_s))
        self._cell_ms = round(1000 * _SHARE / pace)
        # Of a busy market so much that its arrays stay in the processor's caches.
        self._piece_ms = 3 * HOUR_MS if self._cell_ms < _BUSY_CELL_MS else DAY_MS
        self._spread = max(1, min(5, listing.start_ticks // 20_000))
        self._dollar = int(10 ** (listing.price_decimals + listing.quantity_decimals))
        self._hours: dict[int, Bars] = {}

    def trades_from(self, at_ms: int, count: int) -> list[DeepTrade]:
        """The first `count` trades from an instant on, oldest first."""
        found: list[DeepTrade] = []
        begin_ms = max(at_ms, BEGINS_MS)
        while len(found) < count and begin_ms < self.end_ms:
            end_ms = min(begin_ms + 2 * (count - len(found)) * self._cell_ms, self.end_ms)
            found += self._told(begin_ms, end_ms)
            begin_ms = end_ms
        return found[:count]

    def trades_before(self, at_ms: int, count: int) -> list[DeepTrade]:
        """The last `count` trades before an instant, oldest first."""
        found: list[DeepTrade] = []
        end_ms = min(at_ms, self.end_ms)
        while len(found) < count and end_ms > BEGINS_MS:
            begin_ms = max(end_ms - 2 * (count - len(found)) * self._cell_ms, BEGINS_MS)
            found = self._told(begin_ms, end_ms) + found
            end_ms = begin_ms
        return found[-count:] if count else []

    def trades(self, start_ms: int, end_ms: int) -> Iterator[Drawn]:
        """The trades of a range, piece by piece: those of a long one at once would take a lot of memory."""
        start_ms, end_ms = max(start_ms, BEGINS_MS), min(end_ms, self.end_ms)
        for piece_ms in range(start_ms - start_ms % self._piece_ms, end_ms, self._piece_ms):
            yield self._drawn(max(start_ms, piece_ms), min(end_ms, piece_ms + self._piece_ms))

    def bars(self, start_ms: int, end_ms: int, count: int, *, interval_ms: int, offset_ms: int = 0) -> Bars:
        """The first `count` bars that begin in a range and have trades; bars begin at `offset_ms` and whole intervals
        before and behind it. The last one ends with this past."""
        begin_ms = max(start_ms + (offset_ms - start_ms) % interval_ms, _begin_of(BEGINS_MS, interval_ms, offset_ms))
        last_ms = min(end_ms + (offset_ms - end_ms) % interval_ms, self.end_ms)
        pieces = [np.zeros(0, BAR)]
        wanted = count
        while wanted > 0 and begin_ms < last_ms:
            until_ms = min(begin_ms + wanted * interval_ms, last_ms)
            pieces.append(self._within(begin_ms, until_ms, interval_ms, offset_ms))
            wanted -= len(pieces[-1])
            begin_ms = until_ms
        return np.concatenate(pieces)

    def _within(self, start_ms: int, end_ms: int, interval_ms: int, offset_ms: int) -> Bars:
        pieces = [np.zeros(0, BAR)]
        if interval_ms % HOUR_MS:
            drawn = self.trades(start_ms, end_ms)
            pieces += [self._bars_of(each, interval_ms, offset_ms) for each in drawn]
        else:
            start_ms = max(start_ms, BEGINS_MS)
            for day_ms in range(start_ms - start_ms % DAY_MS, end_ms, DAY_MS):
                hours = self._hours_of(day_ms)
                pieces.append(hours[(hours["begin_ms"] >= start_ms) & (hours["begin_ms"] < end_ms)])
        return _longer(np.concatenate(pieces), interval_ms, offset_ms)

    def _hours_of(self, day_ms: int) -> Bars:
        hours = self._hours.get(day_ms)
        if hours is None:
            if 24 * len(self._hours) > _HOURS_KEPT:
                self._hours.clear()
            drawn = self.trades(day_ms, day_ms + DAY_MS)
            hours = np.concatenate([self._bars_of(each, HOUR_MS, 0) for each in drawn])
            self._hours[day_ms] = hours
        return hours

    def _told(self, start_ms: int, end_ms: int) -> list[DeepTrade]:
        drawn = self._drawn(start_ms, end_ms)
        columns = (drawn.at_ms, drawn.buy > 0, drawn.ticks, drawn.lots * self.lot_units)
        return list(map(DeepTrade._make, zip(*(column.tolist() for column in columns), strict=True)))

    def _drawn(self, start_ms: int, end_ms: int) -> Drawn:
        cells = np.arange(start_ms // self._cell_ms, -(-end_ms // self._cell_ms), dtype=np.int64)
        bits = _hashed(cells, self._trade_key)
        at_ms = cells * self._cell_ms + (_cut(bits, 23, 21) * self._cell_ms >> 21)
        traded = (_cut(bits, 0, 12) < self._busy(at_ms)) & (at_ms >= start_ms) & (at_ms < end_ms)
        at_ms, bits = at_ms[traded], bits[traded]
        side, size = _cut(bits, 12, 11), _cut(bits, 44, 20)
        buy = side & 1
        # Takers buy above the path and sell below it.
        away = (2 * buy - 1) * (1 + ((side >> 1) * self._spread >> 10))
        ticks = np.maximum(np.rint(self._path(at_ms)).astype(np.int64) + away, 1)
        return Drawn(at_ms, ticks, 1 + (size * size * size >> 48), buy)

    def _bars_of(self, drawn: Drawn, interval_ms: int, offset_ms: int) -> Bars:
        turnover = drawn.ticks * drawn.lots
        return _bars(
            drawn.at_ms,
            (drawn.ticks, drawn.ticks, drawn.ticks, drawn.ticks),
            (
                drawn.lots,
                turnover,
                drawn.lots * drawn.buy,
                turnover * drawn.buy,
                np.maximum(turnover * self.lot_units // self._dollar, 1),
                np.ones(len(turnover), np.int64),
            ),
            interval_ms=interval_ms,
            offset_ms=offset_ms,
        )

    def _busy(self, at_ms: Ints) -> Ints:
        # Of 4096: how likely a cell holds a trade.
        if not len(at_ms):
            return at_ms
        first, moods = int(at_ms[0]) // _MOOD_MS, at_ms // _MOOD_MS
        lattice = np.arange(first, int(moods[-1]) + 1, dtype=np.int64)
        share = round(4096 * (_SHARE - 0.25)) + _cut(_hashed(lattice, self._mood_key), 0, 11)
        return share[moods - first]

    def _path(self, at_ms: Ints) -> _Floats:
        if not len(at_ms):
            return at_ms.astype(np.float64)
        first, last = int(at_ms[0]) // _GRID_MS, int(at_ms[-1]) // _GRID_MS + 1
        grid = np.arange(first, last + 1, dtype=np.int64)
        heights = np.ones(len(grid))
        for number, (swing, spacing_ms) in enumerate(_SWINGS):
            heights += swing * self._height(grid * _GRID_MS, spacing_ms, number)
        return self.listing.start_ticks * _between(heights, at_ms, _GRID_MS, first)

    def _height(self, at_ms: Ints, spacing_ms: int, number: int) -> _Floats:
        first, last = int(at_ms[0]) // spacing_ms, int(at_ms[-1]) // spacing_ms + 1
        lattice = np.arange(first, last + 1, dtype=np.int64) + (number << 40)
        heights = _cut(_hashed(lattice, self._swing_key), 44, 20) / float(1 << 19) - 1.0
        return _between(heights, at_ms, spacing_ms, first)


def _begin_of(at_ms: _Instant, interval_ms: int, offset_ms: int) -> _Instant:
    return (at_ms - offset_ms) // interval_ms * interval_ms + offset_ms


def _between(heights: _Floats, at_ms: Ints, spacing_ms: int, first: int) -> _Floats:
    # On straight lines through the heights, of which the first stands at `first`.
    index = at_ms // spacing_ms
    left, right = heights[index - first], heights[index - first + 1]
    between: _Floats = left + (right - left) * ((at_ms - index * spacing_ms) / float(spacing_ms))
    return between


def _hashed(numbers: Ints, key: np.uint64) -> _Bits:
    # SplitMix64's finish.
    bits = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _cut(bits: _Bits, shift: int, width: int) -> Ints:
    return (bits >> np.uint64(shift) & np.uint64((1 << width) - 1)).astype(np.int64)


def _bars(at_ms: Ints, prices: Sequence[Ints], sums: Sequence[Ints], *, interval_ms: int, offset_ms: int) -> Bars:
    # Of rows in the order of time, each with its four prices and its sums.
    if not len(at_ms):
        return np.zeros(0, BAR)
    begins = _begin_of(at_ms, interval_ms, offset_ms)
    firsts = np.flatnonzero(np.diff(begins, prepend=begins[0] - 1))
    first, high, low, last = prices
    bars = np.zeros(len(firsts), BAR)
    bars["begin_ms"], bars["open"] = begins[firsts], first[firsts]
    bars["close"] = last[np.append(firsts[1:], len(at_ms)) - 1]
    bars["high"] = np.maximum.reduceat(high, firsts)
    bars["low"] = np.minimum.reduceat(low, firsts)
    for name, column in zip(_SUMS, sums, strict=True):
        bars[name] = np.add.reduceat(column, firsts)
    return bars


def _longer(bars: Bars, interval_ms: int, offset_ms: int) -> Bars:
    prices = [bars[name] for name in ("open", "high", "low", "close")]
    sums = [bars[name] for name in _SUMS]
    return _bars(bars["begin_ms"], prices, sums, interval_ms=interval_ms, offset_ms=offset_ms)
