"""How much of each series is packed, and what is older than a day. Changes nothing."""

from __future__ import annotations

from typing import Final

import attrs

from core.clock import DAY_NS
from core.model.records import Schema
from core.store.postgres.connection import Session
from core.store.repository import SeriesKey
from core.store.retention import RemovedDay

_PACKED: Final = """
SELECT venue, symbol, schema, count(DISTINCT day), sum(octet_length(records) + octet_length(identities))::bigint
FROM packed_data JOIN series USING (series_id) GROUP BY venue, symbol, schema
"""
_OLD: Final = """
SELECT venue, symbol, schema, day, sum(held.rows)::bigint, sum(held.size)::bigint FROM (
    SELECT series_id, (ts_event / %(day_ns)s)::integer AS day, count(*) AS rows, 0 AS size
    FROM tick_data WHERE ts_event < %(before_ns)s GROUP BY 1, 2
    UNION ALL
    SELECT series_id, (ts_event / %(day_ns)s)::integer, count(*), 0
    FROM record_data WHERE ts_event < %(before_ns)s GROUP BY 1, 2
    UNION ALL
    SELECT series_id, (ts_event / %(day_ns)s)::integer, count(*), 0
    FROM bar_data WHERE ts_event < %(before_ns)s GROUP BY 1, 2
    UNION ALL
    SELECT series_id, day - date '1970-01-01', rows, octet_length(records) + octet_length(identities)
    FROM packed_data WHERE day < date '1970-01-01' + %(before)s::integer
) AS held JOIN series USING (series_id) GROUP BY venue, symbol, schema, day
ORDER BY day, venue COLLATE "C", symbol COLLATE "C", schema COLLATE "C"
"""


@attrs.frozen(kw_only=True)
class PackedDays:
    """The packed days of one series and the bytes they take."""

    days: int = 0
    stored_bytes: int = 0


def packed_days(session: Session) -> dict[SeriesKey, PackedDays]:
    """What is packed, series by series; a series of which nothing is has no entry. What TimescaleDB compressed is not
    counted.

    Raises:
        ConsoleError: as `Session.use` does.
    """
    with session.use("measuring what is packed") as connection:
        rows = connection.execute(_PACKED).fetchall()
    schemas = {schema.value: schema for schema in Schema}
    return {
        SeriesKey(venue, symbol, schemas[schema]): PackedDays(days=days, stored_bytes=size)
        for venue, symbol, schema, days, size in rows
        if schema in schemas
    }


def old_days(session: Session, before_day: int) -> list[RemovedDay]:
    """What is stored of days before `before_day`, since the epoch, day by day and series by series: what `retain`
    would remove. Bytes are those of what is packed; of the rest they are not known. Raises as `packed_days` does."""
    bounds = {"day_ns": DAY_NS, "before_ns": before_day * DAY_NS, "before": before_day}
    with session.use("looking for old days") as connection:
        rows = connection.execute(_OLD, bounds).fetchall()
    return [
        RemovedDay(series=SeriesKey(venue, symbol, Schema(schema)), day=day, rows=count, stored_bytes=size)
        for venue, symbol, schema, day, count, size in rows
    ]
