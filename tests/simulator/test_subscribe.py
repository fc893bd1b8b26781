"""Symbols come and go while a provider streams from the simulated venue, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import attrs
import numpy as np
import pytest
import trio

from core.errors import RefusedError
from core.model.instruments import Instrument
from core.model.records import F_MAYBE_BAD_BOOK, Records, Schema
from core.model.symbology import SymbolMap
from providers.base import BookState, Endpoints, FeedCounters, Provider
from providers.binance import provider as binance
from providers.binance.provider import BinanceSpot
from providers.connection import ConnectionStatus
from providers.kraken.futures import provider as kraken_futures
from providers.kraken.futures.provider import KrakenFutures
from providers.kraken.spot import provider as kraken
from providers.kraken.spot.provider import KrakenSpot
from providers.simulated.capture_lines import Protocol
from providers.simulated.market import MarketSource
from providers.simulated.universe import UNIVERSE
from tests.unit.providers.binance.support import KeepingSink
from tests.unit.providers.simulated.raw_client import running

PROTOCOLS: tuple[Protocol, ...] = ("kraken", "binance", "kraken_futures")
PROVIDERS: dict[str, Callable[[Endpoints], Provider]] = {
    "kraken": KrakenSpot,
    "binance": BinanceSpot,
    "kraken_futures": KrakenFutures,
}
BUSY = ("BTCUSD", "ETHUSD", "SOLUSD")


@attrs.define
class Desk:
    """A provider that streams, its catalogue, its counters, and everything it pushed."""

    provider: Provider
    catalogue: SymbolMap
    counters: Sequence[FeedCounters]
    sink: KeepingSink

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of a symbol."""
        return self.catalogue.resolve(symbol)

    def subscribe(self, symbol: str) -> FeedCounters:
        """Add a symbol."""
        return self.provider.subscribe(self.instrument(symbol))

    def records(self, symbol: str, schema: Schema) -> Records:
        """Everything pushed for a symbol."""
        return self.sink.channels[self.instrument(symbol).venue_symbol, schema].array(schema)

    def check(self, symbol: str) -> None:
        """No trade came twice, all are counted, and no book that was shown is crossed."""
        numbers = self.records(symbol, Schema.TRADES)["sequence"]
        (counters,) = (each for each in self.counters if each.instrument.symbol == symbol)
        assert len(np.unique(numbers)) == len(numbers) == counters.trades
        books = self.records(symbol, Schema.BOOK)
        shown = books[books["flags"] & F_MAYBE_BAD_BOOK == 0]["levels"][:, 0]
        assert (shown["bid_px"] < shown["ask_px"]).all()


@asynccontextmanager
async def desk(protocol: Protocol, *symbols: str, faults: str = "") -> AsyncIterator[Desk]:
    """A provider streaming `symbols` from a generated market, for the length of a block."""
    async with running(protocol, MarketSource(7), faults=faults) as venue:
        endpoints = Endpoints(stream_url=venue.stream_url, rest_url=venue.rest_url, receipts=venue.receipts)
        provider = PROVIDERS[protocol](endpoints)
        catalogue, sink = await provider.catalogue(), KeepingSink()
        async with trio.open_nursery() as nursery:
            instruments = [catalogue.resolve(symbol) for symbol in symbols]
            counters = await nursery.start(provider.stream, instruments, sink)
            yield Desk(provider, catalogue, counters, sink)
            nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Poll until `condition` holds; the venue's deadline ends it otherwise."""
    while not condition():
        await trio.sleep(0.01)


def streams(counters: FeedCounters, *, more_than: int = 0) -> Callable[[], bool]:
    """Whether the symbol has a live book, a quote, and more trades than that."""
    return lambda: counters.book_state is BookState.LIVE and counters.trades > more_than and counters.quotes > 0


@pytest.mark.trio
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_symbol_is_added_beside_another(protocol: Protocol) -> None:
    """The new one streams; the one that streamed before misses nothing and keeps its book."""
    async with desk(protocol, "BTCUSD") as bench:
        (first,) = bench.counters
        await until(streams(first))
        added = bench.subscribe("ETHUSD")
        assert bench.subscribe("ETHUSD") is added
        await until(streams(added, more_than=3))
        await until(streams(first, more_than=first.trades + 3))
        assert list(bench.counters) == [first, added]
        assert (bench.records("BTCUSD", Schema.BOOK)["flags"] & F_MAYBE_BAD_BOOK == 0).all()
        for counters in bench.counters:
            assert (
                counters.gaps + counters.book_breaks,
                counters.reconnects,
                counters.checksum_bad,
                counters.problem,
            ) == (0, 0, 0, "")
            bench.check(counters.instrument.symbol)
        assert bench.provider.connection.malformed == 0


@pytest.mark.trio
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_symbol_leaves_and_returns(protocol: Protocol) -> None:
    """While it is gone nothing of it is published; back again it goes on, without a gap and without a repeat."""
    async with desk(protocol, "BTCUSD", "ETHUSD") as bench:
        stays, goes = bench.counters
        await until(streams(stays))
        await until(streams(goes))
        for _ in range(3):
            bench.provider.unsubscribe("ETHUSD")
            assert goes.book_state is BookState.NONE
            assert bench.records("ETHUSD", Schema.BOOK)["flags"][-1] & F_MAYBE_BAD_BOOK
            before = (goes.trades, goes.quotes, len(bench.records("ETHUSD", Schema.BOOK)))
            await until(streams(stays, more_than=stays.trades + 10))
            assert (goes.trades, goes.quotes, len(bench.records("ETHUSD", Schema.BOOK))) == before
            assert bench.subscribe("ETHUSD") is goes
            await until(streams(goes, more_than=goes.trades + 3))
        for counters in (stays, goes):
            assert (
                counters.gaps + counters.book_breaks,
                counters.reconnects,
                counters.checksum_bad,
                counters.problem,
            ) == (0, 0, 0, "")
            bench.check(counters.instrument.symbol)
        assert (bench.records("BTCUSD", Schema.BOOK)["flags"] & F_MAYBE_BAD_BOOK == 0).all()
        assert bench.provider.connection.malformed == 0


