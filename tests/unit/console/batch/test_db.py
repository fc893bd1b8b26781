"""The `db` commands on the embedded store: what they print, what they write, how they end."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import zstandard

from core.clock import DAY_NS, utc_day, wall_ns
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.history import EmbeddedHistory
from core.store.paths import series_directory
from core.store.repository import NOT_STORED, Gap
from core.store.spill.log import SpillFile, create_file
from tests.conformance.ticks import BOOKS, QUOTES, T0, TRADES, ticks
from tests.unit.console.batch.running import Console, catalogue_path, fill, home, ticks_directory
from tests.unit.core.store.test_exporting import BARS, extremes, instrument
from tests.unit.core.store.test_lots import with_quantities

BTC = ("--venue", "KRAKEN", "--symbol", "BTCUSD")


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


def day_of_ticks(count: int = 100, *, first: int = 1) -> tuple[object, ...]:
    """A batch of trades with ids from `first` on, of one day."""
    return TRADES, ticks(range(first, first + count)), first + count - 1


def test_an_empty_store_is_no_error_to_look_at(console: Console) -> None:
    """Stats, verify, compress and prune of nothing print nothing and make nothing."""
    for command in (("stats",), ("verify",), ("compress",), ("prune", "--keep-days", "3"), ("migrate",)):
        found = console("db", *command, "--json")
        assert (found.code, found.json["rows"]) == (0, []), command
    assert not home().exists()


def test_what_is_not_there_is_not_found(console: Console) -> None:
    """Ticks, bars and exports of a series that is not stored end with 4 and say what is like it."""
    found = console("db", "ticks", *BTC)
    assert found.code == 4
    assert "nothing is stored yet" in found.err
    fill(day_of_ticks())  # type: ignore[arg-type]
    found = console("db", "ticks", "--venue", "KRAKEN", "--symbol", "BTCUSDT")
    assert found.code == 4
    assert "did you mean BTCUSD on KRAKEN" in found.err
    found = console("db", "export", *BTC, "--schema", "mbp-1", "-o", "x.dbn")
    assert found.code == 4
    assert "stored of it: trades" in found.err
    assert not Path("x.dbn").exists()


def test_stats_tell_everything_of_a_series(console: Console) -> None:
    """Rows, days, bytes, duplicates, gaps and rows that wait, beside a store that is open for writing."""
    fill(day_of_ticks(), day_of_ticks())  # type: ignore[arg-type]
    with closing(Catalogue(catalogue_path())) as catalogue:
        catalogue.record_gap(Gap(series=TRADES, start_ns=T0, end_ns=T0 + 5, rows=3, cause=NOT_STORED))
        catalogue.quarantine(TRADES, "no time", ticks([5, 6]))
        with closing(EmbeddedTickStore(ticks_directory(), catalogue)):
            found = console("db", "stats", "--json").json
    (row,) = found["rows"]
    names = ("rows", "days", "duplicates", "gaps", "quarantined", "waiting")
    assert [row[name] for name in names] == [100, 1, 100, 1, 2, 0]
    assert found["total_rows"] == 100
    assert found["total_bytes"] == row["bytes"] > 4800
    assert row["first"] == "2025-11-22T00:00:00.000001000Z"


def test_the_newest_ticks_have_exact_numbers_and_full_ids(console: Console) -> None:
    """Numbers are texts, ids 64 bits wide, instants in ns; the symbol may be typed in lower case."""
    trades = with_quantities([12_345] * 30)
    trades["price"], trades["side"] = 42_150_100_000_000, b"A"
    trades["sequence"] = [(2**40 + number) & 0xFFFF_FFFF for number in range(30)]
    fill((TRADES, trades, 2**40 + 29))
    rows = console("db", "ticks", "--venue", "kraken", "--symbol", "btcusd", "--last", "3", "--json").json["rows"]
    assert [row["trade_id"] for row in rows] == [2**40 + 27, 2**40 + 28, 2**40 + 29]
    assert (rows[0]["price"], rows[0]["quantity"], rows[0]["side"]) == ("42150.1", "0.00012345", "sell")
    assert rows[2]["ts_event_ns"] == T0 + 30_000
    found = console("db", "ticks", *BTC, "--start", "2025-11-22", "--limit", "2", "--json").json
    assert [row["trade_id"] for row in found["rows"]] == [2**40, 2**40 + 1]
    assert found["more"]
    found = console("db", "ticks", *BTC, "--start", "2025-11-23", "--json").json
    assert (found["rows"], found["more"]) == ([], False)


def test_quotes_books_and_bars_can_be_looked_at(console: Console) -> None:
    """Every schema prints all its columns in every format."""
    fill((QUOTES, ticks([1, 2], series=QUOTES), 2), (BOOKS, ticks([1], series=BOOKS), 1), (BARS, extremes(BARS), 0))
    for series in (QUOTES, BOOKS, BARS):
        names = ("--venue", series.venue, "--symbol", series.symbol, "--schema", series.schema.value)
        assert console("db", "ticks", *names, "--json").json["rows"]
        for form in ("table", "csv", "ndjson"):
            assert console("db", "ticks", *names, "--format", form).out


def test_bars_are_made_of_the_trades(console: Console) -> None:
    """Open, high, low, close, volume and count of each minute, as exact decimals."""
    trades = ticks([1, 2, 3, 4], stamps=[T0, T0 + 10, T0 + 20, T0 + 60 * 10**9])
    trades["price"] = [10**9, 3 * 10**9, 2 * 10**9, 5]
    fill((TRADES, trades, 4))
    rows = console("db", "bars", *BTC, "--timeframe", "1m", "--json").json["rows"]
    assert [tuple(rows[0][name] for name in ("open", "high", "low", "close", "volume", "trades"))] == [
        ("1", "3", "1", "2", "0.00037035", 3)
    ]
    assert rows[1]["time"] == "2025-11-22T00:01:00.000000000Z"
    assert rows[1]["close"] == "0.000000005"
    assert len(console("db", "bars", *BTC, "--last", "1", "--json").json["rows"]) == 1
    assert console("db", "bars", *BTC, "--timeframe", "7m").code == 2
    assert console("db", "bars", *BTC, "--last", "1", "--limit", "1").code == 2
    (first,) = console("db", "bars", *BTC, "--limit", "1", "--json").json["rows"]
    assert first["time"] == "2025-11-22T00:00:00.000000000Z"


@pytest.mark.parametrize(
    "options",
    [
        ("--start", "yesterday"),
        ("--start", "2025-13-01"),
        ("--start", "2025-11-22T00:00:00+25:00"),
        ("--start", "20251122"),
        ("--start", "1732233600"),
        ("--start", "2025-11-22 00"),
        ("--start", "1950-01-01"),
        ("--start", "9999-01-01"),
        ("--start", "2025-11-23", "--end", "2025-11-22"),
        ("--start", "2025-11-22", "--end", "2025-11-22"),
        ("--limit", "2", "--last", "5"),
        ("--limit", "0"),
        ("--last", "0"),
        ("--last", "-4"),
        ("--schema", "mbo"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(options: tuple[str, ...], console: Console) -> None:
    """Times that are none or go backwards, and numbers that cannot be, end with 2 and words."""
    fill(day_of_ticks(3))  # type: ignore[arg-type]
    found = console("db", "ticks", *BTC, *options)
    assert found.code == 2
    assert "Traceback" not in found.err


@pytest.mark.parametrize("command", [("compress", "--before", "2999-01-01"), ("prune", "--keep-days", "0"),
                                     ("compress", "--before", "soon")])  # fmt: skip
def test_today_is_not_over(command: tuple[str, ...], console: Console) -> None:
    """Neither the future nor today can be compressed or removed."""
    assert console("db", *command).code == 2


@pytest.mark.parametrize("raw", [(), ("--raw",)])
@pytest.mark.parametrize("suffix", [".dbn", ".dbn.zst"])
def test_an_export_goes_into_another_home_as_it_was(
    raw: tuple[str, ...], suffix: str, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trades of three days, with ids beyond 32 bits and quantities beyond 32 bits of lots, are equal afterwards."""
    trades = with_quantities([12_345, 2**40, 7] * 100)
    trades["ts_event"] += (np.arange(300) * (3 * DAY_NS // 301)).astype(np.uint64)
    trades["sequence"] = (2**40 + np.arange(300)) & 0xFFFF_FFFF
    fill((TRADES, trades, 2**40 + 299), instruments=(instrument(1),))
    before = EmbeddedHistory(ticks_directory()).read_numbered(TRADES, 0, 2**63)
    path = tmp_path / f"a{suffix}"
    found = console("db", "export", *BTC, "-o", str(path), *raw, "--json")
    assert found.code == 0, found.err
    assert found.json["rows"] == 300
    assert found.json["size_exp"] == (None if raw else -8)
    monkeypatch.setenv("RINGSIDE_HOME", str(tmp_path / "elsewhere"))
    found = console("db", "import", str(path), "--json")
    assert found.code == 0, found.err
    assert found.json["total_rows"] == 300
    after = EmbeddedHistory(ticks_directory()).read_numbered(TRADES, 0, 2**63)
    assert after.records.tobytes() == before.records.tobytes()
    assert after.ids.tolist() == before.ids.tolist()
    assert console("db", "verify", "--json").json["ok"]
    assert console("db", "import", str(path)).code == 8
    found = console("db", "import", str(path), "--again", "--json")
    assert found.json["rows"][0]["duplicates"] == 300


def test_an_export_is_compressed_when_its_name_says_so(console: Console, tmp_path: Path) -> None:
    """What comes before `.zst` is the kind of file; the content is that of one that is not compressed."""
    fill(day_of_ticks())  # type: ignore[arg-type]
    plain, packed = tmp_path / "a.csv", tmp_path / "a.csv.zst"
    for path in (plain, packed):
        found = console("db", "export", *BTC, "-o", str(path), "--json")
        assert (found.code, found.json["kind"]) == (0, "csv")
    assert zstandard.ZstdDecompressor().stream_reader(packed.read_bytes()).read() == plain.read_bytes()


def test_a_part_of_the_time_is_exported(console: Console, tmp_path: Path) -> None:
    """Start and end decide, the end excluded; nothing in a time is exit code 4 and no file."""
    fill(day_of_ticks())  # type: ignore[arg-type]
    path = tmp_path / "a.csv"
    times = ("--start", "2025-11-22T00:00:00.000005Z", "--end", "2025-11-22T00:00:00.000008Z")
    assert console("db", "export", *BTC, *times, "--format", "csv", "-o", str(path)).code == 0
    assert [line.split(",")[6] for line in path.read_text().splitlines()] == ["trade_id", "5", "6", "7"]
    assert console("db", "export", *BTC, "--start", "2026-01-01", "-o", str(tmp_path / "b")).code == 4
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.is_file()) == ["a.csv"]


def test_a_file_is_overwritten_only_when_forced(console: Console, tmp_path: Path) -> None:
    """An existing file, a directory and a place that is not there are refused with their own exit codes."""
    fill(day_of_ticks())  # type: ignore[arg-type]
    path = tmp_path / "a.parquet"
    path.write_bytes(b"mine")
    names = ("db", "export", *BTC, "-o")
    assert console(*names, str(path)).code == 8
    assert path.read_bytes() == b"mine"
    assert console(*names, str(path), "--force").code == 0
    assert path.read_bytes()[:4] == b"PAR1"
    assert console(*names, str(tmp_path), "--force").code == 8
    assert console(*names, str(tmp_path / "no" / "a")).code == 3
    assert console(*names, "-", "--format", "parquet").code == 2
    assert console(*names, str(tmp_path / "b.parquet.zst")).code == 2


def test_an_export_may_go_to_stdout(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `-` stdout is the data and nothing else."""
    fill(day_of_ticks(3))  # type: ignore[arg-type]
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, write_through=True)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert console("db", "export", *BTC, "--format", "csv", "-o", "-").code == 0
    assert len(written.getvalue().splitlines()) == 4
    written.truncate(0)
    assert console("db", "export", *BTC, "--raw", "-o", "-").code == 0
    assert written.getvalue().lstrip(b"\0").startswith(b"DBN\x03")


def test_a_vendor_file_is_stored_once(console: Console, captures: Path) -> None:
    """A second time it is refused, because it has no ids; with --again its records are there twice."""
    path = str(captures / "databento" / "dbn_test_data.trades.v2.dbn.zst")
    found = console("db", "import", path, "--json")
    assert [(row["venue"], row["symbol"], row["rows"]) for row in found.json["rows"]] == [("GLBX.MDP3", "ESH1", 2)]
    found = console("db", "import", path)
    assert found.code == 8
    assert "already imported" in found.err
    assert console("db", "import", path, "--symbol", "ESH1").code == 8
    assert console("db", "import", path, "--venue", "CME", "--json").json["total_rows"] == 2
    assert console("db", "import", path, "--again", "--json").json["total_rows"] == 2
    assert console("db", "import", path, path, "--again").code == 2
    stored = {(row["venue"], row["rows"]) for row in console("db", "stats", "--json").json["rows"]}
    assert stored == {("GLBX.MDP3", 4), ("CME", 2)}


@pytest.mark.parametrize("sealed", [False, True])
def test_a_file_of_the_store_itself_can_be_imported(
    sealed: bool, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that was copied from another machine, plain or sealed, is stored with its ids."""
    fill((TRADES, ticks(range(2**40, 2**40 + 100), stamps=range(T0, T0 + 100)), 2**40 + 99))
    before = EmbeddedHistory(ticks_directory()).read_numbered(TRADES, 0, 2**63)
    if sealed:
        console("db", "compress")
    (path,) = ticks_directory().rglob("*.dbn*")
    assert (path.suffix == ".zst") is sealed
    monkeypatch.setenv("RINGSIDE_HOME", str(tmp_path / "elsewhere"))
    assert console("db", "import", str(path), "--json").json["total_rows"] == 100
    after = EmbeddedHistory(ticks_directory()).read_numbered(TRADES, 0, 2**63)
    assert after.records.tobytes() == before.records.tobytes()
    assert after.ids.tolist() == before.ids.tolist()


def test_what_waits_for_the_database_is_shown(console: Console) -> None:
    """Rows in the spill of an engine that is gone are counted, beside what is stored."""
    folder = series_directory(home() / "data" / "spill" / "0", TRADES)
    create_file(folder, TRADES, number=1, writer="0" * 16, base=40, reference=3).close()
    file = SpillFile(next(folder.glob("*.dbn")), TRADES)
    file.write(ticks([1, 2, 3]))
    file.close()
    (folder / "notes.dbn").write_bytes(b"mine")
    found = console("db", "stats", "--json").json
    assert (found["waiting_rows"], found["total_rows"]) == (3, 0)
    assert [(row["symbol"], row["waiting"]) for row in found["rows"]] == [("BTCUSD", 3)]
    assert "3 rows in" in console("db", "stats").err


def test_one_bad_file_of_several_stores_none(console: Console, captures: Path, tmp_path: Path) -> None:
    """All files are checked before the first is stored."""
    bad = tmp_path / "bad.dbn"
    bad.write_bytes((captures / "databento" / "dbn_test_data.trades.dbn").read_bytes()[:-7])
    good = str(captures / "databento" / "dbn_test_data.mbp-1.dbn")
    found = console("db", "import", good, str(bad))
    assert found.code == 1
    assert "in the middle of record 2" in found.err
    assert not ticks_directory().exists()
    assert console("db", "import", good, str(tmp_path / "none.dbn")).code == 4


def test_an_import_that_broke_off_is_remembered(
    console: Console, captures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure in the middle the same file is refused unless its ids tell what is stored already."""
    from core.errors import TransientError

    path = str(captures / "databento" / "dbn_test_data.trades.v3.dbn.zst")

    def failing(_store: EmbeddedTickStore) -> None:
        raise TransientError("syncing", "the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedTickStore, "sync", failing)
        assert console("db", "import", path).code == 7
    found = console("db", "import", path)
    assert found.code == 8
    assert "did not end" in found.err
    assert console("db", "import", path, "--ids", "sequence").code == 0


def test_an_engine_that_writes_refuses_an_import(console: Console, captures: Path) -> None:
    """One process writes the embedded store; who that is, is said."""
    with (
        closing(Catalogue(catalogue_path())) as catalogue,
        closing(EmbeddedTickStore(ticks_directory(), catalogue)),
    ):
        found = console("db", "import", str(captures / "databento" / "dbn_test_data.trades.dbn"))
        assert found.code == 8
        assert "is written by process" in found.err
        assert console("db", "compress").code == 8
        assert console("db", "prune", "--keep-days", "1", "--yes").code == 8


def test_days_that_are_over_are_compressed(console: Console) -> None:
    """Each day is one row with its bytes before and after; reading goes on as before, and the second time there is
    nothing to do."""
    fill((TRADES, ticks(range(1, 5000)), 4999), (TRADES, ticks([5000], stamps=[T0 + DAY_NS]), 5000))
    before = EmbeddedHistory(ticks_directory()).read(TRADES, 0, 2**63)
    found = console("db", "compress", "--before", "2025-11-23", "--json").json
    (row,) = found["rows"]
    assert (row["day"], row["rows"]) == ("2025-11-22", 4999)
    assert 0 < row["bytes_after"] < row["bytes_before"]
    assert EmbeddedHistory(ticks_directory()).read(TRADES, 0, 2**63).tobytes() == before.tobytes()
    (stats,) = console("db", "stats", "--json").json["rows"]
    assert (stats["rows"], stats["days"], stats["packed_days"]) == (5000, 2, 1)
    assert len(console("db", "compress", "--json").json["rows"]) == 1
    assert console("db", "compress", "--json").json["rows"] == []


def test_old_days_go_only_when_confirmed(console: Console) -> None:
    """Without --yes it says what would go and ends with 8; with it they are gone, and newer ones stay."""
    today_ns = wall_ns() // DAY_NS * DAY_NS
    recent = ticks([101], stamps=[today_ns])
    fill(day_of_ticks(), (TRADES, recent, 101))  # type: ignore[arg-type]
    found = console("db", "prune", "--keep-days", "2", "--json")
    assert (found.code, found.json["total_rows"], found.json["removed"]) == (8, 100, False)
    assert console("db", "stats", "--json").json["total_rows"] == 101
    found = console("db", "prune", "--keep-days", "2", "--yes", "--json")
    assert (found.code, [row["day"] for row in found.json["rows"]]) == (0, ["2025-11-22"])
    (row,) = console("db", "stats", "--json").json["rows"]
    assert (row["rows"], row["first"][:10]) == (1, utc_day(today_ns))


def damage(path: Path) -> None:
    """Change one bit of the last record but one."""
    content = bytearray(path.read_bytes())
    content[-60] ^= 1
    path.write_bytes(content)


def tear(path: Path) -> None:
    """Cut the last record in two."""
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("harm", [damage, tear])
def test_verify_finds_what_is_wrong(harm: Callable[[Path], None], console: Console) -> None:
    """A sound store ends with 0; a changed or a missing byte with 10 and a row that says where."""
    fill(day_of_ticks())  # type: ignore[arg-type]
    found = console("db", "verify", "--json")
    assert (found.code, found.json["ok"], found.json["checked_rows"]) == (0, True, 100)
    (path,) = ticks_directory().rglob("*.dbn")
    harm(path)
    found = console("db", "verify", "--json")
    assert (found.code, found.json["ok"]) == (10, False)
    assert {row["day"] for row in found.json["rows"]} == {"2025-11-22"}


def test_a_damaged_file_hides_no_other_series(console: Console) -> None:
    """Stats say what is wrong with one series and count the others; reading that one says it as well."""
    fill(day_of_ticks(), (QUOTES, ticks([1, 2], series=QUOTES), 2))  # type: ignore[arg-type]
    (path,) = (ticks_directory() / "KRAKEN").rglob("*.dbn")
    path.write_bytes(b"x" * 500)
    found = console("db", "stats", "--json")
    assert found.code == 0
    assert [(row["venue"], row["rows"], bool(row["problem"])) for row in found.json["rows"]] == [
        ("BINANCE", 2, False),
        ("KRAKEN", 0, True),
    ]
    for command in (("ticks",), ("export", "-o", str(home() / "a.dbn"))):
        found = console("db", *command, *BTC)
        assert found.code == 1
        assert path.name in found.err
    found = console("db", "verify", "--json")
    assert (found.code, found.json["checked_rows"]) == (10, 2)


def test_missing_ids_are_errors_unless_allowed(console: Console) -> None:
    """A hole in the trade ids ends with 10; with --allow-gaps it is a warning and the end is 0."""
    fill((TRADES, ticks([1, 2, 9, 10]), 10))
    found = console("db", "verify", "--json")
    assert (found.code, [(row["code"], row["count"]) for row in found.json["rows"]]) == (10, [("id_gap", 6)])
    found = console("db", "verify", "--allow-gaps", "--json")
    assert (found.code, found.json["rows"][0]["severity"], found.json["findings"]) == (0, "warning", 1)


def test_the_database_must_be_named(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without DATABASE_URL `--store postgres` is a mistake of the configuration, and the password is never shown."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for action in ("migrate", "stats", "verify"):
        found = console("db", action, "--store", "postgres")
        assert found.code == 3
        assert "DATABASE_URL" in found.err
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:sesame@127.0.0.1:1/nowhere?connect_timeout=1")
    found = console("db", "stats")
    assert found.code == 7
    assert "sesame" not in found.err + found.out
    assert console("db", "stats", "--store", "embedded", "--json").json["kind"] == "embedded"


def test_help_of_each_action_comes_up(console: Console) -> None:
    """Every action describes itself, and an unknown one is a usage error."""
    from console.batch.db import ACTIONS

    for action in ACTIONS:
        found = console("db", action, "--help")
        assert found.code == 0
        assert f"ringside db {action}" in found.out
    assert console("db", "explode").code == 2
