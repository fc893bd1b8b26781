"""Strategies answer event by event what they answer for all events at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bars.history import bar_series
from core.bars.series import BarSeries
from core.bars.spec import BarDataMode, BarType
from core.clock import NS_PER_S
from core.model.fixedpoint import MAX_PRICE_E9, MAX_QUANTITY_E8
from core.strategy import Action, Strategy
from strategies.catalogue import STRATEGIES
from tests.unit.core.bars.events import FRIDAY_NS, ticks_of
from tests.unit.strategies.bars import one_by_one

SMALL_PARAMETERS: dict[str, st.SearchStrategy[dict[str, float]]] = {
    "sma": st.tuples(st.integers(1, 6), st.integers(1, 8)).map(lambda pair: {"short": pair[0], "long": sum(pair)}),
    "ema": st.tuples(st.integers(2, 40), st.integers(1, 90)).map(lambda pair: {"fast": pair[0], "slow": sum(pair)}),
    "rsi": st.tuples(st.integers(2, 9), st.integers(0, 50), st.integers(51, 100)).map(
        lambda three: {"period": three[0], "oversold": three[1], "overbought": three[2]}
    ),
    "bollinger": st.tuples(st.integers(2, 9), st.sampled_from([0.1, 0.5, 1, 1.5, 2])).map(
        lambda pair: {"period": pair[0], "width": pair[1]}
    ),
    "donchian": st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda pair: {"entry": pair[0], "exit": pair[1]}),
    "vwap": st.integers(0, 9).map(lambda period: {"period": period}),
}

PRICES = st.one_of(
    st.integers(1, 5).map(lambda price: price * 10**9),
    st.integers(59_000_00, 61_000_00).map(lambda cents: cents * 10**7),
    st.integers(-MAX_PRICE_E9, MAX_PRICE_E9),
)
PAUSES_S = st.one_of(st.integers(0, 40), st.integers(0, 400), st.sampled_from([7200, 90_000]))
TRADES = st.lists(st.tuples(PAUSES_S, PRICES, st.integers(0, 10**9)), max_size=120)


def series_of(trades: list[tuple[int, int, int]], mode: BarDataMode, bar_type: BarType) -> BarSeries:
    """The events of trades given by pause before, price and quantity."""
    at_s, rows = 0, []
    for pause_s, price_e9, quantity_e8 in trades:
        at_s += pause_s
        rows.append((at_s * NS_PER_S, price_e9, quantity_e8))
    return bar_series(ticks_of(rows, start_ns=FRIDAY_NS), bar_type, mode)


def check(strategy: Strategy, bars: BarSeries) -> list[int]:
    """Fail unless both forms agree, also the second time and on an object that has seen other events; the answers."""
    answers = one_by_one(strategy, bars)
    for _ in range(2):
        at_once = strategy.signals(bars)
        if at_once is not None:
            assert at_once.dtype == np.int8
            assert at_once.tolist() == answers
    assert one_by_one(strategy, bars) == answers
    return answers


def test_every_strategy_is_tried() -> None:
    """The parameters below are those of all strategies that come with Ringside."""
    assert set(SMALL_PARAMETERS) == set(STRATEGIES)


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=150, deadline=None)
@given(data=st.data(), trades=TRADES)
def test_both_forms_agree(name: str, data: st.DataObject, trades: list[tuple[int, int, int]]) -> None:
    """Over bars that are made up, equal prices, any volumes, bars of trades, every mode, one event and none."""
    strategy = STRATEGIES[name]()
    strategy.initialize({key: str(value) for key, value in data.draw(SMALL_PARAMETERS[name]).items()})
    mode = data.draw(st.sampled_from([strategy.bar_data_mode(), *BarDataMode]))
    bar_type = data.draw(st.sampled_from([BarType(), BarType.parse("3t")]))
    check(strategy, series_of(trades, mode, bar_type))


@pytest.mark.parametrize("name", STRATEGIES)
def test_defaults_agree_over_many_events_and_do_something(name: str) -> None:
    """With their own parameters, over thousands of events, both forms agree, buy and sell."""
    random = np.random.default_rng(11)
    count = 30_000
    pauses = random.choice([0, 1, 20, 90, 600], count, p=[0.2, 0.4, 0.2, 0.15, 0.05])
    prices = (6_000_000 + np.cumsum(random.integers(-30, 31, count))) * 10**7
    trades = list(zip(pauses.tolist(), prices.tolist(), random.integers(1, 10**8, count).tolist(), strict=True))
    strategy = STRATEGIES[name]()
    strategy.initialize({})
    bars = series_of(trades, strategy.bar_data_mode(), strategy.preferred_bar_type())
    assert strategy.signals(bars) is not None
    assert set(check(strategy, bars)) == set(Action)


@pytest.mark.parametrize("name", STRATEGIES)
def test_prices_that_stand_still_are_no_signal(name: str) -> None:
    """Nothing is bought or sold while the price stays where it is, however long and whatever is traded."""
    strategy = STRATEGIES[name]()
    strategy.initialize({})
    trades = [(30, 61_234_560_000_000, 1 + at % 7) for at in range(9000)]
    bars = series_of(trades, strategy.bar_data_mode(), strategy.preferred_bar_type())
    assert set(check(strategy, bars)) == {Action.HOLD}


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_largest_numbers_break_nothing(name: str) -> None:
    """Prices from one end of the range to the other, with the most that can be traded, are answered in both forms."""
    strategy = STRATEGIES[name]()
    strategy.initialize({"short": "1", "long": "2"} if name == "sma" else {})
    extremes = (-MAX_PRICE_E9, MAX_PRICE_E9, 0, MAX_PRICE_E9)
    trades = [(61, extremes[at % 4], MAX_QUANTITY_E8) for at in range(200)]
    check(strategy, series_of(trades, strategy.bar_data_mode(), strategy.preferred_bar_type()))
