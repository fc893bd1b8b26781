"""Every provider and the server that stands for its venue, with a way between the two that can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Literal

import attrs
import numpy as np
import trio

from core.model.instruments import Instrument
from core.model.publishers import PUBLISHERS
from core.model.records import Records, Schema
from core.model.symbology import SymbolMap
from providers.base import BookState, Endpoints, FeedCounters, Provider, ProviderInfo
from providers.binance import provider as binance
from providers.databento import provider as databento
from providers.databento.key import ApiKey
from providers.kraken.futures import provider as kraken_futures
from providers.kraken.spot import provider as kraken
from providers.simulated.capture_lines import Protocol
from providers.simulated.databento_market import PUBLISHER
from providers.simulated.databento_venue import KEY, serve_databento
from providers.simulated.market import MarketSource
from providers.simulated.venue import RunningVenue, serve_venue
from providers.venue.legs import Legs
from tests.toy_venue import provider as toy
from tests.toy_venue.server import serve_toy

SYMBOLS: Final = ("BTCUSD", "ETHUSD")
DEADLINE_S: Final = 45.0


@attrs.frozen(kw_only=True)
class Case:
    """One provider: `serve` starts its venue, `make` the provider at it. `unknown` is a name that the venue does not
    know, in its own spelling; past times are off by `past_error_ns` at most; `counts_trades`: bars say how many
    trades they have. `numbers` gives publisher and number of the records of an instrument, ours if None."""

    info: ProviderInfo
    serve: Callable[..., Awaitable[None]]
    make: Callable[[Endpoints], Provider]
    unknown: str
    past_error_ns: int = 0
    counts_trades: bool = True
    numbers: Callable[[str], tuple[int, int]] | None = None

    def stamps(self, instrument: Instrument) -> tuple[int, int]:
        """Publisher and number that records of `instrument` must carry."""
        if self.numbers is not None:
            return self.numbers(instrument.symbol)
        return PUBLISHERS[instrument.venue].publisher_id, instrument.instrument_id


@attrs.define
class Kept:
    """A channel that keeps everything."""

    pushes: list[tuple[bytes, int]] = attrs.Factory(list)

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Keep `records` and `newest_id`."""
        self.pushes.append((records, newest_id))


@attrs.define
class KeepingSink:
    """A sink of keeping channels, by symbol and schema."""

    channels: dict[tuple[str, Schema], Kept] = attrs.Factory(dict)

    def channel(self, instrument: Instrument, schema: Schema) -> Kept:
        """The channel of one (instrument, schema)."""
        return self.channels.setdefault((instrument.symbol, schema), Kept())

    def pushes(self, symbol: str, schema: Schema) -> list[tuple[bytes, int]]:
        """What was pushed, in order, with the newest ids."""
        return self.channel_or_none(symbol, schema).pushes

    def channel_or_none(self, symbol: str, schema: Schema) -> Kept:
        """The channel if there is one, else an empty one that nobody writes to."""
        return self.channels.get((symbol, schema), Kept())

    def records(self, symbol: str, schema: Schema) -> Records:
        """Everything pushed into one channel."""
        return np.frombuffer(b"".join(records for records, _ in self.pushes(symbol, schema)), schema.dtype)


@attrs.define
class Way:
    """A TCP relay to a server; `cut` breaks every connection that goes over it now."""

    port: int = 0
    _open: set[trio.CancelScope] = attrs.Factory(set)

    def cut(self) -> int:
        """Break what is open, and return how many connections that were."""
        count = len(self._open)
        for scope in tuple(self._open):
            scope.cancel()
        return count

    async def serve(self, target: int, *, task_status: trio.TaskStatus[Way]) -> None:
        """Relay to port `target` until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started(self)
        await trio.serve_listeners(partial(self._relay, target), listeners)

    async def _relay(self, target: int, client: trio.SocketStream) -> None:
        with trio.CancelScope() as scope:
            self._open.add(scope)
            try:
                async with (
                    client,
                    await trio.open_tcp_stream("127.0.0.1", target) as server,
                    trio.open_nursery() as nursery,
                ):
                    nursery.start_soon(_pump, client, server, nursery.cancel_scope)
                    nursery.start_soon(_pump, server, client, nursery.cancel_scope)
            finally:
                self._open.discard(scope)


async def _pump(source: trio.SocketStream, target: trio.SocketStream, scope: trio.CancelScope) -> None:
    try:
        async for chunk in source:
            await target.send_all(chunk)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


@attrs.define
class Desk:
    """A provider at its venue, its catalogue, and everything it pushed."""

    case: Case
    provider: Provider
    catalogue: SymbolMap
    way: Way
    sink: KeepingSink = attrs.Factory(KeepingSink)
    counters: Sequence[FeedCounters] = ()

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of a symbol, numbered."""
        return attrs.evolve(self.catalogue.resolve(symbol), instrument_id=1000 + SYMBOLS.index(symbol))

    def unknown(self) -> Instrument:
        """An instrument that the venue does not know."""
        known = self.instrument(SYMBOLS[0])
        return attrs.evolve(known, symbol="NOPE", venue_symbol=self.case.unknown, instrument_id=999)

    async def begin(self, nursery: trio.Nursery, *instruments: Instrument) -> Sequence[FeedCounters]:
        """Stream into the sink; what `stream` reports."""
        self.counters = await nursery.start(self.provider.stream, instruments, self.sink)
        return self.counters

    def streams(self, symbol: str, *, trades: int = 5) -> Callable[[], bool]:
        """Whether every schema of the symbol comes, its book is live, and it has so many more trades than now."""

        def counted() -> FeedCounters:
            return next(each for each in self.counters if each.instrument.symbol == symbol)

        wanted = counted().trades + trades

        def true() -> bool:
            found = counted()
            shown = found.book_state is BookState.LIVE or Schema.BOOK not in self.provider.info.schemas
            came = all(self.sink.pushes(symbol, schema) for schema in self.provider.info.schemas)
            return shown and came and found.trades >= wanted

        return true


