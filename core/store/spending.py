"""What is paid for data: what a purchase and a budget are, the ledger that keeps both in step, and the one in the
catalogue. Money is in USD, exact to a millionth; days and months are those of UTC."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, Protocol

import attrs

from core.clock import DAY_NS, NS_PER_S
from core.errors import NotFoundError, PermanentError, RefusedError
from core.model.publishers import SIMULATED_PREFIX
from core.store.catalogue_tables import STEPS
from core.store.sqlite import Database

ASKED: Final = "asked"
BOUGHT: Final = "bought"
VOID: Final = "void"

SETTLING: Final = "settling a purchase"
_NOTHING: Final = Decimal(0)
_STEP: Final = Decimal("0.000001")
_MOST: Final = Decimal(10**12)  # what numeric(18, 6) has no place for any more


def usd(amount: Decimal | str | int) -> Decimal:
    """An amount as the ledger keeps it: what is finer than a millionth is rounded up, so that it is never forgotten.

    Raises:
        PermanentError: it is no number, below 0, or more than anybody has.
    """
    try:
        kept = Decimal(amount).quantize(_STEP, ROUND_UP)
    except InvalidOperation:  # also of what is infinite, or has too many digits
        kept = Decimal("nan")
    if not (kept.is_finite() and 0 <= kept < _MOST):
        raise PermanentError("bad amount", f"{str(amount)[:40]!a} USD", hint="from 0 to 999999999999.999999")
    return abs(kept)  # there is a -0, too


def dollars(amount: Decimal) -> str:
    """An amount fit to be read: cents at least, and what is finer where there is something."""
    whole, _, fraction = f"{amount:,.6f}".partition(".")
    return f"${whole}.{fraction[:2]}{fraction[2:].rstrip('0')}"


def _storable(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if not 0 <= value < 2**63:
        raise PermanentError("bad purchase", f"its {attribute.name} is out of all bounds")


@attrs.frozen(kw_only=True)
class Purchase:
    """A range of a series that is bought: instants in ns since the epoch, `end_ns` is the first that is not in it.

    It is ASKED before the seller is asked, then BOUGHT, or VOID when he did not sell it. `order_id` is the seller's
    own name of the order, empty until it is known; `job_id` that of a job which is written down already, or empty.
    `spent_ns` is when it was asked for. Numbers that make no sense raise `PermanentError`.
    """

    spend_id: int = 0
    job_id: str
    provider: str
    dataset: str
    schema: str
    symbol: str
    start_ns: int = attrs.field(validator=_storable)
    end_ns: int = attrs.field(validator=_storable)
    estimated_usd: Decimal = attrs.field(converter=usd)
    paid_usd: Decimal = attrs.field(default=_NOTHING, converter=usd)
    rows: int = attrs.field(default=0, validator=_storable)
    billed_bytes: int = attrs.field(default=0, validator=_storable)
    state: str = ASKED
    order_id: str = ""
    spent_ns: int = 0

    @property
    def counted_usd(self) -> Decimal:
        """What it takes of a budget: its estimate while it is asked, then what was paid, and nothing when void."""
        return {ASKED: self.estimated_usd, BOUGHT: self.paid_usd}.get(self.state, _NOTHING)


@attrs.frozen(kw_only=True)
class Spent:
    """What has been spent since the UTC day began, and since the month did."""

    today_usd: Decimal
    month_usd: Decimal


@attrs.frozen(kw_only=True)
class Budget:
    """The most that may be spent in a UTC day and in a calendar month; None is no limit, with 0 only what is free can
    be bought. Raises as `usd` does."""

    daily_usd: Decimal | None = attrs.field(default=None, converter=attrs.converters.optional(usd))
    monthly_usd: Decimal | None = attrs.field(default=None, converter=attrs.converters.optional(usd))

    def left(self, spent: Spent) -> tuple[Decimal | None, Decimal | None]:
        """What is left of the day's and of the month's, 0 at least; None where there is no limit."""
        pairs = ((self.daily_usd, spent.today_usd), (self.monthly_usd, spent.month_usd))
        today, month = (None if limit is None else max(limit - used, _NOTHING) for limit, used in pairs)
        return today, month


class Ledger(Protocol):
    """Where purchases are written down. Its methods block, may be called from any thread and raise `ConsoleError`."""

    def reserve(self, purchase: Purchase, budget: Budget, *, now_ns: int) -> Purchase:
        """Write down that a purchase is asked for at `now_ns`, and return it with its `spend_id`.

        Of all who share the ledger one after the other is let in: two that fit the budget only one by one never both
        pass. What is free always passes. When this returned, it outlives the process and a loss of power.

        Raises:
            RefusedError: it is over the budget; nothing was written.
        """

    def settle(
        self, spend_id: int, *, state: str, paid_usd: Decimal | None, rows: int, billed_bytes: int, order_id: str
    ) -> None:
        """Write down what became of a purchase: BOUGHT or VOID. It may be said again, when more is known.

        `paid_usd` is None when the seller does not say it: then what was known counts, at first the estimate. An
        empty `order_id` keeps the one that was known.

        Raises:
            NotFoundError: there is no such purchase.
            RefusedError: it was bought, and shall be void.
        """

    def purchases(self, *, since_ns: int = 0, states: Collection[str] = (ASKED, BOUGHT)) -> list[Purchase]:
        """The purchases in these states that were asked for at `since_ns` or later, oldest first."""

    def spent(self, now_ns: int) -> Spent:
        """What counts against the budgets at `now_ns`."""

    def close(self) -> None:
        """Let go. May be called twice."""


def day_and_month_ns(now_ns: int) -> tuple[int, int]:
    """When the UTC day and the month of `now_ns` began."""
    day_ns = now_ns // DAY_NS * DAY_NS
    return day_ns, day_ns - (datetime.fromtimestamp(day_ns // NS_PER_S, UTC).day - 1) * DAY_NS


def check_budget(purchase: Purchase, budget: Budget, spent: Spent, *, now_ns: int) -> None:
    """See that a purchase fits what is left at `now_ns`; what is free does, and what is bought for practice.

    Raises:
        RefusedError: it does not; it says of which budget, how much is left of it, and when there will be more.
    """
    if purchase.dataset.startswith(SIMULATED_PREFIX):
        return
    price = purchase.estimated_usd
    day_left, month_left = budget.left(spent)
    day = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).replace(hour=0, minute=0, second=0)
    month_end = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    # The month first: when it has no room, waiting for tomorrow is no advice.
    for name, limit, left, again in (
        ("monthly", budget.monthly_usd, month_left, f"{month_end:%Y-%m-%d} 00:00 UTC"),
        ("daily", budget.daily_usd, day_left, "00:00 UTC"),
    ):
        if limit is None or left is None or not price or price <= left:
            continue
        what = f"{purchase.dataset} {purchase.schema} of {purchase.symbol} for {dollars(price)}"
        raised = f"raise backfill.{name}_budget_usd"
        raise RefusedError(
            "over budget",
            f"{what}: {dollars(left)} of the {name} {dollars(limit)} are left",
            hint=raised if price > limit else f"{raised}, or wait until {again}",
        )


def settled(
    known: Purchase, *, state: str, paid_usd: Decimal | None, rows: int, billed_bytes: int, order_id: str
) -> Purchase:
    """The purchase with what became of it. Arguments and `RefusedError` as of `Ledger.settle`."""
    assert state in {BOUGHT, VOID}, state
    if known.state == BOUGHT and state == VOID:
        what = f"number {known.spend_id} was bought: what was paid is not forgotten"
        raise RefusedError(SETTLING, what)
    if state == VOID:
        paid_usd = _NOTHING
    elif paid_usd is None:
        paid_usd = known.paid_usd if known.state == BOUGHT else known.estimated_usd
    return attrs.evolve(
        known,
        state=state,
        paid_usd=paid_usd,
        rows=rows,
        billed_bytes=billed_bytes,
        order_id=order_id or known.order_id,
    )


def only(found: Sequence[Purchase], spend_id: int) -> Purchase:
    """The one that was found by its number. Raises `NotFoundError` when there is none."""
    if not found:
        raise NotFoundError(SETTLING, f"no purchase has the number {spend_id}")
    return found[0]


FACTS: Final = (
    "provider", "dataset", "schema", "symbol", "start_ns", "end_ns", "rows", "billed_bytes", "state", "order_id",
)  # fmt: skip
"""Columns that are named and kept like the fields of a purchase; the others differ from store to store."""

_FACTS: Final = ", ".join(FACTS)
_INSERT: Final = f"""
INSERT INTO spend ({_FACTS}, job_id, estimated_usd, paid_usd, spent_ns)
VALUES ({", ".join("?" * len(FACTS))}, ?, ?, '0', ?)
"""  # noqa: S608 - constants
_COUNTED: Final = """
SELECT spent_ns >= ?, CASE state WHEN 'asked' THEN estimated_usd ELSE paid_usd END
FROM spend WHERE spent_ns >= ? AND state <> 'void' AND dataset NOT LIKE 'SIM.%'
"""
_SETTLE: Final = """
UPDATE spend SET state = ?, paid_usd = ?, rows = ?, billed_bytes = ?, order_id = ? WHERE spend_id = ?
"""
_SELECT: Final = f"""
SELECT {_FACTS}, spend_id, coalesce(job_id, ''), estimated_usd, paid_usd, spent_ns FROM spend
"""  # noqa: S608 - constants


class CatalogueLedger:
    """The ledger in the catalogue at `path`, which is made when there is none; with `read_only` it must be there and
    is not changed. Implements `Ledger`; raises as `Database` does."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = Database(path, STEPS, name="catalogue", read_only=read_only)
        if not read_only:
            with self._database.transaction("opening the ledger", begin="") as database:
                database.execute("PRAGMA synchronous=FULL")  # money: also a loss of power must not forget it

    def reserve(self, purchase: Purchase, budget: Budget, *, now_ns: int) -> Purchase:
        """Write down that a purchase is asked for. See `Ledger`."""
        asked = attrs.evolve(purchase, state=ASKED, paid_usd=_NOTHING, spent_ns=now_ns)
        facts = [getattr(asked, name) for name in FACTS]
        with self._database.transaction("reserving a purchase") as database:
            found = database.execute(_COUNTED, day_and_month_ns(now_ns)).fetchall()
            check_budget(asked, budget, _sum(found), now_ns=now_ns)
            values = (*facts, asked.job_id or None, f"{asked.estimated_usd:f}", now_ns)
            spend_id = database.execute(_INSERT, values).lastrowid
        return attrs.evolve(asked, spend_id=spend_id or 0)

    def settle(
        self, spend_id: int, *, state: str, paid_usd: Decimal | None, rows: int, billed_bytes: int, order_id: str
    ) -> None:
        """Write down what became of a purchase. See `Ledger`."""
        with self._database.transaction(SETTLING) as database:
            found = database.execute(f"{_SELECT} WHERE spend_id = ?", (spend_id,)).fetchall()
            new = settled(
                only([purchase_of(row) for row in found], spend_id),
                state=state, paid_usd=paid_usd, rows=rows, billed_bytes=billed_bytes, order_id=order_id,
            )  # fmt: skip
            values = (new.state, f"{new.paid_usd:f}", new.rows, new.billed_bytes, new.order_id, spend_id)
            database.execute(_SETTLE, values)

    def purchases(self, *, since_ns: int = 0, states: Collection[str] = (ASKED, BOUGHT)) -> list[Purchase]:
        """The purchases in these states, oldest first. See `Ledger`."""
        where = f"WHERE spent_ns >= ? AND state IN ({', '.join('?' * len(states))}) ORDER BY spent_ns, spend_id"
        return [purchase_of(row) for row in self._database.rows(_SELECT + where, since_ns, *states)]

    def spent(self, now_ns: int) -> Spent:
        """What counts against the budgets. See `Ledger`."""
        return _sum(self._database.rows(_COUNTED, *day_and_month_ns(now_ns)))

    def close(self) -> None:
        """Let go. May be called twice."""
        self._database.close()


def purchase_of(row: Sequence[Any]) -> Purchase:
    """The purchase of what was read: what `FACTS` names, its number, job, amounts and when."""
    return Purchase(
        **dict(zip((*FACTS, "spend_id", "job_id", "estimated_usd", "paid_usd", "spent_ns"), row, strict=True))
    )


def _sum(rows: Sequence[tuple[int, str]]) -> Spent:
    amounts = [(today, usd(amount)) for today, amount in rows]
    return Spent(
        today_usd=sum((amount for today, amount in amounts if today), usd(0)),
        month_usd=sum((amount for _, amount in amounts), usd(0)),
    )
