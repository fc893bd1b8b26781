"""What a DBN file that comes from elsewhere, or goes there, says of itself: its header and the symbols in it.

Versions 1 to 3 differ in their headers and in definitions, not in the records that are stored here.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.clock import DAY_NS
from core.model.fixedpoint import QUANTITY_DECIMALS
from core.model.publishers import PUBLISHERS
from core.model.records import UNDEF_TIMESTAMP, Records, Schema
from core.store.repository import SeriesKey
from core.store.segment import FIRST_ID

RAW_SCALE: Final = "quantity_scale=1e-8"
SIZE_EXPONENT: Final = "size_exp="

_MAX_ID = 2**62
_EPOCH = datetime.date(1970, 1, 1)

_DATASETS: Final = {publisher.dataset: publisher.venue for publisher in PUBLISHERS.values()}


class HeaderError(ValueError):
    """The header cannot be used; the text says why."""


@attrs.frozen(kw_only=True)
class MappedSymbol:
    """What a file says of an instrument: it bears `symbol` from `start_day` until `end_day`, exclusive, both since
    the epoch."""

    instrument_id: int
    symbol: str
    start_day: int
    end_day: int


@attrs.frozen(kw_only=True)
class FileHeader:
    """What a DBN file says of itself.

    `venue` is one of ours, "" when the dataset is somebody else's. `first_id` is the full id near which the ids of
    its records begin, 0 when it says nothing of ids. Sizes are lots of 10**`size_exp`; None when they are as they
    are stored here.
    """

    version: int
    dataset: str
    venue: str
    schema: Schema
    symbols: tuple[str, ...]
    mapped: tuple[MappedSymbol, ...]
    first_id: int
    size_exp: int | None


def export_header(
    series: SeriesKey,
    *,
    start_ns: int,
    end_ns: int,
    first_id: int,
    size_exp: int | None,
    mapped: Sequence[MappedSymbol],
) -> bytes:
    """The header of a file that holds records of `series` with `start_ns <= ts_event < end_ns`."""
    import databento_dbn as dbn

    publisher = PUBLISHERS.get(series.venue)
    facts = [f"{FIRST_ID}{first_id}"] if first_id else []
    if publisher is not None:
        facts.append(RAW_SCALE if size_exp is None else f"{SIZE_EXPONENT}{size_exp}")
    mappings = [
        _Mapping(series.symbol, tuple(_Interval.of(one) for one in mapped)),
        *(_Mapping(fact) for fact in facts),
    ]
    metadata = dbn.Metadata(
        dataset=series.venue[:15] if publisher is None else publisher.dataset, start=start_ns, end=end_ns, limit=None,
        stype_in=dbn.SType.from_str("raw_symbol"), stype_out=dbn.SType.from_str("instrument_id"),
        schema=dbn.Schema.from_str(series.schema.value), symbols=[series.symbol], partial=[], not_found=[],
        mappings=mappings, version=3,
    )  # fmt: skip
    return bytes(metadata.encode())


@attrs.define
class _Interval:
    start_date: datetime.date
    end_date: datetime.date
    symbol: str

    @classmethod
    def of(cls, mapped: MappedSymbol) -> _Interval:
        start, end = (_EPOCH + datetime.timedelta(days=day) for day in (mapped.start_day, mapped.end_day))
        return cls(start, end, str(mapped.instrument_id))


@attrs.define
class _Mapping:
    # What databento_dbn wants of a symbol mapping; without intervals it is carried along and maps nothing.
    raw_symbol: str
    intervals: Sequence[Any] = ()


def decode_header(encoded: bytes) -> FileHeader:
    """What a whole header says.

    Raises:
        HeaderError: it is damaged, or its file holds what is not stored here.
    """
    import databento_dbn as dbn

    try:
        metadata = dbn.Metadata.decode(encoded)
        mappings, mapped = metadata.mappings, tuple(_mapped(metadata))  # dates are looked at only here
    except (dbn.DBNError, ValueError, OverflowError, TypeError) as error:
        raise HeaderError(str(error)) from error
    schemas = {schema.value: schema for schema in Schema}
    schema = schemas.get(str(metadata.schema))
    if schema is None or metadata.ts_out:
        what = f"{metadata.schema or 'mixed'}{' with ts_out' if metadata.ts_out else ''}"
        raise HeaderError(f"it holds {what} records, which are not stored: there are {', '.join(schemas)}")
    facts = [name for name, intervals in mappings.items() if "=" in name and not intervals]
    return FileHeader(
        version=encoded[3],
        dataset=metadata.dataset,
        venue=_DATASETS.get(metadata.dataset, ""),
        schema=schema,
        symbols=tuple(metadata.symbols),
        mapped=mapped,
        first_id=_first_id(facts),
        size_exp=_size_exp(facts) if metadata.dataset in _DATASETS else None,
    )


def _first_id(facts: list[str]) -> int:
    for fact in facts:
        text = fact.removeprefix(FIRST_ID)
        if fact.startswith(FIRST_ID) and text.isascii() and text.isdigit() and int(text) <= _MAX_ID:
            return int(text)
    return 0


def _size_exp(facts: list[str]) -> int | None:
    if RAW_SCALE in facts:
        return None
    for exponent in range(-QUANTITY_DECIMALS, 1):
        if f"{SIZE_EXPONENT}{exponent}" in facts:
            return exponent
    raise HeaderError("it does not say what its sizes count")


def _mapped(metadata: Any) -> Iterator[MappedSymbol]:
    # Which of the two names is the number depends on what was asked for in terms of what.
    by_number = str(metadata.stype_in) == "instrument_id"
    for name, intervals in metadata.mappings.items():
        for interval in intervals:
            number, symbol = (name, interval["symbol"]) if by_number else (interval["symbol"], name)
            if number.isascii() and number.isdigit() and int(number) < 2**32:
                days = [(date - _EPOCH).days for date in (interval["start_date"], interval["end_date"])]
                yield MappedSymbol(instrument_id=int(number), symbol=symbol, start_day=days[0], end_day=days[1])


class SymbolTable:
    """Finds the symbol of each record in what a header says."""

    def __init__(self, mapped: Sequence[MappedSymbol]) -> None:
        self._of: defaultdict[int, list[MappedSymbol]] = defaultdict(list)
        for one in mapped:
            self._of[one.instrument_id].append(one)

    @property
    def symbols(self) -> set[str]:
        """Every symbol it knows."""
        return {one.symbol for known in self._of.values() for one in known}

    def split(self, records: Records) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """(symbol, which records bear it), each record at most once. As Databento does it, the day
        is that of the receipt where there is one."""
        numbers = records["instrument_id"]
        days = index_days(records)
        for number in np.unique(numbers).tolist():
            left = numbers == number
            for one in self._of.get(number, ()):
                mask = left & (days >= one.start_day) & (days < one.end_day)
                if mask.any():
                    left &= ~mask
                    yield one.symbol, mask


def index_days(records: Records) -> NDArray[np.int64]:
    """The day since the epoch by which the symbol of each record is looked up."""
    stamps = records["ts_event"]
    if "ts_recv" in (records.dtype.names or ()):
        stamps = np.where(records["ts_recv"] == np.uint64(UNDEF_TIMESTAMP), stamps, records["ts_recv"])
    return (stamps // np.uint64(DAY_NS)).astype(np.int64)
