"""One day of one series on disk: a valid DBN file that grows at its end by whole records.

Databento's own tools read it as it is and while it grows. The header says where full ids begin: an id is
`first_trade_id` plus the signed 32-bit difference of the sequences. Every header of a series has the same length,
so that `first_trade_id` can be filled in later where it stands.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from core.clock import parse_rfc3339_ns
from core.errors import PermanentError
from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.publishers import PUBLISHERS
from core.model.records import (
    F_MAYBE_BAD_BOOK,
    F_SNAPSHOT,
    RTYPE_MBP1,
    RTYPE_MBP10,
    RTYPE_TRADE,
    UNDEF_TIMESTAMP,
    Records,
    Schema,
)  # fmt: skip
from core.store.dedupe import Ids, Mask, SeenIds, SeenRecords, full_ids
from core.store.faults import storage_error
from core.store.paths import make_folder, sync_folder
from core.store.repository import SeriesKey

PREFIX_BYTES: Final = 8
FIRST_ID: Final = "first_trade_id="
MARKED: Final = F_SNAPSHOT | F_MAYBE_BAD_BOOK
"""Flags of quotes and books that may share their id with a plain record."""

_ONE = np.uint64(1)
_UNDEFINED_LESS_ONE = np.uint64(UNDEF_TIMESTAMP - 1)
_MAX_HEADER_BYTES = 1 << 20
_COPY_BYTES = 1 << 20
_RTYPES = {Schema.TRADES: RTYPE_TRADE, Schema.QUOTES: RTYPE_MBP1, Schema.BOOK: RTYPE_MBP10}


@attrs.define(kw_only=True)
class SegmentFacts:
    """What a segment holds. Instants are the lowest and highest `ts_event`; ids are 0 when there are none:
    `first_id` is what the header says, `last_id` the highest stored."""

    rows: int = 0
    stored_bytes: int = 0
    first_ns: int = 0
    last_ns: int = 0
    first_id: int = 0
    last_id: int = 0


@attrs.define
class _Fact:
    # What databento_dbn wants of a symbol mapping; without intervals it is carried along and maps nothing.
    raw_symbol: str
    intervals: Sequence[Any] = ()


def encode_header(series: SeriesKey, *, start_ns: int, first_id: int) -> bytes:
    """The DBN v3 header of a segment, as Databento's encoder writes it."""
    import databento_dbn as dbn

    publisher = PUBLISHERS.get(series.venue)
    facts = [f"{FIRST_ID}{first_id}"] if publisher is None else ["quantity_scale=1e-8", f"{FIRST_ID}{first_id}"]
    metadata = dbn.Metadata(
        dataset=series.venue[:15] if publisher is None else publisher.dataset, start=start_ns, end=None, limit=None,
        stype_in=dbn.SType.from_str("raw_symbol"), stype_out=dbn.SType.from_str("instrument_id"),
        schema=dbn.Schema.from_str(series.schema.value), symbols=[series.symbol], partial=[], not_found=[],
        mappings=[_Fact(fact) for fact in facts], version=3,
    )  # fmt: skip
    return bytes(metadata.encode())


def header_bytes(prefix: bytes) -> int:
    """The length of the header that begins with `prefix`; 0 when that is no header or is not whole."""
    if len(prefix) < PREFIX_BYTES or prefix[:3] != b"DBN":
        return 0
    length = PREFIX_BYTES + int.from_bytes(prefix[4:8], "little")
    return length if length <= _MAX_HEADER_BYTES else 0


def expected_head(series: SeriesKey) -> tuple[int, int]:
    """(value, mask): how the first 32 bits of every record of a series look, length, rtype and publisher."""
    length_and_type = series.schema.dtype.itemsize // 4 | _RTYPES[series.schema] << 8
    publisher = PUBLISHERS.get(series.venue)
    if publisher is None:
        return length_and_type, 0xFFFF
    return length_and_type | publisher.publisher_id << 16, 0xFFFF_FFFF


