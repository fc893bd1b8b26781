"""`db strategies`, on the catalogue and on PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import attrs
import pytest

from console.paper.strategy_log import opened_strategy_log
from core.store.strategy_log import StrategyRow
from tests.unit.console.batch.running import Console, catalogue_path, home

FILL = StrategyRow(
    session_id="s1", line=7, strategy="sma", strategy_sha256="ab" * 32, account="main", venue="KRAKEN",
    symbol="BTCUSD", event="fill", ts_event=1_800_000_000_123_456_789, side="buy", price="61837.123456789",
    quantity="0.5", fee="0.000000000001", realised_pnl="0", cash="69081.438", position="0.5",
    details={"order": 3, "maker": True},
)  # fmt: skip


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


@pytest.fixture(params=["embedded", "postgres"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database that DATABASE_URL names, or none."""
    if request.param == "embedded":
        return ""
    found = str(request.getfixturevalue("migrated_url"))
    monkeypatch.setenv("DATABASE_URL", found)
    return found


def log(url: str, *rows: StrategyRow) -> None:
    """Write rows down."""
    with opened_strategy_log(url, home() / "state") as strategies:
        strategies.append(rows)


def test_rows_are_printed_newest_first(console: Console, url: str) -> None:
    """With exact numbers; of a session those of it, and that there are more is said."""
    log(url, attrs.evolve(FILL, session_id="s0", line=1), attrs.evolve(FILL, line=6, event="order"), FILL)
    found = console("db", "strategies", "--json")
    assert found.code == 0
    assert found.json["kind"] == ("postgres" if url else "embedded")
    assert (found.json["session"], found.json["more"]) == (None, False)
    first, second, third = found.json["rows"]
    assert [(row["session"], row["line"], row["event"]) for row in (first, second, third)] == [
        ("s1", 7, "fill"),
        ("s1", 6, "order"),
        ("s0", 1, "fill"),
    ]
    assert (first["price"], first["fee"], first["cash"]) == ("61837.123456789", "0.000000000001", "69081.438")
    assert (first["time"], first["ts_event_ns"]) == ("2027-01-15T08:00:00.123456789Z", FILL.ts_event)
    assert (first["equity"], first["details"]) == (None, {"order": 3, "maker": True})
    found = console("db", "strategies", "--session", "s1", "--limit", "1", "--json")
    assert found.json["more"] is True
    assert [row["line"] for row in found.json["rows"]] == [7]
    assert "the newest 1 are shown" in found.err


def test_a_table_has_what_there_is(console: Console, url: str) -> None:
    """The time to the millisecond, the beginning of the digest, and nothing that moves a cursor."""
    log(url, attrs.evolve(FILL, strategy="s\x1b[2J"))
    found = console("db", "strategies")
    head, row = found.out.splitlines()
    assert head.split()[:3] == ["time", "session", "line"]
    assert "logged" not in head
    assert "equity" not in head
    assert "2027-01-15T08:00:00.123Z" in row
    assert "s?[2J" in row
    assert "ab" * 6 in row
    assert "ab" * 7 not in row


def test_that_there_are_none_is_no_error(console: Console, url: str) -> None:
    """A machine on which nothing was written down stays as it is, and is told of; the columns are there."""
    found = console("db", "strategies", "--format", "csv")
    assert (found.code, found.out.split(",")[0]) == (0, "time")
    assert "no strategy did anything" in found.err
    assert url or not catalogue_path().exists()
    log(url, FILL)
    found = console("db", "strategies", "--session", "elsewhere", "--json")
    assert (found.code, found.json["rows"]) == (0, [])
    assert "nothing is logged of that session" in found.err


@pytest.mark.parametrize("limit", ["0", "-1", "1000001"])
def test_a_limit_is_a_number_of_rows(console: Console, limit: str) -> None:
    """Nothing below one, and no flood."""
    assert console("db", "strategies", "--limit", limit).code == 2


def test_a_row_that_makes_no_sense_is_told(console: Console) -> None:
    """When another program wrote it there is an error and no traceback."""
    log("", FILL)
    with closing(sqlite3.connect(catalogue_path())) as database, database:
        database.execute("UPDATE live_strategy_log SET details = '{'")
    found = console("db", "strategies", "--json")
    assert found.code == 1
    assert json.loads(found.out)["error"]["message"].endswith("the details of a row are no JSON")


def test_rows_from_before_have_no_line(console: Console, url: str) -> None:
    """Those that were written without one are printed all the same."""
    log(url, FILL)
    statement = "UPDATE live_strategy_log SET line = NULL"
    if url:
        from core.store.postgres.connection import connect

        with connect(url) as connection:
            connection.execute(statement)
    else:
        with closing(sqlite3.connect(catalogue_path())) as database, database:
            database.execute(statement)
    (row,) = console("db", "strategies", "--json").json["rows"]
    assert row["line"] is None
