"""What the simulated Databento has: records by schema and time, under names, read from DBN files."""

from __future__ import annotations

import io
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.clock import NS_PER_S
from core.errors import NotFoundError, PermanentError
from core.model.records import Records

_RECORDS: Final[Mapping[str, str]] = {
    "trades": "TradeMsg", "tbbo": "MBP1Msg", "mbp-1": "MBP1Msg", "mbp-10": "MBP10Msg", "mbo": "MBOMsg",
    "bbo-1s": "BBOMsg", "bbo-1m": "BBOMsg", "ohlcv-1s": "OHLCVMsg", "ohlcv-1m": "OHLCVMsg", "ohlcv-1h": "OHLCVMsg",
    "ohlcv-1d": "OHLCVMsg", "definition": "InstrumentDefMsg", "statistics": "StatMsg", "status": "StatusMsg",
}  # fmt: skip
_OUT_OF_ORDER: Final = 100
"""Among so many of the newest records the last to be received is looked for."""


@attrs.frozen
class Stored:
    """One record: when it happened, of which instrument, in which schema, and its bytes in today's layout."""

    ts_event_ns: int
    schema: str
    instrument_id: int
    encoded: bytes


@attrs.frozen(kw_only=True)
class Library:
    """Records of one dataset in the order of time; `names` says which symbol an instrument bears, `offered` which
    schemas there are although no record of them may have happened yet. `arrays` are the records of
    further schemas, for the archive alone, which may be many: in today's layout and the order of `index_ns`."""

    dataset: str
    names: Mapping[int, str]
    records: Sequence[Stored] = ()
    offered: tuple[str, ...] = ()
    arrays: Mapping[str, Records] = attrs.Factory(dict)

    @property
    def schemas(self) -> tuple[str, ...]:
        """What there is."""
        return tuple(dict.fromkeys((*self.offered, *self.arrays, *(each.schema for each in self.records))))

    @property
    def span_ns(self) -> tuple[int, int]:
        """The instants of the first record and after the last."""
        spans = [(int(times[0]), int(times[-1]) + 1) for times in map(index_ns, self.arrays.values()) if len(times)]
        if self.records:
            newest = max(_index_ns(each) for each in self.records[-_OUT_OF_ORDER:])
            spans.append((self.records[0].ts_event_ns, newest + 1))
        return (min(start for start, _ in spans), max(end for _, end in spans)) if spans else (0, 1)

    def numbers(self, symbols: Iterable[str]) -> dict[str, int]:
        """The instruments of those of `symbols` that are known."""
        by_name = {name: number for number, name in self.names.items()}
        return {symbol: by_name[symbol] for symbol in symbols if symbol in by_name}

    def select(self, schema: str, symbols: Iterable[str], *, start_ns: int, end_ns: int) -> Iterator[Stored]:
        """Those of `records` that happened in a range, in order: what a gateway replays."""
        wanted = set(self.numbers(symbols).values())
        for each in self.records:
            if each.schema == schema and each.instrument_id in wanted and start_ns <= each.ts_event_ns < end_ns:
                yield each

    def excerpt(self, schema: str, symbols: Iterable[str], *, start_ns: int, end_ns: int) -> Records:
        """All records with `start_ns` <= `index_ns` < `end_ns`, in order: what an archive sells."""
        wanted = self.numbers(symbols).values()
        held = self.arrays.get(schema)
        if held is None:
            held = self._joined(schema, set(wanted))
        times = index_ns(held)
        begin, end = np.searchsorted(times, np.array([start_ns, end_ns], np.uint64))
        within = held[begin:end]
        mask = np.isin(within["instrument_id"], np.fromiter(wanted, np.uint32))
        return within if mask.all() else within[mask]

    def _joined(self, schema: str, wanted: Container[int]) -> Records:
        chosen = (each for each in self.records if each.schema == schema and each.instrument_id in wanted)
        found = np.frombuffer(b"".join(each.encoded for each in chosen), _layout(schema))
        return found[np.argsort(index_ns(found), kind="stable")]


def index_ns(records: Records) -> NDArray[np.uint64]:
    """The times by which an archive orders and selects `records`: of receipt, where they have one."""
    times: NDArray[np.uint64] = records["ts_recv" if "ts_recv" in (records.dtype.names or ()) else "ts_event"]
    return times


@cache
def _layout(schema: str) -> np.dtype[np.void]:
    import databento_dbn as dbn

    record: Any = getattr(dbn, _RECORDS[schema])
    layout: np.dtype[np.void] = np.dtype(record._dtypes)  # noqa: SLF001 - the vendor's documented way
    return layout


