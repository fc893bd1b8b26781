"""What the screen keeps of the one instrument in its right-hand panes: candles, tape and book. No I/O, no clock."""

from __future__ import annotations

from typing import Final

import attrs

from console.tui.market import Tape, credibly_dated
from console.tui.snapshot import Book, Focus, Key, Print, SymbolView
from core.bars.candles import NO_BARS, coarser_bars, merge_bars, time_bars
from core.clock import NS_PER_S
from core.model.records import Records

INTERVALS_NS: Final = {
    name: seconds * NS_PER_S for name, seconds in (("5s", 5), ("1m", 60), ("5m", 300), ("15m", 900), ("1h", 3600))
}
"""The widths of candles that can be chosen."""
AUTOMATIC: Final = "auto"
_MAX_BARS: Final = 4000
_FEW_BARS: Final = 5  # below so many one-minute candles the automatic choice is five seconds


@attrs.define
class FocusState:
    """The running state of the instrument `key`; `interval` is a key of `INTERVALS_NS` or `AUTOMATIC`."""

    key: Key | None = None
    interval: str = AUTOMATIC
    interval_ns: int = INTERVALS_NS["5s"]
    bars: Records = attrs.Factory(lambda: NO_BARS)
    tape: Tape = attrs.Factory(Tape)
    book: Book | None = None

    def add(self, batch: Records, prints: list[Print]) -> None:
        """Take new trades, and the prints made of them."""
        self.tape.add(prints, len(batch))
        self.add_bars(batch)

    def set_interval(self, name: str) -> None:
        """Begin candles of another width; the trades so far must be added again."""
        self.interval = name
        self.interval_ns = INTERVALS_NS["5s" if name == AUTOMATIC else name]
        self.bars = NO_BARS

    def add_bars(self, batch: Records) -> None:
        """Take trades for the candles alone."""
        self.bars = merge_bars(self.bars, time_bars(credibly_dated(batch), self.interval_ns))[-_MAX_BARS:]
        minute_ns = INTERVALS_NS["1m"]
        if self.interval == AUTOMATIC and self.interval_ns < minute_ns and len(self.bars):
            span_ns = int(self.bars["ts_event"][-1]) - int(self.bars["ts_event"][0])
            if span_ns >= _FEW_BARS * minute_ns:
                self.interval_ns = minute_ns
                self.bars = coarser_bars(self.bars, minute_ns)

    def freeze(self, view: SymbolView) -> Focus:
        """This moment's picture of it."""
        return Focus(
            view=view,
            interval_ns=self.interval_ns,
            bars=self.bars,
            tape=self.tape.newest_first(),
            tape_total=self.tape.total,
            book=self.book,
        )
