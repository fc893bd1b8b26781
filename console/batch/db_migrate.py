"""`db migrate`: makes or updates the tables of the database."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from console.batch import output
from console.batch.db_target import EMBEDDED, add_store_option, find_target


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Apply what is not applied yet, one row a migration; the embedded store has none."""
    target = find_target(arguments)
    if target.kind == EMBEDDED:
        output.talk(f"there is nothing to migrate: the embedded store is kept in {target.place}")
        _write([], arguments, place=target.place, partitions=None)
        return 0
    from core.store.postgres.connection import connect
    from core.store.postgres.migrate import migrate, uses_timescale, waiting

    with contextlib.closing(connect(target.url, name="ringside migrate")) as connection:
        names, done = waiting(connection), "to do"
        if not arguments.dry_run:
            listed, done = frozenset(names), "applied"
            names = migrate(connection, report=lambda line: None if line in listed else output.talk(f"  {line}"))
        partitions = "timescaledb" if uses_timescale(connection) else "native"
    _write(
        [{"migration": name, "state": done} for name in names], arguments, place=target.place, partitions=partitions
    )
    if arguments.format == "table":
        kept = "TimescaleDB keeps the days" if partitions == "timescaledb" else "days are native partitions"
        output.talk(f"{target.place}: {'nothing to do' if not names else f'{len(names)} {done}'}; {kept}")
    return 0


def _write(rows: list[dict[str, Any]], arguments: argparse.Namespace, *, place: str, partitions: str | None) -> None:
    envelope = {"schema_version": 1, "store": place, "dry_run": arguments.dry_run, "partitions": partitions}
    output.write_rows(rows, form=arguments.format, envelope=envelope, columns=("migration", "state"))
