"""`db prune`: removes days that are too old to keep. Says what would go, and does it only with --yes."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from console.batch import output
from console.batch.db_target import EMBEDDED, Target, add_store_option, find_target, is_there
from console.batch.progress import ProgressLine
from core.errors import RefusedError, UsageError

MOST_DAYS = 100_000
COLUMNS = ("venue", "symbol", "schema", "day", "rows", "bytes")

Row = dict[str, Any]


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--keep-days", type=int, required=True, metavar="N", help="days before today that stay")
    parser.add_argument("--yes", action="store_true", help="do it")
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one row a day and series; without --yes of what would go, and the exit code is 8 if there is anything."""
    from console.batch.db_upkeep import today

    if not 1 <= arguments.keep_days <= MOST_DAYS:
        raise UsageError("bad number", str(arguments.keep_days), hint=f"keep from 1 to {MOST_DAYS} days")
    target = find_target(arguments)
    before_day = today() - arguments.keep_days
    if arguments.yes:
        with ProgressLine("removing") as progress:
            rows, by = _remove(target, before_day, progress)
    else:
        rows, by = _would_go(target, before_day), ""
    from console.day_rows import day_name

    envelope = {
        "schema_version": 1,
        "store": target.place,
        "before": day_name(before_day),
        "removed": arguments.yes,
        "done_by": by,
        "total_rows": sum(row["rows"] for row in rows),
    }
    output.write_rows(rows, form=arguments.format, envelope=envelope, columns=COLUMNS)
    if arguments.format == "table":
        _talk(arguments, rows, by)
    return RefusedError.exit_code if rows and not arguments.yes else 0


def _talk(arguments: argparse.Namespace, rows: list[Row], by: str) -> None:
    if by:
        output.talk(f"done by {by}, which writes the store")
    if not rows:
        output.talk("nothing is that old")
    elif not arguments.yes:
        output.talk("nothing was removed", "  --yes removes these days for good")
    else:
        series = len({(row["venue"], row["symbol"], row["schema"]) for row in rows})
        output.talk(f"{len(rows)} days of {series} series were removed, {sum(row['rows'] for row in rows):,} rows")


def _remove(target: Target, before_day: int, progress: ProgressLine) -> tuple[list[Row], str]:
    from console.batch.db_target import open_embedded
    from console.batch.db_upkeep import ask_engine, refused_by_engine
    from console.day_rows import removed_row

    if target.kind != EMBEDDED:
        from core.store.postgres.retention import retain

        def note(done: int, total: int, _removed: object) -> None:
            progress(done / max(total, 1))

        return [removed_row(removed) for removed in retain(target.url, before_day=before_day, progress=note)], ""
    if not is_there(target.directory):
        return [], ""
    try:
        with open_embedded(target) as store:
            return [removed_row(removed) for removed in store.retain(before_day)], ""
    except RefusedError as error:
        instance = refused_by_engine(error, target.directory)
    return ask_engine(instance, "prune", before_day=before_day, progress=progress), instance


def _would_go(target: Target, before_day: int) -> list[Row]:
    from console.day_rows import removed_row
    from core.store.history import EmbeddedHistory
    from core.store.retention import RemovedDay

    if target.kind != EMBEDDED:
        from core.store.postgres.connection import Session
        from core.store.postgres.sizes import old_days

        with contextlib.closing(Session(target.url)) as session:
            return [removed_row(day) for day in old_days(session, before_day)]
    history = EmbeddedHistory(target.directory)
    return [
        removed_row(RemovedDay(series=series, day=day, rows=extent.rows, stored_bytes=extent.stored_bytes))
        for series in history.series()
        for day, extent in history.day_extents(series)
        if day < before_day
    ]
