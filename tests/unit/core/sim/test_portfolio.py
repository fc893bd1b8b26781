"""Worth over time and round trips, by hand and against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from core.errors import PermanentError
from core.model.instruments import Product
from core.model.orders import Fill, Side
from core.sim.portfolio import equity_curve, flows_e12, round_trips
from tests.unit.core.sim.examples import START_NS, fill, instrument

UNIT = 10**12
BUY, SELL = Side.BUY, Side.SELL
INVERSE = Product.INVERSE_PERPETUAL
LINEAR = Product.LINEAR_PERPETUAL


def test_the_worth_of_a_purchase() -> None:
    """Cash goes down by price and fee, the position follows the market, and a sale makes cash of it again."""
    fills = [fill(BUY, "2", "100", at_ns=20, fee="0.5"), fill(SELL, "2", "110", at_ns=40, fee="0.25")]
    ts_ns = np.array([10, 20, 30, 39, 40, 50])
    price_e9 = np.array([100, 100, 105, 120, 115, 1]) * 10**9
    curve = equity_curve(fills, instrument=instrument(), initial_e12=1000 * UNIT, ts_ns=ts_ns, price_e9=price_e9)
    assert curve.equity.tolist() == [1000, 999.5, 1009.5, 1039.5, 1019.25, 1019.25]
    assert curve.exposure.tolist() == [0, 200, 210, 240, 0, 0]
    assert curve.ts_ns is ts_ns


def test_contracts_of_an_inverse_product() -> None:
    """40000 contracts bought at 40000 and seen at 50000 have gained 1 - 0.8 of the base currency; sold, lost it."""
    marks = {"ts_ns": np.array([1, 2]), "price_e9": np.array([40_000, 50_000]) * 10**9}
    bought = equity_curve(
        [fill(BUY, "40000", "40000", at_ns=1)], instrument=instrument(INVERSE), initial_e12=2 * UNIT, **marks
    )
    assert bought.equity.tolist() == pytest.approx([2.0, 2.2], rel=1e-15)
    assert bought.exposure.tolist() == pytest.approx([1.0, 0.8], rel=1e-15)
    sold = equity_curve(
        [fill(SELL, "40000", "40000", at_ns=1)], instrument=instrument(INVERSE), initial_e12=2 * UNIT, **marks
    )
    assert sold.equity.tolist() == pytest.approx([2.0, 1.8], rel=1e-15)
    assert sold.exposure.tolist() == pytest.approx([-1.0, -0.8], rel=1e-15)


@pytest.mark.parametrize("product", [Product.SPOT, LINEAR, INVERSE])
def test_every_mark_equals_exact_fractions(product: Product) -> None:
    """At each mark the worth is that of exact arithmetic over all fills so far, to a float's last bits."""
    rng = np.random.default_rng(11)
    ts_ns = np.sort(rng.integers(0, 10**6, 3000))
    price_e9 = (42_000 * 100 + rng.integers(-50, 51, 3000).cumsum()) * 10**7
    fills = [
        fill(
            BUY if rng.random() < 0.5 else SELL,
            f"{rng.integers(1, 10**9) / 10**8:.8f}",
            f"{int(price_e9[number]) / 10**9:.2f}",
            at_ns=int(ts_ns[number]) + int(rng.integers(0, 3)),
            fee="0.123456789012",
        )
        for number in np.sort(rng.choice(3000, 60, replace=False)).tolist()
    ]
    fills.sort(key=lambda one: one.ts_ns)
    curve = equity_curve(
        fills, instrument=instrument(product), initial_e12=10**5 * UNIT, ts_ns=ts_ns, price_e9=price_e9
    )
    for number in range(0, 3000, 7):
        seen = [one for one in fills if one.ts_ns <= ts_ns[number]]
        exact = float(_worth(seen, product, Fraction(int(price_e9[number]), 10**9)))
        assert curve.equity[number] == pytest.approx(exact, rel=1e-12)


def _worth(fills: list[Fill], product: Product, mark: Fraction) -> Fraction:
    worth = Fraction(10**5)
    for one in fills:
        signed, price = Fraction(one.side.sign * one.quantity_e8, 10**8), Fraction(one.price_e9, 10**9)
        gained = signed * (1 / price - 1 / mark) if product is INVERSE else signed * (mark - price)
        worth += gained - Fraction(one.fee_e12, UNIT)
    return worth


def test_nothing_done_and_nothing_seen() -> None:
    """Without a fill the worth stays what it was, and without a mark there is no curve."""
    marks = np.array([1, 2, 3])
    curve = equity_curve([], instrument=instrument(), initial_e12=5 * UNIT, ts_ns=marks, price_e9=marks)
    assert (curve.equity.tolist(), curve.exposure.tolist()) == ([5.0] * 3, [0.0] * 3)
    unseen = equity_curve(
        [fill(BUY, "1", "1")], instrument=instrument(), initial_e12=UNIT, ts_ns=marks[:0], price_e9=marks[:0]
    )
    assert len(unseen.equity) == len(unseen.exposure) == 0


def test_a_price_of_zero() -> None:
    """A linear product may cost nothing or less; an inverse one has no worth then and is refused."""
    marks = {"ts_ns": np.array([1, 2, 3]), "price_e9": np.array([1, 0, -1]) * 10**9}
    fills = [fill(BUY, "1", "1", at_ns=1)]
    curve = equity_curve(fills, instrument=instrument(LINEAR), initial_e12=UNIT, **marks)
    assert curve.equity.tolist() == [1.0, 0.0, -1.0]
    with pytest.raises(PermanentError, match="price not above zero"):
        equity_curve(fills, instrument=instrument(INVERSE), initial_e12=UNIT, **marks)


