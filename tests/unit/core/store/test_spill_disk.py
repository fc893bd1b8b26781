"""The disk beneath a database that is away: full, torn, failing, damaged."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import RefusedError, ResourceExhaustedError, TransientError
from core.store.spill import SpillingTickStore
from core.store.spill.log import SpillFile, create_file
from tests.conformance.ticks import QUOTES, TRADES, prices, ticks
from tests.unit.core.store.scripted import EVER, GONE, Place, until


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place to store in."""
    made = Place(tmp_path)
    yield made
    made.remote.open.set()
    made.store.close()
    made.remote.store.close()


def test_neither_database_nor_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the disk full too, appending fails, may be repeated, and nothing is lost or doubled."""
    place.offer()
    place.store.sync()
    place.remote.fault = GONE
    place.offer()
    until(lambda: place.store.state.mode == "spilling")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        patched.setattr(os, "write", full)
        batch = ticks(range(21, 31), series=QUOTES)
        for _ in range(3):
            with pytest.raises(ResourceExhaustedError):
                place.store.append(QUOTES, batch, 0)
        with pytest.raises(ResourceExhaustedError):
            place.store.append(TRADES, ticks([1]), 1)
    place.offer()
    place.store.sync()
    place.remote.fault = None
    place.arrives()


def test_what_a_full_disk_leaves_in_memory_is_sent(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records on their way when both fail stay in memory, and the database gets them from there."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    place.remote.open.clear()
    place.offer()
    assert place.remote.hanging.wait(10)
    place.offer()
    with monkeypatch.context() as patched:
        patched.setattr("core.store.spill.log.replace_file", full)
        place.remote.fault = GONE
        place.remote.open.set()
        until(lambda: place.store.state.mode == "spilling")
        with pytest.raises(ResourceExhaustedError):
            place.store.sync()
        assert place.store.state.queued_rows == 20
        place.remote.fault = None
        until(lambda: place.store.state.queued_rows == 0)
    place.arrives()


def test_what_stays_in_memory_behind_a_file_is_sent(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fails between two files of a series, the rest stays in memory and follows in its turn."""
    create, made = create_file, list[Path]()

    def second_fails(folder: Path, *arguments: Any, **options: Any) -> SpillFile:
        if made:
            raise ResourceExhaustedError("spilling", "no space left on device")
        made.append(folder)
        return create(folder, *arguments, **options)

    place.remote.open.clear()
    place.store.append(TRADES, ticks([1, 2]), 2)
    assert place.remote.hanging.wait(10)
    far = [2**33 + 1, 2**33 + 2]
    place.store.append(TRADES, ticks(far), far[-1])
    with monkeypatch.context() as patched:
        patched.setattr("core.store.spill.lane.create_file", second_fails)
        place.remote.fault = GONE
        place.remote.open.set()
        until(lambda: place.store.state.mode == "spilling" and place.store.state.spilled_rows == 2)
        assert place.store.state.queued_rows == 2
        place.remote.fault = None
        until(lambda: prices(place.remote.store.read(TRADES, 0, EVER)) == [1, 2, *far])
    assert place.files() == []


def test_closing_waits_for_a_slow_database_when_the_disk_is_full(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no space left a database that is only slow gets more time; what then cannot be stored is said."""
    place.patience_s = 0.01
    place.reopen()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.store.spill.log.replace_file", full)
    place.remote.open.clear()
    place.offer()
    assert place.remote.hanging.wait(10)
    place.offer()
    opening = threading.Timer(0.1, place.remote.open.set)
    opening.start()
    place.store.close()
    opening.join()
    assert len(place.remote.store.read(QUOTES, 0, EVER)) == 20
    place.open()
    place.remote.open.clear()
    place.remote.hanging.clear()
    place.offer()
    assert place.remote.hanging.wait(10)
    with pytest.raises(ResourceExhaustedError):
        place.store.close(timeout_s=0.5)


def test_a_torn_write_is_taken_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle of a write leaves no part of it behind."""
    place.remote.fault = GONE
    place.offer()
    place.store.sync()
    write = os.pwrite

    def half(fd: int, data: memoryview, at: int) -> int:
        if len(data) < 300:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[: len(data) // 2], at)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", half)
        with pytest.raises(ResourceExhaustedError):
            place.store.append(QUOTES, ticks(range(11, 31), series=QUOTES), 0)
    place.offer(20)
    place.reopen()
    place.remote.fault = None
    place.arrives()


def test_a_torn_file_is_mended(place: Place) -> None:
    """Half a record or zeros at the end of a file are cut; a file that is none is put aside, and it is told."""
    place.remote.fault = GONE
    place.offer()
    place.reopen()
    place.store.close()
    [path] = place.files()
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\0" * 5 * QUOTES.schema.dtype.itemsize + b"torn")
    damaged = path.with_name("00000000-" + "a" * 16 + "-" + "0" * 18 + ".dbn")
    damaged.write_bytes(b"nonsense")
    path.with_name("00000009-" + "a" * 16 + "-" + "0" * 18 + ".dbn.part").write_bytes(b"")
    place.open()
    assert path.stat().st_size == size
    assert len(place.store.repairs) == 1
    assert damaged.with_name(damaged.name + ".damaged-1").read_bytes() == b"nonsense"
    damaged.with_name(damaged.name + ".damaged-1").unlink()
    place.remote.fault = None
    place.arrives()


def test_large_backlogs_go_from_file_to_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file does not grow for ever, and each is removed when the database has it."""
    monkeypatch.setattr("core.store.spill.log.ROLL_ROWS", 100)
    place.remote.fault = GONE
    place.offer()
    until(lambda: place.store.state.mode == "spilling")
    for _ in range(30):
        place.offer(50)
    place.store.sync()
    assert len(place.files()) >= 15
    place.remote.fault = None
    place.arrives()


def test_a_failed_sync_writes_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the disk refused to sync, the records are written once more before the next sync."""
    place.remote.fault = GONE
    place.offer()
    until(lambda: place.store.state.spilled_rows == 10)

    def refused(_fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", refused)
        with pytest.raises(TransientError):
            place.store.sync()
    written: list[int] = []
    write = os.pwrite

    def noted(fd: int, data: bytes, at: int) -> int:
        written.append(len(data))
        return write(fd, data, at)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", noted)
        place.store.sync()
    assert sum(written) == 10 * QUOTES.schema.dtype.itemsize
    place.remote.fault = None
    place.arrives()


def test_databento_reads_the_spill(place: Place) -> None:
    """A file of the spill is a DBN file."""
    import databento

    place.remote.fault = GONE
    place.offer()
    place.store.sync()
    [path] = place.files()
    assert len(databento.DBNStore.from_bytes(path.read_bytes()).to_ndarray()) == 10
    assert SpillFile(path, QUOTES).rows == 10


def test_one_process_spills_in_one_place(place: Place) -> None:
    """A second store on the same directory is refused."""
    with pytest.raises(RefusedError):
        SpillingTickStore(place.remote, place.directory / "spill")
