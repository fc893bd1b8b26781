"""The engine's answer to `status` as frozen values. What is missing or of another type becomes its empty value: an
engine of a neighbouring version must not take the screen down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from console.tui.text import clean

Raw = Mapping[str, Any]
ENDED = "ended"
"""The state of a book that was withheld only because its recording is over."""
_END_REASON = "end of recording"


@attrs.frozen(kw_only=True)
class Connection:
    """One connection to a venue; `messages` counts since the start. `pid` is the child process that holds it, 0
    when it is the engine itself; `restarts` counts how often it was started again after a failure."""

    venue: str
    status: str
    reason: str
    messages: int
    malformed: int
    reconnects: int
    restarts: int = 0
    pid: int = 0

    @property
    def ended(self) -> bool:
        """Whether a recording was played to its end: nothing is wrong, nothing more comes."""
        return self.status == "disconnected" and self.reason == _END_REASON


@attrs.frozen(kw_only=True)
class Feed:
    """One symbol of one venue: what it is, and what its feed has counted; `streaming` is false once it was left.

    `malformed` counts messages of its whole venue: what cannot be read belongs to no symbol.
    """

    symbol: str
    venue: str
    quote: str = ""
    settle: str = ""
    product: str = ""
    price_decimals: int = 2
    quantity_decimals: int = 8
    duplicates: int = 0
    out_of_order: int = 0
    gaps: int = 0
    checksum_bad: int = 0
    rejected: int = 0
    malformed: int = 0
    reconnects: int = 0
    skewed: int = 0
    book_state: str = "none"
    problem: str = ""
    streaming: bool = True


@attrs.frozen(kw_only=True)
class ReaderRow:
    """One reader of a ring as the ring's table has it."""

    name: str
    pid: int
    lag: int
    lapped: int


@attrs.frozen(kw_only=True)
class Ring:
    """One ring of the engine; `schema` is Databento's name of its records. Of `committed` records it still holds the
    newest `capacity`; a private one is not offered to other programs."""

    path: Path
    schema: str
    symbol: str
    venue: str
    capacity: int = 0
    committed: int = 0
    public: bool = True
    readers: tuple[ReaderRow, ...] = ()

    @property
    def name(self) -> str:
        """The name of its file, safe to draw."""
        return clean(self.path.name)

    @property
    def worst_lag(self) -> int:
        """The records that its slowest reader has not read."""
        return max((reader.lag for reader in self.readers), default=0)


@attrs.frozen(kw_only=True)
class LogLine:
    """One line of the engine's log."""

    ts_ns: int
    level: str
    logger: str
    text: str


@attrs.frozen(kw_only=True)
class EngineStatus:
    """The whole answer. Delays in ns; `recording` is a file's name; `store_lag_s` is None when nothing is stored.

    `store_problem` is empty while storing goes well, `store_lost` counts records of every schema that were
    overwritten unstored, and `store_repairs` are sentences about damage found in stored files.
    """

    instance_id: str = ""
    pid: int = 0
    host: str = ""
    state: str = ""
    read_only: bool = False
    source: str = ""
    recording: str = ""
    now_ns: int = 0
    started_ns: int = 0
    publish_p50_ns: int = 0
    publish_p99_ns: int = 0
    publish_max_ns: int = 0
    venue_p50_ns: int = 0
    venue_p99_ns: int = 0
    delays: int = 0
    store_lag_s: float | None = None
    store_problem: str = ""
    store_lost: int = 0
    store_repairs: tuple[str, ...] = ()
    connections: tuple[Connection, ...] = ()
    feeds: tuple[Feed, ...] = ()
    rings: tuple[Ring, ...] = ()
    log: tuple[LogLine, ...] = ()


