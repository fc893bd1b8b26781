"""The queries by which records come back: whole columns in one value each, which numpy reads as they are."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Final

import attrs
import numpy as np

from core.model.records import Schema
from core.store.postgres.encoding import Values, big, from_wire, small
from core.store.postgres.exchange import Exchange, Row
from core.store.postgres.packed import Chunk
from core.store.postgres.tables import Table, from_columns, table_of

PAGE_ROWS: Final = 250_000
_SENT: Final = {"integer": "int4send({})", "bigint": "int8send({})", "bytea": "{}"}
_LOWEST: Final = -(2**63)


def _sent(table: Table, *, narrow: bool = False) -> str:
    # Each column in one value; if `narrow`, a steady one in a single number, or NULL where it is not steady.
    parts = []
    for kind in table.columns:
        name, sent = kind.name, _SENT[kind.type]
        if narrow and name in table.steady:
            parts.append(f"CASE WHEN min({name}) = max({name}) THEN {sent.format(f'min({name})')} END")
        else:
            parts.append(f"string_agg({sent.format(name)}, ''::bytea)")
    return ", ".join(parts)


def _keys(table: Table) -> list[str]:
    return table.order.split(", ")


@functools.cache
def page_query(table: Table, *, narrow: bool) -> str:
    """At most $5 rows of the series $1 from $2 up to $3, in the order of the table; those at $2 from the second key
    $4 on. If `narrow`, columns that are steady come as one value, and as NULL where they are not."""
    names = ", ".join(kind.name for kind in table.columns)
    after = f" AND ({table.order}) >= ($2::bigint, $4::bigint)" if len(_keys(table)) > 1 else " AND $4::bigint < 0"
    return f"""
SELECT {_sent(table, narrow=narrow)} FROM (
    SELECT {names} FROM {table.name}
    WHERE series_id = $1::integer AND ts_event >= $2::bigint AND ts_event < $3::bigint{after}
    ORDER BY {table.order} LIMIT $5::bigint) page"""  # noqa: S608 - constants


@functools.cache
def latest_query(table: Table) -> str:
    """The newest packed instant or NULL, and the last $2 rows of the series $1 from $3 on, backwards."""
    names = ", ".join(kind.name for kind in table.columns)
    backwards = ", ".join(f"{key} DESC" for key in _keys(table))
    return f"""
SELECT (SELECT last_ns FROM packed_data WHERE series_id = $1::integer ORDER BY day DESC, chunk DESC LIMIT 1),
       {_sent(table)}
FROM (SELECT {names} FROM {table.name} WHERE series_id = $1::integer AND ts_event >= $3::bigint
      ORDER BY {backwards} LIMIT $2::bigint) page"""  # noqa: S608 - constants


def parse(schema: Schema, row: Row) -> tuple[Chunk, Values]:
    """The rows in the columns of a page, and the second keys of their order (the instants of bars)."""
    table = table_of(schema)
    columns = [from_wire(kind, content or b"") for kind, content in zip(table.columns, row, strict=True)]
    by_name = {kind.name: values for kind, values in zip(table.columns, columns, strict=True)}
    identities = by_name[table.identity or "ts_event"].astype(np.int64)
    return Chunk(from_columns(schema, columns), identities), by_name[_keys(table)[-1]]


@attrs.frozen
class Span:
    """From `start_ns`, there from the second key `key` on, up to `end_ns`."""

    start_ns: int
    end_ns: int
    key: int = _LOWEST


def page(exchange: Exchange, series_id: int, schema: Schema, span: Span, *, rows: int) -> tuple[Chunk, Values]:
    """At most `rows` rows of a series from the start of a span, and the second keys of their order.

    Raises `psycopg.Error`.
    """
    table = table_of(schema)
    parameters = [small(series_id), big(span.start_ns), big(span.end_ns), big(span.key), big(rows)]
    [row] = exchange.run(page_query(table, narrow=True), parameters)
    if None in row and any(row):
        [row] = exchange.run(page_query(table, narrow=False), parameters)
    return parse(schema, row)


def rows_of(exchange: Exchange, series_id: int, schema: Schema, span: Span) -> Iterator[Chunk]:
    """The rows of a series in a span, page by page of at most `PAGE_ROWS`, in the order of reading.

    Raises `psycopg.Error`.
    """
    while True:
        chunk, keys = page(exchange, series_id, schema, span, rows=PAGE_ROWS)
        yield chunk
        if len(chunk.records) < PAGE_ROWS:
            return
        span = after(schema, chunk, keys, span.end_ns)


def after(schema: Schema, chunk: Chunk, keys: Values, end_ns: int) -> Span:
    """What follows the rows of a page whose second keys are `keys`, up to `end_ns`."""
    last_ns = int(chunk.records["ts_event"][-1])
    return Span(last_ns + 1, end_ns) if schema.is_bars else Span(last_ns, end_ns, int(keys[-1]) + 1)
