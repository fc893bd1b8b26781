"""Two tiers: which one answers, what each gets, and that a Redis that fails is survived without a hole."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import pytest

from core.errors import ConsoleError
from core.model.records import Records, Schema
from core.store.cache.memory import InMemoryTickCache
from core.store.cache.redis import RedisTickCache, key_of
from core.store.cache.tiered import CAUGHT_UP_A_PUSH, TieredCache
from core.store.repository import SeriesKey
from tests.conformance.ticks import BOOKS, T0, TRADES, prices, ticks
from tests.servers.redis import RedisServer
from tests.unit.core.store.cache.support import frozen, looking_into, setting, until

SMALL, LARGE = 5, 50


class Tiers:
    """Two tiers whose time a test moves on."""

    def __init__(self, url: str, *, small: int = SMALL, large: int = LARGE) -> None:
        self.now_ns = 10**12
        self.memory = InMemoryTickCache(small, clock=self._now)
        self.redis = RedisTickCache(url, large, clock=self._now)
        self.cache = TieredCache(self.memory, self.redis, clock=lambda: 1234)

    def _now(self) -> int:
        return self.now_ns

    def wait(self, seconds: float = 6.0) -> None:
        """Let time pass: by itself longer than any pause after a failure."""
        self.now_ns += int(seconds * 10**9)

    def close(self) -> None:
        """Let go."""
        self.cache.close()


@pytest.fixture
def tiers(redis_url: str) -> Iterator[Tiers]:
    """Five records a series in memory, fifty in Redis."""
    made = Tiers(redis_url)
    yield made
    made.close()


def test_memory_answers_first(tiers: Tiers) -> None:
    """What memory has costs no question to Redis."""
    tiers.cache.push(TRADES, ticks(range(1, 10)))
    assert prices(tiers.cache.recent(TRADES, 3)) == [7, 8, 9]
    found = tiers.cache.since(TRADES, T0 + 7000)
    assert found is not None
    assert prices(found) == [7, 8, 9]
    stats = tiers.cache.stats()
    assert (stats.hits_l1, stats.hits_l2, stats.misses, stats.pushes, stats.series) == (2, 0, 0, 1, 1)


def test_redis_answers_what_memory_lacks(tiers: Tiers) -> None:
    """More than memory holds comes from Redis; what neither holds is a miss, with the longer window returned."""
    for number in range(1, 21):
        tiers.cache.push(TRADES, ticks([number]))
    assert prices(tiers.cache.recent(TRADES, 12)) == list(range(9, 21))
    found = tiers.cache.since(TRADES, T0 + 4000)
    assert found is not None
    assert prices(found) == list(range(4, 21))
    assert prices(tiers.cache.recent(TRADES, 45)) == list(range(1, 21))
    assert tiers.cache.since(TRADES, T0) is None
    stats = tiers.cache.stats()
    assert (stats.hits_l1, stats.hits_l2, stats.misses) == (0, 2, 2)


def test_a_reader_fills_its_memory_for_a_moment(tiers: Tiers, redis_url: str) -> None:
    """A process that only reads has it from Redis, then from memory, and from Redis again before it is stale."""
    tiers.cache.push(TRADES, ticks([1, 2, 3]))
    reader = Tiers(redis_url)
    for expected in ((0, 1), (1, 1)):
        assert prices(reader.cache.recent(TRADES, 2)) == [2, 3]
        stats = reader.cache.stats()
        assert (stats.hits_l1, stats.hits_l2) == expected
    assert stats.backfills == 1
    tiers.cache.push(TRADES, ticks([4]))
    reader.wait(1.0)
    assert prices(reader.cache.recent(TRADES, 2)) == [3, 4]
    assert reader.cache.since(TRADES, T0 + 4000) is None
    reader.close()


def test_memory_is_back_filled_from_redis_where_they_overlap(tiers: Tiers) -> None:
    """After its time in memory ran out a series goes on in Redis, which lengthens the new window in memory."""
    tiers.cache.push(TRADES, ticks(range(1, 5)))
    tiers.wait(301)
    assert not tiers.cache.follows(TRADES)
    tiers.cache.push(TRADES, ticks([5]))
    assert prices(tiers.memory.recent(TRADES, 5)) == [5]
    assert prices(tiers.cache.recent(TRADES, 5)) == [1, 2, 3, 4, 5]
    assert prices(tiers.memory.recent(TRADES, 5)) == [1, 2, 3, 4, 5]
    tiers.cache.push(TRADES, ticks([6]))
    assert prices(tiers.memory.recent(TRADES, 5)) == [2, 3, 4, 5, 6]


def test_a_process_that_starts_writes_what_it_has(tiers: Tiers, redis_url: str) -> None:
    """What an earlier process left in Redis is replaced by the first push: ticks may be missing after it."""
    tiers.cache.push(TRADES, ticks([1, 2]))
    later = Tiers(redis_url)
    later.cache.replace(TRADES, ticks([7, 8]))
    later.cache.push(TRADES, ticks([9]))
    assert prices(tiers.redis.recent(TRADES, 9)) == [7, 8, 9]
    later.close()


def test_an_outage_is_survived_and_said_once(
    tiers: Tiers, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Without Redis memory goes on; the log tells when it went and when it came back, the counts tell the rest."""
    caplog.set_level(logging.INFO, "ringside.cache")
    tiers.cache.push(TRADES, ticks([1, 2]))
    redis_server.kill()
    for number in range(3, 30):
        tiers.cache.push(TRADES, ticks([number]))
        tiers.now_ns += 10**9
        assert prices(tiers.cache.recent(TRADES, 2)) == [number - 1, number]
        assert len(tiers.cache.recent(TRADES, 40)) < 40
    stats = tiers.cache.stats()
    assert 3 <= stats.failures < 27
    assert stats.since_ns == 1234
    assert "asking Redis" in stats.last_error
    redis_server.start()
    tiers.wait()
    tiers.cache.push(TRADES, ticks([30]))
    assert tiers.cache.stats().since_ns == 0
    assert prices(tiers.redis.recent(TRADES, 40)) == [26, 27, 28, 29, 30]
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "going on without Redis",
        "Redis is back",
    ]


