"""What the migrations make, seen from SQL: days, and what people read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest

from core.store.postgres.connection import Connection, connect
from tests.conformance.ticks import DAY_NS, T0

DAY = T0 // DAY_NS
OURS, THEIRS = 61_441, 2


@pytest.fixture
def connection(migrated_url: str) -> Iterator[Connection]:
    """A connection to a database with our tables."""
    with connect(migrated_url) as opened:
        yield opened


def insert_trade(connection: Connection, *, ts_event: int, publisher: int = OURS, side: bytes = b"B") -> None:
    """Store one trade of series 1."""
    detail = publisher << 32 | ord("T") << 24 | ord(side) << 16
    connection.execute(
        "INSERT INTO tick_data VALUES (1, 7, 0, %s, 5, %s, 50000123456789, 12345678, %s)",
        (ts_event, ts_event, detail),
    )


@pytest.mark.parametrize("parent", ["tick_data", "record_data"])
def test_a_day_is_made_once(connection: Connection, parent: str) -> None:
    """Making the partition of a day says whether it was made; its days are half open, from midnight to midnight."""
    made = [connection.execute("SELECT ensure_day(%s, %s)", (parent, DAY)).fetchone() for _ in range(2)]
    assert made == [(True,), (False,)]
    rows = connection.execute(
        "SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relkind = 'r'"
    ).fetchall()
    assert rows == [(f"{parent}_20251122", f"FOR VALUES FROM ('{T0}') TO ('{T0 + DAY_NS}')")]


def test_days_are_not_confused(connection: Connection) -> None:
    """The first day of all and the last a bigint holds have partitions; a day without one is refused."""
    for day in (0, 2**63 // DAY_NS - 1):
        assert connection.execute("SELECT ensure_day('tick_data', %s)", (day,)).fetchone() == (True,)
        insert_trade(connection, ts_event=day * DAY_NS)
        insert_trade(connection, ts_event=(day + 1) * DAY_NS - 1)
    with pytest.raises(psycopg.errors.CheckViolation):
        insert_trade(connection, ts_event=DAY_NS)
    assert connection.execute("SELECT ensure_day('series', 1)").fetchone() == (False,)


def test_a_day_is_made_beside_readers(connection: Connection, migrated_url: str) -> None:
    """Somebody who is in the middle of reading does not hold up the next day, nor does making it hold up reading."""
    connection.execute("SELECT ensure_day('tick_data', %s)", (DAY,))
    with (
        connect(migrated_url, statement_s=5) as reader,
        connect(migrated_url, statement_s=5) as maker,
        reader.transaction(),
    ):
        reader.execute("SELECT count(*) FROM tick_data")
        with maker.transaction():
            assert maker.execute("SELECT ensure_day('tick_data', %s)", (DAY + 1,)).fetchone() == (True,)
            assert reader.execute("SELECT count(*) FROM tick_data").fetchone() == (0,)


def test_many_make_the_same_day(migrated_url: str) -> None:
    """Of several that need a day at once one makes it, and none fails."""
    made: list[object] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        with connect(migrated_url) as mine:
            barrier.wait()
            made.append(mine.execute("SELECT ensure_day('tick_data', %s)", (DAY,)).fetchone())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, made)) == ["(False,)", "(False,)", "(False,)", "(True,)"]


def test_people_read_numbers_and_times(connection: Connection) -> None:
    """The view of the trades has exact decimals, in the units of who published them, and times with time zones."""
    connection.execute("INSERT INTO series (venue, symbol, schema) VALUES ('KRAKEN', 'BTCUSD', 'trades')")
    connection.execute("SELECT ensure_day('tick_data', %s)", (DAY,))
    insert_trade(connection, ts_event=T0)
    insert_trade(connection, ts_event=T0 + 1000, publisher=THEIRS, side=b"A")
    insert_trade(connection, ts_event=T0 + 2000, side=b"N")
    rows = connection.execute(
        'SELECT symbol, price, quantity, side, "timestamp" FROM ticks ORDER BY ts_event'
    ).fetchall()
    price, when = Decimal("50000.123456789"), datetime(2025, 11, 22, tzinfo=UTC)
    assert rows[0] == ("BTCUSD", price, Decimal("0.12345678"), "buy", when)
    assert rows[1][1:4] == (price, 12_345_678, "sell")
    assert rows[2][3] == ""


def test_people_read_bars(connection: Connection) -> None:
    """The view of the bars has exact decimals, and volumes in the units of who published them."""
    connection.execute("INSERT INTO series (venue, symbol, schema) VALUES ('KRAKEN', 'BTCUSD', 'ohlcv-1m')")
    for ts_event, publisher in ((T0, OURS), (T0 + 1, THEIRS)):
        connection.execute(
            "INSERT INTO bar_data VALUES (1, 7, %s, %s, 1000000000, 2000000000, 500000000, 1500000000, 250000000)",
            (publisher, ts_event),
        )
    rows = connection.execute("SELECT schema, open, high, low, close, volume FROM bars ORDER BY ts_event").fetchall()
    assert rows[0] == ("ohlcv-1m", 1, 2, Decimal("0.5"), Decimal("1.5"), Decimal("2.5"))
    assert rows[1][5] == 250_000_000
