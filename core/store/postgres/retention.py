"""Removes days that are too old to keep, packed or not; the totals of the series say how many rows went."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from core.clock import DAY_NS
from core.store.postgres.encoding import big, number, small
from core.store.postgres.exchange import Exchange, Row
from core.store.postgres.packing import packer
from core.store.postgres.partitions import PARTITIONED, Leaf, is_hypertable, leaves_of, lock_out, size_of
from core.store.postgres.series import series_by_number, stored_series
from core.store.postgres.tables import table_of
from core.store.repository import SeriesKey
from core.store.retention import RemovedDay

RetentionProgress = Callable[[int, int, RemovedDay | None], None]
"""Is told (steps done, steps in all, the last day that was removed)."""

_PACKED: Final = """
SELECT series_id, day - date '1970-01-01', sum(rows)::bigint,
       sum(pg_column_size(records) + pg_column_size(identities))::bigint
FROM packed_data WHERE day < date '1970-01-01' + $1::integer GROUP BY 1, 2 ORDER BY 2, 1"""
_FORGET: Final = """
DELETE FROM packed_data WHERE series_id = $1::integer AND day = date '1970-01-01' + $2::integer"""


def retain(url: str, *, before_day: int, progress: RetentionProgress | None = None) -> list[RemovedDay]:
    """Remove every day before `before_day` (since the epoch) of the database at `url`, bars too, for good.

    Raises:
        TransientError: the server does not answer, or somebody packs; the days removed so far are removed.
        ConfigurationError: the URL is wrong, the database is not migrated, or the role does not own the tables.
    """
    removed: list[RemovedDay] = []
    with packer(url, "removing days") as exchange:
        steps: list[Callable[[], list[RemovedDay]]] = []
        for table in PARTITIONED:
            steps += [_leaf_step(exchange, leaf) for leaf in leaves_of(exchange, table) if leaf.day < before_day]
            if is_hypertable(exchange, table):
                steps.append(_chunks_step(exchange, table, before_day))
        steps += [_packed_step(exchange, row) for row in exchange.run(_PACKED, [small(before_day)])]
        steps += [_bars_step(exchange, key, before_day) for key in stored_series(exchange) if key.schema.is_bars]
        for done, step in enumerate(steps, start=1):
            with _transaction(exchange):
                found = step()
            removed += found
            if progress is not None:
                progress(done, len(steps), found[-1] if found else None)
    return removed


@contextlib.contextmanager
def _transaction(exchange: Exchange) -> Iterator[None]:
    # After an error the connection is closed, and with it what was begun is undone.
    exchange.script("BEGIN")
    yield
    exchange.script("COMMIT")


def _leaf_step(exchange: Exchange, leaf: Leaf) -> Callable[[], list[RemovedDay]]:
    def step() -> list[RemovedDay]:
        lock_out(exchange, leaf.table)
        query = f"SELECT series_id, count(*) FROM {leaf.name} GROUP BY 1 ORDER BY 1"  # noqa: S608 - ours
        held = [(number(series_id), number(rows)) for series_id, rows in exchange.run(query)]
        size = size_of(exchange, leaf)
        exchange.script(f"DROP TABLE {leaf.name}")
        total = sum(rows for _, rows in held)
        return [
            _removed(exchange, series_id, leaf.day, rows, stored_bytes=size * rows // total)
            for series_id, rows in held
        ]

    return step


def _chunks_step(exchange: Exchange, table: str, before_day: int) -> Callable[[], list[RemovedDay]]:
    def step() -> list[RemovedDay]:
        lock_out(exchange, table)
        query = (
            f"SELECT series_id, (ts_event / {DAY_NS})::integer, count(*) FROM {table}"  # noqa: S608 - ours
            " WHERE ts_event < $1::bigint GROUP BY 1, 2 ORDER BY 2, 1"
        )
        held = exchange.run(query, [big(before_day * DAY_NS)])
        exchange.run("SELECT drop_chunks($1::text::regclass, older_than => $2::bigint)::text",
                     [table.encode(), big(before_day * DAY_NS)])  # fmt: skip
        return [
            _removed(exchange, number(series_id), number(day), number(rows), stored_bytes=0)
            for series_id, day, rows in held
        ]

    return step


def _packed_step(exchange: Exchange, row: Row) -> Callable[[], list[RemovedDay]]:
    series_id, day, rows, size = map(number, row)

    def step() -> list[RemovedDay]:
        exchange.run(_FORGET, [small(series_id), small(day)])
        return [_removed(exchange, series_id, day, rows, stored_bytes=size)]

    return step


def _bars_step(exchange: Exchange, key: SeriesKey, before_day: int) -> Callable[[], list[RemovedDay]]:
    def step() -> list[RemovedDay]:
        names = [key.venue.encode(), key.symbol.encode(), key.schema.value.encode()]
        [[found]] = exchange.run(
            "SELECT series_id FROM series WHERE venue = $1::text AND symbol = $2::text AND schema = $3::text"
            " FOR NO KEY UPDATE", names
        )  # fmt: skip
        series_id, before_ns = number(found), before_day * DAY_NS
        held = exchange.run(
            f"SELECT (ts_event / {DAY_NS})::integer, count(*) FROM bar_data"  # noqa: S608 - ours
            " WHERE series_id = $1::integer AND ts_event < $2::bigint GROUP BY 1 ORDER BY 1",
            [small(series_id), big(before_ns)],
        )
        exchange.run(
            "DELETE FROM bar_data WHERE series_id = $1::integer AND ts_event < $2::bigint",
            [small(series_id), big(before_ns)],
        )
        return [_removed(exchange, series_id, number(day), number(rows), stored_bytes=0) for day, rows in held]

    return step


def _removed(exchange: Exchange, series_id: int, day: int, rows: int, *, stored_bytes: int) -> RemovedDay:
    # Counts what is gone already, and looks where the series begins now.
    series = series_by_number(exchange, series_id)
    table = table_of(series.schema).name
    exchange.run(
        f"""
UPDATE series s SET rows = s.rows - $2::bigint, removed = s.removed + $2::bigint, ordinal = s.ordinal + 1,
    last_ns = CASE WHEN s.rows > $2::bigint THEN s.last_ns ELSE 0 END,
    first_ns = coalesce(least(
        (SELECT ts_event FROM {table} t WHERE t.series_id = $1::integer ORDER BY ts_event LIMIT 1),
        (SELECT min(p.first_ns) FROM packed_data p WHERE p.series_id = $1::integer)), 0)
WHERE s.series_id = $1::integer""",  # noqa: S608 - constants
        [small(series_id), big(rows)],
    )
    return RemovedDay(series=series, day=day, rows=rows, stored_bytes=stored_bytes)
