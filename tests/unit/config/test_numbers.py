"""Numbers of a settings file: exact where they are money, and text where they are parameters."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.numbers import WrittenFloat, amount_text, parameter_texts


def value(text: str) -> Any:
    """What TOML makes of it."""
    return tomllib.loads(f"value = {text}", parse_float=WrittenFloat)["value"]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10000.0", "10000"),
        ("10000", "10000"),
        ("1_000.50", "1000.5"),
        ("0.1", "0.1"),
        ("123456789012345678901234.000000000001", "123456789012345678901234.000000000001"),
        ("1e4", "10000"),
        ("1.5e-3", "0.0015"),
        ("-5", "-5"),
        ("0", "0"),
        ("0.0", "0"),
        ("100", "100"),
        ("0x10", "16"),
        ('"10000.0"', "10000.0"),
        ('""', ""),
    ],
)
def test_an_amount_is_what_was_written(text: str, amount: str) -> None:
    """No digit comes or goes, exponents and idle zeros aside; a text is left to who reads amounts."""
    assert amount_text(value(text)) == amount


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=12))
def test_amounts_of_any_length_are_exact(amount: Decimal) -> None:
    """The text of a number is worth that number."""
    assert Decimal(amount_text(value(f"{amount:f}"))) == amount


@pytest.mark.parametrize("text", ["true", "[1]", "{a = 1}", "2026-11-22", "nan", "inf", "-inf"])
def test_what_is_no_amount_is_told(text: str) -> None:
    """Other kinds of values, and numbers that nobody can have."""
    with pytest.raises((TypeError, ValueError), match="must be an amount"):
        amount_text(value(text))


@pytest.mark.parametrize("text", ["1e41", "1e-41", "1e999999999", "1e99999999999999999999"])
def test_an_exponent_cannot_fill_the_memory(text: str) -> None:
    """A number of a few characters does not become a text of a billion."""
    with pytest.raises(ValueError, match="must be an amount"):
        amount_text(value(text))


def test_a_number_is_still_one() -> None:
    """It counts as a float and prints as it was written."""
    number = WrittenFloat("0.50")
    assert number * 2 == 1.0
    assert (str(number), repr(number)) == ("0.50", "0.5")


def test_parameters_are_the_texts_of_a_command_line() -> None:
    """Text, numbers and truth in one table."""
    table = value('{short = 5, share = 0.10, name = "x y", slow = true, fast = false}')
    assert parameter_texts(table) == {"short": "5", "share": "0.10", "name": "x y", "slow": "true", "fast": "false"}
    assert parameter_texts({}) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [("3", "must be a table"), ("{a = [1]}", "'a' must be text, a number"), ("{a = {b = 1}}", "'a' must be text")],
)
def test_parameters_of_other_kinds_are_told(text: str, told: str) -> None:
    """What is no table, and what in it is none of these."""
    with pytest.raises(TypeError, match=told):
        parameter_texts(value(text))
