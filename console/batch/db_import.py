"""`db import`: stores what DBN files hold. All of them are checked before the first is stored."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.batch import output
from console.batch.db_target import EMBEDDED, Target, add_store_option, find_target, open_store
from console.batch.progress import ProgressLine
from core.errors import UsageError

if TYPE_CHECKING:
    from core.store.imports import Imported
    from core.store.jobs import JobLog

PARTLY_DONE = 9
COLUMNS = ("file", "venue", "symbol", "schema", "rows", "duplicates", "out_of_order", "rejected")


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".dbn or .dbn.zst")
    parser.add_argument("--venue", default="", help="whose data it is (default: the file's dataset)")
    parser.add_argument("--symbol", default="", help="store this symbol alone, or the only one under this name")
    parser.add_argument("--ids", choices=("none", "sequence"), default="none",
                        help="sequence: those of somebody else's file are ids, each stored once")  # fmt: skip
    parser.add_argument("--again", action="store_true", help="import a file that was imported before")
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one row a series; exit code 9 when records were left out that nobody asked to leave out."""
    from core.store.importing import ImportRequest, check_file
    from core.store.imports import import_and_note, refuse_again

    target = find_target(arguments)
    requests = [
        ImportRequest(
            path=path,
            venue=arguments.venue.upper(),
            symbol=arguments.symbol,
            sequence_ids=arguments.ids == "sequence",
        )
        for path in arguments.files
    ]
    checked = []
    for request in requests:
        with ProgressLine(f"checking {request.path.name}") as progress:
            checked.append(check_file(request, progress))
        if any(one.sha256 == checked[-1].sha256 for one in checked[:-1]):
            raise UsageError("given twice", str(request.path), hint="name each file once")
    imported = []
    with open_store(target) as store, contextlib.closing(_log(target)) as log:
        if not arguments.again:
            for file in checked:
                refuse_again(log, file)
        for file in checked:
            with ProgressLine(f"importing {file.request.path.name}") as progress:
                imported.append(import_and_note(store, log, file, progress))
    return _report(imported, arguments, place=target.place)


def _log(target: Target) -> JobLog:
    from core.store.jobs import CatalogueJobs, PostgresJobs

    return CatalogueJobs(target.catalogue) if target.kind == EMBEDDED else PostgresJobs(target.url)


def _report(imported: list[Imported], arguments: argparse.Namespace, *, place: str) -> int:
    rows: list[dict[str, Any]] = [
        {
            "file": str(one.checked.request.path),
            "venue": series.venue,
            "symbol": series.symbol,
            "schema": series.schema.value,
            "rows": result.rows,
            "duplicates": result.duplicates,
            "out_of_order": result.out_of_order,
            "rejected": result.rejected,
        }
        for one in imported
        for series, result in one.series.items()
    ]
    unnamed = sum(one.checked.unnamed for one in imported)
    envelope = {
        "schema_version": 1,
        "store": place,
        "total_rows": sum(row["rows"] for row in rows),
        "unnamed": unnamed,
    }
    output.write_rows(rows, form=arguments.format, envelope=envelope, columns=COLUMNS)
    rejected = sum(row["rejected"] for row in rows)
    missed = 0 if arguments.symbol else unnamed
    if arguments.format == "table":
        for count, what in ((missed, "have no symbol and are left out"), (rejected, "are no valid records")):
            if count:
                output.talk(f"{count} records {what}")
    return PARTLY_DONE if missed or rejected else 0
