"""The ranges of a sweep: exact values, every combination once, clear errors."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.backtests.sweep_grid import MOST_COMBINATIONS, Grid, parse_grid
from core.errors import UsageError
from core.strategy import Parameter

PARAMETERS = (
    Parameter(name="short", default=5, minimum=1, maximum=2_000_000, aliases=("fast",)),
    Parameter(name="long", default=20, minimum=1, maximum=2_000_000),
    Parameter(name="share", default=0.5, minimum=-10, maximum=10, whole=False),
)


def parsed(*ranges: str, fixed: dict[str, str] | None = None) -> Grid:
    """The grid of some `--sweep` options."""
    return parse_grid(ranges, PARAMETERS, strategy="sma", fixed=fixed or {})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("short=5:20:5", ("5", "10", "15", "20")),
        ("short=5:21:5", ("5", "10", "15", "20")),
        ("short=3:5", ("3", "4", "5")),
        ("short=7:7:3", ("7",)),
        ("short=9", ("9",)),
        (" short = 3, 1 ,2 ", ("3", "1", "2")),
        ("share=0.1:0.5:0.1", ("0.1", "0.2", "0.3", "0.4", "0.5")),
        ("share=-0.2:0.2:0.2", ("-0.2", "0", "0.2")),
        ("share=0.000000000001,1.50", ("0.000000000001", "1.5")),
    ],
)
def test_ranges_are_exact_and_include_both_ends(text: str, values: tuple[str, ...]) -> None:
    """Decimals stay decimals, and an end that a step meets is in it."""
    assert parsed(text).axes[0].values == values


@given(
    first=st.decimals(-10, 10, places=3), step=st.decimals(Decimal("0.001"), 3, places=3), count=st.integers(1, 60)
)
def test_a_range_is_what_decimals_add_up_to(first: Decimal, step: Decimal, count: int) -> None:
    """The values are first + k * step, none added, none left out."""
    last = first + step * (count - 1)
    if last > 10:
        return
    values = parsed(f"share={first:f}:{last:f}:{step:f}").axes[0].values
    assert [Decimal(value) for value in values] == [first + step * number for number in range(count)]


def test_every_combination_has_one_number() -> None:
    """Numbers count through all combinations, the last axis fastest, and lead back."""
    grid = parsed("short=1:3", "long=10,20", "share=0:1:0.5")
    sets = [grid.parameters(number) for number in range(len(grid))]
    assert len(grid) == 18
    assert sets[:2] == [{"short": "1", "long": "10", "share": "0"}, {"short": "1", "long": "10", "share": "0.5"}]
    assert len({tuple(one.items()) for one in sets}) == 18
    assert [grid.number(one) for one in sets] == list(range(18))


@pytest.mark.parametrize(
    "parameters", [{}, {"short": "1"}, {"short": "9", "long": "10"}, {"short": "1", "other": "10"}]
)
def test_what_is_no_combination_has_no_number(parameters: dict[str, str]) -> None:
    """Rows of something else are not taken for rows of this."""
    assert parsed("short=1:3", "long=10,20").number(parameters) is None


def test_an_alias_means_its_parameter() -> None:
    """The grid has the name the strategy goes by."""
    assert parsed("fast=1:2").names == ["short"]


@pytest.mark.parametrize(
    ("ranges", "told"),
    [
        (["short"], "bad range"),
        (["=1:2"], "bad range"),
        (["short="], "bad range"),
        (["short=1:2:1:1"], "bad range"),
        (["short=a:b"], "bad range"),
        (["short=1e3"], "bad range"),
        (["short=nan"], "bad range"),
        (["short=١"], "bad range"),
        (["short=1_0"], "bad range"),
        (["short=" + "9" * 50], "bad range"),
        (["short=1:5:0"], "zero step"),
        (["short=1:5:-1"], "negative step"),
        (["short=5:1"], "empty range"),
        (["short=0:5"], "parameter out of range"),
        (["share=9:11"], "parameter out of range"),
        (["short=1:5:0.5"], "bad parameter"),
        (["short=1,2,1.0"], "value given twice"),
        (["short=1", "fast=2"], "parameter given twice"),
        (["other=1"], "unknown parameter"),
        (["short=1:1000001"], "too many combinations"),
        (["short=1:1001", "long=1:1000"], "too many combinations"),
    ],
)
def test_what_makes_no_sense_is_said_clearly(ranges: list[str], told: str) -> None:
    """Each mistake has words of its own, and never a control character of the command line."""
    with pytest.raises(UsageError) as caught:
        parsed(*ranges)
    assert caught.value.operation == told


def test_a_range_and_a_fixed_value_of_one_parameter_are_refused() -> None:
    """Under its alias, too."""
    with pytest.raises(UsageError, match="parameter given twice"):
        parsed("short=1:2", fixed={"fast": "3"})


@pytest.mark.parametrize("fixed", [{"nothing": "3"}, {"short": "0"}, {"short": "x"}])
def test_what_is_fixed_must_make_sense_by_itself(fixed: dict[str, str]) -> None:
    """A name that is not there, and a value that is not allowed."""
    with pytest.raises(UsageError):
        parsed("long=1:2", fixed=fixed)


def test_a_million_combinations_are_allowed() -> None:
    """The limit itself is not beyond it."""
    assert len(parsed("short=1:1000", "long=1:1000")) == MOST_COMBINATIONS


def test_a_strategy_without_parameters_says_so() -> None:
    """The hint does not list nothing."""
    with pytest.raises(UsageError) as caught:
        parse_grid(["x=1"], (), strategy="plain", fixed={})
    assert caught.value.hint == "it has none"