def test_flows_are_rounded_against_the_account() -> None:
    """A flow that is no whole number of 1e-12 is the next lower one, bought or sold."""
    fills = [fill(BUY, "0.00000001", "0.000000001"), fill(SELL, "0.00000001", "0.000000001")]
    assert flows_e12(fills, instrument=instrument()) == [-1, 0]


def test_a_trip_from_flat_to_flat() -> None:
    """Bought twice and sold twice: averages by quantity, times of the first and the last fill, profit after fees."""
    fills = [
        fill(BUY, "1", "100", at_ns=1, fee="1"),
        fill(BUY, "3", "104", at_ns=2, fee="3"),
        fill(SELL, "1", "110", at_ns=3, fee="1", realised="7"),
        fill(SELL, "3", "106", at_ns=4, fee="2", realised="9"),
    ]
    (trip,) = round_trips(fills, instrument=instrument(), last_ns=9, last_e9=1)
    assert (trip.side, trip.entry_ns, trip.exit_ns, trip.open) == (BUY, 1, 4, False)
    assert (trip.quantity_e8, trip.entry_e9, trip.exit_e9) == (4 * 10**8, 103 * 10**9, 107 * 10**9)
    assert (trip.profit_e12, trip.fees_e12) == (9 * UNIT, 7 * UNIT)


def test_turning_a_position_ends_one_trip_and_begins_another() -> None:
    """The fill that turns it is the exit of one and the entry of the other, at its price and with its share of the
    fee; what it realised belongs to the one that it ends."""
    fills = [
        fill(SELL, "1", "100", at_ns=1, fee="1"),
        fill(BUY, "4", "90", at_ns=2, fee="0.000000000005", realised="10"),
        fill(SELL, "3", "95", at_ns=3, fee="0", realised="15"),
    ]
    short, long = round_trips(fills, instrument=instrument(LINEAR), last_ns=9, last_e9=1)
    assert (short.side, short.exit_ns, short.exit_e9, short.fees_e12) == (SELL, 2, 90 * 10**9, UNIT + 1)
    assert (long.side, long.entry_ns, long.entry_e9, long.fees_e12) == (BUY, 2, 90 * 10**9, 4)
    assert (short.quantity_e8, long.quantity_e8) == (10**8, 3 * 10**8)
    assert (short.profit_e12, long.profit_e12) == (9 * UNIT - 1, 15 * UNIT - 4)


def test_a_trip_that_did_not_end() -> None:
    """It is looked at with the last price: what was closed before and what is held count, less all its fees."""
    fills = [
        fill(BUY, "2", "100", at_ns=1, fee="1"),
        fill(SELL, "1", "120", at_ns=2, fee="1", realised="20"),
    ]
    (trip,) = round_trips(fills, instrument=instrument(), last_ns=9, last_e9=90 * 10**9)
    assert (trip.open, trip.exit_ns, trip.exit_e9) == (True, 9, 90 * 10**9)
    assert (trip.profit_e12, trip.quantity_e8) == ((20 - 10 - 2) * UNIT, 2 * 10**8)


def test_an_open_trip_that_began_by_turning() -> None:
    """Of the fill that turned the position only the part that opened the new one has gained since."""
    fills = [fill(SELL, "1", "100", at_ns=1), fill(BUY, "3", "90", at_ns=2, realised="10")]
    closed, still_open = round_trips(fills, instrument=instrument(LINEAR), last_ns=9, last_e9=95 * 10**9)
    assert (closed.profit_e12, still_open.profit_e12) == (10 * UNIT, 10 * UNIT)
    assert (still_open.open, still_open.quantity_e8) == (True, 2 * 10**8)


def test_a_trip_that_began_after_the_last_mark() -> None:
    """Its end is not before its beginning."""
    (trip,) = round_trips([fill(BUY, "1", "5", at_ns=7)], instrument=instrument(), last_ns=3, last_e9=5 * 10**9)
    assert (trip.entry_ns, trip.exit_ns, trip.profit_e12) == (7, 7, 0)


def test_averages_of_an_inverse_product() -> None:
    """Contracts are averaged by what they are worth: as many at 30000 as at 60000 cost 40000 on average."""
    fills = [
        fill(BUY, "60000", "30000", at_ns=1),
        fill(BUY, "60000", "60000", at_ns=2),
        fill(SELL, "120000", "48000.01", at_ns=3, realised="0.5"),
    ]
    (trip,) = round_trips(fills, instrument=instrument(INVERSE), last_ns=9, last_e9=1)
    assert (trip.entry_e9, trip.exit_e9) == (40_000 * 10**9, 48_000_010_000_000)
    assert trip.profit_e12 == UNIT // 2


def test_averages_are_rounded_to_the_nearest() -> None:
    """A third of a billionth is nothing and two thirds are one."""
    cheap, dear = "0.000000001", "0.000000002"
    for prices, average in (((cheap, cheap, dear), 1), ((cheap, dear, dear), 2)):
        fills = [fill(BUY, "1", price, at_ns=number) for number, price in enumerate(prices)]
        (trip,) = round_trips(fills, instrument=instrument(), last_ns=START_NS, last_e9=1)
        assert trip.entry_e9 == average


def test_no_fills_no_trips() -> None:
    """A strategy that never traded made none."""
    assert round_trips([], instrument=instrument(), last_ns=1, last_e9=1) == []
