"""The embedded store on a disk that is full, read-only, taken or tampered with."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import attrs
import pytest

from core.errors import ConfigurationError, PermanentError, RefusedError, ResourceExhaustedError, TransientError
from core.model.records import Schema
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.faults import database_error, storage_error
from core.store.history import EmbeddedHistory
from core.store.lock import LOCK_NAME, is_locked
from core.store.repository import AppendResult, SeriesKey
from tests.conformance.ticks import DAY_NS, QUOTES, T0, TRADES, prices, ticks

EVER = 2**64 - 1


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


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Files cannot grow beyond `size` bytes: a write is really cut short, then really refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_cut_short_leaves_nothing_half(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """When space ends inside a batch, none of it is stored, what was there stays, and the retry stores it once."""
    store.append(TRADES, ticks([1, 2]), 2)
    path = next((tmp_path / "ticks").rglob("*.dbn"))
    before = path.read_bytes()
    with largest_file(len(before) + 48 + 20), pytest.raises(ResourceExhaustedError, match="storing"):
        store.append(TRADES, ticks([3, 4, 5]), 5)
    assert path.read_bytes() == before
    assert store.append(TRADES, ticks([2, 3, 4, 5]), 5) == AppendResult(rows=3, duplicates=1)
    assert prices(store.read(TRADES, 0, EVER)) == [1, 2, 3, 4, 5]


def test_a_sync_that_fails_keeps_no_other_back(
    store: EmbeddedTickStore, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that cannot be made durable does not keep those behind it from being made so."""
    store.append(TRADES, ticks([1]), 1)
    store.append(QUOTES, ticks([1], series=QUOTES), 0)
    synced: list[str] = []
    sync = os.fdatasync

    def failing(fd: int) -> None:
        name = str(Path(f"/proc/self/fd/{fd}").readlink())
        synced.append(name)
        if "trades" in name:
            raise OSError(errno.EIO, "input/output error")
        sync(fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing)
        with pytest.raises(TransientError, match="syncing"):
            store.sync()
    assert [name.split("/")[-2] for name in synced] == ["trades", "mbp-1"]
    assert catalogue.cursors() == []
    store.sync()
    assert len(catalogue.cursors()) == 2


def test_a_batch_of_two_days_fails_as_one(store: EmbeddedTickStore) -> None:
    """When the second day cannot be written the first is taken back, so that a retry stores nothing twice."""
    store.append(QUOTES, ticks([1] * 8, series=QUOTES, stamps=[T0 + DAY_NS] * 8), 0)
    batch = ticks([2, 3], series=QUOTES, stamps=[T0, T0 + DAY_NS])
    with largest_file(352 + 8 * 80), pytest.raises(ResourceExhaustedError):
        store.append(QUOTES, batch, 0)
    assert prices(store.read(QUOTES, 0, EVER)) == [1] * 8
    assert store.append(QUOTES, batch, 0).rows == 2
    assert prices(store.read(QUOTES, 0, EVER)) == [2] + [1] * 8 + [3]
    assert store.stats()[0].rows == 10


