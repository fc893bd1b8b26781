"""What every cache of ticks must do, wherever it keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model.records import F_SNAPSHOT, Records, Schema
from core.store.cache.memory import InMemoryTickCache
from core.store.cache.protocol import TickCache
from core.store.cache.redis import RedisTickCache
from core.store.cache.tiered import TieredCache
from core.store.repository import SeriesKey
from tests.conformance.ticks import BOOKS, QUOTES, T0, TRADES, prices, ticks

WINDOW = 10
OTHER = SeriesKey("KRAKEN", "ETHUSD", Schema.TRADES)

Make: TypeAlias = Callable[..., TickCache]


@pytest.fixture(params=["memory", "redis", "tiered"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes a cache of each kind, with windows of `WINDOW` records unless told otherwise."""
    kind: str = request.param
    url = "" if kind == "memory" else request.getfixturevalue("redis_url")
    made: list[TickCache] = []

    def one(rows: int = WINDOW, schemas: tuple[Schema, ...] = (Schema.TRADES,)) -> TickCache:
        memory = InMemoryTickCache(rows, schemas=schemas)
        if kind == "memory":
            made.append(memory)
        else:
            redis = RedisTickCache(url, rows, schemas=schemas)
            made.append(redis if kind == "redis" else TieredCache(memory, redis))
        return made[-1]

    yield one
    for cache in made:
        cache.close()


@pytest.fixture
def cache(make: Make) -> TickCache:
    """A cache with small windows."""
    return make()


def test_what_is_pushed_is_read(cache: TickCache) -> None:
    """The last records come back byte for byte, ascending; as many as there are."""
    batch = ticks(range(1, 6))
    cache.push(TRADES, batch[:2])
    cache.push(TRADES, batch[2:])
    assert cache.recent(TRADES, 5).tobytes() == batch.tobytes()
    assert prices(cache.recent(TRADES, 2)) == [4, 5]
    assert prices(cache.recent(TRADES, 1000)) == [1, 2, 3, 4, 5]
    assert cache.stats().pushes == 2


@pytest.mark.parametrize("rows", [0, -1, -1000])
def test_no_rows_are_none(cache: TickCache, rows: int) -> None:
    """Fewer than one record are none, never those from the other end."""
    cache.push(TRADES, ticks([1, 2, 3]))
    assert len(cache.recent(TRADES, rows)) == 0


def test_what_is_not_there_is_empty(cache: TickCache) -> None:
    """A series that was never pushed is empty, and so is one of a schema that is not kept."""
    cache.push(QUOTES, ticks([1, 2], series=QUOTES))
    cache.push(TRADES, ticks([]))
    for series in (OTHER, QUOTES, TRADES):
        found = cache.recent(series, 5)
        assert (len(found), found.dtype) == (0, series.schema.dtype)
        assert not cache.follows(series)
        assert cache.since(series, T0) is None


def test_schemas_are_chosen(make: Make) -> None:
    """Records of any schema are kept where that is asked for, whatever their size."""
    cache = make(schemas=(Schema.TRADES, Schema.BOOK))
    for series in (TRADES, BOOKS):
        batch = ticks(range(1, 31), series=series)
        cache.push(series, batch[:13])
        cache.push(series, batch[13:])
        assert cache.recent(series, WINDOW).tobytes() == batch[-WINDOW:].tobytes()


def test_a_window_is_bounded(cache: TickCache) -> None:
    """However much is pushed at once or one by one, the last records are kept, and no more than twice the window."""
    cache.push(TRADES, ticks(range(1, 101)))
    assert prices(cache.recent(TRADES, WINDOW)) == list(range(91, 101))
    for number in range(101, 200):
        cache.push(TRADES, ticks([number]))
        assert prices(cache.recent(TRADES, WINDOW)) == list(range(number - 9, number + 1))
        assert len(cache.recent(TRADES, 1000)) <= 2 * WINDOW


def test_late_records_are_put_in_their_place(cache: TickCache) -> None:
    """A record that came late is read where it belongs, and one older than the window is not kept."""
    cache.push(TRADES, ticks([10, 20, 30]))
    cache.push(TRADES, ticks([25]))
    assert prices(cache.recent(TRADES, 9)) == [10, 20, 25, 30]
    cache.push(TRADES, ticks([5, 40, 15]))
    assert prices(cache.recent(TRADES, 9)) == [10, 15, 20, 25, 30, 40]


def test_one_instant_is_ordered_by_id(cache: TickCache) -> None:
    """Trades of one instant are read by id, also where ids cross a multiple of 2**32."""
    edge = 2**32
    cache.push(TRADES, ticks([edge - 9], stamps=[T0]))
    cache.push(TRADES, ticks([edge + 1, edge - 1], stamps=[T0 + 1, T0 + 1]))
    cache.push(TRADES, ticks([edge], stamps=[T0 + 1]))
    assert prices(cache.recent(TRADES, 3)) == [edge - 1, edge, edge + 1]


def test_repeated_trades_are_kept_once(cache: TickCache) -> None:
    """What a venue sends again after a reconnect is known by its id, though its flags and receipt differ."""
    cache.push(TRADES, ticks([1, 2, 3, 3]))
    again = ticks([2, 3, 4], flags=F_SNAPSHOT)
    again["ts_recv"] += 1
    cache.push(TRADES, again)
    cache.push(TRADES, again[2:])
    assert cache.recent(TRADES, 9)[:3].tobytes() == ticks([1, 2, 3]).tobytes()
    assert prices(cache.recent(TRADES, 9)) == [1, 2, 3, 4]


