"""Trades of choice as columns, and the events of bars as plain rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from core.bars.series import BarSeries
from core.bars.ticks import Ticks

FRIDAY_NS: Final = 1_704_412_800_000_000_000
"""2024-01-05, midnight UTC: a Friday."""


class Event(NamedTuple):
    """One event, its columns as Python's numbers."""

    ts_ns: int
    next_tick: int
    open_ns: int
    open_e9: int
    high_e9: int
    low_e9: int
    close_e9: int
    volume_e8: int
    tick_count: int
    is_first_tick: bool
    is_bar_closed: bool
    is_synthetic: bool


def ticks_of(rows: Sequence[tuple[int, int, int]], *, start_ns: int = 0) -> Ticks:
    """Trades from (ns since `start_ns`, price at 1e-9, quantity at 1e-8), all bought."""
    times, prices, quantities = zip(*rows, strict=True) if rows else ((), (), ())
    return Ticks(
        np.array(times, np.int64) + start_ns,
        np.array(prices, np.int64),
        np.array(quantities, np.int64),
        np.full(len(rows), ord("B"), np.uint8),
    )


def events_of(series: BarSeries, *, ticks_before: int = 0) -> list[Event]:
    """The events of `series`, their `next_tick` counted from `ticks_before` earlier."""
    columns = [getattr(series, name) for name in Event._fields]
    assert {len(column) for column in columns} == {len(series)}
    assert [column.dtype.str for column in columns] == ["<i8"] * 9 + ["|b1"] * 3
    rows = (Event(*row) for row in zip(*(column.tolist() for column in columns), strict=True))
    return [row._replace(next_tick=row.next_tick + ticks_before) for row in rows]


def joined_events(pieces: Iterable[BarSeries]) -> list[Event]:
    """The events of pieces as those of the whole."""
    found: list[Event] = []
    before = 0
    for piece in pieces:
        found += events_of(piece, ticks_before=before)
        before += len(piece.ticks)
    return found
