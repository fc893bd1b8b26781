"""What several `db` actions ask for in the same words: a series, a stretch of time."""

from __future__ import annotations

import argparse
import difflib
from typing import TYPE_CHECKING, Final

from console.batch.times import FOREVER_NS, TIMES, parse_instant
from core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from core.store.paging import Range
    from core.store.repository import SeriesKey, TickReader

MOST_ROWS: Final = 1_000_000
SCHEMAS = ("trades", "mbp-1", "mbp-10", "ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d")


def add_series_options(parser: argparse.ArgumentParser, *, schema: bool = True) -> None:
    """The options that name a series."""
    parser.add_argument("--venue", required=True, help="like KRAKEN")
    parser.add_argument("--symbol", required=True, help="like BTCUSD")
    if schema:
        parser.add_argument("--schema", choices=SCHEMAS, default="trades", help="kind of record (default: trades)")


def add_range_options(parser: argparse.ArgumentParser) -> None:
    """The options that name a stretch of time."""
    parser.add_argument("--start", metavar="TIME", help=f"first instant, {TIMES}; UTC unless it says otherwise")
    parser.add_argument("--end", metavar="TIME", help="first instant that is no longer wanted")


def add_count_options(parser: argparse.ArgumentParser, *, first: str = "", last: str = "") -> None:
    """The options that say how many rows, and from which end; the texts say what holds without them."""
    parser.add_argument("--last", type=int, metavar="N", help=f"the newest N of the time, or of all{last}")
    parser.add_argument("--limit", type=int, metavar="N", help=f"the first N of the time, or of all{first}")


def check_counts(arguments: argparse.Namespace) -> None:
    """See that `--last` and `--limit` make sense. Raises `UsageError`."""
    if arguments.last is not None and arguments.limit is not None:
        raise UsageError("the newest or the first", "--last with --limit", hint="use one of them")
    for count in (arguments.last, arguments.limit):
        if count is not None and not 1 <= count <= MOST_ROWS:
            raise UsageError("bad number", str(count), hint=f"from 1 to {MOST_ROWS}; db export writes any number")


def parse_range(arguments: argparse.Namespace) -> tuple[int, int]:
    """The (start, end) in ns that the options name; everything when they do not. Raises `UsageError`."""
    start_ns = parse_instant(arguments.start) if arguments.start else 0
    end_ns = parse_instant(arguments.end) if arguments.end else FOREVER_NS
    if end_ns <= start_ns:
        raise UsageError("bad time", f"{arguments.end} is not after {arguments.start or '1970-01-01'}")
    return start_ns, end_ns


def parse_day(text: str) -> int:
    """The day since the epoch that `YYYY-MM-DD` names. Raises `UsageError`."""
    from core.clock import DAY_NS

    if len(text) != 10:
        raise UsageError("bad day", ascii(text)[:40], hint="like 2026-11-22")
    return parse_instant(text) // DAY_NS


def find_series(reader: TickReader, *, venue: str, symbol: str, schema: str) -> SeriesKey:
    """The stored series that is meant, in whatever case it was written.

    Raises:
        NotFoundError: there is none; the hint says what is like it.
    """
    known = {(one.venue.upper(), one.symbol.upper(), one.schema.value): one for one in reader.series()}
    found = known.get((venue.upper(), symbol.upper(), schema))
    if found is not None:
        return found
    if not known:
        hint = "nothing is stored yet: stream with --persist, or import a file"
    elif others := sorted(kind for place, name, kind in known if (place, name) == (venue.upper(), symbol.upper())):
        hint = f"stored of it: {', '.join(others)}"
    else:
        names = {f"{one.symbol} on {one.venue}": None for one in known.values()}
        wanted = f"{symbol.upper()} on {venue.upper()}"
        near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"{len(known)} series are stored: see db stats"
    raise NotFoundError("not stored", f"{symbol[:80]} {schema} on {venue[:80]}", hint=hint)


def wanted_range(reader: TickReader, arguments: argparse.Namespace) -> Range:
    """The range of a stored series that the options name. Raises `UsageError`, `NotFoundError`."""
    from core.store.paging import Range

    start_ns, end_ns = parse_range(arguments)
    series = find_series(reader, venue=arguments.venue, symbol=arguments.symbol, schema=arguments.schema)
    return Range(series=series, start_ns=start_ns, end_ns=end_ns)
