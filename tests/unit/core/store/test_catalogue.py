"""The catalogue beside the segments."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from core.errors import ConfigurationError, TransientError
from core.model.instruments import Instrument, InstrumentRegistry, Product
from core.store.catalogue import Catalogue, Cursor
from core.store.catalogue_tables import STEPS
from core.store.embedded import EmbeddedTickStore
from core.store.repository import NOT_STORED, Gap
from core.store.segment import UNKNOWN_CHECKSUM
from core.store.verify import verify_directory
from tests.conformance.ticks import BOOKS, TRADES, prices, ticks

BITCOIN = Instrument(
    venue="KRAKEN", symbol="BTCUSD", venue_symbol="BTC/USD", canonical="BTCUSD", base="BTC", quote="USD",
    settle="USD", product=Product.SPOT, price_decimals=1, quantity_decimals=8, price_increment_e9=10**8,
    quantity_increment_e8=1, instrument_id=2**32 - 1,
)  # fmt: skip


def test_numbers_are_kept(tmp_path: Path) -> None:
    """Numbers given out by a registry are the same after a restart, and two processes may keep them."""
    path = tmp_path / "state" / "catalogue.sqlite3"
    first, second = Catalogue(path), Catalogue(path)
    registry = InstrumentRegistry(first.known(), first.remember)
    numbers = {symbol: registry.get_or_create(venue="KRAKEN", symbol=symbol) for symbol in ("BTCUSD", "ETHUSD")}
    again = InstrumentRegistry(second.known(), second.remember)
    assert {symbol: again.get_or_create(venue="KRAKEN", symbol=symbol) for symbol in numbers} == numbers
    first.close()
    second.close()
    second.close()


def test_a_number_belongs_to_one_instrument(tmp_path: Path) -> None:
    """Giving a number away twice, or a second number to one instrument, is an error and changes nothing."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    catalogue.remember(venue="KRAKEN", symbol="BTCUSD", number=7)
    catalogue.remember(venue="KRAKEN", symbol="BTCUSD", number=7)
    with pytest.raises(ConfigurationError):
        catalogue.remember(venue="KRAKEN", symbol="ETHUSD", number=7)
    with pytest.raises(ConfigurationError, match="already has number 7"):
        catalogue.remember(venue="KRAKEN", symbol="BTCUSD", number=8)
    assert catalogue.known() == {("KRAKEN", "BTCUSD"): 7}
    catalogue.close()


def test_instruments_are_described(tmp_path: Path) -> None:
    """What a venue says of an instrument comes back as it was, and is replaced when the venue says otherwise."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    catalogue.remember(venue="KRAKEN", symbol="ETHUSD", number=3)
    catalogue.describe([BITCOIN])
    assert catalogue.instruments() == [BITCOIN]
    changed = attrs.evolve(BITCOIN, price_decimals=2, price_increment_e9=10**7)
    catalogue.describe([changed])
    assert catalogue.instruments() == [changed]
    assert catalogue.known() == {("KRAKEN", "BTCUSD"): 2**32 - 1, ("KRAKEN", "ETHUSD"): 3}
    catalogue.close()


def test_instruments_are_described_at_once(tmp_path: Path) -> None:
    """Of many descriptions all are kept, in one transaction, or none when one of them cannot be."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    many = [attrs.evolve(BITCOIN, symbol=f"S{number:03}", instrument_id=number) for number in range(1, 301)]
    with pytest.raises(ConfigurationError):
        catalogue.describe([*many, attrs.evolve(BITCOIN, symbol="TAKEN", instrument_id=1)])
    assert catalogue.instruments() == []
    catalogue.describe(many)
    assert catalogue.instruments() == many
    catalogue.close()


