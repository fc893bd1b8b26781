"""From rings into the store: real rings, the real store, and stores that fail."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from core.errors import ConfigurationError, ConsoleError, RefusedError, ResourceExhaustedError, TransientError
from core.flow.consume import StoreState, consume_to_store
from core.flow.storefeed import RecordLost, SchemaCounts, StoreFeed
from core.model.records import UNDEF_TIMESTAMP, Records, Schema
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import NOT_STORED, AppendResult, Gap, Numbered, SeriesKey, SeriesStats, TickStore
from ringbuf import layout
from ringbuf.writer import RingIdentity, RingWriter
from tests.conformance.ticks import BOOKS, QUOTES, T0, TRADES, prices, ticks

EVER = 2**64 - 1
CAPACITY = 256


class Ring:
    """A ring of one series, and the feed that stores it."""

    def __init__(self, series: SeriesKey) -> None:
        schema = series.schema
        path = layout.directory() / layout.ring_name(series.symbol, series.venue, schema=schema.value)
        identity = RingIdentity(
            schema=schema.value, record_bytes=schema.dtype.itemsize, symbol=series.symbol, venue=series.venue,
            instrument_id=7, instance="test",
        )  # fmt: skip
        self.series = series
        self.writer = RingWriter(path, identity, capacity=CAPACITY)
        self.feed = StoreFeed.of_ring(path, series)

    def push(self, ids: range) -> None:
        """Publish records with these ids."""
        self.writer.push_batch(ticks(ids, series=self.series), ids[-1])


class FlakyStore:
    """Remembers what it was given; fails with `failure` while that is set, or for one symbol only."""

    def __init__(self) -> None:
        self.failure: ConsoleError | None = None
        self.failing_symbol = ""
        self.sync_failure: ConsoleError | None = None
        self.kept: list[int] = []
        self.attempts = 0
        self.syncs = 0
        self.threads: set[int] = set()

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Keep the prices, or fail."""
        self.threads.add(threading.get_ident())
        self.attempts += 1
        assert newest_id
        if self.failure is not None and self.failing_symbol in ("", series.symbol):
            raise self.failure
        self.kept += prices(records)
        return AppendResult(rows=len(records))

    def sync(self) -> None:
        """Count it, or fail."""
        self.threads.add(threading.get_ident())
        self.syncs += 1
        if self.sync_failure is not None:
            raise self.sync_failure

    def series(self) -> list[SeriesKey]:
        """Not used here."""
        raise AssertionError

    def days(self, series: SeriesKey) -> list[int]:
        """Not used here."""
        raise AssertionError

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """Not used here."""
        raise AssertionError

    def read_numbered(self, series: SeriesKey, start_ns: int, end_ns: int) -> Numbered:
        """Not used here."""
        raise AssertionError

    def latest(self, series: SeriesKey, rows: int = 1) -> Records:
        """Not used here."""
        raise AssertionError

    def stats(self) -> list[SeriesStats]:
        """Not used here."""
        raise AssertionError

    def close(self) -> None:
        """Nothing to let go of."""


class HangingStore(FlakyStore):
    """A store whose disk does not answer before it is told to, or for long."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.answer, self.left = threading.Event(), threading.Event(), threading.Event()

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Wait for the answer, then keep the prices."""
        self.entered.set()
        self.answer.wait(20)
        result = super().append(series, records, newest_id)
        self.left.set()
        return result


class Losses:
    """Remembers recorded losses; fails the first `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.found: list[tuple[int, int, int]] = []

    def __call__(self, series: SeriesKey, *, start_ns: int, end_ns: int, rows: int) -> None:
        if self.failures:
            self.failures -= 1
            raise TransientError("recording a loss", str(series))
        self.found.append((start_ns, end_ns, rows))


class Running:
    """A consumer at work."""

    def __init__(self, feeds: list[StoreFeed], nursery: trio.Nursery) -> None:
        self.feeds = feeds
        self.nursery = nursery
        self.state = StoreState()
        self.drain = trio.Event()
        self.done = trio.Event()


@asynccontextmanager
async def consuming(
    store: TickStore,
    rings: list[Ring],
    record_lost: RecordLost | None = None,
    *,
    sync_s: float = 0.02,
    settled: Callable[[], list[tuple[SeriesKey, AppendResult]]] = list,
) -> AsyncIterator[Running]:
    """A consumer of `rings`, drained and awaited at the end."""
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            running = Running([ring.feed for ring in rings], nursery)

            async def consume() -> None:
                await consume_to_store(
                    lambda: running.feeds, store, running.state, record_lost=record_lost or Losses(),
                    drain=running.drain, settled=settled, interval_s=0.002, sync_s=sync_s,
                )  # fmt: skip
                running.done.set()

            nursery.start_soon(consume)
            yield running
            running.drain.set()


def recording(catalogue: Catalogue) -> RecordLost:
    """Writes losses down in a catalogue."""

    def record(series: SeriesKey, *, start_ns: int, end_ns: int, rows: int) -> None:
        catalogue.record_gap(Gap(series=series, start_ns=start_ns, end_ns=end_ns, rows=rows, cause=NOT_STORED))

    return record


class LateStore(FlakyStore):
    """A store that says only with its sync what became of records, and of some that nobody offered now."""

    def __init__(self) -> None:
        super().__init__()
        self.told = [
            (BOOKS, AppendResult(duplicates=5)),
            (SeriesKey("KRAKEN", "BTCUSD", Schema.BARS_1M), AppendResult()),
        ]

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Keep the prices and say nothing."""
        self.kept += prices(records)
        return AppendResult()

    def sync(self) -> None:
        """Say it."""
        self.told.append((TRADES, AppendResult(rows=len(self.kept), out_of_order=1)))
        self.kept.clear()

    def settled(self) -> list[tuple[SeriesKey, AppendResult]]:
        """What was said since the last call."""
        told, self.told = self.told, []
        return told


