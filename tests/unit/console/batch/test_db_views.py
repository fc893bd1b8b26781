"""How the `db` commands show what is stored: which rows, which columns, in which words."""

from __future__ import annotations

import csv
import io
from contextlib import closing
from pathlib import Path

import pytest

from console.batch.times import parse_instant
from core.clock import DAY_NS
from core.errors import UsageError
from core.model.records import UNDEF_TIMESTAMP
from core.store.catalogue import Catalogue
from core.store.repository import NOT_STORED, Gap
from tests.conformance.ticks import BOOKS, QUOTES, T0, TRADES, ticks
from tests.unit.console.batch.running import Console, catalogue_path, fill

BTC = ("--venue", "KRAKEN", "--symbol", "BTCUSD")
DAYS = tuple(ticks([number], stamps=[T0 + number // 4 * DAY_NS + number]) for number in range(12))


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), range(1, 12)),
        (("--last", "3"), [9, 10, 11]),
        (("--limit", "2"), [1, 2]),
        (("--last", "6"), range(6, 12)),
        (("--last", "100"), range(1, 12)),
        (("--end", "2025-11-24", "--last", "3"), [5, 6, 7]),
        (("--end", "2025-11-24", "--last", "5"), [3, 4, 5, 6, 7]),
        (("--start", "2025-11-23", "--end", "2025-11-24", "--last", "9"), [4, 5, 6, 7]),
        (("--start", "2025-11-23", "--limit", "2"), [4, 5]),
        (("--start", "2025-11-24", "--last", "2"), [10, 11]),
        (("--start", "2025-11-28", "--last", "2"), []),
    ],
)
def test_the_first_or_the_last_of_a_time_or_of_all(
    options: tuple[str, ...], expected: list[int], console: Console
) -> None:
    """`--last` and `--limit` mean the same with a time and without, across days."""
    fill(*((TRADES, batch, 12) for batch in DAYS[1:]))
    found = console("db", "ticks", *BTC, *options, "--json")
    assert [row["trade_id"] for row in found.json["rows"]] == list(expected)
    assert ("nothing in that time" in found.err) is (not expected)


@pytest.mark.parametrize(
    "text",
    [
        "2025-11-22", "2025-11-22T00:00:00Z", "2025-11-22 00:00:00", "2025-11-22 00:00", "2025-11-22T02:00:00+02:00",
        "2025-11-21 18:30:00.000-05:30", str(T0),
    ],
)  # fmt: skip
def test_a_time_is_written_in_several_ways(text: str) -> None:
    """Dates, dates with times, offsets, and nanoseconds name the same instant."""
    assert parse_instant(text) == T0


@pytest.mark.parametrize(
    "text", ["", "now", "2025-11-22T", "2025-11-22T24:00:00Z", "２０２５-11-22", "9" * 19, "9" * 30]
)
def test_what_is_no_time_says_what_would_be(text: str) -> None:
    """The hint shows the ways."""
    with pytest.raises(UsageError) as caught:
        parse_instant(text)
    assert "2026-11-22 07:15:00" in caught.value.hint or "2262" in caught.value.hint


def test_missing_values_are_empty_in_csv(console: Console) -> None:
    """A time of receipt and a trade side that are missing are empty fields, and `-` in a table."""
    trades = ticks([1, 2])
    trades["ts_recv"], trades["side"] = UNDEF_TIMESTAMP, b"N"
    fill((TRADES, trades, 2))
    rows = list(csv.DictReader(io.StringIO(console("db", "ticks", *BTC, "--format", "csv").out)))
    assert [(row["ts_recv_ns"], row["side"], row["trade_id"]) for row in rows] == [("", "", "1"), ("", "", "2")]
    assert " -  " in console("db", "ticks", *BTC).out


def test_nothing_has_a_header_in_csv(console: Console) -> None:
    """A time without records, bars of it, and an empty store print the same first line as a full one."""
    nothing = ("--start", "2026-01-01", "--format", "csv")
    empty_stats = console("db", "stats", "--format", "csv").out
    verified = console("db", "verify", "--format", "csv").out
    fill((TRADES, ticks([1]), 1), (BOOKS, ticks([1], series=BOOKS), 1))
    book = ("ticks", "--venue", BOOKS.venue, "--symbol", BOOKS.symbol, "--schema", "mbp-10")
    for command in (("ticks", *BTC), ("bars", *BTC), book):
        full = console("db", *command, "--format", "csv").out.splitlines()
        found = console("db", *command, *nothing)
        assert (found.code, found.out.splitlines()) == (0, full[:1]), command
        assert "nothing in that time" in found.err
    assert console("db", "stats", "--format", "csv").out.splitlines()[0] == empty_stats.strip()
    assert verified.startswith("severity,")


def test_a_book_fits_a_screen(console: Console) -> None:
    """A table has the best level and the sums of each side and says so; JSON has every level."""
    fill((BOOKS, ticks([1, 2], series=BOOKS), 2))
    names = ("--venue", BOOKS.venue, "--symbol", BOOKS.symbol, "--schema", "mbp-10")
    found = console("db", "ticks", *names)
    header = found.out.splitlines()[0].split()
    assert {"bid_price_00", "ask_quantity_00", "bid_total", "ask_total"} <= set(header)
    assert not any(name.endswith("_01") for name in header)
    assert "csv shows every level" in found.err
    assert "bid_price_09" in console("db", "ticks", *names, "--json").json["rows"][0]


