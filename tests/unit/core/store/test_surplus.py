"""What of an offer is new where nothing has an id."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.records import MBP1, OHLCV, TRADE, Records, Schema
from core.store.surplus import Surplus

Trade = tuple[int, int]
TRADES = some.lists(some.tuples(some.integers(1, 4), some.integers(1, 3)), max_size=14)


def trades(found: list[Trade], publisher: int = 1) -> Records:
    """Trades of (instant, price)."""
    records = np.zeros(len(found), TRADE)
    records["publisher_id"] = publisher
    for at, (instant, price) in enumerate(found):
        records[at]["ts_event"], records[at]["price"] = instant, price
    return records


@given(TRADES, some.sets(some.integers(0, 13)), some.lists(some.integers(1, 5), min_size=14, max_size=14))
def test_an_offer_in_pieces_completes_what_is_stored_of_it(
    offer: list[Trade], kept: set[int], cuts: list[int]
) -> None:
    """Whatever part of an offer is stored, storing what is new of its pieces makes it whole, equal trades counted."""
    stored = [trade for at, trade in enumerate(offer) if at in kept]
    surplus, found, at = Surplus(trades(stored), Schema.TRADES), Counter(stored), 0
    for cut in cuts:
        piece, at = offer[at : at + cut], at + cut
        found.update(trade for trade, new in zip(piece, surplus.take(trades(piece)), strict=True) if new)
    assert found == Counter(offer)


def test_what_the_gateway_adds_makes_no_difference() -> None:
    """A trade streamed live and the same one from history differ in flags and times of sending, and are one."""
    live, told = trades([(5, 7)]), trades([(5, 7)])
    live["flags"], live["ts_recv"], live["ts_in_delta"] = 128, 99, 3
    assert not Surplus(live, Schema.TRADES).take(told).any()


def test_a_sequence_tells_two_trades_of_a_dataset_apart_and_not_two_of_ours() -> None:
    """Databento numbers both live and afterwards; our venues without ids number trades only while they stream."""
    for publisher, new in ((1, True), (OWN_PUBLISHERS + 3, False)):
        live, told = trades([(5, 7)], publisher), trades([(5, 7)], publisher)
        live["sequence"] = 41
        assert Surplus(live, Schema.TRADES).take(told).tolist() == [new]


def test_a_part_of_the_quantity_tells_two_trades_of_ours_apart() -> None:
    """The high word of a quantity of ours is where a dataset says how long a record was on its way."""
    one, other = trades([(5, 7)], OWN_PUBLISHERS), trades([(5, 7)], OWN_PUBLISHERS)
    other["ts_in_delta"] = 1
    assert Surplus(one, Schema.TRADES).take(other).all()


def test_quotes_are_told_apart_by_their_levels() -> None:
    """Two quotes that differ in a size of the best level alone are two."""
    one, other = np.zeros(1, MBP1), np.zeros(1, MBP1)
    one["publisher_id"] = other["publisher_id"] = 1
    other["bid_sz_00"] = 9
    surplus = Surplus(one, Schema.QUOTES)
    assert surplus.take(other).all()
    assert not surplus.take(one).any()


def test_bars_are_told_by_their_instants() -> None:
    """A bar of an instant that is stored is not new, whatever it says."""
    one, other = np.zeros(2, OHLCV), np.zeros(2, OHLCV)
    one["ts_event"], other["ts_event"], other["close"] = [60, 120], [120, 180], 5
    assert Surplus(one, Schema.BARS_1M).take(other).tolist() == [False, True]
