"""The watchdog beside a real stream: one symbol of a simulated venue falls silent while the others trade."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
import trio

from core.clock import NS_PER_S, wall_ns
from core.model.symbology import SymbolMap
from providers.base import Endpoints, FeedCounters
from providers.connection import STOPPED, ConnectionState, ConnectionStatus
from providers.simulated.capture_lines import Protocol
from providers.simulated.market import MarketSource
from providers.venue.watchdog import Health, Verdict, Watchdog
from tests.simulator.test_subscribe import PROTOCOLS, PROVIDERS
from tests.unit.providers.binance.support import KeepingSink
from tests.unit.providers.simulated.raw_client import running

LOOK_S = 0.05
"""A look of the test; to the watchdog it is a second, so that its habits are known within one."""
SYMBOLS = ("BTCUSD", "ETHUSD", "SOLUSD", "XRPUSD")
MUTED = {"kraken": "BTC/USD", "binance": "BTCUSDT", "kraken_futures": "PF_XBTUSD"}


def looks(connection: ConnectionState, counters: list[FeedCounters]) -> Iterator[dict[str, Verdict]]:
    """What a watchdog says, look by look."""
    watchdog, now_ns = Watchdog(), wall_ns()
    while True:
        yield watchdog.look(connection, counters, now_ns=now_ns)
        now_ns += NS_PER_S


def chosen(catalogue: SymbolMap, protocol: Protocol) -> list[str]:
    """The symbols of a venue to stream, the one that falls silent first."""
    muted = next(each for each in catalogue.instruments() if each.venue_symbol == MUTED[protocol])
    others = [each for each in catalogue.instruments() if each.base in {"ETH", "SOL", "XRP"}]
    return [muted.symbol, *(each.symbol for each in others)][:5]


@pytest.mark.trio
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_symbol_that_falls_silent_is_stale_and_no_other(protocol: Protocol) -> None:
    """A muted symbol is called stale, with its habit and its neighbours in the reason; they stay
    live throughout. The cancelled stream says that it was stopped."""
    with trio.fail_after(60):
        async with running(protocol, MarketSource(7, SYMBOLS, rate=8), faults=f"mute={MUTED[protocol]}@3s") as venue:
            provider = PROVIDERS[protocol](Endpoints(stream_url=venue.stream_url, rest_url=venue.rest_url))
            catalogue = await provider.catalogue()
            async with trio.open_nursery() as nursery:
                instruments = [catalogue.resolve(symbol) for symbol in chosen(catalogue, protocol)]
                counters = list(await nursery.start(provider.stream, instruments, KeepingSink()))
                seen: dict[str, Counter[Health]] = {each.symbol: Counter() for each in instruments}
                muted = instruments[0].symbol
                for verdicts in looks(provider.connection, counters):
                    for symbol, verdict in verdicts.items():
                        seen[symbol][verdict.health] += 1
                    if seen[muted][Health.STALE] == 3:
                        break
                    await trio.sleep(LOOK_S)
                nursery.cancel_scope.cancel()
    assert (provider.connection.status, provider.connection.reason) == (ConnectionStatus.DISCONNECTED, STOPPED)
    words = r"nothing for (1[6-9]|[2-9]\d) s; usually every (second|[\d.]+ s); %d other symbols are live"
    assert re.fullmatch(words % (len(instruments) - 1), verdicts[muted].reason)
    assert seen[muted][Health.LIVE] > 20
    for symbol in seen.keys() - {muted}:
        assert seen[symbol][Health.STALE] == 0, symbol
        assert verdicts[symbol].health is Health.LIVE


@pytest.mark.trio
async def test_a_venue_that_is_gone_breaks_every_symbol() -> None:
    """When the server goes away every symbol is broken, with what the connection says as the reason."""
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            async with running("kraken", MarketSource(7, SYMBOLS, rate=8)) as venue:
                provider = PROVIDERS["kraken"](Endpoints(stream_url=venue.stream_url, rest_url=venue.rest_url))
                catalogue = await provider.catalogue()
                instruments = [catalogue.resolve(symbol) for symbol in SYMBOLS]
                counters = list(await nursery.start(provider.stream, instruments, KeepingSink()))
                every_look = looks(provider.connection, counters)
                while {verdict.health for verdict in next(every_look).values()} != {Health.LIVE}:
                    await trio.sleep(LOOK_S)
            for verdicts in every_look:
                if all("connection lost" in verdict.reason for verdict in verdicts.values()):
                    break
                await trio.sleep(LOOK_S)
            nursery.cancel_scope.cancel()
    assert len(verdicts) == len(SYMBOLS)
    for verdict in verdicts.values():
        assert verdict.health is Health.BROKEN
        assert re.match(r"connection lost \d.* ago: ", verdict.reason)
