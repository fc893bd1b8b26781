"""What fills make of an account: its worth over time, and the round trips from flat to flat. Pure.

Amounts are the ledger's own integers until they are drawn, so that they add up to what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np

from core.bars.ticks import Column
from core.errors import PermanentError
from core.model.instruments import Instrument
from core.model.orders import Fill, Side
from core.sim.result import EquityCurve, RoundTrip
from core.sim.settlement import INVERSE, flow_e12, settlement_of

_BUY: Final = Side.BUY
_FINE: Final = 10**60
"""So much finer than a price are the quotients that averages of inverse products are made of."""


def flows_e12(fills: Sequence[Fill], *, instrument: Instrument) -> list[int]:
    """What each fill brought the account before fees, below 0 for what was bought, the other way about for inverse
    products (`core.sim.settlement`); rounded down to 1e-12."""
    settlement = settlement_of(instrument.product)
    return [
        flow_e12(
            settlement,
            sign=1 if fill.side is _BUY else -1,
            quantity_e8=fill.quantity_e8,
            price_e9=fill.price_e9,
        )
        for fill in fills
    ]


def equity_curve(
    fills: Sequence[Fill], *, instrument: Instrument, initial_e12: int, ts_ns: Column, price_e9: Column
) -> EquityCurve:
    """The worth of an account that began with `initial_e12` and made `fills`, at each mark: an instant of `ts_ns`,
    which ascends, at the price of that moment. A fill at the very instant of a mark counts.

    Spot and linear products: the cash that is left, and the position at its price. Inverse ones, whose quantity is
    contracts of one unit of the quote currency: the same in the base currency, where a contract is worth 1 / price
    and is owed by who bought it.

    Raises:
        PermanentError: a price of an inverse product is not above zero.
    """
    cash_e12, position_e8 = initial_e12, 0
    cash, position = [cash_e12 / 10**12], [0.0]
    for fill, flow in zip(fills, flows_e12(fills, instrument=instrument), strict=True):
        cash_e12 += flow - fill.fee_e12
        position_e8 += fill.quantity_e8 if fill.side is _BUY else -fill.quantity_e8
        cash.append(cash_e12 / 10**12)
        position.append(position_e8 / 10**8)

    inverse = settlement_of(instrument.product) is INVERSE
    if inverse and len(price_e9) and price_e9.min() <= 0:
        raise PermanentError("price not above zero", f"{instrument.symbol} is {instrument.product}")
    edges = np.searchsorted(ts_ns, np.array([fill.ts_ns for fill in fills], np.int64))
    marks = np.diff(edges, prepend=0, append=len(ts_ns))  # so many follow after no fill, after the first, ...
    exposure = np.repeat(position, marks)
    exposure *= 1e9 / price_e9 if inverse else price_e9 / 1e9
    equity = np.repeat(cash, marks)
    if inverse:
        equity -= exposure
    else:
        equity += exposure
    return EquityCurve(ts_ns=ts_ns, equity=equity, exposure=exposure)


def round_trips(fills: Sequence[Fill], *, instrument: Instrument, last_ns: int, last_e9: int) -> list[RoundTrip]:
    """The positions that `fills`, in the order of time, made from flat to flat; a fill that turns a position ends one
    and begins the next, and its fee is shared in proportion. `quantity_e8` is everything that was entered, prices are
    averages over what was entered and what was left, rounded to the nearest.

    The last position may be open still: it is then looked at with the price `last_e9` at `last_ns`. All profits add
    up to what the ledger has as realised + unrealised at that price - fees, to the unit.
    """
    inverse = settlement_of(instrument.product) is INVERSE
    trips: list[RoundTrip] = []
    trip: _Trip | None = None
    for number, fill in enumerate(fills):
        left_e8, fee_e12, price_e9 = fill.quantity_e8, fill.fee_e12, fill.price_e9
        if trip is not None and fill.side is not trip.side:
            closing_e8 = min(left_e8, trip.held_e8)
            closing_fee_e12 = fee_e12 * closing_e8 // left_e8
            left_e8, fee_e12 = left_e8 - closing_e8, fee_e12 - closing_fee_e12
            trip.held_e8 -= closing_e8
            trip.exits += closing_e8 * _FINE // price_e9 if inverse else closing_e8 * price_e9
            trip.realised_e12 += fill.realised_e12
            trip.fees_e12 += closing_fee_e12
            if not trip.held_e8:
                trips.append(trip.closed(fill.ts_ns))
                trip = None
        if left_e8:
            trip = trip or _Trip(
                first=number, inverse=inverse, side=fill.side, entry_ns=fill.ts_ns, opened_e8=left_e8
            )
            trip.entered_e8 += left_e8
            trip.held_e8 += left_e8
            trip.entries += left_e8 * _FINE // price_e9 if inverse else left_e8 * price_e9
            trip.fees_e12 += fee_e12
    if trip is not None:
        own = fills[trip.first :]
        gained_e12 = _gained_e12(own, trip, instrument, last_e9)
        trips.append(trip.ended(max(last_ns, own[-1].ts_ns), last_e9, gained_e12, is_open=True))
    return trips


def _gained_e12(fills: Sequence[Fill], trip: _Trip, instrument: Instrument, last_e9: int) -> int:
    # By the fills of an open trip before fees, if what is held were closed at the last price. Of a fill that turned
    # the position into this one only the opening part counts, rounded by itself as in the ledger.
    opened, *others = fills
    opened = attrs.evolve(opened, quantity_e8=trip.opened_e8)
    closing = attrs.evolve(
        opened,
        side=Side.SELL if trip.side is _BUY else Side.BUY,
        quantity_e8=trip.held_e8,
        price_e9=last_e9,
    )
    return sum(flows_e12([opened, *others, closing], instrument=instrument))


@attrs.define(kw_only=True, eq=False)
class _Trip:
    # A position while it lasts, begun by `opened_e8` of fill number `first`. `entries` and `exits` are sums of
    # quantity * price, or of quantity / price.
    first: int
    opened_e8: int
    inverse: bool
    side: Side
    entry_ns: int
    entered_e8: int = 0
    held_e8: int = 0
    entries: int = 0
    exits: int = 0
    realised_e12: int = 0
    fees_e12: int = 0

    def closed(self, exit_ns: int) -> RoundTrip:
        return self.ended(exit_ns, self._average_e9(self.exits), self.realised_e12, is_open=False)

    def ended(self, exit_ns: int, exit_e9: int, gained_e12: int, *, is_open: bool) -> RoundTrip:
        return RoundTrip(
            side=self.side,
            entry_ns=self.entry_ns,
            exit_ns=exit_ns,
            quantity_e8=self.entered_e8,
            entry_e9=self._average_e9(self.entries),
            exit_e9=exit_e9,
            profit_e12=gained_e12 - self.fees_e12,
            fees_e12=self.fees_e12,
            open=is_open,
        )

    def _average_e9(self, total: int) -> int:
        above, below = (self.entered_e8 * _FINE, total) if self.inverse else (total, self.entered_e8)
        return (2 * above + below) // (2 * below)