def test_any_thread_may_use_the_catalogue(tmp_path: Path) -> None:
    """Threads that number, describe and read at once disturb neither each other nor the numbers."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    registry = InstrumentRegistry(catalogue.known(), catalogue.remember)
    symbols = [f"S{number:02}" for number in range(20)]

    def work(_thread: int) -> list[int]:
        numbers = [registry.get_or_create(venue="KRAKEN", symbol=symbol) for symbol in symbols]
        catalogue.describe(
            attrs.evolve(BITCOIN, symbol=symbol, instrument_id=number)
            for symbol, number in zip(symbols, numbers, strict=True)
        )
        assert len(catalogue.instruments()) == len(symbols)
        return numbers

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(work, range(8)))
    assert [set(numbers) for numbers in zip(*results, strict=True)] == [{number} for number in results[0]]
    assert sorted(catalogue.known().values()) == sorted(results[0])
    catalogue.close()


def test_closing_does_not_wait_for_ever(tmp_path: Path) -> None:
    """While another thread is in the catalogue, closing says that it cannot, and is done as soon as it can."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    begun, released = threading.Event(), threading.Event()

    def stuck() -> Iterator[Instrument]:
        begun.set()
        released.wait(30)
        yield BITCOIN

    def save() -> None:
        series = (Cursor(series=TRADES) for _ in stuck())
        catalogue.save(segments=[], cursors=series)

    thread = threading.Thread(target=save)
    thread.start()
    begun.wait(30)
    with pytest.raises(TransientError, match="no answer within"):
        catalogue.close(timeout_s=0.01)
    released.set()
    thread.join()
    catalogue.close()
    with pytest.raises(ConfigurationError):
        catalogue.known()


