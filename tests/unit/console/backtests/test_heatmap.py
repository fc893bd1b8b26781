"""Heat maps as rows of text: every value seen, none wider than there is room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.backtests.heatmap import LEVELS, NO_LEVEL, Heat, heat_rows, number_text, shrunk
from console.backtests.sweep_page import heat_svg


def heat(values: list[list[float | None]], *, smaller_is_better: bool = False) -> Heat:
    """A map of these."""
    return Heat(
        x="short",
        y="long",
        xs=tuple(str(number) for number in range(len(values[0]))),
        ys=tuple(str(number * 10) for number in range(len(values))),
        values=values,
        smaller_is_better=smaller_is_better,
    )


def test_values_stand_beside_their_shade() -> None:
    """The best is darkest, the worst lightest, what is missing has neither."""
    rows = heat_rows(heat([[1.0, 2.0], [3.0, None]]), width=80)
    assert ["".join(cell.text for cell in row).rstrip() for row in rows] == [
        "long \\ short",
        "     0  1",
        "   0 1· 2▒",
        "  10 3█ -",
    ]
    assert [[cell.level for cell in row[1:]] for row in rows[2:]] == [[0, 4], [8, NO_LEVEL]]


def test_what_is_better_when_smaller_is_dark_when_small() -> None:
    """Levels tell good from bad, not large from small."""
    assert heat([[1.0, 2.0, 3.0]], smaller_is_better=True).levels() == [[8, 4, 0]]
    assert heat([[1.0, 2.0, 3.0]]).levels() == [[0, 4, 8]]


def test_equal_values_are_all_the_best() -> None:
    """And a map without any value has no level."""
    assert heat([[2.0, 2.0, None]], smaller_is_better=True).levels() == [[8, 8, NO_LEVEL]]
    assert heat([[None, None]]).levels() == [[NO_LEVEL, NO_LEVEL]]


def test_a_few_odd_values_do_not_hide_the_others() -> None:
    """One in a hundred that is far away takes no level from the rest."""
    values: list[list[float | None]] = [[*(float(number) for number in range(99)), 1e9]]
    assert set(heat(values).levels()[0]) == set(range(LEVELS))


def test_a_smaller_map_shows_the_best_of_what_it_joins() -> None:
    """No peak is lost."""
    values: list[list[float | None]] = [[float(row * 10 + column) for column in range(10)] for row in range(10)]
    assert shrunk(heat(values), columns=5, rows=2).values == [
        [41.0, 43.0, 45.0, 47.0, 49.0],
        [91.0, 93.0, 95.0, 97.0, 99.0],
    ]
    assert shrunk(heat(values, smaller_is_better=True), columns=1, rows=1).values == [[0.0]]


@given(
    rows=st.integers(1, 60),
    columns=st.integers(1, 120),
    width=st.integers(40, 200),
    height=st.integers(5, 60),
    plain=st.booleans(),
)
def test_a_map_fits(rows: int, columns: int, width: int, height: int, *, plain: bool) -> None:
    """In the room it is given, whatever its size, each row as wide as the others; plain ones are ASCII."""
    values: list[list[float | None]] = [
        [None if (row + column) % 7 == 0 else row * 0.37 - column for column in range(columns)] for row in range(rows)
    ]
    drawn = heat_rows(heat(values), width=width, height=height, plain=plain)
    texts = ["".join(cell.text for cell in row) for row in drawn]
    assert len(texts) <= height
    assert max(len(text) for text in texts) <= width
    assert len({len(text) for text in texts[2:]}) == 1
    assert all(text.isascii() for text in texts) or not plain


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0"),
        (12.0, "12"),
        (1.234, "1.23"),
        (-0.00123, "-0.0012"),
        (0.5, "0.50"),
        (1234567.8, "1.2e+06"),
    ],
)
def test_figures_are_short(value: float | None, text: str) -> None:
    """As many digits as are read."""
    assert number_text(value) == text


def test_names_are_escaped_in_svg() -> None:
    """Nothing of a strategy's becomes part of the page."""
    drawn = heat_svg(Heat(x="<b>", y="&", xs=("1",), ys=("2",), values=[[1.0]]))
    assert "<b>" not in drawn
    assert "&lt;b&gt;" in drawn
