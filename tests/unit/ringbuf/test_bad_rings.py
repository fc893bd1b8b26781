"""Rings that are not what they should be, and readers and clocks that stand still for an hour."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.model.records import TRADE
from ringbuf import layout
from ringbuf.reader import RingReader
from ringbuf.writer import RingIdentity, RingWriter
from tests.unit.ringbuf.test_ring import IDENTITY, trades

TAKE_OVERS = 300
DEADLINE_S = 20.0


@pytest.fixture
def path() -> Path:
    """A ring's path in this test's own directory."""
    return layout.directory() / layout.ring_name("BTCUSD", "KRAKEN")


@pytest.mark.parametrize("size", [0, 7, 4095, 4096, 4097, 4096 + 64 * 48 - 1, 4096 + 64 * 48 + 1])
def test_a_segment_of_another_length_is_never_mapped(path: Path, size: int) -> None:
    """Cut short or too long: an error at opening, where a look beyond the end would end the process."""
    RingWriter(path, IDENTITY, capacity=64).close(unlink=False)
    os.truncate(path, size)
    with pytest.raises(layout.RingError, match=r"not a ring|another length"):
        RingReader(path)
    writer = RingWriter(path, IDENTITY, capacity=64)
    assert path.stat().st_size == 4096 + 64 * 48
    writer.close()


@pytest.mark.parametrize("word", [layout.COMMIT, layout.CLAIM])
def test_counters_beyond_any_real_count(path: Path, word: int) -> None:
    """A counter near the end of 64 bits is damage, and not a reason to fail in the middle of a push."""
    pid = os.fork()
    if pid == 0:
        damaged = RingWriter(path, IDENTITY, capacity=64)
        damaged._words[word] = 2**64 - 1
        os._exit(0)
    os.waitpid(pid, 0)
    with pytest.raises(layout.RingError, match="damaged counters"):
        RingReader(path)
    writer = RingWriter(path, IDENTITY, capacity=64)
    assert writer.committed == 0
    writer.push(trades(0, 1).tobytes())
    writer.close()


def test_what_stands_in_the_place_of_a_ring(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A symlink, a directory, a FIFO, another user's file: refused by both ends, without waiting."""
    places: dict[str, list[Callable[[], None]]] = {
        "cannot open": [lambda: path.symlink_to("/etc/passwd"), path.mkdir],
        "not a regular file": [lambda: os.mkfifo(path)],
    }
    for message, makers in places.items():
        for make in makers:
            make()
            with pytest.raises(layout.RingError, match=message):
                RingReader(path)
            with pytest.raises(layout.RingError, match=message):
                RingWriter(path, IDENTITY)
            path.rmdir() if path.is_dir() else path.unlink()
    writer = RingWriter(path, IDENTITY, capacity=64)
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(layout.RingError, match="another user"):
        RingReader(path)
    writer.close()


def test_names_that_no_file_should_have() -> None:
    """Control characters and endless names are refused; a slash cannot leave the directory; other scripts may be."""
    for symbol in ("BTC\0USD", "BTC\nUSD", "\x1b[2J", "x" * 300):
        with pytest.raises(layout.RingError, match="bad ring name"):
            layout.ring_name(symbol, "KRAKEN")
    assert layout.ring_name("../../etc/x", "K/L") == "ringside_..-..-etc-x_K-L"
    assert layout.ring_name("币安USDT", "BINANCE") == "ringside_币安USDT_BINANCE"


def test_texts_of_a_header_are_made_printable(path: Path) -> None:
    """What stands in the header is another program's: control characters do not pass, cut letters do no harm."""
    identity = RingIdentity(
        schema="trades", record_bytes=48, symbol="币" * 11, venue="\x1b[31m", instrument_id=1, instance="x"
    )
    writer = RingWriter(path, identity, capacity=64)
    reader = RingReader(path, name="\x1b[2J名前" * 20)
    assert reader.venue == "?[31m"
    assert reader.symbol.startswith("币" * 10)
    assert reader.readers()[0].name.startswith("?[2J名前")
    reader.close()
    writer.close()


def test_a_reader_that_slept_for_an_hour(path: Path) -> None:
    """Fifty thousand laps later it goes on with the newest lap and has counted every record it missed."""
    writer = RingWriter(path, IDENTITY, capacity=64)
    reader = RingReader(path, name="late", dtype=TRADE)
    writer._next = hour = 50_000 * 64 + 17
    writer.push_batch(trades(hour, 64))
    assert reader.pop_batch()["price"].tolist() == list(range(hour, hour + 64))
    assert reader.lapped == hour
    assert reader.readers()[0].lapped == hour
    reader.close()
    writer.close()


def test_a_reader_may_ask_for_little_after_a_lap(path: Path) -> None:
    """A limit after a loss returns the oldest intact records, and what is claimed meanwhile is left out."""
    writer = RingWriter(path, IDENTITY, capacity=64)
    reader = RingReader(path, name="late", dtype=TRADE)
    for first in (0, 64):
        writer.push_batch(trades(first, 64))
    writer._words[layout.CLAIM] = 138
    assert reader.pop_batch(5)["price"].tolist() == []
    assert (reader.cursor, reader.lapped) == (69, 69)
    assert reader.pop_batch(10)["price"].tolist() == [74, 75, 76, 77, 78]
    assert reader.lapped == 74
    reader.close()
    writer.close()


def test_a_take_over_never_shows_a_half_written_header(path: Path) -> None:
    """Another process that looks while producers come and go sees the epoch grow and no bad header."""
    # Forked before there is a producer: it would inherit the lock.
    pid = os.fork()
    if pid == 0:
        os._exit(_watch(path))
    try:
        first = RingWriter(path, IDENTITY, capacity=64)
        observer = RingReader(path)
        deadline_s = time.monotonic() + DEADLINE_S
        while not observer.readers():
            assert time.monotonic() < deadline_s
        _abandon(first)
        for _ in range(TAKE_OVERS):
            _abandon(RingWriter(path, IDENTITY, capacity=64))
        assert os.waitpid(pid, 0)[1] == 0
        assert observer.epoch == TAKE_OVERS + 1
        observer.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _watch(path: Path) -> int:
    # Runs in the child: 1 for an epoch that fell, 2 for a header that looked damaged, 3 when it takes too long.
    deadline_s = time.monotonic() + DEADLINE_S
    watcher = None
    before = 0
    while time.monotonic() < deadline_s:
        try:
            if watcher is None:
                watcher = RingReader(path, name="watcher")
            RingReader(path).close()
        except layout.RingError:
            if watcher is not None:
                return 2
            continue
        epoch = watcher.epoch
        if epoch < before:
            return 1
        if epoch == TAKE_OVERS + 1:
            return 0
        before = epoch
    return 3


def _abandon(writer: RingWriter) -> None:
    # What a killed producer leaves: the lock is gone, the header says open.
    writer.close(unlink=False)
    with writer.path.open("r+b") as file:
        file.seek(layout.STATE * 8)
        file.write(layout.OPEN.to_bytes(8, "little"))
