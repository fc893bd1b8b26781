"""`db compress`: packs the days that are over; an engine that has the embedded store open does it itself."""

from __future__ import annotations

import argparse
from typing import Any

from console.batch import output
from console.batch.db_options import parse_day
from console.batch.db_target import EMBEDDED, Target, add_store_option, find_target, is_there
from console.batch.progress import ProgressLine
from core.errors import RefusedError, UsageError

COLUMNS = ("venue", "symbol", "schema", "day", "rows", "bytes_before", "bytes_after", "seconds", "done")

Row = dict[str, Any]


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--before", metavar="DAY", help="first day that is left as it is (default: today)")
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one row a day and series."""
    from console.batch.db_upkeep import today

    before_day = today() if arguments.before is None else parse_day(arguments.before)
    if before_day > today():
        raise UsageError("not over yet", arguments.before, hint="today is the last that can be named")
    target = find_target(arguments)
    with ProgressLine("compressing") as progress:
        rows, by = _compress(target, before_day, progress)
    envelope = {
        "schema_version": 1,
        "store": target.place,
        "done_by": by,
        "bytes_before": sum(row["bytes_before"] or 0 for row in rows),
        "bytes_after": sum(row["bytes_after"] or 0 for row in rows),
    }
    if arguments.format == "table":
        if by:
            output.talk(f"done by {by}, which writes the store")
        if not rows:
            output.talk("nothing to compress")
    output.write_rows(rows, form=arguments.format, envelope=envelope, columns=COLUMNS)
    return 0


def _compress(target: Target, before_day: int, progress: ProgressLine) -> tuple[list[Row], str]:
    if target.kind != EMBEDDED:
        return _database(target, before_day, progress), ""
    from console.batch.db_upkeep import ask_engine, refused_by_engine

    try:
        return _embedded(target, before_day, progress), ""
    except RefusedError as error:
        instance = refused_by_engine(error, target.directory)
    return ask_engine(instance, "compress", before_day=before_day, progress=progress), instance


def _embedded(target: Target, before_day: int, progress: ProgressLine) -> list[Row]:
    from console.batch.db_target import open_embedded
    from console.day_rows import sealed_row
    from core.store.sealing import SealResult

    rows = 0

    def note(done: int, total: int, result: SealResult | None) -> None:
        nonlocal rows
        rows += result.rows if result is not None else 0
        progress(done / max(total, 1), rows)

    if not is_there(target.directory):
        return []
    with open_embedded(target) as store:
        return [sealed_row(result) for result in store.compress(before_day, note)]


def _database(target: Target, before_day: int, progress: ProgressLine) -> list[Row]:
    from console.day_rows import packed_row
    from core.store.postgres.packing import PackResult, compress

    rows = 0

    def note(done: int, total: int, result: PackResult | None) -> None:
        nonlocal rows
        rows += result.rows if result is not None else 0
        progress(done / max(total, 1), rows)

    return [packed_row(result) for result in compress(target.url, before_day=before_day, progress=note)]
