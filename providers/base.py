"""What a provider is to the rest of the program, and what it counts while it runs.

A provider turns one venue's wire protocol into DBN records and pushes them into channels it is given. It knows
nothing of rings, files or screens.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import attrs
import numpy as np
import trio
from numpy.typing import NDArray
from trio import TaskStatus

from core.bars.timeframes import Timeframe
from core.clock import WallClock, wall_ns
from core.errors import RefusedError
from core.model.instruments import Instrument
from core.model.records import STREAMED, Records, Schema
from core.model.symbology import SymbolMap
from providers.connection import ConnectionState


class Channel(Protocol):
    """Where the records of one (instrument, schema) go."""

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Append whole records; `newest_id` is the venue's full id (or sequence number) of the last of them."""


class Sink(Protocol):
    """Gives out channels."""

    def channel(self, instrument: Instrument, schema: Schema) -> Channel:
        """The channel of one (instrument, schema); the same one on every call."""


class BookState(enum.StrEnum):
    """Whether a book may be shown: only a `LIVE` one is published."""

    NONE = "none"
    SYNCING = "syncing"
    LIVE = "live"
    WITHHELD = "withheld"


@attrs.define
class FeedCounters:
    """What happened on the feed of one symbol since the start. Counts of records but where said otherwise.

    `book_updates` counts book messages received and understood; `gaps` the intervals of trade ids missing now,
    `book_breaks` the breaks of the book's sequence; `rejected` records whose numbers do not fit; `skewed` those whose
    venue time is minutes away from ours. `last_event_ns` and `last_recv_ns` are instants, 0 before the first record.
    """

    instrument: Instrument
    trades: int = 0
    quotes: int = 0
    book_updates: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    gaps: int = 0
    book_breaks: int = 0
    checksum_ok: int = 0
    checksum_bad: int = 0
    reconnects: int = 0
    rejected: int = 0
    skewed: int = 0
    book_state: BookState = BookState.NONE
    problem: str = ""
    last_event_ns: int = 0
    last_recv_ns: int = 0


ReceiptClocks = Callable[[int], WallClock]
"""Given the local port of a connection, the clock that stamps what arrives on it. The wall clock, which real venues
use, is read once for all that one read of the socket brought; any other once a message, in order: a recording gives
back the instants at which it was received."""


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


@attrs.frozen(kw_only=True)
class ProviderInfo:
    """What a provider can do. Nothing is connected to tell it.

    `name` is what `--provider` takes; `venue` what its records are filed under, empty where the operator chooses it.
    `schemas` are what it may stream. `numbers_trades`: its live trades carry ids that rise by one, so that a missing
    one is noticed. `has_history`: `Provider.history` gives one; `numbers_history`: trades told afterwards carry the
    same ids. `demo_venue` is the name of its place to practise, empty without one. `symbols_at_most` is for one
    connection, None without a limit of ours. `page` is its documentation, from the root of the project.
    """

    name: str
    venue: str
    title: str
    page: str
    schemas: tuple[Schema, ...] = STREAMED
    numbers_trades: bool = True
    has_history: bool = True
    numbers_history: bool = True
    demo_venue: str = ""
    symbols_at_most: int | None = None
    needs_key: bool = False


class Standing(enum.StrEnum):
    """Where a request for a channel stands. `ASKED` is also what waits for a connection, or to be asked again."""

    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"


@attrs.frozen
class ChannelStatus:
    """Where one channel of one symbol stands; `reason` is the venue's, and is printable."""

    standing: Standing = Standing.ASKED
    reason: str = ""


Subscription = Mapping[str, ChannelStatus]
"""What is wanted of one symbol: each channel, under the venue's own name for it."""


