"""The eight lengths of bars that people ask for by name, and bars of them from pages of trades. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import numpy as np

from core.bars.candles import NO_BARS, merge_bars, time_bars
from core.clock import DAY_NS, NS_PER_S
from core.errors import UsageError
from core.model.records import Records

_MINUTE_NS = 60 * NS_PER_S
_HOUR_NS = 60 * _MINUTE_NS
# The epoch was a Thursday, and weeks begin on a Monday.
_FIRST_MONDAY_NS = 4 * DAY_NS


class Timeframe(enum.StrEnum):
    """A length of bars, by the name that is typed and shown. All begin in UTC: days at midnight, weeks on Mondays."""

    MINUTE = "1m"
    MINUTES_5 = "5m"
    MINUTES_15 = "15m"
    MINUTES_30 = "30m"
    HOUR = "1h"
    HOURS_4 = "4h"
    DAY = "1d"
    WEEK = "1w"

    @property
    def interval_ns(self) -> int:
        """How long a bar is."""
        return _INTERVALS_NS[self]

    @property
    def offset_ns(self) -> int:
        """When the first bar after the epoch begins."""
        return _FIRST_MONDAY_NS if self is Timeframe.WEEK else 0

    @classmethod
    def parse(cls, text: str) -> Timeframe:
        """The timeframe of that name.

        Raises:
            UsageError: there is none.
        """
        try:
            return cls(text)
        except ValueError:
            names = " ".join(cls)
            raise UsageError("unknown timeframe", f"{text[:40]!a}", hint=f"one of {names}") from None

    def bars(self, trades: Records) -> Records:
        """One bar for every interval of this length that has trades, as `time_bars` makes them."""
        return time_bars(trades, self.interval_ns, offset_ns=self.offset_ns)


def bars_of_pages(pages: Iterable[Records], timeframe: Timeframe) -> Records:
    """The bars of all trades in `pages`, as `CANDLE` records: those of the trades in one piece, however they are cut.

    Holds one page at a time and the bars.
    """
    parts = [timeframe.bars(page) for page in pages]
    # A bar that a cut went through is in two parts or more.
    return merge_bars(NO_BARS, np.concatenate(parts)) if parts else NO_BARS


_INTERVALS_NS = {
    Timeframe.MINUTE: _MINUTE_NS,
    Timeframe.MINUTES_5: 5 * _MINUTE_NS,
    Timeframe.MINUTES_15: 15 * _MINUTE_NS,
    Timeframe.MINUTES_30: 30 * _MINUTE_NS,
    Timeframe.HOUR: _HOUR_NS,
    Timeframe.HOURS_4: 4 * _HOUR_NS,
    Timeframe.DAY: DAY_NS,
    Timeframe.WEEK: 7 * DAY_NS,
}
