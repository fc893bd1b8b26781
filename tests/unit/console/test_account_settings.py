"""From `[accounts]` to the accounts that strategies trade with."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import dump, load
from config.problems import SettingsError
from config.schema import AccountsSettings
from console.account_settings import accounts_of, paper_accounts_of
from core.errors import ConfigurationError
from core.sim.accounts import AccountsConfig, AccountSpec, Limits

TWO = """
[accounts.default]
id = "SIM-001"
currency = "USDT"
initial_balance = "100000"

[[accounts.simulation]]
id = "SIM-AGGRESSIVE"
currency = "USDT"
initial_balance = "50000.25"
strategies = ["momentum", "breakout"]
leverage = 5
"""
E12 = 10**12


def accounts_in(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> AccountsConfig:
    """The accounts of a settings file; what trades is paid in USD."""
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return accounts_of(load(path, environment=environment or {}).settings.accounts, currency="USD")


def test_accounts_are_read_to_the_last_digit(tmp_path: Path) -> None:
    """A default account and another, with balance, strategies and leverage."""
    found = accounts_in(tmp_path, TWO)
    assert found.default == AccountSpec("SIM-001", "USDT", 100_000 * E12)
    strategies = ("momentum", "breakout")
    assert found.simulation == (AccountSpec("SIM-AGGRESSIVE", "USDT", 50_000 * E12 + E12 // 4, strategies, 5),)


def test_balances_may_be_numbers(tmp_path: Path) -> None:
    """Without quotes an amount is as exact as with them, whole or not."""
    text = TWO.replace('"100000"', "100_000").replace('"50000.25"', "12345678901234.123456")
    found = accounts_in(tmp_path, text)
    assert found.default.initial_e12 == 100_000 * E12
    assert found.simulation[0].initial_e12 == 12345678901234123456 * 10**6


def test_limits_are_read_of_each_account(tmp_path: Path) -> None:
    """As text and as numbers; an account that has none has no limits, and empty and 0 are none."""
    limits = 'max_position = "2500.5"\nmax_day_loss = 100.25\nmax_orders_per_minute = 10000\n'
    found = accounts_in(tmp_path, TWO + limits)
    assert found.default.limits == Limits()
    wanted = Limits(position_e12=25005 * 10**11, day_loss_e12=10025 * 10**10, orders_per_minute=10_000)
    assert found.simulation[0].limits == wanted
    none = '[accounts.default]\nmax_position = ""\nmax_day_loss = 0\nmax_orders_per_minute = 0\n'
    assert accounts_in(tmp_path, none).default.limits == Limits()


def test_paper_trading_may_begin_with_another_capital(tmp_path: Path) -> None:
    """The default account alone begins with it, and only where it is set."""
    path = tmp_path / "config.toml"
    path.write_text(TWO + "[paper_trading]\ninitial_capital = 100000.0\n", encoding="utf-8")
    settings = load(path, environment={}).settings
    plain = accounts_of(settings.accounts, currency="USD")
    assert paper_accounts_of(settings, currency="USD") == plain
    settings = load(path, environment={"RINGSIDE__PAPER_TRADING__INITIAL_CAPITAL": ""}).settings
    assert paper_accounts_of(settings, currency="USD") == plain
    path.write_text("[paper_trading]\ninitial_capital = 10000.0\n", encoding="utf-8")
    settings = load(path, environment={}).settings
    assert paper_accounts_of(settings, currency="EUR").specs() == (AccountSpec("DEFAULT", "EUR", 10_000 * E12),)


@pytest.mark.parametrize(("capital", "told"), [('"lots"', "bad amount"), ("0", "bad balance"), ("-5", "bad balance")])
def test_a_capital_that_makes_no_sense_says_where(tmp_path: Path, capital: str, told: str) -> None:
    """What is no amount, and what is nothing, is told with its place."""
    path = tmp_path / "config.toml"
    path.write_text(f"[paper_trading]\ninitial_capital = {capital}\n", encoding="utf-8")
    settings = load(path, environment={}).settings
    with pytest.raises(ConfigurationError, match=rf"{told}.*\(paper_trading.initial_capital: "):
        paper_accounts_of(settings, currency="USD")


def test_without_settings_there_is_one_account_in_what_is_traded() -> None:
    """Nobody has to configure an account: it has 100000 of the currency that is needed."""
    assert accounts_of(AccountsSettings(), currency="EUR").specs() == (AccountSpec("DEFAULT", "EUR", 100_000 * E12),)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('"50000.25"', '"lots"', r"bad amount: 'lots' \(accounts.simulation\[0\]: a number"),
        ('"50000.25"', '"0"', r"bad balance: 0 of account SIM-AGGRESSIVE \(accounts.simulation\[0\]: .* above 0"),
        ('"100000"', '"-1"', r"bad balance: -1 of account SIM-001 \(accounts.default"),
        ("leverage = 5", "leverage = 0", "bad leverage"),
        ('"SIM-AGGRESSIVE"', r'"\u001b[2J"', "bad account"),
        ('"SIM-AGGRESSIVE"', '"SIM-001"', "two accounts of one name: SIM-001"),
        ('"breakout"', '"momentum"', "a strategy on two accounts: momentum"),
        ("leverage = 5", 'max_position = "lots"', r"bad amount: 'lots' \(accounts.simulation\[0\]: a number"),
        ("leverage = 5", "max_position = -1", r"largest position -1 \(accounts.simulation\[0\]: from 0 to"),
        ("leverage = 5", "max_day_loss = 1e16", r"loss of a day|more than anybody has"),
        ("leverage = 5", "max_orders_per_minute = -1", r"-1 orders a minute \(accounts.simulation\[0\]: from 0 to"),
        ("leverage = 5", "max_orders_per_minute = 10001", "10001 orders a minute"),
        ('"momentum", "breakout"', '""', r"bad strategy name.*\(accounts.simulation\[0\]\)"),
    ],
)
def test_accounts_that_make_no_sense_say_where(tmp_path: Path, before: str, after: str, told: str) -> None:
    """Each mistake is told with its account and its table, in characters that can be printed."""
    assert before in TWO
    with pytest.raises(ConfigurationError, match=told) as caught:
        accounts_in(tmp_path, TWO.replace(before, after))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            'initial_balance = "50000.25"',
            "initial_balance = true",
            "accounts.simulation[0].initial_balance: must be an amount, as text or a number, not True",
        ),
        (
            'initial_balance = "50000.25"',
            "max_position = [1]",
            "accounts.simulation[0].max_position: must be an amount, as text or a number, not [1]",
        ),
        ('id = "SIM-AGGRESSIVE"', "", "accounts.simulation[0].id: must be given"),
        ("leverage = 5", "leverag = 5", "accounts.simulation[0].leverag: no such setting (did you mean accounts.sim"),
        ("[[accounts.simulation]]", "[accounts.simulation]", "accounts.simulation: must be a list of tables"),
    ],
)
def test_tables_in_a_list_are_checked_like_others(tmp_path: Path, before: str, after: str, told: str) -> None:
    """Wrong kinds, missing and unknown keys of one account name its number."""
    assert before in TWO
    with pytest.raises(SettingsError) as caught:
        accounts_in(tmp_path, TWO.replace(before, after))
    assert told in "\n".join(caught.value.problems)


def test_a_list_of_anything_else_is_refused(tmp_path: Path) -> None:
    """Each item of the list that is no table is told."""
    with pytest.raises(SettingsError, match=r"accounts.simulation\[1\]: must be a table"):
        accounts_in(tmp_path, '[accounts]\nsimulation = [{id = "A", currency = "USD", initial_balance = "1"}, 3]\n')


def test_the_environment_replaces_the_list_with_its_origins(tmp_path: Path) -> None:
    """Accounts given by a variable stand for all of the file's, and each value knows that."""
    path = tmp_path / "config.toml"
    path.write_text(TWO, encoding="utf-8")
    variable = '[{id = "ONLY", currency = "USD", initial_balance = "5"}]'
    loaded = load(path, environment={"RINGSIDE__ACCOUNTS__SIMULATION": variable})
    origins = {place: origin for place, origin in loaded.origins.items() if place.startswith("accounts.simulation")}
    assert set(origins.values()) == {"environment RINGSIDE__ACCOUNTS__SIMULATION"}
    assert loaded.origins["accounts.default.id"].startswith(f"{path}:")
    assert origins.keys() <= dump(loaded.settings).keys()
    assert dump(loaded.settings)["accounts.simulation[0].id"] == "ONLY"
