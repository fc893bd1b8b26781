"""Says in the log what becomes of a desk: halts, acts, holes, and a few fills a second."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from core.clock import NS_PER_S, monotonic_ns
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
from core.model.orders import Side
from core.sim.lines import AccountLine, ActLine, FillLine, HoleLine, LaneLine, Line
from core.store.columns import exact

MOST_FILLS: Final = 4
"""Lines about fills a second; how many more there were is said when the second is over."""

_BUY: Final = Side.BUY

logger = logging.getLogger("ringside.paper")


class PaperLog:
    """`hear` is the one of `PaperHost`. What is rare is always said; of fills the first few in each second."""

    def __init__(self, *, clock: Callable[[], int] = monotonic_ns) -> None:
        self._clock = clock
        self._second = 0
        self._fills = 0
        self._halted: dict[str, str] = {}
        self._liquidated: set[str] = set()

    def hear(self, _number: int, lines: list[Line]) -> None:
        """Say what these committed lines tell."""
        for line in lines:
            match line:
                case FillLine():
                    self._fill(line)
                case LaneLine():
                    self._lane(line)
                case AccountLine():
                    self._account(line)
                case ActLine():
                    logger.info("%s%s, by %s", line.act, f" {line.target}" if line.target else " all", line.by)
                case HoleLine():
                    rows = f"{line.rows:,} trades" if line.rows else "an unknown number of trades"
                    logger.warning("%s of %s on %s were not seen: %s", rows, line.symbol, line.venue, line.cause)

    def _fill(self, line: FillLine) -> None:
        second = self._clock() // NS_PER_S
        if second != self._second:
            if self._fills > MOST_FILLS:
                logger.info("and %d more fills", self._fills - MOST_FILLS)
            self._second, self._fills = second, 0
        self._fills += 1
        if self._fills > MOST_FILLS:
            return
        logger.info(
            "%s %s %s %s at %s on %s (order %d)",
            line.lane or line.reason,
            "bought" if line.side is _BUY else "sold",
            exact(line.quantity_e8, QUANTITY_DECIMALS),
            line.symbol,
            exact(line.price_e9, PRICE_DECIMALS),
            line.account,
            line.order,
        )

    def _lane(self, line: LaneLine) -> None:
        if line.state != "stopped":  # which whoever stopped it has said
            logger.info("%s on %s is %s: %s", line.lane, line.symbol, line.state, line.reason)

    def _account(self, line: AccountLine) -> None:
        before, self._halted[line.id] = self._halted.get(line.id, ""), line.halted
        if line.halted and line.halted != before:
            logger.warning("%s is halted: %s", line.id, line.halted)
        elif before and not line.halted:
            logger.info("%s is no longer halted", line.id)
        if line.liquidated and line.id not in self._liquidated:
            self._liquidated.add(line.id)
            logger.error("%s was liquidated", line.id)
