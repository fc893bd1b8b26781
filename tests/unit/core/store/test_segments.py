"""The files the embedded store leaves: what Databento's tools make of them, and what happens after a crash."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import pytest

from core.errors import PermanentError
from core.model.records import F_SNAPSHOT, TRADE, Schema
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.history import EmbeddedHistory
from core.store.repair import inspect
from core.store.repository import AppendResult, SeriesKey
from core.store.segment import PREFIX_BYTES, header_bytes, read_first_id
from tests.conformance.ticks import BOOKS, DAY_NS, QUOTES, T0, TRADES, bars, prices, ticks
from tests.unit.core.store.sealed_days import BARS, ask_databento, read_by_databento

EVER = 2**64 - 1
WRITER = """
import sys
from pathlib import Path
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from tests.conformance.ticks import TRADES, ticks
home = Path(sys.argv[1])
store = EmbeddedTickStore(home / "ticks", Catalogue(home / "catalogue.sqlite3"))
for first in range(1, 10**9, 37):
    store.append(TRADES, ticks(range(first, first + 37)), first + 36)
    if first % 50 == 1:
        store.sync()
    print(first + 36, flush=True)
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """An empty catalogue."""
    made = Catalogue(tmp_path / "catalogue.sqlite3")
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path, catalogue: Catalogue) -> Iterator[EmbeddedTickStore]:
    """An empty store."""
    made = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    yield made
    made.close()


def day_file(tmp_path: Path, day: int = 22, series: SeriesKey = TRADES) -> Path:
    """The segment of one day of November 2025."""
    return tmp_path / "ticks" / series.venue / series.symbol / series.schema.value / f"2025-11-{day}.dbn"


