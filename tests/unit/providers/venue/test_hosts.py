"""One set of limits a host, for as long as an event loop runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
import trio
import trio.testing

from core.clock import NS_PER_S
from providers.base import Endpoints, Provider
from providers.binance.history import HISTORY_URL
from providers.binance.provider import BinanceSpot
from providers.kraken.futures.provider import DEMO, DEMO_VENUE, KrakenFutures
from providers.kraken.spot.provider import KrakenSpot
from providers.venue.hosts import limits_of
from providers.venue.http_client import ONCE, RestClient
from providers.venue.ratelimit import Charge, HostLimits, TokenLimit


def slow() -> HostLimits:
    """One request in ten seconds."""
    return HostLimits({"all": lambda: TokenLimit(1, 10 * NS_PER_S)})


@pytest.mark.trio
async def test_a_host_has_one_set_of_limits() -> None:
    """However its address is written and whoever asks; another host has others."""
    first = limits_of("https://api.venue.com", slow)
    for address in ("https://api.venue.com/", "https://API.Venue.com/v2", "http://api.venue.com"):
        assert limits_of(address, slow) is first
    assert limits_of("https://api.venue.com:8443", slow) is not first
    assert limits_of("https://other.venue.com", slow) is not first


def test_another_event_loop_has_limits_of_its_own() -> None:
    """Their clock begins anew with each loop, so what was used on the last one says nothing."""

    async def find() -> HostLimits:
        return limits_of("https://api.venue.com", slow)

    assert trio.run(find) is not trio.run(find)


@pytest.mark.trio
async def test_two_clients_wait_for_one_limit(autojump_clock: trio.testing.MockClock) -> None:
    """What one of them used the other has to wait for."""
    clients = [RestClient(url, limits_of(url, slow), patience=ONCE) for url in ("https://a.com", "https://a.com/")]
    began_s, went_s = trio.current_time(), []
    for client in (*clients, *clients):
        await client.acquire([Charge("all")], until_s=began_s + 100)
        went_s.append(round(trio.current_time() - began_s))
    assert went_s == [0, 10, 20, 30]


@pytest.mark.trio
async def test_providers_and_their_histories_share() -> None:
    """A second provider of a host and every history of it stand in the same line; the demo market is another host,
    and so is the one that tells Binance's past."""
    rest_urls: dict[str, Sequence[Provider]] = {
        "https://api.kraken.com": (KrakenSpot(), KrakenSpot()),
        HISTORY_URL: (BinanceSpot(), BinanceSpot()),
        "https://futures.kraken.com": (KrakenFutures(), KrakenFutures()),
        DEMO.rest_url: (KrakenFutures(DEMO, DEMO_VENUE),),
        "http://127.0.0.1:9": (
            BinanceSpot(Endpoints(stream_url="ws://127.0.0.1:9/x", rest_url="http://127.0.0.1:9")),
        ),
    }
    for rest_url, providers in rest_urls.items():
        for history in (provider.history() for provider in providers):
            assert history is not None
            assert history._client._limits is limits_of(rest_url, partial(pytest.fail, "nobody asked before"))  # type: ignore[attr-defined]
