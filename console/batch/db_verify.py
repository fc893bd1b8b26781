"""`db verify`: checks everything that is stored, and says what is wrong.

Errors are: a damaged file or header, a wrong checksum, records that are invalid or of another day, counts that differ
from what was noted, records stored twice, a sealed day that is not in order, and trade ids that are missing without a
known cause, and records lost with a file that was put aside. Ids that are missing within a recorded gap, and what was
left over by a crash, are warnings.

With `--against-venue` nothing of this is checked: the stored trades are compared with the venues' own daily bars.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from console.batch import output
from console.batch.db_options import add_range_options, parse_range
from console.batch.db_target import EMBEDDED, Reading, Target, add_store_option, find_target, open_reader
from console.batch.progress import ProgressLine
from console.batch.settings_options import settings_from
from core.errors import ConsoleError, UsageError

if TYPE_CHECKING:
    from console.backfill.books import Books
    from console.reconciling import Chosen
    from core.store.history import EmbeddedHistory
    from core.store.reconcile import Reconciled
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
        "records stored twice, trade ids that are missing without a recorded cause; with --against-venue days that "
        "are not those of the venue without a recorded cause. Then 7 when a venue does not answer."
    )
    parser.add_argument(
        "--allow-gaps",
        action="store_true",
        help="missing trade ids without a recorded cause are warnings, not errors",
    )
    parser.add_argument(
        "--against-venue",
        action="store_true",
        help="compare the stored trades of each UTC day that is over with the venue's own daily bar (count, volume, "
        "prices), and check nothing else; daily bars of Databento are taken from the store, nothing is bought",
    )
    parser.add_argument("--venue", help="with --against-venue: only this one, like KRAKEN")
    parser.add_argument("--symbol", help="with --against-venue: only this one, like BTCUSD")
    add_range_options(parser)
    parser.add_argument(
        "--simulated", action="store_true", help="with --against-venue: ask simulated venues, not the real ones"
    )
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one row a finding, the worst first; exit code 10 when one of them is an error."""
    if arguments.against_venue:
        return _compare(arguments)
    for option in ("venue", "symbol", "start", "end", "simulated"):
        if getattr(arguments, option):
            raise UsageError("everything is checked", f"--{option}", hint="it goes with --against-venue")
    target = find_target(arguments)
    with open_reader(target) as reading, ProgressLine("verifying") as progress:
        series = reading.ticks.series()
        findings = list(_findings(target, reading, progress))
        checked = _checked_rows(target, reading)
    envelope = {"store": target.place, "series": len(series), "checked_rows": checked}
    return _print(arguments, findings, envelope, f"{checked} rows of {len(series)} series")


def _print(arguments: argparse.Namespace, findings: Iterable[Finding], envelope: Row, compared: str) -> int:
    from console.day_rows import finding_row

    rows = [finding_row(finding) for finding in findings]
    if arguments.allow_gaps:
        rows = [row | {"severity": "warning"} if row["code"] in GAP_CODES else row for row in rows]
    rows.sort(key=lambda row: SEVERITIES.index(row["severity"]))
    errors = sum(row["severity"] == "error" for row in rows)
    envelope = {"schema_version": 1, **envelope, "findings": len(rows), "errors": errors, "ok": not errors}
    output.write_rows(rows, form=arguments.format, envelope=envelope, columns=COLUMNS)
    if arguments.format == "table":
        found = f"{errors} error{'' if errors == 1 else 's'}, {len(rows)} finding{'' if len(rows) == 1 else 's'}"
        output.talk(f"{compared}: {found}")
    return BAD_DATA if errors else 0


def _compare(arguments: argparse.Namespace) -> int:
    # What could be compared is printed first, then what could not.
    from console.backfill.books import books_to_read
    from console.reconciling import Choice, choose
    from core.clock import wall_ns

    if arguments.allow_gaps:
        raise UsageError("no ids are checked", "--allow-gaps with --against-venue", hint="leave one of them out")
    start_ns, end_ns = parse_range(arguments)
    choice = Choice(
        venue=arguments.venue or "", symbol=arguments.symbol or "", start_ns=start_ns, end_ns=end_ns,
        simulated=arguments.simulated,
    )  # fmt: skip
    target = find_target(arguments)
    failures: dict[SeriesKey, ConsoleError] = {}
    with books_to_read(target) as books, ProgressLine("reading") as progress:
        chosen = choose(books.reading.ticks, choice, now_ns=wall_ns())
        results = list(_results(arguments, books, chosen, failures, progress))
    days, agree = sum(result.days for result in results), sum(result.agree for result in results)
    envelope: Row = {
        "store": target.place,
        "series": len(results),
        "venue_days": days,
        "agree": agree,
        "not_asked": len(chosen.other_kind),
        "failed": [
            {"venue": series.venue, "symbol": series.symbol, "message": str(error)}
            for series, error in failures.items()
        ],
    }
    findings = [*chosen.damaged, *(finding for result in results for finding in result.findings)]
    code = _print(arguments, findings, envelope, f"{agree} of {days} days of {len(results)} series agree")
    _say_what_is_left(chosen, failures, simulated=arguments.simulated)
    return code or max((error.exit_code for error in failures.values()), default=0)


def _results(
    arguments: argparse.Namespace,
    books: Books,
    chosen: Chosen,
    failures: dict[SeriesKey, ConsoleError],
    progress: ProgressLine,
) -> Iterator[Reconciled]:
    # Of every series that could be compared; of the others the failure.
    from console.daily_bars import ask_venues
    from console.reconciling import compare

    def note(label: str, part: float) -> None:
        progress.label = label
        progress(part)

    settings = settings_from(arguments).settings
    answers = ask_venues(chosen.questions, settings, simulated=arguments.simulated, note=note)
    for question in chosen.questions:
        told = answers.get(question.series)
        if isinstance(told, ConsoleError):
            failures[question.series] = told
        else:
            yield compare(books.reading.ticks, question, told, books.facts, note=note)


def _say_what_is_left(chosen: Chosen, failures: dict[SeriesKey, ConsoleError], *, simulated: bool) -> None:
    for error in dict.fromkeys(failures.values()):  # that of a venue is the same for all its series
        named = [f"{series.symbol} on {series.venue}" for series, each in failures.items() if each is error]
        output.talk(f"not compared: {', '.join(named[:8])}{' and others' * (len(named) > 8)}: {error}")
    if count := len(chosen.unfinished):
        output.talk(f"not compared: {count} series without a day that is over")
    if count := len(chosen.other_kind):
        kind, hint = ("no", "leave --simulated out") if simulated else ("a", "add --simulated")
        output.talk(f"not asked: {count} series of {kind} simulated venue ({hint})")


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