def parse_status(raw: Raw) -> EngineStatus:
    """`raw` as an `EngineStatus`; every text in it is safe to draw."""
    latency, store = _mapping(raw, "latency"), _mapping(raw, "store")
    connections = tuple(_connection(row) for row in _rows(raw, "connections"))
    venues = {one.venue: one for one in connections}
    return EngineStatus(
        instance_id=_text(raw, "instance_id"),
        pid=_count(raw, "pid"),
        host=_text(raw, "host"),
        state=_text(raw, "state"),
        read_only=raw.get("read_only") is True,
        source=_text(raw, "source"),
        recording=_text(raw, "recording", limit=4096).rpartition("/")[2],
        now_ns=_count(raw, "now_ns"),
        started_ns=_count(raw, "started_ns"),
        publish_p50_ns=_count(latency, "publish_p50_ns"),
        publish_p99_ns=_count(latency, "publish_p99_ns"),
        publish_max_ns=_count(latency, "publish_max_ns"),
        venue_p50_ns=_count(latency, "venue_p50_ns"),
        venue_p99_ns=_count(latency, "venue_p99_ns"),
        delays=_count(latency, "count"),
        store_lag_s=_number(store, "lag_s") if store.get("enabled") else None,
        store_problem=_text(store, "problem", limit=200),
        store_lost=sum(_count(one, "lost") for one in (store, *(_mapping(store, name) for name in _NOT_TRADES))),
        store_repairs=tuple(clean(text) for text in _list(store, "repairs") if isinstance(text, str)),
        connections=connections,
        feeds=tuple(_feed(row, venues.get(_text(row, "venue"))) for row in _rows(raw, "feeds")),
        rings=tuple(_ring(row) for row in _rows(raw, "rings") if _text(row, "path")),
        log=tuple(_log_line(row) for row in _rows(raw, "log")[-200:]),
    )


def _connection(row: Raw) -> Connection:
    return Connection(
        venue=_text(row, "venue"),
        status=_text(row, "status"),
        reason=_text(row, "reason"),
        messages=_count(row, "messages"),
        malformed=_count(row, "malformed"),
        reconnects=_count(row, "reconnects"),
        restarts=_count(row, "restarts"),
        pid=_count(row, "pid"),
    )


_NOT_TRADES = ("quotes", "book_updates")  # counted on their own, below the trades


def _feed(row: Raw, connection: Connection | None) -> Feed:
    book_state = _text(row, "book_state")
    if book_state == "withheld" and connection is not None and connection.ended:
        book_state = ENDED
    return Feed(
        symbol=_text(row, "symbol"),
        venue=_text(row, "venue"),
        quote=_text(row, "quote"),
        settle=_text(row, "settle"),
        product=_text(row, "product"),
        price_decimals=min(_count(row, "price_decimals"), 9),
        quantity_decimals=min(_count(row, "quantity_decimals"), 8),
        duplicates=_count(row, "duplicates"),
        out_of_order=_count(row, "out_of_order"),
        gaps=_count(row, "gaps"),
        checksum_bad=_count(row, "checksum_bad"),
        rejected=_count(row, "rejected"),
        malformed=0 if connection is None else connection.malformed,
        reconnects=_count(row, "reconnects"),
        skewed=_count(row, "skewed"),
        book_state=book_state,
        problem=_text(row, "problem"),
        streaming=row.get("streaming") is not False,
    )


def _ring(row: Raw) -> Ring:
    return Ring(
        path=Path(str(row.get("path", ""))),
        schema=_text(row, "schema"),
        symbol=_text(row, "symbol"),
        venue=_text(row, "venue"),
        capacity=_count(row, "capacity"),
        committed=_count(row, "committed"),
        public=row.get("public") is not False,
        readers=tuple(
            ReaderRow(
                name=_text(reader, "name"),
                pid=_count(reader, "pid"),
                lag=_count(reader, "lag"),
                lapped=_count(reader, "lapped"),
            )
            for reader in _rows(row, "readers")
        ),
    )


def _log_line(row: Raw) -> LogLine:
    return LogLine(
        ts_ns=_count(row, "ts_ns"),
        level=clean(_text(row, "level").upper()),  # upper case may bring a combining character
        logger=_text(row, "logger"),
        text=_text(row, "text", limit=500),
    )


def _text(row: Raw, key: str, *, limit: int = 120) -> str:
    value = row.get(key)
    return clean(value, limit=limit) if isinstance(value, str) else ""


def _count(row: Raw, key: str) -> int:
    value = row.get(key)
    return min(max(value, 0), 2**64 - 1) if isinstance(value, int) else 0


def _number(row: Raw, key: str) -> float:
    value = row.get(key)
    return min(max(float(value), 0.0), 1e9) if isinstance(value, float) else float(_count(row, key))


def _mapping(row: Raw, key: str) -> Raw:
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def _rows(row: Raw, key: str) -> list[Raw]:
    return [item for item in _list(row, key) if isinstance(item, dict)]


def _list(row: Raw, key: str) -> list[Any]:
    value = row.get(key)
    return value if isinstance(value, list) else []