async def until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds."""
    while not condition():
        await trio.sleep(0.001)


@pytest.fixture
def rings() -> Iterator[Callable[[SeriesKey], Ring]]:
    """Makes rings, and removes them afterwards."""
    made: list[Ring] = []

    def make(series: SeriesKey) -> Ring:
        made.append(Ring(series))
        return made[-1]

    yield make
    for ring in made:
        ring.feed.reader.close()
        ring.writer.close()


@pytest.mark.trio
async def test_everything_published_is_stored(tmp_path: Path, rings: Callable[[SeriesKey], Ring]) -> None:
    """Records of each schema reach the store once each, are counted by schema, and draining leaves nothing behind."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    store = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    made = [rings(series) for series in (TRADES, QUOTES, BOOKS)]
    async with consuming(store, made, recording(catalogue)) as running:
        for first in range(1, 1001, 100):
            for ring in made:
                ring.push(range(first, first + 100))
            await until(lambda: not any(ring.feed.waiting for ring in made))
        made[0].push(range(951, 1011))
    state = running.state
    assert [len(store.read(ring.series, 0, EVER)) for ring in made] == [1010, 1000, 1000]
    assert {schema: counts.rows for schema, counts in state.by_schema.items() if counts.rows} == {
        Schema.TRADES: 1010, Schema.QUOTES: 1000, Schema.BOOK: 1000,
    }  # fmt: skip
    assert (state.rows, state.duplicates, state.out_of_order, state.rejected, state.lost) == (3010, 50, 0, 0, 0)
    assert state.problem == ""
    assert sum(cursor.rows for cursor in catalogue.cursors()) == 3010
    store.close()
    catalogue.close()


@pytest.mark.trio
async def test_rings_come_and_go(rings: Callable[[SeriesKey], Ring]) -> None:
    """A ring listed later is followed; one no longer listed is stored to its end, then its reader is closed."""
    store = FlakyStore()
    first, second = rings(TRADES), rings(QUOTES)
    first.push(range(1, 3))
    async with consuming(store, [first]) as running:
        await until(lambda: len(store.kept) == 2)
        running.feeds = [first.feed, second.feed]
        second.push(range(11, 13))
        await until(lambda: len(store.kept) == 4)
        second.push(range(13, 15))
        running.feeds = [first.feed]
        await until(lambda: len(store.kept) == 6)
        await until(lambda: _closed(second.feed))
        first.push(range(3, 5))
    assert store.kept == [1, 2, 11, 12, 13, 14, 3, 4]
    assert _closed(first.feed)


def _closed(feed: StoreFeed) -> bool:
    try:
        feed.reader.lag  # noqa: B018 - a closed reader refuses
    except ValueError:
        return True
    return False


