"""`backfill cost-report`, on the catalogue and on PostgreSQL."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from decimal import Decimal

import attrs
import pytest

from console.batch.backfill_cost_report import added_up, bar
from core.clock import DAY_NS, parse_rfc3339_ns
from core.store.jobs import CatalogueJobs, Job
from core.store.postgres.spending import PostgresLedger
from core.store.spending import BOUGHT, VOID, Budget, CatalogueLedger, Purchase
from tests.unit.console.batch.running import Console, catalogue_path, home

ES = Purchase(
    job_id="", provider="databento", dataset="GLBX.MDP3", schema="trades", symbol="ESH5",
    start_ns=parse_rfc3339_ns("2025-01-02T00:00:00Z"), end_ns=parse_rfc3339_ns("2025-01-03T00:00:00Z"),
    estimated_usd=Decimal("2"),
)  # fmt: skip
AAPL = attrs.evolve(ES, dataset="XNAS.ITCH", symbol="AAPL", estimated_usd=Decimal("0.5"))
OTHER = attrs.evolve(ES, provider="elsewhere", symbol="NQ\x1b[2J", estimated_usd=Decimal("0.25"))
NOW_NS = parse_rfc3339_ns("2026-11-22T12:00:00Z")
SEPTEMBER_NS = parse_rfc3339_ns("2026-09-30T23:59:59.5Z")


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.clock.wall_ns", lambda: NOW_NS)


@pytest.fixture(params=["embedded", "postgres"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database that DATABASE_URL names, or none."""
    if request.param == "embedded":
        return ""
    found = str(request.getfixturevalue("migrated_url"))
    monkeypatch.setenv("DATABASE_URL", found)
    return found


def note(url: str, purchase: Purchase, when_ns: int, *, state: str = "", paid_usd: str | None = None) -> None:
    """Write a purchase down, and what became of it if that is known."""
    with closing(PostgresLedger(url) if url else CatalogueLedger(catalogue_path())) as ledger:
        spend_id = ledger.reserve(purchase, Budget(), now_ns=when_ns).spend_id
        if state:
            paid = None if paid_usd is None else Decimal(paid_usd)
            ledger.settle(spend_id, state=state, paid_usd=paid, rows=10, billed_bytes=480, order_id="GLBX-1")


def fill(url: str) -> None:
    """Two purchases of September, one of October; today one that is open, one that was not sold, and one of another
    seller."""
    note(url, ES, SEPTEMBER_NS, state=BOUGHT, paid_usd="2.01")
    note(url, AAPL, SEPTEMBER_NS, state=BOUGHT)
    note(url, ES, SEPTEMBER_NS + DAY_NS, state=BOUGHT, paid_usd="1.25")
    note(url, AAPL, NOW_NS)
    note(url, ES, NOW_NS, state=VOID)
    note(url, OTHER, NOW_NS, state=BOUGHT)


def budgets(daily: str, monthly: str) -> None:
    """Configure budgets."""
    file = home() / "config" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[backfill]\ndaily_budget_usd = {daily}\nmonthly_budget_usd = {monthly}\n")


def test_nothing_bought_is_no_error(console: Console, url: str) -> None:
    """A machine on which nothing was ever bought stays as it is, and is told of; CSV has its columns."""
    found = console("backfill", "cost-report")
    assert (found.code, found.out) == (0, "")
    assert "nothing was bought" in found.err
    assert "spent today $0.00 (no limit), this month $0.00 (no limit)" in found.err
    for options, column in (((), "month"), (("--by", "job"), "job_id"), (("--detailed",), "time")):
        found = console("backfill", "cost-report", "--format", "csv", *options)
        assert found.out.splitlines()[0].split(",")[0] == column
    found = console("backfill", "cost-report", "--detailed", "--json")
    assert (found.json["rows"], found.json["purchases"], found.json["total_usd"]) == ([], [], "0.00")
    assert url or not catalogue_path().exists()


