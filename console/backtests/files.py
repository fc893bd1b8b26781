"""Reads DBN files for a backtest: the records of one instrument, checked as an import checks them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from console.backtests.validation import Trades
from core.errors import NotFoundError, PermanentError, RefusedError, UsageError
from core.model.fixedpoint import quantities_e8
from core.model.records import Records, Schema
from core.store.dbnfile import DbnFile
from core.store.dbnheader import FileHeader
from core.store.dedupe import full_ids
from core.store.importing import CheckedFile, ImportRequest, check_file, import_file
from core.store.paging import Progress
from core.store.repository import AppendResult, SeriesKey

if TYPE_CHECKING:
    from core.store.repository import TickStore


def read_files(
    paths: Sequence[Path], venue: str, symbol: str, schema: Schema, progress: Progress
) -> tuple[SeriesKey, list[tuple[Records, int]]]:
    """Records of one instrument in DBN files, part by part, each with a full id near its end, 0 where they have none.
    `venue` and `symbol` are "" when the files say it.

    Raises:
        NotFoundError: there is no such file, or nothing of that symbol in it.
        UsageError: a file holds other records, several instruments are meant, or one was named twice.
        ConsoleError: it cannot be read.
    """
    digests: set[str] = set()
    gathered: list[tuple[Records, int]] = []
    series: set[SeriesKey] = set()
    for number, path in enumerate(paths):
        header = _header(path)
        named = _symbol_in(path, header, symbol, schema)
        checked = _checked(ImportRequest(path=path, venue=venue, symbol=named))
        if checked.sha256 in digests:
            raise UsageError("given twice", str(path), hint="name each file once")
        digests.add(checked.sha256)
        sink = _Gathered()
        for _ in import_file(cast("TickStore", sink), checked):
            progress((number + 0.5) / len(paths), sum(len(part) for part, _ in sink.parts))
        series |= sink.series or {SeriesKey(checked.venue, named, schema)}
        gathered += _in_one(sink.parts)
    if len(series) > 1:
        names = ", ".join(sorted(f"{one.symbol} on {one.venue}" for one in series)[:6])
        raise UsageError("several instruments", names, hint="choose with --symbol, or name the same venue")
    return series.pop(), gathered


def trades_of(records: Records, reference: int) -> Trades:
    """The columns of records; `reference` is a full id near them, 0 when they have none."""
    ids = full_ids(records["sequence"], reference) if reference else np.zeros(len(records), np.int64)
    return Trades(
        ts_event=np.ascontiguousarray(records["ts_event"]),
        price_e9=np.ascontiguousarray(records["price"]),
        quantity_e8=quantities_e8(records),
        side=np.ascontiguousarray(records["side"]).view(np.uint8),
        ids=ids,
    )


def overlap(files: Sequence[Trades]) -> bool:
    """Whether some without ids lie in the same time, so that nobody knows what is in two of them."""
    spans = sorted(
        (int(one.ts_event.min()), int(one.ts_event.max())) for one in files if len(one) and not one.ids.any()
    )
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


class _Gathered:
    # Takes what a file holds, as a store would, and keeps it in memory.
    def __init__(self) -> None:
        self.parts: list[tuple[Records, int]] = []
        self.series: set[SeriesKey] = set()

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        self.series.add(series)
        self.parts.append((records, newest_id))
        return AppendResult(rows=len(records))

    def sync(self) -> None:
        pass


def _in_one(parts: list[tuple[Records, int]]) -> list[tuple[Records, int]]:
    # Ids are told near the end of each page; pages that have the same are joined, and others stay as they are.
    if not parts or any(reference for _, reference in parts):
        return parts
    return [(np.concatenate([records for records, _ in parts]), 0)]


def _header(path: Path) -> FileHeader:
    with DbnFile(path) as file:
        return file.header


def _checked(request: ImportRequest) -> CheckedFile:
    try:
        return check_file(request)
    except RefusedError as error:  # of a store: nothing could be kept under such a name
        named = f"{request.path} names an instrument {request.symbol[:40]!a}"
        raise PermanentError("cannot read", named, hint="a name is printable ASCII") from error


def _symbol_in(path: Path, header: FileHeader, symbol: str, schema: Schema) -> str:
    if header.schema is not schema:
        raise UsageError("wrong kind of records", f"{path} holds {header.schema}", hint=f"{schema} are wanted here")
    known = _known(header)
    if not symbol:
        if len(known) != 1:
            names = ", ".join(sorted(known)[:6]) or "none"
            raise UsageError("which symbol", f"{path} names {names}", hint="add --symbol")
        return known.pop()
    same = [name for name in known if name.upper() == symbol.upper()]
    if known and not same:
        near = difflib.get_close_matches(symbol.upper(), known, n=3, cutoff=0.4) or sorted(known)[:6]
        raise NotFoundError("not in the file", f"{symbol[:40]!a} in {path}", hint=f"it holds {', '.join(near)}")
    return same[0] if same else symbol.upper()


def _known(header: FileHeader) -> set[str]:
    mapped: Iterable[str] = (one.symbol for one in header.mapped)
    return set(mapped) or set(header.symbols)