def test_no_window_with_a_hole_is_served(tiers: Tiers, redis_server: RedisServer, redis_url: str) -> None:
    """A Redis that comes back with what it held before the outage is not believed, and not appended to."""
    tiers.cache.push(TRADES, ticks(range(1, 21)))
    with looking_into(redis_url) as client:
        before = client.get(key_of(TRADES))
    assert isinstance(before, bytes)
    with frozen(redis_server):
        for number in range(21, 31):
            tiers.cache.push(TRADES, ticks([number]))
    tiers.wait()
    with looking_into(redis_url) as client:
        client.set(key_of(TRADES), before)
    assert prices(tiers.cache.recent(TRADES, 9)) == [26, 27, 28, 29, 30]
    assert tiers.cache.since(TRADES, T0 + 15_000) is None
    tiers.cache.push(TRADES, ticks([31]))
    assert prices(tiers.redis.recent(TRADES, 40)) == [27, 28, 29, 30, 31]
    assert prices(tiers.cache.recent(TRADES, 9)) == [27, 28, 29, 30, 31]


def test_quiet_series_are_mended_too(tiers: Tiers, redis_server: RedisServer, redis_url: str) -> None:
    """After an outage every series gets its window anew, a few with each push, also those that are quiet."""
    quiet = [SeriesKey("KRAKEN", f"COIN{number}", Schema.TRADES) for number in range(2 * CAUGHT_UP_A_PUSH)]
    for series in quiet:
        tiers.cache.push(series, ticks([1, 2]))
    redis_server.kill()
    tiers.cache.push(quiet[0], ticks([3]))
    tiers.memory.clear(quiet[1])
    redis_server.start()
    with looking_into(redis_url) as client:
        for series in quiet:
            client.set(key_of(series), ticks([1]).tobytes())
    tiers.wait()
    for number in (4, 5, 6):
        tiers.cache.push(TRADES, ticks([number]))
    assert prices(tiers.redis.recent(quiet[0], 9)) == [1, 2, 3]
    assert len(tiers.redis.recent(quiet[1], 9)) == 0
    assert all(prices(tiers.redis.recent(series, 9)) == [1, 2] for series in quiet[2:])