def test_purchases_are_added_up_by_month(console: Console, url: str) -> None:
    """Exact amounts as text, what is open by itself, what was not sold nowhere, and what is left of the budgets."""
    fill(url)
    budgets("10", '"100.50"')
    found = console("backfill", "cost-report", "--json")
    assert found.code == 0
    september, october, today = found.json["rows"]
    assert (september["month"], september["purchases"], september["open"]) == ("2026-09", 2, 0)
    assert (september["rows"], september["bytes"]) == (20, 960)
    assert (september["estimated_usd"], september["paid_usd"]) == ("2.50", "2.51")
    assert september["difference_usd"] is None
    assert (october["month"], october["paid_usd"], october["difference_usd"]) == ("2026-10", "1.25", "-0.75")
    assert today["month"] == "2026-11"
    assert (today["purchases"], today["open"], today["estimated_usd"], today["paid_usd"]) == (2, 1, "0.75", "0.25")
    assert [row["share"] for row in found.json["rows"]] == [0.6259, 0.3117, 0.0623]
    head = {name: value for name, value in found.json.items() if name not in {"rows", "store"}}
    assert head == {
        "schema_version": 1, "kind": "postgres" if url else "embedded", "by": "month", "today_usd": "0.75",
        "month_usd": "0.75", "daily_budget_usd": "10.00", "monthly_budget_usd": "100.50", "left_today_usd": "9.25",
        "left_month_usd": "99.75", "total_usd": "4.01", "open_usd": "0.50",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        ("day", [("2026-09-30", 2, "2.51"), ("2026-10-01", 1, "1.25"), ("2026-11-22", 2, "0.25")]),
        ("dataset", [("GLBX.MDP3", 2, "3.26"), ("XNAS.ITCH", 2, "0.50"), ("GLBX.MDP3", 1, "0.25")]),
        ("symbol", [("ESH5", 2, "3.26"), ("NQ\x1b[2J", 1, "0.25"), ("AAPL", 2, "0.50")]),
        ("job", [(None, 5, "4.01")]),
    ],
)
def test_purchases_are_added_up_by_other_things(
    console: Console, by: str, wanted: list[tuple[str | None, int, str]]
) -> None:
    """Nothing is in two groups, and nothing in none."""
    fill("")
    rows = console("backfill", "cost-report", "--by", by, "--json").json["rows"]
    column = "job_id" if by == "job" else by
    assert [(row[column], row["purchases"], row["paid_usd"]) for row in rows] == wanted


def test_a_time_or_a_seller_may_be_chosen(console: Console, url: str) -> None:
    """A month ends with its last nanosecond, and today is one of the days; what is left is what is left now."""
    fill(url)
    by_month = console("backfill", "cost-report", "--month", "2026-09", "--json").json
    assert [(row["month"], row["purchases"]) for row in by_month["rows"]] == [("2026-09", 2)]
    assert (by_month["total_usd"], by_month["today_usd"]) == ("2.51", "0.75")
    by_days = console("backfill", "cost-report", "--days", "1", "--json").json
    assert [row["purchases"] for row in by_days["rows"]] == [2]
    by_seller = console("backfill", "cost-report", "--provider", "Elsewhere", "--json").json
    assert [row["paid_usd"] for row in by_seller["rows"]] == ["0.25"]
    found = console("backfill", "cost-report", "--month", "2024-02", "--json")
    assert (found.code, found.json["rows"]) == (0, [])
    assert "nothing was bought" in found.err


def test_details_are_the_purchases_one_by_one(console: Console, url: str) -> None:
    """Oldest first with what was not sold, beside the sums in JSON and alone in NDJSON and CSV."""
    fill(url)
    found = console("backfill", "cost-report", "--detailed", "--json").json
    assert len(found["rows"]) == 3
    states = [one["state"] for one in found["purchases"]]
    assert states == ["bought", "bought", "bought", "asked", "void", "bought"]
    first = found["purchases"][0]
    assert (first["time"], first["symbol"], first["order_id"]) == ("2026-09-30T23:59:59.500000000Z", "ESH5", "GLBX-1")
    assert (first["start_ns"], first["end_ns"]) == (ES.start_ns, ES.end_ns)
    assert (first["estimated_usd"], first["paid_usd"], first["difference_usd"]) == ("2.00", "2.01", None)
    lines = console("backfill", "cost-report", "--detailed", "--format", "ndjson").out.splitlines()
    assert [json.loads(line) for line in lines] == found["purchases"]
    rows = list(csv.DictReader(io.StringIO(console("backfill", "cost-report", "--detailed", "--format", "csv").out)))
    assert [(row["state"], row["paid_usd"]) for row in rows][3:] == [
        ("asked", ""),
        ("void", "0.00"),
        ("bought", "0.25"),
    ]


