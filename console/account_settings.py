"""From the settings to the accounts that strategies trade with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

from core.errors import ConfigurationError, PermanentError
from core.sim.accounts import AccountsConfig, AccountSpec, Limits, parse_amount
from strategies.catalogue import ALIASES

if TYPE_CHECKING:
    from config.schema import AccountsSettings, DefaultAccountSettings, Settings, SimulationAccountSettings


def accounts_of(settings: AccountsSettings, *, currency: str) -> AccountsConfig:
    """The accounts in the settings. The default one is in `currency` when they name none for it.

    Raises:
        ConfigurationError: they make no sense; it says which and where.
    """
    default = _spec(settings.default, "accounts.default", currency=settings.default.currency or currency)
    others = [
        _spec(one, f"accounts.simulation[{number}]", currency=one.currency)
        for number, one in enumerate(settings.simulation)
    ]
    return AccountsConfig(default, tuple(others))


def paper_accounts_of(settings: Settings, *, currency: str) -> AccountsConfig:
    """The accounts of paper trading: those of `accounts_of`, the default one with the `initial_capital` of
    `[paper_trading]` where that is set. Raises `ConfigurationError`."""
    accounts = accounts_of(settings.accounts, currency=currency)
    capital = settings.paper_trading.initial_capital
    if not capital:
        return accounts
    with _placed("paper_trading.initial_capital"):
        default = attrs.evolve(accounts.default, initial_e12=parse_amount(capital))
    return attrs.evolve(accounts, default=default)


def _spec(settings: DefaultAccountSettings | SimulationAccountSettings, place: str, *, currency: str) -> AccountSpec:
    with _placed(place):
        limits = Limits(
            position_e12=parse_amount(settings.max_position or "0"),
            day_loss_e12=parse_amount(settings.max_day_loss or "0"),
            orders_per_minute=settings.max_orders_per_minute,
        )
        return AccountSpec(
            settings.id,
            currency,
            parse_amount(settings.initial_balance),
            tuple(ALIASES.get(name, name) for name in settings.strategies),
            settings.leverage,
            limits,
        )


@contextmanager
def _placed(place: str) -> Iterator[None]:
    try:
        yield
    except PermanentError as error:
        hint = f"{place}: {error.hint}" if error.hint else place
        raise ConfigurationError(error.operation, error.subject, hint=hint) from error
