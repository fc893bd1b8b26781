"""A seeded market generator: trades and order books that behave, without a clock, a socket or a venue's format.

Each symbol's market depends on the seed and its own name only, so the same seed gives the same market whatever
else runs beside it. Activity excites itself: a trade makes the next events come sooner for a moment.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from core.clock import NS_PER_MS, NS_PER_S
from providers.simulated.deep_past import BEGINS_MS, DeepPast
from providers.simulated.universe import UNIVERSE, Listing, find_listings

Side = Literal["bid", "ask"]

LEVELS_MIN = 20
LEVELS_MAX = 25
SNAPSHOT_TRADES = 50
_TRADE_SHARE = 0.2
_CALM_AFTER_S = 2.0  # with one step's worth of excitement a trade, four in ten events are answers to others
_LARGEST_EXCITEMENT = 6.0
_LONGEST_PAST_NS = 200 * NS_PER_S
FIRST_ID = 1_000_000


class TradeEvent(NamedTuple):
    """One fill: the taker's side, price in ticks, quantity in units, and the market's next consecutive id."""

    buy: bool
    ticks: int
    units: int
    trade_id: int


class LevelChange(NamedTuple):
    """One price level's new total, in units; 0 removes it. `update_id` rises by one with every change."""

    side: Side
    ticks: int
    units: int
    update_id: int


class Step(NamedTuple):
    """What happened in one market at one instant (nanoseconds since the market began): trades, then the changes of
    the book, in order."""

    listing: Listing
    at_ns: int
    trades: tuple[TradeEvent, ...]
    changes: tuple[LevelChange, ...]


class BookSide:
    """One side of a book: price levels in ticks, and the quantity in units of each."""

    def __init__(self, side: Side) -> None:
        self.side: Side = side
        self.units: dict[int, int] = {}
        # Ranks ascend from best to worst on both sides: the tick itself for asks, its negative for bids.
        self._sign = 1 if side == "ask" else -1
        self._ranks: list[int] = []

    def __len__(self) -> int:
        return len(self._ranks)

    @property
    def best(self) -> int:
        """The best price in ticks. The side is never empty."""
        return self._ranks[0] * self._sign

    @property
    def worst(self) -> int:
        """The worst price in ticks."""
        return self._ranks[-1] * self._sign

    def at(self, index: int) -> int:
        """The price in ticks of the level `index` places behind the best."""
        return self._ranks[index] * self._sign

    def set(self, ticks: int, units: int) -> None:
        """Make the level at `ticks` hold `units`; 0 removes it."""
        rank = ticks * self._sign
        if units:
            if ticks not in self.units:
                insort(self._ranks, rank)
            self.units[ticks] = units
        elif self.units.pop(ticks, None) is not None:
            del self._ranks[bisect_left(self._ranks, rank)]

    def top(self, depth: int) -> list[tuple[int, int]]:
        """The best `depth` levels as (ticks, units), best first."""
        sign, units = self._sign, self.units
        return [(rank * sign, units[rank * sign]) for rank in self._ranks[:depth]]


