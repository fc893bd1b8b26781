"""What a result is said to depend on: the same for the same, and another for anything that decides it."""

from __future__ import annotations

import numpy as np
import pytest

from console.backtests.fingerprint import canonical, code_hash, data_hash, hash_of
from core.bars.ticks import Ticks
from core.store.repository import MISSED, Gap
from tests.conformance.ticks import TRADES
from tests.unit.console.backtests.trading import walk


def test_one_changed_digit_is_other_data() -> None:
    """A price, a quantity, a side, an instant, one trade less: each changes the hash of the data."""
    ticks = Ticks.of_records(walk(50))
    hashes = {data_hash(ticks, None, start_ns=0, until_ns=None, gaps=())}
    for name in ("ts_ns", "price_e9", "quantity_e8", "side"):
        columns = {column: getattr(ticks, column).copy() for column in ("ts_ns", "price_e9", "quantity_e8", "side")}
        columns[name][-1] += 1
        hashes.add(data_hash(Ticks(**columns), None, start_ns=0, until_ns=None, gaps=()))
    hashes.add(data_hash(ticks.part(0, 49), None, start_ns=0, until_ns=None, gaps=()))
    assert len(hashes) == 6


def test_what_the_data_covers_belongs_to_it() -> None:
    """Where it begins and ends, the gaps known in it and books beside it each change the hash."""
    ticks = Ticks.of_records(walk(50))
    gap = Gap(series=TRADES, start_ns=1, end_ns=2, rows=3, cause=MISSED)
    found = {
        data_hash(ticks, None, start_ns=0, until_ns=None, gaps=()),
        data_hash(ticks, None, start_ns=1, until_ns=None, gaps=()),
        data_hash(ticks, None, start_ns=0, until_ns=9, gaps=()),
        data_hash(ticks, None, start_ns=0, until_ns=None, gaps=(gap,)),
        data_hash(ticks, walk(3), start_ns=0, until_ns=None, gaps=()),
    }
    assert len(found) == 5


def test_the_layout_of_columns_does_not_matter() -> None:
    """Columns that are views with a stride hash like copies of them."""
    ticks = Ticks.of_records(walk(50))
    wide = {name: np.repeat(getattr(ticks, name), 2)[::2] for name in ("ts_ns", "price_e9", "quantity_e8", "side")}
    assert data_hash(Ticks(**wide), None, start_ns=0, until_ns=None, gaps=()) == data_hash(
        ticks, None, start_ns=0, until_ns=None, gaps=()
    )


def test_another_strategy_is_other_code() -> None:
    """The hash of the code holds that of the strategy, and stays the same within one version."""
    assert code_hash("a") == code_hash("a") != code_hash("b")
    assert len(code_hash("a")) == 64


def test_the_order_of_keys_does_not_matter() -> None:
    """The same content is the same text; what JSON does not know is refused."""
    assert hash_of({"a": 1, "b": [1, 2]}) == hash_of({"b": [1, 2], "a": 1}) != hash_of({"a": 1, "b": [2, 1]})
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))
