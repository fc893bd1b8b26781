"""A small engine for the screen's tests: real rings, and a thread that answers `status` on a real control socket."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import attrs

from console.journal import Journal
from console.tui.commands import DESK_ACTS
from core.model.fixedpoint import parse_price, parse_quantity, split_quantity
from core.model.publishers import PUBLISHERS
from core.model.records import (
    F_LAST,
    F_MAYBE_BAD_BOOK,
    LEVELS,
    MBP1_STRUCT,
    MBP10_STRUCT,
    NO_SIDE,
    STREAMED,
    TRADE_STRUCT,
    UNDEF_PRICE,
    Schema,
)
from ringbuf.control import VERSION, encode
from ringbuf.layout import ring_name
from ringbuf.writer import RingIdentity, RingWriter

T0_NS = 1_790_000_000_000_000_000  # 2026-09-21T14:13:20Z


@attrs.frozen
class Listing:
    """One instrument that the fake engine offers."""

    symbol: str
    venue: str = "KRAKEN"
    quote: str = "USD"
    price_decimals: int = 1
    product: str = "spot"

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it on the screen."""
        return self.symbol, self.venue


class FakeEngine:
    """Rings for every listing; publishes what a test tells it to. `close` it, or use it as a context."""

    def __init__(self, directory: Path, *listings: Listing, instance: str = "test", capacity: int = 4096) -> None:
        self.directory, self.instance, self.listings = directory, instance, listings
        self.socket_path = directory / f"{instance}.sock"
        self.requests: list[str] = []
        self.changes: list[dict[str, str]] = []
        self.refusal: dict[str, Any] = {}
        self.status: dict[str, Any] = {}
        self.overrides: dict[str, Any] = {}
        self.healths: dict[tuple[str, str], dict[str, str]] = {}
        self.store_refusal: dict[str, Any] = {}
        self.stored: dict[str, Any] = {"enabled": False}
        self.desk: dict[str, Any] = {}
        self.journal: Journal | None = None
        self.answer_overrides: dict[str, Any] = {}
        self._capacity = capacity
        self._writers: dict[tuple[str, str, Schema], RingWriter] = {}
        self._numbers = {listing.key: number for number, listing in enumerate(listings, start=1)}
        self._stopped = threading.Event()
        self.start()

    def __enter__(self) -> FakeEngine:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Open the rings and the socket."""
        self._stopped.clear()
        for listing in self.listings:
            self._open(listing)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket_path.unlink(missing_ok=True)
        self._listener.bind(os.fspath(self.socket_path))
        self._listener.listen()
        self._listener.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _open(self, listing: Listing) -> None:
        for schema in STREAMED:
            name = ring_name(listing.symbol, listing.venue, schema=schema, instance=self.instance)
            identity = RingIdentity(
                schema=schema,
                record_bytes=schema.dtype.itemsize,
                symbol=listing.symbol,
                venue=listing.venue,
                instrument_id=self._numbers[listing.key],
                instance=self.instance,
            )
            writer = RingWriter(self.directory / name, identity, capacity=self._capacity)
            self._writers[(*listing.key, schema)] = writer

    def subscribe(self, symbol: str, venue: str) -> None:
        """Offer one instrument more."""
        listing = Listing(symbol, venue or "KRAKEN")
        self._numbers.setdefault(listing.key, len(self._numbers) + 1)
        self._open(listing)
        self.listings = (*(one for one in self.listings if one.key != listing.key), listing)

    def unsubscribe(self, symbol: str, venue: str) -> None:
        """Close and remove the rings of an instrument; its feed keeps its counts, as an engine's does."""
        for schema in STREAMED:
            self._writers.pop((symbol, venue, schema)).close()

    def close(self) -> None:
        """Take away socket and rings. May be called twice, and `start` may follow."""
        self._stopped.set()
        self._thread.join(5)
        self._listener.close()
        self.socket_path.unlink(missing_ok=True)
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def trade(
        self,
        key: tuple[str, str],
        price: str,
        quantity: str = "1",
        *,
        side: bytes = b"B",
        ts_ns: int | None = None,
        ahead_ns: int = 0,
    ) -> None:
        """Publish one trade, received at `ts_ns` and dated `ahead_ns` later by the venue."""
        low, high = split_quantity(parse_quantity(quantity))
        now_ns = time.time_ns() if ts_ns is None else ts_ns
        record = TRADE_STRUCT.pack(
            12, 0, self._publisher(key), self._numbers[key], now_ns + ahead_ns, parse_price(price), low, b"T", side,
            F_LAST, 0, now_ns, high, 0,
        )  # fmt: skip
        self._writers[(*key, Schema.TRADES)].push(record)

    def quote(self, key: tuple[str, str], bid: str, ask: str, quantity: str = "1") -> None:
        """Publish one best bid and ask."""
        low, high = split_quantity(parse_quantity(quantity))
        now_ns = time.time_ns()
        record = MBP1_STRUCT.pack(
            20, 1, self._publisher(key), self._numbers[key], now_ns, UNDEF_PRICE, 0, b"M", NO_SIDE, F_LAST, 0, now_ns,
            0, 0, parse_price(bid), parse_price(ask), low, low, high, high,
        )  # fmt: skip
        self._writers[(*key, Schema.QUOTES)].push(record)

    def book(
        self, key: tuple[str, str], bids: list[tuple[str, str]], asks: list[tuple[str, str]], *, bad: bool = False
    ) -> None:
        """Publish a book, best first; `bad` marks it as not to be trusted."""
        words: list[int] = []
        for number in range(LEVELS):
            bid, ask = (side[number] if number < len(side) else None for side in (bids, asks))
            sizes = [split_quantity(parse_quantity(level[1])) if level else (0, 0) for level in (bid, ask)]
            prices = [parse_price(level[0]) if level else UNDEF_PRICE for level in (bid, ask)]
            words += [*prices, sizes[0][0], sizes[1][0], sizes[0][1], sizes[1][1]]
        now_ns = time.time_ns()
        flags = F_LAST | (F_MAYBE_BAD_BOOK if bad else 0)
        record = MBP10_STRUCT.pack(
            92, 10, self._publisher(key), self._numbers[key], now_ns, UNDEF_PRICE, 0, b"M", NO_SIDE, flags, 0, now_ns,
            0, 0, *words,
        )  # fmt: skip
        self._writers[(*key, Schema.BOOK)].push(record)

    def writer(self, key: tuple[str, str], schema: Schema) -> RingWriter:
        """The ring of one listing."""
        return self._writers[(*key, schema)]

    def _publisher(self, key: tuple[str, str]) -> int:
        return PUBLISHERS[key[1]].publisher_id

    def _serve(self) -> None:
        connections: list[socket.socket] = []
        while not self._stopped.is_set():
            try:
                connection, _address = self._listener.accept()
            except TimeoutError:
                pass
            else:
                connection.settimeout(0.02)
                connections.append(connection)
            for connection in list(connections):
                if not self._answer(connection):
                    connections.remove(connection)
                    connection.close()
        for connection in connections:
            connection.close()

    def _answer(self, connection: socket.socket) -> bool:
        try:
            data = connection.recv(65536)
        except TimeoutError:
            return True
        except OSError:
            return False
        if not data:
            return False
        for line in data.splitlines():
            request = json.loads(line)
            self.requests.append(request["op"])
            answer = {"v": VERSION, "id": request["id"], **self._carry_out(request), **self.answer_overrides}
            connection.sendall(encode(answer))
        return True

    def _carry_out(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = request["op"]
        if operation == "status":
            return {"ok": True, "result": self.answer()}
        if operation == "store" and self.store_refusal:
            return {"ok": False, "error": self.store_refusal}
        if operation == "store":
            return {"ok": True, "result": self.stored}
        if operation == "log" and self.journal is not None:
            return {"ok": True, "result": self._log(request, self.journal)}
        if operation == "accounts" and not self.desk:
            return {"ok": False, "error": {"category": "usage", "message": "no such operation", "hint": ""}}
        if operation == "accounts":
            return {"ok": True, "result": self.desk}
        if self.refusal:
            return {"ok": False, "error": self.refusal}
        if operation in ("subscribe", "unsubscribe"):
            change = {name: request[name] for name in ("symbol", "venue")}
            getattr(self, operation)(**change)
            self.changes.append({"operation": operation, **change})
        if operation in DESK_ACTS:
            self.changes.append({name: request.get(name, "") for name in ("op", "target", "confirm")})
        if operation in ("compress", "verify"):
            self.changes.append({"operation": operation})
        return {"ok": True, "result": {}}

    def _log(self, request: dict[str, Any], journal: Journal) -> dict[str, Any]:
        if "sequence" in request:
            return {"epoch_ns": journal.epoch_ns, "line": journal.whole(request["sequence"])}
        ours = request["epoch_ns"] in (0, journal.epoch_ns)
        return journal.page(after=request["after"] if ours else 0)

    def answer(self) -> dict[str, Any]:
        """The documented shape of `status`, with this engine's rings and `overrides`."""
        now_ns = time.time_ns()
        return {
            "schema_version": 1, "instance_id": self.instance, "pid": os.getpid(), "host": "inline",
            "state": "running", "now_ns": now_ns, "started_ns": T0_NS, "uptime_s": 1.0, "source": "live",
            "recording": None, "persist": True,
            "connections": [
                {"venue": venue, "status": "connected", "reason": "", "since_ns": T0_NS, "messages": 100,
                 "malformed": 0, "reconnects": 0}
                for venue in dict.fromkeys(listing.venue for listing in self.listings)
            ],
            "latency": {"publish_p50_ns": 210_000, "publish_p99_ns": 2_100_000, "venue_p50_ns": 20_000_000,
                        "venue_p99_ns": 80_000_000, "count": 1000},
            "feeds": [self._feed(listing) for listing in self.listings],
            "rings": [self._ring(key, writer) for key, writer in self._writers.copy().items()],
            "store": {"enabled": True, "directory": "/tmp", "rows": 1, "duplicates": 0, "rejected": 0,
                      "out_of_order": 0, "lag_s": 0.2, "lost": 0},
            "log": [{"ts_ns": T0_NS, "level": "INFO", "logger": "ringside.engine", "text": "engine started"}],
            **self.overrides,
        }  # fmt: skip

    def _feed(self, listing: Listing) -> dict[str, Any]:
        return {
            "symbol": listing.symbol, "venue": listing.venue, "venue_symbol": listing.symbol,
            "base": listing.symbol[:3], "quote": listing.quote, "settle": listing.quote,
            "product": listing.product, "price_decimals": listing.price_decimals, "quantity_decimals": 4,
            "instrument_id": self._numbers[listing.key], "trades": 0, "quotes": 0, "book_updates": 0,
            "duplicates": 0, "out_of_order": 0, "gaps": 0, "checksum_ok": 0, "checksum_bad": 0, "reconnects": 0,
            "streaming": (*listing.key, Schema.TRADES) in self._writers,
            "rejected": 0, "skewed": 0, "book_state": "live", "problem": "", "last_event_ns": 0, "last_recv_ns": 0,
            **self.healths.get(listing.key, {"health": "live", "health_reason": ""}),
        }  # fmt: skip

    def _ring(self, key: tuple[str, str, Schema], writer: RingWriter) -> dict[str, Any]:
        return {
            "name": writer.path.name, "path": str(writer.path), "schema": str(key[2]), "symbol": key[0],
            "venue": key[1], "instance": self.instance, "record_bytes": writer.identity.record_bytes,
            "capacity": writer.capacity, "committed": writer.committed, "public": True, "readers": [],
        }  # fmt: skip
