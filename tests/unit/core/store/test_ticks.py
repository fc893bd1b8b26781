"""The repository: what comes from the cache and what from the store, and that both always agree."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from core.bars.candles import time_bars
from core.bars.timeframes import Timeframe
from core.clock import NS_PER_S
from core.errors import TransientError, UsageError
from core.model.records import UNDEF_PRICE, Records, Schema
from core.store.cache.memory import InMemoryTickCache
from core.store.cache.protocol import TickCache
from core.store.cache.redis import RedisTickCache
from core.store.cache.tiered import TieredCache
from core.store.repository import AppendResult, Numbered, SeriesKey, SeriesStats
from core.store.ticks import INSERT_ROWS, RETRY_NS, TickRepository
from tests.conformance.ticks import BOOKS, DAY_NS, QUOTES, T0, TRADES, prices, ticks
from tests.servers.redis import RedisServer

OTHER = SeriesKey("KRAKEN", "ETHUSD", Schema.TRADES)
EVER = 2**64 - 1


class ListStore:
    """A tick store in a list: small, slow, and its reads are counted. It fails when told to."""

    def __init__(self) -> None:
        self.kept: dict[SeriesKey, Records] = {}
        self.reads: list[str] = []
        self.fails = ""
        self.appended: list[int] = []

    def series(self) -> list[SeriesKey]:
        """Those with records."""
        return sorted(self.kept, key=str)

    def days(self, series: SeriesKey) -> list[int]:
        """The days with records."""
        return sorted({stamp // DAY_NS for stamp in self._ordered(series)["ts_event"].tolist()})

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """Ascending, ties by id."""
        self._asked("read")
        whole = self._ordered(series)
        start, end = np.uint64(max(start_ns, 0)), np.uint64(max(end_ns, 0))
        return whole[(whole["ts_event"] >= start) & (whole["ts_event"] < end)]

    def read_numbered(self, series: SeriesKey, start_ns: int, end_ns: int) -> Numbered:
        """Ids of less than 32 bits."""
        records = self.read(series, start_ns, end_ns)
        return Numbered(records, records["sequence"].astype(np.int64))

    def latest(self, series: SeriesKey, rows: int = 1) -> Records:
        """The last ones."""
        self._asked("latest")
        return self._ordered(series)[-rows:]

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Store what is new."""
        self._asked("append")
        self.appended.append(len(records))
        known = set(self._ordered(series)["sequence"].tolist())
        new: list[int] = []
        for place, number in enumerate(records["sequence"].tolist()):
            if not newest_id or number not in known:
                known.add(number)
                new.append(place)
        self.kept[series] = np.concatenate((self._ordered(series), records[new]))
        return AppendResult(rows=len(new), duplicates=len(records) - len(new))

    def sync(self) -> None:
        """Nothing to do."""

    def stats(self) -> list[SeriesStats]:
        """None are kept."""
        return []

    def close(self) -> None:
        """Nothing to let go of."""

    def _asked(self, what: str) -> None:
        self.reads.append(what)
        if self.fails == what:
            raise TransientError("asking the store", "it is away")

    def _ordered(self, series: SeriesKey) -> Records:
        whole = self.kept.get(series, np.empty(0, series.schema.dtype))
        return whole[np.lexsort((whole["sequence"], whole["ts_event"]))]


class Now:
    """A wall clock that stands still, ten minutes after `T0`."""

    ns = T0 + 600 * NS_PER_S

    def __call__(self) -> int:
        """The instant."""
        return self.ns


@pytest.fixture
def store() -> ListStore:
    """An empty store."""
    return ListStore()


@pytest.fixture
def repository(store: ListStore) -> TickRepository:
    """Twenty records a series in memory, in front of the store."""
    return TickRepository(store, InMemoryTickCache(20), clock=Now())


def test_recent_ticks_come_from_the_cache(repository: TickRepository, store: ListStore) -> None:
    """What was inserted is read without asking the store; what the cache lacks is."""
    repository.insert_batch(TRADES, ticks(range(1, 41)), 40)
    store.reads.clear()
    assert prices(repository.recent(TRADES, 3)) == [38, 39, 40]
    assert repository.latest_price(TRADES) == 40
    assert prices(repository.ticks(TRADES, T0 + 38_000, EVER)) == [38, 39, 40]
    assert store.reads == []
    assert prices(repository.recent(TRADES, 30)) == list(range(11, 41))
    assert store.reads == ["latest"]


