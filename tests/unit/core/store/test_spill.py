"""A database that comes and goes: nothing appended is lost, doubled or reordered, and nobody waits for it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import ConfigurationError, PermanentError, TransientError
from core.store.batch import summed
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import AppendResult, SeriesKey
from core.store.spill import SpillingTickStore
from core.store.spill.backlog import Limits
from core.store.spill.carrier import Retry
from tests.conformance.ticks import BOOKS, DAY_NS, QUOTES, T0, TRADES, prices, ticks
from tests.unit.core.store.scripted import GONE, SOON, Place, ScriptedRemote, until

EVER = 2**64 - 1


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place to store in."""
    made = Place(tmp_path)
    yield made
    made.remote.open.set()
    made.store.close()
    made.remote.store.close()


def test_a_database_that_works_gets_everything_at_once(place: Place) -> None:
    """Records go to the database and not to the disk, and what became of them is told once."""
    for _ in range(20):
        place.offer()
    place.store.sync()
    assert place.files() == []
    place.arrives()
    assert place.store.settled() == []
    assert place.store.state.mode == "direct"
    assert place.store.stats()[0].rows == 200


def test_what_the_database_finds_is_told(place: Place) -> None:
    """Duplicates, late and rejected records are counted by the database, direct and replayed alike."""
    for fault in (None, GONE):
        place.remote.fault = fault
        batch = ticks([5, 3, 3, 4])
        batch["rtype"][3] = 99
        place.store.append(TRADES, batch, 5)
        place.store.sync()
        place.remote.fault = None
        until(lambda: place.store.state.mode == "direct")
    place.store.sync()
    place.settle()
    assert place.counted[TRADES] == AppendResult(rows=2, duplicates=4, out_of_order=1, rejected=2)


def test_an_hour_without_a_database(place: Place) -> None:
    """While it is away everything is on the disk; when it is back it gets it in order, and the disk is empty."""
    place.offer()
    place.store.sync()
    place.remote.fault = GONE
    for _ in range(50):
        place.offer(500)
        place.store.sync()
    state = place.store.state
    assert (state.mode, state.spilled_rows, state.queued_rows) == ("spilling", 25_000, 0)
    assert state.spilled_bytes > 25_000 * QUOTES.schema.dtype.itemsize
    assert "gone away" in state.problem
    place.remote.fault = None
    place.offer()
    place.arrives()
    assert place.store.state.problem == ""
    assert place.store.state.replayed_rows == 25_010


def test_a_lost_answer_is_not_a_lost_or_doubled_append(place: Place) -> None:
    """When the database stored records and the answer never came, they are there once, ids or not."""
    replies = iter([True, False, True, True, False])

    def lose(when: str, _series: SeriesKey) -> None:
        if when == "after" and next(replies, False):
            raise GONE

    place.remote.script = lose
    for _ in range(10):
        place.offer()
        place.store.sync()
    place.arrives()


def test_a_frozen_database_holds_nobody_up(place: Place) -> None:
    """Appends return at once; a sync stops waiting and moves to the disk; nothing is there twice after the thaw."""
    place.patience_s = 0.05
    place.reopen()
    place.remote.open.clear()
    place.offer()
    assert place.remote.hanging.wait(10)
    for _ in range(10):
        place.offer()
    assert place.files() == []
    place.store.sync()
    assert place.store.state.spilled_rows == 110
    until(lambda: place.store.state.problem == "the database does not answer")
    assert place.store.state.mode == "spilling"
    place.offer()
    place.remote.open.set()
    place.arrives()


def test_a_full_memory_goes_to_the_disk(place: Place) -> None:
    """What the memory may not hold is spilled, older records first; so is a batch that is too large by itself."""
    place.limits = Limits(rows=100)
    place.reopen()
    place.remote.open.clear()
    place.offer(60)
    assert place.remote.hanging.wait(10)
    place.offer(30)
    assert place.files() == []
    place.offer(30)
    assert len(place.files()) == 1
    place.offer(500)
    place.remote.open.set()
    place.arrives()
    place.offer(500)
    place.arrives()


