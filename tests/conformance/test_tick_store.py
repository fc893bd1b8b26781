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
from tests.conformance.ticks import BOOKS, DAY_NS, QUOTES, T0, TRADES, bars, prices, ticks
from tests.unit.core.store.scripted import PatientStore, ScriptedRemote

EVER = 2**64 - 1
BARS = SeriesKey("KRAKEN", "BTCUSD", Schema.BARS_1M)


class Place:
    """Opens one store again and again."""

    def __init__(self, make: Callable[[], TickStore]) -> None:
        self._make = make
        self.store = make()

    def reopen(self) -> TickStore:
        """The same store after a restart."""
        self.store.close()
        self.store = self._make()
        return self.store


@pytest.fixture(params=["embedded", "postgres", "postgres in a hurry", "spilling", "spilled"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place to store in, for each implementation."""
    if request.param == "embedded":
        catalogue = Catalogue(tmp_path / "state" / "catalogue.sqlite3")
        opened = Place(lambda: EmbeddedTickStore(tmp_path / "ticks", catalogue))
        yield opened
        opened.store.close()
        catalogue.close()
        return
    if request.param.startswith("spill"):
        remote = ScriptedRemote(tmp_path)
        by_way_of_disk = request.param == "spilled"
        opened = Place(lambda: PatientStore(remote, tmp_path / "spill", by_way_of_disk=by_way_of_disk))
        yield opened
        opened.store.close()
        remote.store.close()
        return
    from core.store.postgres.store import PostgresTickStore

    url = request.getfixturevalue("migrated_url")
    opened = Place(lambda: PostgresTickStore(url, durable=request.param == "postgres"))
    yield opened
    opened.store.close()


def test_what_is_appended_is_read(place: Place) -> None:
    """Records of every schema come back byte for byte, and only those of the series asked for."""
    for series in (TRADES, QUOTES, BOOKS):
        batch = ticks(range(1, 101), series=series)
        assert place.store.append(series, batch, 100) == AppendResult(rows=100)
        assert place.store.read(series, 0, EVER).tobytes() == batch.tobytes()
    assert len(place.store.read(SeriesKey("KRAKEN", "ETHUSD", Schema.TRADES), 0, EVER)) == 0
    assert len(place.store.latest(SeriesKey("KRAKEN", "ETHUSD", Schema.TRADES))) == 0


def test_a_range_is_half_open(place: Place) -> None:
    """The start belongs to a range and the end does not, across midnight too."""
    stamps = [T0 + day * DAY_NS + second * 10**9 for day in (0, 1, 2) for second in (0, 1, 2)]
    place.store.append(TRADES, ticks(range(1, 10), stamps=stamps), 9)
    assert prices(place.store.read(TRADES, stamps[1], stamps[7])) == [2, 3, 4, 5, 6, 7]
    assert prices(place.store.read(TRADES, stamps[3], stamps[3] + 1)) == [4]
    assert prices(place.store.read(TRADES, stamps[4], stamps[4])) == []
    assert prices(place.store.latest(TRADES)) == [9]


def test_reading_sorts_and_keeps_ties_as_they_came(place: Place) -> None:
    """Records that came late are read in their place; those of one instant in the order of arrival."""
    stamps = [T0 + 10, T0 + 30, T0 + 20, T0 + 30, T0 + 10]
    result = place.store.append(TRADES, ticks(range(1, 6), stamps=stamps), 5)
    assert result == AppendResult(rows=5, out_of_order=2)
    assert prices(place.store.read(TRADES, 0, EVER)) == [1, 5, 3, 2, 4]
    assert prices(place.store.latest(TRADES)) == [4]


def test_duplicates_are_refused(place: Place) -> None:
    """An id is stored once: within a batch, across batches, in any order, and after a restart."""
    store = place.store
    assert store.append(TRADES, ticks([1, 2, 2, 3]), 3) == AppendResult(rows=3, duplicates=1)
    assert store.append(TRADES, ticks([2, 3, 4, 6]), 6) == AppendResult(rows=2, duplicates=2)
    assert store.append(TRADES, ticks([5, 4]), 4) == AppendResult(rows=1, duplicates=1, out_of_order=1)
    store = place.reopen()
    assert store.append(TRADES, ticks([1, 2, 3, 4, 5, 6, 7]), 7) == AppendResult(rows=1, duplicates=6)
    assert prices(store.read(TRADES, 0, EVER)) == [1, 2, 3, 4, 5, 6, 7]


def test_ids_beyond_32_bits(place: Place) -> None:
    """Ids that cross a multiple of 2**32 are told apart by all of their bits, also after a restart."""
    edge = 5 * 2**32
    batch = ticks(range(edge - 3, edge + 3), stamps=range(T0, T0 + 6))
    assert place.store.append(TRADES, batch, edge + 2).rows == 6
    store = place.reopen()
    assert store.append(TRADES, batch, edge + 2) == AppendResult(duplicates=6)
    again = ticks([edge - 4, edge + 3], stamps=[T0, T0 + 7])
    assert store.append(TRADES, again, edge + 3) == AppendResult(rows=2, out_of_order=1)
    assert store.stats()[0].newest_id == edge + 3


def test_series_without_ids_keep_everything(place: Place) -> None:
    """Where a venue gives no ids, equal records are all stored, and late ones counted."""
    batch = ticks([0, 0, 0], series=QUOTES, stamps=[T0 + 2, T0 + 1, T0 + 2])
    assert place.store.append(QUOTES, batch, 0) == AppendResult(rows=3, out_of_order=1)
    assert place.store.append(QUOTES, batch, 0) == AppendResult(rows=3, out_of_order=1)
    assert place.store.stats()[0].newest_id == 0


def test_marked_books_share_ids(place: Place) -> None:
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


def test_snapshot_trades_are_trades(place: Place) -> None:
    """A trade that a subscription repeats is a duplicate, though its flags and receipt differ."""
    place.store.append(TRADES, ticks([1, 2, 3]), 3)
    repeated = ticks([2, 3], flags=F_SNAPSHOT)
    repeated["ts_recv"] += 1
    assert place.store.append(TRADES, repeated, 3) == AppendResult(duplicates=2)


def test_a_batch_without_a_reference_uses_the_newest(place: Place) -> None:
    """When a push gave no full id, the newest stored one says what the low bits mean."""
    base = 3 * 2**32
    place.store.append(BOOKS, ticks([base + 1], series=BOOKS), base + 1)
    assert place.store.append(BOOKS, ticks([base + 1, base + 2], series=BOOKS), 0).rows == 1
    assert place.store.stats()[0].newest_id == base + 2


def test_invalid_records_are_rejected(place: Place) -> None:
    """A record without a time, of another type, length or venue is counted and left out; the rest is stored."""
    batch = ticks(range(1, 8))
    batch["ts_event"][0], batch["ts_event"][1] = 0, UNDEF_TIMESTAMP
    batch["rtype"][2], batch["length"][3], batch["publisher_id"][4] = 1, 20, 1
    assert place.store.append(TRADES, batch, 7) == AppendResult(rows=2, rejected=5)
    assert prices(place.store.read(TRADES, 0, EVER)) == [6, 7]
    assert place.store.append(TRADES, batch[:0], 7) == AppendResult()


def test_totals_survive_a_restart(place: Place) -> None:
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


def test_closing_twice_is_fine(place: Place) -> None:
    """A closed store can be closed again."""
    place.store.close()
    place.store.close()


def test_restarting_reads_the_same(place: Place) -> None:
    """What was read before a restart is read after it, in the same order."""
    stamps = [T0 + 5, T0 + DAY_NS, T0 + 5, T0]
    place.store.append(TRADES, ticks([3, 4, 2, 1], stamps=stamps), 4)
    before = place.store.read(TRADES, 0, EVER).tobytes()
    assert place.reopen().read(TRADES, 0, EVER).tobytes() == before


def test_trades_of_one_instant_are_read_by_id(place: Place) -> None:
    """Of trades with ids and one time the lower id is read first, whenever it came."""
    place.store.append(TRADES, ticks([5, 9], stamps=[T0, T0]), 9)
    place.store.append(TRADES, ticks([7, 6], stamps=[T0, T0]), 7)
    assert prices(place.store.read(TRADES, 0, EVER)) == [5, 6, 7, 9]
    assert prices(place.store.latest(TRADES, 2)) == [7, 9]


def test_quotes_of_one_instant_are_read_as_they_came(place: Place) -> None:
    """Of anything but trades with ids those of one time keep the order of arrival."""
    place.store.append(QUOTES, ticks([5, 9], series=QUOTES, stamps=[T0, T0]), 9)
    place.store.append(QUOTES, ticks([7], series=QUOTES, stamps=[T0]), 7)
    assert prices(place.store.read(QUOTES, 0, EVER)) == [5, 9, 7]
    assert prices(place.store.latest(QUOTES, 2)) == [9, 7]
    nameless = SeriesKey("KRAKEN", "NOIDS", Schema.TRADES)
    batch = ticks([3, 1, 2], series=nameless, stamps=[T0, T0, T0])
    for repetition in range(1, 3):
        assert place.store.append(nameless, batch, 0).rows == 3
        assert prices(place.store.read(nameless, 0, EVER)) == [3, 1, 2] * repetition
    assert prices(place.store.latest(nameless, 4)) == [2, 3, 1, 2]
    assert place.store.read(nameless, 0, EVER)[:3].tobytes() == batch.tobytes()


def test_full_ids_are_read_too(place: Place) -> None:
    """Beside the records their ids come with all of their bits, and 0 where the venue gave none."""
    edge = 2**33
    place.store.append(TRADES, ticks(range(edge - 2, edge + 2), stamps=range(T0, T0 + 4)), edge + 1)
    place.store.append(BOOKS, ticks([edge], series=BOOKS), edge)
    place.store.append(BOOKS, ticks([edge + 1], series=BOOKS, flags=F_SNAPSHOT), edge + 1)
    place.store.append(QUOTES, ticks([0, 0], series=QUOTES, stamps=[T0, T0 + 1]), 0)
    store = place.reopen()
    numbered = store.read_numbered(TRADES, T0 + 1, T0 + 4)
    assert numbered.ids.tolist() == [edge - 1, edge, edge + 1]
    assert numbered.records.tobytes() == store.read(TRADES, T0 + 1, T0 + 4).tobytes()
    assert store.read_numbered(BOOKS, 0, EVER).ids.tolist() == [edge, edge + 1]
    assert store.read_numbered(QUOTES, 0, EVER).ids.tolist() == [0, 0]
    assert len(store.read_numbered(TRADES, T0 + 4, T0).ids) == 0


def test_days_and_series_are_listed(place: Place) -> None:
    """What is stored is known by its series, in the order of their names, and the days that hold some of it."""
    first = T0 // DAY_NS
    stamps = [T0 + 3 * DAY_NS, T0, T0 + DAY_NS - 1]
    place.store.append(TRADES, ticks([3, 1, 2], stamps=stamps), 3)
    place.store.append(BOOKS, ticks([1], series=BOOKS), 1)
    assert place.store.series() == [BOOKS, TRADES]
    assert place.store.days(TRADES) == [first, first + 3]
    assert place.store.days(BOOKS) == [first]
    assert place.store.days(QUOTES) == []


def test_the_latest_of_several_days(place: Place) -> None:
    """The last rows are found across midnight; when there are fewer, all of them come."""
    stamps = [T0, T0 + 1, T0 + DAY_NS, T0 + 2 * DAY_NS]
    place.store.append(TRADES, ticks([1, 2, 3, 4], stamps=stamps), 4)
    for rows, expected in ((1, [4]), (2, [3, 4]), (3, [2, 3, 4]), (20, [1, 2, 3, 4]), (0, [])):
        assert prices(place.store.latest(TRADES, rows)) == expected


def test_bars_are_one_an_instant(place: Place) -> None:
    """Bars come back byte for byte; another one of the same instant is a duplicate, the first one stays."""
    batch = bars([T0, T0 + 60, T0 + 120])
    store = place.store
    assert store.append(BARS, batch, 0) == AppendResult(rows=3)
    changed = bars([T0 + 60, T0 + 180, T0 + 180, T0 + 90])
    changed["close"] += 1
    assert store.append(BARS, changed, 0) == AppendResult(rows=2, duplicates=2, out_of_order=1)
    store = place.reopen()
    assert store.append(BARS, batch, 0) == AppendResult(duplicates=3)
    found = store.read(BARS, 0, EVER)
    assert found[[0, 1, 3]].tobytes() == batch.tobytes()
    assert found["ts_event"].tolist() == [T0, T0 + 60, T0 + 90, T0 + 120, T0 + 180]
    assert store.latest(BARS, 2)["ts_event"].tolist() == [T0 + 120, T0 + 180]
    assert store.read_numbered(BARS, 0, EVER).ids.tolist() == [0] * 5
    assert store.days(BARS) == [T0 // DAY_NS]
    [stats] = store.stats()
    assert (stats.rows, stats.duplicates, stats.newest_id) == (5, 5, 0)


def test_databento_records_keep_every_bit(place: Place) -> None:
    """Of a venue that is not ours the fields keep their own meaning and all of their bits."""
    series = SeriesKey("XNAS.ITCH", "AAPL", Schema.TRADES)
    batch = ticks([1, 2, 3], series=TRADES)
    batch["publisher_id"], batch["instrument_id"] = 2, 2**32 - 1
    batch["size"], batch["ts_in_delta"] = 2**32 - 1, [-(2**31), -1, 2**31 - 1]
    batch["ts_recv"], batch["price"] = UNDEF_TIMESTAMP, [2**63 - 1, -(2**63), 0]
    batch["flags"], batch["depth"], batch["action"], batch["side"] = 255, 255, b"\xff", b"\x00"
    assert place.store.append(series, batch, 3) == AppendResult(rows=3)
    assert place.store.read(series, 0, EVER).tobytes() == batch.tobytes()
    own = ticks([4])
    own["publisher_id"] = 61_441
    assert place.store.append(series, own, 4) == AppendResult(rejected=1)


def test_times_beyond_2262_are_rejected(place: Place) -> None:
    """An instant that signed 64 bits do not hold is nobody's: such a record is counted and left out."""
    assert place.store.append(TRADES, ticks([1], stamps=[2**63]), 1) == AppendResult(rejected=1)


def test_large_batches_count_alike(place: Place) -> None:
    """Thousands at once, disordered and in part stored before, are counted as few are."""
    ids = [*range(1, 20_001), *range(5, 15), *range(30_000, 20_000, -1)]
    batch = ticks(ids)
    half = batch[:10_000]
    assert place.store.append(TRADES, half, 10_000) == AppendResult(rows=10_000)
    assert place.store.append(TRADES, batch, 30_000) == AppendResult(
        rows=20_000, duplicates=10_010, out_of_order=9_999
    )
    assert prices(place.store.read(TRADES, 0, EVER)) == list(range(1, 30_001))
    assert place.store.append(TRADES, ticks(range(30_001, 40_001)), 40_000) == AppendResult(rows=10_000)
    assert len(place.store.read(TRADES, 0, EVER)) == 40_000


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_and_repetition_stores_each_once(data: st.DataObject, place: Place) -> None:
    """However trades are cut into batches, repeated, disordered and interrupted by restarts, each is stored once."""
    base = data.draw(st.sampled_from([1, 2**32 - 20, 7 * 2**32 - 5]))
    count = data.draw(st.integers(1, 60))
    step_ns = data.draw(st.sampled_from([1000, DAY_NS // 7]))
    series = SeriesKey("KRAKEN", f"T{len(place.store.series())}", Schema.TRADES)
    stored: set[int] = set()
    offered = refused = 0
    for _ in range(data.draw(st.integers(1, 8))):
        offsets = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=40))
        ids = [base + offset for offset in (sorted(offsets) if data.draw(st.booleans()) else offsets)]
        batch = ticks(ids, stamps=[T0 + (number - base) * step_ns for number in ids])
        result = place.store.append(series, batch, ids[-1])
        offered, refused = offered + len(ids), refused + result.duplicates
        assert result.rows == len(set(ids) - stored)
        stored |= set(ids)
        if data.draw(st.booleans()):
            place.reopen()
    assert prices(place.store.read(series, 0, EVER)) == sorted(stored)
    assert offered - refused == len(stored)
