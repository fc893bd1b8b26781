"""The tick store on PostgreSQL when connections, servers and other writers get in its way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from core.errors import ConfigurationError, PermanentError, RefusedError, TransientError
from core.model.records import Schema
from core.store.postgres import store as store_module
from core.store.postgres.books import PostgresBooks
from core.store.postgres.exchange import Exchange
from core.store.postgres.reading import PostgresReader
from core.store.postgres.store import PostgresTickStore
from core.store.repository import AppendResult, SeriesKey
from tests.conformance.ticks import BOOKS, QUOTES, T0, TRADES, prices, ticks
from tests.servers.postgres import PostgresServer
from tests.unit.core.store.postgres.lossy import LossyWay, terminate_writer

EVER = 2**64 - 1
NAMELESS = ticks([0, 0, 0], series=QUOTES, stamps=[T0, T0, T0 + 1])


@pytest.fixture
def store(migrated_url: str) -> Iterator[PostgresTickStore]:
    """A store on a new database."""
    opened = PostgresTickStore(migrated_url)
    yield opened
    opened.close()


@pytest.fixture
def way(migrated_url: str) -> Iterator[LossyWay]:
    """A way to a new database that can lose an answer."""
    made = LossyWay(migrated_url)
    yield made
    made.close()


def test_a_lost_answer_is_found_out(way: LossyWay) -> None:
    """When the answer to an append is lost, the same call again neither loses nor doubles, without ids too."""
    store = PostgresTickStore(way.url)
    assert store.append(QUOTES, NAMELESS, 0).rows == 3
    way.lose_answer_to(b"")
    with pytest.raises(TransientError):
        store.append(QUOTES, NAMELESS, 0)
    assert way.losses == 1
    expected = AppendResult(rows=3, out_of_order=2)
    assert store.append(QUOTES, NAMELESS, 0) == expected
    assert len(store.read(QUOTES, 0, EVER)) == 6
    assert store.append(QUOTES, NAMELESS, 0) == expected
    assert len(store.read(QUOTES, 0, EVER)) == store.stats()[0].rows == 9
    store.close()


def test_a_lost_commit_of_many_is_found_out(way: LossyWay) -> None:
    """The same for thousands, which are copied in a transaction: the call again returns what the first would have."""
    store = PostgresTickStore(way.url)
    batch = ticks(range(1, 3001))
    way.lose_answer_to(b"COMMIT")
    with pytest.raises(TransientError):
        store.append(TRADES, batch, 3000)
    assert way.losses == 1
    assert store.append(TRADES, batch, 3000) == AppendResult(rows=3000)
    assert store.append(TRADES, batch, 3000) == AppendResult(duplicates=3000)
    store.close()


def test_another_batch_after_a_lost_answer_is_stored(way: LossyWay) -> None:
    """Only the same records again are taken for the append that was lost."""
    store = PostgresTickStore(way.url)
    store.append(QUOTES, NAMELESS, 0)
    way.lose_answer_to(b"")
    with pytest.raises(TransientError):
        store.append(QUOTES, NAMELESS, 0)
    assert store.append(QUOTES, NAMELESS[:1], 0).rows == 1
    assert len(store.read(QUOTES, 0, EVER)) == 7
    store.close()


def test_positions_are_stored_once(way: LossyWay) -> None:
    """What is appended at a position is stored once, whatever happens to the answer, beside other writers."""
    store = PostgresTickStore(way.url)
    assert store.position(QUOTES, "spill") == 0
    assert store.append_at(QUOTES, NAMELESS, 0, writer="spill", position=3).rows == 3
    assert store.append_at(QUOTES, NAMELESS, 0, writer="spill", position=3) == AppendResult()
    store.append(QUOTES, NAMELESS, 0)
    way.lose_answer_to(b"")
    with pytest.raises(TransientError):
        store.append_at(QUOTES, NAMELESS, 0, writer="spill", position=6)
    assert way.losses == 1
    assert store.append_at(QUOTES, NAMELESS, 0, writer="spill", position=6) == AppendResult()
    assert store.position(QUOTES, "spill") == 6
    assert store.position(QUOTES, "another") == store.position(BOOKS, "spill") == 0
    assert len(store.read(QUOTES, 0, EVER)) == 9
    store.close()


def test_a_retired_writer_leaves_nothing(migrated_url: str, store: PostgresTickStore) -> None:
    """What is known of one writer's positions is gone from every series, that of others and the records stay."""
    for series in (QUOTES, BOOKS):
        store.append_at(series, ticks([1], series=series), 0, writer="w", position=1)
    store.append_at(QUOTES, NAMELESS, 0, writer="other", position=3)
    store.retire("w")
    with closing(PostgresReader(migrated_url)) as reader:
        assert [reader.position(series, "w") for series in (QUOTES, BOOKS)] == [0, 0]
        assert reader.position(QUOTES, "other") == 3
    assert [store.position(series, "w") for series in (QUOTES, BOOKS)] == [0, 0]
    assert store.position(QUOTES, "other") == 3
    assert len(store.read(QUOTES, 0, EVER)) == 4
    store.retire("nobody")


