"""Writes a range of a store for other programs: DBN in lots anybody can sum, CSV, Parquet. By pages, exactly."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import attrs
import numpy as np

from core.errors import NotFoundError, TransientError
from core.model.fixedpoint import QUANTITY_DECIMALS
from core.model.instruments import Instrument
from core.model.publishers import PUBLISHERS
from core.model.records import Records
from core.store.columns import Column, Kind, columns, texts
from core.store.dbnheader import MappedSymbol, export_header, index_days
from core.store.lots import exponent_of, fits, to_lots
from core.store.paging import Page, Progress, Range, pages, stored_part, unheard
from core.store.repository import Bookkeeping, Numbered, SeriesKey, TickReader
from core.store.segment import marked

_SURVEYED: Final = 0.3  # of a DBN export's time, which reads everything twice
_ROW_GROUP: Final = 131_072
_TEXT_ROWS: Final = 16_384  # as text they take twenty times the memory


@attrs.frozen(kw_only=True)
class Exported:
    """What was written: `rows` of the store as `records` of the file, more when trades had to be split; `saturated`
    sizes of book levels stand at the highest number of lots. `size_exp` is None unless sizes are lots."""

    rows: int
    records: int
    saturated: int = 0
    size_exp: int | None = None


@attrs.define
class _Survey:
    # What the header of a DBN file must say before the first record is written.
    rows: int = 0
    first_id: int = 0
    size_exp: int = 0
    mapped: dict[tuple[int, int], None] = attrs.Factory(dict)

    def see(self, page: Page, series: SeriesKey) -> None:
        records, ids = page.numbered.records, page.numbered.ids
        self.rows += len(records)
        keys = records["instrument_id"].astype(np.uint64) << np.uint64(32) | index_days(records).astype(np.uint64)
        changes = np.concatenate((keys[:1], keys[1:][keys[1:] != keys[:-1]]))
        for key in np.unique(changes).tolist():
            self.mapped[key >> 32, key & 0xFFFF_FFFF] = None
        if not self.first_id:
            marks = marked(records, series.schema) if not series.schema.is_bars else None
            plain = ids if marks is None else ids[~marks]
            self.first_id = int(plain[0]) if len(plain) else 0
        if series.venue in PUBLISHERS and not fits(records, series.schema, self.size_exp):
            self.size_exp = -QUANTITY_DECIMALS

    def mappings(self, symbol: str) -> list[MappedSymbol]:
        # Days that follow one another under one number are one interval.
        found: list[MappedSymbol] = []
        for number, day in sorted(self.mapped):
            if found and (found[-1].instrument_id, found[-1].end_day) == (number, day):
                found[-1] = attrs.evolve(found[-1], end_day=day + 1)
            else:
                found.append(MappedSymbol(instrument_id=number, symbol=symbol, start_day=day, end_day=day + 1))
        return found


def instrument_of(books: Bookkeeping | None, series: SeriesKey) -> Instrument | None:
    """What is known of the instrument of a series; None when nothing is."""
    known = books.instruments() if books is not None else []
    return next((one for one in known if (one.venue, one.symbol) == (series.venue, series.symbol)), None)


def write_dbn(
    reader: TickReader,
    wanted: Range,
    file: BinaryIO,
    *,
    instrument: Instrument | None = None,
    raw: bool = False,
    progress: Progress = unheard,
) -> Exported:
    """Write a DBN file. Sizes of our own publishers are lots of the instrument's step, or of 1e-8 when that is not
    known or too coarse for what was traded; with `raw` the records are as they are stored.

    Raises:
        NotFoundError: nothing is stored in that time; nothing was written.
        TransientError: what is stored changed meanwhile.
        PermanentError: the quantities are too large for their step.
    """
    series, whole = wanted.series, stored_part(reader, wanted)
    survey = _Survey(size_exp=exponent_of(instrument.quantity_increment_e8 if instrument else 1))
    for page in pages(reader, whole):
        survey.see(page, series)
        progress(page.fraction * _SURVEYED, 0)
    if not survey.rows:
        raise _nothing(series)
    size_exp = None if raw or series.venue not in PUBLISHERS else survey.size_exp
    file.write(
        export_header(
            series,
            start_ns=whole.start_ns,
            end_ns=whole.end_ns,
            first_id=survey.first_id,
            size_exp=size_exp,
            mapped=survey.mappings(series.symbol),
        )
    )
    rows = written = saturated = 0
    for page in pages(reader, whole):
        records = page.numbered.records
        rows += len(records)
        if size_exp is not None:
            if not fits(records, series.schema, size_exp):
                raise TransientError("exporting", f"{series} changed meanwhile")
            lotted = to_lots(records, series.schema, size_exp)
            records, saturated = lotted.records, saturated + lotted.saturated
        file.write(_bytes(records))
        written += len(records)
        progress(_SURVEYED + page.fraction * (1 - _SURVEYED), rows)
    return Exported(rows=rows, records=written, saturated=saturated, size_exp=size_exp)


def _bytes(records: Records) -> memoryview:
    return np.ascontiguousarray(records).view(np.uint8).data


def write_csv(reader: TickReader, wanted: Range, file: BinaryIO, *, progress: Progress = unheard) -> Exported:
    """Write CSV under a header: `time` as RFC 3339, instants in ns, decimals in full. Raises as `write_dbn`."""
    rows = 0
    for page in pages(reader, wanted):
        records, ids = page.numbered.records, page.numbered.ids
        for at in range(0, len(records), _TEXT_ROWS):
            part = slice(at, at + _TEXT_ROWS)
            found = columns(Numbered(records[part], ids[part]), wanted.series.schema)
            if not rows:
                file.write((",".join(["time", *(column.name for column in found)]) + "\n").encode())
            listed = [texts(found[0]), *(_numbers(column) for column in found)]
            file.write("".join(f"{','.join(line)}\n" for line in zip(*listed, strict=True)).encode())
            rows += len(found[0].values)
            progress(page.fraction, rows)
    if not rows:
        raise _nothing(wanted.series)
    return Exported(rows=rows, records=rows)


def _numbers(column: Column) -> list[str]:
    if column.kind is not Kind.INSTANT:
        return texts(column)
    missing = column.missing()
    values = [str(value) for value in column.values.tolist()]
    return values if missing is None else ["" if gone else text for text, gone in zip(values, missing, strict=True)]


def write_parquet(reader: TickReader, wanted: Range, file: BinaryIO, *, progress: Progress = unheard) -> Exported:
    """Write Parquet: instants as timestamps in ns UTC, prices and quantities as exact decimals. Raises as
    `write_dbn`."""
    rows = 0
    with _ParquetFile(file, wanted.series) as parquet:
        for page in pages(reader, wanted):
            parquet.add(columns(page.numbered, wanted.series.schema))
            rows += len(page.numbered.records)
            progress(page.fraction, rows)
        if not rows:
            raise _nothing(wanted.series)
    return Exported(rows=rows, records=rows)


class _ParquetFile:
    # Small pages are gathered, because a row group costs a reader as much as a file.
    def __init__(self, file: BinaryIO, series: SeriesKey) -> None:
        self._arrow: Any = importlib.import_module("pyarrow")
        self._parquet: Any = importlib.import_module("pyarrow.parquet")
        self._file = file
        self._facts = {"venue": series.venue, "symbol": series.symbol, "schema": series.schema.value}
        self._writer: Any = None
        self._pending: list[Any] = []

    def __enter__(self) -> _ParquetFile:
        return self

    def __exit__(self, kind: object, *_exception: object) -> None:
        if self._writer is not None or self._pending:
            with contextlib.suppress(Exception) if kind else contextlib.nullcontext():
                self._flush()
                self._writer.close()

    def add(self, found: list[Column]) -> None:
        arrays = {column.name: self._array(column) for column in found}
        self._pending.append(self._arrow.table(arrays, metadata=self._facts))
        if sum(len(table) for table in self._pending) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        table = self._arrow.concat_tables(self._pending)
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._file, table.schema, compression="zstd")
        self._writer.write_table(table)
        self._pending.clear()

    def _array(self, column: Column) -> Any:
        arrow, missing = self._arrow, column.missing()
        if column.kind is Kind.TEXT:
            return arrow.array(texts(column), arrow.string())
        if column.kind is Kind.INTEGER:
            return arrow.array(column.values)
        if column.kind is Kind.INSTANT:
            stamps = arrow.array(column.values.astype(np.int64), arrow.int64(), mask=missing)
            return stamps.cast(arrow.timestamp("ns", tz="UTC"))
        return _decimals(arrow, column)


def _decimals(arrow: Any, column: Column) -> Any:
    # Arrow's decimals are 128-bit integers, low word first.
    values, missing = column.values, column.missing()
    words = np.zeros((len(values), 2), np.int64)
    words[:, 0] = values.view(np.int64) if values.dtype.itemsize == 8 else values
    words[:, 1] = 0 if values.dtype.kind == "u" else values >> 63
    valid = None if missing is None else arrow.py_buffer(np.packbits(~missing, bitorder="little").tobytes())
    kind = arrow.decimal128(20, column.decimals)
    return arrow.Array.from_buffers(kind, len(values), [valid, arrow.py_buffer(words.tobytes())])


def _nothing(series: SeriesKey) -> NotFoundError:
    return NotFoundError("nothing to export", f"no {series} is stored in that time")


@contextlib.contextmanager
def zstandard_file(file: BinaryIO) -> Iterator[BinaryIO]:
    """A file whose content is compressed into `file`, which stays open; with a checksum. After an error nothing more
    is written: what there is by then does not pass for whole."""
    import zstandard

    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    writer = compressor.stream_writer(file, closefd=False)
    yield writer
    writer.flush(zstandard.FLUSH_FRAME)
