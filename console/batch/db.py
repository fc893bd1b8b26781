"""`db stats`: what the store holds, series by series."""

from __future__ import annotations

import argparse
from typing import Any

from console.batch import output

NAME = "db"
HELP = "look into the store"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    stats = actions.add_parser("stats", help="what is stored", description="What is stored, series by series.")
    output.add_format_options(stats)


def run(arguments: argparse.Namespace) -> int:
    """Print what is stored; an empty store is no error."""
    from config.paths import find_paths
    from console.storage import catalogue_path, ticks_directory

    paths = find_paths()
    directory = ticks_directory(paths.data)
    rows = stored_series(directory, catalogue_path(paths.state))
    envelope = {
        "schema_version": 1,
        "directory": str(directory),
        "total_rows": sum(row["rows"] for row in rows),
        "total_bytes": sum(row["bytes"] for row in rows),
    }
    if not rows and arguments.format == "table":
        output.talk(f"nothing is stored in {directory}", "  stream with --persist to store something")
    output.write_rows(rows, form=arguments.format, envelope=envelope)
    return 0


def stored_series(directory: Any, catalogue: Any) -> list[dict[str, Any]]:
    """One row a series. Rows and bytes come from the segments themselves, counts of what was refused from the
    catalogue; works beside an engine that is writing, and makes nothing.

    Raises:
        ConsoleError: the store cannot be read.
    """
    from core.clock import iso_ns
    from core.store.catalogue import Catalogue
    from core.store.history import EmbeddedHistory

    history = EmbeddedHistory(directory)
    cursors = {}
    if catalogue.exists():
        opened = Catalogue(catalogue)
        try:
            cursors = {cursor.series: cursor for cursor in opened.cursors()}
        finally:
            opened.close()
    rows = []
    for series in history.series():
        extent = history.extent(series)
        cursor = cursors.get(series)
        rows.append(
            {
                "venue": series.venue,
                "symbol": series.symbol,
                "schema": series.schema.value,
                "rows": extent.rows,
                "days": extent.segments,
                "bytes": extent.stored_bytes,
                "first": iso_ns(extent.first_ns) if extent.rows else None,
                "last": iso_ns(extent.last_ns) if extent.rows else None,
                "first_ns": extent.first_ns,
                "last_ns": extent.last_ns,
                "duplicates": cursor.duplicates if cursor else 0,
                "out_of_order": cursor.out_of_order if cursor else 0,
                "rejected": cursor.rejected if cursor else 0,
            }
        )
    return rows
