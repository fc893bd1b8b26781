"""Statuses of engines as they tell them, to be measured."""

from __future__ import annotations

from typing import Any

from core.telemetry.delays import HOPS, delay_row
from core.telemetry.histograms import LatencyHistogram

NOW_NS = 1_780_000_000_000_000_000


def a_connection(venue: str = "KRAKEN", **changes: Any) -> dict[str, Any]:
    """A row of `connections`."""
    return {
        "venue": venue,
        "status": "connected",
        "reason": "",
        "since_ns": NOW_NS - 10**9,
        "messages": 120,
        "malformed": 2,
        "reconnects": 3,
        "restarts": 1,
        "pid": 0,
        "clock_ahead_ns": 250_000_000,
        "ipc": True,
        "legs": [],
    } | changes


def a_feed(symbol: str = "BTCUSD", venue: str = "KRAKEN", **changes: Any) -> dict[str, Any]:
    """A row of `feeds`."""
    return {
        "venue": venue,
        "symbol": symbol,
        "trades": 40,
        "quotes": 50,
        "book_updates": 60,
        "duplicates": 1,
        "out_of_order": 2,
        "gaps": 0,
        "recovered": 4,
        "lost": 5,
        "book_breaks": 6,
        "checksum_ok": 58,
        "checksum_bad": 7,
        "reconnects": 3,
        "rejected": 8,
        "skewed": 9,
        "book_state": "live",
        "problem": "",
        "health": "live",
        "health_reason": "",
        "last_event_ns": NOW_NS - 3 * 10**9,
        "last_recv_ns": NOW_NS - 2 * 10**9,
        "streaming": True,
        "price_e9": 64_213_400_000_000,
        "crossed": False,
    } | changes


def a_ring(
    symbol: str = "BTCUSD", schema: str = "trades", readers: tuple[tuple[str, int, int], ...] = (("store", 16, 0),)
) -> dict[str, Any]:
    """A row of `rings`; each of `readers` is its name, how far it is behind and what it missed."""
    return {
        "name": f"{symbol}.{schema}",
        "path": f"/dev/shm/{symbol}.{schema}",
        "schema": schema,
        "symbol": symbol,
        "venue": "KRAKEN",
        "capacity": 64,
        "committed": 1000,
        "public": True,
        "readers": [{"name": name, "pid": 7, "lag": lag, "lapped": lapped} for name, lag, lapped in readers],
    }


def a_store(**changes: Any) -> dict[str, Any]:
    """The `store` of an engine with a database."""
    counts = {"rows": 10, "duplicates": 1, "out_of_order": 0, "rejected": 0, "lost": 2}
    return {
        "enabled": True,
        "lag_s": 0.25,
        "rows_by_schema": {"trades": 10, "mbp-1": 20},
        "spill": {"mode": "direct", "problem": ""},
        "waiting": 12,
        "problem": "",
        "quotes": counts,
        "book_updates": counts,
        "bars": counts,
        **counts,
    } | changes


def some_delays() -> dict[str, Any]:
    """Delays of every hop."""
    histogram = LatencyHistogram()
    histogram.record_all([9_000, 150_000, 40_000_000_000])
    return {hop: delay_row(histogram) for hop in HOPS}


def a_status(**changes: Any) -> dict[str, Any]:
    """The status of an engine that has and does everything."""
    worth = {"id": "DEFAULT", "currency": "USD", "equity": 99_000.5, "drawdown": 0.01, "halted": True}
    return {
        "instance_id": "desk",
        "host": "daemon",
        "state": "running",
        "source": "live",
        "started_ns": NOW_NS - 90 * 10**9,
        "now_ns": NOW_NS,
        "connections": [a_connection(legs=[a_connection("KRAKEN 1"), a_connection("KRAKEN 2", status="connecting")])],
        "delays": some_delays(),
        "feeds": [a_feed(), a_feed("ETHUSD", health="stale", book_state="withheld", crossed=None)],
        "rings": [a_ring(), a_ring(schema="mbp-10")],
        "store": a_store(),
        "cache": {"pushes": 30, "unshared": 4, "redis": "down"},
        "paper": {"enabled": True, "state": "trading", "stopped": 1, "halted": ["DEFAULT"], "worth": [worth]},
    } | changes


def a_small_status(**changes: Any) -> dict[str, Any]:
    """The status of an engine that has only begun."""
    return (
        a_status(
            connections=[],
            delays={},
            feeds=[],
            rings=[],
            store={"enabled": False},
            cache=None,
            paper={"enabled": False},
        )
        | changes
    )
