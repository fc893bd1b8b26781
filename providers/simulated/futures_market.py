"""Generated markets in the words of Kraken Futures: a book change a message, trades, tickers each second.

Pure but for the wall clock. Each market in dollars is traded as two perpetuals: an inverse one, whose quantities are
contracts of a dollar, and a linear one, whose quantities are coins.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Container, Iterable
from string import hexdigits
from typing import Final, NamedTuple

import msgspec

from core.clock import NS_PER_MS, wall_ns
from providers.simulated.ledger import Fill
from providers.simulated.market import BookSide, LevelChange, MarketSource, Step, TradeEvent
from providers.simulated.tape import LongPast
from providers.simulated.universe import Listing

SNAPSHOT_TRADES: Final = 100
KEPT_TRADES: Final = 10_000
_FLUSHES_A_SECOND: Final = 10
_NUMBERS: Final = 2**31
_NUMBER_DIGITS: Final = 12  # of a uid: the instant of a trade of the long past
_NAMES: Final = uuid.UUID("6d1f9a52-3c64-4f0f-9a3e-0d5f1d4f7c11")


class PastTrade(NamedTuple):
    """One trade as the history tells it; numbers as the venue writes them."""

    uid: str
    buy: bool
    price: str
    quantity: str
    time_ms: int
    text: str


class _Product:
    """One product's market in Kraken Futures' words."""

    def __init__(self, source: MarketSource, listing: Listing, product_id: str) -> None:
        self.product_id = product_id
        self.market = source.market(listing.symbol)
        self.trades: deque[PastTrade] = deque(maxlen=KEPT_TRADES)
        self._listing = listing
        self._inverse = product_id.startswith("PI_")
        first_id = self.market.past[0][1].trade_id
        # The venue's own numbers fit 32 bits, with room for every trade of a run.
        self._before_first = first_id - first_id % _NUMBERS
        now_ns = wall_ns()
        for age_ns, trade in self.market.past:
            self.trade(trade, now_ns - age_ns)
        deep = source.deep_past(listing, until_ns=self.trades[0].time_ms * NS_PER_MS)
        self.long_past = (
            LongPast(deep=deep, price=listing.price_text, quantity=self._quantity, inverse=self._inverse)
            if deep
            else None
        )

    def _quantity(self, ticks: int, units: int) -> str:
        listing = self._listing
        if not self._inverse:
            return listing.quantity_text(units)
        dollars = units * ticks // int(10 ** (listing.price_decimals + listing.quantity_decimals))
        return f"{max(dollars, 1)}.0"

    def _level(self, level: tuple[int, int]) -> str:
        return f'{{"price":{self._listing.price_text(level[0])},"qty":{self._quantity(*level)}}}'

    def _side(self, side: BookSide) -> str:
        return ",".join([self._level(each) for each in side.top(len(side))])

    def book_snapshot(self, now_ns: int) -> str:
        """The whole book; the next change follows its number."""
        market = self.market
        return (
            f'{{"feed":"book_snapshot","product_id":"{self.product_id}","timestamp":{now_ns // NS_PER_MS},'
            f'"seq":{market.update_id},"tickSize":null,"bids":[{self._side(market.bids)}],'
            f'"asks":[{self._side(market.asks)}]}}'
        )

    def change(self, change: LevelChange, now_ns: int) -> str:
        """One change of the book."""
        side = "buy" if change.side == "bid" else "sell"
        quantity = self._quantity(change.ticks, change.units) if change.units else "0.0"
        return (
            f'{{"feed":"book","product_id":"{self.product_id}","side":"{side}","seq":{change.update_id},'
            f'"price":{self._listing.price_text(change.ticks)},"qty":{quantity},"timestamp":{now_ns // NS_PER_MS}}}'
        )

    def trade(self, trade: TradeEvent, now_ns: int) -> str:
        """One trade, which is kept."""
        uid = str(uuid.uuid5(_NAMES, f"{self.product_id}/{trade.trade_id}"))
        # A venue's time never goes back.
        time_ms = max(now_ns // NS_PER_MS, self.trades[-1].time_ms if self.trades else 0)
        price, quantity = self._listing.price_text(trade.ticks), self._quantity(trade.ticks, trade.units)
        side = "buy" if trade.buy else "sell"
        text = (
            f'{{"feed":"trade","product_id":"{self.product_id}","uid":"{uid}","side":"{side}",'
            f'"type":"fill","seq":{trade.trade_id - self._before_first},"time":{time_ms},"qty":{quantity},'
            f'"price":{price}}}'
        )
        self.trades.append(PastTrade(uid, trade.buy, price, quantity, time_ms, text))
        return text

    def trade_snapshot(self) -> str:
        """The last trades, newest first."""
        newest = [trade.text for _, trade in zip(range(SNAPSHOT_TRADES), reversed(self.trades), strict=False)]
        return f'{{"feed":"trade_snapshot","product_id":"{self.product_id}","trades":[{",".join(newest)}]}}'

    def _prices(self) -> tuple[str, str, str, str, str]:
        bids, asks, price = self.market.bids, self.market.asks, self._listing.price_text
        bid, ask = bids.best, asks.best
        bid_size, ask_size = self._quantity(bid, bids.units[bid]), self._quantity(ask, asks.units[ask])
        return price(bid), bid_size, price(ask), ask_size, price((bid + ask) // 2)

    def ticker(self, now_ns: int) -> str:
        """A ticker message."""
        bid, bid_size, ask, ask_size, middle = self._prices()
        base, _, quote = self._listing.kraken_name.partition("/")
        return (
            f'{{"time":{now_ns // NS_PER_MS},"product_id":"{self.product_id}","feed":"ticker","bid":{bid},'
            f'"ask":{ask},"bid_size":{bid_size},"ask_size":{ask_size},"volume":0.0,"dtm":0,"leverage":"50x",'
            f'"index":{middle},"premium":0.0,"last":{self.trades[-1].price},"change":0.0,"suspended":false,'
            f'"tag":"perpetual","pair":"{_old_name(base)}:{quote}","openInterest":1000000.0,"markPrice":{middle},'
            f'"maturityTime":0,"post_only":false,"relative_funding_rate":0.0000125}}'
        )

    def rest_ticker(self) -> str:
        """A row of the REST tickers."""
        bid, bid_size, ask, ask_size, middle = self._prices()
        return (
            f'{{"symbol":"{self.product_id}","tag":"perpetual","markPrice":{middle},"indexPrice":{middle},'
            f'"bid":{bid},"bidSize":{bid_size},"ask":{ask},"askSize":{ask_size},"last":{self.trades[-1].price},'
            f'"openInterest":1000000.0,"suspended":false,"postOnly":false}}'
        )


class FuturesFloor:
    """Every generated market in Kraken Futures' format."""

    def __init__(self, source: MarketSource) -> None:
        self._source = source
        self._listings = {name: listing for listing in source.listings for name in listing.futures_names}
        self._products: dict[str, _Product] = {}
        self._flushes = 0

    def opening(self, key: str) -> list[str]:
        """The snapshot of a subscription."""
        feed, _, product_id = key.partition(":")
        product, now_ns = self._product(product_id), wall_ns()
        if feed == "book":
            return [product.book_snapshot(now_ns)]
        return [product.ticker(now_ns) if feed == "ticker" else product.trade_snapshot()]

    def frames(self, step: Step, wanted: Container[str], now_ns: int) -> list[tuple[str, str]]:
        """What one step makes Kraken Futures send."""
        sent: list[tuple[str, str]] = []
        for name in step.listing.futures_names:
            product = self._product(name)
            trades = [product.trade(trade, now_ns) for trade in step.trades]
            if (key := f"trade:{name}") in wanted:
                sent += [(key, text) for text in trades]
            if (key := f"book:{name}") in wanted:
                sent += [(key, product.change(change, now_ns)) for change in step.changes]
        return sent

    def flush(self, wanted: Container[str], now_ns: int) -> list[tuple[str, str]]:
        """The tickers, once a second."""
        self._flushes += 1
        if self._flushes % _FLUSHES_A_SECOND:
            return []
        heard = [(f"ticker:{name}", product) for name, product in self._products.items()]
        return [(key, product.ticker(now_ns)) for key, product in heard if key in wanted]

    def past_trades(self, product_id: str) -> Iterable[PastTrade]:
        """The trades of a product so far, oldest first."""
        return self._product(product_id).trades

    def long_past(self, product_id: str) -> LongPast | None:
        """What was traded of a product before."""
        return self._product(product_id).long_past

    def rest_tickers(self) -> list[str]:
        """The rows of the REST tickers, of every market that was brought to life."""
        return [product.rest_ticker() for product in self._products.values()]

    def _product(self, product_id: str) -> _Product:
        product = self._products.get(product_id)
        if product is None:
            # Both products of a market begin with it, so that neither misses a trade of its own past.
            listing = self._listings[product_id]
            for name in listing.futures_names:
                self._products[name] = _Product(self._source, listing, name)
            product = self._products[product_id]
        return product


