"""Trades as rings bring them: of the simulated market or of real sessions, with connections that break by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from core.clock import NS_PER_MS, NS_PER_S
from core.model.fixedpoint import parse_price, parse_quantity
from core.model.instruments import Instrument, Product
from core.model.records import BUY, SELL, TRADE, Records
from core.sim.positions import Key
from perf._feed_frames import captured_ticks
from providers.simulated.market import MarketSource
from providers.simulated.universe import Listing
from providers.venue.packing import columns_of, pack_trades

START_NS: Final = 1_790_000_000 * NS_PER_S
HEALED: Final = "healed"
LATE: Final = "late"
HOLE: Final = "hole"
_DELAY_NS: Final = 20 * NS_PER_MS
_PRODUCTS: Final = {"BTCUSD": Product.SPOT}
"""The others are perpetuals, which can be sold short."""


class Piece(NamedTuple):
    """What is read from a symbol's ring at once, `at_ns` by the clock of the market; `lost` trades before it never
    came."""

    at_ns: int
    key: Key
    records: Records
    lost: int = 0


def instrument_of(listing: Listing) -> Instrument:
    """What desks trade of a market, in dollars."""
    return Instrument(
        venue="SIM.KRAKEN",
        symbol=listing.symbol,
        venue_symbol=listing.kraken_name,
        canonical=listing.symbol,
        base=listing.base,
        quote="USD",
        settle="USD",
        product=_PRODUCTS.get(listing.symbol, Product.LINEAR_PERPETUAL),
        price_decimals=listing.price_decimals,
        quantity_decimals=listing.quantity_decimals,
        price_increment_e9=10 ** (9 - listing.price_decimals),
        quantity_increment_e8=10 ** (8 - listing.quantity_decimals),
        instrument_id=1,
    )


class SimulatedTrades:
    """The trades of some symbols of the simulated market of a seed, stretch of time after stretch."""

    def __init__(self, seed: int, symbols: tuple[str, ...]) -> None:
        self._source = MarketSource(seed, symbols)
        for listing in self._source.listings:
            self._source.market(listing.symbol)
        self.instruments = [instrument_of(listing) for listing in self._source.listings]

    def until(self, until_ns: int) -> dict[Key, Records]:
        """The trades up to so long after the market began, by symbol."""
        rows: dict[str, list[tuple[int, int, int, int, bytes]]] = {one.symbol: [] for one in self.instruments}
        for step in self._source.advance(until_ns):
            listing = step.listing
            for trade in step.trades:
                price_e9 = trade.ticks * int(10 ** (9 - listing.price_decimals))
                quantity_e8, side = listing.quantity_e8(trade.units), BUY if trade.buy else SELL
                rows[listing.symbol].append((trade.trade_id, START_NS + step.at_ns, price_e9, quantity_e8, side))
        return {one.key: records_of(one, rows[one.symbol]) for one in self.instruments}


def captured_trades(day: str) -> tuple[Instrument, Records]:
    """The trades of a real session of Binance; none where there is no capture."""
    instrument = Instrument(
        venue="BINANCE", symbol="BTCUSD", venue_symbol="BTCUSDT", canonical="BTCUSD", base="BTC", quote="USDT",
        settle="USDT", product=Product.SPOT, price_decimals=2, quantity_decimals=5, price_increment_e9=10**7,
        quantity_increment_e8=1000, instrument_id=1,
    )  # fmt: skip
    rows = [
        (
            tick.number,
            tick.traded_ms * NS_PER_MS,
            parse_price(tick.price),
            parse_quantity(tick.quantity),
            SELL if tick.buyer_rests else BUY,
        )
        for tick in captured_ticks(day)
    ]
    return instrument, records_of(instrument, rows)


def records_of(instrument: Instrument, rows: list[tuple[int, int, int, int, bytes]]) -> Records:
    """Records of trades (id, ns, price at 1e-9, quantity at 1e-8, side), each received a moment after it happened."""
    packed = pack_trades(instrument, columns_of(rows), (row[1] + _DELAY_NS for row in rows))
    return np.frombuffer(packed, TRADE)


def arriving(key: Key, records: Records, choose: random.Random, *, away_s: tuple[int, int]) -> Iterator[Piece]:
    """The trades of a symbol as they come, one by one or those of an instant together. Every so often, within
    `away_s`, its connection breaks for a while: what is traded meanwhile comes in one batch as soon as there is a
    connection again, or after newer ones, or never."""
    together = choose.random() < 0.5
    away_ns, back_ns, how = _outage(choose, int(records["ts_event"][0]), away_s)
    missed: list[Records] = []
    for part in _parts(records, together=together):
        at_ns = int(part["ts_event"][-1]) + _DELAY_NS
        if away_ns <= at_ns < back_ns:
            missed.append(part)
            continue
        if at_ns >= back_ns:
            yield from _back(key, at_ns, part, missed, how)
            missed = []
            away_ns, back_ns, how = _outage(choose, back_ns, away_s)
        else:
            yield Piece(at_ns, key, part)


def _outage(choose: random.Random, now_ns: int, away_s: tuple[int, int]) -> tuple[int, int, str]:
    away_ns = now_ns + choose.randint(*away_s) * NS_PER_S
    return away_ns, away_ns + choose.randint(1, 30) * NS_PER_S, choose.choice((HEALED, LATE, HOLE))


def _back(key: Key, at_ns: int, part: Records, missed: list[Records], how: str) -> Iterator[Piece]:
    if not missed:
        yield Piece(at_ns, key, part)
    elif how == HEALED:
        yield Piece(at_ns, key, np.concatenate(missed))
        yield Piece(at_ns, key, part)
    elif how == LATE:
        yield Piece(at_ns, key, part)
        yield Piece(at_ns, key, np.concatenate(missed))
    else:
        yield Piece(at_ns, key, part, sum(map(len, missed)))


def _parts(records: Records, *, together: bool) -> Iterator[Records]:
    times_ns = records["ts_event"]
    edges = np.flatnonzero(times_ns[1:] != times_ns[:-1]) + 1 if together else np.arange(1, len(records))
    firsts = [0, *edges.tolist()]
    return (records[first:end] for first, end in zip(firsts, [*firsts[1:], len(records)], strict=True))