def acceptable(records: Records, head: tuple[int, int]) -> Mask | None:
    """Which of `records` (contiguous) belong to the series of `head` and have a venue time; None when all do."""
    value, mask = head
    words = records.view(np.uint32).reshape(len(records), records.dtype.itemsize // 4)[:, 0]
    stamps = records["ts_event"]
    right = words == value if mask == 0xFFFF_FFFF else (words & np.uint32(mask)) == value
    if mask != 0xFFFF_FFFF:
        right &= words < np.uint32(OWN_PUBLISHERS << 16)
    right &= stamps - _ONE < _UNDEFINED_LESS_ONE  # 0 wraps round to the highest number
    return None if right.all() else right


def marked(records: Records, schema: Schema) -> Mask | None:
    """Which of `records` may share their id with a plain one; None when there are none."""
    if schema is Schema.TRADES:
        return None
    mask = (records["flags"] & MARKED) != 0
    return mask if mask.any() else None


class Segment:
    """The writing half of one day's file, which exists and is sound. `facts` are known to be true of it.

    After a failed `sync` it is `suspect`: nobody knows what of it the disk has.
    """

    def __init__(self, path: Path, series: SeriesKey, facts: SegmentFacts) -> None:
        self.path = path
        self.series = series
        self.dirty = False
        self.suspect = False
        self._untidy = False
        self._durable_bytes = facts.stored_bytes
        self._fd = -1
        self.restate(facts)

    def restate(self, facts: SegmentFacts) -> None:
        """Go on with the file that is at `path` now and of which `facts` are known. Raises as `write` does."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise storage_error("opening a segment", self.path, error) from error
        self.close()
        self._fd = fd
        self.facts = facts
        self._durable_bytes = min(self._durable_bytes, facts.stored_bytes)
        self.seen = SeenIds(facts.last_id if facts.last_id else None, self._stored_ids)
        self.seen_marked = SeenRecords(self._stored_marked)

    def write(self, records: Records) -> None:
        """Append whole records (contiguous), or nothing; `undo` takes them back until `note` is called.

        Raises what `storage_error` makes of the operating system's refusal.
        """
        view = records.view(np.uint8).data
        end = self.facts.stored_bytes
        try:
            self._tidy()
            while view:
                written = os.pwrite(self._fd, view, end)
                end += written
                view = view[written:]
        except OSError as error:
            self.undo()
            raise storage_error("storing", self.path, error) from error

    def undo(self) -> None:
        """Cut off what was written and not noted; if that fails, the next write tries again first."""
        self._untidy = True
        with contextlib.suppress(OSError):
            self._tidy()

    def _tidy(self) -> None:
        if self._untidy:
            os.ftruncate(self._fd, self.facts.stored_bytes)
            self._untidy = False

    def note(self, records: Records, ids: Ids | None, marks: Mask | None) -> None:
        """Count written records in. `ids` are their full ids; `marks` says which share theirs."""
        facts, stamps = self.facts, records["ts_event"]
        lowest, highest = int(stamps.min()), int(stamps.max())
        facts.first_ns = min(facts.first_ns, lowest) if facts.rows else lowest
        facts.last_ns = max(facts.last_ns, highest)
        facts.rows += len(records)
        facts.stored_bytes += records.nbytes
        self.dirty = True
        if ids is None:
            return
        if marks is not None:
            self.seen_marked.add(records[marks])
            ids = ids[~marks]
        self.seen.add(ids)
        facts.last_id = self.seen.newest or 0

    def begin_ids(self, first_id: int) -> None:
        """Write into the header where full ids begin, in a file that had none so far."""
        header = encode_header(self.series, start_ns=day_start_ns(self.path), first_id=first_id)
        try:
            if len(header) == self._header_bytes():
                os.pwrite(self._fd, header, 0)
        except OSError as error:
            raise storage_error("storing", self.path, error) from error
        self.facts.first_id = first_id

    def _header_bytes(self) -> int:
        return self.facts.stored_bytes - self.facts.rows * self.series.schema.dtype.itemsize

    def sync(self) -> None:
        """Make what was written durable.

        Raises what `storage_error` makes of the operating system's refusal; the segment is then `suspect`, and must
        be inspected and restated before it is synced again.
        """
        if not self.dirty:
            return
        try:
            self._tidy()
            if self.suspect:
                self._write_again()
            os.fdatasync(self._fd)
        except OSError as error:
            self.suspect = True
            raise storage_error("syncing", self.path, error) from error
        self.dirty = self.suspect = False
        self._durable_bytes = self.facts.stored_bytes

    def _write_again(self) -> None:
        # After a failed fdatasync the kernel takes the pages it could not write for clean, and the next fdatasync
        # would succeed without them.
        for begin, end in ((0, self._header_bytes()), (self._durable_bytes, self.facts.stored_bytes)):
            at = begin
            while at < end:
                content = os.pread(self._fd, min(end - at, _COPY_BYTES), at)
                if not content:
                    raise OSError(errno.EIO, "the file is shorter than what was written")
                at += os.pwrite(self._fd, content, at)

    @property
    def removed(self) -> bool:
        """Whether somebody deleted the file while it was open."""
        return os.fstat(self._fd).st_nlink == 0

    def close(self) -> None:
        """Let go of the file without syncing it. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _stored(self) -> Records:
        dtype = self.series.schema.dtype
        if not self.facts.rows:
            return np.empty(0, dtype)
        return np.memmap(self.path, dtype, "r", self._header_bytes(), (self.facts.rows,))

    def _stored_ids(self) -> Ids:
        return stored_ids(self._stored(), self.series.schema, self.facts.first_id)

    def _stored_marked(self) -> Records:
        records = self._stored()
        mask = marked(records, self.series.schema)
        return records[:0] if mask is None else records[mask]


def stored_ids(records: Records, schema: Schema, first_id: int) -> Ids:
    """The full ids of records of one segment, without those that may share theirs."""
    if not first_id:
        return np.empty(0, np.int64)
    ids = full_ids(records["sequence"], first_id)
    marks = marked(records, schema)
    return ids if marks is None else ids[~marks]


def day_start_ns(path: Path) -> int:
    """Midnight of the day a segment is named after."""
    return parse_rfc3339_ns(f"{path.stem}T00:00:00Z")


def create_segment(path: Path, series: SeriesKey, *, first_id: int) -> SegmentFacts:
    """Make an empty segment, in one step and durably: a reader never sees half a header."""
    header = encode_header(series, start_ns=day_start_ns(path), first_id=first_id)
    try:
        make_folder(path.parent)
        replace_file(path, header)
    except OSError as error:
        raise storage_error("creating a segment", path, error) from error
    return SegmentFacts(stored_bytes=len(header), first_id=first_id)


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path`, mode 0600, whole or not at all, and durably. Raises `OSError`."""
    part = path.with_name(path.name + ".part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fdatasync(fd)
    finally:
        os.close(fd)
    part.replace(path)
    sync_folder(path.parent)


def read_first_id(header: bytes, path: Path, series: SeriesKey) -> int:
    """`first_trade_id` of a header. Raises `PermanentError` when it is no header of that series."""
    import databento_dbn as dbn

    try:
        metadata = dbn.Metadata.decode(header)
    except (dbn.DBNError, ValueError, OverflowError) as error:
        raise PermanentError("damaged segment", f"{path}: {error}") from error
    if str(metadata.schema) != series.schema.value or metadata.version != 3 or metadata.ts_out:
        raise PermanentError("foreign segment", f"{path} does not hold {series}")
    for fact in metadata.mappings:
        if fact.startswith(FIRST_ID) and fact[len(FIRST_ID) :].isdigit():
            return int(fact[len(FIRST_ID) :])
    return 0
