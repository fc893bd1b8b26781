"""What an engine says of itself: the live status for screens, and the summary it leaves when it ends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from console.journal import STATUS_LINES
from core.clock import NS_PER_S, wall_ns
from core.flow.publish import PublishedRing
from core.model.instruments import Instrument
from core.telemetry.delays import RECEIVED_TO_RING, RING_TO_STORE, VENUE_TO_RECEIVED, delay_row, merged
from providers.base import FeedCounters, Subscription
from providers.connection import ConnectionState
from providers.venue.watchdog import Health, Verdict

if TYPE_CHECKING:
    from console.supervise import Engine

SCHEMA_VERSION = 1

COUNTS = ("trades", "quotes", "book_updates", "duplicates", "out_of_order", "gaps", "book_breaks", "checksum_ok",
          "checksum_bad", "reconnects", "rejected", "skewed")  # fmt: skip


class HostReport(TypedDict):
    """What a host says of itself: rows in the shape of the status, and its log where it keeps its own. `delays` are
    `core.telemetry.delays.Rows`. Each of `intervals` has the fields of `providers.base.Interval`; the newest is last.
    """

    connections: list[dict[str, Any]]
    latency: list[dict[str, int]]
    delays: dict[str, dict[str, Any]]
    feeds: list[dict[str, Any]]
    rings: list[dict[str, Any]]
    intervals: list[dict[str, Any]]
    log: list[dict[str, Any]]


def status(engine: Engine) -> dict[str, Any]:
    """Everything a screen shows besides the ticks themselves.

    Of the trades that streams did not bring since the start `recovered` were published afterwards and `lost` were
    not; `intervals`, the newest of them, say when and why. `paper` says how paper trading is doing, `accounts` over
    the control channel what it does.
    """
    now_ns = wall_ns()
    plan = engine.plan
    recordings = [str(path) for feed in plan.feeds for path in feed.recordings]
    reports = [host.report() for host in engine.hosts]
    told = engine.hear_intervals()
    paper = engine.paper.describe() if engine.paper is not None else {"enabled": False, "state": "off"}
    return {
        "schema_version": SCHEMA_VERSION,
        "instance_id": plan.instance,
        "pid": os.getpid(),
        "host": plan.host,
        "state": engine.state,
        "read_only": plan.read_only,
        "now_ns": now_ns,
        "started_ns": engine.started_ns,
        "uptime_s": round((now_ns - engine.started_ns) / NS_PER_S, 3),
        "source": _source(engine),
        "recording": recordings[0] if recordings else None,
        "persist": plan.persist,
        "connections": [row for report in reports for row in report["connections"]],
        "latency": _slowest([row for report in reports for row in report["latency"]]),
        "delays": _delays(engine, reports, paper),
        "feeds": [
            row | {"lost": told.of_symbol(row["venue"], row["symbol"]).lost}
            for report in reports
            for row in report["feeds"]
        ],
        "rings": rings(engine),
        "intervals": told.rows(),
        "recovered": told.total.recovered,
        "lost": told.total.lost,
        "store": engine.storage.describe() if engine.storage is not None else {"enabled": False},
        "cache": cache_status(engine),
        "paper": paper,
        "alerts": engine.alerts.describe() if engine.alerts is not None else {"enabled": False},
        "log": engine.journal.lines(STATUS_LINES),
    }


def cache_status(engine: Engine) -> dict[str, Any] | None:
    """The cache as the status shows it; None when there is none."""
    if engine.cache is None or engine.plan.cache is None:
        return None
    found = attrs.asdict(engine.cache.stats())
    error, away = found.pop("last_error"), bool(found["since_ns"])
    return {
        "hits_memory": found.pop("hits_l1"),
        "hits_redis": found.pop("hits_l2"),
        "redis": ("down" if away else "up") if engine.plan.cache.redis_url else "off",
        "problem": error if away else "",
    } | found


def summary(engine: Engine) -> dict[str, Any]:
    """What happened, in the shape that `serve --json` ends with. Taken before the rings are removed.

    In `store`, `rows`, `duplicates` and `rejected` count trades, the tape; `quotes` and `book_updates` hold the same
    for the other two. `intervals`, `recovered` and `lost` are as in the status; a feed's are its own, in numbers.
    """
    reports = [host.report() for host in engine.hosts]
    told = engine.hear_intervals()
    shown = ("symbol", "venue", *COUNTS, "problem")
    return {
        "schema_version": SCHEMA_VERSION,
        "instance_id": engine.plan.instance,
        "uptime_s": round((wall_ns() - engine.started_ns) / NS_PER_S, 3),
        "source": _source(engine),
        "feeds": [
            {name: row[name] for name in shown}
            | _unwell(row)
            | attrs.asdict(told.of_symbol(row["venue"], row["symbol"]))
            for report in reports
            for row in report["feeds"]
        ],
        "intervals": told.rows(),
        "recovered": told.total.recovered,
        "lost": told.total.lost,
        "rings": [{name: ring[name] for name in ("name", "schema", "committed")} for ring in rings(engine)],
        "store": engine.storage.totals() if engine.storage is not None else None,
        "paper": engine.paper.summary() if engine.paper is not None else None,
        "alerts": engine.alerts.summary() if engine.alerts is not None else None,
        "malformed": sum(row["malformed"] for report in reports for row in report["connections"]),
        "unavailable": [row["venue"] for report in reports if not report["feeds"] for row in report["connections"]],
        "errors": [
            *(str(host.error) for host in engine.hosts if host.error is not None),
            *([f"store: {problem}"] if (problem := _store_problem(engine)) else []),
            *([f"paper trading: {problem}"] if (problem := _paper_problem(engine)) else []),
        ],
    }


def brief(engine: Engine) -> dict[str, Any]:
    """What it takes to say whether an engine is healthy: its state, the problem of its store, its connections."""
    connections = [row for host in engine.hosts for row in host.report()["connections"]]
    return {"state": engine.state, "store_problem": _store_problem(engine), "connections": connections}


def _unwell(row: dict[str, Any]) -> dict[str, str]:
    # What the watchdog said last is a problem too, where the feed itself knows of none.
    if row["problem"] or row["health"] not in {Health.STALE, Health.BROKEN}:
        return {}
    return {"problem": f"{row['health']}: {row['health_reason']}"}


def _store_problem(engine: Engine) -> str:
    return "" if engine.storage is None else engine.storage.state.problem


def _paper_problem(engine: Engine) -> str:
    return engine.paper.reason if engine.paper is not None and engine.paper.state == "failed" else ""


def feeding(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """The part of the status that says of which feeds there are rings: `connections` and `rings`."""
    connections = [row for host in engine.hosts for row in host.report()["connections"]]
    return {"connections": connections, "rings": rings(engine)}


def rings(engine: Engine) -> list[dict[str, Any]]:
    """Every ring of the engine, those of its child processes included."""
    starts: dict[int, int] = {}
    own = [] if engine.publisher is None else [_ring(ring, starts) for ring in engine.publisher.rings()]
    return own + [row for host in engine.hosts for row in host.report()["rings"]]


def _source(engine: Engine) -> str:
    sources = {feed.source for feed in engine.plan.feeds}
    for source in ("simulated", "recording"):  # the most misleading one is the one to show
        if source in sources:
            return source
    return "live"


def _delays(engine: Engine, reports: list[HostReport], paper: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    # By hop. A recording was received long ago: since then means nothing.
    found = merged(report["delays"] for report in reports)
    if _source(engine) == "recording":
        return found
    if engine.storage is not None:
        found[RING_TO_STORE] = delay_row(engine.storage.state.delay)
    return merged([found, paper.get("delays", {})])


def connection_row(state: ConnectionState, *, venue: str, restarts: int, pid: int = 0) -> dict[str, Any]:
    """One connection as the status shows it; `pid` is that of the child process that holds it, if one does."""
    return {
        "venue": venue,
        "status": state.status.value,
        "reason": state.reason,
        "since_ns": state.since_ns,
        "messages": state.messages,
        "malformed": state.malformed,
        "reconnects": state.reconnects,
        "restarts": restarts,
        "pid": pid,
        "clock_ahead_ns": state.ahead_ns.highest(),
    }


def connection_delays(state: ConnectionState) -> dict[str, dict[str, Any]]:
    """The delays of the hops that records take on one connection."""
    return {VENUE_TO_RECEIVED: delay_row(state.venue_delay), RECEIVED_TO_RING: delay_row(state.publish_delay)}


def latency_row(state: ConnectionState) -> dict[str, int]:
    """Both delays of one connection: from the socket to the ring, and from the venue to the socket."""
    publish, venue = state.publish_delay.summary(), state.venue_delay.summary()
    return {
        "publish_p50_ns": publish.p50_ns,
        "publish_p99_ns": publish.p99_ns,
        "publish_max_ns": publish.max_ns,
        "venue_p50_ns": venue.p50_ns,
        "venue_p99_ns": venue.p99_ns,
        "venue_max_ns": venue.max_ns,
        "count": publish.count,
    }


def _slowest(rows: list[dict[str, int]]) -> dict[str, int]:
    # Of several connections the slowest is shown: an average would hide the one that needs looking at.
    empty = latency_row(ConnectionState(""))
    return {
        name: sum(row[name] for row in rows) if name == "count" else max((row[name] for row in rows), default=0)
        for name in empty
    }


def feed_row(counters: FeedCounters, verdict: Verdict | None = None) -> dict[str, Any]:
    """One symbol as the status shows it: its instrument, its counts, and what the watchdog says of it, if asked."""
    return _instrument_fields(counters.instrument) | {
        **{name: getattr(counters, name) for name in COUNTS},
        "book_state": counters.book_state.value,
        "problem": counters.problem,
        "health": "" if verdict is None else verdict.health.value,
        "health_reason": "" if verdict is None else verdict.reason,
        "last_event_ns": counters.last_event_ns,
        "last_recv_ns": counters.last_recv_ns,
    }


def channel_rows(subscription: Subscription) -> list[dict[str, str]]:
    """What the venue says to each channel that is wanted of a symbol, as the status shows it."""
    return [
        {"channel": name, "standing": status.standing.value, "reason": status.reason}
        for name, status in subscription.items()
    ]


@lru_cache(maxsize=4096)  # they do not change, and a screen asks for all of them twice a second
def _instrument_fields(instrument: Instrument) -> dict[str, Any]:
    return attrs.asdict(instrument) | {"product": instrument.product.value}


def _ring(ring: PublishedRing, starts: dict[int, int]) -> dict[str, Any]:
    writer = ring.writer
    return {
        "name": (ring.path or writer.path).name,
        "path": str(ring.path or writer.path),
        "schema": ring.schema.value,
        "symbol": ring.instrument.symbol,
        "venue": ring.instrument.venue,
        "instance": writer.identity.instance,
        "record_bytes": writer.identity.record_bytes,
        "capacity": writer.capacity,
        "committed": writer.committed - ring.first,
        "public": ring.path is not None,
        "readers": [
            {"name": reader.name, "pid": reader.pid, "lag": reader.lag, "lapped": reader.lapped}
            for reader in ring.observer.readers(starts)
        ],
    }
