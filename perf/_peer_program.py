"""One run of another program, in an interpreter that has it: `_peer_program.py PEER WAY SOURCE COUNT`.

Prints what it takes a second of this process's CPU time. WAY `text` makes trades of the texts in the file SOURCE, one
a line; `socket` lets the program connect to the address SOURCE by itself. Trades are counted in a handler of theirs,
time from before the first text, or before they connect, to the last trade. It imports nothing of this project.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GIVE_UP_S = 60.0


class _Counter:
    """Counts trades until there are `count`, from when it is told to `begin`."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen = 0
        self._began_s = self._ended_s = time.process_time()
        self._done = asyncio.Event()

    def begin(self) -> None:
        """What was prepared until now does not count."""
        self._began_s = time.process_time()

    def take(self, _trade: object) -> None:
        """Count one."""
        self._seen += 1
        if self._seen == self._count:
            self._ended_s = time.process_time()
            self._done.set()

    async def rate(self) -> float:
        """Trades a second of CPU time, once all have come. Raises `TimeoutError`."""
        await asyncio.wait_for(self._done.wait(), GIVE_UP_S)
        return self._count / (self._ended_s - self._began_s)


def main(peer: str, way: str, source: str, count: str) -> None:
    """Print the rate of one run."""
    print(_WAYS[peer, way](source, int(count)))


def _with_their_loop(run: Callable[[str, int], Any]) -> Callable[[str, int], float]:
    # Both use uvloop where it is installed.
    def through(source: str, count: int) -> float:
        with contextlib.suppress(ImportError):
            asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())
        return float(asyncio.run(run(source, count)))

    return through


def _cryptofeed(callback: Callable[..., Any]) -> Any:
    symbols = importlib.import_module("cryptofeed.symbols").Symbols
    exchange = importlib.import_module("cryptofeed.exchanges").Binance
    # It would ask the venue for its symbols.
    symbols.set(exchange.id, {"BTC-USDT": "BTCUSDT"}, {"instrument_type": {"BTC-USDT": "spot"}})
    return exchange(symbols=["BTC-USDT"], channels=["trades"], callbacks={"trades": callback})


async def _cryptofeed_texts(source: str, count: int) -> float:
    counter = _Counter(count)

    async def callback(trade: object, _receipt_s: float) -> None:
        counter.take(trade)

    feed = _cryptofeed(callback)
    texts = Path(source).read_text().splitlines()
    counter.begin()
    for text in texts:
        await feed.message_handler(text, None, time.time())
    return await counter.rate()


async def _cryptofeed_socket(source: str, count: int) -> float:
    counter = _Counter(count)

    async def callback(trade: object, _receipt_s: float) -> None:
        counter.take(trade)

    feed = _cryptofeed(callback)
    endpoint = importlib.import_module("cryptofeed.connection").WebsocketEndpoint
    feed.websocket_endpoints = [endpoint(source.replace("ws://", "wss://"))]
    counter.begin()
    feed.start(asyncio.get_running_loop())
    for handler in feed.connection_handlers:
        handler.conn.address = handler.conn.address.replace("wss://", "ws://")  # it accepts no other, we no such
    rate = await counter.rate()
    feed.stop()
    return rate


async def _nautilus_texts(source: str, count: int) -> float:
    counter = _Counter(count)
    take = _nautilus("ws://127.0.0.1:1", counter, asyncio.get_running_loop())._handle_ws_message
    texts = Path(source).read_bytes().splitlines()
    counter.begin()
    for number, text in enumerate(texts):
        take(text)
        if number % 1000 == 0:  # its engine takes the trades from a queue
            await asyncio.sleep(0)
    return await counter.rate()


async def _nautilus_socket(source: str, count: int) -> float:
    counter = _Counter(count)
    client = _nautilus(source, counter, asyncio.get_running_loop())
    counter.begin()
    await client._ws_client.subscribe_trades("BTCUSDT")
    return await counter.rate()


def _nautilus(address: str, counter: _Counter, loop: asyncio.AbstractEventLoop) -> Any:
    # What its live node puts together, with a handler on the topic that its strategies are subscribed to.
    def of(module: str, name: str) -> Any:
        return getattr(importlib.import_module(f"nautilus_trader.{module}"), name)

    clock = of("common.component", "LiveClock")()
    trader = of("model.identifiers", "TraderId")("PERF-001")
    bus = of("common.component", "MessageBus")(trader_id=trader, clock=clock)
    cache = of("cache.cache", "Cache")()
    engine = of("live.data_engine", "LiveDataEngine")(loop=loop, msgbus=bus, cache=cache, clock=clock)
    http = of("adapters.binance.http.client", "BinanceHttpClient")(clock, "key", "secret", "http://127.0.0.1:1")
    provider = of("adapters.binance.spot.providers", "BinanceSpotInstrumentProvider")(client=http, clock=clock)
    client = of("adapters.binance.spot.data", "BinanceSpotDataClient")(
        loop=loop,
        client=http,
        msgbus=bus,
        cache=cache,
        clock=clock,
        instrument_provider=provider,
        base_url_ws=address,
        config=of("adapters.binance.config", "BinanceDataClientConfig")(),
    )
    bus.subscribe("data.trades.BINANCE.BTCUSDT", counter.take)
    engine.start()
    return client


_WAYS: dict[tuple[str, str], Callable[[str, int], float]] = {
    ("cryptofeed", "text"): _with_their_loop(_cryptofeed_texts),
    ("cryptofeed", "socket"): _with_their_loop(_cryptofeed_socket),
    ("nautilus_trader", "text"): _with_their_loop(_nautilus_texts),
    ("nautilus_trader", "socket"): _with_their_loop(_nautilus_socket),
}

if __name__ == "__main__":
    main(*sys.argv[1:])
