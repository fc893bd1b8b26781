"""Accounts: amounts without a float, and every mistake named."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.errors import ConfigurationError, NotFoundError, UsageError
from core.sim.accounts import (
    MAX_AMOUNT_E12,
    MAX_ORDERS_PER_MINUTE,
    AccountsConfig,
    AccountSpec,
    Limits,
    format_amount,
    parse_amount,
)

E12 = 10**12
SEED = (
    AccountsConfig.with_default("MAIN", "USDT", 100_000)
    .add_simulation_account("AGGRESSIVE", "USDT", "50000", ["momentum", "breakout"], leverage=3)
    .add_simulation_account("CONSERVATIVE", "USDT", Decimal("200000.5"), ["rsi"])
)


@pytest.mark.parametrize(
    ("text", "amount_e12", "plain"),
    [
        ("100000", 100_000 * E12, "100000"),
        ("0.000000000001", 1, "0.000000000001"),
        ("-12.50", -125 * 10**11, "-12.5"),
        ("0.00", 0, "0"),
        ("1e3", 1000 * E12, "1000"),
    ],
)
def test_amounts_are_exact_both_ways(text: str, amount_e12: int, plain: str) -> None:
    """No digit is lost in either direction, and idle zeros are left out."""
    assert parse_amount(text) == amount_e12
    assert format_amount(amount_e12) == plain


def test_an_amount_can_be_cut_to_some_places() -> None:
    """Asked for places, exactly so many are shown, and nothing is rounded up."""
    assert format_amount(1_999_999 * E12 // 1_000_000, 2) == "1.99"
    assert format_amount(5 * E12, 2) == "5.00"
    assert format_amount(5 * E12, 99) == "5.000000000000"


@pytest.mark.parametrize("text", ["", "ten", "1_000", "1,5", "nan", "0.0000000000001", "1e16", "9" * 100, "\x1b[2J"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Words, too many digits and sums that nobody has are usage errors that show nothing unprintable."""
    with pytest.raises(UsageError, match="bad amount") as caught:
        parse_amount(text)
    assert str(caught.value).isprintable()


def test_a_strategy_finds_its_account_or_the_default() -> None:
    """Who is named on an account trades on it; everybody else on the default one."""
    assert SEED.account_for_strategy("breakout").id == "AGGRESSIVE"
    assert SEED.account_for_strategy("rsi").initial_e12 == 200_000 * E12 + E12 // 2
    assert SEED.account_for_strategy("somebody").id == "MAIN"


def test_accounts_are_found_by_id() -> None:
    """An id finds its account; another gets the ids there are."""
    assert SEED.by_id("AGGRESSIVE").leverage == 3
    assert [spec.id for spec in SEED.specs()] == ["MAIN", "AGGRESSIVE", "CONSERVATIVE"]
    with pytest.raises(NotFoundError, match="MAIN, AGGRESSIVE, CONSERVATIVE"):
        SEED.by_id("main")


def test_adding_makes_another_value() -> None:
    """The accounts that one was added to are as they were."""
    more = SEED.add_simulation_account("MORE", "USD", 1)
    assert (len(SEED.specs()), len(more.specs())) == (3, 4)


def test_two_accounts_share_neither_name_nor_strategy() -> None:
    """A second account of one id, and one strategy on two accounts, name what they quarrel over."""
    with pytest.raises(ConfigurationError, match="MAIN"):
        SEED.add_simulation_account("MAIN", "USD", 1)
    with pytest.raises(ConfigurationError, match="rsi on CONSERVATIVE and NEW"):
        SEED.add_simulation_account("NEW", "USD", 1, ["rsi"])
    with pytest.raises(ConfigurationError, match="x on NEW and NEW"):
        SEED.add_simulation_account("NEW", "USD", 1, ["x", "x"])


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (("", "USD", 1), "bad account"),
        (("a b", "USD", 1), "bad account"),
        (("\x1b[31m", "USD", 1), "bad account"),
        (("x" * 65, "USD", 1), "bad account"),
        (("A", "usd", 1), "bad currency"),
        (("A", "", 1), "bad currency"),
        (("A", "USD", 0), "bad balance: 0 of account A"),
        (("A", "USD", -5 * E12), "bad balance: -5 of account A"),
        (("A", "USD", 10**28), "bad balance"),
        (("A", "USD", 1, ("\n",)), "bad strategy name"),
        (("A", "USD", 1, (), 0), "bad leverage: 0 of account A"),
        (("A", "USD", 1, (), 1001), "bad leverage"),
    ],
)
def test_a_bad_account_says_what_is_bad(spec: tuple[str, str, int], told: str) -> None:
    """Names, currencies, balances, leverages and strategies that cannot be are told with the account."""
    with pytest.raises(ConfigurationError, match=told) as caught:
        AccountSpec(*spec)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"position_e12": -1}, "bad limit: largest position -0.000000000001"),
        ({"position_e12": MAX_AMOUNT_E12 + 1}, "bad limit: largest position"),
        ({"day_loss_e12": -E12}, "bad limit: loss of a day -1 "),
        ({"day_loss_e12": 10**40}, "bad limit: loss of a day"),
        ({"orders_per_minute": -1}, "bad limit: -1 orders a minute .from 0 to 10000"),
        ({"orders_per_minute": MAX_ORDERS_PER_MINUTE + 1}, "bad limit: 10001 orders"),
    ],
)
def test_limits_that_cannot_be_are_told(limits: dict[str, int], told: str) -> None:
    """Each limit below 0 or beyond all sense is refused where it is made."""
    with pytest.raises(ConfigurationError, match=told):
        Limits(**limits)


def test_the_widest_limits_can_be() -> None:
    """Both ends of what is allowed are allowed."""
    assert Limits() == Limits(position_e12=0, day_loss_e12=0, orders_per_minute=0)
    widest = Limits(position_e12=MAX_AMOUNT_E12, day_loss_e12=MAX_AMOUNT_E12, orders_per_minute=MAX_ORDERS_PER_MINUTE)
    assert widest.position_e12 == widest.day_loss_e12 == MAX_AMOUNT_E12