def test_one_record_is_inserted(repository: TickRepository) -> None:
    """A record may be given by itself or in an array."""
    batch = ticks([1, 2])
    assert repository.insert(TRADES, batch[0], 1) == AppendResult(rows=1)
    assert repository.insert(TRADES, batch[1:], 2) == AppendResult(rows=1)
    assert prices(repository.recent(TRADES, 5)) == [1, 2]


def test_large_batches_are_cut(repository: TickRepository, store: ListStore) -> None:
    """A batch is stored in pieces, and their results are summed."""
    result = repository.insert_batch(TRADES, ticks(range(1, INSERT_ROWS + 11)), 0)
    assert result == AppendResult(rows=INSERT_ROWS + 10)
    assert store.appended == [INSERT_ROWS, 10]
    assert prices(repository.recent(TRADES, 1)) == [INSERT_ROWS + 10]


def test_the_cache_holds_what_the_store_holds(repository: TickRepository) -> None:
    """Duplicates that the store refused are not in the cache either."""
    repository.insert_batch(TRADES, ticks([1, 2, 3]), 3)
    assert repository.insert_batch(TRADES, ticks([2, 3, 4]), 4) == AppendResult(rows=1, duplicates=2)
    assert repository.insert_batch(TRADES, ticks([2, 3, 4]), 4) == AppendResult(duplicates=3)
    assert prices(repository.recent(TRADES, 4)) == [1, 2, 3, 4]


def test_old_ticks_do_not_become_the_newest(store: ListStore) -> None:
    """History that is imported after a start, before any new tick, is not taken for recent."""
    TickRepository(store).insert_batch(TRADES, ticks(range(1000, 1010)), 1009)
    cache = InMemoryTickCache(20)
    repository = TickRepository(store, cache, clock=Now())
    repository.insert_batch(TRADES, ticks(range(1, 6)), 5)
    assert repository.latest_price(TRADES) == 1009
    repository.insert_batch(TRADES, ticks([7]), 7)
    assert prices(cache.recent(TRADES, 3)) == [1007, 1008, 1009]


def test_a_short_window_is_a_miss_and_is_lengthened(store: ListStore) -> None:
    """The store answers what the cache does not hold, once: then the cache does."""
    TickRepository(store).insert_batch(TRADES, ticks(range(1, 11)), 10)
    cache = InMemoryTickCache(20)
    repository = TickRepository(store, cache, clock=Now())
    store.reads.clear()
    for _ in range(2):
        assert prices(repository.recent(TRADES, 5)) == [6, 7, 8, 9, 10]
    assert store.reads == ["latest"]
    assert cache.since(TRADES, T0 + 8000) is None  # nobody keeps it up to date


def test_a_followed_window_is_lengthened_where_it_overlaps(store: ListStore) -> None:
    """A window that somebody else pushes gets what came before it, if the store has both; else it stays."""
    TickRepository(store).insert_batch(TRADES, ticks(range(1, 11)), 10)
    cache = InMemoryTickCache(20)
    repository = TickRepository(store, cache, clock=Now())
    cache.push(TRADES, ticks([12]))
    assert prices(repository.recent(TRADES, 3)) == [8, 9, 10]
    assert prices(cache.recent(TRADES, 3)) == [12]
    store.append(TRADES, ticks([11, 12]), 12)
    cache.push(TRADES, ticks([13]))
    assert prices(repository.recent(TRADES, 3)) == [10, 11, 12]
    assert prices(repository.recent(TRADES, 4)) == [10, 11, 12, 13]


def test_ranges_are_served_either_way_round(repository: TickRepository, store: ListStore) -> None:
    """Ascending or newest first, limited or not, from the cache as from the store."""
    repository.insert_batch(TRADES, ticks(range(1, 41)), 40)
    plain = TickRepository(store)
    for start, end in ((30, 35), (1, 41), (35, 99), (39, 39), (90, 99), (-5, 3)):
        for limit in (None, 0, 1, 3, 100):
            for newest_first in (False, True):
                found = repository.ticks(
                    TRADES, T0 + start * 1000, T0 + end * 1000, limit=limit, newest_first=newest_first
                )
                expected = [number for number in range(1, 41) if start <= number < end]
                assert prices(found) == (expected[::-1] if newest_first else expected)[:limit]
                again = plain.ticks(
                    TRADES, T0 + start * 1000, T0 + end * 1000, limit=limit, newest_first=newest_first
                )
                assert again.tobytes() == found.tobytes()


