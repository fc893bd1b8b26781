"""The tape of a paper session: everything that its desk was told, in order, as records of one size. Pure.

A *step* is what the desk was told at once: rows that end with one that bears `END`. `lines` is how many lines of the
ledger stand when the step is done, so a step counts only where the ledger has as many: the tape is what commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.bars.ticks import Ticks

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


def ticks_of(rows: Rows) -> Ticks:
    """The trades in `rows`, which are trades all."""
    columns = (np.ascontiguousarray(rows[name]) for name in ("ts_ns", "price_e9", "quantity_e8", "side"))
    return Ticks(*columns)


def steps_of(rows: Rows) -> list[Step]:
    """The steps that are whole, in order; rows after the last are of one that is not.

    Raises `ValueError` when a step is of several kinds or markets, or of none that there is.
    """
    ends = np.flatnonzero(rows["kind"] & END) + 1
    firsts = np.concatenate(([0], ends[:-1])).astype(np.int64) if len(ends) else ends
    whole = rows[: int(ends[-1]) if len(ends) else 0]
    kinds, markets = whole["kind"] & _KIND, whole["market"]
    step = np.repeat(np.arange(len(ends)), ends - firsts)
    of_first = firsts[step] if len(step) else firsts
    if not (
        bool((kinds == kinds[of_first]).all())
        and bool((markets == markets[of_first]).all())
        and bool(((kinds >= CONTEXT) & (kinds <= ACT)).all())
    ):
        raise ValueError("a step of the tape is of no kind that there is")
    columns = (kinds[firsts], markets[firsts], firsts, ends, whole["lines"][ends - 1])
    return [Step(*one) for one in zip(*(column.tolist() for column in columns), strict=True)]


def committed(steps: Sequence[Step], lines: int) -> int:
    """How many of the `steps` count where the ledger has so many whole lines."""
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        if steps[middle].lines <= lines:
            low = middle + 1
        else:
            high = middle
    return low
