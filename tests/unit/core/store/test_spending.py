"""Amounts of money, purchases and budgets, and what only the ledger in the catalogue does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from core.clock import DAY_NS, parse_rfc3339_ns
from core.errors import ConfigurationError, PermanentError, RefusedError
from core.store.catalogue import Catalogue
from core.store.spending import (
    ASKED,
    BOUGHT,
    VOID,
    Budget,
    CatalogueLedger,
    Purchase,
    Spent,
    check_budget,
    day_and_month_ns,
    dollars,
    usd,
)

NOW_NS = parse_rfc3339_ns("2026-12-31T23:59:59.999999999Z")
ES = Purchase(
    job_id="", provider="databento", dataset="GLBX.MDP3", schema="trades", symbol="ESH5", start_ns=1, end_ns=2,
    estimated_usd=Decimal("12.34"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "kept"),
    [
        ("0", "0.000000"),
        ("-0", "0.000000"),
        ("1.25", "1.250000"),
        ("0.0000001", "0.000001"),
        ("1e-40", "0.000001"),
        (Decimal("2.0000019"), "2.000002"),
        (7, "7.000000"),
        ("999999999999.999999", "999999999999.999999"),
    ],
)
def test_amounts_are_kept_to_a_millionth(amount: Decimal | str | int, kept: str) -> None:
    """What is finer is rounded up, so that nothing that costs something is ever free."""
    assert str(usd(amount)) == kept


@pytest.mark.parametrize("text", ["nan", "sNaN", "inf", "-0.01", "1e12", "1e999999", "", "$5", "\x1b[2J"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Neither a purchase nor a budget takes it, and what is said is fit for a terminal."""
    with pytest.raises(PermanentError, match="bad amount") as refused:
        usd(text)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("amount", ["NaN", "-1", "Infinity"])
def test_a_purchase_costs_an_amount(amount: str) -> None:
    """One that would cost less than nothing, or nobody knows what, cannot be made."""
    with pytest.raises(PermanentError, match="bad amount"):
        attrs.evolve(ES, estimated_usd=Decimal(amount))
    with pytest.raises(PermanentError, match="bad amount"):
        attrs.evolve(ES, paid_usd=Decimal(amount))


@pytest.mark.parametrize("amount", ["NaN", "-1", "Infinity"])
def test_a_budget_is_an_amount(amount: str) -> None:
    """One below nothing, or without a bound that could be compared, cannot be made."""
    with pytest.raises(PermanentError, match="bad amount"):
        Budget(daily_usd=Decimal(amount))
    with pytest.raises(PermanentError, match="bad amount"):
        Budget(monthly_usd=Decimal(amount))


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "$0.00"),
        ("10", "$10.00"),
        ("3.1", "$3.10"),
        ("1234567.891", "$1,234,567.891"),
        ("0.000001", "$0.000001"),
    ],
)
def test_dollars_are_read_by_people(amount: str, shown: str) -> None:
    """Cents are always there, and what is finer is not hidden."""
    assert dollars(Decimal(amount)) == shown


