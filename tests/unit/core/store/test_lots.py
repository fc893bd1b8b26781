"""Quantities in lots that everybody can sum, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PermanentError
from core.model.fixedpoint import quantities_e8, split_quantities
from core.model.records import F_PUBLISHER_SPECIFIC, Records, Schema
from core.store.lots import MOST_LOTS, exponent_of, fits, from_lots, to_lots, unfinished
from core.store.repository import SeriesKey
from tests.conformance.ticks import BOOKS, QUOTES, TRADES, ticks


def with_quantities(quantities: list[int], *, series: SeriesKey = TRADES) -> Records:
    """Records with these quantities at 1e-8, marked as providers mark them; levels have the same ones."""
    made = ticks(range(1, len(quantities) + 1), series=series)
    low, high = split_quantities(np.array(quantities, np.int64))
    made["size"], made["ts_in_delta"] = low, high.view(np.int32)
    for name in made.dtype.names or ():
        if "_sz_" in name:
            made[name], made[name.replace("_sz_", "_ct_")] = low, high
    made["flags"] = np.where(high > 0, F_PUBLISHER_SPECIFIC | 128, 128)
    return made


@pytest.mark.parametrize(
    ("increment_e8", "exponent"), [(1, -8), (10_000, -4), (25_000_000, -2), (100_000_000, 0), (10**12, 0), (50, -7)]
)
def test_the_step_of_an_instrument_decides_the_lot(increment_e8: int, exponent: int) -> None:
    """The lot is the largest power of ten that divides the step, and never more than a whole unit."""
    assert exponent_of(increment_e8) == exponent


@given(st.lists(st.integers(0, 4 * MOST_LOTS), min_size=1, max_size=40), st.sampled_from([-8, -5, 0]))
def test_trades_come_back_as_they_were(lots: list[int], size_exp: int) -> None:
    """Whatever the quantities, their lots sum to the same and turn back into the same records."""
    trades = with_quantities([count * 10 ** (8 + size_exp) for count in lots])
    assert fits(trades, Schema.TRADES, size_exp)
    made = to_lots(trades, Schema.TRADES, size_exp).records
    assert int(made["size"].astype(np.int64).sum()) == sum(lots)
    assert (made["size"] <= MOST_LOTS).all()
    assert not made["ts_in_delta"].any()
    assert from_lots(made, Schema.TRADES, size_exp).tobytes() == trades.tobytes()


def test_a_large_trade_is_several_records_of_which_the_last_alone_is_not_marked() -> None:
    """Two and a half times the most lots are three records; who counts trades counts those without the flag."""
    made = to_lots(with_quantities([5 * MOST_LOTS // 2, 7]), Schema.TRADES, -8).records
    assert made["size"].tolist() == [MOST_LOTS, MOST_LOTS, 5 * MOST_LOTS // 2 - 2 * MOST_LOTS, 7]
    assert ((made["flags"] & F_PUBLISHER_SPECIFIC) != 0).tolist() == [True, True, False, False]
    assert len(set(made["sequence"][:3].tolist())) == 1
    assert unfinished(made[:2]) == 2
    assert unfinished(made) == 0


@pytest.mark.parametrize("series", [QUOTES, BOOKS])
def test_quotes_and_books_come_back_unless_they_are_too_large(series: SeriesKey) -> None:
    """Levels within 32 bits of lots turn back exactly; larger ones stop at the highest number and are counted."""
    records = with_quantities([10**13, 0, 5], series=series)
    made = to_lots(records, series.schema, -8)
    levels = 2 if series is QUOTES else 20
    assert made.saturated == levels + 1
    small = with_quantities([12_345, 0, 5], series=series)
    lotted = to_lots(small, series.schema, -8)
    assert lotted.saturated == 0
    assert from_lots(lotted.records, series.schema, -8).tobytes() == small.tobytes()
    coarse = with_quantities([10**13], series=series)
    back = from_lots(to_lots(coarse, series.schema, 0).records, series.schema, 0)
    assert back.tobytes() == coarse.tobytes()


def test_a_quantity_that_is_no_whole_number_of_lots_is_noticed() -> None:
    """Of a step that is too coarse the caller is told before anything is rounded."""
    assert not fits(with_quantities([100, 15]), Schema.TRADES, -7)
    assert fits(with_quantities([100, 15]), Schema.TRADES, -8)


def spoil_flag(trades: Records) -> Any:
    """The last piece is missing."""
    return trades[:1]


def spoil_price(trades: Records) -> Any:
    """The pieces have different prices."""
    trades["price"][1] += 1
    return trades


@pytest.mark.parametrize("spoil", [spoil_flag, spoil_price])
def test_pieces_that_do_not_belong_together_are_refused(spoil: Any) -> None:
    """Half of a split trade, or pieces of two, are damage."""
    made = to_lots(with_quantities([MOST_LOTS + 5]), Schema.TRADES, -8).records
    with pytest.raises(PermanentError, match="split trade"):
        from_lots(spoil(made), Schema.TRADES, -8)


def test_what_would_overflow_is_refused() -> None:
    """Lots that are beyond 63 bits at 1e-8, and a split into millions of records, are errors and no wrap."""
    bars = np.zeros(1, Schema.BARS_1M.dtype)
    bars["volume"] = 2**63
    with pytest.raises(PermanentError, match="out of range"):
        from_lots(bars, Schema.BARS_1M, 0)
    with pytest.raises(PermanentError, match="cannot split"):
        to_lots(with_quantities([2**63 - 1]), Schema.TRADES, -8)
    assert quantities_e8(with_quantities([2**63 - 1])).tolist() == [2**63 - 1]
