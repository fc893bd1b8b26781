"""The tape of a paper session: everything that its desk was told, in order, as records of one size. Pure.

A *step* is what the desk was told at once: rows that end with one that bears `END`. `lines` is how many lines of the
ledger stand when the step is done, so a step counts only where the ledger has as many: the tape is what commits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, overload

import attrs
import numpy as np
from numpy.typing import NDArray

from core.bars.series import STRETCH
from core.bars.ticks import Column, Ticks

TAPE: Final = np.dtype(
    [
        ("ts_ns", "<i8"),
        ("price_e9", "<i8"),
        ("quantity_e8", "<i8"),
        ("cursor", "<u8"),
        ("lines", "<u4"),
        ("market", "<u2"),
        ("kind", "u1"),
        ("side", "u1"),
    ]
)
"""`cursor` is how far the symbol's ring was read after the step; `market` the number of the symbol in the state at
the head of the session. Of a clock mark `ts_ns` is the instant that has passed; of an act all but `kind` is 0."""

CONTEXT: Final = 1
"""Trades of before the session, for strategies to look at."""
MISSED: Final = 2
"""Trades that came while no session ran: orders that waited are filled by them, strategies only look."""
TRADE: Final = 3
"""Trades."""
CLOCK: Final = 4
"""No trade will come any more from before an instant."""
ACT: Final = 5
"""Somebody did something; the first line of the step says what."""
END: Final = 0x80
_KIND: Final = 0x7F

Rows = NDArray[np.void]


class Step(NamedTuple):
    """The rows from `first` up to and without `end`, of one `kind` and `market`; `lines` as in a row."""

    kind: int
    market: int
    first: int
    end: int
    lines: int


@attrs.frozen(eq=False)
class Steps(Sequence[Step]):
    """Steps in order, each field of `Step` an array with one entry a step: a tape may have millions of them."""

    kind: NDArray[np.uint8]
    market: NDArray[np.uint16]
    first: Column
    end: Column
    lines: Column

    def __len__(self) -> int:
        return len(self.end)

    @overload
    def __getitem__(self, at: int) -> Step: ...
    @overload
    def __getitem__(self, at: slice) -> Steps: ...
    def __getitem__(self, at: int | slice) -> Step | Steps:
        if isinstance(at, slice):
            return Steps(self.kind[at], self.market[at], self.first[at], self.end[at], self.lines[at])
        return Step(*(int(column[at]) for column in self._columns()))

    def __iter__(self) -> Iterator[Step]:
        return map(Step._make, zip(*map(python_numbers, self._columns()), strict=True))

    def _columns(self) -> tuple[NDArray[np.integer], ...]:
        return self.kind, self.market, self.first, self.end, self.lines

    def committed(self, lines: int) -> int:
        """How many of them count where the ledger has so many whole lines."""
        return int(np.searchsorted(self.lines, lines, side="right"))


def python_numbers(column: NDArray[np.integer]) -> Iterator[int]:
    """The entries as Python's numbers, a stretch of them at a time."""
    firsts = range(0, len(column), STRETCH)
    return itertools.chain.from_iterable(column[first : first + STRETCH].tolist() for first in firsts)


def rows_of(ticks: Ticks, *, kind: int, market: int, cursor: int, lines: int) -> Rows:
    """The rows of a step of trades, at least one."""
    rows = np.zeros(len(ticks), TAPE)
    rows["ts_ns"], rows["price_e9"], rows["quantity_e8"] = ticks.ts_ns, ticks.price_e9, ticks.quantity_e8
    rows["side"], rows["kind"], rows["market"] = ticks.side, kind, market
    rows["cursor"], rows["lines"] = cursor, lines
    rows["kind"][-1] |= END
    return rows


def row_of(*, kind: int, market: int = 0, ts_ns: int = 0, cursor: int = 0, lines: int) -> Rows:
    """The row of a clock mark or an act."""
    return np.array([(ts_ns, 0, 0, cursor, lines, market, kind | END, 0)], TAPE)


def kinds_of(rows: Rows) -> NDArray[np.uint8]:
    """The kind of the step of each row."""
    kinds: NDArray[np.uint8] = rows["kind"] & np.uint8(_KIND)
    return kinds


def ticks_of(rows: Rows, market: int) -> Ticks:
    """All trades of a market, copied; whatever their kind."""
    kinds = kinds_of(rows)
    own = (rows["market"] == market) & (kinds >= CONTEXT) & (kinds <= TRADE)
    return Ticks(*(rows[name][own] for name in ("ts_ns", "price_e9", "quantity_e8", "side")))


def steps_of(rows: Rows) -> Steps:
    """The steps that are whole; rows after the last are of one that is not.

    Raises `ValueError` when a row is of no kind that there is or of another kind or market than its step, or when the
    ledger is shorter after a step than before it; it says where, counted from 1.
    """
    end = np.flatnonzero(rows["kind"] & END) + 1
    first = np.append(0, end)[:-1]
    whole = rows[: int(end[-1]) if len(end) else 0]
    kinds, markets, goes_on = kinds_of(whole), whole["market"], np.roll(whole["kind"] < END, 1)
    _refuse((kinds < CONTEXT) | (kinds > ACT), "row {} is of no kind that there is")
    changed = (kinds != np.roll(kinds, 1)) | (markets != np.roll(markets, 1))
    _refuse(goes_on & changed, "row {} is of another kind or symbol than its step")
    lines = whole["lines"][end - 1].astype(np.int64)
    _refuse(np.diff(lines, prepend=0) < 0, "step {} has fewer lines than the one before it")
    return Steps(kinds[first], markets[first], first, end, lines)


def _refuse(wrong: NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        raise ValueError(what.format(int(np.argmax(wrong)) + 1))
