"""Generated markets in the words of Kraken's WebSocket v2: books with true checksums, trades, tickers. Pure but for
the wall clock.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Container
from typing import Final

from core.clock import iso_ns, wall_ns
from providers.simulated.ledger import Fill, Fills, no_fills, not_before
from providers.simulated.market import SNAPSHOT_TRADES, BookSide, LevelChange, MarketSource, Step, TradeEvent
from providers.simulated.tape import LongPast, Tape
from providers.simulated.universe import Listing

_CHECKSUM_LEVELS: Final = 10


def kraken_instant(now_ns: int) -> str:
    """An instant as Kraken prints it: RFC 3339 with microseconds."""
    return iso_ns(now_ns)[:-4] + "Z"


class _View:
    """A book at one depth, as a subscriber who follows the protocol holds it."""

    def __init__(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.bids = dict(bids)
        self.asks = dict(asks)

    def move(self, side: BookSide, depth: int) -> list[tuple[int, int]]:
        """Follow `side` and return the (ticks, units) to send; what merely fell out of depth is not sent."""
        held = self.bids if side.side == "bid" else self.asks
        now = dict(side.top(depth))
        changed = [(ticks, 0) for ticks in held if ticks not in side.units]
        changed += [(ticks, units) for ticks, units in now.items() if held.get(ticks) != units]
        if side.side == "bid":
            self.bids = now
        else:
            self.asks = now
        return changed


class _Day:
    """The statistics a ticker carries."""

    def __init__(self, listing: Listing) -> None:
        self.first = self.low = self.high = self.last = listing.start_ticks
        self.units = 0
        self.turnover = 0

    def add(self, trade: TradeEvent) -> None:
        """Count one trade."""
        self.last = trade.ticks
        self.low, self.high = min(self.low, trade.ticks), max(self.high, trade.ticks)
        self.units += trade.units
        self.turnover += trade.units * trade.ticks


class _Pair:
    """One pair's generated market in Kraken's words."""

    def __init__(self, source: MarketSource, listing: Listing) -> None:
        self.listing = listing
        self.market = source.market(listing.symbol)
        self.views: dict[int, _View] = {}
        self.trades: deque[str] = deque(maxlen=SNAPSHOT_TRADES)
        self.fills: Fills = no_fills()
        self.quote: tuple[int, int, int, int] | None = None
        self.day = _Day(listing)
        self._level_texts: dict[tuple[int, int], tuple[str, str]] = {}
        now_ns = wall_ns()
        for age_ns, trade in self.market.past:
            self.add_trades((trade,), now_ns - age_ns)
        deep = source.deep_past(listing, until_ns=self.fills[0].at_ns)
        self.long_past = (
            LongPast(deep=deep, price=listing.price_text, quantity=lambda _ticks, units: listing.quantity_text(units))
            if deep
            else None
        )

    def _level(self, level: tuple[int, int]) -> tuple[str, str]:
        texts = self._level_texts.get(level)
        if texts is None:
            if len(self._level_texts) > 4096:
                self._level_texts.clear()
            price, quantity = self.listing.price_text(level[0]), self.listing.quantity_text(level[1])
            # The checksum's text: no point, no leading zeros.
            digits = price.replace(".", "").lstrip("0") + quantity.replace(".", "").lstrip("0")
            texts = self._level_texts[level] = (f'{{"price":{price},"qty":{quantity}}}', digits)
        return texts

    def _checksum(self) -> int:
        market, level = self.market, self._level
        levels = market.asks.top(_CHECKSUM_LEVELS) + market.bids.top(_CHECKSUM_LEVELS)
        return zlib.crc32("".join([level(each)[1] for each in levels]).encode())

    def _book(self, kind: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]], now_ns: int) -> str:
        bids_text, asks_text = (",".join([self._level(each)[0] for each in side]) for side in (bids, asks))
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{self.listing.kraken_name}","bids":[{bids_text}],'
            f'"asks":[{asks_text}],"checksum":{self._checksum()},"timestamp":"{kraken_instant(now_ns)}"}}]}}'
        )

    def book_snapshot(self, depth: int, now_ns: int) -> str:
        """The snapshot of a book; updates follow from it for everyone at this depth."""
        bids, asks = self.market.bids.top(depth), self.market.asks.top(depth)
        self.views[depth] = _View(bids, asks)
        return self._book("snapshot", bids, asks, now_ns)

    def book_update(self, depth: int, changes: tuple[LevelChange, ...], now_ns: int) -> str | None:
        """What `changes` make visible at `depth`, None if nothing."""
        view = self.views.get(depth)
        if view is None:
            return None
        sides = {change.side for change in changes}
        bids = view.move(self.market.bids, depth) if "bid" in sides else []
        asks = view.move(self.market.asks, depth) if "ask" in sides else []
        return self._book("update", bids, asks, now_ns) if bids or asks else None

    def add_trades(self, trades: tuple[TradeEvent, ...], now_ns: int) -> list[str]:
        """Count trades and return their rows."""
        now_ns = not_before(self.fills, now_ns)
        rows = [self._trade_row(trade, now_ns) for trade in trades]
        self.trades.extend(rows)
        for trade in trades:
            self.day.add(trade)
            price, quantity = self.listing.price_text(trade.ticks), self.listing.quantity_text(trade.units)
            self.fills.append(Fill(trade.trade_id, now_ns, trade.buy, price, quantity))
        return rows

    def _trade_row(self, trade: TradeEvent, now_ns: int) -> str:
        listing, side = self.listing, "buy" if trade.buy else "sell"
        return (
            f'{{"symbol":"{listing.kraken_name}","side":"{side}","price":{listing.price_text(trade.ticks)},'
            f'"qty":{listing.quantity_text(trade.units)},"ord_type":"market","trade_id":{trade.trade_id},'
            f'"timestamp":"{kraken_instant(now_ns)}"}}'
        )

    def best(self) -> tuple[int, int, int, int]:
        """Best bid and ask in ticks, each followed by its units."""
        bids, asks = self.market.bids, self.market.asks
        return bids.best, bids.units[bids.best], asks.best, asks.units[asks.best]

    def ticker(self, kind: str, now_ns: int) -> str:
        """A ticker message."""
        listing, day = self.listing, self.day
        price = listing.price_text
        bid, bid_units, ask, ask_units = self.best()
        average = day.turnover // day.units if day.units else day.first
        change = day.last - day.first
        change_text = ("-" if change < 0 else "") + price(abs(change))
        percent = 100 * change / day.first
        return (
            f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{listing.kraken_name}","bid":{price(bid)},'
            f'"bid_qty":{listing.quantity_text(bid_units)},"ask":{price(ask)},'
            f'"ask_qty":{listing.quantity_text(ask_units)},"last":{price(day.last)},'
            f'"volume":{listing.quantity_text(day.units)},"vwap":{price(average)},"low":{price(day.low)},'
            f'"high":{price(day.high)},"change":{change_text},"change_pct":{percent:.2f},'
            f'"timestamp":"{kraken_instant(now_ns)}"}}]}}'
        )


class KrakenFloor:
    """Every generated market in Kraken's format."""

    def __init__(self, source: MarketSource) -> None:
        self._source = source
        self._listings = {listing.kraken_name: listing for listing in source.listings}
        self._pairs: dict[str, _Pair] = {}

    def opening(self, key: str) -> list[str]:
        """The snapshot of a subscription."""
        channel, _, rest = key.partition(":")
        variant, _, symbol = rest.rpartition(":")
        pair, now_ns = self._pair(symbol), wall_ns()
        if channel == "book":
            return [pair.book_snapshot(int(variant), now_ns)]
        if channel == "ticker":
            return [pair.ticker("snapshot", now_ns)]
        return [_trades("snapshot", list(pair.trades))]

    def frames(self, step: Step, wanted: Container[str], now_ns: int) -> list[tuple[str, str]]:
        """What one step makes Kraken send."""
        name = step.listing.kraken_name
        pair = self._pair(name)
        for depth in [depth for depth in pair.views if f"book:{depth}:{name}" not in wanted]:
            del pair.views[depth]
        books = [(depth, pair.book_update(depth, step.changes, now_ns)) for depth in pair.views]
        sent = [(f"book:{depth}:{name}", text) for depth, text in books if text]
        rows = pair.add_trades(step.trades, now_ns)
        if rows and (key := f"trade:{name}") in wanted:
            sent.append((key, _trades("update", rows)))
        quote = pair.best()
        if (quote != pair.quote or step.trades) and (key := f"ticker:bbo:{name}") in wanted:
            sent.append((key, pair.ticker("update", now_ns)))
        if step.trades and (key := f"ticker:trades:{name}") in wanted:
            sent.append((key, pair.ticker("update", now_ns)))
        pair.quote = quote
        return sent

    def flush(self, _wanted: Container[str], _now_ns: int) -> list[tuple[str, str]]:
        """Nothing: Kraken sends changes as they happen."""
        return []

    def past(self, symbol: str) -> list[Fill]:
        """The trades of a pair so far."""
        return list(self._pair(symbol).fills)

    def tape(self, symbol: str) -> Tape:
        """The trades of a pair so far, and those of its long past."""
        return Tape(self.past(symbol), self._pair(symbol).long_past)

    def _pair(self, symbol: str) -> _Pair:
        pair = self._pairs.get(symbol)
        if pair is None:
            pair = self._pairs[symbol] = _Pair(self._source, self._listings[symbol])
        return pair


def _trades(kind: str, rows: list[str]) -> str:
    return f'{{"channel":"trade","type":"{kind}","data":[{",".join(rows)}]}}'