def test_losses_are_kept(tmp_path: Path) -> None:
    """What was received and not stored is known after a restart."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    gap = Gap(series=TRADES, start_ns=1, end_ns=5, rows=9, cause=NOT_STORED)
    catalogue.record_gap(gap)
    catalogue.close()
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    assert catalogue.gaps() == [gap]
    catalogue.close()


def test_an_older_catalogue_is_brought_up_to_date(tmp_path: Path) -> None:
    """A file of the first version opens: losses become gaps, segments have no checksum yet, and storing goes on."""
    path = tmp_path / "catalogue.sqlite3"
    catalogue = Catalogue(path)
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    store.append(TRADES, ticks([1, 2]), 2)
    store.close()
    [(segment, facts)] = catalogue.segments(tmp_path / "ticks").items()
    catalogue.close()
    path.unlink()
    old = sqlite3.connect(path)
    old.executescript(STEPS[0])
    old.execute("PRAGMA user_version=1")
    old.execute("INSERT INTO lost VALUES (1, 'KRAKEN', 'BTCUSD', 'trades', 1, 5, 9)")
    known = (facts.rows, facts.stored_bytes, facts.first_ns, facts.last_ns, facts.first_id, facts.last_id)
    row = (str(segment), TRADES.venue, TRADES.symbol, TRADES.schema.value, *known)
    old.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    old.commit()
    old.close()
    catalogue = Catalogue(path)
    assert catalogue.gaps() == [Gap(series=TRADES, start_ns=1, end_ns=5, rows=9, cause=NOT_STORED)]
    assert catalogue.segments(tmp_path / "ticks")[segment].checksum == UNKNOWN_CHECKSUM
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    assert [finding.code for finding in verify_directory(tmp_path / "ticks", catalogue)] == ["no_checksum"]
    assert store.append(TRADES, ticks([2, 3]), 3).rows == 1
    store.sync()
    assert list(verify_directory(tmp_path / "ticks", catalogue)) == []
    store.close()
    catalogue.close()


@pytest.mark.parametrize("read_only", [True, False])
def test_gaps_of_an_older_catalogue_are_kept(tmp_path: Path, read_only: bool) -> None:
    """In a file of the third version nothing was recovered and no reason was given."""
    path = tmp_path / "catalogue.sqlite3"
    with closing(sqlite3.connect(path)) as old:
        for step in STEPS[:3]:
            old.executescript(step)
        old.execute("PRAGMA user_version=3")
        old.execute("INSERT INTO gaps VALUES (4, 'KRAKEN', 'BTCUSD', 'trades', 1, 5, 9, 'missed', 77)")
        old.commit()
    with closing(Catalogue(path, read_only=read_only)) as catalogue:
        assert catalogue.gaps() == [Gap(series=TRADES, start_ns=1, end_ns=5, rows=9, cause="missed")]


def test_money_is_never_rounded(tmp_path: Path) -> None:
    """Every table that design asks for is there, and none has a column of floating point."""
    path = tmp_path / "catalogue.sqlite3"
    Catalogue(path).close()
    database = sqlite3.connect(path)
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables >= {"gaps", "quarantine", "jobs", "spend", "alert_history", "live_strategy_log"}
    for table in tables:
        kinds = {kind for _, _, kind, *_ in database.execute(f"PRAGMA table_info({table})")}
        assert kinds <= {"TEXT", "INTEGER", "BLOB"}, table
    price = "123456789012345678901234567.123456789"
    columns = "logged_ns, session_id, strategy, strategy_sha256, account, venue, symbol, event, ts_event, price"
    values = (1, "", "", "", "", "", "", "fill", 1, price)
    database.execute(f"INSERT INTO live_strategy_log ({columns}) VALUES ({', '.join('?' * 10)})", values)
    assert database.execute("SELECT price FROM live_strategy_log").fetchone() == (price,)
    database.close()


def test_a_newer_catalogue_is_left_alone(tmp_path: Path) -> None:
    """A file of a version this program does not know is refused and not changed."""
    path = tmp_path / "catalogue.sqlite3"
    Catalogue(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(ConfigurationError, match="version 99"):
        Catalogue(path)


def test_a_catalogue_that_somebody_changed(tmp_path: Path) -> None:
    """Values that this program never writes are a clear error that names the file, without control characters."""
    path = tmp_path / "catalogue.sqlite3"
    catalogue = Catalogue(path)
    catalogue.save(segments=[], cursors=[Cursor(series=TRADES)])
    catalogue.record_gap(Gap(series=TRADES, start_ns=1, end_ns=5, rows=9, cause=NOT_STORED))
    catalogue.quarantine(TRADES, "no time", ticks([1]))
    catalogue.describe([BITCOIN])
    with sqlite3.connect(path) as database:
        for table in ("cursors", "gaps", "quarantine"):
            database.execute(f"UPDATE {table} SET schema = 'x\x1b[2J'")
        database.execute("UPDATE instruments SET product = 'x\x1b[2J'")
    database.close()
    for ask in (catalogue.cursors, catalogue.gaps, catalogue.quarantined, catalogue.instruments):
        with pytest.raises(ConfigurationError, match="move the file away") as refused:
            ask()
        assert str(refused.value).isprintable()
    catalogue.close()


def test_the_files_are_the_truth(tmp_path: Path) -> None:
    """A catalogue that was lost, or that knows too much or too little, is corrected from the segments."""
    path = tmp_path / "catalogue.sqlite3"
    catalogue = Catalogue(path)
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    store.append(TRADES, ticks(range(2**32 - 5, 2**32 + 5)), 2**32 + 4)
    store.append(BOOKS, ticks([1, 2], series=BOOKS), 2)
    store.close()
    segment = next((tmp_path / "ticks" / "KRAKEN").rglob("*.dbn"))
    segment.write_bytes(segment.read_bytes()[:-48])
    next((tmp_path / "ticks" / "BINANCE").rglob("*.dbn")).unlink()
    for lost in (False, True):
        if lost:
            catalogue.close()
            path.unlink()
            catalogue = Catalogue(path)
        store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
        stats = {found.series: (found.rows, found.newest_id) for found in store.stats()}
        assert stats == {BOOKS: (0, 0), TRADES: (9, 2**32 + 3)}
        assert [found.rows for found in catalogue.segments(tmp_path / "ticks").values()] == [9]
        store.close()
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    assert store.append(TRADES, ticks(range(2**32 - 5, 2**32 + 5)), 2**32 + 4).rows == 1
    assert prices(store.latest(TRADES)) == [2**32 + 4]
    store.close()
    catalogue.close()
