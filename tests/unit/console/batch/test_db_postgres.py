"""The `db` commands on PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import attrs
import numpy as np
import pytest

from core.clock import DAY_NS, wall_ns
from core.store.history import EmbeddedHistory
from core.store.paths import series_directory
from core.store.postgres.books import PostgresBooks
from core.store.postgres.connection import connect
from core.store.postgres.store import PostgresTickStore
from core.store.repository import NOT_STORED, NOT_STREAMED, Gap
from core.store.spill.log import SpillFile, create_file
from tests.conformance.ticks import BOOKS, QUOTES, T0, TRADES, ticks
from tests.unit.console.batch.running import Console, append_all, home, ticks_directory
from tests.unit.core.store.test_exporting import BARS, extremes, instrument
from tests.unit.core.store.test_lots import with_quantities

BTC = ("--venue", "KRAKEN", "--symbol", "BTCUSD")


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


@pytest.fixture
def database(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A migrated database, which DATABASE_URL names."""
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    return migrated_url


def test_migrating_says_what_it_does(console: Console, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run does nothing, the first run makes the tables, the second has nothing to do."""
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    found = console("db", "stats")
    assert found.code == 3
    assert "db migrate" in found.err
    dry = console("db", "migrate", "--dry-run", "--json").json
    assert {row["state"] for row in dry["rows"]} == {"to do"}
    done = console("db", "migrate", "--json")
    assert done.code == 0
    assert [row["migration"] for row in done.json["rows"]] == [row["migration"] for row in dry["rows"]]
    assert done.json["partitions"] == dry["partitions"] == "native"
    found = console("db", "migrate")
    assert (found.code, found.out) == (0, "")
    assert "nothing to do; days are native partitions" in found.err


def test_stats_of_the_database(console: Console, database: str) -> None:
    """Rows, days, duplicates, gaps and what is in quarantine."""
    with closing(PostgresTickStore(database)) as store, closing(PostgresBooks(database)) as books:
        append_all(store, (TRADES, ticks(range(1, 101)), 100), (TRADES, ticks([100]), 100))
        books.record_gap(Gap(series=TRADES, start_ns=T0, end_ns=T0 + 5, rows=3, cause=NOT_STORED))
        whole = Gap(series=TRADES, start_ns=T0, end_ns=T0 + 5, rows=0, cause="disconnect", recovered=8)
        books.record_gap(whole)
        books.quarantine(TRADES, "no time", ticks([5, 6]))
    found = console("db", "stats", "--json").json
    assert found["kind"] == "postgres"
    (row,) = found["rows"]
    names = ("rows", "days", "packed_days", "duplicates", "gaps", "recovered", "missing", "quarantined", "waiting")
    assert [row[name] for name in names] == [100, 1, 0, 1, 1, 8, 3, 2, 0]
    assert [gap["cause"] for gap in found["gaps"]] == [NOT_STORED, "disconnect"]


def test_ticks_and_bars_of_the_database(console: Console, database: str) -> None:
    """The same rows as of the embedded store."""
    with closing(PostgresTickStore(database)) as store:
        append_all(store, (TRADES, ticks(range(2**40, 2**40 + 50), stamps=range(T0, T0 + 50)), 2**40 + 49))
    rows = console("db", "ticks", *BTC, "--last", "2", "--json").json["rows"]
    assert [row["trade_id"] for row in rows] == [2**40 + 48, 2**40 + 49]
    rows = console("db", "ticks", *BTC, "--start", "2025-11-22", "--limit", "2", "--json").json["rows"]
    assert [row["trade_id"] for row in rows] == [2**40, 2**40 + 1]
    (bar,) = console("db", "bars", *BTC, "--timeframe", "1d", "--json").json["rows"]
    assert bar["trades"] == 50


@pytest.mark.parametrize("raw", [(), ("--raw",)])
def test_an_export_of_the_embedded_store_is_imported_and_comes_back(
    raw: tuple[str, ...], console: Console, database: str, tmp_path: Path
) -> None:
    """Embedded to file to database to file to embedded: the records and their ids are the same."""
    from tests.unit.console.batch.running import fill

    trades = with_quantities([12_345, 2**40, 7] * 100)
    trades["ts_event"] += np.arange(300, dtype=np.uint64) * np.uint64(DAY_NS // 100)
    fill((TRADES, trades, 300), instruments=(instrument(1),))
    before = EmbeddedHistory(ticks_directory()).read_numbered(TRADES, 0, 2**63)
    first, second = str(tmp_path / "a.dbn"), str(tmp_path / "b.dbn")
    assert console("db", "export", *BTC, "-o", first, "--store", "embedded", *raw).code == 0
    assert console("db", "import", first, "--json").json["total_rows"] == 300
    assert console("db", "import", first).code == 8
    found = console("db", "import", first, "--again", "--json").json
    assert (found["total_rows"], found["rows"][0]["duplicates"]) == (0, 300)
    assert console("db", "export", *BTC, "-o", second, *raw).code == 0
    content = Path(second).read_bytes()
    assert content == Path(first).read_bytes()
    for path in ticks_directory().rglob("*.dbn"):
        path.unlink()
    assert console("db", "import", second, "--store", "embedded").code == 0
    after = EmbeddedHistory(ticks_directory()).read_numbered(TRADES, 0, 2**63)
    assert after.records.tobytes() == before.records.tobytes()
    assert after.ids.tolist() == before.ids.tolist()


def test_days_that_are_over_are_packed(console: Console, database: str) -> None:
    """Each day and series is a row; what is read afterwards is the same, and stats say what is packed."""
    late = ticks([3001], stamps=[T0 + DAY_NS])
    with closing(PostgresTickStore(database)) as store:
        append_all(store, (TRADES, ticks(range(1, 3001)), 3000), (TRADES, late, 3001))
        before = store.read(TRADES, 0, 2**63 - 1)
        (row,) = console("db", "compress", "--before", "2025-11-23", "--json").json["rows"]
        assert (row["symbol"], row["day"], row["rows"]) == ("BTCUSD", "2025-11-22", 3000)
        assert 0 < row["bytes_after"] < row["bytes_before"]
        assert store.read(TRADES, 0, 2**63 - 1).tobytes() == before.tobytes()
    (stats,) = console("db", "stats", "--json").json["rows"]
    assert (stats["rows"], stats["packed_days"], stats["packed_bytes"]) == (3001, 1, row["bytes_after"])
    assert console("db", "compress", "--before", "2025-11-23", "--json").json["rows"] == []
    assert console("db", "verify", "--json").json["ok"]


def test_old_days_of_the_database_go_only_when_confirmed(console: Console, database: str) -> None:
    """Without --yes it says what would go, packed or not, and ends with 8; with it that is gone."""
    today_ns = wall_ns() // DAY_NS * DAY_NS
    bars = extremes(BARS)
    bars["volume"] = 1
    with closing(PostgresTickStore(database)) as store:
        append_all(store, (TRADES, ticks(range(1, 101)), 100), (TRADES, ticks([101], stamps=[today_ns]), 101))
        append_all(store, (QUOTES, ticks([1, 2], series=QUOTES), 2), (BARS, bars, 0))
    console("db", "compress", "--before", "2025-11-23")
    listed = console("db", "prune", "--keep-days", "2", "--json")
    assert (listed.code, listed.json.get("removed")) == (8, False), listed.out
    assert {row["schema"]: row["rows"] for row in listed.json["rows"]} == {"trades": 100, "mbp-1": 2, "ohlcv-1m": 3}
    done = console("db", "prune", "--keep-days", "2", "--yes", "--json")
    assert (done.code, done.json["total_rows"]) == (0, 105)
    assert console("db", "stats", "--json").json["total_rows"] == 1


def test_verify_finds_what_is_wrong_in_the_database(console: Console, database: str) -> None:
    """A sound database ends with 0; missing ids and a packed day that was changed with 10."""
    with closing(PostgresTickStore(database)) as store:
        append_all(store, (TRADES, ticks(range(1, 101)), 100))
    found = console("db", "verify", "--json")
    assert (found.code, found.json["ok"], found.json["checked_rows"]) == (0, True, 100)
    with closing(PostgresTickStore(database)) as store:
        append_all(store, (TRADES, ticks([110]), 110))
    assert [row["code"] for row in console("db", "verify", "--json").json["rows"]] == ["id_gap"]
    assert console("db", "verify", "--allow-gaps").code == 0
    with closing(PostgresBooks(database)) as books:
        gap = Gap(series=TRADES, start_ns=T0 + 100_000, end_ns=T0 + 110_000, rows=9, cause=NOT_STREAMED)
        books.record_gap(attrs.evolve(gap, reason="the venue refused"))
    known = console("db", "verify", "--json")
    (row,) = known.json["rows"]
    assert (known.code, row["severity"], row["code"], row["count"]) == (0, "warning", "known_gap", 9)
    assert row["message"].endswith("missing: not streamed (the venue refused)")
    assert (row["start"], row["end"]) == ("2025-11-22T00:00:00.000100000Z", "2025-11-22T00:00:00.000110000Z")
    console("db", "compress", "--before", "2025-11-23")
    with connect(database) as connection:
        connection.execute("UPDATE packed_data SET sha256 = decode(repeat('00', 32), 'hex')")
    found = console("db", "verify", "--json")
    assert (found.code, {row["code"] for row in found.json["rows"]} >= {"damaged"}) == (10, True)


def test_what_waits_is_what_the_database_has_not_taken(
    console: Console, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a spilled file the part that was replayed does not wait any more; when the database is away what may wait is
    listed, what is stored is not known, and the exit code is 7."""
    writer, folder = "0" * 16, series_directory(home() / "data" / "spill" / "0", TRADES)
    create_file(folder, TRADES, number=1, writer=writer, base=40, reference=3).close()
    with closing(SpillFile(next(folder.glob("*.dbn")), TRADES)) as file:
        file.write(ticks([1, 2, 3]))
    with closing(PostgresTickStore(database)) as store:
        store.append_at(TRADES, ticks([1, 2]), 2, writer=writer, position=42)
    (row,) = console("db", "stats", "--json").json["rows"]
    assert (row["rows"], row["waiting"]) == (2, 1)
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")
    found = console("db", "stats", "--json")
    assert (found.code, found.json["waiting_rows"], found.json["total_rows"]) == (7, 3, None)
    assert "connecting" in found.json["problem"]
    (row,) = found.json["rows"]
    assert (row["symbol"], row["waiting"], row["rows"], row["first"], row["gaps"]) == ("BTCUSD", 3, None, None, None)
    found = console("db", "stats")
    assert found.code == 7
    assert "up to 3 rows" in found.err
    assert "connecting" in found.err
    assert found.out.splitlines()[1].split()[-1] == "3"


def test_quotes_and_books_are_exported_from_the_database(console: Console, database: str, tmp_path: Path) -> None:
    """Every schema in every format."""
    with closing(PostgresTickStore(database)) as store:
        for series in (QUOTES, BOOKS):
            append_all(store, (series, ticks([1, 2, 3], series=series), 3))
    for series in (QUOTES, BOOKS):
        names = ("--venue", series.venue, "--symbol", series.symbol, "--schema", series.schema.value)
        for kind in ("dbn", "csv", "parquet"):
            path = tmp_path / f"{series.schema}.{kind}"
            found = console("db", "export", *names, "--format", kind, "-o", str(path), "--json")
            assert (found.code, found.json["rows"]) == (0, 3)


def test_a_database_that_is_not_there_is_an_error_in_words(
    console: Console, monkeypatch: pytest.MonkeyPatch, captures: Path
) -> None:
    """Whatever is asked of it: exit code 7 and no password."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:sesame@127.0.0.1:1/nowhere?connect_timeout=1")
    file = str(captures / "databento" / "dbn_test_data.trades.dbn")
    for command in (("migrate",), ("stats",), ("ticks", *BTC), ("import", file), ("compress",), ("verify",)):
        found = console("db", *command)
        assert found.code == 7, command
        assert "sesame" not in found.err + found.out
        assert "Traceback" not in found.err
