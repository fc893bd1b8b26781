"""Packed days: read like the others, refused when damaged, made and removed without losing anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from core.errors import ConsoleError, PermanentError, TransientError
from core.store.postgres import packing, partitions
from core.store.postgres.exchange import Exchange
from core.store.postgres.packing import PACKED, compress
from core.store.postgres.partitions import lock_out
from core.store.postgres.retention import retain
from core.store.postgres.store import PostgresTickStore
from core.store.postgres.verify import verify_database
from core.store.repository import AppendResult
from tests.conformance.test_tick_store import BARS
from tests.conformance.ticks import BOOKS, DAY_NS, QUOTES, T0, TRADES, bars, prices, ticks

EVER = 2**64 - 1
TODAY = T0 // DAY_NS + 3
STAMPS = [T0 + number * DAY_NS // 50 for number in range(200)]
"""Of four days, fifty a day."""
KEYS = (BOOKS, QUOTES, TRADES)


@pytest.fixture
def store(migrated_url: str) -> Iterator[PostgresTickStore]:
    """A store that holds four days of three series."""
    opened = PostgresTickStore(migrated_url)
    for series in KEYS:
        opened.append(series, ticks(range(1, 201), series=series, stamps=STAMPS), 200)
    yield opened
    opened.close()


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _codes(url: str) -> list[str]:
    return [finding.code for finding in verify_database(url)]


def test_packed_days_read_like_the_others(migrated_url: str, store: PostgresTickStore) -> None:
    """Packing changes nothing of what is read, whatever is asked, and says what it did; a second time is nothing."""
    before = {series: store.read_numbered(series, 0, EVER) for series in KEYS}
    seen: list[tuple[int, int]] = []
    results = compress(migrated_url, before_day=TODAY, progress=lambda done, total, _: seen.append((done, total)))
    assert [(result.series, result.rows, result.method) for result in results[:3]] == [(TRADES, 50, PACKED)] * 3
    assert len(results) == 9
    assert all(0 < result.packed_bytes < result.plain_bytes for result in results)
    assert seen == [(done, 6) for done in range(1, 7)]
    for series, expected in before.items():
        found = store.read_numbered(series, 0, EVER)
        assert found.records.tobytes() == expected.records.tobytes()
        assert found.ids.tolist() == expected.ids.tolist()
        assert prices(store.read(series, STAMPS[10], STAMPS[160])) == list(range(11, 161))
        assert len(store.days(series)) == 4
        for rows in (1, 50, 51, 120, 500):
            assert prices(store.latest(series, rows)) == list(range(max(201 - rows, 1), 201))
    assert compress(migrated_url, before_day=TODAY) == []
    assert _codes(migrated_url) == []
    assert [stats.segments for stats in store.stats()] == [4, 4, 4]


def test_the_latest_rows_while_days_are_packed(migrated_url: str, store: PostgresTickStore) -> None:
    """Who asked before a day was packed or removed gets the right rows afterwards, beside rows that came late."""
    for series in KEYS:
        assert prices(store.latest(series, 20)) == list(range(181, 201))
        assert prices(store.latest(series, 150)) == list(range(51, 201))
    compress(migrated_url, before_day=TODAY + 1)
    for series in KEYS:
        assert prices(store.latest(series, 20)) == list(range(181, 201))
        late = ticks(range(301, 341), series=series, stamps=[STAMPS[198]] * 40)
        assert store.append(series, late, 340).rows == 40
        assert prices(store.latest(series, 20)) == [*range(322, 341), 200]
        assert prices(store.latest(series, 150)) == [*range(91, 200), *range(301, 341), 200]
    retain(migrated_url, before_day=TODAY)
    for series in KEYS:
        assert len(store.latest(series, 150)) == 90
    retain(migrated_url, before_day=TODAY + 1)
    for series in KEYS:
        assert len(store.latest(series, 20)) == 0


def test_a_packed_record_is_a_duplicate(migrated_url: str, store: PostgresTickStore) -> None:
    """What comes again for a packed day is refused; what comes late is stored, read in its place and packed too."""
    compress(migrated_url, before_day=TODAY + 1)
    for series in KEYS:
        assert store.append(series, ticks(range(1, 201), series=series, stamps=STAMPS), 200).duplicates == 200
        late = ticks([5, 201], series=series, stamps=[STAMPS[4], STAMPS[4]])
        assert store.append(series, late, 201) == AppendResult(rows=1, duplicates=1, out_of_order=1)
        expected = [4, 5, 201, 6]
        assert prices(store.read(series, STAMPS[3], STAMPS[6])) == expected
        assert prices(store.latest(series, 2)) == [199, 200]
    compress(migrated_url, before_day=TODAY + 1)
    for series in KEYS:
        assert prices(store.read(series, STAMPS[3], STAMPS[6])) == expected
        assert store.append(series, ticks([201], series=series, stamps=[STAMPS[4]]), 201).duplicates == 1
        assert len(store.read(series, 0, EVER)) == 201


def test_rows_that_come_while_a_day_is_packed(
    migrated_url: str, store: PostgresTickStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that arrives between the reading and the drop of a partition makes the day be packed again."""
    late = [ticks([300], stamps=[T0 + 1])]

    def slow(exchange: Exchange, table: str) -> None:
        if late:
            assert store.append(TRADES, late.pop(), 300).rows == 1
        lock_out(exchange, table)

    monkeypatch.setattr(packing, "lock_out", slow)
    results = compress(migrated_url, before_day=TODAY)
    assert results[0].rows == 51
    assert prices(store.read(TRADES, 0, T0 + 2)) == [1, 300]
    assert len(store.read(TRADES, 0, EVER)) == 201