def test_a_tail_that_could_not_be_cut_is_cut_later(
    store: EmbeddedTickStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When even taking a half-written batch back fails, the next append does it first."""
    store.append(TRADES, ticks([1]), 1)
    path = next((tmp_path / "ticks").rglob("*.dbn"))

    def failing(_fd: int, _size: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as patch, largest_file(path.stat().st_size + 60):
        patch.setattr(os, "ftruncate", failing)
        with pytest.raises(ResourceExhaustedError):
            store.append(TRADES, ticks([2, 3]), 3)
    assert store.append(TRADES, ticks([4]), 4).rows == 1
    assert path.stat().st_size == 352 + 2 * 48
    assert prices(store.read(TRADES, 0, EVER)) == [1, 4]


def test_a_tail_that_cannot_be_cut_is_never_taken_in(
    store: EmbeddedTickStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a failed batch cannot be taken back nothing is synced, so that its repetition stores it once."""
    store.append(QUOTES, ticks([1], series=QUOTES), 0)
    batch = ticks([2, 3], series=QUOTES)

    def failing(*_arguments: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing)
        with pytest.raises(TransientError, match="syncing"):
            store.sync()
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", failing)
        path = next((tmp_path / "ticks").rglob("*.dbn"))
        with largest_file(path.stat().st_size + 80), pytest.raises(ResourceExhaustedError):
            store.append(QUOTES, batch, 0)
        with pytest.raises(TransientError, match="taking a batch back"):
            store.sync()
    store.sync()
    assert store.append(QUOTES, batch, 0).rows == 2
    assert prices(store.read(QUOTES, 0, EVER)) == [1, 2, 3]
    assert store.stats()[0].rows == 3


def test_a_failed_sync_is_done_again(
    store: EmbeddedTickStore, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk error while syncing is transient; the catalogue is not ahead of the data and catches up afterwards."""

    def failing(_fd: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    store.append(TRADES, ticks([1, 2]), 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing)
        with pytest.raises(TransientError, match="syncing"):
            store.sync()
    assert catalogue.cursors() == []
    store.sync()
    assert [cursor.rows for cursor in catalogue.cursors()] == [2]


def test_a_failed_sync_is_not_taken_for_done(
    store: EmbeddedTickStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a failed sync may have dropped is written once more before the next one, the header too."""
    store.append(TRADES, ticks([1, 2]), 2)
    store.sync()
    store.append(TRADES, ticks([3]), 3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", _failing)
        with pytest.raises(TransientError, match="syncing"):
            store.sync()
    store.append(TRADES, ticks([4]), 4)
    written: list[tuple[int, int]] = []
    write = os.pwrite

    def recorded(fd: int, content: bytes, at: int) -> int:
        written.append((at, len(content)))
        return write(fd, content, at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", recorded)
        store.sync()
        assert written == [(0, 352), (352 + 2 * 48, 2 * 48)]
        store.append(TRADES, ticks([5]), 5)
        written.clear()
        store.sync()
        assert written == []
    assert store.repairs == []
    assert prices(store.read(TRADES, 0, EVER)) == [1, 2, 3, 4, 5]


def _failing(_fd: int) -> None:
    raise OSError(errno.EIO, "input/output error")


def test_what_a_failed_sync_dropped_is_noticed(
    store: EmbeddedTickStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the records of a failed sync read back as zeros they are cut, reported, no longer counted, and can be
    stored again; a file whose header went is put aside."""
    for batch in ([1, 2], [3, 4]):
        store.append(TRADES, ticks(batch), batch[-1])
        if batch == [1, 2]:
            store.sync()
    path = next((tmp_path / "ticks").rglob("*.dbn"))

    def dropping(begin: int) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", _failing)
            with pytest.raises(TransientError, match="syncing"):
                store.sync()
        with path.open("r+b") as file:
            file.seek(begin)
            file.write(bytes(path.stat().st_size - begin))

    dropping(352 + 2 * 48)
    store.sync()
    assert "cut 2 zero-filled records" in store.repairs[0]
    assert store.stats()[0].rows == 2
    assert store.append(TRADES, ticks([2, 3, 4]), 4) == AppendResult(rows=2, duplicates=1)
    dropping(0)
    store.sync()
    assert store.stats()[0].rows == 0
    assert store.append(TRADES, ticks([2, 3, 4]), 4).rows == 3
    store.sync()
    assert prices(store.read(TRADES, 0, EVER)) == [2, 3, 4]


def test_closing_does_not_wait_for_ever(
    store: EmbeddedTickStore, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store on a disk that hangs says so when it is closed, and lets go of everything once the disk answers."""
    answer = threading.Event()
    store.append(TRADES, ticks([1]), 1)
    before = threading.active_count()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda _fd: answer.wait(20))
        with pytest.raises(TransientError, match="no answer within"):
            store.close(timeout_s=0.01)
        with pytest.raises(RefusedError):
            EmbeddedTickStore(tmp_path / "ticks", catalogue)
        answer.set()
        for thread in threading.enumerate():
            if thread.name == "closing the store":
                thread.join()
    assert threading.active_count() == before
    again = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    assert again.stats()[0].rows == 1
    again.close()


def test_new_directories_are_durable(
    store: EmbeddedTickStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each directory that is made is synced into the one above it; one that could not be is made again next time."""
    synced: list[Path] = []
    sync, failures = os.fsync, [OSError(errno.EIO, "input/output error")]

    def recorded(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())
        if synced[-1] == tmp_path / "ticks" and failures:
            raise failures.pop()
        sync(fd)

    monkeypatch.setattr(os, "fsync", recorded)
    with pytest.raises(TransientError, match="creating a segment"):
        store.append(TRADES, ticks([1]), 1)
    synced.clear()
    store.append(TRADES, ticks([1]), 1)
    root = tmp_path / "ticks"
    folders = [root, root / "KRAKEN", root / "KRAKEN" / "BTCUSD", root / "KRAKEN" / "BTCUSD" / "trades"]
    assert synced == folders
    synced.clear()
    store.append(TRADES, ticks([2], stamps=[T0 + DAY_NS]), 2)
    assert synced == folders[-1:]


def test_strangers_in_the_directory_are_passed_over(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """Names that the store would not have given, and files where directories belong, are nobody's series."""
    store.append(TRADES, ticks([1]), 1)
    root = tmp_path / "ticks"
    for name in ("\u00e9", "lost+found", "%C3%A9", "kraken%41", "X" * 71, os.fsdecode(b"\xff")):
        (root / name / "BTCUSD" / "trades").mkdir(parents=True)
        (root / "KRAKEN" / name / "trades").mkdir(parents=True)
    (root / "KRAKEN" / "BTCUSD" / "mbp-10").write_text("a file")
    (root / "KRAKEN" / "README").write_text("a file")
    history = EmbeddedHistory(root)
    assert history.series() == [TRADES]
    assert history.extent(TRADES).rows == 1
    assert history.extent(attrs.evolve(TRADES, schema=Schema.BOOK)).rows == 0


def test_directories_that_may_not_be_read(
    store: EmbeddedTickStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory or a file that the system refuses is a clear error that names it."""
    store.append(TRADES, ticks([1]), 1)
    history = EmbeddedHistory(tmp_path / "ticks")

    def refused(path: Path, *_arguments: object, **_options: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", refused)
        for ask in (history.series, lambda: history.extent(TRADES), lambda: history.latest(TRADES)):
            with pytest.raises(ConfigurationError, match="permission denied"):
                ask()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", refused)
        with pytest.raises(ConfigurationError, match="permission denied"):
            history.series()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refused)
        for ask in (lambda: history.extent(TRADES), lambda: history.latest(TRADES)):
            with pytest.raises(ConfigurationError, match="permission denied"):
                ask()


def test_a_second_writer_is_refused(store: EmbeddedTickStore, tmp_path: Path, catalogue: Catalogue) -> None:
    """One process writes at a time, the refusal names it, readers are welcome, and closing frees the place."""
    store.append(TRADES, ticks([1]), 1)
    with pytest.raises(RefusedError, match=f"process {os.getpid()}"):
        EmbeddedTickStore(tmp_path / "ticks", catalogue)
    assert len(EmbeddedHistory(tmp_path / "ticks").read(TRADES, 0, EVER)) == 1
    store.close()
    EmbeddedTickStore(tmp_path / "ticks", catalogue).close()


def test_a_closed_store_stores_nothing(store: EmbeddedTickStore) -> None:
    """Appending after closing is refused and not forgotten silently."""
    store.append(TRADES, ticks([1]), 1)
    store.close()
    with pytest.raises(PermanentError, match="closed"):
        store.append(TRADES, ticks([2]), 2)


def test_places_that_cannot_be_used(tmp_path: Path, catalogue: Catalogue) -> None:
    """A file where a directory should be, or a file system that takes no files, is a clear error at opening."""
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/ringside")):
        with pytest.raises(ConfigurationError, match="opening the store"):
            EmbeddedTickStore(place, catalogue)
        with pytest.raises(ConfigurationError, match="opening the catalogue"):
            Catalogue(place / "catalogue.sqlite3")


def test_a_place_that_goes_bad_while_running(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """When the directory of a new series cannot be made, the error says so, and other series go on."""
    (tmp_path / "ticks" / "BINANCE").write_text("in the way")
    with pytest.raises(ConfigurationError, match="creating a segment"):
        store.append(QUOTES, ticks([1], series=QUOTES), 1)
    assert store.append(TRADES, ticks([1]), 1).rows == 1
    (tmp_path / "ticks" / "BINANCE").unlink()
    assert store.append(QUOTES, ticks([1], series=QUOTES), 1).rows == 1


@pytest.mark.parametrize("symbol", ["", "X" * 71, "BTC\x1b[2J", "BTC\u20ac"])
def test_unusable_symbols_are_refused(store: EmbeddedTickStore, symbol: str) -> None:
    """A name that no file or header can bear is refused, shown without its control characters."""
    with pytest.raises(RefusedError) as refused:
        store.append(SeriesKey("KRAKEN", symbol, Schema.TRADES), ticks([1]), 1)
    assert str(refused.value).isprintable()
    assert str(refused.value).isascii()


def test_a_deleted_segment_is_noticed(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """When somebody deletes the file being written, that is reported, and storing goes on in a new one."""
    store.append(TRADES, ticks([1, 2]), 2)
    next((tmp_path / "ticks").rglob("*.dbn")).unlink()
    store.sync()
    assert "was deleted with 2 records" in store.repairs[0]
    assert store.append(TRADES, ticks([3]), 3).rows == 1
    assert prices(store.read(TRADES, 0, EVER)) == [3]
    assert store.stats()[0].rows == 1


def test_reading_a_damaged_segment_says_so(store: EmbeddedTickStore, tmp_path: Path) -> None:
    """A reader that meets a file without a header names it instead of returning garbage."""
    store.append(TRADES, ticks([1]), 1)
    store.sync()
    next((tmp_path / "ticks").rglob("*.dbn")).write_bytes(b"no header")
    with pytest.raises(PermanentError, match="damaged segment"):
        EmbeddedHistory(tmp_path / "ticks").read(TRADES, 0, EVER)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, ResourceExhaustedError), (errno.EDQUOT, ResourceExhaustedError),
        (errno.EROFS, ConfigurationError), (errno.EACCES, ConfigurationError), (errno.EIO, TransientError),
    ],
)  # fmt: skip
def test_what_the_system_says_is_classified(code: int, kind: type[Exception]) -> None:
    """A full disk waits, a read-only one needs the operator, a failing one is tried again."""
    assert type(storage_error("storing", Path("x"), OSError(code, os.strerror(code)))) is kind


def test_what_sqlite_says_is_classified(tmp_path: Path) -> None:
    """A damaged catalogue is for the operator to move away, a full one waits, a locked one is tried again."""
    (tmp_path / "bad.sqlite3").write_bytes(b"not a database at all" * 100)
    with pytest.raises(ConfigurationError, match="move the file away"):
        Catalogue(tmp_path / "bad.sqlite3")
    for code, kind in ((sqlite3.SQLITE_FULL, ResourceExhaustedError), (sqlite3.SQLITE_BUSY, TransientError)):
        error = sqlite3.OperationalError("no")
        error.sqlite_errorcode = code
        assert type(database_error("storing", tmp_path, error)) is kind


def test_a_segment_changed_behind_our_back(tmp_path: Path, catalogue: Catalogue) -> None:
    """A day that was removed or cut while it was not open is looked at again before it is written."""
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue, open_limit=1)
    first, second = ticks([1, 2, 3]), ticks([11, 12], stamps=[T0 + DAY_NS, T0 + DAY_NS + 1])
    for batch in (first, second):
        store.append(TRADES, batch, int(batch["sequence"][-1]))
    cut, removed = sorted((tmp_path / "ticks").rglob("*.dbn"))
    cut.write_bytes(cut.read_bytes()[:-50])
    assert store.append(TRADES, first, 3).rows == 2
    removed.unlink()
    assert store.append(TRADES, second, 12).rows == 2
    assert store.stats()[0].rows == 5
    assert prices(store.read(TRADES, 0, EVER)) == [1, 2, 3, 11, 12]
    store.close()


def test_an_impossible_id_is_no_id(store: EmbeddedTickStore) -> None:
    """A reference no venue can mean is ignored: the records are kept."""
    assert store.append(TRADES, ticks([1]), 2**64 - 1).rows == 1
    assert store.append(TRADES, ticks([2]), 2).rows == 1
    assert store.append(TRADES, ticks([2, 3]), 2**63).rows == 1


@pytest.mark.parametrize("content", ["", "no number", "999999999999999999", "-1", "4194304999"])
def test_asking_for_a_writer_changes_nothing(tmp_path: Path, catalogue: Catalogue, content: str) -> None:
    """Whether somebody writes is known while somebody does and afterwards, whatever the lock file holds."""
    assert not is_locked(tmp_path / "ticks")
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    assert is_locked(tmp_path / "ticks")
    store.close()
    assert not is_locked(tmp_path / "ticks")
    (tmp_path / "ticks" / LOCK_NAME).write_text(content)
    assert not is_locked(tmp_path / "ticks")
    EmbeddedTickStore(tmp_path / "ticks", catalogue).close()