@pytest.mark.trio
async def test_laps_are_counted_and_recorded(tmp_path: Path, rings: Callable[[SeriesKey], Ring]) -> None:
    """Records overwritten while the disk failed are counted as lost, and the interval is recorded."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    store = FlakyStore()
    ring = rings(TRADES)
    async with consuming(store, [ring], recording(catalogue)) as running:
        ring.push(range(1, 11))
        await until(lambda: len(store.kept) == 10)
        store.failure = TransientError("storing", "the disk")
        ring.push(range(11, 21))
        await until(lambda: bool(running.state.problem))
        ring.push(range(21, 21 + CAPACITY + 30))
        store.failure = None
        await until(lambda: running.state.rows + running.state.lost == 20 + CAPACITY + 30)
        await until(lambda: running.state.problem == "")
        ring.push(range(51 + CAPACITY, 61 + CAPACITY))
    assert running.state.lost == 30
    assert store.kept == [*range(1, 21), *range(51, 61 + CAPACITY)]
    assert catalogue.gaps() == [
        Gap(series=TRADES, start_ns=T0 + 20 * 1000, end_ns=T0 + 51 * 1000, rows=30, cause=NOT_STORED),
    ]
    catalogue.close()


@pytest.mark.trio
async def test_a_loss_that_cannot_be_recorded_is_kept(rings: Callable[[SeriesKey], Ring]) -> None:
    """Recording a loss is repeated until it succeeds."""
    losses, store, ring = Losses(failures=2), FlakyStore(), rings(TRADES)
    ring.push(range(1, CAPACITY + 6))
    async with consuming(store, [ring], losses):
        pass
    assert losses.found == [(0, T0 + 6 * 1000, 5)]
    assert store.kept == list(range(6, CAPACITY + 6))


@pytest.mark.trio
@pytest.mark.parametrize(
    "failure",
    [TransientError("storing", "the disk"), ResourceExhaustedError("storing", "it is full", retry_after_s=0.05)],
    ids=["failing", "full"],
)
async def test_a_failing_disk_is_tried_again(rings: Callable[[SeriesKey], Ring], failure: ConsoleError) -> None:
    """While the disk fails the state says why and how late it is; afterwards all is stored once, in order."""
    store, ring = FlakyStore(), rings(TRADES)
    store.failure = failure
    async with consuming(store, [ring]) as running:
        for first in range(1, 101, 10):
            ring.push(range(first, first + 10))
            await until(lambda: bool(running.state.problem))
        await until(lambda: store.attempts >= 2)
        assert running.state.problem == str(failure)
        assert running.state.lag_s > 0
        assert running.state.rows == 0
        store.failure = None
        await until(lambda: running.state.rows == 100)
        await until(lambda: running.state.problem == "" and running.state.lag_s == 0)
    assert store.kept == list(range(1, 101))


@pytest.mark.trio
async def test_one_hopeless_series_holds_up_no_other(rings: Callable[[SeriesKey], Ring]) -> None:
    """What can never be stored is shown, does not stop the rest, and is counted as lost when draining ends."""
    losses, store = Losses(), FlakyStore()
    bad, good = rings(BOOKS), rings(TRADES)
    store.failure, store.failing_symbol = RefusedError("cannot store", "that name"), BOOKS.symbol
    bad.push(range(1, 8))
    good.push(range(101, 111))
    async with consuming(store, [bad, good], losses) as running:
        await until(lambda: running.state.rows == 10 and "that name" in running.state.problem)
        assert running.state.lost == 0
    assert store.kept == list(range(101, 111))
    assert running.state.by_schema[Schema.BOOK].lost == 7
    assert losses.found == [(T0 + 1000, T0 + 7000, 7)]


@pytest.mark.trio
async def test_syncs_and_stays_off_the_loop(rings: Callable[[SeriesKey], Ring]) -> None:
    """What is stored is synced without more coming in, nothing for nothing, and never on the loop's thread."""
    store, ring = FlakyStore(), rings(TRADES)
    async with consuming(store, [ring], sync_s=0.001):
        ring.push(range(1, 3))
        await until(lambda: store.syncs >= 1 and not ring.feed.waiting)
        ring.push(range(3, 5))
        await until(lambda: len(store.kept) == 4)
    assert 1 <= store.syncs <= 4
    assert threading.get_ident() not in store.threads


@pytest.mark.trio
async def test_a_failing_sync_is_tried_again(rings: Callable[[SeriesKey], Ring]) -> None:
    """A sync that fails is shown and repeated, and draining waits for it; one that never can does not hold it up."""
    store, ring = FlakyStore(), rings(TRADES)
    store.sync_failure = TransientError("syncing", "the disk")
    async with consuming(store, [ring]) as running:
        ring.push(range(1, 3))
        await until(lambda: "syncing" in running.state.problem and store.syncs >= 2)
        running.drain.set()
        await until(lambda: store.syncs >= 4)
        assert not running.done.is_set()
        store.sync_failure = ConfigurationError("syncing", "read-only")
    assert running.done.is_set()
    assert "read-only" in running.state.problem


@pytest.mark.trio
async def test_cancelling_lets_go(rings: Callable[[SeriesKey], Ring]) -> None:
    """A consumer that is cancelled while the disk fails ends at once, closes its readers and says what is lost."""
    store, ring = FlakyStore(), rings(TRADES)
    store.failure = ResourceExhaustedError("storing", "it is full", retry_after_s=3600)
    ring.push(range(1, 3))
    async with consuming(store, [ring]) as running:
        await until(lambda: running.state.problem != "")
        running.nursery.cancel_scope.cancel()
    assert _closed(ring.feed)
    assert not running.done.is_set()
    assert running.state.lost == 2


