"""What a tick store is to the rest of the program, whatever keeps the records."""

from __future__ import annotations

from typing import Protocol

import attrs

from core.model.records import Records, Schema


@attrs.frozen(cache_hash=True)
class SeriesKey:
    """One stored series: the records of one schema of one symbol of one venue."""

    venue: str
    symbol: str
    schema: Schema

    def __str__(self) -> str:
        return f"{self.symbol} {self.schema} on {self.venue}"


@attrs.frozen(kw_only=True)
class AppendResult:
    """What became of the records of one append. `out_of_order` ones are among the `rows` stored."""

    rows: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    rejected: int = 0


@attrs.frozen(kw_only=True)
class SeriesStats:
    """What is stored of a series and what was refused, since it was begun.

    `first_ns` and `last_ns` are the lowest and highest `ts_event`, 0 when nothing is stored; `newest_id` is the
    highest full id, 0 for a series whose venue gives none.
    """

    series: SeriesKey
    rows: int
    duplicates: int
    out_of_order: int
    rejected: int
    first_ns: int
    last_ns: int
    newest_id: int
    segments: int
    stored_bytes: int


class TickStore(Protocol):
    """Keeps records. Its methods block: call them from a worker thread. `read` may run beside an `append`."""

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Store those of `records` that are valid and new; all of them are then readable, or none on an error.

        `newest_id` is the venue's full 64-bit id near the last record, whose `sequence` holds the low 32 bits; 0
        says that the venue gives no ids, and then nothing is taken for a duplicate. The records are durable after
        the next `sync`.

        Raises:
            ResourceExhaustedError: no space is left; nothing was stored and the same call may be repeated.
            TransientError: the disk failed; likewise.
            ConfigurationError: the place may not be written.
        """

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """A copy of the records with `start_ns <= ts_event < end_ns`, ascending by `ts_event`, then as they came."""

    def latest(self, series: SeriesKey) -> Records:
        """The record of the highest `ts_event`, the last stored of equals; an empty array when there is none."""

    def sync(self) -> None:
        """Make everything appended durable. Raises as `append` does."""

    def stats(self) -> list[SeriesStats]:
        """What is stored, series by series in the order of their names."""

    def close(self) -> None:
        """Sync and let go. May be called twice."""
