"""What the texts in the options of `backtest` mean."""

from __future__ import annotations

import argparse
import shlex

import pytest

from console.backtests.options import (
    add_options,
    command_line,
    parse_balance,
    parse_duration_ns,
    parse_parameters,
    parse_sizing,
    parse_slippage,
)
from console.backtests.verify import parse_command
from core.errors import UsageError
from core.sim.models import Slippage


def parsed(*words: str) -> argparse.Namespace:
    """The options of a command line."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(list(words))


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [("50ms", 50_000_000), ("1.5s", 1_500_000_000), ("200us", 200_000), ("0", 0), ("7ns", 7), ("0.5us", 500)],
)
def test_lengths_of_time_are_exact(text: str, duration_ns: int) -> None:
    """Each unit, and fractions, as whole nanoseconds."""
    assert parse_duration_ns(text, option="latency") == duration_ns


@pytest.mark.parametrize("text", ["50", "ms", "-5ms", "5 minutes", "9999999999999s", "3601s", "1e3ms", "٥ms"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    """Without a unit, below zero, beyond an hour, or in other digits."""
    with pytest.raises(UsageError, match="bad latency"):
        parse_duration_ns(text, option="latency")


def test_slippage_is_a_rate_or_steps() -> None:
    """`0.05%` is 500 parts per million, `2t` two steps of the price."""
    assert parse_slippage("0.05%") == Slippage(ppm=500)
    assert parse_slippage("2t") == Slippage(increments=2)
    for text in ("-1%", "100%", "9999999t", "", "much"):
        with pytest.raises(UsageError, match="bad slippage") as refused:
            parse_slippage(text)
        assert "2t" in refused.value.hint


def test_a_balance_may_name_its_currency() -> None:
    """The currency is upper case, and empty when there is none."""
    assert parse_balance("50000usdt").currency == "USDT"
    assert parse_balance("1_000.5").amount == "1000.5"
    for text in ("", "USD", "-5", "5 U$D"):
        with pytest.raises(UsageError):
            parse_balance(text)


def test_parameters_have_a_name_each_once() -> None:
    """`a=1` and `b = 2` are two; without a sign, without a name or twice they are refused."""
    assert parse_parameters(["a=1", "b = 2"]) == {"a": "1", "b": "2"}
    for given in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(UsageError):
            parse_parameters(given)


def test_a_size_is_a_quantity_or_a_share() -> None:
    """Exact in 1e-8 and in parts per million; zero and nonsense are refused."""
    assert parse_sizing(parsed("--quantity", "0.00000001")).quantity_e8 == 1
    assert parse_sizing(parsed("--fraction", "50%")).fraction_ppm == 500_000
    assert parse_sizing(parsed("--fraction", "1.5")).fraction_ppm == 1_500_000
    assert parse_sizing(parsed("--fraction", "10000%")).fraction_ppm == 100_000_000
    assert parse_sizing(parsed()).fraction_ppm == 950_000
    for option, texts in (
        ("quantity", ("0", "-1", "x", "0.000000001")),
        ("fraction", ("0%", "-1%", "x", "10000.0001%")),
    ):
        for text in texts:
            with pytest.raises(UsageError, match=f"bad {option}"):
                parse_sizing(parsed(f"--{option}={text}"))


def test_a_command_line_says_all_that_decides_and_can_be_read_again() -> None:
    """What is written from options and parsed again gives the same options; files are told by their whole path."""
    words = (
        "--strategy", "my strat.py", "--param", "a=1", "--param", "b=2", "--symbol", "BTCUSD", "--data", "x y.dbn",
        "--bars", "100t", "--quantity", "2", "--latency", "5ms", "--seed", "9", "--touch", "--shorts",
        "--maker=-0.01%",
    )  # fmt: skip
    line = command_line(parsed(*words))
    assert command_line(parse_command(line)) == line
    assert "/x y.dbn'" in line
    assert shlex.split(line)[:3] == ["ringside", "--batch", "backtest"]


@pytest.mark.parametrize(
    "line",
    ["", "rm -rf /", "ringside --batch serve", "ringside --batch backtest --nonsense", "ringside --batch backtest -h",
     "ringside --batch backtest 'open quote", "ringside --batch backtest --seed x"],
)  # fmt: skip
def test_other_commands_are_not_run_again(line: str) -> None:
    """What a file names as its command is run only if it is a backtest; nothing is printed and nothing ends."""
    with pytest.raises(UsageError, match="cannot run that again"):
        parse_command(line)
