"""Kraken Futures as a provider, against the simulated venue that speaks its protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from core.errors import NotFoundError, PermanentError
from core.model.instruments import Instrument, Product
from core.model.records import Schema
from providers.base import BookState, Endpoints
from providers.kraken.futures import provider as module
from providers.kraken.futures.history import Execution
from providers.kraken.futures.provider import DEMO, DEMO_VENUE, LIVE, KrakenFutures
from providers.simulated import futures_pages
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
        page = await provider.history(instrument, start_ns=0, end_ns=2**62)
        state = (await provider.tickers())["PI_XBTUSD"]
        streamed = sink.records(Schema.TRADES, "PI_XBTUSD")
        nursery.cancel_scope.cancel()
    told = [(each.ts_event_ns, each.price_e9, each.side) for each in page.executions][: len(streamed)]
    seen = list(zip(*(streamed[name].tolist() for name in ("ts_event", "price", "side")), strict=True))
    assert told == seen[: len(told)]
    assert (len(told) >= 60, page.rejected, state.suspended) == (True, 0, False)
    assert provider.state("BTCUSD") is None, "nothing is streamed any more"


@pytest.mark.trio
async def test_history_comes_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Following the tokens gives every trade of the range once, oldest first."""
    monkeypatch.setattr(futures_pages, "PAGE", 20)
    found: list[Execution] = []
    async with _provider() as provider:
        instrument = (await provider.catalogue()).resolve("ETHUSD")
        everything = await provider.history(instrument, start_ns=0, end_ns=2**62)
        assert everything.next_token
        token = ""
        while token or not found:
            page = await provider.history(instrument, start_ns=0, end_ns=2**62, token=token)
            found += page.executions
            token = page.next_token
        middle_ns, end_ns = found[10].ts_event_ns, found[20].ts_event_ns
        part = await provider.history(instrument, start_ns=middle_ns, end_ns=end_ns)
    assert len({each.uid for each in found}) == len(found) >= 50
    assert [each.ts_event_ns for each in found] == sorted(each.ts_event_ns for each in found)
    assert all(middle_ns <= each.ts_event_ns <= end_ns for each in part.executions)
    assert part.executions


@pytest.mark.trio
async def test_a_refused_history_says_why() -> None:
    """A product the venue does not have, and a place where it has nothing at all."""
    async with _provider() as provider:
        with pytest.raises(NotFoundError, match="notFound"):
            await provider.history(_named("../../0/NOPE"), start_ns=0, end_ns=1)
        with pytest.raises(PermanentError, match="Argument invalid: continuationToken"):
            await provider.history(products()["PI_XBTUSD"], start_ns=0, end_ns=1, token="x&y")


@pytest.mark.trio
async def test_the_venue_s_limit_on_history_is_kept(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """A hundred pages at once, the next when the first of them is ten minutes old."""
    asked_s: list[float] = []

    async def answer(*_arguments: object, **_named: object) -> None:
        asked_s.append(trio.current_time())

    monkeypatch.setattr(module, "get_json", answer)
    provider = KrakenFutures()
    began_s = trio.current_time()
    for _ in range(module.HISTORY_PAGES + 2):
        await provider.history(products()["PI_XBTUSD"], start_ns=0, end_ns=1)
        await trio.sleep(1)
    waits = [round(each - began_s) for each in asked_s]
    assert waits == [*range(100), 600, 601]


@pytest.mark.trio
async def test_a_venue_that_refuses_everything_ends_the_stream() -> None:
    """The operator gets the venue's own words."""
    async with _provider() as provider:
        unknown = [_named("PI_NOPE")]
        with pytest.raises(NotFoundError, match="invalid product `PI_NOPE`"):
            await provider.stream(unknown, RememberingSink())