def test_a_range_that_is_not_proven_comes_from_the_store(repository: TickRepository, store: ListStore) -> None:
    """Older than an hour, or older than the cached window, is asked of the store."""
    repository.insert_batch(TRADES, ticks(range(1, 41)), 40)
    store.reads.clear()
    assert prices(repository.ticks(TRADES, T0 + 21_000, T0 + 23_000)) == [21, 22]
    assert store.reads == ["read"]
    late = TickRepository(store, InMemoryTickCache(20), clock=lambda: T0 + 7200 * NS_PER_S)
    late.insert_batch(TRADES, ticks([41]), 41)
    store.reads.clear()
    assert prices(late.ticks(TRADES, T0 + 41_000, EVER)) == [41]
    assert store.reads == ["read"]


def test_limits_read_no_more_days_than_needed(store: ListStore) -> None:
    """A limited range ends with the day that fills it."""
    repository = TickRepository(store)
    repository.insert_batch(TRADES, ticks(range(1, 31), stamps=[T0 + day * DAY_NS for day in range(30)]), 0)
    store.reads.clear()
    assert prices(repository.ticks(TRADES, 0, EVER, limit=2)) == [1, 2]
    assert prices(repository.ticks(TRADES, 0, EVER, limit=2, newest_first=True)) == [30, 29]
    assert len(store.reads) == 4


def test_history_comes_in_days(store: ListStore) -> None:
    """A backtest reads a day at a time, ascending; a screen the same, backwards; no page is empty."""
    stamps = [T0 + day * DAY_NS + part for day in (0, 1, 5) for part in (0, 10)]
    repository = TickRepository(store)
    repository.insert_batch(TRADES, ticks(range(1, 7), stamps=stamps), 6)
    assert [prices(page) for page in repository.history(TRADES, 0, EVER)] == [[1, 2], [3, 4], [5, 6]]
    assert [prices(page) for page in repository.history_newest_first(TRADES, 0, EVER)] == [[6, 5], [4, 3], [2, 1]]
    assert [prices(page) for page in repository.history(TRADES, stamps[1], stamps[5])] == [[2], [3, 4], [5]]
    assert list(repository.history(TRADES, stamps[1] + 1, stamps[2])) == []


def test_nothing_is_found_where_nothing_is(repository: TickRepository) -> None:
    """An unknown symbol, a range backwards and no rows are empty, not errors."""
    repository.insert_batch(TRADES, ticks([1, 2]), 2)
    for found in (
        repository.recent(OTHER, 5),
        repository.recent(TRADES, 0),
        repository.ticks(OTHER, 0, EVER),
        repository.ticks(TRADES, T0 + 9000, T0),
        repository.ticks(TRADES, T0 + 9000, T0, limit=3),
    ):
        assert (len(found), found.dtype) == (0, Schema.TRADES.dtype)
    assert list(repository.history(TRADES, EVER, 0)) == []
    assert len(repository.bars(OTHER, Timeframe.HOUR, 0, EVER)) == 0
    assert repository.latest_price(OTHER) is None


def test_an_undefined_price_is_none(repository: TickRepository) -> None:
    """A trade without a price has none to tell."""
    batch = ticks([1])
    batch["price"] = UNDEF_PRICE
    repository.insert_batch(TRADES, batch, 1)
    assert repository.latest_price(TRADES) is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda repository: repository.recent(TRADES, -1),
        lambda repository: repository.ticks(TRADES, 0, EVER, limit=-1),
        lambda repository: repository.latest_price(QUOTES),
        lambda repository: repository.bars(BOOKS, Timeframe.DAY, 0, EVER),
        lambda repository: repository.insert_batch(QUOTES, ticks([1]), 1),
    ],
)
def test_what_makes_no_sense_is_refused(repository: TickRepository, ask: Callable[[TickRepository], object]) -> None:
    """Negative rows, prices of what is no trade and records of another schema are errors of who asks."""
    with pytest.raises(UsageError):
        ask(repository)


def test_other_schemas_pass_the_cache_by(repository: TickRepository, store: ListStore) -> None:
    """Records that the cache does not keep are stored and read like any."""
    repository.insert_batch(QUOTES, ticks([1, 2, 3], series=QUOTES), 0)
    assert store.reads == ["append"]
    assert prices(repository.recent(QUOTES, 2)) == [2, 3]
    assert prices(repository.ticks(QUOTES, T0 + 2000, EVER)) == [2, 3]


def test_bars_of_pages_are_bars_of_all(store: ListStore) -> None:
    """Bars that span days hold the trades of both; a range that cuts a bar makes a part of it."""
    stamps = [T0 + hour * 3600 * NS_PER_S for hour in range(0, 24 * 12, 5)]
    whole = ticks(range(1, len(stamps) + 1), stamps=stamps)
    repository = TickRepository(store)
    repository.insert_batch(TRADES, whole, 0)
    for frame in Timeframe:
        expected = time_bars(whole[3:40], frame.interval_ns, offset_ns=frame.offset_ns)
        assert repository.bars(TRADES, frame, stamps[3], stamps[40]).tolist() == expected.tolist()


