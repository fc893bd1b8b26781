"""A DBN file as Databento sends it: its header, and its records as arrays, page by page, of any schema we ask for.

What came over the net is hostile until it was read to its end: a file that is cut, damaged or of another schema is an
error in words. Nothing here needs the vendor's client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs
import numpy as np

from core.errors import ConfigurationError, NotFoundError, PermanentError, TransientError
from core.flow.printable import printable
from core.model.records import BBO, MBO, MBP1, MBP10, OHLCV, TRADE, Records
from core.store.dbnstream import PAGE_ROWS, CutError, DamagedError, DbnStream

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
        self._stream = DbnStream(self._read)
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
        self._file.close()

    def pages(self, rows: int = PAGE_ROWS) -> Iterator[Records]:
        """The records from first to last, at most `rows` at a time, in the layout of `layout_of`.

        Raises:
            TransientError: the file ends within a record, or within its compressed data.
            PermanentError: a record is not of the header's schema, or the compressed data are damaged.
        """
        dtype, rtype = layout_of(self.header.schema, self.header.version)
        try:
            yield from self._stream.pages(dtype, rtype=rtype, name=self.header.schema, rows=rows)
        except DamagedError as error:
            raise self._said(error) from error

    def _header(self) -> ArchiveHeader:
        try:
            encoded = self._stream.header()
        except DamagedError as error:
            raise self._said(error) from error
        return self._decoded(encoded)

    def _decoded(self, encoded: bytes) -> ArchiveHeader:
        import databento_dbn as dbn

        try:
            metadata = dbn.Metadata.decode(encoded)
            mappings = {name: _intervals(found) for name, found in metadata.mappings.items()}
        except (dbn.DBNError, ValueError, OverflowError, TypeError) as error:
            raise self._damaged(str(error)) from error
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

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise ConfigurationError("cannot read", f"{self.path}: {error.strerror}") from error

    def _said(self, error: DamagedError) -> TransientError | PermanentError:
        if isinstance(error, CutError):
            return TransientError("incomplete", f"{self.path.name}: {error}", hint="fetch it again")
        return self._damaged(str(error))

    def _damaged(self, why: str) -> PermanentError:
        return PermanentError("cannot be used", f"{self.path.name}: {printable(why)}")


def _intervals(found: list[Any]) -> tuple[tuple[str, str, str], ...]:
    return tuple((str(each["start_date"]), str(each["end_date"]), str(each["symbol"])) for each in found)
