"""A DBN file as Databento sends it: its header, and its records as arrays, page by page, of any schema we ask for.

What came over the net is hostile until it was read to its end: sizes are bounded, and a file that is cut, damaged or
of another schema is an error in words. Nothing here needs the vendor's client.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs
import numpy as np

from core.errors import ConfigurationError, NotFoundError, PermanentError, TransientError
from core.flow.printable import printable
from core.model.records import BBO, MBO, MBP1, MBP10, OHLCV, TRADE, Records

PAGE_ROWS: Final = 32_768

_PREFIX_BYTES = 8
_FIXED_BYTES = 120  # of a header; the vendor's decoder panics on a shorter one
_MAX_HEADER_BYTES = 16 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"
_READ_BYTES = 1 << 16
_STEP_BYTES = 4096  # compressed; what comes of so few is bounded
_MAX_WINDOW = 1 << 27

_LAYOUTS: Final[Mapping[str, tuple[np.dtype[np.void], int]]] = {
    "trades": (TRADE, 0x00),
    "tbbo": (MBP1, 0x01),
    "mbp-1": (MBP1, 0x01),
    "mbp-10": (MBP10, 0x0A),
    "mbo": (MBO, 0xA0),
    "bbo-1s": (BBO, 0xC3),
    "bbo-1m": (BBO, 0xC4),
    "ohlcv-1s": (OHLCV, 0x20),
    "ohlcv-1m": (OHLCV, 0x21),
    "ohlcv-1h": (OHLCV, 0x22),
    "ohlcv-1d": (OHLCV, 0x23),
}
_VENDOR_LAYOUTS: Final[Mapping[str, tuple[str, int, int]]] = {
    "definition": ("InstrumentDefMsg", 0x13, 3),
    "statistics": ("StatMsg", 0x18, 3),
    "status": ("StatusMsg", 0x12, 1),
}
"""Class, number, and the first version with today's layout."""

SCHEMAS: Final = (*_LAYOUTS, *_VENDOR_LAYOUTS)
"""Every schema that can be read."""


@lru_cache
def layout_of(schema: str, version: int = 3) -> tuple[np.dtype[np.void], int]:
    """The dtype of the records of one of `SCHEMAS` in a file of DBN `version`, and the number they bear."""
    if schema in _LAYOUTS:
        return _LAYOUTS[schema]
    import databento_dbn as dbn

    name, rtype, current = _VENDOR_LAYOUTS[schema]
    older = {1: "V1", 2: "V2" if schema == "definition" else "V1"}
    record = getattr(dbn, name if version >= current else name + older[version])
    return np.dtype(record._dtypes), rtype  # noqa: SLF001 - the vendor's documented way to the layout


@attrs.frozen(kw_only=True)
class ArchiveHeader:
    """What a file says of itself. `end_ns` is None when it has no end; `mappings` gives for each symbol the intervals
    in which it meant an instrument, as (first day, day after the last, name), days as `YYYY-MM-DD`."""

    version: int
    dataset: str
    schema: str
    start_ns: int
    end_ns: int | None
    symbols: tuple[str, ...]
    not_found: tuple[str, ...]
    mappings: Mapping[str, tuple[tuple[str, str, str], ...]]