def test_positions_are_rows(migrated_url: str, store: PostgresTickStore) -> None:
    """Of a batch that overlaps what its writer stored before only the rest is stored and counted, few or many."""
    for rows, committed in ((5, 3), (3000, 1500)):
        series = SeriesKey("BINANCE", f"S{rows}", Schema.QUOTES)
        batch = ticks([0] * rows, series=series, stamps=range(T0, T0 + rows))
        batch["price"] = range(rows)
        assert store.append_at(series, batch[:committed], 0, writer="w", position=committed).rows == committed
        other = PostgresTickStore(migrated_url)
        assert other.append_at(series, batch, 0, writer="w", position=rows).rows == rows - committed
        other.close()
        assert store.append_at(series, batch, 0, writer="w", position=rows) == AppendResult()
        assert store.read(series, 0, EVER).tobytes() == batch.tobytes()
        assert store.position(series, "w") == rows
    refused = ticks([1, 2, 2])
    refused["ts_event"][0] = 0
    assert store.append_at(TRADES, refused, 2, writer="w", position=3) == AppendResult(
        rows=1, duplicates=1, rejected=1
    )
    assert store.append_at(TRADES, refused[:1], 2, writer="w", position=4) == AppendResult(rejected=1)
    assert store.position(TRADES, "w") == 4


