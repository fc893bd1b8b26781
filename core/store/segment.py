"""What one day of one series looks like on disk: a valid DBN file of whole records behind a header.

A plain segment grows at its end; Databento's own tools read it as it is and while it grows. The header says where
full ids begin: an id is `first_trade_id` plus the signed 32-bit difference of the sequences. Every header of a series
has the same length, so that `first_trade_id` can be filled in later where it stands. `generation` says how often the
day had been sealed before the segment was begun.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from core.clock import DAY_NS
from core.errors import PermanentError
from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.publishers import PUBLISHERS
from core.model.records import F_MAYBE_BAD_BOOK, F_SNAPSHOT, Records, Schema
from core.store.dedupe import Mask, full_ids
from core.store.repository import Ids, SeriesKey

PREFIX_BYTES: Final = 8
FIRST_ID: Final = "first_trade_id="
GENERATION: Final = "generation"
MARKED: Final = F_SNAPSHOT | F_MAYBE_BAD_BOOK
"""Flags of quotes and books that may share their id with a plain record."""
UNKNOWN_CHECKSUM: Final = -1
LATEST_NS: Final = 2**63 - 1
"""The last instant that every store can hold, in the year 2262."""

_ONE = np.uint64(1)
_LATEST = np.uint64(LATEST_NS)
_MAX_HEADER_BYTES = 1 << 20
_MAX_FACT = 2**63


@attrs.define(kw_only=True)
class SegmentFacts:
    """What a segment holds. Instants are the lowest and highest `ts_event`; ids are 0 when there are none:
    `first_id` is what the header says, `last_id` the highest stored.

    `checksum` is the CRC-32 of all records, `UNKNOWN_CHECKSUM` when nobody computed it; `sha256` is that of a sealed
    file, empty for a plain one.
    """

    rows: int = 0
    stored_bytes: int = 0
    first_ns: int = 0
    last_ns: int = 0
    first_id: int = 0
    last_id: int = 0
    generation: int = 0
    checksum: int = 0
    sha256: str = ""


@attrs.define
class _Fact:
    # What databento_dbn wants of a symbol mapping; without intervals it is carried along and maps nothing.
    raw_symbol: str
    intervals: Sequence[Any] = ()


def encode_header(
    series: SeriesKey, *, start_ns: int, first_id: int, facts: Mapping[str, int] | None = None
) -> bytes:
    """The DBN v3 header of a segment, as Databento's encoder writes it; `facts` are further ones to carry along."""
    import databento_dbn as dbn

    publisher = PUBLISHERS.get(series.venue)
    carried = [f"{FIRST_ID}{first_id}"] if publisher is None else ["quantity_scale=1e-8", f"{FIRST_ID}{first_id}"]
    carried += [f"{name}={value}" for name, value in (facts or {}).items()]
    metadata = dbn.Metadata(
        dataset=series.venue[:15] if publisher is None else publisher.dataset, start=start_ns, end=None, limit=None,
        stype_in=dbn.SType.from_str("raw_symbol"), stype_out=dbn.SType.from_str("instrument_id"),
        schema=dbn.Schema.from_str(series.schema.value), symbols=[series.symbol], partial=[], not_found=[],
        mappings=[_Fact(fact) for fact in carried], version=3,
    )  # fmt: skip
    return bytes(metadata.encode())


def plain_header(series: SeriesKey, *, day: int, first_id: int, generation: int = 0) -> bytes:
    """The header of the plain segment of a day since the epoch."""
    facts = {GENERATION: generation} if generation else {}
    return encode_header(series, start_ns=day * DAY_NS, first_id=first_id, facts=facts)


def header_bytes(prefix: bytes) -> int:
    """The length of the header that begins with `prefix`; 0 when that is no header or is not whole."""
    if len(prefix) < PREFIX_BYTES or prefix[:3] != b"DBN":
        return 0
    length = PREFIX_BYTES + int.from_bytes(prefix[4:8], "little")
    return length if length <= _MAX_HEADER_BYTES else 0


def read_facts(header: bytes, path: Path, series: SeriesKey) -> dict[str, int]:
    """The numbers that a header carries along, by name. Raises `PermanentError` when it is none of that series."""
    import databento_dbn as dbn

    try:
        metadata = dbn.Metadata.decode(header)
    except (dbn.DBNError, ValueError, OverflowError) as error:
        raise PermanentError("damaged segment", f"{path}: {error}") from error
    of_series = (str(metadata.schema), list(metadata.symbols)) == (series.schema.value, [series.symbol])
    if not of_series or metadata.version != 3 or metadata.ts_out:
        raise PermanentError("foreign segment", f"{path} does not hold {series}")
    pairs = (fact.partition("=") for fact in metadata.mappings)
    return {
        name: int(value) for name, _, value in pairs if value.isascii() and value.isdigit() and int(value) < _MAX_FACT
    }


