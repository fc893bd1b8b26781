"""What an engine says of itself: the live status for screens, and the summary it leaves when it ends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import attrs

from core.clock import NS_PER_S, wall_ns
from core.flow.publish import PublishedRing
from providers.base import FeedCounters

if TYPE_CHECKING:
    from console.feedhost import FeedHost
    from console.supervise import Engine

SCHEMA_VERSION = 1

_COUNTS = ("trades", "quotes", "book_updates", "duplicates", "out_of_order", "gaps", "checksum_ok", "checksum_bad",
           "reconnects", "rejected", "skewed")  # fmt: skip


def status(engine: Engine) -> dict[str, Any]:
    """Everything a screen shows besides the ticks themselves."""
    now_ns = wall_ns()
    plan = engine.plan
    recordings = [str(path) for feed in plan.feeds for path in feed.recordings]
    return {
        "schema_version": SCHEMA_VERSION,
        "instance_id": plan.instance,
        "pid": os.getpid(),
        "host": plan.host,
        "state": engine.state,
        "now_ns": now_ns,
        "started_ns": engine.started_ns,
        "uptime_s": round((now_ns - engine.started_ns) / NS_PER_S, 3),
        "source": _source(engine),
        "recording": recordings[0] if recordings else None,
        "persist": plan.persist,
        "connections": [_connection(host) for host in engine.hosts],
        "latency": _latency(engine.hosts),
        "feeds": [_feed(counters) for host in engine.hosts for counters in host.counters()],
        "rings": _rings(engine),
        "store": engine.storage.describe() if engine.storage is not None else {"enabled": False},
        "log": engine.journal.lines(),
    }


def summary(engine: Engine) -> dict[str, Any]:
    """What happened, in the shape that `serve --json` ends with. Taken before the rings are removed.

    In `store`, `rows`, `duplicates` and `rejected` count trades, the tape; `quotes` and `book_updates` hold the same
    for the other two.
    """
    feeds = []
    for host in engine.hosts:
        for counters in host.counters():
            row = {"symbol": counters.instrument.symbol, "venue": counters.instrument.venue}
            feeds.append(row | {name: getattr(counters, name) for name in _COUNTS} | {"problem": counters.problem})
    return {
        "schema_version": SCHEMA_VERSION,
        "instance_id": engine.plan.instance,
        "uptime_s": round((wall_ns() - engine.started_ns) / NS_PER_S, 3),
        "source": _source(engine),
        "feeds": feeds,
        "rings": [
            {"name": ring["name"], "schema": ring["schema"], "committed": ring["committed"]}
            for ring in _rings(engine)
        ],
        "store": engine.storage.totals() if engine.storage is not None else None,
        "malformed": sum(host.connection.malformed for host in engine.hosts),
        "errors": [str(host.error) for host in engine.hosts if host.error is not None],
    }


def _source(engine: Engine) -> str:
    sources = {feed.source for feed in engine.plan.feeds}
    for source in ("simulated", "recording"):  # the most misleading one is the one to show
        if source in sources:
            return source
    return "live"


def _connection(host: FeedHost) -> dict[str, Any]:
    state = host.connection
    return {
        "venue": host.venue,
        "status": state.status.value,
        "reason": state.reason,
        "since_ns": state.since_ns,
        "messages": state.messages,
        "malformed": state.malformed,
        "reconnects": state.reconnects,
        "restarts": host.restarts,
    }


def _latency(hosts: list[FeedHost]) -> dict[str, int]:
    # Of several connections the slowest is shown: an average would hide the one that needs looking at.
    publish = [host.connection.publish_delay.summary() for host in hosts]
    venue = [host.connection.venue_delay.summary() for host in hosts]
    return {
        "publish_p50_ns": max((found.p50_ns for found in publish), default=0),
        "publish_p99_ns": max((found.p99_ns for found in publish), default=0),
        "venue_p50_ns": max((found.p50_ns for found in venue), default=0),
        "venue_p99_ns": max((found.p99_ns for found in venue), default=0),
        "count": sum(found.count for found in publish),
    }


def _feed(counters: FeedCounters) -> dict[str, Any]:
    instrument = counters.instrument
    described = attrs.asdict(
        instrument,
        filter=lambda field, _value: field.name not in {"canonical", "price_increment_e9", "quantity_increment_e8"},
    )
    return described | {
        "product": instrument.product.value,
        **{name: getattr(counters, name) for name in _COUNTS},
        "book_state": counters.book_state.value,
        "problem": counters.problem,
        "last_event_ns": counters.last_event_ns,
        "last_recv_ns": counters.last_recv_ns,
    }


def _rings(engine: Engine) -> list[dict[str, Any]]:
    if engine.publisher is None:
        return []
    return [_ring(ring) for ring in engine.publisher.rings()]


def _ring(ring: PublishedRing) -> dict[str, Any]:
    writer = ring.writer
    return {
        "name": writer.path.name,
        "path": str(writer.path),
        "schema": ring.schema.value,
        "symbol": ring.instrument.symbol,
        "venue": ring.instrument.venue,
        "instance": writer.identity.instance,
        "record_bytes": writer.identity.record_bytes,
        "capacity": writer.capacity,
        "committed": writer.committed,
        "public": ring.public,
        "readers": [
            {"name": reader.name, "pid": reader.pid, "lag": reader.lag, "lapped": reader.lapped}
            for reader in ring.observer.readers()
        ],
    }
