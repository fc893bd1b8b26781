"""What bars can be asked for, by name."""

from __future__ import annotations

import pytest

from core.bars.spec import MAX_TICKS_PER_BAR, BarType
from core.bars.timeframes import Timeframe
from core.errors import UsageError


@pytest.mark.parametrize("name", ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1t", "100t", "1000000t"])
def test_names_come_back_as_they_were_typed(name: str) -> None:
    """Eight lengths of time and any number of trades to a million."""
    assert str(BarType.parse(name)) == name


def test_without_a_wish_it_is_a_minute() -> None:
    """The default is bars of one minute."""
    assert BarType() == BarType(Timeframe.MINUTE) == BarType.parse("1m")


@pytest.mark.parametrize(
    "name", ["", "0t", "01t", "-1t", "1000001t", "1T", "t", "2m", "1m ", "١t", "1m\x1b[2J", "t" * 999]
)
def test_other_names_are_refused_in_few_printable_words(name: str) -> None:
    """Each refusal says what there is."""
    with pytest.raises(UsageError) as caught:
        BarType.parse(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 140
    assert caught.value.hint


@pytest.mark.parametrize("ticks", [-1, MAX_TICKS_PER_BAR + 1])
def test_a_number_of_trades_has_bounds(ticks: int) -> None:
    """Also where it was not typed."""
    with pytest.raises(UsageError, match="bad bars"):
        BarType(ticks=ticks)