def _old_name(asset: str) -> str:
    return "XBT" if asset == "BTC" else asset


def drawn_trade(fill: Fill, product_id: str) -> PastTrade:
    """A trade of a product's long past as its history tells it."""
    uid = f"{_drawn_name(product_id)}{fill.trade_id:012x}"
    return PastTrade(uid, fill.buy, fill.price, fill.quantity, fill.at_ns // NS_PER_MS, "")


def drawn_at_ms(uid: str, product_id: str) -> int | None:
    """When a trade of the product's long past was, None where `uid` is not of one."""
    name, number = uid[:-_NUMBER_DIGITS], uid[-_NUMBER_DIGITS:]
    return int(number, 16) if name == _drawn_name(product_id) and set(number) <= set(hexdigits) else None


def _drawn_name(product_id: str) -> str:
    return str(uuid.uuid5(_NAMES, product_id))[:-_NUMBER_DIGITS]


def executions(trades: Iterable[PastTrade], product_id: str) -> list[str]:
    """Trades as elements of the executions answer."""
    return [_execution(trade, product_id) for trade in trades]


def _execution(trade: PastTrade, product_id: str) -> str:
    order = {
        "tradeable": product_id,
        "quantity": trade.quantity,
        "timestamp": trade.time_ms,
        "limitPrice": trade.price,
    }
    execution = {
        "uid": trade.uid,
        "makerOrder": {"direction": "Sell" if trade.buy else "Buy", **order},
        "takerOrder": {"direction": "Buy" if trade.buy else "Sell", **order},
        "timestamp": trade.time_ms,
        "quantity": trade.quantity,
        "price": trade.price,
        "markPrice": trade.price,
        "limitFilled": True,
    }
    element = {"uid": trade.uid, "timestamp": trade.time_ms, "event": {"Execution": {"execution": execution}}}
    return msgspec.json.encode(element).decode()
