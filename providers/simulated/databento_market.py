"""What the generator's market looks like at the simulated Databento: its records, in whole units, and a tape of them.

Times are real ones, so that a replay after a cut is asked for as it would be of the vendor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs
import numpy as np
import trio

from core.clock import NS_PER_MS, NS_PER_S, wall_ns
from core.model.publishers import SIMULATED_PREFIX
from core.model.records import (
    F_LAST,
    F_TOB,
    LEVELS,
    MBP1_STRUCT,
    MBP10_STRUCT,
    NO_SIDE,
    STREAMED,
    TRADE_STRUCT,
    UNDEF_PRICE,
    Records,
    Schema,
)
from providers.simulated.databento_gateway import Tape
from providers.simulated.databento_library import Library, Stored, index_ns, with_definitions
from providers.simulated.deep_past import BEGINS_MS, DAY_MS, HOUR_MS, DeepPast
from providers.simulated.market import MarketSource, Step, SymbolMarket
from providers.simulated.universe import UNIVERSE, Listing

DATASET: Final = f"{SIMULATED_PREFIX}DATABENTO"
PUBLISHER: Final = 60_000  # nobody's: below our own, beyond the vendor's
KEPT_RECORDS: Final = 400_000
PAST_TRADES_A_S: Final = 0.05
"""On average, at most: an archive answers for years at once."""
BARS_MS: Final = {Schema.BARS_1M: 60_000, Schema.BARS_1H: HOUR_MS, Schema.BARS_1D: DAY_MS}
"""The schemas of bars that the archive sells, and their lengths."""
_ALL = 2**40
_STEP_S = 0.02
_LARGEST = 2**32 - 1
_ABSENT = (UNDEF_PRICE, 0)


@attrs.frozen(kw_only=True)
class MarketLibrary(Library):
    """A library of generated markets, whose archive sells trades and bars of long before: `pasts` by instrument."""

    pasts: Mapping[int, DeepPast]

    @property
    def span_ns(self) -> tuple[int, int]:
        """The instants of the first record and after the last."""
        start_ns, end_ns = super().span_ns
        return (BEGINS_MS * NS_PER_MS if self.pasts else start_ns), end_ns

    def excerpt(self, schema: str, symbols: Iterable[str], *, start_ns: int, end_ns: int) -> Records:
        """All records with `start_ns` <= `index_ns` < `end_ns`, in order; bars only where they were over before the
        market began."""
        names = tuple(symbols)
        pieces = [super().excerpt(schema, names, start_ns=start_ns, end_ns=end_ns)]
        span_ms = -(-start_ns // NS_PER_MS), -(-end_ns // NS_PER_MS)
        for number in self.numbers(names).values():
            if number not in self.pasts:
                continue
            if schema == Schema.TRADES:
                pieces += _trades(self.pasts[number], number, *span_ms)
            elif schema in map(str, BARS_MS):
                pieces.append(_bars(self.pasts[number], number, *span_ms, schema=Schema(schema)))
        found = np.concatenate(pieces)
        return found[np.argsort(index_ns(found), kind="stable")]


def _trades(past: DeepPast, number: int, start_ms: int, end_ms: int) -> Iterator[Records]:
    for drawn in past.trades(start_ms, end_ms):
        records = _described(Schema.TRADES, number, len(drawn.at_ms))
        records["ts_event"] = records["ts_recv"] = drawn.at_ms * NS_PER_MS
        records["price"] = drawn.ticks * _scale(past.listing)
        records["size"], records["sequence"] = drawn.lots * past.lot_units, drawn.at_ms & _LARGEST
        records["action"], records["side"] = b"T", np.where(drawn.buy > 0, b"B", b"A")
        records["flags"] = F_LAST
        yield records


def _bars(past: DeepPast, number: int, start_ms: int, end_ms: int, *, schema: Schema) -> Records:
    interval_ms = BARS_MS[schema]
    over_ms = min(end_ms, past.end_ms - past.end_ms % interval_ms)
    bars = past.bars(start_ms, over_ms, _ALL, interval_ms=interval_ms)
    records = _described(schema, number, len(bars))
    records["ts_event"], records["volume"] = bars["begin_ms"] * NS_PER_MS, bars["lots"] * past.lot_units
    for name in ("open", "high", "low", "close"):
        records[name] = bars[name] * _scale(past.listing)
    return records


def _described(schema: Schema, number: int, count: int) -> Records:
    records = np.zeros(count, schema.dtype)
    records["length"], records["rtype"] = records.itemsize // 4, schema.rtype
    records["publisher_id"], records["instrument_id"] = PUBLISHER, number
    return records


def _scale(listing: Listing) -> int:
    return int(10 ** (9 - listing.price_decimals))


class MarketTape:
    """A library that grows as the market of `source` moves, and the tape of it. Only the newest records are kept."""

    def __init__(self, source: MarketSource) -> None:
        self._source = source
        # The same in every run, whatever is offered: what was bought of one is compared with what another sells.
        known_as = {listing.symbol: number for number, listing in enumerate(UNIVERSE, start=1)}
        self._numbers = {listing.symbol: known_as[listing.symbol] for listing in source.listings}
        self._records: list[Stored] = []
        names = {number: symbol for symbol, number in self._numbers.items()}
        defined = with_definitions(
            Library(dataset=DATASET, names=names, records=[]), at_ns=wall_ns(), publisher_id=PUBLISHER
        )
        self._records = list(defined.records)
        self._definitions = len(self._records)
        now_ns = wall_ns()
        pasts = {
            self._numbers[listing.symbol]: source.deep_past(
                listing, until_ns=now_ns, most_a_s=PAST_TRADES_A_S, largest_units=_LARGEST
            )
            for listing in source.listings
        }
        known = {number: past for number, past in pasts.items() if past is not None}
        self.library: Library = MarketLibrary(
            dataset=DATASET,
            names=names,
            records=self._records,
            offered=(*map(str, STREAMED), *(map(str, BARS_MS) if known else ())),
            pasts=known,
        )
        self.tape = Tape(library=self.library, position=self._definitions)

    async def run(self) -> None:
        """Let the market move, for ever."""
        began_s, began_ns = trio.current_time(), wall_ns()
        for symbol in self._numbers:
            self._source.market(symbol)
        while True:
            await trio.sleep(_STEP_S)
            until_ns = int((trio.current_time() - began_s) * NS_PER_S)
            before = len(self._records)
            for step in self._source.advance(until_ns):
                self._records += self._described(step, began_ns + step.at_ns)
            if len(self._records) > before:
                self.tape.advance(len(self._records) - before)
            self._trim()

    def _trim(self) -> None:
        surplus = len(self._records) - KEPT_RECORDS
        if surplus > KEPT_RECORDS // 8:
            del self._records[self._definitions : self._definitions + surplus]
            self.tape.base += surplus

    def _described(self, step: Step, at_ns: int) -> Iterator[Stored]:
        listing, number = step.listing, self._numbers[step.listing.symbol]
        scale = 10 ** (9 - listing.price_decimals)
        for trade in step.trades:
            encoded = TRADE_STRUCT.pack(
                12, Schema.TRADES.rtype, PUBLISHER, number, at_ns, trade.ticks * scale, min(trade.units, _LARGEST),
                b"T", b"B" if trade.buy else b"A", F_LAST, 0, at_ns, 0, trade.trade_id & _LARGEST,
            )  # fmt: skip
            yield Stored(at_ns, Schema.TRADES.value, number, encoded)
        market = self._source.market(listing.symbol)
        words = _levels(market, listing)
        sequence = market.update_id & _LARGEST
        for schema, packer, flags, count in (
            (Schema.QUOTES, MBP1_STRUCT, F_LAST | F_TOB, 6),
            (Schema.BOOK, MBP10_STRUCT, F_LAST, 6 * LEVELS),
        ):
            encoded = packer.pack(
                packer.size // 4, schema.rtype, PUBLISHER, number, at_ns, UNDEF_PRICE, 0, b"M", NO_SIDE, flags, 0,
                at_ns, 0, sequence, *words[:count],
            )  # fmt: skip
            yield Stored(at_ns, schema.value, number, encoded)


def _levels(market: SymbolMarket, listing: Listing) -> list[int]:
    scale = 10 ** (9 - listing.price_decimals)
    bids, asks = (
        [(ticks * scale, units) for ticks, units in side.top(LEVELS)] for side in (market.bids, market.asks)
    )
    words: list[int] = []
    for at in range(LEVELS):
        bid, ask = (side[at] if at < len(side) else _ABSENT for side in (bids, asks))
        words += [bid[0], ask[0], min(bid[1], _LARGEST), min(ask[1], _LARGEST), int(bid[1] > 0), int(ask[1] > 0)]
    return words
