"""Files from elsewhere: what is stored of good ones, and what is said of bad ones."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from core.clock import DAY_NS
from core.errors import (
    ConfigurationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    RefusedError,
    TransientError,
    UsageError,
)
from core.model.records import F_PUBLISHER_SPECIFIC, Records, Schema
from core.store.dbnfile import DbnFile
from core.store.dbnheader import MappedSymbol, SymbolTable, export_header
from core.store.exporting import write_dbn
from core.store.importing import CheckedFile, ImportRequest, check_file, import_file
from core.store.lots import MOST_LOTS
from core.store.paging import Range
from core.store.repository import Numbered, SeriesKey
from tests.conformance.ticks import BOOKS, QUOTES, T0, TRADES, ticks
from tests.unit.core.store.memory import MemoryStore
from tests.unit.core.store.test_exporting import BARS, extremes
from tests.unit.core.store.test_lots import with_quantities

FOREIGN = SeriesKey("GLBX.MDP3", "ESH1", Schema.TRADES)
DAY = T0 // DAY_NS


def written(path: Path, store: MemoryStore, series: SeriesKey, *, raw: bool = False) -> Path:
    """An export of everything of a series."""
    with path.open("wb") as file:
        write_dbn(store, Range(series=series, start_ns=0, end_ns=2**63 - 1), file, raw=raw)
    return path


def foreign(path: Path, records: Records, *, mapped: tuple[MappedSymbol, ...] = (), symbol: str = "ESH1") -> Path:
    """A vendor's file of trades."""
    records = records.copy()
    records["publisher_id"] = 1
    header = export_header(
        SeriesKey("GLBX.MDP3", symbol, Schema.TRADES),
        start_ns=T0, end_ns=T0 + DAY_NS, first_id=0, size_exp=None, mapped=mapped,
    )  # fmt: skip
    path.write_bytes(header + records.tobytes())
    return path


def imported(path: Path, **asked: Any) -> tuple[MemoryStore, CheckedFile]:
    """What a store holds after a file was checked and imported."""
    store, checked = MemoryStore(), check_file(ImportRequest(path=path, **asked))
    assert sum(result.rows for _, result in import_file(store, checked)) == checked.rows
    assert store.synced
    return store, checked


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("series", [TRADES, QUOTES, BOOKS, BARS])
def test_an_export_comes_back_as_it_was(series: SeriesKey, raw: bool, tmp_path: Path) -> None:
    """Records and full ids are equal after the way through a file, in lots or raw, ids far beyond 32 bits."""
    if series is BARS:
        records = extremes(BARS)
        records["volume"] = [1, 2, 3]
    else:
        records = with_quantities([12_345, 0, 7] if series is not TRADES else [3 * MOST_LOTS, 0, 7], series=series)
        records["sequence"] = [2**32 - 2, 2**32 - 1, 1]
    ids = np.array([0, 0, 0] if series is BARS else [2**40 - 2, 2**40 - 1, 2**40 + 1], np.int64)
    before = MemoryStore()
    before.put(series, records, ids)
    after, checked = imported(written(tmp_path / "a.dbn", before, series, raw=raw))
    assert after.kept[series].records.tobytes() == records.tobytes()
    assert after.kept[series].ids.tolist() == ids.tolist()
    assert checked.has_ids


def test_a_split_trade_may_lie_across_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of one trade on two pages are one trade again."""
    plain = DbnFile.pages
    monkeypatch.setattr(DbnFile, "pages", lambda file: plain(file, 2))
    trades = with_quantities([5, 4 * MOST_LOTS, 7])
    store = MemoryStore()
    store.put(TRADES, trades, np.array([1, 2, 3], np.int64))
    after, _ = imported(written(tmp_path / "a.dbn", store, TRADES))
    assert after.kept[TRADES].records.tobytes() == trades.tobytes()


def test_ids_may_go_any_distance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose ids go further than 32 bits can tell keeps them, as long as no step does."""
    plain = DbnFile.pages
    monkeypatch.setattr(DbnFile, "pages", lambda file: plain(file, 3))
    ids = [1 + number * 2**30 for number in range(12)]
    store = MemoryStore()
    stamps = [T0 + number for number in range(12)]
    store.put(TRADES, ticks(ids, stamps=stamps), np.array(ids, np.int64))
    path = written(tmp_path / "a.dbn", store, TRADES, raw=True)
    after, _ = imported(path)
    assert [after.appends[at][2] for at in range(4)] == [ids[2], ids[5], ids[8], ids[11]]