def test_a_restart_goes_on_where_it_was(place: Place) -> None:
    """What an earlier run left is replayed first, also when the database is not there at the start."""
    place.remote.fault = GONE
    for _ in range(4):
        place.offer()
        place.reopen()
    assert len(place.files()) == 4
    assert place.store.state.spilled_rows == 40
    place.remote.fault = None
    place.offer()
    place.arrives()


def test_what_an_earlier_run_left_is_counted_apart(place: Place) -> None:
    """What is settled of this run and of the one before is told separately; until then it is unsettled."""
    place.remote.fault = GONE
    place.offer(30)
    place.reopen()
    place.offer(5)
    place.store.sync()
    assert place.store.state.unsettled_rows == 35
    place.remote.fault = None
    until(lambda: place.store.state.mode == "direct")
    assert place.store.state.unsettled_rows == 0
    assert place.store.settled() == [(QUOTES, AppendResult(rows=5))]
    assert place.store.inherited() == {QUOTES: AppendResult(rows=30)}


def test_a_file_that_was_replayed_in_part_is_continued(place: Place, tmp_path: Path) -> None:
    """After a restart in the middle of the catch-up only the rest is replayed."""
    place.remote.fault = GONE
    place.offer(30_000)
    place.store.sync()
    taken = threading.Event()

    def stop(when: str, _series: SeriesKey) -> None:
        if when == "before" and len(place.remote.store.read(QUOTES, 0, EVER)):
            taken.set()
            raise GONE

    place.remote.script = stop
    place.remote.fault = None
    assert taken.wait(10)
    place.remote.fault = GONE
    place.reopen()
    place.remote.script = lambda _when, _series: None
    place.remote.fault = None
    place.arrives(counted=False)  # nobody counted what was stored just before the restart


def test_nobody_asks_for_a_retired_writer(place: Place) -> None:
    """The database forgets how far a run came when nothing of that run is left on the disk, and not before."""
    place.remote.fault = GONE
    place.offer(series=QUOTES)
    place.offer(series=TRADES)
    place.reopen()
    assert place.remote.retired == []
    earlier = {path.name.split("-")[1] for path in place.files()}
    place.remote.script = lambda _when, series: _refuse(series, TRADES)
    place.remote.fault = None
    until(lambda: len(place.files()) == 1)
    place.store.close()
    assert place.remote.retired == []
    place.remote.script = lambda _when, _series: None
    place.open()
    until(lambda: place.files() == [] and place.store.state.mode == "direct")
    place.remote.fault = GONE
    place.offer()
    place.store.sync()
    own = place.files()[0].name.split("-")[1]
    place.remote.fault = None
    until(lambda: place.files() == [] and place.store.state.mode == "direct")
    until(lambda: set(place.remote.retired) == earlier)  # said only after the last file is gone
    place.store.close()
    assert place.remote.retired[-1] == own


def _refuse(series: SeriesKey, refused: SeriesKey) -> None:
    if series == refused:
        raise PermanentError("storing", "a value that no table takes")


def test_an_operator_must_act(place: Place) -> None:
    """A wrong password is told, records go to the disk, and it is tried again slowly."""
    place.retry = Retry(first_s=0.001, last_s=3600)
    place.reopen()
    place.remote.fault = ConfigurationError("storing", "password authentication failed")
    place.offer()
    until(lambda: place.store.state.mode == "spilling")
    state = place.store.state
    assert "password" in state.problem
    assert state.next_try_s > 1000
    calls = place.remote.calls
    place.offer()
    place.store.sync()
    assert place.remote.calls == calls
    place.remote.fault = None
    place.reopen()
    place.arrives()


def test_one_bad_series_holds_up_no_other(place: Place) -> None:
    """What the database refuses of one series for good is kept on the disk; the others go on."""

    def refuse(when: str, series: SeriesKey) -> None:
        if when == "before" and series == TRADES:
            raise PermanentError("storing", "no such luck")

    place.retry = Retry(first_s=0.001, last_s=3600)
    place.reopen()
    place.remote.script = refuse
    place.store.append(TRADES, ticks([1, 2]), 2)
    until(lambda: place.store.state.problem != "")
    place.offer()
    place.store.append(TRADES, ticks([3]), 3)
    place.store.sync()
    until(lambda: len(place.remote.store.read(QUOTES, 0, EVER)) == 10)
    state = place.store.state
    assert (state.mode, state.spilled_rows) == ("spilling", 3)
    place.remote.script = lambda _when, _series: None
    place.reopen()
    until(lambda: prices(place.remote.store.read(TRADES, 0, EVER)) == [1, 2, 3])
    place.arrives()


