"""Whose money a backtest spends: an account of the settings, perhaps with another balance."""

from __future__ import annotations

import argparse

import attrs

from config.schema import AccountsSettings
from console.account_settings import accounts_of
from console.backtests.options import parse_balance
from core.errors import UsageError
from core.model.instruments import Instrument
from core.sim.accounts import AccountsConfig, AccountSpec, parse_amount


def chosen_account(
    arguments: argparse.Namespace, settings: AccountsSettings, instrument: Instrument, *, strategy: str, wanted: str
) -> tuple[AccountsConfig, AccountSpec]:
    """The accounts of the settings, and that on which the run is made. The default one has what the instrument is
    settled in, unless the settings say otherwise.

    `--account` comes before the account that the strategy asks for (`wanted`, "" for none), and that before what the
    settings say of the strategy; `--balance` changes what is in it.

    Raises:
        NotFoundError: there is no account of that name; the hint says which there are.
        UsageError: the balance makes no sense, or the instrument is settled in another currency.
        ConfigurationError: the accounts of the settings make no sense.
    """
    accounts = accounts_of(settings, currency=_currency(instrument))
    named = arguments.account or wanted
    spec = accounts.by_id(named) if named else accounts.account_for_strategy(strategy)
    if arguments.balance:
        balance = parse_balance(arguments.balance)
        amount_e12 = parse_amount(balance.amount)
        if not amount_e12:
            raise UsageError("bad balance", arguments.balance[:40], hint="it must be above 0")
        changed = attrs.evolve(spec, currency=balance.currency or spec.currency, initial_e12=amount_e12)
        accounts, spec = _with(accounts, changed), changed
    if spec.currency != _currency(instrument):
        raise UsageError(
            "wrong currency",
            f"account {spec.id} has {spec.currency}, {instrument.symbol} is settled in {_currency(instrument)}",
            hint=f"choose another with --account, or --balance 100000{_currency(instrument)}",
        )
    return accounts, spec


def _currency(instrument: Instrument) -> str:
    return instrument.settle or instrument.quote


def _with(accounts: AccountsConfig, changed: AccountSpec) -> AccountsConfig:
    if accounts.default.id == changed.id:
        return attrs.evolve(accounts, default=changed)
    simulation = tuple(changed if spec.id == changed.id else spec for spec in accounts.simulation)
    return attrs.evolve(accounts, simulation=simulation)