def test_vendor_files_of_every_version_are_stored(captures: Path) -> None:
    """Databento's own samples of versions 1 to 3, plain and compressed, under the symbols of their mappings."""
    for name, schema in (("trades", Schema.TRADES), ("mbp-1", Schema.QUOTES), ("mbp-10", Schema.BOOK),
                         ("ohlcv-1m", Schema.BARS_1M)):  # fmt: skip
        series = SeriesKey("GLBX.MDP3", "ESH1", schema)
        contents = set()
        for suffix in (".dbn", ".v1.dbn.zst", ".v2.dbn.zst", ".v3.dbn.zst"):
            store, checked = imported(captures / "databento" / f"dbn_test_data.{name}{suffix}")
            assert checked.rows == 2
            contents.add(store.kept[series].records.tobytes())
        assert len(contents) == 1


def test_two_instruments_of_one_file_are_two_series(captures: Path) -> None:
    """Each record goes to the symbol that bears its number; one of them can be chosen."""
    path = captures / "databento" / "naut_futures_ohlcv-1m_2024-05-09T09-55_2024-05-09T10-05.dbn.zst"
    store, checked = imported(path)
    assert {series.symbol: len(kept.records) for series, kept in store.kept.items()} == {"ESM4": 10, "NQM4": 10}
    assert (checked.rows, checked.unnamed) == (20, 0)
    store, checked = imported(path, symbol="NQM4", venue="CME")
    assert [str(series) for series in store.kept] == ["NQM4 ohlcv-1m on CME"]
    assert (checked.rows, checked.unnamed) == (10, 10)
    with pytest.raises(UsageError, match="more than one instrument"):
        check_file(ImportRequest(path=path, symbol="YMM4"))


def test_a_foreign_file_has_no_ids_unless_told(tmp_path: Path) -> None:
    """Sequences of a vendor count messages, not trades: only when asked for are they taken for ids."""
    path = foreign(tmp_path / "a.dbn", ticks([1, 2, 9]))
    store, checked = imported(path)
    assert store.appends == [(FOREIGN, 3, 0)]
    assert not checked.has_ids
    store, checked = imported(path, sequence_ids=True)
    assert store.appends == [(FOREIGN, 3, 9)]
    assert checked.has_ids


def test_the_symbol_of_a_day_is_that_of_the_day() -> None:
    """A number that was given to another symbol the next day means the new one from then on, by time of receipt."""
    first = MappedSymbol(instrument_id=7, symbol="OLD", start_day=DAY, end_day=DAY + 1)
    second = MappedSymbol(instrument_id=7, symbol="NEW", start_day=DAY + 1, end_day=DAY + 2)
    records = ticks([1, 2, 3], stamps=[T0 + 1, T0 + DAY_NS - 1, T0 + 5 * DAY_NS])
    found = {symbol: mask.tolist() for symbol, mask in SymbolTable([first, second]).split(records)}
    assert found == {"OLD": [True, False, False], "NEW": [False, True, False]}


def cut(content: bytes) -> bytes:
    """Torn within the last record."""
    return content[:-5]


def head_only(content: bytes) -> bytes:
    """Torn within the header."""
    return content[:40]


def huge_header(content: bytes) -> bytes:
    """A header that claims 4 GiB."""
    return content[:4] + b"\xff\xff\xff\xff" + content[8:]


def short_header(content: bytes) -> bytes:
    """A header that claims to end within its fixed part, at which Databento's decoder panics."""
    return content[:4] + (101).to_bytes(4, "little") + content[8:]


def newer(content: bytes) -> bytes:
    """A version that does not exist yet."""
    return b"DBN\x09" + content[4:]