def test_a_store_that_fails_is_told_and_leaves_no_trace(repository: TickRepository, store: ListStore) -> None:
    """What could not be stored is not in the cache; the same call works later."""
    repository.insert_batch(TRADES, ticks([1]), 1)
    store.fails = "append"
    with pytest.raises(TransientError):
        repository.insert_batch(TRADES, ticks([2]), 2)
    store.fails = ""
    assert prices(repository.recent(TRADES, 1)) == [1]
    repository.insert_batch(TRADES, ticks([2]), 2)
    assert prices(repository.recent(TRADES, 1)) == [2]


def test_a_store_that_cannot_be_read_costs_the_cache_only(store: ListStore) -> None:
    """When the store took records but cannot tell which, the cache forgets the series; the store is asked again
    after a while, not with every insert."""
    now_ns = [0]
    cache = InMemoryTickCache(20)
    repository = TickRepository(store, cache, clock=Now(), monotonic=lambda: now_ns[0])
    repository.insert_batch(TRADES, ticks([1, 2]), 2)
    store.fails = "latest"
    store.reads.clear()
    for number in range(3, 10):
        assert repository.insert_batch(TRADES, ticks([number - 1, number]), number).rows == 1
    assert store.reads.count("latest") == 1
    with pytest.raises(TransientError):
        repository.recent(TRADES, 1)
    store.fails = ""
    assert prices(repository.recent(TRADES, 3)) == [7, 8, 9]
    now_ns[0] += RETRY_NS
    repository.insert_batch(TRADES, ticks([10]), 10)
    assert prices(cache.recent(TRADES, 20)) == list(range(1, 11))


def test_a_cache_that_fails_is_passed_over(redis_url: str, redis_server: RedisServer, store: ListStore) -> None:
    """With a dead Redis everything is stored and read, and nothing is missing when it is back."""
    now_ns = [0]
    cache = RedisTickCache(redis_url, 20, clock=lambda: now_ns[0])
    repository = TickRepository(store, cache, clock=Now(), monotonic=lambda: now_ns[0])
    repository.insert_batch(TRADES, ticks([1, 2]), 2)
    redis_server.kill()
    repository.insert_batch(TRADES, ticks([3]), 3)
    assert prices(repository.recent(TRADES, 3)) == [1, 2, 3]
    assert prices(repository.ticks(TRADES, T0 + 2000, EVER)) == [2, 3]
    redis_server.start()
    now_ns[0] = 10**12
    repository.insert_batch(TRADES, ticks([4]), 4)
    assert prices(cache.recent(TRADES, 9)) == [1, 2, 3, 4]
    cache.close()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["memory", "tiered"])
def test_with_a_cache_it_answers_as_without(
    request: pytest.FixtureRequest, store: ListStore, kind: str, seed: int
) -> None:
    """Whatever is inserted, late, twice or at one instant, and whatever expires: both give the same answers."""
    world = random.Random(seed)
    now_ns = [10**12]
    memory = InMemoryTickCache(8, ttl_s=5.0, max_series=2, clock=lambda: now_ns[0])
    cache: TickCache = memory
    if kind == "tiered":
        url: str = request.getfixturevalue("redis_url")
        cache = TieredCache(memory, RedisTickCache(url, 16, clock=lambda: now_ns[0]))
    cached, plain = TickRepository(store, cache, clock=Now()), TickRepository(store)
    number = 1
    for _ in range(200):
        series = world.choice([TRADES, TRADES, OTHER, SeriesKey("KRAKEN", "SOLUSD", Schema.TRADES)])
        ids = [max(1, number + world.choice([0] * 9 + [-1, -3, -30])) for number in range(number, number + 4)]
        number += world.randint(1, 6)
        cached.insert_batch(series, ticks(ids, stamps=[T0 + one // 3 for one in ids]), ids[-1])
        now_ns[0] += world.choice([0, 10**8, 10**9])
        rows, start_ns = world.randint(1, 20), T0 + world.randint(0, number) // 3
        assert cached.recent(series, rows).tobytes() == plain.recent(series, rows).tobytes()
        found = cached.ticks(series, start_ns, start_ns + 20)
        assert found.tobytes() == plain.ticks(series, start_ns, start_ns + 20).tobytes()
        assert all(int(a) <= int(b) for a, b in pairwise(found["ts_event"].tolist()))
    assert cache.stats().pushes > 20
    cache.close()
