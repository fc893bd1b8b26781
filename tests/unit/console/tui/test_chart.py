"""The chart's rows: candles where they belong, and its shape whatever the prices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from console.tui.chart import chart_rows, chart_title
from console.tui.snapshot import Focus
from console.tui.status import Feed
from console.tui.text import ASCII, UNICODE, row_width
from core.bars.candles import CANDLE
from core.clock import NS_PER_S
from core.model.records import Records
from tests.unit.console.tui.test_rows import BTC, E9, text_of, view

MINUTE_NS = 60 * NS_PER_S
START_NS = 29_833_333 * MINUTE_NS


def bars(*rows: tuple[int, int, int, int, int]) -> Records:
    """Candles from (minute, open, high, low, close), prices in whole units."""
    found = np.zeros(len(rows), CANDLE)
    for bar, (minute, *prices) in zip(found, rows, strict=True):
        bar["ts_event"] = START_NS + minute * MINUTE_NS
        for name, price in zip(("open", "high", "low", "close"), prices, strict=True):
            bar[name] = price * E9
        bar["volume"] = 10**8
    return found


def drawn(
    found: Records, *, width: int = 60, height: int = 20, last: int | None = None, feed: Feed = BTC
) -> list[str]:
    """The chart as text."""
    one = view(feed, last_e9=None if last is None else last * E9)
    rows = chart_rows(
        Focus(view=one, interval_ns=MINUTE_NS, bars=found), width=width, height=height, glyphs=UNICODE, edge="│"
    )
    assert len(rows) == height
    assert {row_width(row) for row in rows} == {width}
    return [text_of(row) for row in rows]


def test_a_candle_has_body_and_wick() -> None:
    """Heavy lines from open to close, light ones to high and low, at the right edge."""
    lines = drawn(bars((0, 40, 60, 10, 50)), last=50)
    column = [line[52] for line in lines[:16]]
    picture = "".join(column).replace("┈", "").replace(" ", "")
    assert set(picture) <= set("╷╻╵│╽╹╿┃")
    assert "┃" in picture
    assert picture.index("│") < picture.index("┃") < picture.rindex("│")


def test_the_last_price_is_marked_on_its_line() -> None:
    """The last price stands on the axis in its own precision, on a line of its own."""
    lines = drawn(bars((0, 40, 60, 10, 50)), last=55)
    (marked,) = [line for line in lines if " 55.0 " in line]
    assert "┈┈┈" in marked


def test_intervals_without_trades_stay_empty() -> None:
    """Time goes on where no candle is."""
    lines = drawn(bars((0, 40, 41, 39, 40), (10, 40, 41, 39, 41)), last=41)
    assert sum(line.count("█") for line in lines[-4:-1]) == 6  # two full columns of volume, three rows each
    volume = lines[-2]
    assert volume.rindex("█") - volume.index("█") == 20  # two columns an interval while there is room


def test_time_labels_stand_under_their_minutes() -> None:
    """The axis shows UTC times of round numbers of intervals."""
    found = bars(*((minute, 40, 41, 39, 40) for minute in range(40)))
    line = drawn(found, last=40)[-1]
    assert [word for word in line.split() if ":" in word] == ["14:12", "14:24", "14:36", "14:48"]
    assert line.index("14:24") - line.index("14:12") == 12


@pytest.mark.parametrize(("width", "height"), [(20, 3), (19, 9), (120, 4), (42, 9), (90, 40), (30, 1), (30, 0)])
def test_charts_of_any_size_keep_their_shape(width: int, height: int) -> None:
    """Whatever room there is, rows and columns come out exact, with and without candles."""
    if height:
        drawn(bars((0, 40, 60, 10, 50), (1, 50, 50, 50, 50)), width=width, height=height, last=50)
    assert len(chart_rows(None, width=width, height=height, glyphs=ASCII)) == height


@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.integers(-(2**62), 2**62), st.integers(0, 2**40)),
        min_size=1,
        max_size=50,
        unique_by=lambda row: row[0],
    ),
    st.integers(1, 80),
    st.integers(0, 9),
)
@example([(0, 9_123_456_789_123_456_789, 0)], 21, 9)
def test_any_prices_can_be_drawn(rows: list[tuple[int, int, int]], columns: int, decimals: int) -> None:
    """Negative, equal and enormous prices neither fail nor break the shape, however narrow the pane is."""
    found = np.zeros(len(rows), CANDLE)
    for bar, (minute, price, width) in zip(found, sorted(rows), strict=True):
        bar["ts_event"] = START_NS + minute * MINUTE_NS
        bar["open"], bar["high"], bar["low"], bar["close"] = price, price + width, price - width, price + width // 2
    feed = Feed(symbol="X", venue="Y", price_decimals=decimals)
    drawn(found, width=columns, height=15, feed=feed)


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        (Feed(symbol="BTCUSD", venue="KRAKEN", quote="USD", settle="USD", product="spot"), "spot, in USD"),
        (
            Feed(symbol="BTCUSD", venue="KRAKEN_FUTURES", quote="USD", settle="BTC", product="inverse_perpetual"),
            "inverse perpetual, in USD, settled in BTC",
        ),
        (Feed(symbol="X", venue="Y"), "X Y"),
    ],
)
def test_the_head_tells_product_and_money(feed: Feed, said: str) -> None:
    """Product, quote and, where it differs, settlement currency stand in the head."""
    title = chart_title(Focus(view=view(feed), interval_ns=MINUTE_NS), width=90, glyphs=UNICODE)
    assert said in text_of(title)
    assert row_width(title) == 90