async def until(condition: Callable[[], bool]) -> None:
    """Poll until `condition` holds; the desk's deadline ends it otherwise."""
    while not condition():
        await trio.sleep(0.005)


@asynccontextmanager
async def desk(case: Case, *, rate: float = 4.0) -> AsyncIterator[Desk]:
    """A provider at a running venue for the length of a block, which must end within a deadline. `rate` is how lively
    the market is where it is generated."""
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            endpoints: Endpoints = await nursery.start(partial(case.serve, rate=rate))
            head, _, rest = endpoints.stream_url.rpartition(":")
            port, slash, path = rest.partition("/")
            way: Way = await nursery.start(Way().serve, int(port))
            provider = case.make(attrs.evolve(endpoints, stream_url=f"{head}:{way.port}{slash}{path}"))
            yield Desk(case, provider, await provider.catalogue(), way)
            nursery.cancel_scope.cancel()


async def _serve(
    protocol: Protocol | Literal["databento"], *, task_status: trio.TaskStatus[Endpoints], rate: float
) -> None:
    async with trio.open_nursery() as nursery:
        source = MarketSource(7, SYMBOLS, rate=rate)
        if protocol == "databento":
            venue: RunningVenue = await nursery.start(serve_databento, source)
        else:
            venue = await nursery.start(serve_venue, protocol, source)
        task_status.started(Endpoints(stream_url=venue.stream_url, rest_url=venue.rest_url, receipts=venue.receipts))


async def _serve_toy(*, task_status: trio.TaskStatus[Endpoints], rate: float) -> None:
    assert rate, "its market has a pace of its own"
    await serve_toy(task_status=task_status)


def _databento(endpoints: Endpoints) -> Provider:
    return databento.Databento("SIM.DATABENTO", SYMBOLS, endpoints, key=ApiKey(KEY))


CASES: Final = {
    case.info.name: case
    for case in (
        Case(
            info=kraken.INFO,
            serve=partial(_serve, "kraken"),
            make=lambda endpoints: kraken.KrakenSpot(endpoints, "SIM.KRAKEN"),
            unknown="NO/PE",
            past_error_ns=1000,
        ),
        Case(
            info=binance.INFO,
            serve=partial(_serve, "binance"),
            make=lambda endpoints: binance.BinanceSpot(endpoints, "SIM.BINANCE"),
            unknown="NOPEUSDT",
        ),
        Case(
            info=kraken_futures.INFO,
            serve=partial(_serve, "kraken_futures"),
            make=lambda endpoints: kraken_futures.KrakenFutures(endpoints, "SIM.KRAKEN_FUTURES"),
            unknown="PI_NOPE",
            counts_trades=False,
        ),
        Case(
            info=attrs.evolve(kraken_futures.INFO, name="kraken_futures_demo"),
            serve=partial(_serve, "kraken_futures"),
            make=lambda endpoints: kraken_futures.KrakenFutures(endpoints, kraken_futures.DEMO_VENUE),
            unknown="PI_NOPE",
            counts_trades=False,
        ),
        Case(
            info=databento.INFO,
            serve=partial(_serve, "databento"),
            make=_databento,
            unknown="NOPE",
            numbers=lambda symbol: (PUBLISHER, SYMBOLS.index(symbol) + 1),
        ),
        Case(info=toy.INFO, serve=_serve_toy, make=toy.Toy, unknown="NO-PE"),
        Case(
            info=attrs.evolve(toy.INFO, name="toy_on_a_leg"),
            serve=_serve_toy,
            make=lambda endpoints: Legs(partial(toy.Toy, endpoints), legs=1),
            unknown="NO-PE",
        ),
    )
}
