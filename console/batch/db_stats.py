"""`db stats`: what the store holds, series by series, and what waits for the database."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING, Any

from console.batch import output
from console.batch.db_target import EMBEDDED, Reading, Target, add_store_option, find_target, is_there, open_reader
from core.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from core.store.repository import Bookkeeping, SeriesKey

Row = dict[str, Any]


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what is stored; an empty store is no error."""
    target = find_target(arguments)
    try:
        rows = _stored(target)
    except TransientError:
        _say_waiting(target)
        raise
    printed = [_printed(series, row) for series, row in sorted(rows.items(), key=lambda item: _names(item[0]))]
    waiting = sum(row["waiting"] for row in printed)
    envelope = {
        "schema_version": 1,
        "kind": target.kind,
        "store": target.place,
        "directory": str(target.directory) if target.kind == EMBEDDED else None,
        "total_rows": sum(row["rows"] for row in printed),
        "total_bytes": sum(row["bytes"] for row in printed),
        "waiting_rows": waiting,
    }
    if arguments.format == "table":
        if not printed:
            output.talk(f"nothing is stored in {target.place}", "  stream with --persist to store something")
        if waiting:
            output.talk(f"{waiting} rows in {target.spill} wait for the database")
    output.write_rows(printed, form=arguments.format, envelope=envelope)
    return 0


def _stored(target: Target) -> dict[SeriesKey, Row]:
    with open_reader(target) as reading:
        rows = _embedded(target, reading) if target.kind == EMBEDDED else _database(target)
        _add_books(rows, reading.books)
    _add_waiting(rows, target)
    return rows


def _say_waiting(target: Target) -> None:
    # Just now, when the database does not answer, it matters what it has not got.
    from core.store.waiting import waiting

    if rows := sum(one.rows for one in waiting(target.spill).values()):
        output.talk(f"up to {rows} rows in {target.spill} wait for the database")


def _names(series: SeriesKey) -> tuple[str, str, str]:
    return series.venue, series.symbol, series.schema.value


def _embedded(target: Target, reading: Reading) -> dict[SeriesKey, Row]:
    # Rows and bytes come from the segments themselves, counts of what was refused from the catalogue: this works
    # beside an engine that is writing, and makes nothing.
    from core.store.catalogue import Catalogue
    from core.store.history import EmbeddedHistory, Extent

    history = EmbeddedHistory(target.directory)
    books = reading.books
    cursors = {one.series: one for one in books.cursors()} if isinstance(books, Catalogue) else {}
    rows = {}
    for series in history.series():
        cursor, problem = cursors.get(series), None
        try:
            extent = history.extent(series)
        except PermanentError as error:  # one damaged file must not hide all the others
            extent, problem = Extent(), str(error)
        rows[series] = {
            "rows": extent.rows,
            "days": extent.segments,
            "packed_days": extent.sealed,
            "bytes": extent.stored_bytes,
            "packed_bytes": extent.sealed_bytes,
            "first_ns": extent.first_ns,
            "last_ns": extent.last_ns,
            "duplicates": cursor.duplicates if cursor else 0,
            "out_of_order": cursor.out_of_order if cursor else 0,
            "rejected": cursor.rejected if cursor else 0,
            "problem": problem,
        }
    return rows


def _database(target: Target) -> dict[SeriesKey, Row]:
    from core.store.postgres.connection import Session
    from core.store.postgres.reading import PostgresReader
    from core.store.postgres.sizes import PackedDays, packed_days

    with contextlib.closing(PostgresReader(target.url)) as reader, contextlib.closing(Session(target.url)) as session:
        found, packed = reader.stats(), packed_days(session)
    rows = {}
    for stats in found:
        days = packed.get(stats.series, PackedDays())
        rows[stats.series] = {
            "rows": stats.rows,
            "days": stats.segments,
            "packed_days": days.days,
            "bytes": stats.stored_bytes,
            "packed_bytes": days.stored_bytes,
            "first_ns": stats.first_ns,
            "last_ns": stats.last_ns,
            "duplicates": stats.duplicates,
            "out_of_order": stats.out_of_order,
            "rejected": stats.rejected,
        }
    return rows


def _add_books(rows: dict[SeriesKey, Row], books: Bookkeeping | None) -> None:
    if books is None:
        return
    for gap in books.gaps():
        row = rows.setdefault(gap.series, {})
        row["gaps"] = row.get("gaps", 0) + 1
    for kept in books.quarantined():
        row = rows.setdefault(kept.series, {})
        row["quarantined"] = row.get("quarantined", 0) + kept.rows


def _add_waiting(rows: dict[SeriesKey, Row], target: Target) -> None:
    if not is_there(target.spill):
        return
    from core.store.waiting import waiting

    if target.kind == EMBEDDED:
        found = waiting(target.spill)
    else:
        from core.store.postgres.reading import PostgresReader

        with contextlib.closing(PostgresReader(target.url)) as reader:
            found = waiting(target.spill, reader.position)
    for series, one in found.items():
        rows.setdefault(series, {})["waiting"] = one.rows


def _printed(series: SeriesKey, row: Row) -> Row:
    from core.clock import iso_ns

    stored = row.get("rows", 0)
    first_ns, last_ns = row.get("first_ns", 0), row.get("last_ns", 0)
    names = ("rows", "days", "packed_days", "bytes", "packed_bytes")
    counts = ("duplicates", "out_of_order", "rejected", "gaps", "quarantined", "waiting")
    return {
        "venue": series.venue,
        "symbol": series.symbol,
        "schema": series.schema.value,
        **{name: row.get(name, 0) for name in names},
        "first": iso_ns(first_ns) if stored else None,
        "last": iso_ns(last_ns) if stored else None,
        "first_ns": first_ns,
        "last_ns": last_ns,
        **{name: row.get(name, 0) for name in counts},
        "problem": row.get("problem"),
    }
