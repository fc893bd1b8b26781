"""The rows of the series, and the questions about whole series that need no record."""

from __future__ import annotations

from typing import Final

import numpy as np

from core.clock import DAY_NS
from core.errors import PermanentError
from core.model.records import Schema
from core.store.postgres import statements
from core.store.postgres.batches import Known
from core.store.postgres.encoding import number, small
from core.store.postgres.exchange import Exchange
from core.store.postgres.partitions import leaves_of, snapshot
from core.store.postgres.tables import Table, table_of
from core.store.repository import SeriesKey, SeriesStats

_SCHEMAS: Final = {schema.value: schema for schema in Schema}
_ALL: Final = """
SELECT venue, symbol, schema, series_id, rows, duplicates, out_of_order, rejected, first_ns, last_ns, newest_id,
       (SELECT coalesce(sum(pg_column_size(records) + pg_column_size(identities)), 0)::bigint
        FROM packed_data p WHERE p.series_id = s.series_id),
       (SELECT coalesce(sum(p.rows), 0)::bigint FROM packed_data p WHERE p.series_id = s.series_id)
FROM series s ORDER BY venue COLLATE "C", symbol COLLATE "C", schema COLLATE "C" """
_SIZE: Final = """
SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint FROM (
    SELECT inhrelid AS relid FROM pg_inherits WHERE inhparent = $1::text::regclass
    UNION ALL SELECT $1::text::regclass::oid) parts"""


def series_names(series: SeriesKey) -> list[bytes]:
    """The names of a series as parameters: its venue, symbol and schema."""
    return [series.venue.encode(), series.symbol.encode(), series.schema.value.encode()]


def load_series(exchange: Exchange, series: SeriesKey) -> Known:
    """The row of a series as it is, made if there is none. Raises `psycopg.Error`, as all of these do."""
    found = find_series(exchange, series)
    if found is None:
        exchange.run(statements.BEGIN_SERIES, series_names(series))
        found = find_series(exchange, series)
        assert found is not None, "a series is never deleted"
    return found


def find_series(exchange: Exchange, series: SeriesKey) -> Known | None:
    """The row of a series as it is; None when it was not begun."""
    rows = exchange.run(statements.LOAD, series_names(series))
    if not rows:
        return None
    *numbers, writer, position, packed = rows[0]
    series_id, count, duplicates, out_of_order, rejected, first_ns, last_ns, newest_id, ordinal = map(number, numbers)
    return Known(
        series_id=series_id,
        rows=count,
        duplicates=duplicates,
        out_of_order=out_of_order,
        rejected=rejected,
        first_ns=first_ns,
        last_ns=last_ns,
        newest_id=newest_id,
        ordinal=ordinal,
        writer=writer or b"",
        position=number(position),
        packed=frozenset(np.frombuffer(packed or b"", ">i4").tolist()),
    )


def series_by_number(exchange: Exchange, series_id: int) -> SeriesKey:
    """The series of a number that rows bear.

    Raises:
        PermanentError: there is none, or it is of a schema that this program does not know.
    """
    rows = exchange.run("SELECT venue, symbol, schema FROM series WHERE series_id = $1::integer", [small(series_id)])
    if not rows or _text(rows[0][2]) not in _SCHEMAS:
        raise PermanentError("reading the series", f"nothing is known of number {series_id}")
    return SeriesKey(_text(rows[0][0]), _text(rows[0][1]), _SCHEMAS[_text(rows[0][2])])


def stored_series(exchange: Exchange) -> list[SeriesKey]:
    """The series that were begun, in the order of their names."""
    return [key for key, _ in _rows(exchange)]


def _rows(exchange: Exchange) -> list[tuple[SeriesKey, list[int]]]:
    # What another program put under a schema that we do not know is passed over.
    return [
        (SeriesKey(_text(row[0]), _text(row[1]), _SCHEMAS[_text(row[2])]), [number(value) for value in row[3:]])
        for row in exchange.run(_ALL)
        if _text(row[2]) in _SCHEMAS
    ]


def _text(content: bytes | None) -> str:
    return (content or b"").decode()


def days_of_series(exchange: Exchange, series_id: int, table: Table) -> list[int]:
    """The days since the epoch that hold rows of a series, packed or not, ascending; asked inside a `snapshot`."""
    packed = "SELECT day - date '1970-01-01' FROM packed_data WHERE series_id = $1::integer"
    asked = [
        f"SELECT {leaf.day} WHERE EXISTS (SELECT FROM {leaf.name} WHERE series_id = $1::integer)"  # noqa: S608 - ours
        for leaf in leaves_of(exchange, table.name)
    ]
    query = " UNION ".join([*asked, packed]) if asked else f"{_skipping(table)} UNION {packed}"
    return sorted(number(row[0]) for row in exchange.run(query, [small(series_id)]))


def _skipping(table: Table) -> str:
    # Each step asks the index for the first row of a later day, so that no day is read.
    return f"""
SELECT day::integer FROM (
    WITH RECURSIVE found AS (
        (SELECT ts_event / {DAY_NS} AS day FROM {table.name} WHERE series_id = $1::integer
         ORDER BY ts_event LIMIT 1)
        UNION ALL
        SELECT (SELECT ts_event / {DAY_NS} FROM {table.name} WHERE series_id = $1::integer
                AND ts_event >= (found.day + 1) * {DAY_NS} ORDER BY ts_event LIMIT 1)
        FROM found WHERE found.day IS NOT NULL)
    SELECT day FROM found WHERE day IS NOT NULL) days"""  # noqa: S608 - constants


def all_stats(exchange: Exchange) -> list[SeriesStats]:
    """What is stored and what was refused, series by series in the order of their names.

    The bytes of a table are shared out among its series by their rows; those of packed days are exact.
    """
    rows = _rows(exchange)
    tables = {table_of(key.schema).name: table_of(key.schema) for key, _ in rows}
    sizes = {name: number(exchange.run(_SIZE, [name.encode()])[0][0]) for name in tables}
    loose = dict.fromkeys(tables, 0)
    for key, facts in rows:
        loose[table_of(key.schema).name] += facts[1] - facts[9]
    found = []
    for key, facts in rows:
        series_id, count, duplicates, out_of_order, rejected, first_ns, last_ns, newest_id, packed, packed_rows = (
            facts
        )
        table = table_of(key.schema)
        share = sizes[table.name] * (count - packed_rows) // max(loose[table.name], 1)
        with snapshot(exchange, table):
            days = days_of_series(exchange, series_id, table)
        found.append(
            SeriesStats(
                series=key,
                rows=count,
                duplicates=duplicates,
                out_of_order=out_of_order,
                rejected=rejected,
                first_ns=first_ns,
                last_ns=last_ns,
                newest_id=newest_id,
                segments=len(days),
                stored_bytes=packed + share,
            )
        )
    return found
