"""Finding the trades of a backtest: in the store, and in files of our own and of a vendor."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from console.backtests.data import Found, find_data
from console.backtests.fingerprint import data_hash
from console.backtests.options import add_options
from console.backtests.validation import checked
from core.clock import iso_ns
from core.errors import NotFoundError, PermanentError, UsageError
from core.model.records import UNDEF_TIMESTAMP
from core.store.repository import SeriesKey
from tests.conformance.ticks import BOOKS, QUOTES, T0, ticks
from tests.unit.console.backtests.trading import HOUR_NS, SERIES, bitcoin, foreign_file, stored, walk
from tests.unit.console.batch.running import Console, fill


def found(*words: str) -> Found:
    """What a command line finds."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    return find_data(parser.parse_args(list(words)))


def exported(capsys: pytest.CaptureFixture[str], path: Path, *more: str) -> Path:
    """A file that `db export` writes of the store."""
    command = ("db", "export", "--venue", "KRAKEN", "--symbol", "BTCUSD", "-o", str(path), *more)
    assert Console(capsys)(*command).code == 0
    return path


@pytest.mark.parametrize("name", ["a.dbn", "a.dbn.zst"])
def test_a_file_gives_what_the_store_gives(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trades that go through a file are the very same: quantities, order, the hash of it all, the instrument."""
    stored(3000)
    path = exported(capsys, tmp_path / name)
    ours, theirs = found("--symbol", "btcusd"), found("--data", str(path))
    hashes = {data_hash(checked(one.trades)[0], None, start_ns=0, until_ns=None, gaps=()) for one in (ours, theirs)}
    assert len(hashes) == 1
    assert ours.instrument == theirs.instrument == bitcoin()
    assert theirs.series == SERIES


def test_a_range_is_half_open_and_knows_whether_it_was_reached() -> None:
    """The first instant is in, the last is not; data beyond the end says that the time up to it is known."""
    stored(3000)
    hour = ("--start", iso_ns(T0 + HOUR_NS), "--end", iso_ns(T0 + 2 * HOUR_NS))
    some = found("--symbol", "BTCUSD", "--venue", "kraken", *hour)
    assert len(some.trades) == 720
    assert int(some.trades.ts_event[0]) == T0 + HOUR_NS
    assert some.reaches_end
    assert not found("--symbol", "BTCUSD", "--end", "2026-01-01").reaches_end


def test_a_range_without_trades_tells_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From when to when, of a store as of a file."""
    stored(100)
    path = exported(capsys, tmp_path / "a.dbn")
    for where in (("--symbol", "BTCUSD"), ("--data", str(path))):
        with pytest.raises(NotFoundError, match=r"from 2025-11-22T00:00:00.*to 2025-11-22T00:08:15"):
            found(*where, "--start", "2026-01-01")


def test_the_venue_may_be_left_out_when_only_one_has_the_symbol() -> None:
    """Of two the command has to choose, and is told which there are."""
    stored(10)
    assert found("--symbol", "BTCUSD").series == SERIES
    other = SeriesKey("BINANCE", "BTCUSD", SERIES.schema)
    fill((other, walk(5, series=other), 5))
    with pytest.raises(UsageError, match="BINANCE, KRAKEN"):
        found("--symbol", "BTCUSD")
    with pytest.raises(NotFoundError, match="did you mean BTCUSD"):
        found("--symbol", "BTCUSDT")


def test_quotes_alone_are_no_trades() -> None:
    """A symbol of which only quotes are stored is not found."""
    fill((QUOTES, ticks([1, 2], series=QUOTES), 2))
    with pytest.raises(NotFoundError):
        found("--symbol", QUOTES.symbol)


def test_a_vendors_file_counts_whole_units(tmp_path: Path) -> None:
    """Sizes are units, the venue is the dataset unless another is named, and nothing is known of the instrument."""
    path = foreign_file(tmp_path / "es.dbn", walk(20))
    one = found("--data", str(path))
    assert one.series == SeriesKey("GLBX.MDP3", "ESZ5", SERIES.schema)
    assert bool((one.trades.quantity_e8 % 10**8 == 0).all())
    assert one.instrument is None
    assert found("--data", str(path), "--venue", "cme").series.venue == "CME"


def test_one_of_several_instruments_in_a_file_is_chosen(tmp_path: Path) -> None:
    """By its name in any case; without a name or with a wrong one the file's are told."""
    path = foreign_file(tmp_path / "two.dbn", walk(20), symbols=("ESZ5", "NQZ5"))
    assert len(found("--data", str(path), "--symbol", "nqz5").trades) == 10
    with pytest.raises(UsageError, match="ESZ5, NQZ5"):
        found("--data", str(path))
    with pytest.raises(NotFoundError, match="it holds"):
        found("--data", str(path), "--symbol", "BTCUSD")


def test_files_that_follow_one_another_are_one_run(tmp_path: Path) -> None:
    """In whatever order they are named; those that overlap and have no ids are warned of."""
    records = walk(30)
    first = foreign_file(tmp_path / "1.dbn", records[:20])
    second = foreign_file(tmp_path / "2.dbn", records[20:])
    over = foreign_file(tmp_path / "3.dbn", records[10:25])
    together = found("--data", str(second), "--data", str(first))
    ordered, counts = checked(together.trades)
    assert ordered.price_e9.tolist() == records["price"].tolist()
    assert counts.out_of_order == 1
    assert together.warnings == ()
    assert any("overlap" in one for one in found("--data", str(first), "--data", str(over)).warnings)


def test_files_of_our_own_may_overlap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their trades have ids: what is in two of them counts once."""
    stored(200)
    whole = exported(capsys, tmp_path / "whole.dbn")
    part = exported(capsys, tmp_path / "part.dbn", "--start", iso_ns(T0 + 50 * 5_000_000_000))
    trades, counts = checked(found("--data", str(whole), "--data", str(part)).trades)
    assert (len(trades), counts.duplicates) == (200, 150)


def test_bad_files_are_told_apart(tmp_path: Path) -> None:
    """A file that is not there, is none, was named twice, ends too early, or is of another venue."""
    path = foreign_file(tmp_path / "es.dbn", walk(20))
    with pytest.raises(NotFoundError):
        found("--data", str(tmp_path / "none.dbn"))
    with pytest.raises(UsageError, match="given twice"):
        found("--data", str(path), "--data", str(path))
    cut = tmp_path / "cut.dbn"
    cut.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(PermanentError, match="ends in the middle"):
        found("--data", str(cut))
    junk = tmp_path / "junk.dbn"
    junk.write_bytes(b"\x00\xff" * 400)
    with pytest.raises(PermanentError, match="no DBN file"):
        found("--data", str(junk))
    with pytest.raises(UsageError, match="wrong venue"):
        found("--data", str(path), "--venue", "KRAKEN")


def test_a_trade_without_a_time_is_no_end_of_the_data(tmp_path: Path) -> None:
    """It comes along to be counted, in whatever range, and says nothing of when the data ends."""
    records = walk(20)
    records["ts_event"][7] = UNDEF_TIMESTAMP
    path = foreign_file(tmp_path / "es.dbn", records)
    one = found("--data", str(path))
    assert (len(checked(one.trades)[0]), checked(one.trades)[1].no_price, one.reaches_end) == (19, 1, False)
    assert found("--data", str(path), "--end", iso_ns(T0 + 60_000_000_000)).reaches_end
    with pytest.raises(NotFoundError, match=r"from 2025-11-22T00:00:00.*to 2025-11-22T00:01:35"):
        found("--data", str(path), "--start", "2026-01-01")


def test_a_file_with_a_hostile_name_cannot_be_read(tmp_path: Path) -> None:
    """A symbol with control characters is an error of the file, and says nothing of storing."""
    path = foreign_file(tmp_path / "es.dbn", walk(20), symbols=("ES\x1b[1m",))
    with pytest.raises(PermanentError, match="cannot read") as refused:
        found("--data", str(path))
    assert refused.value.subject.isprintable()


def test_records_of_another_kind_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Books where trades are wanted, and trades where books are."""
    fill((BOOKS, ticks([1, 2], series=BOOKS), 2))
    path = tmp_path / "books.dbn"
    command = ("db", "export", "--venue", "BINANCE", "--symbol", "BTCUSDT", "--schema", "mbp-10", "-o", str(path))
    assert Console(capsys)(*command).code == 0
    with pytest.raises(UsageError, match="wrong kind of records"):
        found("--data", str(path))
    stored(10)
    with pytest.raises(UsageError, match="wrong kind of records"):
        found("--symbol", "BTCUSD", "--venue", "KRAKEN", "--book-data", str(exported(capsys, tmp_path / "t.dbn")))


def test_a_real_vendors_file_can_be_run_on(captures: Path) -> None:
    """Databento's own example of trades, plain and compressed, names its symbol and venue."""
    for name in ("dbn_test_data.trades.dbn", "dbn_test_data.trades.v3.dbn.zst"):
        one = found("--data", str(captures / "databento" / name))
        trades, _ = checked(one.trades)
        assert (one.series.venue, len(trades)) == ("GLBX.MDP3", 2)
        assert bool((np.diff(trades.ts_ns) >= 0).all())
