"""What a tick store is to the rest of the program, whatever keeps the records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from core.model.instruments import Instrument
from core.model.records import Records, Schema

Ids = NDArray[np.int64]

NOT_STORED: Final = "not stored"
NOT_STREAMED: Final = "not streamed"
MISSED: Final = "missed"
DAMAGED_FILE: Final = "damaged file"
QUARANTINE_ROWS: Final = 1000


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
class Gap:
    """A stretch of a series that is or was incomplete, and the cause: `NOT_STORED` for `rows` records that were
    received and lost, `NOT_STREAMED` for a time in which nobody followed the series, `MISSED` for ids that never came
    while somebody did, `DAMAGED_FILE` for what a file held that cannot be read any more, or what a provider says of
    trades that its stream did not bring.

    `rows` are missing, for `reason` where one is known; `recovered` others were fetched afterwards and are stored.
    When both are 0 nobody knows how many are missing. What came later may have filled it. `start_ns` is 0 when
    nothing had been stored before. `first_id` is the first of the ids that were missing, 0 where it is not known: of
    one instant there may be many trades, and several gaps."""

    series: SeriesKey
    start_ns: int
    end_ns: int
    rows: int
    cause: str
    first_id: int = 0
    recovered: int = 0
    reason: str = ""

    @property
    def whole(self) -> bool:
        """Whether all that was missing was recovered: it explains no record that is missing."""
        return self.rows == 0 and self.recovered > 0

    @property
    def explanation(self) -> str:
        """The cause, with what else is known of it."""
        others = f"{self.recovered} other{'s were' if self.recovered > 1 else ' was'} recovered"
        known = [text for text in (others if self.recovered else "", self.reason) if text]
        return f"{self.cause} ({'; '.join(known)})" if known else self.cause


@attrs.frozen(kw_only=True)
class Quarantined:
    """Rejected records of one series and reason: how many are kept, and the newest one."""

    series: SeriesKey
    reason: str
    rows: int
    newest: bytes


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


@attrs.frozen
class Numbered:
    """Records with the full 64-bit id of each, int64 and of the same length; 0 where the venue gave none."""

    records: Records
    ids: Ids


class TickReader(Protocol):
    """Reads what a store keeps. Every call sees what is there by then; an end before its start is an empty range.

    Its methods block and raise `ConsoleError`: `TransientError` when the store does not answer, `PermanentError` when
    what is asked for is damaged, `ConfigurationError` when it may not be read.
    """

    def series(self) -> list[SeriesKey]:
        """The series that were begun, in the order of their names."""

    def days(self, series: SeriesKey) -> list[int]:
        """The days since the epoch that hold records of a series, ascending."""

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        """A copy of the records with `start_ns <= ts_event < end_ns`, ascending by `ts_event`; those of one instant
        by id if they are trades of a venue that gives ids, else as they came."""

    def read_numbered(self, series: SeriesKey, start_ns: int, end_ns: int) -> Numbered:
        """The same records with their full ids, of which a record itself holds the low 32 bits."""

    def latest(self, series: SeriesKey, rows: int = 1) -> Records:
        """The last `rows` of what `read` would return of everything, or as many as there are."""


class TickSink(Protocol):
    """Takes records to keep. Its methods block: call them from a worker thread."""

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Store those of `records` that are valid and new; all of them are then readable, or none on an error.

        `newest_id` is the venue's full 64-bit id near the last record, whose `sequence` holds the low 32 bits; 0
        says that the venue gives no ids, and then nothing is taken for a duplicate. Of bars there is one an instant:
        another one is a duplicate. The records are durable after the next `sync`.

        Raises:
            ResourceExhaustedError: no space is left; nothing was stored and the same call may be repeated.
            TransientError: the disk or the database failed; likewise.
            ConfigurationError: the place may not be written.
        """

    def sync(self) -> None:
        """Make everything appended durable. Raises as `append` does."""


class TickStore(TickReader, TickSink, Protocol):
    """Keeps records and gives them back. Reading may run beside an `append`."""

    def stats(self) -> list[SeriesStats]:
        """What is stored, series by series in the order of their names."""

    def close(self) -> None:
        """Sync and let go. May be called twice."""


class Bookkeeping(Protocol):
    """What is written down beside the records. Its methods block and may be called from any thread."""

    def describe(self, instruments: Iterable[Instrument]) -> None:
        """Keep what venues say of instruments, in place of what was known: of all of them, or of none.

        Raises:
            ConfigurationError: a number belongs to another instrument.
        """

    def instruments(self) -> list[Instrument]:
        """The instruments that were described, ordered by venue and symbol."""

    def record_gap(self, gap: Gap) -> None:
        """Keep a stretch that is or was incomplete, once however often it is said. Of several statements about the
        same stretch, first id and cause that stays which tells of more recovered records, a known number of missing
        ones in place of an unknown one, and else the first."""

    def gaps(self) -> list[Gap]:
        """Every gap recorded, oldest first."""

    def quarantine(self, series: SeriesKey, reason: str, records: Records) -> None:
        """Keep records that no series should hold, for somebody to look at. Of one reason and series at most
        `QUARANTINE_ROWS` are kept; all of them are counted by who rejected them."""

    def quarantined(self) -> list[Quarantined]:
        """What is kept, by series and reason: how many and the bytes of the newest."""
