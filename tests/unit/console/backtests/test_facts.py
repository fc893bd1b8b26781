"""What is told of the data of a backtest."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from console.backtests.facts import SILENT_BARS, DataFacts, described, make_facts, silences, warnings
from console.backtests.validation import Counts, checked
from core.bars.history import bar_series
from core.bars.spec import BarDataMode, BarType
from core.clock import NS_PER_S
from core.store.repository import MISSED, Gap
from tests.conformance.ticks import T0, TRADES
from tests.unit.console.backtests.trading import found_trades

MINUTE_NS = 60 * NS_PER_S


def test_a_silence_is_longer_than_some_bars() -> None:
    """Exactly as many bars are none yet; one ns more is. Bars of N trades have none."""
    length_ns = SILENT_BARS * MINUTE_NS
    ticks, _ = checked(found_trades([T0, T0 + length_ns, T0 + 2 * length_ns + 1], [1, 1, 1]))
    (found,), count = silences(ticks, MINUTE_NS)
    assert (found.start_ns, found.end_ns, count) == (T0 + length_ns, T0 + 2 * length_ns + 1, 1)
    assert silences(ticks, 0) == ((), 0)


def facts_of(stamps: Sequence[int], prices: Sequence[int], gaps: Sequence[Gap] = ()) -> DataFacts:
    """The facts of trades in bars of a minute."""
    ticks, counts = checked(found_trades(stamps, prices))
    closed = bar_series(ticks, BarType(), BarDataMode.ON_CLOSE_BAR)
    return make_facts(ticks, counts, source="here", bars=closed, interval_ns=MINUTE_NS, gaps=gaps)


def test_facts_tell_gaps_in_the_range_and_made_up_bars() -> None:
    """A gap before the range or one that was healed is none of it; bars without a trade are counted."""
    gaps = [
        Gap(series=TRADES, start_ns=T0 + 5, end_ns=T0 + 9, rows=3, cause=MISSED),
        Gap(series=TRADES, start_ns=1, end_ns=2, rows=3, cause=MISSED),
        Gap(series=TRADES, start_ns=T0 + 5, end_ns=T0 + 9, rows=0, recovered=4, cause=MISSED),
    ]
    facts = facts_of([T0, T0 + 3 * MINUTE_NS, T0 + 4 * MINUTE_NS], [10, 11, 12], gaps)
    assert (facts.bars, facts.synthetic_bars) == (4, 2)
    assert [gap.start_ns for gap in facts.gaps] == [T0 + 5]
    told = described(facts)
    assert told["gap_list"][0]["cause"] == MISSED
    assert (told["gap_list"][0]["start_ns"], told["gap_list"][0]["end_ns"]) == (T0 + 5, T0 + 9)
    assert told["synthetic_share"] == 0.5
    assert any("trades missing at least: 3" in one for one in warnings(facts))
    assert any("50% of the bars are made up" in one for one in warnings(facts))


@pytest.mark.parametrize(
    ("stamps", "prices", "said"),
    [([T0], [10], "one trade"), ([T0, T0 + 1], [10, 10], "all prices are equal")],
)
def test_data_on_which_nothing_can_be_won_is_told(stamps: list[int], prices: list[int], said: str) -> None:
    """A single trade, or prices that never move, run and are warned of."""
    assert any(said in one for one in warnings(facts_of(stamps, prices)))


def test_good_data_is_not_warned_of() -> None:
    """Trades with nothing wrong bring no warning."""
    facts = facts_of([T0 + number * MINUTE_NS for number in range(50)], [100 + number % 7 for number in range(50)])
    assert facts.counts == Counts()
    assert warnings(facts) == []
