"""`db stats`: what the store holds, series by series, and what waits for the database."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING, Any

from console.batch import output
from console.batch.db_target import EMBEDDED, Reading, Target, add_store_option, find_target, is_there, open_reader
from core.errors import ConsoleError, PermanentError

if TYPE_CHECKING:
    from core.store.repository import Bookkeeping, Gap, SeriesKey

CORE = ("venue", "symbol", "schema", "rows", "days", "bytes", "first", "last")
"""What a table has whatever is in it."""
STORED = ("rows", "days", "packed_days", "bytes", "packed_bytes")
COUNTED = ("duplicates", "out_of_order", "rejected", "gaps", "recovered", "missing", "quarantined")
TOLD_GAPS = 256
"""So many gaps are listed one by one, the newest."""

Row = dict[str, Any]


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "While the database is away what waits for it is listed, and the exit code is 7. With --json the newest gaps "
        "are listed one by one: cause, records recovered, records missing (null when nobody knows) and the reason."
    )
    parser.add_argument("--venue", help="only this venue")
    parser.add_argument("--symbol", help="only this symbol")
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what is stored; an empty store is no error. What waits for a database that is away is printed as well."""
    target = find_target(arguments)
    try:
        (rows, gaps), away = _stored(target), None
    except ConsoleError as error:
        if target.kind == EMBEDDED or not error.retryable:
            raise
        rows, gaps, away = _only_waiting(target), [], error
    listed = sorted(
        (item for item in rows.items() if _is_meant(item[0], arguments)), key=lambda item: _names(item[0])
    )
    printed = [_printed(series, row, known=away is None) for series, row in listed]
    envelope = {
        "schema_version": 1,
        "kind": target.kind,
        "store": target.place,
        "directory": str(target.directory) if target.kind == EMBEDDED else None,
        "total_rows": None if away else sum(row["rows"] for row in printed),
        "total_bytes": None if away else sum(row["bytes"] for row in printed),
        "waiting_rows": sum(row["waiting"] for row in printed),
        "recovered": None if away else sum(row["recovered"] for row in printed),
        "missing": None if away else sum(row["missing"] for row in printed),
        "gaps": None if away else [_gap(gap) for gap in gaps if _is_meant(gap.series, arguments)][-TOLD_GAPS:],
        "problem": str(away) if away else None,
    }
    shown = [_short(row) for row in printed] if arguments.format == "table" else printed
    output.write_rows(shown, form=arguments.format, envelope=envelope, columns=_columns(), core=CORE)
    _talk(target, envelope, count=len(printed), form=arguments.format)
    return away.exit_code if away else 0


def _is_meant(series: SeriesKey, arguments: argparse.Namespace) -> bool:
    wanted = ((arguments.venue, series.venue), (arguments.symbol, series.symbol))
    return all(text is None or text.upper() == name.upper() for text, name in wanted)


def _talk(target: Target, found: Row, *, count: int, form: str) -> None:
    waiting = found["waiting_rows"]
    if found["problem"]:
        output.talk(f"ringside: {found['problem']}")
        if waiting:
            output.talk(f"  up to {waiting} rows in {target.spill} wait for the database")
        return
    if form != "table":
        return
    if count:
        output.talk(f"{count} series, {found['total_rows']:,} rows, {found['total_bytes']:,} bytes")
    else:
        output.talk(f"nothing is stored in {target.place}", "  stream with --persist to store something")
    if waiting:
        output.talk(f"{waiting} rows in {target.spill} wait for the database")


def _stored(target: Target) -> tuple[dict[SeriesKey, Row], list[Gap]]:
    with open_reader(target) as reading:
        rows = _embedded(target, reading) if target.kind == EMBEDDED else _database(target)
        gaps = [] if reading.books is None else reading.books.gaps()
        _add_books(rows, gaps, reading.books)
    _add_waiting(rows, target)
    return rows, gaps


def _only_waiting(target: Target) -> dict[SeriesKey, Row]:
    # Just now, when the database does not answer, it matters what it has not got.
    from core.store.waiting import waiting

    return {series: {"waiting": one.rows} for series, one in waiting(target.spill).items()}


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


def _add_books(rows: dict[SeriesKey, Row], gaps: list[Gap], books: Bookkeeping | None) -> None:
    # What was recovered in full is no gap any more, and is seen in what was recovered.
    for gap in gaps:
        row = rows.setdefault(gap.series, {})
        for name, count in (("gaps", 0 if gap.whole else 1), ("recovered", gap.recovered), ("missing", gap.rows)):
            row[name] = row.get(name, 0) + count
    for kept in () if books is None else books.quarantined():
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


def _gap(gap: Gap) -> Row:
    from core.clock import iso_ns

    return {
        "venue": gap.series.venue,
        "symbol": gap.series.symbol,
        "schema": gap.series.schema.value,
        "start": iso_ns(gap.start_ns) if gap.start_ns else None,
        "end": iso_ns(gap.end_ns),
        "start_ns": gap.start_ns,
        "end_ns": gap.end_ns,
        "first_id": gap.first_id or None,
        "cause": gap.cause,
        "recovered": gap.recovered,
        "missing": gap.rows if gap.rows or gap.recovered else None,
        "reason": gap.reason,
    }


def _printed(series: SeriesKey, row: Row, *, known: bool = True) -> Row:
    # What is not known, or is of something that is not there, is None.
    from core.clock import iso_ns

    first_ns, last_ns = (row.get(name) if row.get("rows") else None for name in ("first_ns", "last_ns"))
    missing = 0 if known else None
    return {
        "venue": series.venue,
        "symbol": series.symbol,
        "schema": series.schema.value,
        **{name: row.get(name, missing) for name in STORED},
        "first": None if first_ns is None else iso_ns(first_ns),
        "last": None if last_ns is None else iso_ns(last_ns),
        "first_ns": first_ns,
        "last_ns": last_ns,
        **{name: row.get(name, missing) for name in COUNTED},
        "waiting": row.get("waiting", 0),
        "problem": row.get("problem"),
    }


def _columns() -> tuple[str, ...]:
    return (*CORE[:3], *STORED, "first", "last", "first_ns", "last_ns", *COUNTED, "waiting", "problem")


def _short(row: Row) -> Row:
    # Times to the second.
    return row | {name: row[name] and f"{row[name][:19]}Z" for name in ("first", "last")}