def test_a_fault_in_the_program_loses_nothing(place: Place) -> None:
    """An exception nobody foresaw in the thread is told as a problem; the records are kept and tried again."""
    surprised = threading.Event()

    def surprise(_when: str, _series: SeriesKey) -> None:
        if not surprised.is_set():
            surprised.set()
            raise ZeroDivisionError("surprise")

    place.remote.script = surprise
    place.offer()
    place.store.sync()
    assert surprised.is_set()
    place.arrives()


def test_a_database_that_forgets_is_told_again(place: Place) -> None:
    """What a crashed server had taken and not synced is given to it again, and only that."""
    place.remote.lazy = True
    place.remote.open.clear()
    place.offer()
    assert place.remote.hanging.wait(10)
    place.remote.open.set()
    choose = random.Random(5)
    for _ in range(50):
        place.offer()
        if choose.random() < 0.3:
            place.remote.crash()
        if choose.random() < 0.3:
            place.store.sync()
    place.arrives()


@pytest.mark.parametrize("seed", range(12))
def test_any_run_of_failures_ends_as_if_there_had_been_none(seed: int, tmp_path: Path) -> None:
    """Whatever fails, before or after the database stored, with restarts between: contents and order are those of a
    store that never failed, for trades, books with snapshots, and quotes without ids."""
    choose = random.Random(seed)
    place = Place(tmp_path)
    place.limits, place.patience_s = Limits(rows=choose.choice([50, 200_000])), choose.choice([0.001, 0.5])
    plain = EmbeddedTickStore(tmp_path / "plain", Catalogue(tmp_path / "plain.sqlite3"))
    expected: dict[SeriesKey, AppendResult] = {}
    restarts, chance = seed % 3 > 0, choose.choice([0.1, 0.6])
    faults = random.Random(seed + 1000)

    def fail(_when: str, _series: SeriesKey) -> None:
        if faults.random() < chance:
            raise GONE

    place.remote.script = fail
    number = dict.fromkeys((TRADES, BOOKS, QUOTES), 2**32 - 200)
    for _ in range(120):
        series = choose.choice(list(number))
        first = max(number[series] - choose.choice([0, 0, 0, 7]), 1)
        count = choose.choice([1, 5, 40])
        number[series] = max(number[series], first + count)
        flags = choose.choice([0, 32]) if series is BOOKS else 0
        stamps = [T0 + (first + index - 2**32 + 500) * DAY_NS // 400 for index in range(count)]
        batch = ticks(range(first, first + count), series=series, stamps=stamps, flags=flags)
        newest_id = 0 if series is QUOTES else first + count
        place.store.append(series, batch, newest_id)
        expected[series] = summed(expected.get(series, AppendResult()), plain.append(series, batch, newest_id))
        if choose.random() < 0.2:
            place.store.sync()
        if restarts and choose.random() < 0.05:
            place.reopen()
        if choose.random() < 0.1:
            assert place.store.read(series, 0, EVER).tobytes() == plain.read(series, 0, EVER).tobytes(), seed
            last = place.store.latest(series, 7)
            assert last.tobytes() == plain.latest(series, 7).tobytes(), seed
            assert place.store.days(series) == plain.days(series)
    chance = 0.0
    until(lambda: place.store.state.mode == "direct" and place.store.state.queued_rows == 0)
    place.store.sync()
    place.settle()
    for series, result in expected.items():
        assert place.remote.store.read(series, 0, EVER).tobytes() == plain.read(series, 0, EVER).tobytes(), seed
        told = place.told(series)
        # Of what was stored without an answer it is not known how much of it was new, and nothing after a restart.
        assert told.rows + told.duplicates <= result.rows + result.duplicates, seed
        assert restarts or told.rows + told.duplicates == result.rows + result.duplicates, seed
    assert place.files() == []
    for store in (place.store, place.remote.store, plain):
        store.close()


def test_reading_sees_what_waits(place: Place) -> None:
    """Records in memory and on the disk are read with those of the database, each once; so are series and days."""
    place.retry = Retry(first_s=3600, last_s=3600)
    place.reopen()
    place.store.append(TRADES, ticks([1, 2, 3]), 3)
    place.store.sync()
    place.remote.fault = GONE
    place.store.append(TRADES, ticks([2, 5, 4]), 5)
    until(lambda: place.store.state.mode == "spilling")
    late = ticks([2**32 + 1, 6], stamps=[T0 + DAY_NS, T0 + 1])
    late["rtype"][1] = 9
    place.store.append(TRADES, late, 2**32 + 1)
    place.offer()
    place.remote.fault = None
    assert prices(place.store.read(TRADES, 0, EVER)) == [1, 2, 3, 4, 5, 2**32 + 1]
    assert prices(place.store.read(TRADES, T0 + 3000, T0 + DAY_NS)) == [3, 4, 5]
    assert place.store.read_numbered(TRADES, 0, EVER).ids.tolist() == [1, 2, 3, 4, 5, 2**32 + 1]
    assert prices(place.store.latest(TRADES, 2)) == [5, 2**32 + 1]
    assert place.store.days(TRADES) == [T0 // DAY_NS, T0 // DAY_NS + 1]
    assert place.store.series() == [QUOTES, TRADES]
    assert prices(place.store.latest(QUOTES)) == [10]
    assert prices(place.store.latest(QUOTES, 0)) == []
    assert len(place.store.read(QUOTES, -5, 2**70)) == 10


def test_reading_while_the_database_is_away(place: Place) -> None:
    """It is said that it does not answer, and how many records wait."""
    place.remote.fault = GONE
    place.offer()
    place.store.sync()
    calls: list[Callable[[], object]] = [
        lambda: place.store.read(QUOTES, 0, EVER),
        lambda: place.store.read_numbered(QUOTES, 0, EVER),
        lambda: place.store.latest(QUOTES),
        lambda: place.store.days(QUOTES),
        place.store.series,
        place.store.stats,
    ]
    for call in calls:
        with pytest.raises(TransientError, match="10 records wait on this machine"):
            call()


def test_closing_is_bounded_and_keeps_everything(place: Place) -> None:
    """A store closed while the database hangs ends in time; the next one brings what was left."""
    place.patience_s = 0.05
    place.reopen()
    place.remote.open.clear()
    place.offer()
    assert place.remote.hanging.wait(10)
    place.offer()
    place.store.close(timeout_s=0.5)
    assert not place.remote.closed
    assert len(place.files()) == 1
    with pytest.raises(PermanentError):
        place.offer(0)
    place.remote.fault = GONE
    place.remote.open.set()
    until(lambda: not place.remote.hanging.is_set())  # what was left in the database has failed
    place.open()
    place.remote.fault = None
    place.arrives()


def test_closing_twice_is_fine(place: Place) -> None:
    """A closed store can be closed again, and the database is closed with it."""
    place.offer()
    place.store.close()
    place.store.close()
    assert place.remote.closed
    assert prices(place.remote.store.read(QUOTES, 0, EVER)) == list(range(1, 11))


def test_an_errand_runs_when_the_database_answers(tmp_path: Path) -> None:
    """The errand runs at the start, after every time the database was away, and on request; its failure stops
    nothing."""
    remote = ScriptedRemote(tmp_path)
    ran: list[float] = []

    def errand() -> None:
        ran.append(time.monotonic())
        if len(ran) == 1:
            raise GONE

    store = SpillingTickStore(remote, tmp_path / "spill", errand=errand, retry=SOON)
    until(lambda: len(ran) == 2)
    remote.fault = GONE
    store.append(QUOTES, ticks([1], series=QUOTES), 0)
    until(lambda: store.state.mode == "spilling")
    assert len(ran) == 2
    remote.fault = None
    until(lambda: len(ran) == 3)
    store.run_errand()
    until(lambda: len(ran) == 4)
    store.close()
    remote.store.close()
