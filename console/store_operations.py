"""What the control channel can ask of an engine's store and cache."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from console.control_server import Operation
from console.storage import Storage
from console.stores import staging_directory
from core.clock import DAY_NS, iso_ns, parse_rfc3339_ns, wall_ns
from core.errors import NotFoundError, RefusedError, UsageError
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS, quantities_e8
from core.model.records import Schema
from core.model.symbology import parse_symbol
from core.store.columns import exact
from core.store.repository import SeriesKey

if TYPE_CHECKING:
    from console.supervise import Engine

MAX_RECENT: Final = 1000


def store_operations(engine: Engine) -> dict[str, Operation]:
    """The operations by name; each refuses when the engine keeps nothing of the kind."""

    async def store(_request: dict[str, Any]) -> dict[str, Any]:
        if engine.storage is None:
            return {"enabled": False}
        from console.status import cache_status

        return await engine.storage.inspect() | {"cache": cache_status(engine)}

    def begin(name: str) -> Operation:
        async def start(request: dict[str, Any]) -> dict[str, Any]:
            storage = _storage(engine)
            return {"job": attrs.asdict(storage.upkeep.start(name, _before_day(request, name)), recurse=False)}

        return start

    async def recent(request: dict[str, Any]) -> dict[str, Any]:
        if engine.cache is None:
            raise RefusedError("nothing is cached", engine.plan.instance, hint="[cache] enabled is false")
        series, rows = _series(engine, request), request.get("rows", 20)
        if type(rows) is not int or not 1 <= rows <= MAX_RECENT:
            raise UsageError("bad request", f"rows is a number from 1 to {MAX_RECENT}")
        # What memory does not hold is asked of Redis, which may take its time.
        found = await trio.to_thread.run_sync(engine.cache.recent, series, rows, abandon_on_cancel=True)
        if not len(found):
            raise NotFoundError("no recent trades", str(series))
        return {"venue": series.venue, "symbol": series.symbol, "trades": _trades(found)}

    async def ingest(request: dict[str, Any]) -> dict[str, Any]:
        from console.backfill.keeping import ingest as stored_by

        opened, staging = _storage(engine).opened, staging_directory(engine.plan.data_directory)
        work = partial(stored_by, opened.store, Path(opened.place), staging, request)
        # To its end, whoever asked: a file that is stored and not answered for is recognised when it comes again.
        stored = await trio.to_thread.run_sync(work)
        if engine.cache is not None and stored.rows:
            # What came into the middle of a window is not in it.
            series = SeriesKey(request["venue"], request["symbol"], Schema(request["schema"]))
            await trio.to_thread.run_sync(engine.cache.clear, series, abandon_on_cancel=True)
        return attrs.asdict(stored)

    return {"store": store, "recent": recent, "ingest": ingest} | {
        name: begin(name) for name in ("compress", "verify", "prune")
    }


def _storage(engine: Engine) -> Storage:
    if engine.storage is None:
        raise RefusedError("nothing is stored", engine.plan.instance, hint="it was started without --persist")
    return engine.storage


def _before_day(request: dict[str, Any], name: str) -> int:
    # The day is given as a date; by default everything before today is meant. Pruning must say how far.
    text = request.get("before")
    if text is None and name != "prune":
        return wall_ns() // DAY_NS
    try:
        day = parse_rfc3339_ns(f"{text}T00:00:00Z") // DAY_NS
    except ValueError as error:
        raise UsageError("bad request", "before is a day like 2026-01-31") from error
    return min(day, wall_ns() // DAY_NS)


def _series(engine: Engine, request: dict[str, Any]) -> SeriesKey:
    # The venue may be left out, or named by its provider, when only one feed can be meant. Redis may hold others.
    venue, symbol = request.get("venue", ""), request.get("symbol")
    if not isinstance(venue, str) or not isinstance(symbol, str) or not (venue.isascii() and venue.isprintable()):
        raise UsageError("bad request", "venue and symbol are texts")
    venue, symbol = venue.upper(), parse_symbol(symbol)
    streamed = [host.instruments().get(symbol) for host in engine.hosts if host.serves(venue)]
    venues = {found.venue for found in streamed if found is not None} or {venue} - {""}
    if not venues:
        raise NotFoundError("no such symbol", f"{symbol} is not streamed", hint="status lists what is")
    if len(venues) != 1:
        raise UsageError("which venue", symbol, hint=f"there are {', '.join(sorted(venues))}")
    return SeriesKey(venues.pop(), symbol, Schema.TRADES)


def _trades(records: Any) -> list[dict[str, Any]]:
    quantities = quantities_e8(records).tolist()
    return [
        {
            "time": iso_ns(int(record["ts_event"])),
            "ts_event": int(record["ts_event"]),
            "ts_recv": int(record["ts_recv"]),
            "price": exact(int(record["price"]), PRICE_DECIMALS),
            "quantity": exact(quantity, QUANTITY_DECIMALS),
            "side": {b"B": "buy", b"A": "sell"}.get(bytes(record["side"]), ""),
        }
        for record, quantity in zip(records, quantities, strict=True)
    ]
