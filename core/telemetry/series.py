"""Every series there is: its name, kind, unit, labels and meaning. What is not declared here is not measured."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import attrs

from core.telemetry.frame import Labels

PREFIX: Final = "ringside_"


class Kind(enum.StrEnum):
    """What the values of a series are: as high as something is now, a count that only grows while the engine runs,
    or the counts of a histogram."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@attrs.frozen
class Series:
    """One series; `unit` is in words and empty for what has none, `meaning` one sentence or two without a dot at the
    end. `labels` are in the order in which a column has their values."""

    name: str
    kind: Kind
    unit: str
    labels: Labels
    meaning: str


VENUE: Final = ("venue",)
SYMBOL: Final = ("venue", "symbol")
RING: Final = (*SYMBOL, "schema")
READER: Final = (*RING, "reader")
DELAY: Final = PREFIX + "delay_seconds"


def _gauge(name: str, labels: Labels, meaning: str, unit: str = "") -> Series:
    return Series(PREFIX + name, Kind.GAUGE, unit, labels, meaning)


def _counter(name: str, labels: Labels, meaning: str, unit: str) -> Series:
    return Series(PREFIX + name, Kind.COUNTER, unit, labels, meaning)


_FEEDS: Final = (
    _gauge("connection_up", VENUE, "1 while the venue is connected, over one connection at least"),
    _gauge(
        "ipc_up",
        VENUE,
        "1 while the venue's rings are there and their producer lives; a process of its own must"
        " also have told of itself within the last seconds. Absent while it begins",
    ),
    _gauge("legs", VENUE, "Connections that a venue is streamed over; absent where it is one", "connections"),
    _gauge("legs_up", VENUE, "Those of them that are connected", "connections"),
    _gauge("connection_down_seconds", VENUE, "For how long it has not been connected; 0 while it is", "seconds"),
    _counter("reconnects_total", VENUE, "Connections that were lost and made again", "connections"),
    _counter("restarts_total", VENUE, "Times that the feed failed and was started again", "restarts"),
    _counter("messages_total", VENUE, "Messages that came from the venue", "messages"),
    _counter("malformed_total", VENUE, "Messages that could not be understood", "messages"),
    _gauge(
        "clock_skew_seconds",
        VENUE,
        "How far the venue's clock is ahead of ours at least: the most that a trade of the last"
        " minute came before its own time, and 0 when none did. That it is behind cannot be told"
        " from a delay",
        "seconds",
    ),
)
_SYMBOLS: Final = (
    _counter("trades_total", SYMBOL, "Trades published, recovered ones included", "trades"),
    _counter("quotes_total", SYMBOL, "Best bids and asks published", "quotes"),
    _counter("book_updates_total", SYMBOL, "Messages about its book that were understood", "messages"),
    _counter("duplicates_total", SYMBOL, "Trades that came again and were left out", "trades"),
    _counter("out_of_order_total", SYMBOL, "Trades that came after a later one", "trades"),
    _counter(
        "gaps_total",
        SYMBOL,
        "Trades that the stream did not bring, fetched afterwards or lost; while they are looked"
        " for, and where nobody can be asked, each stretch of them counts as one",
        "trades",
    ),
    _counter(
        "recovered_total",
        SYMBOL,
        "Trades that the stream did not bring and that were fetched and published",
        "trades",
    ),
    _counter(
        "lost_total",
        SYMBOL,
        "Trades that the stream did not bring and that could not be fetched. It falls by those"
        " that come all the same",
        "trades",
    ),
    _counter(
        "book_breaks_total",
        SYMBOL,
        "Times that the chain of its book's updates broke or that the book was crossed, so that"
        " it was withheld and asked for anew",
        "breaks",
    ),
    _counter("checksums_ok_total", SYMBOL, "Checksums of its book that were right", "checks"),
    _counter("checksums_bad_total", SYMBOL, "Checksums that were wrong, so that the book was withheld", "checks"),
    _counter("rejected_total", SYMBOL, "Records whose numbers do not fit", "records"),
    _counter("skewed_total", SYMBOL, "Records whose venue time is minutes away from ours", "records"),
    _gauge("stale", SYMBOL, "1 while the watchdog calls it stale or broken: what is shown may be old or wrong"),
    _gauge(
        "stale_seconds", SYMBOL, "For how long the watchdog has called it so without a break, 0 if not", "seconds"
    ),
    _gauge("broken", SYMBOL, "1 while the watchdog calls it broken: nothing can come, or it may not be shown"),
    _gauge("silent_seconds", SYMBOL, "Since its last message; absent before the first and for recordings", "seconds"),
    _gauge("book_invalid", SYMBOL, "1 while its book is withheld, because it cannot be trusted"),
    _gauge("book_invalid_seconds", SYMBOL, "For how long it has been withheld without a break, 0 if not", "seconds"),
    _gauge(
        "book_crossed",
        SYMBOL,
        "1 while the best bid of the book that is shown is not below its best ask. Books of"
        " Binance and Kraken Futures that cross are withheld instead, as a break; absent while"
        " none is shown",
    ),
    _gauge("price", SYMBOL, "The last trade's; absent before the first", "quote currency"),
)
_RINGS: Final = (
    _gauge(
        "ring_fill_ratio",
        READER,
        "What a reader has not read yet, as a share of the ring: above 1 something is"
        " overwritten. Readers of one name are told as the slowest of them",
        "ratio",
    ),
    _gauge(
        "ring_lag_records",
        READER,
        "Records that a reader has not read yet; readers of one name are told as the slowest of them",
        "records",
    ),
    _counter(
        "ring_lapped_total",
        READER,
        "Records that were overwritten before the reader read them; begins anew with another reader of that name",
        "records",
    ),
    _counter("ring_records_total", RING, "Records written into a ring", "records"),
)
_DELAYS: Final = (
    Series(
        PREFIX + "delay_seconds",
        Kind.HISTOGRAM,
        "seconds",
        ("hop",),
        "How long records took on each hop, since the start",
    ),
    _gauge(
        "recent_delay_seconds",
        ("hop", "quantile"),
        "How long they took in the last minute on the slowest connection, as the status line says it:"
        " quantiles 0.5, 0.99 and 1, the longest; absent without any",
        "seconds",
    ),
)
_KEPT: Final = (
    _counter(
        "cache_updates_total", ("tier",), "Batches of trades given to a tier of the cache: memory or redis", "batches"
    ),
    _counter(
        "cache_failures_total",
        ("tier",),
        "Those that the tier did not take at once. It gets whole windows as soon as it answers again",
        "batches",
    ),
    _gauge("cache_up", ("tier",), "1 while the tier works"),
    _gauge(
        "store_up",
        (),
        "1 while storing works: the disk takes records and the database, if there is one,"
        " answers. Without it records wait on this machine",
    ),
    _gauge("store_lag_seconds", (), "The longest that a record can have waited in a ring to be stored", "seconds"),
    _counter("store_rows_total", ("schema",), "Records stored", "records"),
    _counter("store_lost_total", (), "Records of any kind that were overwritten before they were stored", "records"),
    _counter("store_duplicates_total", (), "Records that were stored already", "records"),
    _gauge(
        "spill_waiting",
        (),
        "Records on this machine that the database is not known to hold; some are always on their"
        " way. Absent without a database",
        "records",
    ),
    _gauge("disk_free_ratio", ("place",), "Free space where data, state and logs are kept", "ratio"),
    _gauge("disk_free_bytes", ("place",), "Bytes that are free where data, state and logs are kept", "bytes"),
    _gauge("shm_free_ratio", (), "Free shared memory, where the rings are", "ratio"),
    _gauge("shm_free_bytes", (), "Bytes of shared memory that are free, where the rings are", "bytes"),
    _gauge(
        "budget_spent_ratio",
        ("period",),
        "What is spent on history in this UTC day or month, as a share of the budget; absent"
        " without one. Looked up at most once a minute",
        "ratio",
    ),
)
_PAPER: Final = (
    _gauge("paper_up", (), "1 while strategies trade on paper; absent when they are not asked to"),
    _gauge("paper_strategies_stopped", (), "Strategies that failed and are not asked any more", "strategies"),
    _gauge("account_equity", ("account", "currency"), "What an account is worth at the last prices", "its currency"),
    _gauge(
        "account_drawdown_ratio",
        ("account",),
        "How far that is below the highest of this session, which is looked at every ten seconds",
        "ratio",
    ),
    _gauge("account_halted", ("account",), "1 while its limits let it give no orders"),
)
_ENGINE: Final = (
    _gauge("process_resident_bytes", (), "Memory of the engine's own process, its children not counted", "bytes"),
    _counter("process_cpu_seconds_total", (), "Processor time of that process", "seconds"),
    _gauge("process_open_files", (), "Files, sockets and rings that it has open", "files"),
    _gauge("engine_uptime_seconds", (), "Since the engine began", "seconds"),
    _gauge("engine_info", ("version", "instance", "host", "source"), "1, for what its labels say"),
    _gauge("alerts_firing", ("severity",), "Alerts that fire now", "alerts"),
    _gauge("alert_handler_up", ("handler",), "1 while whoever is to hear of alerts can be told"),
    _counter("alert_messages_total", ("handler",), "Messages about alerts that somebody was sent", "messages"),
    _counter("alert_failures_total", ("handler",), "Messages about alerts that did not arrive", "messages"),
)


SERIES: Final[Mapping[str, Series]] = {
    series.name: series for series in (*_FEEDS, *_SYMBOLS, *_DELAYS, *_RINGS, *_KEPT, *_PAPER, *_ENGINE)
}
"""All of them by name."""


def columns_of(series: Series) -> dict[str, Labels]:
    """The columns that a frame may have of a series, and their labels: a histogram has three, as Prometheus wants."""
    if series.kind is not Kind.HISTOGRAM:
        return {series.name: series.labels}
    return {
        f"{series.name}_bucket": (*series.labels, "le"),
        f"{series.name}_sum": series.labels,
        f"{series.name}_count": series.labels,
    }


COLUMNS: Final[Mapping[str, Labels]] = {
    name: labels for series in SERIES.values() for name, labels in columns_of(series).items()
}
"""The labels of every column that a frame may have, by its name."""
