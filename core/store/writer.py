"""The writing half of one day's plain segment: whole records are appended, synced and, on an error, taken back."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.errors import ConsoleError
from core.model.records import Records
from core.store.dedupe import Mask, SeenIds, SeenRecords
from core.store.faults import storage_error
from core.store.lock import cut_back
from core.store.paths import day_of_path, make_folder, sync_folder
from core.store.repository import Ids, SeriesKey
from core.store.segment import (
    UNKNOWN_CHECKSUM,
    SegmentFacts,
    checksum_of,
    marked,
    plain_header,
    stored_ids,
)  # fmt: skip

_COPY_BYTES: Final = 1 << 20


@attrs.frozen
class SealedPart:
    """What of a day is sealed: the facts of it, and how its records are read when they are needed."""

    facts: SegmentFacts
    load: Callable[[], Records]


class Segment:
    """The writing half of one day's file, which exists and is sound. `facts` are known to be true of it, and `sealed`
    holds what of the same day was sealed before.

    After a failed `sync` it is `suspect`: nobody knows what of it the disk has.
    """

    def __init__(self, path: Path, series: SeriesKey, facts: SegmentFacts, sealed: SealedPart | None = None) -> None:
        self.path = path
        self.series = series
        self.dirty = False
        self.suspect = False
        self._untidy = False
        self._sealed = sealed
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
        if facts.checksum == UNKNOWN_CHECKSUM:
            facts.checksum = checksum_of(self._stored())
        self.seen = SeenIds(self._newest(), self._stored_ids)
        self.seen_marked = SeenRecords(self._stored_marked)

    def _newest(self) -> int | None:
        # The highest identity stored that day; None when nothing is or nothing has one.
        parts = (self.facts,) if self._sealed is None else (self.facts, self._sealed.facts)
        newest = max(facts.last_ns if self.series.schema.is_bars else facts.last_id for facts in parts)
        return newest or None

    def write(self, records: Records) -> None:
        """Append whole records (contiguous), or nothing; `undo` takes them back until `note` is called.

        Raises what `storage_error` makes of the operating system's refusal.
        """
        self.tidy()
        try:
            write_at(self._fd, records, self.facts.stored_bytes)
        except OSError as error:
            self.undo()
            raise storage_error("storing", self.path, error) from error

    def undo(self) -> None:
        """Cut off what was written and not noted; if that fails, the next write tries again first."""
        self._untidy = True
        with contextlib.suppress(ConsoleError):
            self.tidy()

    def tidy(self) -> None:
        """Cut off what `undo` could not. Raises as `write` does."""
        if self._untidy:
            try:
                cut_back(self._fd, self.facts.stored_bytes)
            except OSError as error:
                raise storage_error("taking a batch back", self.path, error) from error
            self._untidy = False

    def note(self, records: Records, ids: Ids | None, marks: Mask | None) -> None:
        """Count written records in. `ids` are their identities; `marks` says which share theirs."""
        facts, stamps = self.facts, records["ts_event"]
        lowest, highest = int(stamps.min()), int(stamps.max())
        facts.first_ns = min(facts.first_ns, lowest) if facts.rows else lowest
        facts.last_ns = max(facts.last_ns, highest)
        facts.rows += len(records)
        facts.stored_bytes += records.nbytes
        facts.checksum = checksum_of(records, facts.checksum)
        self.dirty = True
        if ids is None:
            return
        if marks is not None:
            self.seen_marked.add(records[marks])
            ids = ids[~marks]
        self.seen.add(ids)
        if len(ids) and not self.series.schema.is_bars:
            facts.last_id = max(facts.last_id, int(ids.max()))

    def begin_ids(self, first_id: int) -> None:
        """Write into the header where full ids begin, in a file that had none so far."""
        header = plain_header(
            self.series, day=day_of_path(self.path), first_id=first_id, generation=self.facts.generation
        )
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

        Raises what `storage_error` makes of the operating system's refusal; the segment may then be `suspect`, and
        must be inspected and restated before it is synced again.
        """
        if not self.dirty:
            return
        self.tidy()
        try:
            if self.suspect:
                write_again(self._fd, 0, self._header_bytes())
                write_again(self._fd, self._durable_bytes, self.facts.stored_bytes)
            os.fdatasync(self._fd)
        except OSError as error:
            self.suspect = True
            raise storage_error("syncing", self.path, error) from error
        self.dirty = self.suspect = False
        self._durable_bytes = self.facts.stored_bytes

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
        return self._of_the_day(lambda records, first_id: stored_ids(records, self.series.schema, first_id))

    def _stored_marked(self) -> Records:
        return self._of_the_day(self._marked_of)

    def _marked_of(self, records: Records, _first_id: int) -> Records:
        mask = marked(records, self.series.schema)
        return records[:0] if mask is None else records[mask]

    def _of_the_day(self, pick: Callable[[Records, int], NDArray[Any]]) -> NDArray[Any]:
        # What `pick` takes of the plain records and their first id, behind what it takes of the sealed ones.
        own = pick(self._stored(), self.facts.first_id)
        if self._sealed is None:
            return own
        return np.concatenate((pick(self._sealed.load(), self._sealed.facts.first_id), own))


def write_at(fd: int, records: Records, at: int) -> None:
    """Write all the bytes of `records` (contiguous) to an open file from `at` on. Raises `OSError`, some of it
    written."""
    view = records.view(np.uint8).data
    while view:
        written = os.pwrite(fd, view, at)
        at += written
        view = view[written:]


def write_again(fd: int, begin: int, end: int) -> None:
    """Write the bytes of an open file from `begin` to `end` once more, after an fdatasync of it failed. Raises
    `OSError`."""
    # The kernel takes the pages it could not write for clean, and the next fdatasync would succeed without them.
    while begin < end:
        content = os.pread(fd, min(end - begin, _COPY_BYTES), begin)
        if not content:
            raise OSError(errno.EIO, "the file is shorter than what was written")
        begin += os.pwrite(fd, content, begin)


def create_segment(path: Path, series: SeriesKey, *, first_id: int, generation: int = 0) -> SegmentFacts:
    """Make an empty segment, in one step and durably: a reader never sees half a header."""
    header = plain_header(series, day=day_of_path(path), first_id=first_id, generation=generation)
    try:
        make_folder(path.parent)
        replace_file(path, header)
    except OSError as error:
        raise storage_error("creating a segment", path, error) from error
    return SegmentFacts(stored_bytes=len(header), first_id=first_id, generation=generation)


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
