"""What the simulated Databento has: records by schema and time, under names, read from DBN files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from core.clock import NS_PER_S
from core.errors import NotFoundError, PermanentError


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
    schemas there are although no record of them may have happened yet."""

    dataset: str
    names: Mapping[int, str]
    records: Sequence[Stored]
    offered: tuple[str, ...] = ()

    @property
    def schemas(self) -> tuple[str, ...]:
        """What there is."""
        return tuple(dict.fromkeys((*self.offered, *(each.schema for each in self.records))))

    @property
    def span_ns(self) -> tuple[int, int]:
        """The instants of the first record and after the last."""
        if not self.records:
            return 0, 1
        return self.records[0].ts_event_ns, self.records[-1].ts_event_ns + 1

    def numbers(self, symbols: Iterable[str]) -> dict[str, int]:
        """The instruments of those of `symbols` that are known."""
        by_name = {name: number for number, name in self.names.items()}
        return {symbol: by_name[symbol] for symbol in symbols if symbol in by_name}

    def select(self, schema: str, symbols: Iterable[str], *, start_ns: int, end_ns: int) -> Iterator[Stored]:
        """The records of a range, in order."""
        wanted = set(self.numbers(symbols).values())
        for each in self.records:
            if each.schema == schema and each.instrument_id in wanted and start_ns <= each.ts_event_ns < end_ns:
                yield each


def read_library(paths: Iterable[Path]) -> Library:
    """The library of what DBN files hold.

    Raises:
        NotFoundError: a file is missing.
        PermanentError: a file is none, or they are of different datasets.
    """
    datasets, names, records = set(), dict[int, str](), list[Stored]()
    for path in paths:
        metadata, found = _decoded(path)
        datasets.add(metadata.dataset)
        schema = str(metadata.schema)
        for name, intervals in metadata.mappings.items():
            names.update((int(each["symbol"]), name) for each in intervals if each["symbol"].isdigit())
        records += [Stored(each.ts_event, schema, each.instrument_id, bytes(each)) for each in found]
    if len(datasets) != 1:
        raise PermanentError("cannot be one library", f"files of {len(datasets)} datasets")
    records.sort(key=lambda each: each.ts_event_ns)
    return Library(dataset=datasets.pop(), names=names, records=records)


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
    import numpy as np

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