@pytest.mark.parametrize(
    ("instant", "day", "month"),
    [
        ("2026-12-31T23:59:59.999999999Z", "2026-12-31T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2024-02-01T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    ],
)
def test_a_day_and_a_month_begin_at_midnight_utc(instant: str, day: str, month: str) -> None:
    """To the nanosecond."""
    wanted = (parse_rfc3339_ns(day), parse_rfc3339_ns(month))
    assert day_and_month_ns(parse_rfc3339_ns(instant)) == wanted


def test_each_state_counts_what_it_should() -> None:
    """An estimate while it is asked, then the price, and nothing when it was not sold."""
    costly = attrs.evolve(ES, paid_usd=Decimal(15))
    counted = [attrs.evolve(costly, state=state).counted_usd for state in (ASKED, BOUGHT, VOID)]
    assert counted == [Decimal("12.34"), Decimal(15), Decimal(0)]


@pytest.mark.parametrize(
    ("spent", "hint"),
    [
        (("95", "95"), "raise backfill.daily_budget_usd, or wait until 00:00 UTC"),
        (("95", "990"), "raise backfill.monthly_budget_usd, or wait until 2027-01-01 00:00 UTC"),
        (("0", "2000"), "raise backfill.monthly_budget_usd, or wait until 2027-01-01 00:00 UTC"),
    ],
)
def test_advice_is_when_there_will_be_room(spent: tuple[str, str], hint: str) -> None:
    """Of two budgets without room the month's is told, since tomorrow would not help."""
    today, month = map(Decimal, spent)
    budget = Budget(daily_usd=Decimal(100), monthly_usd=Decimal(1000))
    with pytest.raises(RefusedError) as refused:
        check_budget(ES, budget, Spent(today_usd=today, month_usd=month), now_ns=NOW_NS)
    assert refused.value.hint == hint


def test_waiting_is_no_advice_for_what_never_fits() -> None:
    """What costs more than a whole budget is only told how to raise it."""
    nothing = Spent(today_usd=Decimal(0), month_usd=Decimal(0))
    with pytest.raises(RefusedError, match=r"\$10\.00 of the daily \$10\.00 are left") as refused:
        check_budget(ES, Budget(daily_usd=Decimal(10)), nothing, now_ns=NOW_NS)
    assert refused.value.hint == "raise backfill.daily_budget_usd"


def test_what_is_left_is_never_below_nothing() -> None:
    """When more was spent than the budget, or there is none."""
    spent = Spent(today_usd=Decimal(7), month_usd=Decimal(7))
    assert Budget(daily_usd=Decimal(5), monthly_usd=Decimal(10)).left(spent) == (Decimal(0), Decimal(3))
    assert Budget(monthly_usd=Decimal(5)).left(spent) == (None, Decimal(0))


def test_the_ledger_shares_the_catalogue(tmp_path: Path) -> None:
    """One that the engine has open takes purchases from others, and may be read meanwhile."""
    path = tmp_path / "catalogue.sqlite3"
    with (
        closing(Catalogue(path)),
        closing(CatalogueLedger(path)) as ledger,
        closing(CatalogueLedger(path, read_only=True)) as reader,
    ):
        asked = ledger.reserve(ES, Budget(), now_ns=NOW_NS)
        assert reader.purchases() == [asked]
        assert reader.spent(NOW_NS).today_usd == Decimal("12.34")
        with pytest.raises(ConfigurationError):
            reader.reserve(ES, Budget(), now_ns=NOW_NS)


def test_reading_makes_no_ledger(tmp_path: Path) -> None:
    """Where there is none there is none afterwards."""
    with pytest.raises(ConfigurationError):
        CatalogueLedger(tmp_path / "catalogue.sqlite3", read_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("column", ["estimated_usd", "paid_usd"])
def test_amounts_of_others_are_not_trusted(tmp_path: Path, column: str) -> None:
    """What another program wrote and is no amount is an error, not an empty pocket."""
    path = tmp_path / "catalogue.sqlite3"
    with closing(CatalogueLedger(path)) as ledger:
        number = ledger.reserve(ES, Budget(), now_ns=NOW_NS).spend_id
        if column == "paid_usd":
            ledger.settle(number, state=BOUGHT, paid_usd=None, rows=0, billed_bytes=0, order_id="")
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(f"UPDATE spend SET {column} = 'NaN'")
        for ask in (ledger.purchases, lambda: ledger.spent(NOW_NS)):
            with pytest.raises(PermanentError, match="bad amount"):
                ask()
        with pytest.raises(PermanentError, match="bad amount"):
            ledger.reserve(ES, Budget(daily_usd=Decimal(1000)), now_ns=NOW_NS)


def test_a_clock_that_runs_ahead_gives_nobody_room(tmp_path: Path) -> None:
    """What was asked for by the clock of tomorrow counts today as well."""
    with closing(CatalogueLedger(tmp_path / "catalogue.sqlite3")) as ledger:
        ledger.reserve(ES, Budget(), now_ns=NOW_NS + DAY_NS)
        with pytest.raises(RefusedError, match="over budget"):
            ledger.reserve(ES, Budget(daily_usd=Decimal(20)), now_ns=NOW_NS)