def test_stats_are_as_wide_as_there_is_something_to_say(console: Console) -> None:
    """Columns of zeros are left out of the table, times are to the second; CSV and JSON have everything."""
    fill((TRADES, ticks([1, 2]), 2), (QUOTES, ticks([1], series=QUOTES), 1))
    found = console("db", "stats")
    lines = [line.split() for line in found.out.splitlines()]
    assert lines[0] == ["venue", "symbol", "schema", "rows", "days", "bytes", "first", "last"]
    assert lines[2][-1] == "2025-11-22T00:00:00Z"
    assert "2 series, 3 rows, " in found.err
    assert "quarantined" in console("db", "stats", "--format", "csv").out
    fill((TRADES, ticks([2]), 2))
    assert console("db", "stats").out.splitlines()[0].split()[-1] == "duplicates"


def test_stats_of_a_venue_or_a_symbol(console: Console) -> None:
    """Both may be named in any case; totals are those of what is shown."""
    fill((TRADES, ticks([1, 2]), 2), (QUOTES, ticks([1], series=QUOTES), 1))
    for options, rows in (
        (("--venue", "kraken"), 2),
        (("--venue", "KRAKEN", "--symbol", "btcusd"), 2),
        (("--symbol", QUOTES.symbol.lower()), 1),
        (("--venue", "nowhere"), 0),
    ):
        assert console("db", "stats", *options, "--json").json["total_rows"] == rows, options


def test_series_without_rows_have_no_times(console: Console) -> None:
    """Where `first` is null, so is `first_ns`."""
    with closing(Catalogue(catalogue_path())) as catalogue:
        catalogue.record_gap(Gap(series=TRADES, start_ns=1, end_ns=2, rows=3, cause=NOT_STORED))
    (row,) = console("db", "stats", "--json").json["rows"]
    assert [row[name] for name in ("first", "first_ns", "last", "last_ns", "rows")] == [None, None, None, None, 0]


def test_gaps_are_listed_with_what_became_of_them(console: Console) -> None:
    """Cause, recovered, missing and reason of each; sums of them; what was recovered in full is no gap any more."""
    with closing(Catalogue(catalogue_path())) as catalogue:
        for number, (series, rows, recovered, reason) in enumerate((
            (TRADES, 3, 0, ""), (TRADES, 2, 40, "HTTP 503"), (TRADES, 0, 7, ""), (TRADES, 0, 0, ""),
            (QUOTES, 1, 0, ""),
        )):  # fmt: skip
            catalogue.record_gap(
                Gap(
                    series=series,
                    start_ns=T0,
                    end_ns=T0 + 10**9,
                    rows=rows,
                    cause=f"cause {number}",
                    recovered=recovered,
                    reason=reason,
                )
            )
    found = console("db", "stats", "--symbol", TRADES.symbol, "--json").json
    (row,) = found["rows"]
    assert [row[name] for name in ("gaps", "recovered", "missing")] == [3, 47, 5]
    assert [found[name] for name in ("recovered", "missing")] == [47, 5]
    assert [(gap["cause"], gap["recovered"], gap["missing"], gap["reason"]) for gap in found["gaps"]] == [
        ("cause 0", 0, 3, ""), ("cause 1", 40, 2, "HTTP 503"), ("cause 2", 7, 0, ""), ("cause 3", 0, None, ""),
    ]  # fmt: skip
    gap = found["gaps"][0]
    assert (gap["symbol"], gap["schema"], gap["start"], gap["end_ns"]) == (
        "BTCUSD", "trades", "2025-11-22T00:00:00.000000000Z", T0 + 10**9,
    )  # fmt: skip
    table = console("db", "stats").out.splitlines()
    assert table[0].split()[-3:] == ["gaps", "recovered", "missing"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-o", "a.txt"), "dbn, csv, parquet"),
        (("-o", "a.txt.zst"), "dbn, csv, parquet"),
        (("--format", "parquet", "-o", "a.csv"), "two kinds of file"),
        (("--format", "csv", "-o", "a.dbn.zst"), "two kinds of file"),
        (("-o", "a.csv", "--raw"), "raw is for dbn"),
        (("--format", "parquet", "-o", "a", "--raw"), "raw is for dbn"),
    ],
)
def test_an_export_is_what_its_name_says(options: tuple[str, ...], said: str, console: Console) -> None:
    """A name that promises nothing or something else is refused, and no file is made."""
    fill((TRADES, ticks([1]), 1))
    found = console("db", "export", *BTC, *options)
    assert found.code == 2
    assert said in found.err
    assert not Path(options[options.index("-o") + 1]).exists()


def test_an_export_into_a_device_is_refused(console: Console) -> None:
    """What it is is said."""
    fill((TRADES, ticks([1]), 1))
    found = console("db", "export", *BTC, "-o", "/dev/full")
    assert found.code == 8
    assert "/dev/full is a device" in found.err


def test_what_was_removed_is_counted(console: Console) -> None:
    """Days, series and rows are said when they are gone."""
    fill(*((TRADES, batch, 12) for batch in DAYS[1:]))
    found = console("db", "prune", "--keep-days", "5", "--yes")
    assert found.code == 0
    assert "3 days of 1 series were removed, 11 rows" in found.err
