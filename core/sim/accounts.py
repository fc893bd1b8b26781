"""Whose money strategies trade with: accounts, what they begin with, and which strategy uses which."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import attrs

from core.errors import ConfigurationError, NotFoundError, UsageError
from core.model.fixedpoint import FixedPointError, format_fixed, parse_fixed

MONEY_DECIMALS: Final = 12
MAX_AMOUNT_E12: Final = 10 ** (15 + MONEY_DECIMALS)
MAX_LEVERAGE: Final = 1000
MAX_ORDERS_PER_MINUTE: Final = 10_000

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CURRENCY = re.compile(r"[A-Z0-9][A-Z0-9_.-]{0,15}")
_STRATEGY = re.compile(r"[^\W_][\w./ -]{0,199}")


def parse_amount(text: str) -> int:
    """The amount of money in `text` at 1e-12, exactly; it may be below 0.

    Raises:
        UsageError: not a number, finer than 1e-12, or beyond a quadrillion.
    """
    try:
        amount_e12 = parse_fixed(text, MONEY_DECIMALS)
    except FixedPointError as error:
        raise UsageError(
            "bad amount", f"{text[:40]!a}", hint="a number with at most 12 decimals, as 100000.50"
        ) from error
    if abs(amount_e12) > MAX_AMOUNT_E12:
        raise UsageError("bad amount", f"{text[:40]!a}", hint="more than anybody has")
    return amount_e12


def format_amount(amount_e12: int, decimals: int | None = None) -> str:
    """An amount as text: exact and without idle zeros, or with `decimals` places, cut and never rounded up."""
    if decimals is not None:
        return format_fixed(amount_e12, MONEY_DECIMALS, min(decimals, MONEY_DECIMALS))
    return format_fixed(amount_e12, MONEY_DECIMALS, MONEY_DECIMALS).rstrip("0").rstrip(".")


@attrs.frozen(kw_only=True)
class Limits:
    """What an account may not do, see `core.sim.risk`; 0 is no limit.

    `position_e12` is the most that one position may be worth, in the currency of the account; `day_loss_e12` the most
    that it may lose in a UTC day; `orders_per_minute` how many orders it may be given within any 60 s. Raises
    `ConfigurationError` for one that is below 0 or beyond all sense.
    """

    position_e12: int = 0
    day_loss_e12: int = 0
    orders_per_minute: int = 0

    def __attrs_post_init__(self) -> None:
        bounds = "from 0 to a quadrillion"
        for what, amount_e12 in (("largest position", self.position_e12), ("loss of a day", self.day_loss_e12)):
            if not 0 <= amount_e12 <= MAX_AMOUNT_E12:
                raise ConfigurationError("bad limit", f"{what} {format_amount(amount_e12)[:40]}", hint=bounds)
        if not 0 <= self.orders_per_minute <= MAX_ORDERS_PER_MINUTE:
            bounds = f"from 0 to {MAX_ORDERS_PER_MINUTE}"
            raise ConfigurationError("bad limit", f"{self.orders_per_minute} orders a minute", hint=bounds)


@attrs.frozen
class AccountSpec:
    """What an account is before anything was traded. `strategies` are the names of those that use it; `leverage` is
    how many times its money a position in perpetuals and futures may be worth, and means nothing for what is paid in
    full. `limits` hold where something sees to them, and in no backtest. Raises `ConfigurationError`, which says what
    is wrong."""

    id: str
    currency: str
    initial_e12: int
    strategies: tuple[str, ...] = ()
    leverage: int = 1
    limits: Limits = Limits()

    def __attrs_post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ConfigurationError("bad account", f"{self.id[:40]!a}", hint="letters, digits, and _ . - inside")
        if not _CURRENCY.fullmatch(self.currency):
            raise ConfigurationError("bad currency", f"{self.currency[:40]!a} of account {self.id}", hint="as USDT")
        if not 0 < self.initial_e12 <= MAX_AMOUNT_E12:
            amount = format_amount(self.initial_e12)[:40]
            raise ConfigurationError("bad balance", f"{amount} of account {self.id}", hint="it must be above 0")
        if not 1 <= self.leverage <= MAX_LEVERAGE:
            bounds = f"from 1 to {MAX_LEVERAGE}"
            raise ConfigurationError("bad leverage", f"{self.leverage} of account {self.id}", hint=bounds)
        for name in self.strategies:
            if not _STRATEGY.fullmatch(name):
                raise ConfigurationError("bad strategy name", f"{name[:40]!a} of account {self.id}")


@attrs.frozen
class AccountsConfig:
    """The accounts there are: one for every strategy that has none of its own, and more beside it.

    Raises `ConfigurationError` when two have one id or claim one strategy.
    """

    default: AccountSpec
    simulation: tuple[AccountSpec, ...] = ()

    def __attrs_post_init__(self) -> None:
        owners: dict[str, str] = {}
        ids: set[str] = set()
        for spec in self._all():
            if spec.id in ids:
                raise ConfigurationError("two accounts of one name", spec.id)
            ids.add(spec.id)
            for name in spec.strategies:
                if name in owners:
                    raise ConfigurationError("a strategy on two accounts", f"{name} on {owners[name]} and {spec.id}")
                owners[name] = spec.id

    def _all(self) -> Iterator[AccountSpec]:
        yield self.default
        yield from self.simulation

    @classmethod
    def with_default(cls, id: str, currency: str, balance: str | int | Decimal) -> AccountsConfig:  # noqa: A002
        """The accounts of somebody who has one, with `balance` whole units of `currency` in it.

        Raises `UsageError` for a balance that is no amount, `ConfigurationError` for what else is wrong.
        """
        return cls(AccountSpec(id, currency, parse_amount(str(balance))))

    def add_simulation_account(
        self,
        id: str,  # noqa: A002
        currency: str,
        balance: str | int | Decimal,
        strategies: Sequence[str] = (),
        leverage: int = 1,
    ) -> AccountsConfig:
        """These accounts and one more. Raises what `with_default` does."""
        spec = AccountSpec(id, currency, parse_amount(str(balance)), tuple(strategies), leverage)
        return attrs.evolve(self, simulation=(*self.simulation, spec))

    def account_for_strategy(self, name: str) -> AccountSpec:
        """The account of a strategy: the one that names it, otherwise the default."""
        return next((spec for spec in self._all() if name in spec.strategies), self.default)

    def by_id(self, id: str) -> AccountSpec:  # noqa: A002
        """The account of that id. Raises `NotFoundError` with those there are."""
        for spec in self._all():
            if spec.id == id:
                return spec
        raise NotFoundError("no such account", f"{id[:40]!a}", hint=", ".join(spec.id for spec in self._all()))

    def specs(self) -> tuple[AccountSpec, ...]:
        """All accounts, the default first."""
        return tuple(self._all())
