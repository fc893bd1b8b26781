"""The strategies that come with Ringside: when each buys and sells, on bars small enough to follow by eye."""

from __future__ import annotations

import pytest

from core.bars.spec import BarDataMode, BarType
from core.bars.timeframes import Timeframe
from core.errors import UsageError
from core.strategy import Strategy
from strategies.bollinger import BollingerReversion
from strategies.catalogue import STRATEGIES
from strategies.donchian import DonchianBreakout
from strategies.ema_cross import EmaCross
from strategies.rsi import RsiReversal
from strategies.sma_cross import SmaCross
from strategies.vwap import VwapCross
from tests.unit.core.bars.events import FRIDAY_NS
from tests.unit.strategies.bars import MINUTE_NS, answers, closes, each_trade, given


def test_sma_buys_at_the_first_bar_that_is_above_and_sells_at_the_first_that_is_not() -> None:
    """Averages of 1 and 3: the first bar that has both counts; an equal average is not above."""
    strategy = given(SmaCross, short=1, long=3)
    assert answers(strategy, closes([1, 2, 3, 4, 1, 1, 1, 5])) == "..B.S..B"
    assert answers(strategy, closes([3, 2, 1, 1, 2, 9])) == "....B."
    assert answers(strategy, closes([1, 2])) == ".."


def test_sma_takes_the_names_fast_and_slow() -> None:
    """They are other names for short and long, and the bounds hold for them."""
    strategy = given(SmaCross, fast=2, slow=4)
    assert strategy.parameters == {"short": 2, "long": 4}
    with pytest.raises(UsageError, match="given twice"):
        given(SmaCross, fast=2, short=3)


def test_ema_starts_at_the_first_price_and_follows_each_tick() -> None:
    """Averages of 2 and 4 ticks: equal at first, which is not above; then the fast one leads."""
    strategy = given(EmaCross, fast=2, slow=4)
    assert answers(strategy, each_trade([10, 10, 11, 11, 8, 8, 8, 12])) == "..B.S..B"
    assert answers(strategy, each_trade([10])) == "."


def test_rsi_buys_when_it_leaves_the_low_zone_and_sells_when_it_leaves_the_high_one() -> None:
    """Falls for three bars, turns, rises, turns: the signals are at the turns; a still price is none."""
    strategy = given(RsiReversal, period=2, oversold=30, overbought=70)
    assert answers(strategy, closes([10, 9, 8, 7, 10, 12, 14, 14, 14, 9])) == "....B....S"


def test_rsi_is_not_moved_by_nights_without_trades() -> None:
    """After two days of bars that are made up it is as low as before, and leaves the low zone only with the rise."""
    strategy = given(RsiReversal, period=2)
    quiet = 2 * 24 * 60
    bars = closes([10, 9, 8, *[0] * quiet, 8.5, 12], [1, 1, 1, *[0] * quiet, 1, 1])
    assert answers(strategy, bars) == "..." + "." * quiet + "B."


def test_bollinger_buys_below_the_lower_band_and_sells_above_the_upper_one() -> None:
    """One deviation of four bars: the first close outside counts, until one was inside."""
    strategy = given(BollingerReversion, period=4, width=1)
    assert answers(strategy, closes([10, 10, 10, 8, 7, 7.5, 7.6, 9, 10, 9])) == "...B...S.."
    assert answers(strategy, closes([10] * 9)) == "." * 9


def test_donchian_buys_above_the_highs_and_sells_below_the_lows_before() -> None:
    """A channel of three bars to enter and two to leave; equal to the highest is not above it."""
    strategy = given(DonchianBreakout, entry=3, exit=2)
    assert answers(strategy, closes([5, 6, 5, 6, 7, 8, 7, 6.5, 6, 9])) == "....B..S.B"


def test_vwap_follows_the_side_on_which_the_close_is() -> None:
    """Over two bars of equal volume: above is bought, below sold, and a close equal to it changes nothing."""
    strategy = given(VwapCross, period=2)
    assert answers(strategy, closes([10, 11, 11, 12, 11, 11, 10, 13])) == ".B..S..B"


def test_vwap_does_not_turn_where_nothing_is_traded() -> None:
    """Bars that are made up weigh nothing, and a window of nothing else leaves the side as it was."""
    strategy = given(VwapCross, period=2)
    bars = closes([10, 11, 0, 0, 0, 0, 10, 12, 9], [1, 1, 0, 0, 0, 0, 1, 1, 1])
    # The first bar after the pause is all of its own average.
    assert answers(strategy, bars) == ".B......S"


def test_vwap_of_the_day_begins_anew_at_midnight() -> None:
    """The first bar of a day is its own average; the side changes when a close leaves that."""
    strategy = given(VwapCross, period=0)
    before_midnight = closes([10, 20, 12, 11, 12], start_ns=FRIDAY_NS - 2 * MINUTE_NS)
    # 10; 20 is above 15. Midnight: 12 is its own average, 11 below 11.5, 12 above 11.67.
    assert answers(strategy, before_midnight) == ".B.SB"


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        (SmaCross, {"short": 20, "long": 20}),
        (EmaCross, {"fast": 500, "slow": 100}),
        (RsiReversal, {"oversold": 70, "overbought": 70}),
    ],
)
def test_pairs_the_wrong_way_round_are_refused(kind: type[Strategy], parameters: dict[str, float]) -> None:
    """The error names both and says which must be below."""
    lower, upper = parameters
    with pytest.raises(UsageError, match=f"{lower} must be below {upper}"):
        given(kind, **parameters)


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_says_what_it_takes(name: str) -> None:
    """Its name is that of the catalogue, its defaults are within their bounds, and each parameter has help."""
    strategy = given(STRATEGIES[name])
    assert strategy.name == name
    for one in strategy.PARAMETERS:
        assert one.parse(str(one.default)) == one.default == strategy.parameters[one.name]
        assert one.help
    for one in strategy.PARAMETERS:
        for bad in (str(one.minimum - 1), str(one.maximum + 1), "nan", "x"):
            with pytest.raises(UsageError):
                one.parse(bad)


def test_only_the_tick_strategy_is_called_at_each_tick() -> None:
    """The others are called at the close of minute bars."""
    modes = {name: kind().bar_data_mode() for name, kind in STRATEGIES.items()}
    assert modes.pop("ema") is BarDataMode.ON_EACH_TICK
    assert set(modes.values()) == {BarDataMode.ON_CLOSE_BAR}
    assert {kind().preferred_bar_type() for kind in STRATEGIES.values()} == {BarType(Timeframe.MINUTE)}
