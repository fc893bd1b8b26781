"""`db verify`: checks everything that is stored, and says what is wrong.

Errors are: a damaged file or header, a wrong checksum, records that are invalid or of another day, counts that differ
from what was noted, records stored twice, a sealed day that is not in order, and trade ids that are missing without a
known cause, and records lost with a file that was put aside. Ids that are missing within a recorded gap, and what was
left over by a crash, are warnings.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from console.batch import output
from console.batch.db_target import EMBEDDED, Reading, Target, add_store_option, find_target, open_reader
from console.batch.progress import ProgressLine
from core.errors import ConsoleError

if TYPE_CHECKING:
    from core.store.history import EmbeddedHistory
    from core.store.repository import SeriesKey
    from core.store.verify import Finding

BAD_DATA = 10
GAP_CODES = frozenset({"id_gap"})
SEVERITIES = ("error", "warning", "info")
COLUMNS = ("severity", "venue", "symbol", "schema", "day", "code", "message", "count", "start", "end")

Row = dict[str, Any]


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "Exit code 10 when something is wrong: damaged files, wrong checksums, invalid records, counts that differ, "
        "records stored twice, trade ids that are missing without a recorded cause."
    )
    parser.add_argument(
        "--allow-gaps",
        action="store_true",
        help="missing trade ids without a recorded cause are warnings, not errors",
    )
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one row a finding, the worst first; exit code 10 when one of them is an error."""
    from console.day_rows import finding_row

    target = find_target(arguments)
    with open_reader(target) as reading, ProgressLine("verifying") as progress:
        series = reading.ticks.series()
        rows = [finding_row(finding) for finding in _findings(target, reading, progress)]
        checked = _checked_rows(target, reading)
    if arguments.allow_gaps:
        rows = [row | {"severity": "warning"} if row["code"] in GAP_CODES else row for row in rows]
    rows.sort(key=lambda row: SEVERITIES.index(row["severity"]))
    errors = sum(row["severity"] == "error" for row in rows)
    envelope = {
        "schema_version": 1,
        "store": target.place,
        "series": len(series),
        "checked_rows": checked,
        "findings": len(rows),
        "errors": errors,
        "ok": not errors,
    }
    output.write_rows(rows, form=arguments.format, envelope=envelope, columns=COLUMNS)
    if arguments.format == "table":
        found = f"{errors} error{'' if errors == 1 else 's'}, {len(rows)} finding{'' if len(rows) == 1 else 's'}"
        output.talk(f"{checked} rows of {len(series)} series: {found}")
    return BAD_DATA if errors else 0


def _findings(target: Target, reading: Reading, progress: ProgressLine) -> Iterator[Finding]:
    def note(done: int, total: int) -> None:
        progress(done / max(total, 1))

    if target.kind == EMBEDDED:
        from core.store.catalogue import Catalogue
        from core.store.verify import verify_directory

        catalogue = reading.books if isinstance(reading.books, Catalogue) else None
        return verify_directory(target.directory, catalogue, note)
    from core.store.postgres.verify import verify_database

    return verify_database(target.url, note)


def _checked_rows(target: Target, reading: Reading) -> int:
    from core.store.history import EmbeddedHistory

    ticks = reading.ticks
    if isinstance(ticks, EmbeddedHistory):
        return sum(_rows_of(ticks, series) for series in ticks.series())
    from core.store.postgres.reading import PostgresReader

    assert isinstance(ticks, PostgresReader)
    return sum(stats.rows for stats in ticks.stats())


def _rows_of(history: EmbeddedHistory, series: SeriesKey) -> int:
    try:
        return history.extent(series).rows
    except ConsoleError:  # one of its files is damaged, which is among the findings
        return 0