def test_a_position_is_final(
    postgres_server: PostgresServer, store: PostgresTickStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a position was given, an append that a frozen server still had in hand changes it no more."""
    store.append_at(QUOTES, NAMELESS, 0, writer="w", position=3)
    monkeypatch.setattr(store_module, "TIMEOUT_S", 0.5)
    postgres_server.pause()
    with pytest.raises(TransientError):
        store.append_at(QUOTES, NAMELESS, 0, writer="w", position=6)
    postgres_server.resume()
    monkeypatch.undo()
    position = store.position(QUOTES, "w")
    assert position in {3, 6}
    assert store.append_at(QUOTES, NAMELESS, 0, writer="w", position=6).rows == 6 - position
    assert len(store.read(QUOTES, 0, EVER)) == store.stats()[0].rows == 6


@pytest.mark.parametrize("count", [3, 3000])
def test_a_connection_that_dies_in_the_middle(migrated_url: str, store: PostgresTickStore, count: int) -> None:
    """When the server ends the connection before it stored anything, nothing is there; the same call again works."""
    store.append(TRADES, ticks([1]), 1)
    batch = ticks(range(2, count + 2))
    with psycopg.connect(migrated_url) as holder, ThreadPoolExecutor() as pool:
        holder.execute("LOCK TABLE tick_data IN ACCESS EXCLUSIVE MODE")
        waiting = pool.submit(store.append, TRADES, batch, count + 1)
        _eventually(lambda: terminate_writer(migrated_url) == 1)
        with pytest.raises(TransientError):
            waiting.result()
    assert store.append(TRADES, batch, count + 1) == AppendResult(rows=count)
    assert prices(store.read(TRADES, 0, EVER)) == list(range(1, count + 2))


def test_a_frozen_server_holds_nobody(
    postgres_server: PostgresServer, store: PostgresTickStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not answer ends in an error in time. What it does when it goes on is found out."""
    store.append(QUOTES, NAMELESS, 0)
    monkeypatch.setattr(store_module, "TIMEOUT_S", 0.5)
    postgres_server.pause()
    for _ in range(2):
        with pytest.raises(TransientError):
            store.append(QUOTES, NAMELESS, 0)
    postgres_server.resume()
    monkeypatch.undo()
    assert store.append(QUOTES, NAMELESS, 0).rows == 3
    assert len(store.read(QUOTES, 0, EVER)) == store.stats()[0].rows == 6


def test_a_server_that_comes_back(postgres_server: PostgresServer, store: PostgresTickStore) -> None:
    """While the server is down every call says so; when it is back the same store goes on, reader and writer."""
    store.append(TRADES, ticks([1, 2]), 2)
    store.read(TRADES, 0, EVER)
    postgres_server.stop()
    acts: list[Callable[[], object]] = [
        lambda: store.append(TRADES, ticks([3]), 3), lambda: store.read(TRADES, 0, EVER),
        lambda: store.latest(TRADES), store.stats, store.series, lambda: store.days(TRADES),
    ]  # fmt: skip
    for act in acts:
        with pytest.raises(TransientError):
            act()
    postgres_server.start()
    assert store.append(TRADES, ticks([2, 3]), 3) == AppendResult(rows=1, duplicates=1)
    assert prices(store.read(TRADES, 0, EVER)) == [1, 2, 3]


def test_synced_rows_survive_a_crash(postgres_server: PostgresServer, migrated_url: str) -> None:
    """A store in a hurry has on the disk, after a sync, all that was appended before it."""
    store = PostgresTickStore(migrated_url, durable=False)
    store.append(TRADES, ticks([1, 2]), 2)
    store.append(QUOTES, NAMELESS, 0)
    store.sync()
    postgres_server.kill()
    postgres_server.start()
    assert prices(store.read(TRADES, 0, EVER)) == [1, 2]
    assert len(store.read(QUOTES, 0, EVER)) == 3
    store.close()


@pytest.mark.parametrize(("series", "newest"), [(TRADES, 1), (QUOTES, 0)], ids=["ids", "no ids"])
def test_two_writers_of_one_series(migrated_url: str, series: SeriesKey, newest: int) -> None:
    """Two that append to one series at once lose nothing, double nothing and never share an ordinal."""
    stores = [PostgresTickStore(migrated_url), PostgresTickStore(migrated_url)]

    def work(number: int) -> int:
        rows = 0
        for turn in range(25):
            ids = [1 + turn * 20 + number * 10 + offset for offset in range(10)]
            size = 200 if turn % 10 == 9 else 1  # now and then one that is copied
            batch = ticks(ids * size, series=series) if not newest else ticks(ids, series=series)
            rows += stores[number].append(series, batch, ids[-1] * newest).rows
        return rows

    with ThreadPoolExecutor() as pool:
        rows = sum(pool.map(work, range(2)))
    found = stores[0].read(series, 0, EVER)
    assert len(found) == rows == stores[1].stats()[0].rows
    if newest:
        assert prices(found) == list(range(1, 501))
    else:
        with psycopg.connect(migrated_url) as connection:
            assert connection.execute("SELECT count(DISTINCT ordinal) FROM record_data").fetchone() == (rows,)
    for opened in stores:
        opened.close()


@pytest.mark.parametrize("count", [5, 2000])
def test_rows_that_nobody_knew_of(migrated_url: str, store: PostgresTickStore, count: int) -> None:
    """When a row is there that the series' totals do not know, the others are stored all the same, few or many."""
    store.append(TRADES, ticks([1]), 1)
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO tick_data SELECT series_id, instrument_id, ts_in_delta, ts_event + 2000, 3, ts_recv, 3,"
            " quantity_e8, detail FROM tick_data"
        )
    batch = ticks(range(2, count + 2))
    assert store.append(TRADES, batch, count + 1) == AppendResult(rows=count - 1, duplicates=1)
    assert prices(store.read(TRADES, 0, EVER)) == list(range(1, count + 2))