class Provider(Protocol):
    """One venue's live data, and the way to its past.

    To connect is to call `stream` in a task of a nursery, to disconnect is to cancel that task: there is no state in
    between in which a connection could be left behind. When `stream` is over, however it ended, no connection of it
    is open, every book is taken back and `connection` says so. It may then be called again.
    """

    venue: str
    connection: ConnectionState

    @property
    def info(self) -> ProviderInfo:
        """What this provider can do."""

    async def catalogue(self) -> SymbolMap:
        """The venue's instruments, from the venue. Raises `ConsoleError`."""

    async def stream(
        self,
        instruments: Sequence[Instrument],
        sink: Sink,
        *,
        task_status: TaskStatus[Sequence[FeedCounters]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Connect, and stream trades, quotes and books of `instruments` into `sink` until cancelled.

        Reports the counters it will keep, one a symbol, once it begins; the sequence grows with `subscribe` and
        never shrinks. Without instruments it waits, connected, for some. Reconnects by itself; returns only when the
        stream ended for good, and raises `PermanentError` when the venue refuses every symbol it was begun with.
        """

    def subscribe(self, instrument: Instrument) -> FeedCounters:
        """Stream `instrument` too, and return its counters. The other symbols notice nothing.

        Of one already streamed only the counters are returned; one that was streamed before goes on counting where
        it stood, and publishes no trade twice. A refusal by the venue becomes the counters' `problem`. To be called
        on the event loop's thread, while `stream` runs; never a checkpoint.

        Raises:
            RefusedError: no stream runs.
            PermanentError: there are too many symbols.
            ConsoleError: the sink has no channel for it.
        """

    def unsubscribe(self, symbol: str) -> None:
        """Stop streaming `symbol`, by `Instrument.symbol`, and take its book back from its readers.

        When it returns nothing more is pushed into the symbol's channels. A symbol that is not streamed is left
        alone. To be called as `subscribe` is.

        Raises:
            RefusedError: no stream runs.
        """

    def subscriptions(self) -> Mapping[str, Subscription]:
        """What is wanted now, by `Instrument.symbol`, and what the venue says to it; empty while nothing streams."""

    def history(self) -> Historical | None:
        """The venue's past, asked for within the limits that all who ask this host from this event loop share.

        None where there is none to be had in passing: at a recording, or where every question is paid for. Whether it
        also is `HistoricalById` is for `isinstance` to say.
        """


@attrs.frozen(kw_only=True)
class Interval:
    """A stretch of a symbol's trades that the stream did not bring: `recovered` of them were fetched afterwards and
    published in their place, `lost` were not, for `reason`.

    It lies between the trades of `start_ns` and `end_ns`, by the venue's clock; the missing ones were numbered
    `first_id` to `last_id`, both 0 where nothing is numbered. `cause` is why they did not come.
    """

    venue: str
    symbol: str
    start_ns: int
    end_ns: int
    cause: str
    recovered: int
    lost: int
    first_id: int = 0
    last_id: int = 0
    reason: str = ""


@runtime_checkable
class Searchable(Protocol):
    """A provider whose catalogue has only what it was begun with, because the venue's own would be endless."""

    async def look_up(self, name: str) -> Instrument:
        """The instrument of that name, from the venue. Raises `NotFoundError`, or whatever `catalogue` raises."""


@runtime_checkable
class Replaying(Protocol):
    """A provider whose venue replays by itself what a connection missed. `intervals` are the newest such stretches,
    the newest last, those of streams that are over included."""

    @property
    def intervals(self) -> Sequence[Interval]:
        """What was missed; where it could not be replayed, `reason` says why."""


@attrs.frozen(kw_only=True, eq=False)
class TradePage:
    """Trades that are over, oldest first: `TRADE` records as the live feed makes them, flagged `F_RECOVERED`, and the
    venue's full id of each as int64, 0 where it has none. `rejected` counts those that could not be held or read."""

    records: Records
    ids: NDArray[np.int64]
    rejected: int = 0


@attrs.frozen(kw_only=True, eq=False)
class BarPage:
    """Bars that are over, oldest first, as `CANDLE` records. `rejected` counts those that could not be read."""

    bars: Records
    rejected: int = 0


@attrs.frozen(kw_only=True)
class Availability:
    """What a venue has of an instrument: `first_trade_ns` is its oldest trade, None without any. Of bars it tells the
    newest `bars_at_most`, or all of them when that is None."""

    first_trade_ns: int | None
    bars_at_most: int | None = None


class Historical(Protocol):
    """One venue's past, asked for page by page within the venue's limits. Every method raises `ConsoleError`.

    Instants are nanoseconds since the epoch, and a range does not include its end. Iterators are checkpoints and hold
    nothing between two pages; whoever leaves one early does so inside `contextlib.aclosing`.
    """

    def trades(self, instrument: Instrument, *, start_ns: int, end_ns: int) -> AsyncIterator[TradePage]:
        """The trades of a range, none of them twice."""

    def bars(
        self, instrument: Instrument, timeframe: Timeframe, *, start_ns: int, end_ns: int
    ) -> AsyncIterator[BarPage]:
        """The bars that begin in a range and are over, without those in which nothing was traded.

        Raises:
            RefusedError: the venue has none of this length that begin when ours do.
        """

    async def availability(self, instrument: Instrument) -> Availability:
        """What there is to ask for."""


@runtime_checkable
class HistoricalById(Protocol):
    """A venue that can be asked for trades by their number."""

    def trades_from_id(
        self, instrument: Instrument, *, first_id: int, last_id: int | None = None
    ) -> AsyncIterator[TradePage]:
        """The trades numbered `first_id` to `last_id`, both included; without `last_id` all until now."""


def not_streaming(venue: str) -> RefusedError:
    """The error of a change to a stream that does not run."""
    return RefusedError("nothing to change", f"{venue} is not streaming", hint="start the stream first")
