"""The engine's answer to `status` as frozen values. What is missing or of another type becomes its empty value: an
engine of a neighbouring version must not take the screen down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from console.tui.text import clean

Raw = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Connection:
    """One connection to a venue; `messages` counts since the start."""

    venue: str
    status: str
    reason: str
    messages: int
    malformed: int
    reconnects: int


@attrs.frozen(kw_only=True)
class Feed:
    """One symbol of one venue: what it is, and what its feed has counted."""

    symbol: str
    venue: str
    quote: str = ""
    settle: str = ""
    product: str = ""
    price_decimals: int = 2
    quantity_decimals: int = 8
    duplicates: int = 0
    gaps: int = 0
    checksum_bad: int = 0
    rejected: int = 0
    book_state: str = "none"
    problem: str = ""


@attrs.frozen(kw_only=True)
class ReaderRow:
    """One reader of a ring as the ring's table has it."""

    name: str
    pid: int
    lag: int
    lapped: int


@attrs.frozen(kw_only=True)
class Ring:
    """One ring of the engine; `schema` is Databento's name of its records."""

    path: Path
    schema: str
    symbol: str
    venue: str
    readers: tuple[ReaderRow, ...] = ()


@attrs.frozen(kw_only=True)
class LogLine:
    """One line of the engine's log."""

    ts_ns: int
    level: str
    logger: str
    text: str


@attrs.frozen(kw_only=True)
class EngineStatus:
    """The whole answer. Delays in ns; `store_lag_s` is None when nothing is stored."""

    instance_id: str = ""
    pid: int = 0
    host: str = ""
    state: str = ""
    source: str = ""
    recording: str = ""
    now_ns: int = 0
    started_ns: int = 0
    publish_p50_ns: int = 0
    publish_p99_ns: int = 0
    venue_p50_ns: int = 0
    venue_p99_ns: int = 0
    delays: int = 0
    store_lag_s: float | None = None
    store_lost: int = 0
    connections: tuple[Connection, ...] = ()
    feeds: tuple[Feed, ...] = ()
    rings: tuple[Ring, ...] = ()
    log: tuple[LogLine, ...] = ()


def parse_status(raw: Raw) -> EngineStatus:
    """`raw` as an `EngineStatus`; every text in it is safe to draw."""
    latency, store = _mapping(raw, "latency"), _mapping(raw, "store")
    return EngineStatus(
        instance_id=_text(raw, "instance_id"),
        pid=_count(raw, "pid"),
        host=_text(raw, "host"),
        state=_text(raw, "state"),
        source=_text(raw, "source"),
        recording=_text(raw, "recording"),
        now_ns=_count(raw, "now_ns"),
        started_ns=_count(raw, "started_ns"),
        publish_p50_ns=_count(latency, "publish_p50_ns"),
        publish_p99_ns=_count(latency, "publish_p99_ns"),
        venue_p50_ns=_count(latency, "venue_p50_ns"),
        venue_p99_ns=_count(latency, "venue_p99_ns"),
        delays=_count(latency, "count"),
        store_lag_s=_number(store, "lag_s") if store.get("enabled") else None,
        store_lost=_count(store, "lost"),
        connections=tuple(_connection(row) for row in _rows(raw, "connections")),
        feeds=tuple(_feed(row) for row in _rows(raw, "feeds")),
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
    )


def _feed(row: Raw) -> Feed:
    return Feed(
        symbol=_text(row, "symbol"),
        venue=_text(row, "venue"),
        quote=_text(row, "quote"),
        settle=_text(row, "settle"),
        product=_text(row, "product"),
        price_decimals=min(_count(row, "price_decimals"), 9),
        quantity_decimals=min(_count(row, "quantity_decimals"), 8),
        duplicates=_count(row, "duplicates"),
        gaps=_count(row, "gaps"),
        checksum_bad=_count(row, "checksum_bad"),
        rejected=_count(row, "rejected"),
        book_state=_text(row, "book_state"),
        problem=_text(row, "problem"),
    )


def _ring(row: Raw) -> Ring:
    return Ring(
        path=Path(str(row.get("path", ""))),
        schema=_text(row, "schema"),
        symbol=_text(row, "symbol"),
        venue=_text(row, "venue"),
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
        level=_text(row, "level").upper(),
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
    value = row.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