def test_packing_beside_a_writer(migrated_url: str, store: PostgresTickStore) -> None:
    """Days are packed while rows of them keep coming: each is stored once and none is lost."""
    stop = threading.Event()
    failures: list[ConsoleError] = []
    sent = 200

    def write() -> None:
        nonlocal sent
        while not stop.is_set():
            ids = range(sent + 1, sent + 4)
            try:
                store.append(QUOTES, ticks(ids, series=QUOTES, stamps=[T0 + number for number in ids]), ids[-1])
            except ConsoleError as error:
                failures.append(error)
            else:
                sent += 3

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(6):
            compress(migrated_url, before_day=TODAY)
    finally:
        stop.set()
        writer.join()
    assert failures == []
    assert sent > 200
    assert sorted(prices(store.read(QUOTES, 0, EVER))) == list(range(1, sent + 1))
    assert _codes(migrated_url) == []


def test_a_failure_in_the_middle_changes_nothing(
    migrated_url: str, store: PostgresTickStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When packing fails before it is committed the rows are where they were, and the next time it works."""

    def fail(exchange: Exchange, series_id: int) -> None:
        exchange.run("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as patched:
        patched.setattr(packing, "touch", fail)
        with pytest.raises(TransientError):
            compress(migrated_url, before_day=TODAY)
    assert prices(store.read(TRADES, 0, EVER)) == list(range(1, 201))
    assert len(compress(migrated_url, before_day=TODAY)) == 9
    assert prices(store.read(TRADES, 0, EVER)) == list(range(1, 201))


def test_a_table_that_is_always_in_use(
    migrated_url: str, store: PostgresTickStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packing waits for who reads in short turns and gives up in the end, and changes nothing; later it works."""
    monkeypatch.setattr(partitions, "_ATTEMPTS", 2)
    with psycopg.connect(migrated_url) as reader:
        reader.execute("SELECT count(*) FROM tick_data")
        for act in (compress, retain):
            with pytest.raises(TransientError, match="in use"):
                act(migrated_url, before_day=TODAY)
    assert len(compress(migrated_url, before_day=TODAY)) == 9
    assert prices(store.read(TRADES, 0, EVER)) == list(range(1, 201))


def test_one_packs_at_a_time(migrated_url: str, store: PostgresTickStore) -> None:
    """A second one is told that somebody packs, and changes nothing."""
    assert store.series()
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext('ringside.packing'))")
        for act in (compress, retain):
            with pytest.raises(TransientError, match="somebody else"):
                act(migrated_url, before_day=TODAY)


@pytest.mark.parametrize("part", ["records", "identities", "sha256"])
def test_a_damaged_pack_is_never_read(migrated_url: str, store: PostgresTickStore, part: str) -> None:
    """A flipped bit in a packed day is an error that says so, for who reads and who verifies; other days go on."""
    compress(migrated_url, before_day=TODAY)
    _execute(
        migrated_url,
        f"UPDATE packed_data SET {part} = set_byte({part}, length({part}) - 3, get_byte({part}, length({part}) - 3)"
        f" # 1) WHERE day = date '1970-01-01' + {T0 // DAY_NS}",
    )
    with pytest.raises(PermanentError, match="packed day"):
        store.read(TRADES, 0, EVER)
    assert prices(store.read(TRADES, STAMPS[50], EVER)) == list(range(51, 201))
    assert _codes(migrated_url).count("damaged") == 3


def test_what_is_wrong_is_found(migrated_url: str, store: PostgresTickStore) -> None:
    """Verifying finds rows that nobody counted, ids that are missing, double rows and what was put aside."""
    bad = ticks([300])
    bad["rtype"] = 7
    store.append(TRADES, bad, 0)
    store.append(TRADES, ticks([203], stamps=[STAMPS[-1] + 1]), 203)
    assert _codes(migrated_url) == ["id_gap", "quarantine"]
    compress(migrated_url, before_day=TODAY)
    _execute(migrated_url, f"SELECT ensure_day('tick_data', {T0 // DAY_NS})")
    _execute(
        migrated_url,
        f"INSERT INTO tick_data SELECT series_id, instrument_id, ts_in_delta, {T0}, 1, ts_recv, price_e9,"
        " quantity_e8, detail FROM tick_data LIMIT 1",
    )
    assert _codes(migrated_url) == ["overlap", "id_gap", "rows", "quarantine"]


def test_old_days_are_removed(migrated_url: str, store: PostgresTickStore) -> None:
    """Days before the one named go, packed or not, bars too; the totals say what can be read, and nothing else."""
    store.append(BARS, bars([T0, T0 + DAY_NS, T0 + 3 * DAY_NS]), 0)
    compress(migrated_url, before_day=TODAY - 2)
    seen: list[int] = []
    removed = retain(migrated_url, before_day=TODAY - 1, progress=lambda done, total, _: seen.append(total - done))
    assert sorted((str(day.series), day.day - T0 // DAY_NS, day.rows) for day in removed) == sorted(
        [(str(series), day, 50) for series in KEYS for day in (0, 1)] + [(str(BARS), day, 1) for day in (0, 1)]
    )
    assert seen[-1] == 0
    for series in KEYS:
        assert prices(store.read(series, 0, EVER)) == list(range(101, 201))
    found = {stats.series: stats for stats in store.stats()}
    assert [found[series].rows for series in (*KEYS, BARS)] == [100, 100, 100, 1]
    assert found[TRADES].first_ns == STAMPS[100]
    assert found[BARS].first_ns == T0 + 3 * DAY_NS
    assert _codes(migrated_url) == []
    retain(migrated_url, before_day=TODAY + 10)
    assert [(stats.rows, stats.first_ns, stats.last_ns) for stats in store.stats()] == [(0, 0, 0)] * 4
    assert store.append(TRADES, ticks([201], stamps=[T0]), 201) == AppendResult(rows=1)