class SymbolMarket:
    """One symbol's market. `step` moves it to its next event; between steps the book is whole and not crossed.

    `past` holds the trades before it began, oldest first, each with its age in nanoseconds at the beginning.
    """

    def __init__(self, listing: Listing, *, seed: int, rate: float, first_id: int) -> None:
        self.listing = listing
        self.bids = BookSide("bid")
        self.asks = BookSide("ask")
        self.trade_id = first_id
        self.update_id = first_id
        self.next_ns = 0
        self._rate = rate * listing.changes_per_s
        self._random = random.Random(f"{seed}/{listing.symbol}")  # noqa: S311 - a market, not a secret
        self._excitement = 0.0
        self._trend = 0.0
        self._changes: list[LevelChange] = []
        # Where one tick is half a basis point or more, there is no room for a spread of several.
        self._spread = max(1, min(5, listing.start_ticks // 20_000))
        self.bids.set(listing.start_ticks - self._spread, self._size())
        self.asks.set(listing.start_ticks + self._spread, self._size())
        self._refill()
        self._changes.clear()
        self._schedule()
        self.past = self._live_a_past()

    def step(self) -> Step:
        """Move to the next event and return what happened."""
        at_ns = self.next_ns
        trades: tuple[TradeEvent, ...] = ()
        if self._random.random() < _TRADE_SHARE:
            trades = self._trade()
        else:
            self._requote()
        self._refill()
        changes, self._changes = tuple(self._changes), []
        self._schedule()
        return Step(self.listing, at_ns, trades, changes)

    def delay(self, late_ns: int) -> None:
        """Move what is still to come `late_ns` later."""
        self.next_ns += late_ns

    def _live_a_past(self) -> tuple[tuple[int, TradeEvent], ...]:
        traded: list[tuple[int, TradeEvent]] = []
        at_ns = 0
        while len(traded) < SNAPSHOT_TRADES:
            at_ns = self.next_ns
            traded += [(at_ns, trade) for trade in self.step().trades]
        self.next_ns -= at_ns
        # A quiet market's fifty trades may reach back for hours; nobody needs to see a demonstration's yesterday.
        span_ns = max(1, at_ns - traded[0][0])
        return tuple(
            ((at_ns - then_ns) * min(span_ns, _LONGEST_PAST_NS) // span_ns, trade) for then_ns, trade in traded
        )

    def _schedule(self) -> None:
        pause_s = self._random.expovariate(self._rate * (1.0 + self._excitement))
        self._excitement *= math.exp(-pause_s / _CALM_AFTER_S)
        self.next_ns += max(1, int(pause_s * NS_PER_S))

    def _set(self, book: BookSide, ticks: int, units: int) -> None:
        book.set(ticks, units)
        self.update_id += 1
        self._changes.append(LevelChange(book.side, ticks, units, self.update_id))

    def _size(self) -> int:
        return max(1, int(self.listing.typical_units * self._random.lognormvariate(0.0, 1.1)))

    def _trade(self) -> tuple[TradeEvent, ...]:
        pull = 40.0 * (1.0 - (self.bids.best + self.asks.best) / (2.0 * self.listing.start_ticks))
        self._trend = 0.97 * self._trend + self._random.gauss(0.0, 0.05)
        buy = self._random.random() < 0.5 + 0.4 * math.tanh(pull + self._trend)
        book = self.asks if buy else self.bids
        # One order in thirty is large enough to sweep several levels.
        wanted = int(self._size() * (8 if self._random.random() < 0.03 else 0.6)) or 1
        self._excitement = min(_LARGEST_EXCITEMENT, self._excitement + 1.0 / self._rate)
        trades: list[TradeEvent] = []
        while wanted and len(trades) < 8 and len(book) > LEVELS_MIN // 2:
            ticks = book.best
            filled = min(wanted, book.units[ticks])
            wanted -= filled
            self.trade_id += 1
            trades.append(TradeEvent(buy, ticks, filled, self.trade_id))
            self._set(book, ticks, book.units[ticks] - filled)
        return tuple(trades)

    def _requote(self) -> None:
        buy_side = self._random.random() < 0.5
        book = self.bids if buy_side else self.asks
        kind = self._random.random()
        gap = self.asks.best - self.bids.best
        if gap > 1 and kind < (0.5 if gap > self._spread else 0.1):
            inside = min(gap - 1, self._random.randint(1, self._spread))
            self._set(book, book.best + inside if buy_side else book.best - inside, self._size())
            return
        index = min(int(self._random.expovariate(0.3)), len(book) - 1)
        ticks = book.at(index)
        if kind > 0.8 and len(book) > LEVELS_MIN:
            self._set(book, ticks, 0)
        elif kind > 0.6:
            self._join(book, index)
        else:
            self._set(book, ticks, self._size())

    def _join(self, book: BookSide, index: int) -> None:
        away = 1 if book.side == "ask" else -1
        ticks = book.at(index) + away * self._random.randint(1, self._spread)
        if ticks > 0:
            self._set(book, ticks, self._size())

    def _refill(self) -> None:
        for book, away in ((self.bids, -1), (self.asks, 1)):
            while len(book) > LEVELS_MAX:
                self._set(book, book.worst, 0)
            while len(book) < LEVELS_MIN:
                ticks = book.worst + away * self._random.randint(1, 2 * self._spread)
                if ticks <= 0:
                    break
                self._set(book, ticks, self._size())


class MarketSource:
    """Markets for a seed. Only those that somebody activated move; `rate` speeds all of them up.

    `symbols` limits what is offered (default: the whole universe). Trades and changes are numbered from `first_id`; a
    later one for each run keeps the runs of a day apart. Raises `NotFoundError` for an unknown symbol.
    """

    def __init__(
        self, seed: int, symbols: Sequence[str] | None = None, rate: float = 1.0, *, first_id: int = FIRST_ID
    ) -> None:
        assert rate > 0
        self.first_id = first_id
        self.seed = seed
        self.rate = rate
        self.listings = UNIVERSE if symbols is None else find_listings(symbols)
        self._offered = {listing.symbol: listing for listing in self.listings}
        self._markets: dict[str, SymbolMarket] = {}
        self._due: list[tuple[int, str]] = []
        self._now_ns = 0

    def market(self, symbol: str) -> SymbolMarket:
        """The market of `Listing.symbol`, activated if it was not yet: it begins at the present instant."""
        market = self._markets.get(symbol)
        if market is None:
            market = SymbolMarket(self._offered[symbol], seed=self.seed, rate=self.rate, first_id=self.first_id)
            market.delay(self._now_ns)
            self._markets[symbol] = market
            heapq.heappush(self._due, (market.next_ns, symbol))
        return market

    def deep_past(
        self, listing: Listing, *, until_ns: int, most_a_s: float = 0.5, largest_units: int = 2**62
    ) -> DeepPast | None:
        """The market's trades before `until_ns`. They are numbered by their instants, below all others: where those
        are numbered from no instant since 2020 on, there are none. For the rest see `DeepPast`."""
        end_ms = min(self.first_id, until_ns // NS_PER_MS)
        if end_ms <= BEGINS_MS:
            return None
        return DeepPast(listing, seed=self.seed, end_ms=end_ms, most_a_s=most_a_s, largest_units=largest_units)

    @property
    def next_ns(self) -> int | None:
        """When the next event is due, in nanoseconds since the source began; None while no market is active."""
        return self._due[0][0] if self._due else None

    def advance(self, until_ns: int) -> Iterator[Step]:
        """Everything that happens up to `until_ns`, in the order of time. While a step is being looked at, its
        market stands as that step left it."""
        while self._due and self._due[0][0] <= until_ns:
            self._now_ns, symbol = self._due[0]
            market = self._markets[symbol]
            step = market.step()
            heapq.heapreplace(self._due, (market.next_ns, symbol))
            yield step
        self._now_ns = max(self._now_ns, until_ns)