def test_records_without_ids_stay_as_they_came(cache: TickCache) -> None:
    """Equal records of one instant are all kept, in the order of arrival."""
    batch = ticks([0] * 4, stamps=[T0] * 4)
    batch["price"] = [3, 1, 2, 1]
    for record in range(4):
        cache.push(TRADES, batch[record : record + 1])
    assert prices(cache.recent(TRADES, 4)) == [3, 1, 2, 1]


def test_what_was_read_never_changes(cache: TickCache) -> None:
    """Neither later nor late pushes reach into records that somebody holds."""
    cache.push(TRADES, ticks(range(100, 105)))
    held = [(cache.recent(TRADES, 5), list(range(100, 105)))]
    for number in range(105, 200):
        cache.push(TRADES, ticks([number, number - 3] if number % 7 == 0 else [number]))
        found = cache.recent(TRADES, 5)
        held.append((found, prices(found)))
    assert all(prices(records) == expected for records, expected in held)


def test_a_strided_batch_is_kept(cache: TickCache) -> None:
    """Records that do not lie next to each other in memory are pushed like any."""
    cache.push(TRADES, ticks(range(1, 9))[::2])
    cache.push(TRADES, ticks(range(11, 19))[1::2])
    assert prices(cache.recent(TRADES, 9)) == [1, 3, 5, 7, 12, 14, 16, 18]


def test_replaced_windows_are_continued(cache: TickCache) -> None:
    """What replaces a window is what pushes go on from; nothing at all is a window, too."""
    cache.push(TRADES, ticks([1, 2]))
    cache.replace(TRADES, ticks(range(50, 80)))
    cache.push(TRADES, ticks([80]))
    assert prices(cache.recent(TRADES, 3)) == [78, 79, 80]
    assert cache.follows(TRADES)
    cache.replace(TRADES, ticks([]))
    assert len(cache.recent(TRADES, 3)) == 0
    cache.push(TRADES, ticks([81]))
    assert prices(cache.recent(TRADES, 3)) == [81]


def test_a_range_needs_an_older_record(cache: TickCache) -> None:
    """A range is answered only when an older record proves that nothing of it is missing."""
    cache.push(TRADES, ticks([1, 2, 3, 4]))
    assert cache.since(TRADES, T0 + 1000) is None
    found = cache.since(TRADES, T0 + 1001)
    assert found is not None
    assert prices(found) == [2, 3, 4]
    beyond = cache.since(TRADES, T0 + 10**9)
    assert beyond is not None
    assert prices(beyond) == []
    cache.push(TRADES, ticks(range(5, 60)))
    assert cache.since(TRADES, T0 + 1001) is None


def test_cleared_series_are_empty(cache: TickCache) -> None:
    """One series or all are forgotten, and pushes begin anew."""
    for series in (TRADES, OTHER):
        cache.push(series, ticks([1, 2], series=series))
    cache.clear(OTHER)
    assert len(cache.recent(OTHER, 1)) == 0
    assert prices(cache.recent(TRADES, 1)) == [2]
    cache.clear()
    assert len(cache.recent(TRADES, 1)) == 0
    cache.push(TRADES, ticks([3]))
    assert prices(cache.recent(TRADES, 5)) == [3]


def test_closing_twice_is_fine(cache: TickCache) -> None:
    """A closed cache can be closed again."""
    cache.push(TRADES, ticks([1]))
    cache.close()
    cache.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(st.integers(1, 60), min_size=1, max_size=60),
    sizes=st.lists(st.integers(1, 25), min_size=1, max_size=60),
    rows=st.integers(1, 12),
    with_ids=st.booleans(),
)
def test_any_split_keeps_the_same_window(
    make: Make, numbers: list[int], sizes: list[int], rows: int, with_ids: bool
) -> None:
    """However records are cut into pushes, the window holds the last of them in the order of a store."""
    cache = make(rows)
    whole = _batch(numbers, with_ids=with_ids)
    position = 0
    for size in sizes * len(numbers):
        if position < len(whole):
            cache.push(TRADES, whole[position : position + size])
            position += size
    expected = _expected(whole, with_ids=with_ids)[-rows:]
    assert cache.recent(TRADES, rows).tobytes() == expected.tobytes()
    cache.close()


def _batch(numbers: list[int], *, with_ids: bool) -> Records:
    # Three ids an instant; the price is the place in the order of arrival.
    batch = ticks(numbers if with_ids else [0] * len(numbers), stamps=[T0 + number // 3 for number in numbers])
    batch["price"] = range(len(numbers))
    return batch


def _expected(whole: Records, *, with_ids: bool) -> Records:
    keys = [
        (int(record["ts_event"]), int(record["sequence"]) if with_ids else 0, place)
        for place, record in enumerate(whole)
    ]
    kept = {number or -place: (stamp, number, place) for stamp, number, place in reversed(keys)}
    order = [key for key in sorted(kept.values()) if key >= keys[0]]
    return np.array(whole[[place for _, _, place in order]])
