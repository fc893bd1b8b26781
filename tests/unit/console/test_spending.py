"""What may be spent, as it is configured, and purchases in plain values."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from config.schema import BackfillSettings
from console.spending import (
    budget_of,
    difference_of,
    ledger_to_read,
    max_cost_of,
    plain,
    purchase_row,
    spend_state,
)
from core.clock import parse_rfc3339_ns
from core.errors import ConfigurationError, UsageError
from core.store.postgres.spending import PostgresLedger
from core.store.spending import ASKED, BOUGHT, VOID, Budget, CatalogueLedger, Purchase, Spent

ES = Purchase(
    job_id="", provider="databento", dataset="GLBX.MDP3", schema="trades", symbol="ESH5",
    start_ns=parse_rfc3339_ns("2025-01-02T00:00:00Z"), end_ns=parse_rfc3339_ns("2025-01-03T00:00:00Z"),
    estimated_usd=Decimal("1.25"), spent_ns=parse_rfc3339_ns("2026-11-22T12:00:00.5Z"),
)  # fmt: skip


def test_nothing_configured_is_no_limit() -> None:
    """Neither for a command nor for a day or a month."""
    assert budget_of(BackfillSettings()) == Budget()
    assert max_cost_of(BackfillSettings(), None) is None


def test_limits_are_those_that_are_configured() -> None:
    """To the cent, 0 being one; what the command line says goes before what the settings say."""
    settings = BackfillSettings(max_cost_usd="2.50", daily_budget_usd="0", monthly_budget_usd="1000.01")
    assert budget_of(settings) == Budget(daily_usd=Decimal(0), monthly_usd=Decimal("1000.01"))
    assert max_cost_of(settings, None) == Decimal("2.5")
    assert max_cost_of(settings, "7") == Decimal(7)
    assert max_cost_of(settings, "0") == Decimal(0)


@pytest.mark.parametrize("text", ["-1", "nan", "1e400", "ten", " ", "12,50", "1e15", "\x1b[2J"])
def test_what_is_no_amount_is_told(text: str) -> None:
    """With the name of the setting where it is one."""
    for name in ("daily_budget_usd", "monthly_budget_usd"):
        with pytest.raises(ConfigurationError, match=f"backfill.{name}") as wrong:
            budget_of(attrs.evolve(BackfillSettings(), **{name: text}))
        assert str(wrong.value).isprintable()
    with pytest.raises(ConfigurationError, match=r"backfill\.max_cost_usd"):
        max_cost_of(BackfillSettings(max_cost_usd=text), None)
    with pytest.raises(UsageError, match="bad amount"):
        max_cost_of(BackfillSettings(), text)


def test_an_empty_limit_is_no_limit_only_in_settings() -> None:
    """On a command line an empty text is a mistake, perhaps a variable that is not set, and not leave to spend."""
    with pytest.raises(UsageError, match="bad amount"):
        max_cost_of(BackfillSettings(), "")


def test_the_ledger_is_where_the_store_is(tmp_path: Path) -> None:
    """In the database when there is one, in the catalogue otherwise; looking makes neither."""
    catalogue = tmp_path / "state" / "catalogue.sqlite3"
    with ledger_to_read("", catalogue) as nothing:
        assert nothing is None
    assert list(tmp_path.iterdir()) == []
    with closing(CatalogueLedger(catalogue)) as ledger:
        ledger.reserve(ES, Budget(), now_ns=ES.spent_ns)
        with ledger_to_read("", catalogue) as reader:
            assert reader is not None
            assert reader.purchases() == ledger.purchases()
    with ledger_to_read("postgresql://nobody@127.0.0.1:1/none", catalogue) as remote:
        assert isinstance(remote, PostgresLedger)


def test_what_is_left_is_told_as_text() -> None:
    """Exactly, with cents at least; None where there is no budget."""
    spent = Spent(today_usd=Decimal("1.5"), month_usd=Decimal("20.000001"))
    assert spend_state(spent, Budget(daily_usd=Decimal(10))) == {
        "today_usd": "1.50",
        "month_usd": "20.000001",
        "daily_budget_usd": "10.00",
        "monthly_budget_usd": None,
        "left_today_usd": "8.50",
        "left_month_usd": None,
    }
    assert (plain(Decimal("1E+2")), plain(Decimal("-0.5")), plain(None)) == ("100.00", "-0.50", None)


def test_a_purchase_in_plain_values() -> None:
    """What is not known yet is None; instants can be read, and are there to the nanosecond."""
    row = purchase_row(ES)
    assert (row["time"], row["time_ns"]) == ("2026-11-22T12:00:00.500000000Z", ES.spent_ns)
    assert (row["start"], row["end_ns"]) == ("2025-01-02T00:00:00.000000000Z", ES.end_ns)
    assert (row["state"], row["estimated_usd"]) == (ASKED, "1.25")
    assert [row[name] for name in ("paid_usd", "difference_usd", "order_id", "job_id")] == [None] * 4
    bought = attrs.evolve(ES, state=BOUGHT, paid_usd=Decimal("1.5"), order_id="GLBX-1", job_id="j")
    row = purchase_row(bought)
    assert [row[name] for name in ("paid_usd", "difference_usd", "order_id", "job_id")] == [
        "1.50",
        "0.25",
        "GLBX-1",
        "j",
    ]


@pytest.mark.parametrize(
    ("state", "paid", "difference"),
    [
        (BOUGHT, "1.26", None),
        (BOUGHT, "1.260001", "0.010001"),
        (BOUGHT, "1.24", None),
        (BOUGHT, "0", "-1.25"),
        (VOID, "0", None),
        (ASKED, "0", None),
    ],
)
def test_a_difference_is_more_than_a_cent(state: str, paid: str, difference: str | None) -> None:
    """In either direction, and of what was bought only."""
    found = difference_of(attrs.evolve(ES, state=state, paid_usd=Decimal(paid)))
    assert found == (None if difference is None else Decimal(difference))
