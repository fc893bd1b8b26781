"""Kraken Futures as a provider, against the simulated venue that speaks its protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import numpy as np
import pytest
import trio

from core.errors import NotFoundError
from core.model.instruments import Instrument, Product
from core.model.records import Schema
from providers.base import BookState, Endpoints
from providers.kraken.futures.history import KrakenFuturesHistory
from providers.kraken.futures.provider import DEMO, DEMO_VENUE, LIVE, KrakenFutures
from providers.simulated.market import MarketSource
from tests.unit.providers.kraken.futures_support import products
from tests.unit.providers.kraken.support import RememberingSink
from tests.unit.providers.simulated.raw_client import running


@asynccontextmanager
async def _provider(*, rate: float = 1.0) -> AsyncIterator[KrakenFutures]:
    async with running("kraken_futures", MarketSource(3, rate=rate)) as venue:
        yield KrakenFutures(Endpoints(stream_url=venue.stream_url, rest_url=venue.rest_url), "SIM.KRAKEN_FUTURES")


def _named(product_id: str) -> Instrument:
    return attrs.evolve(products()["PI_XBTUSD"], venue_symbol=product_id)


def test_the_real_addresses() -> None:
    """The market and the place to practise are two places with two names; neither ends a stream by closing."""
    assert (LIVE.stream_url, LIVE.rest_url) == ("wss://futures.kraken.com/ws/v1", "https://futures.kraken.com")
    assert DEMO.stream_url == "wss://demo-futures.kraken.com/ws/v1"
    assert DEMO.rest_url == "https://demo-futures.kraken.com"
    assert KrakenFutures().venue == KrakenFutures().connection.venue == "KRAKEN_FUTURES"
    assert DEMO_VENUE == "KRAKEN_FUTURES_DEMO"
    assert not LIVE.ends_on_clean_close
    assert not DEMO.ends_on_clean_close


@pytest.mark.trio
async def test_the_catalogue_comes_from_the_venue() -> None:
    """The canonical name is the inverse perpetual; the linear one goes by its id; settlement and steps are kept."""
    async with _provider() as provider:
        catalogue = await provider.catalogue()
    inverse, linear = catalogue.resolve("BTCUSD"), catalogue.resolve("PF_XBTUSD")
    assert (inverse.venue_symbol, inverse.product, inverse.settle) == ("PI_XBTUSD", Product.INVERSE_PERPETUAL, "BTC")
    assert (linear.symbol, linear.product, linear.settle) == ("PF_XBTUSD", Product.LINEAR_PERPETUAL, "USD")
    assert (inverse.quantity_increment_e8, linear.quantity_increment_e8) == (10**8, 1)
    assert catalogue.resolve("PI_XBTUSD") is inverse
    with pytest.raises(NotFoundError):
        catalogue.resolve("BTCEUR")


@pytest.mark.trio
async def test_a_stream_and_the_venue_s_history_tell_the_same_trades() -> None:
    """What the sockets sent is what the executions say afterwards: times, prices, quantities, sides, in order."""
    sink = RememberingSink()
    async with _provider() as provider, trio.open_nursery() as nursery:
        instrument = (await provider.catalogue()).resolve("BTCUSD")
        (counters,) = await nursery.start(provider.stream, [instrument], sink)
        while counters.trades < 60 or provider.state("BTCUSD") is None:
            await trio.sleep(0.01)
        assert counters.book_state is BookState.LIVE
        history = provider.history()
        assert isinstance(history, KrakenFuturesHistory)
        pages = [page async for page in history.trades(instrument, start_ns=0, end_ns=2**62)]
        state = (await provider.tickers())["PI_XBTUSD"]
        streamed = sink.records(Schema.TRADES, "PI_XBTUSD")
        nursery.cancel_scope.cancel()
    told = np.concatenate([page.records for page in pages])[: len(streamed)]
    for name in ("ts_event", "price", "side", "size", "ts_in_delta", "publisher_id", "instrument_id"):
        assert told[name].tolist() == streamed[name][: len(told)].tolist()
    assert (len(told) >= 60, sum(page.rejected for page in pages), state.suspended) == (True, 0, False)
    assert provider.state("BTCUSD") is None, "nothing is streamed any more"


def test_a_provider_has_a_past_and_a_recording_has_none() -> None:
    """It comes without numbers, and whoever asks knows before."""
    ends = Endpoints(stream_url="ws://127.0.0.1:1", rest_url="http://127.0.0.1:1", ends_on_clean_close=True)
    assert KrakenFutures(ends).history() is None
    info = KrakenFutures().info
    assert (info.has_history, info.numbers_trades, info.numbers_history) == (True, True, False)


@pytest.mark.trio
async def test_a_venue_that_refuses_everything_ends_the_stream() -> None:
    """The operator gets the venue's own words."""
    async with _provider() as provider:
        unknown = [_named("PI_NOPE")]
        with pytest.raises(NotFoundError, match="invalid product `PI_NOPE`"):
            await provider.stream(unknown, RememberingSink())
