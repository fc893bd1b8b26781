"""What a provider is to the rest of the program, and what it counts while it runs.

A provider turns one venue's wire protocol into DBN records and pushes them into channels it is given. It knows
nothing of rings, files or screens.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
import trio
from trio import TaskStatus

from core.clock import WallClock, wall_ns
from core.model.instruments import Instrument
from core.model.records import Schema
from core.model.symbology import SymbolMap
from core.telemetry import LatencyHistogram


class Channel(Protocol):
    """Where the records of one (instrument, schema) go."""

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Append whole records; `newest_id` is the venue's full id (or sequence number) of the last of them."""


class Sink(Protocol):
    """Gives out channels."""

    def channel(self, instrument: Instrument, schema: Schema) -> Channel:
        """The channel of one (instrument, schema); the same one on every call."""


class ConnectionStatus(enum.StrEnum):
    """Where a connection to a venue stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    ERROR = "error"


class BookState(enum.StrEnum):
    """Whether a book may be shown: only a `LIVE` one is published."""

    NONE = "none"
    SYNCING = "syncing"
    LIVE = "live"
    WITHHELD = "withheld"


@attrs.define
class FeedCounters:
    """What happened on the feed of one symbol since the start. Counts of records but where said otherwise.

    `book_updates` counts book messages received and understood; `gaps` the intervals of trade ids missing now, plus
    the breaks of the book's sequence; `rejected` records whose numbers do not fit; `skewed` those whose venue time
    is minutes away from ours. `last_event_ns` and `last_recv_ns` are instants, 0 before the first record.
    """

    instrument: Instrument
    trades: int = 0
    quotes: int = 0
    book_updates: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    gaps: int = 0
    checksum_ok: int = 0
    checksum_bad: int = 0
    reconnects: int = 0
    rejected: int = 0
    skewed: int = 0
    book_state: BookState = BookState.NONE
    problem: str = ""
    last_event_ns: int = 0
    last_recv_ns: int = 0


@attrs.define
class ConnectionState:
    """One connection to a venue as the operator sees it. `reason` says why it is not connected."""

    venue: str
    status: ConnectionStatus = ConnectionStatus.DISCONNECTED
    reason: str = ""
    since_ns: int = 0
    messages: int = 0
    malformed: int = 0
    reconnects: int = 0
    venue_delay: LatencyHistogram = attrs.Factory(LatencyHistogram)
    publish_delay: LatencyHistogram = attrs.Factory(LatencyHistogram)


ReceiptClocks = Callable[[int], WallClock]
"""Given the local port of a connection, the clock that stamps what arrives on it, read once a message. Real venues
use the wall clock; a recording gives back the instants at which it was received."""


def wall_receipts(_local_port: int) -> WallClock:
    """Stamp with the wall clock."""
    return wall_ns


@attrs.frozen(kw_only=True)
class Endpoints:
    """Where a provider finds its venue. `ends_on_clean_close` ends a stream that the venue closes with code 1000,
    instead of reconnecting: that is how a recording ends."""

    stream_url: str
    rest_url: str
    receipts: ReceiptClocks = wall_receipts
    ends_on_clean_close: bool = False


class Provider(Protocol):
    """One venue's live data."""

    venue: str
    connection: ConnectionState

    async def catalogue(self) -> SymbolMap:
        """The venue's instruments, from the venue. Raises `ConsoleError`."""

    async def stream(
        self,
        instruments: Sequence[Instrument],
        sink: Sink,
        *,
        task_status: TaskStatus[Sequence[FeedCounters]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Stream trades, quotes and books of `instruments` into `sink` until cancelled.

        Reports the counters it will keep, one a symbol, once it begins. Reconnects by itself; returns only when the
        stream ended for good, and raises `PermanentError` when the venue refuses every symbol.
        """
