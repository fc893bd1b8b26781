"""What the generator's market looks like at the simulated Databento: its records, in whole units, and a tape of them.

Times are real ones, so that a replay after a cut is asked for as it would be of the vendor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs
import trio

from core.clock import NS_PER_S, wall_ns
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
    Schema,
)
from providers.simulated.databento_gateway import Tape
from providers.simulated.databento_library import Library, Stored, with_definitions
from providers.simulated.market import MarketSource, Step, SymbolMarket
from providers.simulated.universe import Listing

DATASET: Final = f"{SIMULATED_PREFIX}DATABENTO"
PUBLISHER: Final = 60_000  # nobody's: below our own, beyond the vendor's
KEPT_RECORDS: Final = 400_000
_STEP_S = 0.02
_LARGEST = 2**32 - 1
_ABSENT = (UNDEF_PRICE, 0)


class MarketTape:
    """A library that grows as the market of `source` moves, and the tape of it. Only the newest records are kept."""

    def __init__(self, source: MarketSource) -> None:
        self._source = source
        self._numbers = {listing.symbol: number for number, listing in enumerate(source.listings, start=1)}
        self._records: list[Stored] = []
        names = {number: symbol for symbol, number in self._numbers.items()}
        self.library = with_definitions(
            Library(dataset=DATASET, names=names, records=[]), at_ns=wall_ns(), publisher_id=PUBLISHER
        )
        self._records = list(self.library.records)
        self._definitions = len(self._records)
        self.library = attrs.evolve(self.library, records=self._records, offered=tuple(map(str, STREAMED)))
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
