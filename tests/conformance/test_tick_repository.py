"""A repository answers the same whatever keeps the records and whatever cache is in front, to the byte."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.bars.timeframes import Timeframe
from core.clock import NS_PER_S
from core.model.records import Schema
from core.store.cache.memory import InMemoryTickCache
from core.store.cache.protocol import TickCache
from core.store.cache.redis import RedisTickCache
from core.store.cache.tiered import TieredCache
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import SeriesKey, TickStore
from core.store.ticks import TickRepository
from tests.conformance.ticks import DAY_NS, T0, TRADES, prices, ticks

EVER = 2**64 - 1
OTHER = SeriesKey("KRAKEN", "ETHUSD", Schema.TRADES)


@pytest.fixture(params=["embedded", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TickStore]:
    """An empty store, for each implementation."""
    if request.param == "embedded":
        catalogue = Catalogue(tmp_path / "state" / "catalogue.sqlite3")
        embedded = EmbeddedTickStore(tmp_path / "ticks", catalogue)
        yield embedded
        embedded.close()
        catalogue.close()
        return
    from core.store.postgres.store import PostgresTickStore

    postgres = PostgresTickStore(request.getfixturevalue("migrated_url"), durable=False)
    yield postgres
    postgres.close()


@pytest.fixture(params=["memory", "redis", "tiered"])
def cache(request: pytest.FixtureRequest) -> Iterator[TickCache]:
    """A small cache, of each kind."""
    made: TickCache = InMemoryTickCache(30)
    if request.param != "memory":
        redis = RedisTickCache(request.getfixturevalue("redis_url"), 60)
        made = redis if request.param == "redis" else TieredCache(InMemoryTickCache(30), redis)
    yield made
    made.close()


def _ids(world: random.Random, first: int) -> list[int]:
    ids = list(range(first, first + world.randint(1, 12)))
    if world.random() < 0.2:
        ids.append(max(1, first - world.randint(1, 40)))
    if world.random() < 0.1:
        ids.append(ids[0])
    if world.random() < 0.2:
        world.shuffle(ids)
    return ids


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["ids", "no ids", "numbers that are no ids"])
def test_a_cache_changes_no_answer(store: TickStore, cache: TickCache, seed: int, kind: str) -> None:
    """Late trades, trades of one instant, repeated ones: what was inserted is read as from the store alone."""
    world = random.Random(seed)
    now: Callable[[], int] = lambda: T0 + 1800 * NS_PER_S  # noqa: E731
    cached, plain = TickRepository(store, cache, clock=now), TickRepository(store)
    number = 100
    for _ in range(60):
        series = world.choice([TRADES, TRADES, OTHER])
        ids = _ids(world, number)
        number += world.randint(5, 14)
        batch = ticks(ids, series=series, stamps=[T0 + one // 3 for one in ids])
        if kind == "no ids":
            batch["sequence"] = 0
        cached.insert_batch(series, batch, ids[-1] if kind == "ids" else 0)
        rows, start_ns = world.randint(1, 70), T0 + world.randint(max(0, number - 60), number) // 3
        for _ in range(2):
            assert cached.recent(series, rows).tobytes() == plain.recent(series, rows).tobytes()
            found = cached.ticks(series, start_ns, EVER)
            assert found.tobytes() == plain.ticks(series, start_ns, EVER).tobytes()
        assert cached.latest_price(series) == plain.latest_price(series)
    assert cache.stats().pushes > 20 or kind == "numbers that are no ids"


def test_history_and_bars_span_days(store: TickStore) -> None:
    """Days are read one by one, in both directions, and make the same bars as all at once."""
    repository = TickRepository(store)
    stamps = [T0 + hour * 3600 * NS_PER_S for hour in range(0, 24 * 10, 7)]
    repository.insert_batch(TRADES, ticks(range(1, len(stamps) + 1), stamps=stamps), len(stamps))
    pages = list(repository.history(TRADES, T0 + DAY_NS, T0 + 4 * DAY_NS))
    assert [int(page["ts_event"][0]) // DAY_NS - T0 // DAY_NS for page in pages] == [1, 2, 3]
    forwards = [price for page in pages for price in prices(page)]
    backwards = [
        price
        for page in repository.history_newest_first(TRADES, T0 + DAY_NS, T0 + 4 * DAY_NS)
        for price in prices(page)
    ]
    assert forwards == backwards[::-1] == sorted(forwards)
    whole = store.read(TRADES, 0, EVER)
    for frame in Timeframe:
        assert repository.bars(TRADES, frame, 0, EVER).tolist() == frame.bars(whole).tolist()
    assert len(repository.recent(OTHER, 5)) == 0