class Archive:
    """Opens the DBN file at `path`, plain or compressed, and reads its header. Close it, or use it in a `with`.

    Raises:
        NotFoundError: there is no such file.
        ConfigurationError: it may not be read.
        TransientError: it ends too early, as an interrupted download does.
        PermanentError: it is no DBN file, damaged, or of a schema that is not read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except FileNotFoundError:
            raise NotFoundError("no such file", str(path)) from None
        except OSError as error:
            raise ConfigurationError("cannot read", f"{path}: {error.strerror}") from error
        self._rest = bytearray()
        self._chunks = self._decompressed()
        try:
            self.header = self._header()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._chunks.close()
        self._file.close()

    def pages(self, rows: int = PAGE_ROWS) -> Iterator[Records]:
        """The records from first to last, at most `rows` at a time, in the layout of `layout_of`.

        Raises:
            TransientError: the file ends within a record, or within its compressed data.
            PermanentError: a record is not of the header's schema, or the compressed data are damaged.
        """
        dtype, rtype = layout_of(self.header.schema, self.header.version)
        before = 0
        while self._fill(rows * dtype.itemsize) or len(self._rest) >= dtype.itemsize:
            size = min(len(self._rest) // dtype.itemsize, rows) * dtype.itemsize
            page = np.frombuffer(bytes(self._rest[:size]), dtype)
            del self._rest[:size]
            wrong = (page["length"] != dtype.itemsize // 4) | (page["rtype"] != rtype)
            if wrong.any():
                raise self._damaged(f"record {before + int(wrong.argmax()) + 1} is not one of {self.header.schema}")
            before += len(page)
            yield page
        if self._rest:
            raise self._cut(f"it ends within record {before + 1}")

    def _header(self) -> ArchiveHeader:
        if not self._fill(1):
            raise self._cut("it is empty")
        if not self._fill(_PREFIX_BYTES) or self._rest[:3] != b"DBN":
            raise self._damaged("it is no DBN file")
        version = self._rest[3]
        length = _PREFIX_BYTES + int.from_bytes(self._rest[4:_PREFIX_BYTES], "little")
        if not 1 <= version <= 3 or not _PREFIX_BYTES + _FIXED_BYTES <= length <= _MAX_HEADER_BYTES:
            raise self._damaged(f"its header claims version {version} and {length} bytes")
        if not self._fill(length):
            raise self._cut("it ends in its header")
        encoded = bytes(self._rest[:length])
        del self._rest[:length]
        return self._decoded(encoded)

    def _decoded(self, encoded: bytes) -> ArchiveHeader:
        import databento_dbn as dbn

        try:
            metadata = dbn.Metadata.decode(encoded)
            mappings = {name: _intervals(found) for name, found in metadata.mappings.items()}
        except (dbn.DBNError, ValueError, OverflowError, TypeError) as error:
            raise self._damaged(printable(str(error))) from error
        schema = str(metadata.schema)
        if schema not in SCHEMAS or metadata.ts_out:
            raise self._damaged(f"it holds {schema}{' with ts_out' if metadata.ts_out else ''}, which is not read")
        return ArchiveHeader(
            version=encoded[3],
            dataset=metadata.dataset,
            schema=schema,
            start_ns=metadata.start,
            end_ns=metadata.end,
            symbols=tuple(metadata.symbols),
            not_found=tuple(metadata.not_found),
            mappings=mappings,
        )

    def _fill(self, size: int) -> bool:
        # Read on until `size` bytes are at hand; whether there are.
        while len(self._rest) < size and (chunk := next(self._chunks, None)) is not None:
            self._rest += chunk
        return len(self._rest) >= size

    def _decompressed(self) -> Generator[bytes, None, None]:
        first = self._read()
        if first[:4] == _ZSTD:
            yield from self._unzipped(first)
            return
        while first:
            yield first
            first = self._read()

    def _unzipped(self, pending: bytes) -> Iterator[bytes]:
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        frame, within = decompressor.decompressobj(), False
        try:
            while pending or (pending := self._read()):
                step, pending = pending[:_STEP_BYTES], pending[_STEP_BYTES:]
                yield frame.decompress(step)
                within = not frame.eof
                if frame.eof:
                    pending = frame.unused_data + pending
                    frame = decompressor.decompressobj()
        except zstandard.ZstdError as error:
            raise self._damaged(printable(str(error))) from error
        if within:
            raise self._cut("its compressed data end too early")

    def _read(self) -> bytes:
        try:
            return self._file.read(_READ_BYTES)
        except OSError as error:
            raise ConfigurationError("cannot read", f"{self.path}: {error.strerror}") from error

    def _cut(self, why: str) -> TransientError:
        return TransientError("incomplete", f"{self.path.name}: {why}", hint="fetch it again")

    def _damaged(self, why: str) -> PermanentError:
        return PermanentError("cannot be used", f"{self.path.name}: {why}")


def _intervals(found: list[Any]) -> tuple[tuple[str, str, str], ...]:
    return tuple((str(each["start_date"]), str(each["end_date"]), str(each["symbol"])) for each in found)
