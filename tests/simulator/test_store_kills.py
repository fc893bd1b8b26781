"""A writer of the embedded store that is killed while it appends, syncs and seals: nothing synced is lost, nothing is
doubled, and every file can be read.

`RINGSIDE_KILLS` sets how many writers die (20 when not set). For half of them the power fails too: what was not
synced of the newest file is cut off at any byte.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from core.model.records import Records
from core.store.catalogue import Catalogue
from core.store.days import map_plain
from core.store.embedded import EmbeddedTickStore
from core.store.history import EmbeddedHistory
from core.store.sealed import read_seal_facts
from core.store.verify import verify_directory
from tests.conformance.ticks import DAY_NS, QUOTES, T0, TRADES, ticks
from tests.simulator.killed import Worker, tell
from tests.unit.core.store.sealed_days import EVER, read_by_databento

KILLS = int(os.environ.get("RINGSIDE_KILLS", "20"))
SEED = 20261122
FIRST_ID = 2**32 - 500
DAY_IDS = 3000
REPEATED = 40
KILLS_A_STORE = 10


def trades(first: int, count: int) -> Records:
    """Trades numbered from `first` on; a new day begins every `DAY_IDS`."""
    ids = np.arange(first, first + count)
    offsets = ids - FIRST_ID
    stamps = T0 + offsets // DAY_IDS * DAY_NS + offsets % DAY_IDS * 1000
    return ticks(ids.tolist(), stamps=stamps.tolist())


def write_for_ever(home: Path, report: int, *, sealing: bool) -> None:
    """Take the store over, offer its newest records once more and go on; tell each id up to which all is synced."""
    store = EmbeddedTickStore(home / "ticks", Catalogue(home / "catalogue.sqlite3"))
    choose = random.Random(os.getpid())
    newest = max((stats.newest_id for stats in store.stats()), default=0)
    following = max(newest - REPEATED, FIRST_ID)
    while True:
        count = choose.choice((1, 7, 100, 900))
        store.append(TRADES, trades(following, count), following + count - 1)
        stamp = int(trades(following, 1)["ts_event"][0])
        store.append(QUOTES, ticks([following], series=QUOTES, stamps=[stamp]), 0)
        following += count
        if choose.random() < 0.3:
            store.sync()
            tell(report, following - 1)
        if sealing and choose.random() < 0.2:
            store.compress(int(trades(following, 1)["ts_event"][0]) // DAY_NS)


@pytest.fixture
def writers() -> Iterator[list[Worker]]:
    """Writers that do not outlive the test, whatever becomes of it."""
    started: list[Worker] = []
    yield started
    for writer in started:
        writer.kill()


@pytest.mark.parametrize("sealing", [False, True], ids=["appending", "sealing"])
def test_a_writer_may_die_at_any_point(tmp_path: Path, writers: list[Worker], sealing: bool) -> None:
    """What was synced is there, each record once and in order, for a reader beside it and for the next writer."""
    choose = random.Random(SEED)
    kills, repaired, lost = max(KILLS // 2, 1), 0, 0
    for kill in range(kills):
        home = tmp_path / str(kill // KILLS_A_STORE)
        writer = Worker.start(partial(write_for_ever, home, sealing=sealing))
        writers.append(writer)
        writer.listen(choose.randrange(1, 6))
        history = EmbeddedHistory(home / "ticks")
        for _ in range(choose.randrange(4)):
            check_trades(history, writer.told)
        writer.kill()
        written = check_trades(history, writer.told)
        power_fails = kill % 2 == 1
        if power_fails:
            cut_what_was_not_synced(home, choose)
        mended, left = reopen(home, writer.told)
        repaired, lost = repaired + mended, lost + written - left
        assert left == written or power_fails
        if kill % 5 == 0:
            check_by_databento(home / "ticks")
    print(f"{kills} writers killed, {repaired} files mended, {lost} records that were not synced cut off")


def reopen(home: Path, synced: int) -> tuple[int, int]:
    """See that the next store finds all that was synced, counts it rightly and has nothing to complain of; returns
    how many files it mended and how many trades there are."""
    catalogue = Catalogue(home / "catalogue.sqlite3")
    store = EmbeddedTickStore(home / "ticks", catalogue)
    left = check_trades(store, synced)
    counts = {stats.series: stats.rows for stats in store.stats()}
    assert counts == {TRADES: left, QUOTES: len(store.read(QUOTES, 0, EVER))}
    store.close()
    assert list(verify_directory(home / "ticks", catalogue)) == []
    catalogue.close()
    return len(store.repairs), left


def check_trades(store: EmbeddedHistory | EmbeddedTickStore, synced: int) -> int:
    """See that the ids go up one by one from the first to at least `synced`; returns how many there are."""
    found = store.read_numbered(TRADES, 0, EVER)
    assert np.array_equal(found.ids, np.arange(FIRST_ID, FIRST_ID + len(found.ids)))
    assert np.array_equal(found.records["price"], found.ids)
    assert not synced or FIRST_ID + len(found.ids) > synced
    return len(found.ids)


def cut_what_was_not_synced(home: Path, choose: random.Random) -> None:
    """Do to the newest plain file what a power failure may: its end is gone, at any byte behind what was synced."""
    catalogue = Catalogue(home / "catalogue.sqlite3")
    known = catalogue.segments(home / "ticks")
    catalogue.close()
    for series in (TRADES, QUOTES):
        folder = home / "ticks" / series.venue / series.symbol / series.schema.value
        newest = max(folder.glob("*.dbn"), default=None)
        if newest in known:
            size = newest.stat().st_size
            os.truncate(newest, choose.randint(min(known[newest].stored_bytes, size), size))


def check_by_databento(ticks_directory: Path) -> None:
    """Databento's own client reads the newest plain file and the newest sealed one; there may be only one of them."""
    folder = ticks_directory / TRADES.venue / TRADES.symbol / TRADES.schema.value
    assert any(folder.glob("*.dbn*"))
    for path in sorted(folder.glob("*.dbn"))[-1:]:
        assert len(read_by_databento(path)) == map_plain(path, TRADES)[0].rows
    for path in sorted(folder.glob("*.dbn.zst"))[-1:]:
        assert len(read_by_databento(path)) == read_seal_facts(path, TRADES).rows > 0