def _index_ns(stored: Stored) -> int:
    return int(index_ns(np.frombuffer(stored.encoded, _layout(stored.schema)))[0])


def read_library(paths: Iterable[Path]) -> Library:
    """The library of what DBN files hold.

    Raises:
        NotFoundError: a file is missing.
        PermanentError: a file is none, or they are of different datasets.
    """
    datasets, names, records = set(), dict[int, str](), list[tuple[int, Stored]]()
    for path in paths:
        metadata, found = _decoded(path)
        datasets.add(metadata.dataset)
        schema = str(metadata.schema)
        for name, intervals in metadata.mappings.items():
            names.update((int(each["symbol"]), name) for each in intervals if each["symbol"].isdigit())
        for each in found:
            stored = Stored(each.ts_event, schema, each.instrument_id, bytes(each))
            records.append((getattr(each, "ts_recv", each.ts_event), stored))
    if len(datasets) != 1:
        raise PermanentError("cannot be one library", f"files of {len(datasets)} datasets")
    records.sort(key=lambda each: each[0])
    return Library(dataset=datasets.pop(), names=names, records=[stored for _, stored in records])


def with_definitions(
    library: Library,
    *,
    increment_e9: int = 250_000_000,
    instrument_class: str = "F",
    at_ns: int = 0,
    publisher_id: int = 1,
) -> Library:
    """`library` with a made-up definition of each name that has none, at `at_ns` or, when 0, at its first record."""
    import databento_dbn as dbn

    defined = {each.instrument_id for each in library.records if each.schema == "definition"}
    first_ns = at_ns or library.span_ns[0]
    made = []
    for number, name in library.names.items():
        if number in defined:
            continue
        record = np.zeros(1, np.dtype(dbn.InstrumentDefMsg._dtypes))  # noqa: SLF001 - the vendor's documented way
        record["length"], record["rtype"], record["publisher_id"] = record.itemsize // 4, 0x13, publisher_id
        record["instrument_id"], record["ts_event"], record["ts_recv"] = number, first_ns, first_ns
        record["raw_symbol"], record["asset"], record["currency"] = name, name[:2], "USD"
        record["min_price_increment"], record["instrument_class"] = increment_e9, instrument_class
        made.append(Stored(first_ns, "definition", number, record.tobytes()))
    return attrs.evolve(library, records=[*made, *library.records])


def _decoded(path: Path) -> tuple[Any, list[Any]]:
    import databento_dbn as dbn
    import zstandard

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NotFoundError("cannot read", f"{path}: {error.strerror}") from error
    decoder = dbn.DBNDecoder()  # which brings older versions to today's layout
    try:
        if raw[:4] == b"\x28\xb5\x2f\xfd":
            raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True).read()
        decoder.write(raw)
        metadata, *records = decoder.decode()
    except (dbn.DBNError, zstandard.ZstdError, ValueError) as error:
        raise PermanentError("no DBN file", str(path)) from error
    return metadata, records


def encode_header(
    dataset: str, *, schema: str | None, start_ns: int, end_ns: int | None, names: Mapping[str, int], live: bool
) -> bytes:
    """The header of a file, or of a live stream, in today's version; `names` are mapped for the days in between."""
    import databento_dbn as dbn

    mappings = (
        [] if live else [_Mapping(name, [_Interval.of(number, start_ns, end_ns)]) for name, number in names.items()]
    )
    kind = dbn.Schema.from_str(schema) if schema else None
    metadata = dbn.Metadata(
        dataset=dataset, start=start_ns, end=end_ns, limit=None, schema=kind,
        stype_in=None if live else dbn.SType.from_str("raw_symbol"), stype_out=dbn.SType.from_str("instrument_id"),
        symbols=[] if live else list(names), partial=[], not_found=[], mappings=mappings, version=3,
    )  # fmt: skip
    return bytes(metadata.encode())


@attrs.define
class _Interval:
    start_date: Any
    end_date: Any
    symbol: str

    @classmethod
    def of(cls, number: int, start_ns: int, end_ns: int | None) -> _Interval:
        last_ns = start_ns if end_ns is None else max(end_ns - 1, start_ns)
        days = [datetime.fromtimestamp(instant // NS_PER_S, UTC).date() for instant in (start_ns, last_ns)]
        return cls(days[0], days[1] + timedelta(days=1), str(number))


@attrs.define
class _Mapping:
    raw_symbol: str
    intervals: Sequence[Any]
