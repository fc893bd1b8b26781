"""An order that waits at the exchange, and the trade at which something happens to it. Pure."""

from __future__ import annotations

from typing import Final

import attrs

from core.bars.ticks import Column
from core.model.orders import Order, OrderKind, Side
from core.sim.search import first_at_or_above, first_at_or_below

# Members of an enumeration are looked up by Python code; this is asked again and again.
_BUY: Final = Side.BUY
_MARKET, _LIMIT = OrderKind.MARKET, OrderKind.LIMIT


@attrs.define(eq=False)
class Waiting:
    """`searched` is the number of the trade up to which nothing happens to the order: at first that from which on it
    counts. `last_e9` was the price when it was given."""

    order: Order
    searched: int
    last_e9: int = 0

    def due(self, prices: Column, end: int, *, touch: bool) -> int:
        """The first trade before number `end` at which something happens to it, `end` or more when none does.

        A resting limit order waits for a price beyond its own, with `touch` for its own too.
        """
        start, order = self.searched, self.order
        if start >= end or order.kind is _MARKET or order.triggered:
            return start
        if order.kind is _LIMIT:
            if not order.resting:
                return start  # at its first trade it is seen what it can take
            below = order.side is _BUY
            level_e9 = order.limit_e9 if touch else order.limit_e9 - order.side.sign
        else:
            below, level_e9 = order.side is not _BUY, order.stop_e9
        search = first_at_or_below if below else first_at_or_above
        self.searched = search(prices, level_e9, start=start, end=end)
        return self.searched