@pytest.mark.trio
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_change_of_mind_is_carried_out_in_order(protocol: Protocol) -> None:
    """Leaving and returning several times before the venue has answered once ends in a live symbol."""
    async with desk(protocol, "BTCUSD", "ETHUSD") as bench:
        stays, goes = bench.counters
        await until(streams(stays))
        await until(streams(goes))
        for _ in range(3):
            bench.provider.unsubscribe("ETHUSD")
            bench.subscribe("ETHUSD")
        await until(streams(goes, more_than=goes.trades + 10))
        for counters in (stays, goes):
            assert (counters.gaps, counters.checksum_bad, counters.problem) == (0, 0, "")
            bench.check(counters.instrument.symbol)


@pytest.mark.trio
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_reconnect_knows_who_came_and_who_left(protocol: Protocol) -> None:
    """After a lost connection the added symbol streams again and the removed one does not."""
    async with desk(protocol, "BTCUSD", "SOLUSD", faults="disconnect=200") as bench:
        stays, leaves = bench.counters
        added = bench.subscribe("ETHUSD")
        await until(streams(leaves))
        bench.provider.unsubscribe("SOLUSD")
        gone = leaves.trades, leaves.quotes, leaves.reconnects
        for _ in range(2):
            connections = added.reconnects
            await until(lambda before=connections: added.reconnects > before)  # type: ignore[misc]
            await until(streams(added, more_than=added.trades + 3))
            await until(streams(stays, more_than=stays.trades))
        assert (leaves.trades, leaves.quotes, leaves.reconnects) == gone
        assert leaves.book_state is BookState.NONE
        for symbol in BUSY:
            bench.check(symbol)


@pytest.mark.trio
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_twenty_symbols_are_added_one_by_one(protocol: Protocol) -> None:
    """Begun with nothing, the provider ends with twenty live books, on one connection and without a loss."""
    symbols = [listing.symbol for listing in UNIVERSE if listing.futures_names][:20]
    async with desk(protocol) as bench:
        assert list(bench.counters) == []
        await until(lambda: bench.provider.connection.status is ConnectionStatus.CONNECTED)
        for symbol in symbols:
            bench.subscribe(symbol)
            await trio.lowlevel.checkpoint()
        await until(lambda: all(counters.book_state is BookState.LIVE for counters in bench.counters))
        assert [counters.instrument.symbol for counters in bench.counters] == symbols
        for counters in bench.counters:
            assert (
                counters.gaps + counters.book_breaks,
                counters.reconnects,
                counters.checksum_bad,
                counters.problem,
            ) == (0, 0, 0, "")
            bench.check(counters.instrument.symbol)


@pytest.mark.trio
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_without_symbols_the_connection_is_kept_by_questions(
    protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last symbol left, silence is met with probes: nothing is refused or reconnects, and it goes on."""
    for module in (kraken, binance, kraken_futures):
        monkeypatch.setattr(module, "SILENCE_S", 0.1)
    async with desk(protocol, "BTCUSD") as bench:
        (counters,) = bench.counters
        await until(streams(counters))
        bench.provider.unsubscribe("BTCUSD")
        connection = bench.provider.connection
        await until(lambda before=connection.messages: connection.messages >= before + 20)  # type: ignore[misc]
        assert (connection.reconnects, connection.malformed, connection.reason) == (0, 0, "")
        bench.subscribe("BTCUSD")
        await until(streams(counters, more_than=counters.trades + 3))
        assert (counters.gaps, connection.reconnects) == (0, 0)
        bench.check("BTCUSD")


@pytest.mark.trio
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_name_the_venue_does_not_have_is_its_own_problem(protocol: Protocol) -> None:
    """An addition that is refused says why in its counters; the stream goes on."""
    async with desk(protocol, "BTCUSD") as bench:
        (first,) = bench.counters
        await until(streams(first))
        unknown = attrs.evolve(bench.instrument("ETHUSD"), symbol="FOOUSD", venue_symbol="FOO/USD")
        refused = bench.provider.subscribe(unknown)
        await until(lambda: bool(refused.problem))
        bench.provider.unsubscribe("BTCUSD")
        added = bench.subscribe("ETHUSD")
        await until(streams(added))
        assert refused.book_state is BookState.NONE


@pytest.mark.trio
@pytest.mark.parametrize("make", [KrakenSpot, BinanceSpot, KrakenFutures])
async def test_only_a_running_stream_can_be_changed(make: Callable[[], Provider]) -> None:
    """Before a stream, and after it, both acts are refused in words."""
    provider = make()
    async with desk("kraken", "BTCUSD") as bench:
        instrument, ended = bench.instrument("BTCUSD"), bench.provider
    for each in (provider, ended):
        with pytest.raises(RefusedError, match="is not streaming"):
            each.subscribe(instrument)
        with pytest.raises(RefusedError, match="is not streaming"):
            each.unsubscribe("BTCUSD")
