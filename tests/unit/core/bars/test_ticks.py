"""Trades as columns: from records, in parts and joined again."""

from __future__ import annotations

import numpy as np

from core.bars.ticks import Tick, Ticks
from core.model.records import UNDEF_PRICE
from tests.conformance.ticks import T0, ticks
from tests.unit.core.bars.events import ticks_of


def test_records_become_contiguous_columns() -> None:
    """Instants, prices, quantities with their high word, and sides as DBN has them."""
    records = ticks([1, 2])
    records["ts_in_delta"] = [0, 1]
    records["side"] = [b"A", b"N"]
    columns = Ticks.of_records(records)
    assert columns.tick(0) == Tick(T0 + 1000, 1, 12_345, "A")
    assert columns.tick(1) == Tick(T0 + 2000, 2, 12_345 + 2**32, "N")
    arrays = (columns.ts_ns, columns.price_e9, columns.quantity_e8, columns.side)
    assert [array.dtype.str for array in arrays] == ["<i8", "<i8", "<i8", "|u1"]
    assert all(array.flags.c_contiguous for array in arrays)


def test_records_without_a_price_are_left_out() -> None:
    """What has no price is no trade; the others keep their order."""
    records = ticks([1, 2, 3])
    records["price"][1] = UNDEF_PRICE
    assert Ticks.of_records(records).price_e9.tolist() == [1, 3]
    assert len(Ticks.of_records(records[:0])) == 0


def test_parts_joined_are_the_whole() -> None:
    """A part shares the memory of the whole; joining copies, but for a single one."""
    whole = ticks_of([(number, number, number) for number in range(5)])
    first, second = whole.part(0, 2), whole.part(2, 5)
    assert np.shares_memory(first.price_e9, whole.price_e9)
    joined = Ticks.joined([first, Ticks.none(), second])
    assert [joined.tick(number) for number in range(5)] == [whole.tick(number) for number in range(5)]
    assert Ticks.joined([first]) is first
    assert len(Ticks.joined([])) == 0
