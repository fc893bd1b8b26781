"""Who follows a series is told what is read from its rings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.errors import TransientError
from core.flow.storefeed import SchemaCounts, StoreFeed
from core.model.records import Records
from tests.conformance.ticks import TRADES
from tests.unit.core.flow.test_consume import CAPACITY, FlakyStore, Losses, Ring


class Told:
    """Remembers what a feed told: how many came, the id, and how many were lost before; None where one resumed."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, int] | None] = []

    def note(self, records: Records, newest_id: int, *, lost: int = 0) -> None:
        """Keep it."""
        self.told.append((len(records), newest_id, lost))

    def resume(self) -> None:
        """Keep it."""
        self.told.append(None)


@pytest.fixture
def ring() -> Iterator[Ring]:
    """A ring of trades."""
    made = Ring(TRADES)
    yield made
    made.feed.reader.close()
    made.writer.close()


def test_a_follower_is_told_everything_once(ring: Ring) -> None:
    """Each batch is told once, also when it is stored late, and what was overwritten before it."""
    store, follower, counts = FlakyStore(), Told(), SchemaCounts()
    feed = StoreFeed.of_ring(ring.writer.path, TRADES, follower)
    ring.push(range(1, 11))
    store.failure = TransientError("storing", "the disk")
    assert not feed.sweep(store, Losses(), counts)
    ring.push(range(11, CAPACITY + 16))
    store.failure = None
    assert feed.sweep(store, Losses(), counts)
    assert follower.told == [(10, 10, 0), (CAPACITY, CAPACITY + 15, 5)]
    assert len(store.kept) == CAPACITY + 10
    feed.close(counts)


def test_a_follower_is_told_where_a_producer_died(ring: Ring) -> None:
    """What a dead producer left in the ring is told first, then that another one goes on."""
    store, follower, counts = FlakyStore(), Told(), SchemaCounts()
    ring.push(range(1, 11))
    feed = StoreFeed.of_ring(ring.writer.path, TRADES, follower, first=10)
    ring.push(range(31, 36))
    assert feed.sweep(store, Losses(), counts)
    ring.push(range(36, 38))
    assert feed.sweep(store, Losses(), counts)
    assert follower.told == [(10, 35, 0), None, (5, 35, 0), (2, 37, 0)]
    feed.close(counts)
