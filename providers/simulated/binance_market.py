"""Generated markets in the words of Binance's combined streams: depth each 100 ms, book tickers, trades. Pure but
for the wall clock.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Final

from core.clock import wall_ns
from providers.simulated.ledger import Fill, Fills, no_fills, not_before
from providers.simulated.market import LevelChange, MarketSource, Side, Step, TradeEvent
from providers.simulated.tape import LongPast, Tape
from providers.simulated.universe import Listing, eight_decimals

_NS_PER_MS: Final = 1_000_000
_FLUSHES_A_SECOND: Final = 10


class _Depth:
    """The changes of one depth stream since its last message."""

    def __init__(self, update_id: int) -> None:
        self._sent_id = update_id
        self._newest_id = update_id
        self._levels: Mapping[Side, dict[int, int]] = {"bid": {}, "ask": {}}

    def add(self, changes: tuple[LevelChange, ...]) -> None:
        """Collect changes; the last one of a level counts."""
        for change in changes:
            self._levels[change.side][change.ticks] = change.units
            self._newest_id = change.update_id

    def message(self, pair: _Pair, now_ns: int) -> str | None:
        """What is sent now, None if nothing changed. Every change belongs to exactly one message."""
        if self._newest_id == self._sent_id:
            return None
        bids, asks = pair.levels(self._levels["bid"].items()), pair.levels(self._levels["ask"].items())
        first_id, self._sent_id = self._sent_id + 1, self._newest_id
        for levels in self._levels.values():
            levels.clear()
        return (
            f'{{"e":"depthUpdate","E":{now_ns // _NS_PER_MS},"s":"{pair.listing.binance_name}",'
            f'"U":{first_id},"u":{self._newest_id},"b":{bids},"a":{asks}}}'
        )


class _Pair:
    """One pair's generated market in Binance's words."""

    def __init__(self, source: MarketSource, listing: Listing) -> None:
        self.listing = listing
        self.market = source.market(listing.symbol)
        self.stream = listing.binance_name.lower()
        self.quote = self.best()
        # Each stream numbers its own messages, whether anybody listens or not.
        self.depths = {speed: _Depth(self.market.update_id) for speed in ("depth@100ms", "depth")}
        self.fills: Fills = no_fills()
        now_ns = wall_ns()
        for age_ns, trade in self.market.past:
            self.add((trade,), now_ns - age_ns)
        deep = source.deep_past(listing, until_ns=self.fills[0].at_ns)
        self.long_past = (
            LongPast(deep=deep, price=self._price, quantity=lambda _ticks, units: self._quantity(units))
            if deep
            else None
        )

    def _price(self, ticks: int) -> str:
        return eight_decimals(ticks, decimals=self.listing.price_decimals)

    def _quantity(self, units: int) -> str:
        return eight_decimals(units, decimals=self.listing.quantity_decimals)

    def levels(self, levels: Iterable[tuple[int, int]]) -> str:
        """Levels as (ticks, units) in JSON."""
        rows = [f'["{self._price(ticks)}","{self._quantity(units)}"]' for ticks, units in levels]
        return f"[{','.join(rows)}]"

    def best(self) -> tuple[int, int, int, int]:
        """Best bid and ask in ticks, each followed by its units."""
        bids, asks = self.market.bids, self.market.asks
        return bids.best, bids.units[bids.best], asks.best, asks.units[asks.best]

    def book_ticker(self) -> str:
        """The best prices."""
        bid, bid_units, ask, ask_units = self.best()
        return (
            f'{{"u":{self.market.update_id},"s":"{self.listing.binance_name}","b":"{self._price(bid)}",'
            f'"B":"{self._quantity(bid_units)}","a":"{self._price(ask)}","A":"{self._quantity(ask_units)}"}}'
        )

    def add(self, trades: Iterable[TradeEvent], now_ns: int) -> int:
        """Keep trades for whoever asks for the past; returns their instant."""
        at_ns = not_before(self.fills, now_ns // _NS_PER_MS * _NS_PER_MS)
        for trade in trades:
            price, quantity = self._price(trade.ticks), self._quantity(trade.units)
            self.fills.append(Fill(trade.trade_id, at_ns, trade.buy, price, quantity))
        return at_ns

    def trade(self, trade: TradeEvent, now_ns: int) -> str:
        """One trade."""
        now_ms, maker_buys = now_ns // _NS_PER_MS, "false" if trade.buy else "true"
        return (
            f'{{"e":"trade","E":{now_ms},"s":"{self.listing.binance_name}","t":{trade.trade_id},'
            f'"p":"{self._price(trade.ticks)}","q":"{self._quantity(trade.units)}","T":{now_ms},'
            f'"m":{maker_buys},"M":true}}'
        )

    def snapshot(self, limit: int) -> str:
        """A REST depth answer."""
        bids, asks = (self.levels(side.top(limit)) for side in (self.market.bids, self.market.asks))
        return f'{{"lastUpdateId":{self.market.update_id},"bids":{bids},"asks":{asks}}}'


class BinanceFloor:
    """Every generated market in Binance's format."""

    def __init__(self, source: MarketSource) -> None:
        self._source = source
        self._listings = {listing.binance_name: listing for listing in source.listings}
        self._pairs: dict[str, _Pair] = {}
        self._flushes = 0

    def opening(self, key: str) -> list[str]:
        """Nothing: Binance sends no snapshots. A key of an offered symbol brings its market to life."""
        self._pair(key.partition("@")[0].upper())
        return []

    def frames(self, step: Step, wanted: Container[str], now_ns: int) -> list[tuple[str, str]]:
        """What one step makes Binance send at once; its depth changes wait for the flush."""
        pair = self._pairs[step.listing.binance_name]
        for depth in pair.depths.values():
            depth.add(step.changes)
        traded_ns = pair.add(step.trades, now_ns)
        sent: list[tuple[str, str]] = []
        quote = pair.best()
        if quote != pair.quote:
            pair.quote = quote
            if (key := f"{pair.stream}@bookTicker") in wanted:
                sent.append((key, _combined(key, pair.book_ticker())))
        if step.trades and (key := f"{pair.stream}@trade") in wanted:
            sent += [(key, _combined(key, pair.trade(trade, traded_ns))) for trade in step.trades]
        return sent

    def flush(self, wanted: Container[str], now_ns: int) -> list[tuple[str, str]]:
        """The depth messages due: 100 ms streams every time, plain ones every tenth."""
        self._flushes += 1
        speeds = ("depth@100ms", "depth") if self._flushes % _FLUSHES_A_SECOND == 0 else ("depth@100ms",)
        sent: list[tuple[str, str]] = []
        for pair in self._pairs.values():
            for speed in speeds:
                text = pair.depths[speed].message(pair, now_ns)
                if text and (key := f"{pair.stream}@{speed}") in wanted:
                    sent.append((key, _combined(key, text)))
        return sent

    def snapshot(self, symbol: str, limit: int) -> str | None:
        """The REST depth answer of `symbol`, None if it is not offered."""
        pair = self._pair(symbol)
        return pair.snapshot(limit) if pair else None

    def past(self, symbol: str) -> list[Fill]:
        """The trades of `symbol` so far, none if it is not offered."""
        pair = self._pair(symbol)
        return list(pair.fills) if pair else []

    def tape(self, symbol: str) -> Tape:
        """The trades of `symbol` so far, and those of its long past; none if it is not offered."""
        pair = self._pair(symbol)
        return Tape(list(pair.fills), pair.long_past) if pair else Tape(())

    def _pair(self, symbol: str) -> _Pair | None:
        pair = self._pairs.get(symbol)
        if pair is None and symbol in self._listings:
            pair = self._pairs[symbol] = _Pair(self._source, self._listings[symbol])
        return pair


def _combined(stream: str, event: str) -> str:
    return f'{{"stream":"{stream}","data":{event}}}'
