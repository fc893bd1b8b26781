"""From the settings to the accounts that strategies trade with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import ConfigurationError, PermanentError
from core.sim.accounts import AccountsConfig, AccountSpec, parse_amount
from strategies.catalogue import ALIASES

if TYPE_CHECKING:
    from config.schema import AccountsSettings, DefaultAccountSettings, SimulationAccountSettings


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


def _spec(settings: DefaultAccountSettings | SimulationAccountSettings, place: str, *, currency: str) -> AccountSpec:
    try:
        balance_e12 = parse_amount(settings.initial_balance)
        strategies = tuple(ALIASES.get(name, name) for name in settings.strategies)
        return AccountSpec(settings.id, currency, balance_e12, strategies, settings.leverage)
    except PermanentError as error:
        hint = f"{place}: {error.hint}" if error.hint else place
        raise ConfigurationError(error.operation, error.subject, hint=hint) from error
