"""The toy venue itself, for tests: two markets on 127.0.0.1, moved fifty times a second, over WebSocket and REST.

Written from the protocol alone, so that a mistake in the client is not repeated here.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from core.clock import wall_ns
from providers.base import Endpoints
from providers.simulated.rest import Answer, serve_rest

PAGE = 100
_STEP_S = 0.02
_MINUTE_US = 60_000_000
_PAST_US = 200_000_000
_LEVELS = 12
Json = dict[str, Any]


@attrs.define
class Pit:
    """One market: its trades so far, its book in cents and units, and who listens to which channel."""

    name: str
    dice: random.Random
    trades: list[Json] = attrs.Factory(list)
    book: dict[str, dict[int, int]] = attrs.Factory(lambda: {"bids": {}, "asks": {}})
    seq: int = 1000
    listeners: dict[str, set[WebSocketConnection]] = attrs.Factory(lambda: {"trade": set(), "book": set()})

    def begin(self) -> None:
        """A book, and a past of some minutes."""
        for level in range(_LEVELS):
            self.book["bids"][9_990 - level], self.book["asks"][10_010 + level] = 50, 60
        now_us = wall_ns() // 1000
        for age_us in range(_PAST_US, 0, -_PAST_US // 150):
            self.trade(now_us - age_us)

    def trade(self, at_us: int) -> Json:
        """Let a trade happen."""
        price, units = self.dice.randint(9_991, 10_009), self.dice.randint(1, 99_999)
        row = {"kind": "trade", "market": self.name, "id": 5000 + len(self.trades), "at": at_us}
        row |= {"side": self.dice.choice(("buy", "sell")), "price": _cents(price), "size": f"0.{units:06d}"}
        self.trades.append(row)
        return row

    def change(self, at_us: int) -> Json:
        """Let a level of the book change, or go and come."""
        side = self.dice.choice(("bids", "asks"))
        price = self.dice.choice(list(self.book[side]))
        self.book[side][price] = units = self.dice.randint(0, 99)
        self.seq += 1
        return self._frame(at_us, whole=False) | {side: [(_cents(price), str(units))]}

    def whole_book(self) -> Json:
        """The book as it stands."""
        levels = {
            side: [(_cents(price), str(units)) for price, units in levels.items() if units]
            for side, levels in self.book.items()
        }
        return self._frame(wall_ns() // 1000, whole=True) | levels

    def _frame(self, at_us: int, *, whole: bool) -> Json:
        frame = {"kind": "book", "market": self.name, "seq": self.seq, "at": at_us, "whole": whole}
        return frame | {"bids": [], "asks": []}


class ToyVenue:
    """Both markets, and the answers to what is asked about them."""

    def __init__(self, seed: int = 1) -> None:
        names = ("BTC-USD", "ETH-USD")
        self.pits = {name: Pit(name, random.Random(f"{seed}/{name}")) for name in names}
        for pit in self.pits.values():
            pit.begin()

    async def run(self) -> None:
        """Move the markets until cancelled."""
        while True:
            await trio.sleep(_STEP_S)
            for pit in self.pits.values():
                at_us = wall_ns() // 1000
                frames = (("trade", pit.trade(at_us)), ("book", pit.change(at_us)))
                # Who comes while these are sent begins with a book that has them.
                posts = [(socket, frame) for channel, frame in frames for socket in pit.listeners[channel]]
                for socket, frame in posts:
                    await self._send(socket, frame)

    async def talk(self, request: WebSocketRequest) -> None:
        """Serve one client until it is gone."""
        socket = await request.accept()
        try:
            while True:
                await self._answer(socket, json.loads(await socket.get_message()))
        except ConnectionClosed:
            self._forget(socket)

    async def _answer(self, socket: WebSocketConnection, asked: Json) -> None:
        if asked["do"] == "ping":
            await self._send(socket, {"kind": "pong"})
            return
        what = {"channel": asked["channel"], "market": asked["market"]}
        pit = self.pits.get(asked["market"])
        if pit is None:
            await self._send(socket, {"kind": "refused", "why": "unknown market", **what})
        elif asked["do"] == "unsubscribe":
            pit.listeners[asked["channel"]].discard(socket)
        else:
            await self._send(socket, {"kind": "granted", **what})
            pit.listeners[asked["channel"]].add(socket)
            if asked["channel"] == "book":
                await self._send(socket, pit.whole_book())

    async def _send(self, socket: WebSocketConnection, frame: Json) -> None:
        try:
            await socket.send_message(json.dumps(frame))
        except ConnectionClosed:
            self._forget(socket)

    def _forget(self, socket: WebSocketConnection) -> None:
        for pit in self.pits.values():
            for listeners in pit.listeners.values():
                listeners.discard(socket)

    def page(self, path: str, parameters: Mapping[str, str]) -> Answer:
        """The answer to one GET."""
        if path == "/markets":
            return Answer(json.dumps([_listed(name) for name in self.pits]))
        pit = self.pits.get(parameters.get("market", ""))
        if pit is None:
            return Answer('{"error":"unknown market"}', 404)
        if path == "/bars":
            return Answer(json.dumps(list(_bars(pit.trades))))
        since, first = int(parameters.get("since", "0")), int(parameters.get("from_id", "0"))
        chosen = (row for row in pit.trades if row["at"] >= since and row["id"] >= first)
        return Answer(json.dumps(list(itertools.islice(chosen, int(parameters.get("limit", PAGE))))))


async def serve_toy(*, task_status: trio.TaskStatus[Endpoints] = trio.TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled; reports where once it listens."""
    venue = ToyVenue()
    async with trio.open_nursery() as nursery:
        rest_url = await nursery.start(serve_rest, venue.page)
        server = await nursery.start(partial(serve_websocket, venue.talk, "127.0.0.1", 0, None))
        nursery.start_soon(venue.run)
        task_status.started(Endpoints(stream_url=f"ws://127.0.0.1:{server.port}/", rest_url=rest_url))


def _listed(name: str) -> Json:
    base, quote = name.split("-")
    return {"market": name, "base": base, "quote": quote, "price_step": "0.01", "size_step": "0.000001"}


def _bars(trades: list[Json]) -> Iterator[list[object]]:
    # The minutes that are over, from the trades in them.
    now_us = wall_ns() // 1000
    for minute, group in itertools.groupby(trades, key=lambda row: row["at"] // _MINUTE_US):
        rows = list(group)
        if (minute + 1) * _MINUTE_US <= now_us:
            prices = [row["price"] for row in rows]
            low, high = min(prices, key=_units), max(prices, key=_units)
            units = sum(_units(row["size"]) for row in rows)
            volume = f"{units // 10**6}.{units % 10**6:06d}"
            yield [minute * 60, prices[0], high, low, prices[-1], volume, len(rows)]


def _units(text: str) -> int:
    return int(text.replace(".", ""))


def _cents(price: int) -> str:
    return f"{price // 100}.{price % 100:02d}"
