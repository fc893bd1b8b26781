"""What several `db` actions ask for in the same words: a series, a stretch of time."""

from __future__ import annotations

import argparse
import difflib
from typing import TYPE_CHECKING

from core.clock import parse_rfc3339_ns
from core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from core.store.paging import Range
    from core.store.repository import SeriesKey, TickReader

FOREVER_NS = 2**63 - 1
SCHEMAS = ("trades", "mbp-1", "mbp-10", "ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d")


def add_series_options(parser: argparse.ArgumentParser, *, schema: bool = True) -> None:
    """The options that name a series."""
    parser.add_argument("--venue", required=True, help="like KRAKEN")
    parser.add_argument("--symbol", required=True, help="like BTCUSD")
    if schema:
        parser.add_argument("--schema", choices=SCHEMAS, default="trades", help="kind of record (default: trades)")


def add_range_options(parser: argparse.ArgumentParser) -> None:
    """The options that name a stretch of time."""
    parser.add_argument("--start", metavar="TIME", help="first instant, like 2026-11-22 or 2026-11-22T07:15:00Z")
    parser.add_argument("--end", metavar="TIME", help="first instant that is no longer wanted")


def parse_instant(text: str) -> int:
    """Nanoseconds since the epoch of an RFC 3339 instant in UTC, or of the midnight that a date begins with.

    Raises:
        UsageError: it is neither, or before 1970.
    """
    wanted = f"{text}T00:00:00Z" if len(text) == 10 else text
    try:
        instant_ns = parse_rfc3339_ns(wanted)
    except ValueError as error:
        raise UsageError("bad time", ascii(text)[:40], hint="like 2026-11-22 or 2026-11-22T07:15:00Z") from error
    if not 0 <= instant_ns < FOREVER_NS:
        raise UsageError("bad time", ascii(text)[:40], hint="from 1970 to 2262")
    return instant_ns


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
