"""The cache in memory: when windows expire, which series make room, and reading while another thread pushes."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from core.model.records import Schema
from core.store.cache.memory import InMemoryTickCache
from core.store.repository import SeriesKey
from tests.conformance.ticks import T0, TRADES, prices, ticks


class Clock:
    """Monotonic time that a test moves on."""

    now_ns = 10**12

    def __call__(self) -> int:
        """The instant."""
        return self.now_ns


def coin(number: int) -> SeriesKey:
    """One of many series."""
    return SeriesKey("KRAKEN", f"COIN{number}", Schema.TRADES)


def test_windows_expire_after_the_last_push() -> None:
    """A series lives as long as it is pushed; afterwards nothing of it is returned or continued."""
    clock = Clock()
    cache = InMemoryTickCache(10, ttl_s=5.0, clock=clock)
    for number in range(1, 6):
        cache.push(TRADES, ticks([number]))
        clock.now_ns += 4 * 10**9
        assert prices(cache.recent(TRADES, 1)) == [number]
    clock.now_ns += 10**9
    assert len(cache.recent(TRADES, 1)) == 0
    assert not cache.follows(TRADES)
    cache.push(TRADES, ticks([9]))
    assert prices(cache.recent(TRADES, 5)) == [9]


def test_series_are_bounded() -> None:
    """Of more series than may be kept the one pushed longest ago makes room, and is counted."""
    clock = Clock()
    cache = InMemoryTickCache(10, max_series=3, clock=clock)
    for number in (0, 1, 2, 0, 3):
        clock.now_ns += 1
        cache.push(coin(number), ticks([number + 1]))
    assert [len(cache.recent(coin(number), 1)) for number in range(4)] == [1, 0, 1, 1]
    assert (cache.stats().series, cache.stats().evicted) == (3, 1)


def test_back_filled_windows_live_for_a_moment() -> None:
    """What nobody pushes is kept for its lease, makes room first and is not continued by a push."""
    clock = Clock()
    cache = InMemoryTickCache(10, max_series=2, lease_s=1.0, clock=clock)
    assert cache.backfill(TRADES, ticks([1, 2, 3]))
    assert prices(cache.recent(TRADES, 2)) == [2, 3]
    assert not cache.follows(TRADES)
    assert cache.since(TRADES, T0 + 2000) is None
    cache.push(coin(1), ticks([1]))
    cache.push(coin(2), ticks([1]))
    assert len(cache.recent(TRADES, 2)) == 0
    assert cache.backfill(TRADES, ticks([1, 2, 3]))
    cache.push(TRADES, ticks([9]))
    assert prices(cache.recent(TRADES, 5)) == [9]
    cache.clear()
    assert cache.backfill(TRADES, ticks([1]))
    clock.now_ns += 10**9
    assert len(cache.recent(TRADES, 1)) == 0


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (range(1, 6), [1, 2, 3, 4, 5, 6]),
        (range(1, 9), [1, 2, 3, 4, 5, 6]),
        (range(4, 6), [4, 5, 6]),
        (range(1, 4), None),
        ([1, 2, 3, 4, 6], None),
        (range(7, 9), None),
        ([], None),
    ],
)
def test_only_what_overlaps_lengthens_a_window(found: list[int], expected: list[int] | None) -> None:
    """Records from elsewhere are put before a window that is pushed only where both agree about a stretch."""
    cache = InMemoryTickCache(10)
    cache.push(TRADES, ticks([4, 5, 6]))
    assert cache.backfill(TRADES, ticks(found)) == (expected is not None)
    assert prices(cache.recent(TRADES, 10)) == (expected or [4, 5, 6])


def test_equal_records_are_not_confused() -> None:
    """Where records are equal to the byte, a window is lengthened by those it lacks and no other."""
    whole = ticks([0] * 6, stamps=[T0 + 1, T0 + 2, T0 + 2, T0 + 2, T0 + 3, T0 + 4])
    whole["price"] = 7
    cache = InMemoryTickCache(10)
    cache.push(TRADES, whole[3:])
    assert cache.backfill(TRADES, whole[:5])
    assert cache.recent(TRADES, 10).tobytes() == whole.tobytes()


def test_readers_need_no_lock() -> None:
    """While one thread pushes, others always find whole windows that end no earlier than those before."""
    cache = InMemoryTickCache(50)
    cache.push(TRADES, ticks(range(1, 51)))
    batches = [ticks(range(number, number + 3)) for number in range(51, 6051, 3)]
    faults: list[str] = []
    done = threading.Event()

    def read() -> None:
        newest = 0
        while not done.is_set():
            found = prices(cache.recent(TRADES, 40))
            if len(found) != 40 or found[-1] < newest or any(b != a + 1 for a, b in pairwise(found)):
                faults.append(str(found))
            newest = found[-1] if found else newest

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number, batch in enumerate(batches):
        cache.push(TRADES, batch)
        if number % 100 == 0:
            cache.replace(TRADES, cache.recent(TRADES, 50))
    done.set()
    for reader in readers:
        reader.join()
    assert faults == []
