"""From `[accounts]` to the accounts that strategies trade with."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import SettingsError, dump, load
from config.schema import AccountsSettings
from console.account_settings import accounts_of
from core.errors import ConfigurationError
from core.sim.accounts import AccountsConfig, AccountSpec

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
            "initial_balance = 50000.25",
            "must be text in quotes, not 50000.25 at accou",
        ),
        ('id = "SIM-AGGRESSIVE"', "", "must be given at accounts.simulation[0].id"),
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
    assert loaded.origins["accounts.default.id"] == str(path)
    assert origins.keys() <= dump(loaded.settings).keys()
    assert dump(loaded.settings)["accounts.simulation[0].id"] == "ONLY"