def garbage(content: bytes) -> bytes:
    """Noise after the header."""
    return content[:-96] + b"\xa5" * 96


def zeros(content: bytes) -> bytes:
    """Zeros after the header, as a torn file on some file systems has them."""
    return content[:-96] + bytes(96)


def noise_header(content: bytes) -> bytes:
    """A header of noise."""
    return content[:8] + b"\xee" * (len(content) - 8)


def text(_content: bytes) -> bytes:
    """Something else altogether."""
    return b"time,price\n1,2\n"


def nothing(_content: bytes) -> bytes:
    """An empty file."""
    return b""


def torn_zstd(content: bytes) -> bytes:
    """A compressed file that was not written to its end."""
    return zstandard.compress(content * 3)[:-20]


def broken_zstd(content: bytes) -> bytes:
    """A compressed file with a wrong checksum."""
    packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(content))
    packed[-1] ^= 0xFF
    return bytes(packed)


def other_publisher(content: bytes) -> bytes:
    """One record of one of our own publishers in a vendor's file."""
    record = bytearray(content[-48:])
    record[2:4] = (61_441).to_bytes(2, "little")
    return content[:-48] + bytes(record)


SPOILED = [cut, head_only, huge_header, short_header, newer, garbage, zeros, noise_header, text, nothing, torn_zstd,
           broken_zstd, other_publisher]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_bad_file_is_an_error_in_words_and_stores_nothing(spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Whatever is wrong with it, it is found before the first record is stored, and named."""
    path = foreign(tmp_path / "a.dbn", ticks(range(1, 100)))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(PermanentError) as caught:
        check_file(ImportRequest(path=path))
    assert str(path) in str(caught.value)


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    """Valid records that a few bytes expand to for ever are refused after a bounded amount."""
    path = foreign(tmp_path / "a.dbn", ticks([1]))
    packed = io.BytesIO()
    with zstandard.ZstdCompressor(level=19).stream_writer(packed, closefd=False) as file:
        file.write(path.read_bytes())
        record = path.read_bytes()[-48:] * 20_000
        for _ in range(400):
            file.write(record)
    path.write_bytes(packed.getvalue())
    with pytest.raises(PermanentError, match="beyond all measure"):
        check_file(ImportRequest(path=path))


def test_a_changed_header_never_breaks_the_decoder(tmp_path: Path) -> None:
    """Whatever byte of the header is changed, the file is read or refused in words."""
    mapped = (MappedSymbol(instrument_id=7, symbol="ESH1", start_day=DAY, end_day=DAY + 1),)
    path = foreign(tmp_path / "a.dbn", ticks([1, 2]), mapped=mapped)
    content = path.read_bytes()
    for at in range(4, len(content) - 96):
        for byte in (0x00, 0x7F, 0xFF):
            path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
            with contextlib.suppress(ConsoleError):
                check_file(ImportRequest(path=path))


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"venue": "BINANCE"}, "our own name for a vendor's file"),
        ({"symbol": "E\nS"}, "a symbol with control characters"),
        ({"symbol": "X" * 90}, "a symbol that is too long"),
        ({"venue": "V" * 90}, "a venue that is too long"),
    ],
)
def test_names_that_cannot_be_are_refused(asked: dict[str, Any], error: str, tmp_path: Path) -> None:
    """A venue or a symbol that the store would not take is refused before anything is stored."""
    path = foreign(tmp_path / "a.dbn", ticks([1]))
    with pytest.raises((UsageError, RefusedError)) as caught:
        check_file(ImportRequest(path=path, **asked))
    assert caught.value.subject.isprintable(), error


def test_our_own_file_keeps_its_venue(tmp_path: Path) -> None:
    """A file of a venue of ours cannot be passed off as another's."""
    store = MemoryStore()
    store.put(TRADES, ticks([1]), np.array([1], np.int64))
    path = written(tmp_path / "a.dbn", store, TRADES)
    with pytest.raises(UsageError, match="wrong venue"):
        check_file(ImportRequest(path=path, venue="BINANCE"))
    content = path.read_bytes().replace(b"size_exp=-8", b"size_exp=+8")
    path.write_bytes(content)
    with pytest.raises(PermanentError, match="what its sizes count"):
        check_file(ImportRequest(path=path))


def test_half_a_split_trade_at_the_end_is_damage(tmp_path: Path) -> None:
    """A file in lots that ends within a trade was cut."""
    store = MemoryStore()
    store.put(TRADES, with_quantities([MOST_LOTS * 3]), np.array([1], np.int64))
    path = written(tmp_path / "a.dbn", store, TRADES)
    path.write_bytes(path.read_bytes()[:-48])
    with pytest.raises(PermanentError, match="last piece"):
        check_file(ImportRequest(path=path))


def test_a_file_without_symbols_wants_one(tmp_path: Path) -> None:
    """Records that no mapping names are left out and counted; when that is all of them, a symbol must be given."""
    elsewhere = (MappedSymbol(instrument_id=5, symbol="ESH1", start_day=DAY, end_day=DAY + 1),)
    path = foreign(tmp_path / "a.dbn", ticks([1, 2]), mapped=elsewhere)
    with pytest.raises(UsageError, match="no symbols"):
        check_file(ImportRequest(path=path))
    store, _ = imported(path, symbol="ESZ9")
    assert store.appends == [(SeriesKey("GLBX.MDP3", "ESZ9", Schema.TRADES), 2, 0)]


def test_a_schema_that_is_not_stored_says_which_are(captures: Path) -> None:
    """Definitions, statistics, orders and the like are refused by name."""
    for name in ("definition.v3.dbn.zst", "statistics.v1.dbn.zst", "mbo.v2.dbn.zst", "tbbo.v3.dbn.zst"):
        with pytest.raises(PermanentError, match="are not stored: there are") as caught:
            check_file(ImportRequest(path=captures / "databento" / f"dbn_test_data.{name}"))
        assert "mbp-10" in caught.value.subject


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    """What was checked is what is stored, or the import ends with an error."""
    path = foreign(tmp_path / "a.dbn", ticks([1, 2]))
    checked = check_file(ImportRequest(path=path))
    foreign(path, ticks([1, 3]))
    with pytest.raises(TransientError, match="changed meanwhile"):
        list(import_file(MemoryStore(), checked))


def test_a_store_that_fails_in_the_middle_ends_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored before was told, and the error is the store's."""
    plain = DbnFile.pages
    monkeypatch.setattr(DbnFile, "pages", lambda file: plain(file, 2))
    path = foreign(tmp_path / "a.dbn", ticks([1, 2, 3, 4]))
    checked, store = check_file(ImportRequest(path=path)), MemoryStore()
    told: list[int] = []
    append = store.append

    def failing(series: SeriesKey, records: Records, newest_id: int) -> Any:
        if store.appends:
            raise TransientError("storing", "the disk")
        return append(series, records, newest_id)

    monkeypatch.setattr(store, "append", failing)
    with pytest.raises(TransientError, match="the disk"):
        told.extend(result.rows for _, result in import_file(store, checked))
    assert told == [2]


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    """No file, a directory, a pipe that would block for ever and a name that none can have are errors in words."""
    with pytest.raises(NotFoundError):
        check_file(ImportRequest(path=tmp_path / "a.dbn"))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(PermanentError, match="not a regular file"):
            check_file(ImportRequest(path=path))
    with pytest.raises(ConfigurationError, match="too long"):
        check_file(ImportRequest(path=tmp_path / ("a" * 300)))


def test_flags_of_our_own_are_not_taken_for_splits(tmp_path: Path) -> None:
    """A large quantity bears the flag here and in a raw file, where it says nothing of pieces."""
    trades = with_quantities([2**40, 5])
    assert trades["flags"][0] & F_PUBLISHER_SPECIFIC
    store = MemoryStore()
    store.kept[TRADES] = Numbered(trades, np.array([1, 2], np.int64))
    after, _ = imported(written(tmp_path / "a.dbn", store, TRADES, raw=True))
    assert after.kept[TRADES].records.tobytes() == trades.tobytes()
