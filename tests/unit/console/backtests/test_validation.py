"""What is found in trades before they are run on, and what is made of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from console.backtests.validation import checked, outliers
from core.model.records import UNDEF_PRICE, UNDEF_TIMESTAMP
from tests.unit.console.backtests.trading import found_trades


def test_trades_out_of_order_are_put_in_order() -> None:
    """Those that go back are counted and sorted; of one instant they stay as they came."""
    ticks, counts = checked(found_trades([5, 3, 5, 4], [1, 2, 3, 4]))
    assert ticks.ts_ns.tolist() == [3, 4, 5, 5]
    assert ticks.price_e9.tolist() == [2, 4, 1, 3]
    assert counts.out_of_order == 2


def test_trades_of_one_instant_are_in_the_order_of_their_ids() -> None:
    """As a store reads them, so that files and stores give the same."""
    ticks, counts = checked(found_trades([5, 5, 5], [1, 2, 3], ids=[12, 11, 13]))
    assert ticks.price_e9.tolist() == [2, 1, 3]
    assert counts.out_of_order == 0


def test_the_same_id_counts_once() -> None:
    """Of trades with one id the first stays; those without an id are never duplicates."""
    ticks, counts = checked(found_trades([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], ids=[7, 8, 7, 0, 0]))
    assert ticks.price_e9.tolist() == [1, 2, 4, 5]
    assert counts.duplicates == 1


def test_what_has_no_price_or_time_is_left_out() -> None:
    """DBN's undefined prices and instants, and prices of 0 and below, are left out and counted apart."""
    found = found_trades([1, 2, UNDEF_TIMESTAMP, 4, 5], [10, UNDEF_PRICE, 10, 0, -3])
    ticks, counts = checked(found)
    assert len(ticks) == 1
    assert (counts.no_price, counts.not_positive) == (2, 2)


def test_quantities_of_zero_stay_and_are_counted() -> None:
    """A trade without a quantity still has a price."""
    ticks, counts = checked(found_trades([1, 2], [10, 11], quantity_e8=0))
    assert (len(ticks), counts.zero_quantities) == (2, 2)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9), st.integers(0, 20)), max_size=40))
def test_checked_trades_are_the_priced_ones_in_order(rows: list[tuple[int, int, int]]) -> None:
    """Whatever comes in: what comes out is in order, nothing is made up, and every trade is there or counted."""
    stamps, prices, ids = ([row[at] for row in rows] for at in range(3))
    ticks, counts = checked(found_trades(stamps, prices, ids=ids))
    assert bool((np.diff(ticks.ts_ns) >= 0).all())
    assert len(ticks) + counts.duplicates == len(rows)
    wanted = len({one for one in ids if one}) + ids.count(0)
    assert len(ticks) == wanted
    assert set(zip(ticks.ts_ns.tolist(), ticks.price_e9.tolist(), strict=True)) <= set(
        zip(stamps, prices, strict=True)
    )


def test_an_outlier_is_far_from_the_median() -> None:
    """One price far beyond the usual distance is one outlier; equal prices have none."""
    assert outliers(np.array([100, 101, 99, 102, 98, 5000], np.int64)) == 1
    assert outliers(np.full(9, 100, np.int64)) == 0
    assert outliers(np.empty(0, np.int64)) == 0
