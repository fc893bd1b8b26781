"""The SQL by which a batch goes in. Every way of it moves the series' row on from the ordinal that is
expected: of two writers that start from the same one, one finds that nothing was stored and looks again.
"""

from __future__ import annotations

import functools
from typing import Final

from core.store.postgres.encoding import column
from core.store.postgres.tables import Table

LOAD: Final = """
SELECT s.series_id, rows, duplicates, out_of_order, rejected, first_ns, last_ns, newest_id, ordinal, writer, position,
       coalesce((SELECT string_agg(int4send(day - date '1970-01-01'), ''::bytea)
                 FROM (SELECT DISTINCT day FROM packed_data p WHERE p.series_id = s.series_id) d), ''::bytea)
FROM series s WHERE venue = $1::text AND symbol = $2::text AND schema = $3::text"""
BEGIN_SERIES: Final = """
INSERT INTO series (venue, symbol, schema) VALUES ($1::text, $2::text, $3::text) ON CONFLICT DO NOTHING"""
ENSURE_DAYS: Final = "SELECT ensure_day($1::text, day) FROM unnest($2::integer[]) day"
POSITION: Final = """
INSERT INTO positions (series_id, writer, position) SELECT series_id, $4::text, 0 FROM series
WHERE venue = $1::text AND symbol = $2::text AND schema = $3::text
ON CONFLICT (series_id, writer) DO UPDATE SET position = positions.position RETURNING position"""
"""Writes, so that it waits for an append that was given up here and that the server may still commit."""
RETIRE: Final = "DELETE FROM positions WHERE writer = $1::text"
FENCE: Final = """
UPDATE series SET ordinal = ordinal + 1 WHERE venue = $1::text AND symbol = $2::text AND schema = $3::text"""
"""Whatever was asked of the server before and is not done yet is never done: it expects another ordinal."""
SECURE: Final = """
BEGIN; SET LOCAL synchronous_commit = on; SELECT pg_logical_emit_message(true, 'ringside', 'sync'); COMMIT"""
"""Waits until all that was committed is on the disk: a commit that wrote something flushes what lies before it."""

# $1 series_id, $2 the ordinal expected, $3 rows offered, $4 duplicates dropped before, $5 those of the offered rows
# that are late, $6 rejected, $7 first_ns, $8 last_ns, $9 newest_id, $10 writer, $11 position.
COUNTS: Final = 11
_MOVED: Final = """
    ordinal = s.ordinal + $3::bigint, rejected = s.rejected + $6::bigint, first_ns = $7::bigint,
    last_ns = $8::bigint, newest_id = $9::bigint, writer = $10::text, position = $11::bigint"""
_ALL_NEW: Final = f"""
UPDATE series s SET rows = s.rows + $3::bigint, duplicates = s.duplicates + $4::bigint,
    out_of_order = s.out_of_order + $5::bigint,{_MOVED}
WHERE s.series_id = $1::integer AND s.ordinal = $2::bigint"""  # noqa: S608 - constants

_ADVANCE: Final = """
advance AS (INSERT INTO positions (series_id, writer, position) SELECT series_id, $10::text, $11::bigint FROM guard
            ON CONFLICT (series_id, writer) DO UPDATE SET position = excluded.position)"""


def move(*, advance: bool, anyway: bool = False) -> str:
    """Moves the row on for rows that are then copied, or, `anyway`, where none is left; it stores no row itself.
    The number of rows it changed is none if the ordinal was another. With `advance` it notes in `positions` how far
    the writer came, as the others do."""
    moved = _ALL_NEW.replace("s.ordinal + $3::bigint", "s.ordinal + $3::bigint + 1") if anyway else _ALL_NEW
    if not advance:
        return moved
    return f"WITH guard AS ({moved} RETURNING s.series_id),{_ADVANCE} SELECT series_id FROM guard"  # noqa: S608 - constants


@functools.cache
def insert_new(table: Table, *, single: bool, advance: bool) -> str:
    """Stores rows of which none is there yet, or fails; the columns are arrays from $12 on, or values if `single`.
    The number of rows it stored is none if the ordinal was another."""
    names = ", ".join(kind.name for kind in table.columns)
    if single:
        source = f"(SELECT {_parameters(table, '')}) AS offered ({names})"
    else:
        source = f"unnest({_parameters(table, '[]')}) AS offered ({names})"
    noted = f",{_ADVANCE}" if advance else ""
    return f"""
WITH guard AS ({_ALL_NEW} RETURNING s.series_id){noted}
INSERT INTO {table.name} (series_id, {names}) SELECT guard.series_id, offered.* FROM guard, {source}"""  # noqa: S608 - constants


@functools.cache
def insert_any(table: Table, *, some_late: bool, advance: bool) -> str:
    """Stores those of the rows that are not there yet; the columns are arrays from $12 on, behind them, if
    `some_late`, one of booleans. It gives the rows stored and those of them that are late, or no row at all if the
    ordinal was another."""
    names = ", ".join(kind.name for kind in table.columns)
    key = "ts_event" + (f", {table.identity}" if table.identity else "")
    arrays, all_names, late = _parameters(table, "[]"), names, "0::bigint"
    if some_late:
        arrays += f", ${COUNTS + len(table.columns) + 1}::boolean[]"
        all_names += ", late"
        late = f"count(*) FILTER (WHERE ({key}) IN (SELECT {key} FROM offered WHERE late))"  # noqa: S608 - constants
    noted = f"{_ADVANCE}," if advance else ""
    return f"""
WITH guard AS (SELECT series_id FROM series WHERE series_id = $1::integer AND ordinal = $2::bigint
               AND $5::bigint >= 0 FOR NO KEY UPDATE),{noted}
offered AS MATERIALIZED (SELECT * FROM unnest({arrays}) AS r ({all_names})),
stored AS (INSERT INTO {table.name} (series_id, {names}) SELECT guard.series_id, {names} FROM guard, offered
           ON CONFLICT DO NOTHING RETURNING {key}),
counted AS (SELECT count(*) AS new, {late} AS late FROM stored)
UPDATE series s SET rows = s.rows + new, duplicates = s.duplicates + $4::bigint + $3::bigint - new,
    out_of_order = s.out_of_order + counted.late,{_MOVED}
FROM guard, counted WHERE s.series_id = guard.series_id RETURNING new, counted.late"""  # noqa: S608 - constants


def copy_new(table: Table) -> str:
    """Copies rows, their series first, into the table."""
    return (
        f"COPY {table.name} (series_id, {', '.join(kind.name for kind in table.columns)}) FROM STDIN (FORMAT binary)"
    )


def begin(table: Table) -> str:
    """Begins a transaction. Who packs a day locks the table first and the series then: so must who stores."""
    return f"BEGIN; LOCK TABLE ONLY {table.name} IN ROW EXCLUSIVE MODE"


SERIES_COLUMN: Final = column("series_id", "integer")
LATE_COLUMN: Final = column("late", "boolean")
DAY_COLUMN: Final = column("day", "integer")


def _parameters(table: Table, suffix: str) -> str:
    return ", ".join(f"${number}::{kind.type}{suffix}" for number, kind in enumerate(table.columns, COUNTS + 1))