def test_files_are_private(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """Directories are 0700, and segments, lock and catalogue 0600, whatever the umask."""
    before = os.umask(0)
    try:
        store.append(TRADES, ticks([1]), 1)
    finally:
        os.umask(before)
    store.sync()
    root = tmp_path / "ticks"
    modes = {
        path: stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"), tmp_path / "catalogue.sqlite3")
    }
    assert {path: oct(mode) for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


@pytest.mark.parametrize("series", [TRADES, QUOTES, BOOKS], ids=str)
def test_databento_reads_our_segments(store: EmbeddedTickStore, tmp_path: Path, series: SeriesKey) -> None:
    """Databento's store and decoder read a segment as it is, and its header says whose and what it is."""
    batch = ticks(range(2**32 - 50, 2**32 + 50), series=series, stamps=range(T0, T0 + 100))
    store.append(series, batch, 2**32 + 49)
    path = day_file(tmp_path, series=series)
    found, facts = ask_databento(path)
    assert found.tobytes() == batch.tobytes()
    dataset = {"KRAKEN": "KRAKEN.SPOT", "BINANCE": "BINANCE.SPOT"}[series.venue]
    assert facts == (dataset, series.schema.value, [series.symbol])
    metadata, found_prices = _decode(path)
    assert metadata.mappings == {"quantity_scale=1e-8": [], f"first_trade_id={2**32 - 50}": []}
    assert (metadata.version, metadata.start, metadata.end, metadata.limit) == (3, T0, None, None)
    assert found_prices == prices(batch)


def _decode(path: Path) -> tuple[Any, list[int]]:
    # The metadata, and the price of each record.
    decoder = dbn.DBNDecoder()
    decoder.write(path.read_bytes())
    metadata, *records = decoder.decode()
    found: list[Any] = list(records)
    return metadata, [record.price for record in found]


def test_a_batch_spanning_midnight_is_split(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """Each record goes to the segment of its own UTC day, in the order it came."""
    midnight = T0 + DAY_NS
    stamps = [midnight - 2, midnight, midnight - 1, midnight + 1]
    assert store.append(TRADES, ticks([1, 2, 3, 4], stamps=stamps), 4).out_of_order == 1
    for day, expected in ((22, [1, 3]), (23, [2, 4])):
        assert _decode(day_file(tmp_path, day))[1] == expected
    assert prices(store.read(TRADES, midnight - 1, midnight + 1)) == [3, 2]


def test_a_batch_of_very_many_days_needs_few_files(tmp_path: Path, catalogue: Catalogue) -> None:
    """Records of more days than may be open at once are stored all the same, each once."""
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue, open_limit=4)
    batch = ticks(range(1, 41), stamps=[T0 + day * DAY_NS for day in range(40)])
    assert store.append(TRADES, batch, 40).rows == 40
    assert store.append(TRADES, batch, 40).duplicates == 40
    assert prices(store.read(TRADES, 0, EVER)) == list(range(1, 41))
    store.close()


def test_ids_that_begin_late_are_written_into_the_header(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """A file begun without full ids learns where they begin when the first one comes, in place."""
    store.append(BOOKS, ticks([0], series=BOOKS, flags=F_SNAPSHOT, stamps=[T0]), 0)
    path = day_file(tmp_path, series=BOOKS)
    size = path.stat().st_size
    store.append(BOOKS, ticks([2**33 + 5], series=BOOKS, stamps=[T0 + 1]), 2**33 + 5)
    raw = path.read_bytes()
    assert len(raw) == size + BOOKS.schema.dtype.itemsize
    assert read_first_id(raw[: header_bytes(raw[:PREFIX_BYTES])], path, BOOKS) == 2**33 + 5
    assert len(_decode(path)[1]) == 2


def test_names_that_are_no_file_names(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """A venue's own name with slashes or dots neither leaves the directory nor meets another's."""
    names = ["BTC/USD", "BTC-USD", "..", ".", "A%2FB", "A/B"]
    for number, name in enumerate(names, start=1):
        store.append(SeriesKey("KRAKEN", name, Schema.TRADES), ticks([number]), number)
    for number, name in enumerate(names, start=1):
        assert prices(store.read(SeriesKey("KRAKEN", name, Schema.TRADES), 0, EVER)) == [number]
    assert {series.symbol for series in EmbeddedHistory(tmp_path / "ticks").series()} == set(names)
    assert {path.name for path in tmp_path.iterdir()} <= {
        "ticks", "home", "catalogue.sqlite3", "catalogue.sqlite3-wal", "catalogue.sqlite3-shm",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        (b"\x0c\x00\x01\xf0" + bytes(13), "cut 17 bytes of a torn record"),
        (bytes(48 * 3), "cut 3 zero-filled records"),
        (bytes(48 * 2 + 17), "cut 2 zero-filled records"),
        (b"\xff" * 96, "2 invalid records removed"),
    ],
    ids=["torn", "zeros", "zeros and torn", "garbage"],
)
def test_a_bad_tail_is_cut_at_a_record_boundary(tmp_path: Path, catalogue: Catalogue, tail: bytes, said: str) -> None:
    """What a crash left behind the last whole record goes, and what was there before stays; it is reported."""
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    store.append(TRADES, ticks([1, 2, 3]), 3)
    store.close()
    path = day_file(tmp_path)
    sound = path.read_bytes()
    path.write_bytes(sound + tail)
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    assert path.read_bytes() == sound
    assert [said in repair for repair in store.repairs] == [True]
    assert store.append(TRADES, ticks([2, 3, 4]), 4).rows == 1
    assert prices(store.read(TRADES, 0, EVER)) == [1, 2, 3, 4]
    store.close()


def test_damage_in_the_middle_loses_no_valid_record(tmp_path: Path, catalogue: Catalogue) -> None:
    """A hole is taken out, the records behind it are kept, and so is the damaged original, under another name."""
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    store.append(TRADES, ticks(range(1, 11)), 10)
    store.close()
    path = day_file(tmp_path)
    raw = bytearray(path.read_bytes())
    at = len(raw) - 5 * TRADE.itemsize
    raw[at : at + TRADE.itemsize] = bytes(TRADE.itemsize)
    raw += b"torn"
    path.write_bytes(raw)
    found = inspect(path, TRADES)
    assert found.facts is not None
    assert (found.facts.rows, found.facts.last_id) == (9, 10)
    assert prices(EmbeddedHistory(tmp_path / "ticks").read(TRADES, 0, EVER)) == [1, 2, 3, 4, 5, 7, 8, 9, 10]
    assert path.with_name(path.name + ".damaged-1").read_bytes() == raw


@pytest.mark.parametrize("content", [b"", b"DBN\x03", b"not ours at all" * 40, b"DBN\x03\xff\xff\xff\xff" * 60])
def test_a_file_without_a_header_is_put_aside(tmp_path: Path, catalogue: Catalogue, content: bytes) -> None:
    """Something else in a segment's place does not stop the store and is not destroyed."""
    path = day_file(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    assert len(store.repairs) == 1
    assert store.append(TRADES, ticks([1]), 1).rows == 1
    assert path.with_name(path.name + ".damaged-1").read_bytes() == content
    store.close()


def test_a_segment_of_another_schema_is_put_aside(tmp_path: Path, catalogue: Catalogue) -> None:
    """A file that says it holds something else is not appended to."""
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    store.append(BOOKS, ticks([1], series=BOOKS), 1)
    store.close()
    path = day_file(tmp_path)
    path.parent.mkdir(parents=True)
    day_file(tmp_path, series=BOOKS).rename(path)
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    assert "does not hold" in store.repairs[0]
    assert store.append(TRADES, ticks([1]), 1).rows == 1
    assert [stats.rows for stats in store.stats()] == [0, 1]
    store.close()


def test_a_segment_of_another_symbol_is_put_aside(tmp_path: Path, catalogue: Catalogue) -> None:
    """A file that was put into the directory of another symbol is not read as that symbol's."""
    other = SeriesKey("KRAKEN", "ETHUSD", Schema.TRADES)
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    store.append(TRADES, ticks([1]), 1)
    store.append(other, ticks([2]), 2)
    store.close()
    day_file(tmp_path, series=other).replace(day_file(tmp_path))
    with pytest.raises(PermanentError, match="does not hold BTCUSD trades on KRAKEN"):
        EmbeddedHistory(tmp_path / "ticks").read(TRADES, 0, EVER)
    catalogue.save(segments=[], cursors=[], gone=catalogue.segments(tmp_path / "ticks"))
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    assert "does not hold" in store.repairs[0]
    store.close()


def test_a_zero_tail_is_not_read(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """Before anybody repaired it, a reader sees the valid records of a file with a bad tail."""
    store.append(TRADES, ticks([1, 2, 3]), 3)
    with day_file(tmp_path).open("ab") as file:
        file.write(bytes(48 * 5 + 3))
    history = EmbeddedHistory(tmp_path / "ticks")
    assert prices(history.read(TRADES, 0, EVER)) == [1, 2, 3]
    assert prices(history.latest(TRADES)) == [3]


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    """Readers of the growing file see whole records in order; after SIGKILL all that was acknowledged is there."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    history = EmbeddedHistory(tmp_path / "ticks")
    path = day_file(tmp_path)
    acknowledged = 0
    try:
        for turn in range(60):
            acknowledged = int(writer.stdout.readline())
            seen = history.read(TRADES, 0, EVER)
            assert len(seen) >= acknowledged
            assert seen["price"].tolist() == list(range(1, len(seen) + 1))
            if turn % 20 == 0:
                assert _decode(path)[1][:acknowledged] == list(range(1, acknowledged + 1))
    finally:
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
    acknowledged = max([acknowledged, *map(int, rest.split()[:-1])])
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    found = store.read(TRADES, 0, EVER)
    assert found["price"].tolist() == list(range(1, len(found) + 1))
    assert len(found) >= acknowledged
    again = ticks(range(1, len(found) + 11))
    assert store.append(TRADES, again, len(again)).rows == 10
    assert store.stats()[0].rows == len(again)
    store.close()
    catalogue.close()


def test_databento_reads_while_it_grows(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """Header only, half a record or more records later: Databento's store reads the whole ones."""
    store.append(TRADES, ticks([1]), 1)
    whole = day_file(tmp_path).read_bytes()
    growing = tmp_path / "growing.dbn"
    for content, expected in ((whole[:-48], 0), (whole[:-9], 0), (whole, 1), (whole + whole[-48:-9], 1)):
        growing.write_bytes(content)
        assert len(read_by_databento(growing)) == expected
    store.append(TRADES, ticks(range(2, 1001)), 1000)
    assert prices(read_by_databento(day_file(tmp_path))) == list(range(1, 1001))


def test_reading_follows_what_is_appended(store: EmbeddedTickStore) -> None:
    """What is known of a day's order holds as it grows, before and after a late record."""
    expected: list[int] = []
    rng = np.random.default_rng(7)
    for first in range(1, 200, 10):
        batch = ticks(range(first, first + 10))
        if first > 100:
            rng.shuffle(batch)
        store.append(TRADES, batch, first + 9)
        expected += sorted(prices(batch))
        assert prices(store.read(TRADES, 0, EVER)) == expected
        assert prices(store.latest(TRADES)) == expected[-1:]


def test_bars_are_stored_one_an_instant(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """A second bar of an instant is a duplicate: in a batch, across batches, late and after a restart."""
    minute = 60 * 10**9
    batch = bars([T0, T0 + minute, T0 + minute, T0 + 3 * minute])
    assert store.append(BARS, batch, 0) == AppendResult(rows=3, duplicates=1)
    assert store.append(BARS, bars([T0 + minute, T0 + 2 * minute]), 7) == AppendResult(
        rows=1, duplicates=1, out_of_order=1
    )
    store.close()
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    again = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    assert again.append(BARS, batch, 0) == AppendResult(duplicates=4)
    assert again.append(BARS, bars([T0 + 2 * minute, T0 + DAY_NS]), 0) == AppendResult(rows=1, duplicates=1)
    found = again.read_numbered(BARS, 0, EVER)
    assert found.records["ts_event"].tolist() == [T0, T0 + minute, T0 + 2 * minute, T0 + 3 * minute, T0 + DAY_NS]
    assert found.ids.tolist() == [0] * 5
    assert again.latest(BARS, 2).tobytes() == found.records[-2:].tobytes()
    assert again.stats()[0].newest_id == 0
    path = day_file(tmp_path, series=BARS)
    assert len(read_by_databento(path)) == 4
    again.close()
    catalogue.close()


def test_ties_are_read_by_id(store: EmbeddedTickStore) -> None:
    """Trades of one instant are read by their full ids, also across appends and where the low 32 bits wrap; quotes
    stay as they came."""
    edge = 2**32
    came = [edge, edge - 1, edge + 2, edge + 1]
    for series, expected in ((TRADES, sorted(came)), (QUOTES, came)):
        for number in came:
            store.append(series, ticks([number], series=series, stamps=[T0]), number)
            store.latest(series)
        assert prices(store.read(series, 0, EVER)) == expected
        assert store.read_numbered(series, 0, EVER).ids.tolist() == expected
        assert prices(store.latest(series, 2)) == expected[-2:]


def test_the_newest_of_several_days(store: EmbeddedTickStore) -> None:
    """As many of the newest as are asked for, whatever days they lie in and in whatever order they came."""
    stamps = [T0 + 5, T0 + 1, T0 + DAY_NS + 9, T0 + DAY_NS + 3, T0 + DAY_NS + 9, T0 + 2 * DAY_NS]
    store.append(TRADES, ticks(range(1, 7), stamps=stamps), 6)
    assert [prices(store.latest(TRADES, rows)) for rows in (0, 1, 2, 4, 5, 6, 99)] == [
        [], [6], [5, 6], [4, 3, 5, 6], [1, 4, 3, 5, 6], [2, 1, 4, 3, 5, 6], [2, 1, 4, 3, 5, 6],
    ]  # fmt: skip
    assert store.days(TRADES) == [T0 // DAY_NS + day for day in range(3)]
    assert store.series() == [TRADES]
    assert store.days(QUOTES) == []


def test_a_marked_record_without_an_id(store: EmbeddedTickStore) -> None:
    """A snapshot that bears no id is read with none, one that does with its own."""
    store.append(BOOKS, ticks([2**33 + 5], series=BOOKS, stamps=[T0]), 2**33 + 5)
    store.append(BOOKS, ticks([0, 2**33 + 7], series=BOOKS, flags=F_SNAPSHOT, stamps=[T0 + 1, T0 + 2]), 2**33 + 5)
    assert store.read_numbered(BOOKS, 0, EVER).ids.tolist() == [2**33 + 5, 0, 2**33 + 7]


def test_columns_are_contiguous(store: EmbeddedTickStore) -> None:
    """Fields are read by name as contiguous arrays, over days, and as empty ones where there is nothing."""
    store.append(TRADES, ticks([2, 1, 3], stamps=[T0 + 2, T0 + 1, T0 + DAY_NS]), 3)
    found = EmbeddedHistory(store.directory).columns(TRADES, 0, EVER, ["price", "ts_event"])
    assert found["price"].tolist() == [1, 2, 3]
    assert all(column.flags.c_contiguous for column in found.values())
    assert EmbeddedHistory(store.directory).columns(QUOTES, 0, EVER, ["price"])["price"].tolist() == []


def test_the_last_instant_that_can_be_stored(store: EmbeddedTickStore) -> None:
    """An instant in 2262 is stored and synced; one that a signed number cannot hold is rejected."""
    batch = ticks([1, 2], stamps=[2**63 - 1, 2**63])
    assert store.append(TRADES, batch, 2) == AppendResult(rows=1, rejected=1)
    store.sync()
    assert prices(store.read(TRADES, 0, EVER)) == [1]


@pytest.mark.parametrize("before", [False, True])
def test_a_reader_sees_no_hole_at_midnight(store: EmbeddedTickStore, before: bool) -> None:
    """Whoever reads while a batch that spans midnight is appended sees none of it, its beginning or all of it."""
    midnight = T0 + DAY_NS
    store.append(TRADES, ticks([1, 2], stamps=[midnight - 9, midnight]), 2)
    history = EmbeddedHistory(store.directory)
    look, batches = history._reader.pieces, [ticks([3, 4], stamps=[midnight - 1, midnight + 1])]

    def looking(*arguments: Any, **options: Any) -> Any:
        if before and batches:
            store.append(TRADES, batches.pop(), 4)
        found = look(*arguments, **options)
        if batches:
            store.append(TRADES, batches.pop(), 4)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history._reader, "pieces", looking)
        seen = sorted(prices(history.read(TRADES, 0, EVER)))
    assert seen == ([1, 2, 3, 4] if before else [1, 2, 3])