def test_a_table_is_for_people(console: Console) -> None:
    """Amounts stand below each other, shares are drawn, a sentence says what is left; nothing moves the cursor."""
    fill("")
    budgets("1", '""')
    found = console("backfill", "cost-report", "--detailed", "--by", "symbol")
    sums, details = (part.splitlines() for part in found.out.split("\n\n"))
    assert (len(sums), len(details)) == (4, 7)
    assert sums[1].endswith("##########    81%")
    assert "NQ?[2J" in sums[2]
    ends = {line.rindex(text) + len(text) for line, text in zip(sums, ("paid_usd", "3.26", "0.25"), strict=False)}
    assert len(ends) == 1
    assert "2026-09-30T23:59:59Z" in details[1]
    assert "\x1b" not in found.out
    assert "spent today $0.75 ($0.25 of $1.00 left), this month $0.75 (no limit)" in found.err


@pytest.mark.parametrize(
    "options",
    [
        ("--month", "2026-13"), ("--month", "2026-1"), ("--month", "\x1b[2J"), ("--month", "1969-12"),
        ("--days", "0"), ("--days", "36601"), ("--days", "x"), ("--by", "hour"),
        ("--days", "1", "--month", "2026-11"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(console: Console, options: tuple[str, ...]) -> None:
    """In words, with the exit code of a wrong command line."""
    found = console("backfill", "cost-report", *options)
    assert (found.code, found.out) == (2, "")
    assert "\x1b" not in found.err
    assert "Traceback" not in found.err


def test_a_budget_that_is_none_is_told(console: Console) -> None:
    """By the name of the setting."""
    budgets('"ten"', '""')
    found = console("backfill", "cost-report")
    assert found.code == 3
    assert "backfill.daily_budget_usd: 'ten' is no amount in USD" in found.err


def test_a_ledger_that_makes_no_sense_is_told(console: Console) -> None:
    """What another program wrote is an error without a traceback."""
    note("", ES, NOW_NS)
    with closing(sqlite3.connect(catalogue_path())) as database, database:
        database.execute("UPDATE spend SET estimated_usd = '-5'")
    found = console("backfill", "cost-report", "--json")
    assert found.code == 1
    assert json.loads(found.out)["error"]["message"] == "bad amount: '-5' USD"


def test_a_database_without_tables_is_told(
    console: Console, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what makes them."""
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    found = console("backfill", "cost-report", "--json")
    assert found.code == 3
    assert found.json["error"]["hint"] == "run: ringside --batch db migrate"


def test_jobs_are_told_apart(console: Console) -> None:
    """What was bought for a job is added up under its name, and apart from what was bought for none."""
    with closing(CatalogueJobs(catalogue_path())) as jobs:
        jobs.save(Job(job_id="fetch-1", kind="backfill", request={}, state="done"))
    for job_id in ("fetch-1", "fetch-1", ""):
        note("", attrs.evolve(ES, job_id=job_id), NOW_NS, state=BOUGHT)
    rows = console("backfill", "cost-report", "--by", "job", "--json").json["rows"]
    assert [(row["job_id"], row["paid_usd"]) for row in rows] == [(None, "2.00"), ("fetch-1", "4.00")]


def test_of_nothing_there_are_no_shares() -> None:
    """Where nothing was paid yet no share is drawn; a full one is as long as there is room."""
    (row,) = added_up([ES], "dataset")
    assert row["share"] is None
    assert bar(None) == ""
    assert bar(0.0) == " " * 12 + "   0%"
    assert bar(1.0) == "#" * 12 + " 100%"
