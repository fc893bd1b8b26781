"""Everything that a simulated market has traded, in its venue's words: the newest trades, which are kept, behind the
long past, which is drawn when somebody asks. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

import attrs

from core.clock import NS_PER_MS
from providers.simulated.deep_past import Bars, DeepPast, DeepTrade
from providers.simulated.ledger import Fill


class Bar(NamedTuple):
    """One bar: its four prices and the `quantity` of a trade as printed, its sums of quantity and of price times
    quantity, and what takers bought of both."""

    begin_ns: int
    prices: tuple[str, str, str, str]
    quantity: str
    volume: Decimal
    turnover: Decimal
    bought: Decimal
    bought_turnover: Decimal
    trades: int


@attrs.frozen(kw_only=True)
class LongPast:
    """A past that is drawn, and how the venue prints a price of (ticks) and a quantity of (ticks, units). Volumes of
    an `inverse` product count contracts."""

    deep: DeepPast
    price: Callable[[int], str]
    quantity: Callable[[int, int], str]
    inverse: bool = False

    def fill(self, trade: DeepTrade) -> Fill:
        """A trade in the venue's words."""
        quantity = self.quantity(trade.ticks, trade.units)
        return Fill(trade.at_ms, trade.at_ms * NS_PER_MS, trade.buy, self.price(trade.ticks), quantity)

    def told(self, bars: Bars) -> list[Bar]:
        """Bars in the venue's words."""
        return [self._bar(dict(zip(bars.dtype.names or (), row, strict=True))) for row in bars.tolist()]

    def _bar(self, bar: dict[str, int]) -> Bar:
        listing, lot_units = self.deep.listing, self.deep.lot_units
        places = listing.quantity_decimals
        volume = f"{bar['contracts']}.0" if self.inverse else f"{bar['lots'] * lot_units}e-{places}"
        turnovers = (bar[name] * lot_units for name in ("turnover", "bought_turnover"))
        turnover, bought_turnover = (Decimal(f"{each}e-{places + listing.price_decimals}") for each in turnovers)
        first, high, low, last = (self.price(bar[name]) for name in ("open", "high", "low", "close"))
        return Bar(
            begin_ns=bar["begin_ms"] * NS_PER_MS,
            prices=(first, high, low, last),
            quantity=self.quantity(bar["open"], lot_units),
            volume=Decimal(volume),
            turnover=turnover,
            bought=Decimal(f"{bar['bought'] * lot_units}e-{places}"),
            bought_turnover=bought_turnover,
            trades=bar["trades"],
        )


@attrs.frozen
class Tape:
    """`fills` are the trades that are kept, oldest first; all of the `long_past` was before them."""

    fills: Sequence[Fill]
    long_past: LongPast | None = None

    @property
    def newest_ns(self) -> int:
        """The instant of the newest trade, 0 where none is kept."""
        return self.fills[-1].at_ns if self.fills else 0

    def drawn_from(self, at_ms: int, count: int) -> list[Fill]:
        """The first `count` trades of the long past from an instant on, oldest first."""
        past = self.long_past
        return [past.fill(trade) for trade in past.deep.trades_from(at_ms, count)] if past else []

    def drawn_before(self, at_ms: int, count: int) -> list[Fill]:
        """The last `count` trades of the long past before an instant, oldest first."""
        past = self.long_past
        return [past.fill(trade) for trade in past.deep.trades_before(at_ms, count)] if past else []

    def bars(self, interval_ns: int, *, start_ms: int, end_ms: int, count: int, offset_ns: int = 0) -> list[Bar]:
        """Bars that begin in [start_ms, end_ms), oldest first: at least the first `count` of them, if there are."""
        kept = [
            bar
            for bar in _bars(self.fills, interval_ns, offset_ns)
            if start_ms * NS_PER_MS <= bar.begin_ns < end_ms * NS_PER_MS
        ]
        past = self.long_past
        if past is None:
            return kept
        interval_ms, offset_ms = interval_ns // NS_PER_MS, offset_ns // NS_PER_MS
        drawn = past.told(past.deep.bars(start_ms, end_ms, count, interval_ms=interval_ms, offset_ms=offset_ms))
        if kept and drawn and drawn[-1].begin_ns == kept[0].begin_ns:
            kept[0] = _joined(drawn.pop(), kept[0])
        return drawn + kept


def _bars(fills: Iterable[Fill], interval_ns: int, offset_ns: int) -> list[Bar]:
    grouped = groupby(fills, key=lambda fill: fill.at_ns - (fill.at_ns - offset_ns) % interval_ns)
    return [_bar(begin_ns, list(group)) for begin_ns, group in grouped]


def _bar(begin_ns: int, fills: Sequence[Fill]) -> Bar:
    texts = [fill.price for fill in fills]
    bought = [fill for fill in fills if fill.buy]
    return Bar(
        begin_ns=begin_ns,
        prices=(texts[0], max(texts, key=Decimal), min(texts, key=Decimal), texts[-1]),
        quantity=fills[0].quantity,
        volume=volume(fills),
        turnover=turnover(fills),
        bought=volume(bought),
        bought_turnover=turnover(bought),
        trades=len(fills),
    )


def _joined(early: Bar, late: Bar) -> Bar:
    highs, lows = ((early.prices[at], late.prices[at]) for at in (1, 2))
    return Bar(
        begin_ns=early.begin_ns,
        prices=(early.prices[0], max(highs, key=Decimal), min(lows, key=Decimal), late.prices[3]),
        quantity=early.quantity,
        volume=early.volume + late.volume,
        turnover=early.turnover + late.turnover,
        bought=early.bought + late.bought,
        bought_turnover=early.bought_turnover + late.bought_turnover,
        trades=early.trades + late.trades,
    )


def volume(fills: Iterable[Fill]) -> Decimal:
    """The sum of their quantities."""
    return sum((Decimal(fill.quantity) for fill in fills), Decimal(0))


def turnover(fills: Iterable[Fill]) -> Decimal:
    """The sum of their prices times quantities."""
    return sum((Decimal(fill.price) * Decimal(fill.quantity) for fill in fills), Decimal(0))