@pytest.mark.trio
async def test_a_disk_that_hangs_is_left_behind(rings: Callable[[SeriesKey], Ring]) -> None:
    """A cancelled consumer does not wait for the disk: it counts all that waits as lost and closes its readers."""
    store, first, second = HangingStore(), rings(TRADES), rings(QUOTES)
    first.push(range(1, 8))
    second.push(range(11, 14))
    async with consuming(store, [first, second]) as running:
        await until(store.entered.is_set)
        first.push(range(8, 11))
        running.nursery.cancel_scope.cancel()
    assert not store.left.is_set()
    assert _closed(first.feed)
    assert _closed(second.feed)
    assert (running.state.rows, running.state.lost) == (0, 13)
    store.answer.set()


def test_a_feed_closed_in_the_middle_is_left_alone(rings: Callable[[SeriesKey], Ring]) -> None:
    """A sweep that the disk held up while its feed was closed looks into no ring, stores no more, counts nothing."""
    store, ring, counts, losses = HangingStore(), rings(TRADES), SchemaCounts(), Losses()
    ring.push(range(1, 8))
    thread = threading.Thread(target=ring.feed.sweep, args=(store, losses, counts))
    thread.start()
    assert store.entered.wait(20)
    ring.push(range(8, 11))
    assert ring.feed.close(counts) == 10
    assert ring.feed.close(counts) == 0
    store.answer.set()
    thread.join()
    assert store.kept == list(range(1, 8))
    assert counts == SchemaCounts(lost=10)
    assert ring.feed.sweep(store, losses, counts)
    ring.feed.give_up(losses, counts)
    assert counts == SchemaCounts(lost=10)
    assert (store.attempts, losses.found) == (1, [])


@pytest.mark.trio
async def test_trouble_is_logged_once(
    rings: Callable[[SeriesKey], Ring], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing disk is one error in the log however often it is tried, and one line says when it is over."""
    monkeypatch.setattr("core.flow.storefeed.FIRST_RETRY_S", 0.001)
    caplog.set_level("INFO", logger="ringside.store")
    store, ring = FlakyStore(), rings(TRADES)
    store.failure = ResourceExhaustedError("storing", "it is full", retry_after_s=0.001)
    async with consuming(store, [ring]) as running:
        ring.push(range(1, 3))
        await until(lambda: store.attempts >= 5)
        store.failure = TransientError("storing", "the disk")
        await until(lambda: "the disk" in running.state.problem)
        store.failure = None
        await until(lambda: running.state.problem == "")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "storing fails: storing: it is full"),
        ("ERROR", "storing fails: storing: the disk"),
        ("INFO", "storing works again"),
    ]


def test_a_loss_without_a_time_can_be_recorded(tmp_path: Path, rings: Callable[[SeriesKey], Ring]) -> None:
    """Lost records whose venue gave no time are written down as a gap that the books can hold."""
    catalogue, ring, counts = Catalogue(tmp_path / "catalogue.sqlite3"), rings(TRADES), SchemaCounts()
    records = ticks([1, 2], stamps=[UNDEF_TIMESTAMP, UNDEF_TIMESTAMP])
    ring.writer.push_batch(records, 2)
    ring.feed.give_up(recording(catalogue), counts)
    assert [(gap.start_ns, gap.end_ns, gap.rows) for gap in catalogue.gaps()] == [(2**63 - 1, 2**63 - 1, 2)]
    assert counts.lost == 2
    catalogue.close()


def test_a_ring_that_is_not_there() -> None:
    """Following a ring that does not exist is a clear error."""
    with pytest.raises(ConfigurationError, match="no ring"):
        StoreFeed.of_ring(layout.directory() / "nothing", TRADES)


@pytest.mark.trio
async def test_what_is_told_afterwards_is_counted(rings: Callable[[SeriesKey], Ring]) -> None:
    """Counts that a store tells later are added, also while nothing comes in and of the last sync."""
    store, ring = LateStore(), rings(TRADES)
    async with consuming(store, [ring], sync_s=60, settled=store.settled) as running:
        await until(lambda: running.state.duplicates == 5)
        ring.push(range(1, 11))
        await until(lambda: running.state.rows == 10)
        ring.push(range(11, 31))
        await until(lambda: not ring.feed.waiting)
        assert running.state.rows == 10
    assert running.state.by_schema[Schema.TRADES] == SchemaCounts(rows=30, out_of_order=2)
