"""What may be spent, as it is configured, the ledger of a store, and purchases as commands and screens say them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.errors import ConfigurationError, PermanentError, UsageError

if TYPE_CHECKING:
    from config.schema import BackfillSettings
    from console.plan import SpendingPlan
    from core.store.spending import Budget, Ledger, Purchase, Spent

_CENT: Final = Decimal("0.01")


def budget_of(settings: BackfillSettings | SpendingPlan) -> Budget:
    """The budgets of a day and of a month that are configured. Raises `ConfigurationError`."""
    from core.store.spending import Budget

    return Budget(
        daily_usd=_configured("daily_budget_usd", settings.daily_budget_usd),
        monthly_usd=_configured("monthly_budget_usd", settings.monthly_budget_usd),
    )


def strictest(one: Budget, other: Budget) -> Budget:
    """Of each limit the lower one."""
    from core.store.spending import Budget

    def lower(*limits: Decimal | None) -> Decimal | None:
        return min((limit for limit in limits if limit is not None), default=None)

    return Budget(
        daily_usd=lower(one.daily_usd, other.daily_usd), monthly_usd=lower(one.monthly_usd, other.monthly_usd)
    )


def max_cost_of(settings: BackfillSettings, argument: str | None) -> Decimal | None:
    """The most that one command may cost, in USD: what `--max-cost` says, else what is configured; None is no limit.

    Raises:
        UsageError: the argument is no amount.
        ConfigurationError: what is configured is none.
    """
    if argument is None:
        return _configured("max_cost_usd", settings.max_cost_usd)
    return _amount(argument)


def _configured(name: str, text: str) -> Decimal | None:
    if not text:
        return None
    try:
        return _amount(text)
    except UsageError as error:
        raise ConfigurationError(
            f"backfill.{name}", f"{error.subject} is no amount in USD", hint=error.hint
        ) from error


def _amount(text: str) -> Decimal:
    from core.sim.accounts import MONEY_DECIMALS, parse_amount
    from core.store.spending import usd

    try:
        return usd(Decimal(parse_amount(text)).scaleb(-MONEY_DECIMALS))
    except PermanentError as error:
        raise UsageError("bad amount", f"{text[:40]!a}", hint="0 or more, in USD, as 12.50") from error


@contextmanager
def ledger_to_read(database_url: str, catalogue: Path) -> Iterator[Ledger | None]:
    """The ledger in PostgreSQL when there is a `database_url`, else the one in the catalogue, for reading beside
    whoever writes it; closed at the end. Where there is no catalogue there is none, and none is made.

    Raises:
        ConsoleError: the catalogue cannot be read. A database that does not answer is found out when it is asked.
    """
    from console.batch.db_target import is_there

    with ExitStack() as stack:
        if database_url:
            from core.store.postgres.spending import PostgresLedger

            yield stack.enter_context(closing(PostgresLedger(database_url)))
        elif is_there(catalogue):
            from core.store.spending import CatalogueLedger

            yield stack.enter_context(closing(CatalogueLedger(catalogue, read_only=True)))
        else:
            yield None


def spend_state(spent: Spent, budget: Budget) -> dict[str, str | None]:
    """What is spent and what is left, as text in USD; None where there is no budget."""
    left_today, left_month = budget.left(spent)
    return {
        "today_usd": plain(spent.today_usd),
        "month_usd": plain(spent.month_usd),
        "daily_budget_usd": plain(budget.daily_usd),
        "monthly_budget_usd": plain(budget.monthly_usd),
        "left_today_usd": plain(left_today),
        "left_month_usd": plain(left_month),
    }


def purchase_row(purchase: Purchase) -> dict[str, Any]:
    """A purchase as plain values: amounts in USD as text, instants as RFC 3339 beside their nanoseconds.

    `paid_usd` is None while it is only asked for. `difference_usd` is what was paid beyond the estimate, below 0 when
    it was less, and None unless the two are more than a cent apart.
    """
    from core.clock import iso_ns
    from core.store.spending import ASKED

    return {
        "time": iso_ns(purchase.spent_ns),
        "time_ns": purchase.spent_ns,
        "provider": purchase.provider,
        "dataset": purchase.dataset,
        "schema": purchase.schema,
        "symbol": purchase.symbol,
        "start": iso_ns(purchase.start_ns),
        "end": iso_ns(purchase.end_ns),
        "start_ns": purchase.start_ns,
        "end_ns": purchase.end_ns,
        "state": purchase.state,
        "rows": purchase.rows,
        "bytes": purchase.billed_bytes,
        "estimated_usd": plain(purchase.estimated_usd),
        "paid_usd": None if purchase.state == ASKED else plain(purchase.paid_usd),
        "difference_usd": plain(difference_of(purchase)),
        "order_id": purchase.order_id or None,
        "job_id": purchase.job_id or None,
    }


def difference_of(purchase: Purchase) -> Decimal | None:
    """What was paid beyond the estimate, in USD; None where that is a cent at most, or nothing was bought."""
    from core.store.spending import BOUGHT

    difference = purchase.paid_usd - purchase.estimated_usd
    return difference if purchase.state == BOUGHT and abs(difference) > _CENT else None


def plain(amount: Decimal | None) -> str | None:
    """An amount exactly, with cents at least and no other idle zeros."""
    if amount is None:
        return None
    whole, _, fraction = f"{amount:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
