"""What every tick store must do, whatever keeps the records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model.records import F_MAYBE_BAD_BOOK, F_SNAPSHOT, UNDEF_TIMESTAMP, Schema
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import AppendResult, SeriesKey, TickStore
from tests.conformance.ticks import BOOKS, DAY_NS, QUOTES, T0, TRADES, prices, ticks

EVER = 2**64 - 1


class Embedded:
    """Opens the embedded store in one place, again and again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._catalogue = Catalogue(directory / "state" / "catalogue.sqlite3")
        self.store: TickStore = self._open()

    def _open(self) -> TickStore:
        return EmbeddedTickStore(self._directory / "ticks", self._catalogue)

    def reopen(self) -> TickStore:
        """The same store after a restart."""
        self.store.close()
        self.store = self._open()
        return self.store

    def close(self) -> None:
        """Let go of it."""
        self.store.close()
        self._catalogue.close()


@pytest.fixture(params=[Embedded], ids=["embedded"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Embedded]:
    """A place to store in, for each implementation."""
    made: Callable[[Path], Embedded] = request.param
    opened = made(tmp_path)
    yield opened
    opened.close()


def test_what_is_appended_is_read(place: Embedded) -> None:
    """Records of every schema come back byte for byte, and only those of the series asked for."""
    for series in (TRADES, QUOTES, BOOKS):
        batch = ticks(range(1, 101), series=series)
        assert place.store.append(series, batch, 100) == AppendResult(rows=100)
        assert place.store.read(series, 0, EVER).tobytes() == batch.tobytes()
    assert len(place.store.read(SeriesKey("KRAKEN", "ETHUSD", Schema.TRADES), 0, EVER)) == 0
    assert len(place.store.latest(SeriesKey("KRAKEN", "ETHUSD", Schema.TRADES))) == 0


def test_a_range_is_half_open(place: Embedded) -> None:
    """The start belongs to a range and the end does not, across midnight too."""
    stamps = [T0 + day * DAY_NS + second * 10**9 for day in (0, 1, 2) for second in (0, 1, 2)]
    place.store.append(TRADES, ticks(range(1, 10), stamps=stamps), 9)
    assert prices(place.store.read(TRADES, stamps[1], stamps[7])) == [2, 3, 4, 5, 6, 7]
    assert prices(place.store.read(TRADES, stamps[3], stamps[3] + 1)) == [4]
    assert prices(place.store.read(TRADES, stamps[4], stamps[4])) == []
    assert prices(place.store.latest(TRADES)) == [9]


def test_reading_sorts_and_keeps_ties_as_they_came(place: Embedded) -> None:
    """Records that came late are read in their place; those of one instant in the order of arrival."""
    stamps = [T0 + 10, T0 + 30, T0 + 20, T0 + 30, T0 + 10]
    result = place.store.append(TRADES, ticks(range(1, 6), stamps=stamps), 5)
    assert result == AppendResult(rows=5, out_of_order=2)
    assert prices(place.store.read(TRADES, 0, EVER)) == [1, 5, 3, 2, 4]
    assert prices(place.store.latest(TRADES)) == [4]


def test_duplicates_are_refused(place: Embedded) -> None:
    """An id is stored once: within a batch, across batches, in any order, and after a restart."""
    store = place.store
    assert store.append(TRADES, ticks([1, 2, 2, 3]), 3) == AppendResult(rows=3, duplicates=1)
    assert store.append(TRADES, ticks([2, 3, 4, 6]), 6) == AppendResult(rows=2, duplicates=2)
    assert store.append(TRADES, ticks([5, 4]), 4) == AppendResult(rows=1, duplicates=1, out_of_order=1)
    store = place.reopen()
    assert store.append(TRADES, ticks([1, 2, 3, 4, 5, 6, 7]), 7) == AppendResult(rows=1, duplicates=6)
    assert prices(store.read(TRADES, 0, EVER)) == [1, 2, 3, 4, 5, 6, 7]


def test_ids_beyond_32_bits(place: Embedded) -> None:
    """Ids that cross a multiple of 2**32 are told apart by all of their bits, also after a restart."""
    edge = 5 * 2**32
    batch = ticks(range(edge - 3, edge + 3), stamps=range(T0, T0 + 6))
    assert place.store.append(TRADES, batch, edge + 2).rows == 6
    store = place.reopen()
    assert store.append(TRADES, batch, edge + 2) == AppendResult(duplicates=6)
    again = ticks([edge - 4, edge + 3], stamps=[T0, T0 + 7])
    assert store.append(TRADES, again, edge + 3) == AppendResult(rows=2, out_of_order=1)
    assert store.stats()[0].newest_id == edge + 3


def test_series_without_ids_keep_everything(place: Embedded) -> None:
    """Where a venue gives no ids, equal records are all stored, and late ones counted."""
    batch = ticks([0, 0, 0], series=QUOTES, stamps=[T0 + 2, T0 + 1, T0 + 2])
    assert place.store.append(QUOTES, batch, 0) == AppendResult(rows=3, out_of_order=1)
    assert place.store.append(QUOTES, batch, 0) == AppendResult(rows=3, out_of_order=1)
    assert place.store.stats()[0].newest_id == 0


def test_marked_books_share_ids(place: Embedded) -> None:
    """A snapshot or a withdrawn book may bear a stored id; only a byte-identical one is a duplicate."""
    plain = ticks([10, 11], series=BOOKS)
    snapshot = ticks([11], series=BOOKS, flags=F_SNAPSHOT)
    withdrawn = ticks([11], series=BOOKS, flags=F_MAYBE_BAD_BOOK)
    store = place.store
    for batch in (plain, snapshot, withdrawn):
        assert store.append(BOOKS, batch, 11).rows == len(batch)
    store = place.reopen()
    for batch in (plain, snapshot, withdrawn):
        assert store.append(BOOKS, batch, 11) == AppendResult(duplicates=len(batch))
    assert store.append(BOOKS, ticks([11, 12, 12], series=BOOKS, flags=F_SNAPSHOT), 12).rows == 1
    assert store.append(BOOKS, ticks([12], series=BOOKS), 12).rows == 1


def test_snapshot_trades_are_trades(place: Embedded) -> None:
    """A trade that a subscription repeats is a duplicate, though its flags and receipt differ."""
    place.store.append(TRADES, ticks([1, 2, 3]), 3)
    repeated = ticks([2, 3], flags=F_SNAPSHOT)
    repeated["ts_recv"] += 1
    assert place.store.append(TRADES, repeated, 3) == AppendResult(duplicates=2)


def test_a_batch_without_a_reference_uses_the_newest(place: Embedded) -> None:
    """When a push gave no full id, the newest stored one says what the low bits mean."""
    base = 3 * 2**32
    place.store.append(BOOKS, ticks([base + 1], series=BOOKS), base + 1)
    assert place.store.append(BOOKS, ticks([base + 1, base + 2], series=BOOKS), 0).rows == 1
    assert place.store.stats()[0].newest_id == base + 2


def test_invalid_records_are_rejected(place: Embedded) -> None:
    """A record without a time, of another type, length or venue is counted and left out; the rest is stored."""
    batch = ticks(range(1, 8))
    batch["ts_event"][0], batch["ts_event"][1] = 0, UNDEF_TIMESTAMP
    batch["rtype"][2], batch["length"][3], batch["publisher_id"][4] = 1, 20, 1
    assert place.store.append(TRADES, batch, 7) == AppendResult(rows=2, rejected=5)
    assert prices(place.store.read(TRADES, 0, EVER)) == [6, 7]
    assert place.store.append(TRADES, batch[:0], 7) == AppendResult()


def test_totals_survive_a_restart(place: Embedded) -> None:
    """What was stored and what was refused is known after a restart."""
    place.store.append(TRADES, ticks([1, 2, 3]), 3)
    place.store.append(TRADES, ticks([2, 5, 4]), 5)
    bad = ticks([9])
    bad["ts_event"] = 0
    place.store.append(TRADES, bad, 9)
    before = place.store.stats()
    assert place.reopen().stats() == before
    [stats] = before
    assert (stats.rows, stats.duplicates, stats.out_of_order, stats.rejected) == (5, 1, 1, 1)
    assert (stats.newest_id, stats.segments) == (5, 1)
    assert (stats.first_ns, stats.last_ns) == (T0 + 1000, T0 + 5000)


def test_closing_twice_is_fine(place: Embedded) -> None:
    """A closed store can be closed again."""
    place.store.close()
    place.store.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_and_repetition_stores_each_once(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """However trades are cut into batches, repeated, disordered and interrupted by restarts, each is stored once."""
    base = data.draw(st.sampled_from([1, 2**32 - 20, 7 * 2**32 - 5]))
    count = data.draw(st.integers(1, 60))
    step_ns = data.draw(st.sampled_from([1000, DAY_NS // 7]))
    opened = Embedded(tmp_path_factory.mktemp("any"))
    stored: set[int] = set()
    offered = refused = 0
    for _ in range(data.draw(st.integers(1, 8))):
        offsets = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=40))
        ids = [base + offset for offset in (sorted(offsets) if data.draw(st.booleans()) else offsets)]
        batch = ticks(ids, stamps=[T0 + (number - base) * step_ns for number in ids])
        result = opened.store.append(TRADES, batch, ids[-1])
        offered, refused = offered + len(ids), refused + result.duplicates
        assert result.rows == len(set(ids) - stored)
        stored |= set(ids)
        if data.draw(st.booleans()):
            opened.reopen()
    assert prices(opened.store.read(TRADES, 0, EVER)) == sorted(stored)
    assert offered - refused == len(stored)
    opened.close()
