"""Finds the trades and books of a backtest, in the store or in DBN files, and looks at them."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np

from console.backtests.files import overlap, read_files, trades_of
from console.backtests.validation import MOST_NS, Trades
from console.batch.db_options import find_series, parse_range
from console.batch.db_target import Reading, Target, find_target, open_reader
from core.clock import iso_ns
from core.errors import ConsoleError, NotFoundError, UsageError
from core.model.fixedpoint import QUANTITY_SCALE, join_quantities
from core.model.instruments import Instrument
from core.model.publishers import PUBLISHERS
from core.model.records import Records, Schema
from core.sim.depth import STALE_NS
from core.store.exporting import instrument_of
from core.store.history import EmbeddedHistory
from core.store.paging import Progress, Range, pages, unheard
from core.store.repository import Gap, SeriesKey, TickReader

_COLUMNS = ("ts_event", "price", "size", "ts_in_delta", "side")


@attrs.frozen(kw_only=True, eq=False)
class Found:
    """What was found: `trades` as they came, `books` MBP-10 records or None when none were asked for. `instrument` is
    None when nobody described it. `reaches_end` says that there is data from the end of the range on, so that what is
    missing before it is known not to have been."""

    series: SeriesKey
    source: str
    start_ns: int
    end_ns: int
    trades: Trades
    books: Records | None
    instrument: Instrument | None
    gaps: tuple[Gap, ...]
    reaches_end: bool
    warnings: tuple[str, ...] = ()


def find_data(arguments: argparse.Namespace, progress: Progress = unheard) -> Found:
    """The trades that the command line names; at least one.

    Raises:
        NotFoundError: there are none, in that time or at all; the hint says what there is.
        UsageError: several instruments are meant, or the options do not go together.
        ConsoleError: they cannot be read.
    """
    start_ns, end_ns = parse_range(arguments)
    if arguments.data:
        return _of_files(arguments, start_ns, end_ns, progress)
    target = find_target(arguments)
    with open_reader(target) as reading:
        return _of_store(arguments, reading, target, start_ns, end_ns, progress)


def _of_store(
    arguments: argparse.Namespace, reading: Reading, target: Target, start_ns: int, end_ns: int, progress: Progress
) -> Found:
    reader = reading.ticks
    venue = arguments.venue or _only_venue(reader, arguments.symbol)
    series = find_series(reader, venue=venue, symbol=arguments.symbol, schema=Schema.TRADES)
    trades = _stored(reader, Range(series=series, start_ns=start_ns, end_ns=end_ns), progress)
    latest = reader.latest(series)
    last_ns = int(latest["ts_event"][0]) if len(latest) else 0
    if not len(trades):
        raise NotFoundError("no trades in that time", str(series), hint=_extent(reader, series, last_ns))
    books: Records | None = None
    if arguments.depth:
        of_books = find_series(reader, venue=series.venue, symbol=series.symbol, schema=Schema.BOOK)
        wanted = Range(series=of_books, start_ns=max(start_ns - STALE_NS, 0), end_ns=end_ns)
        books = _some_books([page.numbered.records for page in pages(reader, wanted)], f"{of_books}", wanted)
    elif arguments.book_data:
        books = _books_of_files(arguments.book_data, series, start_ns, end_ns, progress)
    known = reading.books.gaps() if reading.books is not None else []
    return Found(
        series=series,
        source=f"store {target.place}",
        start_ns=start_ns,
        end_ns=end_ns,
        trades=trades,
        books=books,
        instrument=instrument_of(reading.books, series),
        gaps=tuple(gap for gap in known if gap.series == series),
        reaches_end=last_ns >= end_ns,
    )


def _only_venue(reader: TickReader, symbol: str) -> str:
    known = [one for one in reader.series() if one.schema is Schema.TRADES]
    venues = [one.venue for one in known if one.symbol.upper() == symbol.upper()]
    if len(venues) > 1:
        raise UsageError("which venue", f"{symbol[:40].upper()} is stored of {', '.join(venues)}", hint="add --venue")
    if venues:
        return venues[0]
    near = difflib.get_close_matches(symbol.upper(), [one.symbol for one in known], n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(dict.fromkeys(near))}?" if near else "see db stats, or name a file with --data"
    raise NotFoundError("not stored", f"trades of {symbol[:40]!a}", hint=hint)


def _all(series: SeriesKey) -> Range:
    return Range(series=series, start_ns=0, end_ns=MOST_NS)


def _extent(reader: TickReader, series: SeriesKey, last_ns: int) -> str:
    first = next((page.numbered.records["ts_event"][0] for page in pages(reader, _all(series))), None)
    return "nothing is stored" if first is None else f"stored from {iso_ns(int(first))} to {iso_ns(last_ns)}"


def _stored(reader: TickReader, wanted: Range, progress: Progress) -> Trades:
    if isinstance(reader, EmbeddedHistory):
        found = reader.columns(wanted.series, wanted.start_ns, wanted.end_ns, _COLUMNS)
        own = wanted.series.venue in PUBLISHERS
        sizes = found["size"]
        whole = join_quantities(sizes, found["ts_in_delta"]) if own else sizes.astype(np.int64) * QUANTITY_SCALE
        return Trades(
            ts_event=found["ts_event"],
            price_e9=found["price"],
            quantity_e8=whole,
            side=found["side"].view(np.uint8),
            ids=np.zeros(len(sizes), np.int64),  # a store holds nothing twice, and has it in order
        )
    parts = []
    for page in pages(reader, wanted):
        parts.append(trades_of(page.numbered.records, 0))
        progress(page.fraction, 0)
    return Trades.joined(parts) if parts else trades_of(np.empty(0, Schema.TRADES.dtype), 0)


def _of_files(arguments: argparse.Namespace, start_ns: int, end_ns: int, progress: Progress) -> Found:
    paths: Sequence[Path] = arguments.data
    venue = (arguments.venue or "").upper()
    series, parts = read_files(paths, venue, arguments.symbol or "", Schema.TRADES, progress)
    whole = [trades_of(records, reference) for records, reference in parts]
    found = Trades.joined(whole) if whole else trades_of(np.empty(0, Schema.TRADES.dtype), 0)
    trades, reaches_end = _within(found, series, start_ns, end_ns)
    instrument, warnings = _described(arguments, series)
    if overlap(whole):
        warnings += ("the files overlap in time, and what is in two of them counts twice where it has no id",)
    return Found(
        series=series,
        source=", ".join(map(str, paths)),
        start_ns=start_ns,
        end_ns=end_ns,
        trades=trades,
        books=_books_of_files(arguments.book_data, series, start_ns, end_ns, progress)
        if arguments.book_data
        else None,
        instrument=instrument,
        gaps=(),
        reaches_end=reaches_end,
        warnings=warnings,
    )


def _within(found: Trades, series: SeriesKey, start_ns: int, end_ns: int) -> tuple[Trades, bool]:
    # Those without a time lie in no range; they come along to be counted.
    dated = found.ts_event < np.uint64(MOST_NS)
    inside = (found.ts_event >= np.uint64(start_ns)) & (found.ts_event < np.uint64(end_ns))
    if not inside.any():
        known = found.ts_event[dated]
        there = f"there are some from {iso_ns(int(known.min()))} to {iso_ns(int(known.max()))}" if len(known) else ""
        where = f"{series.symbol} on {series.venue}"
        raise NotFoundError("no trades in that time", where, hint=there or "there are none at all")
    wanted = inside | ~dated
    reaches_end = bool((dated & (found.ts_event >= np.uint64(end_ns))).any())
    return (found if wanted.all() else found.chosen(wanted)), reaches_end


def _described(arguments: argparse.Namespace, series: SeriesKey) -> tuple[Instrument | None, tuple[str, ...]]:
    # Files can be run on while the database is away.
    try:
        with open_reader(find_target(arguments)) as reading:
            return instrument_of(reading.books, series), ()
    except ConsoleError as error:
        return None, (f"the store was not asked what {series.symbol} is: {error.operation}",)


def _books_of_files(
    paths: Sequence[Path], series: SeriesKey, start_ns: int, end_ns: int, progress: Progress
) -> Records:
    _, parts = read_files(paths, series.venue, series.symbol, Schema.BOOK, progress)
    wanted = Range(series=series, start_ns=max(start_ns - STALE_NS, 0), end_ns=end_ns)
    return _some_books([records for records, _ in parts], ", ".join(map(str, paths)), wanted)


def _some_books(parts: Sequence[Records], where: str, wanted: Range) -> Records:
    # Those of the range, and of before it as far back as a book is worth anything.
    books = np.concatenate(parts) if parts else np.empty(0, Schema.BOOK.dtype)
    stamps = books["ts_event"]
    inside = (stamps >= np.uint64(wanted.start_ns)) & (stamps < np.uint64(wanted.end_ns))
    if not inside.any():
        raise NotFoundError("no books in that time", where, hint="leave them out, or stream them with --persist")
    if not inside.all():
        books, stamps = books[inside], stamps[inside]
    return books if bool((stamps[1:] >= stamps[:-1]).all()) else books[np.argsort(stamps, kind="stable")]