def read_first_id(header: bytes, path: Path, series: SeriesKey) -> int:
    """`first_trade_id` of a header. Raises as `read_facts` does."""
    return read_facts(header, path, series).get(FIRST_ID[:-1], 0)


def expected_head(series: SeriesKey) -> tuple[int, int]:
    """(value, mask): how the first 32 bits of every record of a series look, length, rtype and publisher."""
    length_and_type = series.schema.dtype.itemsize // 4 | series.schema.rtype << 8
    publisher = PUBLISHERS.get(series.venue)
    if publisher is None:
        return length_and_type, 0xFFFF
    return length_and_type | publisher.publisher_id << 16, 0xFFFF_FFFF


def acceptable(records: Records, head: tuple[int, int]) -> Mask | None:
    """Which of `records` (contiguous) belong to the series of `head` and have a venue time; None when all do."""
    value, mask = head
    words = _first_words(records)
    right = words == value if mask == 0xFFFF_FFFF else (words & np.uint32(mask)) == value
    if mask != 0xFFFF_FFFF:
        right &= words < np.uint32(OWN_PUBLISHERS << 16)
    right &= records["ts_event"] - _ONE < _LATEST  # 0 wraps round to the highest number
    return None if right.all() else right


def rejections(records: Records, head: tuple[int, int]) -> dict[str, Records]:
    """Those of `records` (contiguous) that `acceptable` refuses, by the reason: each under the first that applies."""
    value, mask = head
    words, stamps = _first_words(records), records["ts_event"]
    own = words >= np.uint32(OWN_PUBLISHERS << 16)
    reasons = {
        "wrong length": (words ^ np.uint32(value)) & np.uint32(0xFF) != 0,
        "another schema": (words ^ np.uint32(value)) & np.uint32(0xFF00) != 0,
        "another venue": own if mask == 0xFFFF else (words ^ np.uint32(value)) & np.uint32(0xFFFF_0000) != 0,
        "no time": (stamps == 0) | (stamps == np.uint64(2**64 - 1)),
        "time out of range": stamps > _LATEST,
    }
    left = np.ones(len(records), np.bool_)
    found = {}
    for reason, applies in reasons.items():
        chosen = left & applies
        if chosen.any():
            found[reason] = records[chosen]
            left &= ~applies
    return found


def _first_words(records: Records) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return records.view(np.uint32).reshape(len(records), records.dtype.itemsize // 4)[:, 0]


def marked(records: Records, schema: Schema) -> Mask | None:
    """Which of `records` may share their id with a plain one; None when there are none."""
    if schema is Schema.TRADES or schema.is_bars:
        return None
    mask = (records["flags"] & MARKED) != 0
    return mask if mask.any() else None


def identities(records: Records, schema: Schema, reference: int) -> Ids | None:
    """What tells records apart, int64: the instants of bars, else the full ids near `reference`; None when that is 0
    and nothing does. Those that are `marked` may share theirs."""
    if schema.is_bars:
        return np.ascontiguousarray(records["ts_event"]).view(np.int64)
    return full_ids(records["sequence"], reference) if reference else None


def stored_ids(records: Records, schema: Schema, first_id: int) -> Ids:
    """The identities of records of one segment, without those that may share theirs."""
    ids = identities(records, schema, first_id)
    if ids is None:
        return np.empty(0, np.int64)
    marks = marked(records, schema)
    return ids if marks is None else ids[~marks]


def numbered_ids(records: Records, schema: Schema, first_id: int) -> Ids:
    """The full id of each record of one segment; 0 where the venue gave none."""
    if not first_id or schema.is_bars:
        return np.zeros(len(records), np.int64)
    ids = full_ids(records["sequence"], first_id)
    marks = marked(records, schema)
    if marks is not None:
        ids[marks & (records["sequence"] == 0)] = 0
    return ids


def facts_of(records: Records, series: SeriesKey, *, first_id: int, stored_bytes: int) -> SegmentFacts:
    """What a segment of these records holds, of generation 0."""
    facts = SegmentFacts(rows=len(records), stored_bytes=stored_bytes, first_id=first_id)
    if len(records):
        facts.first_ns, facts.last_ns = int(records["ts_event"].min()), int(records["ts_event"].max())
        ids = stored_ids(records, series.schema, first_id)
        facts.last_id = int(ids.max()) if len(ids) and not series.schema.is_bars else 0
    facts.checksum = checksum_of(records)
    return facts


def checksum_of(records: Records, before: int = 0) -> int:
    """The CRC-32 of the bytes of `records` (contiguous) after others whose CRC-32 is `before`."""
    return zlib.crc32(records.view(np.uint8).data, before) if len(records) else before