def test_a_full_redis_is_survived(tiers: Tiers, redis_url: str) -> None:
    """A Redis without memory left loses the window instead of keeping one with a hole."""
    tiers.cache.push(TRADES, ticks([1]))
    with setting(redis_url, "maxmemory", "1", before="0"):
        tiers.cache.push(TRADES, ticks([2]))
        assert "out of memory" in tiers.cache.stats().last_error
        with looking_into(redis_url) as client:
            assert client.exists(key_of(TRADES)) == 0
    tiers.wait()
    tiers.cache.push(TRADES, ticks([3]))
    assert prices(tiers.redis.recent(TRADES, 9)) == [1, 2, 3]


def test_a_wrong_password_stops_nothing(redis_url: str) -> None:
    """With a Redis that lets nobody in memory works, and the failure is shown without the password."""
    with setting(redis_url, "requirepass", "hunter2", before="", password="hunter2"):
        tiers = Tiers(redis_url.replace("unix://", "unix://:hunter3@"))
        tiers.cache.push(TRADES, ticks([1]))
        assert prices(tiers.cache.recent(TRADES, 1)) == [1]
        stats = tiers.cache.stats()
        assert stats.failures == 1
        assert "hunter" not in stats.last_error
        tiers.close()


def test_clearing_reaches_redis_later(tiers: Tiers, redis_server: RedisServer) -> None:
    """What is cleared during an outage is deleted once Redis is back, and not read from it before."""
    tiers.cache.push(TRADES, ticks([1, 2]))
    with frozen(redis_server):
        tiers.cache.clear(TRADES)
    tiers.wait()
    assert len(tiers.cache.recent(TRADES, 2)) == 0
    tiers.cache.clear()
    assert len(tiers.redis.recent(TRADES, 2)) == 0


def test_without_redis_memory_is_all() -> None:
    """The second tier may be left out."""
    cache = TieredCache(InMemoryTickCache(5))
    cache.push(TRADES, ticks([1, 2]))
    assert prices(cache.recent(TRADES, 9)) == [1, 2]
    assert cache.since(TRADES, T0) is None
    cache.push(BOOKS, ticks([1], series=BOOKS))
    cache.clear()
    assert cache.stats().misses == 2
    cache.close()


@pytest.mark.parametrize("seed", range(3))
def test_chaos_leaves_no_hole(redis_url: str, redis_server: RedisServer, seed: int) -> None:
    """Whatever happens to Redis while two threads push and one reads, every window is without a hole.

    The reader has a cache of its own and sees only Redis.
    """
    world = random.Random(seed)
    tiers = Tiers(redis_url, small=20, large=30)
    reader = RedisTickCache(redis_url, 30)
    series = [SeriesKey("KRAKEN", name, Schema.TRADES) for name in ("BTCUSD", "ETHUSD")]
    done = threading.Event()
    faults: list[str] = []

    def push(one: SeriesKey) -> None:
        number = 1
        while not done.is_set():
            rows = number % 4 + 1
            tiers.cache.push(one, ticks(range(number, number + rows)))
            number += rows
            tiers.now_ns += 10**7
            _note_holes(faults, tiers.cache.recent(one, 25))

    def read() -> None:
        while not done.is_set():
            for one in series:
                try:
                    _note_holes(faults, reader.recent(one, 30))
                except ConsoleError:
                    done.wait(0.01)

    threads = [threading.Thread(target=push, args=(one,)) for one in series] + [threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        until(partial(_pushed, tiers.cache, tiers.cache.stats().pushes + 40))
        _disturb(world, redis_server, redis_url)
    done.set()
    for thread in threads:
        thread.join()
    assert faults == [], f"seed {seed}"
    tiers.close()
    reader.close()


def _pushed(cache: TieredCache, pushes: int) -> bool:
    return cache.stats().pushes >= pushes


def _disturb(world: random.Random, server: RedisServer, url: str) -> None:
    match world.choice(["kill", "freeze", "flush", "restore"]):
        case "kill":
            server.kill()
            server.start()
        case "freeze":
            with frozen(server):
                threading.Event().wait(world.uniform(0.0, 0.7))
        case "flush":
            server.clear()
        case _:
            # As a server does that comes back with an old snapshot: nobody has a connection from before.
            with looking_into(url) as client:
                values = {key: client.get(key) for key in client.scan_iter()}
            server.kill()
            server.start()
            with looking_into(url) as client:
                for key, value in values.items():
                    client.set(key, value or b"", nx=True)


def _note_holes(faults: list[str], records: Records) -> None:
    found = prices(records)
    if any(later != earlier + 1 for earlier, later in pairwise(found)):
        faults.append(str(found))
