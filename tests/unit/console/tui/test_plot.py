"""Plots: the line is where the values are, and its shape holds whatever they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.plot import Curve, Mark, extents, plot_rows, scale_text, time_axis
from console.tui.text import ASCII, UNICODE, Glyphs, row_width
from core.clock import DAY_NS, NS_PER_S
from tests.unit.console.tui.test_rows import text_of

T0_NS = 1_790_000_000_000_000_000  # 2026-09-21T14:13:20Z


def drawn(
    curve: Curve, *, width: int = 40, height: int = 5, glyphs: Glyphs = UNICODE, times: bool = False
) -> list[str]:
    """The plot as text, its shape checked."""
    rows = plot_rows(curve, width=width, height=height, glyphs=glyphs, times=times)
    assert len(rows) == height
    assert {row_width(row) for row in rows} <= {width}
    return [text_of(row) for row in rows]


def line(*values: float, step_ns: int = NS_PER_S, **fields: object) -> Curve:
    """Values one after the other."""
    return Curve(ts_ns=[T0_NS + number * step_ns for number in range(len(values))], values=values, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right(glyphs: Glyphs) -> None:
    """The first column is drawn in the last row, the last one in the first."""
    rows = drawn(line(*range(100)), glyphs=glyphs)
    assert rows[0][0] == " "
    assert rows[-1][0] != " "
    plotted = [len(row[:36].rstrip()) for row in rows]
    assert plotted == sorted(plotted, reverse=True)


def test_above_and_below_the_base_differ() -> None:
    """What is above the base has the first style, what is below the second, and the base is a dotted line."""
    rows = plot_rows(line(-1, -1, 1, 1, base=0.0, styles=("up", "down")), width=40, height=5, glyphs=UNICODE)
    assert {style for _text, style in rows[0]} >= {"up"}
    assert {style for _text, style in rows[-1]} >= {"down"}
    assert "┈" in text_of(rows[2])


def test_a_filled_curve_reaches_its_base() -> None:
    """Every cell between the base and the deepest value of its column is drawn."""
    rows = drawn(line(0, -4, -4, -4, base=0.0, filled=True, percent=True))
    for row in rows:
        assert row[30] != " "
    assert rows[0].rstrip().endswith(" %")


def test_marks_stand_on_the_line() -> None:
    """A mark is drawn at its instant and its value."""
    curve = line(0, 10, marks=[Mark(T0_NS, 0.0, "A", "up"), Mark(T0_NS + NS_PER_S, 10.0, "B", "down")])
    rows = drawn(curve)
    assert rows[-1][0] == "A"
    assert "B" in rows[0]


@given(
    st.lists(st.floats(-1e30, 1e30, allow_nan=False), min_size=1, max_size=50),
    st.integers(1, 90),
    st.integers(0, 12),
    st.sampled_from([UNICODE, ASCII]),
)
def test_any_values_can_be_drawn(values: list[float], width: int, height: int, glyphs: Glyphs) -> None:
    """Equal, tiny and enormous values neither fail nor break the shape."""
    drawn(line(*values, base=values[0]), width=width, height=height, glyphs=glyphs, times=height > 1)


def test_no_value_is_lost_between_columns() -> None:
    """The highest and the lowest of many values are in their columns, however few there are."""
    values = [0.0] * 1000
    values[503], values[601] = 9.0, -9.0
    low, high = extents([T0_NS + number for number in range(1000)], values, 20)
    assert (high.max(), low.min()) == (9.0, -9.0)


@pytest.mark.parametrize(
    ("value", "step", "percent", "text"),
    [
        (100_000, 500, False, "100000"),
        (0.5, 0.25, False, "0.5"),
        (-0.02, 0.01, True, "-2 %"),
        (-0.0, 1, False, "0"),
        (2.5e9, 5e8, False, "2.5G"),
    ],
)
def test_scales_have_as_many_digits_as_their_steps(value: float, step: float, percent: bool, text: str) -> None:
    """A figure of the scale can be told from the next one and has no digit more."""
    assert scale_text(value, step, percent=percent) == text


def test_the_axis_of_time_tells_days_or_times() -> None:
    """Days where the range is days, hours and minutes where it is one, and it is as wide as the plot."""
    assert time_axis([T0_NS, T0_NS + 10 * DAY_NS], 40).split() == ["2026-09-22", "2026-09-30"]
    assert time_axis([T0_NS, T0_NS + 60 * NS_PER_S], 30).split()[0].startswith("14:13:")
    assert len(time_axis([T0_NS, T0_NS + DAY_NS], 33)) == 33


def test_a_filled_curve_that_never_leaves_its_base_says_so() -> None:
    """Where there was no drawdown the scale begins at nothing, and nothing is drawn far from it."""
    rows = drawn(line(0, 0, 0, base=0.0, filled=True, percent=True), height=2)
    assert rows[0].endswith(" 0 %")
    assert rows[1].endswith("-1 %")
    assert not rows[1].removesuffix("-1 %").strip()
