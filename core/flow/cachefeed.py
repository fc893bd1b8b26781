"""Carries trades from rings into the cache, in a worker thread: a second tier on a network may take its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import trio

from core.model.records import Records
from ringbuf.layout import RingError
from ringbuf.reader import RingReader

if TYPE_CHECKING:  # flow and store know each other's shapes and nothing more
    from core.store.repository import SeriesKey

BATCH_ROWS: Final = 8192


RingKey = tuple[Path, int]
"""Where a ring is and the inode of its file, which tells a ring that was made anew under the same name."""


class RecordSink(Protocol):
    """Where the newest records of a series are kept at hand. Its methods may block and raise nothing."""

    def push(self, series: SeriesKey, records: Records) -> None:
        """Keep records that came after all that were kept of this series."""

    def clear(self, series: SeriesKey) -> None:
        """Forget a series: what comes next does not follow on what was kept."""


async def consume_to_cache(
    rings: Callable[[], Mapping[RingKey, SeriesKey]], sink: RecordSink, *, interval_s: float = 0.02
) -> None:
    """Push what comes in on `rings()`, asked again every `interval_s`, until cancelled; the readers are then closed.

    A reader that is lapped makes a hole, and the cache forgets what was before it: what it serves is whole. Being
    cancelled waits for no more than one push.
    """
    followed = _Followed(sink)
    limiter = trio.CapacityLimiter(1)
    try:
        while True:
            followed.follow(rings())
            if followed.waiting:
                # Not left to itself when cancelled: it reads memory that is unmapped when the readers are closed.
                await trio.to_thread.run_sync(followed.sweep, limiter=limiter)
            await trio.sleep(interval_s)
    finally:
        followed.close()


class _Followed:
    # The readers, by ring. The event loop lists them, the worker thread reads; they take turns.

    def __init__(self, sink: RecordSink) -> None:
        self._sink = sink
        self._readers: dict[RingKey, tuple[SeriesKey, RingReader]] = {}

    def follow(self, rings: Mapping[RingKey, SeriesKey]) -> None:
        # What came last on a ring that is gone is read first.
        for key in [key for key, (_, reader) in self._readers.items() if key not in rings and not reader.lag]:
            self._readers.pop(key)[1].close()
        for key, series in rings.items():
            if key in self._readers:
                continue
            try:
                reader = RingReader(key[0], name="cache", dtype=series.schema.dtype, from_oldest=True)
            except RingError:
                continue  # the process that made it has just gone; when it is back the ring is listed again
            self._readers[key] = (series, reader)

    @property
    def waiting(self) -> bool:
        return any(reader.lag > 0 for _, reader in self._readers.values())

    def sweep(self) -> None:
        for series, reader in self._readers.values():
            trio.from_thread.check_cancelled()
            lapped = reader.lapped
            batch = reader.pop_batch(BATCH_ROWS)
            if reader.lapped != lapped:
                self._sink.clear(series)
            if len(batch):
                self._sink.push(series, batch)

    def close(self) -> None:
        for _, reader in self._readers.values():
            reader.close()
        self._readers.clear()