def test_what_is_rejected_is_put_aside(migrated_url: str, store: PostgresTickStore) -> None:
    """Records that no series should hold are kept, with the reason, for somebody to look at."""
    batch = ticks([1, 2, 3])
    batch["ts_event"][0], batch["rtype"][1] = 0, 1
    assert store.append(TRADES, batch, 3) == AppendResult(rows=1, rejected=2)
    books = PostgresBooks(migrated_url)
    kept = {entry.reason: entry.newest for entry in books.quarantined()}
    assert sorted(kept.values()) == sorted([batch[:1].tobytes(), batch[1:2].tobytes()])
    books.close()


def test_bad_input_is_refused(postgres_url: str, store: PostgresTickStore) -> None:
    """Names that are none, a database without our tables and a closed store are told apart."""
    with pytest.raises(RefusedError):
        store.append(SeriesKey("KRAKEN", "BTC\x00USD", Schema.TRADES), ticks([1]), 1)
    assert store.series() == []
    bare = PostgresTickStore(postgres_url)
    for act in (lambda: bare.append(TRADES, ticks([1]), 1), bare.stats):
        with pytest.raises(ConfigurationError, match="db migrate"):
            act()
    bare.close()
    with pytest.raises(PermanentError, match="closed"):
        bare.append(TRADES, ticks([1]), 1)


def test_readers_take_turns(store: PostgresTickStore) -> None:
    """Many threads may read while one appends; each sees whole batches."""
    store.append(TRADES, ticks(range(1, 11)), 10)
    seen: list[int] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.append(len(store.read(TRADES, 0, EVER)))
            seen.append(len(store.latest(TRADES, 1000)))

    with ThreadPoolExecutor() as pool:
        readers = [pool.submit(look) for _ in range(3)]
        for turn in range(1, 20):
            store.append(TRADES, ticks(range(turn * 10 + 1, turn * 10 + 11)), turn * 10 + 10)
        stop.set()
        for reader in readers:
            reader.result()
    assert all(count % 10 == 0 for count in seen)


@pytest.mark.parametrize("alone", [False, True], ids=["two connections", "one connection"])
def test_a_large_range_is_read_whole(
    migrated_url: str, store: PostgresTickStore, monkeypatch: pytest.MonkeyPatch, *, alone: bool
) -> None:
    """What two connections read between them, or one where there is no second, is all of it, in order, also where
    instants are crowded."""

    def refuse(reader: PostgresReader) -> Exchange:
        raise TransientError("connecting", "there are too many")

    if alone:
        monkeypatch.setattr(PostgresReader, "_another", refuse)
    ids = range(1, 130_001)
    stamps = [T0 + (number if number < 60_000 else 60_000 if number < 115_000 else number * 10) for number in ids]
    batch = ticks(ids, stamps=stamps)
    assert store.append(TRADES, batch, ids[-1]).rows == len(ids)
    reader = PostgresReader(migrated_url)
    assert reader.read(TRADES, 0, EVER).tobytes() == batch.tobytes()
    reader.close()
    numbered = store.read_numbered(TRADES, T0 + 5, T0 + 60_001)
    assert numbered.ids.tolist() == list(range(5, 115_000))


def _eventually(check: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)
