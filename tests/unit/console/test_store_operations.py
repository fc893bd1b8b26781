"""What the control channel may ask of the cache: answered in a thread, and no request harms the engine."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from console.store_operations import store_operations
from core.clock import iso_ns
from core.errors import NotFoundError, RefusedError, UsageError
from core.model.records import Records, Schema
from core.store.cache.memory import InMemoryTickCache
from core.store.repository import SeriesKey
from tests.conformance.ticks import TRADES, ticks


class Cache(InMemoryTickCache):
    """Remembers which threads asked it."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def recent(self, series: SeriesKey, rows: int) -> Records:
        """As it is, remembered."""
        self.threads.add(threading.get_ident())
        return super().recent(series, rows)


def host(venue: str, *symbols: str) -> Any:
    """A feed that streams these."""
    return SimpleNamespace(
        serves=lambda name: name in {"", venue, venue.removeprefix("SIM.")},
        instruments=lambda: {symbol: SimpleNamespace(venue=venue) for symbol in symbols},
    )


async def recent(cache: Cache | None, *, hosts: tuple[Any, ...] = (), **request: Any) -> Any:
    """The answer of an engine with this cache and these feeds."""
    engine: Any = SimpleNamespace(cache=cache, storage=None, hosts=hosts, plan=SimpleNamespace(instance="test"))
    return await store_operations(engine)["recent"](request)


@pytest.mark.trio
async def test_the_cache_is_asked_in_a_thread() -> None:
    """What may have to be asked of Redis does not stop the event loop; names are found in any case."""
    cache = Cache()
    cache.push(TRADES, ticks(range(1, 6)))
    answer = await recent(cache, venue=TRADES.venue.lower(), symbol=TRADES.symbol.lower(), rows=2)
    assert [trade["time"] for trade in answer["trades"]] == [iso_ns(trade["ts_event"]) for trade in answer["trades"]]
    assert not any(trade["quantity"].endswith("0") for trade in answer["trades"])
    assert (answer["venue"], answer["symbol"], len(answer["trades"])) == (TRADES.venue, TRADES.symbol, 2)
    assert cache.threads
    assert threading.get_ident() not in cache.threads


@pytest.mark.trio
async def test_the_venue_may_be_left_out() -> None:
    """When one feed alone streams the symbol it is meant, also by its provider's name; of several one is named."""
    cache = Cache()
    cache.push(SeriesKey("SIM.KRAKEN", "BTCUSD", Schema.TRADES), ticks([1]))
    hosts = (host("SIM.KRAKEN", "BTCUSD"), host("BINANCE", "ETHUSDT"))
    for venue in ("", "kraken", "SIM.KRAKEN"):
        assert (await recent(cache, hosts=hosts, symbol="BTCUSD", venue=venue))["venue"] == "SIM.KRAKEN"
    with pytest.raises(UsageError, match=r"BINANCE, SIM\.KRAKEN"):
        await recent(cache, hosts=(*hosts, host("BINANCE", "BTCUSD")), symbol="BTCUSD")


@pytest.mark.trio
@pytest.mark.parametrize(
    "request_",
    [
        {"venue": "KRAKEN"},
        {"venue": "\ud800", "symbol": "BTCUSD"},
        {"venue": "KRAKEN\n", "symbol": "BTCUSD"},
        {"venue": "KRAKEN", "symbol": "\ud800"},
        {"venue": "KRAKEN", "symbol": "BTCUSD,ETHUSD"},
        {"venue": "KRAKEN", "symbol": "BTCUSD", "rows": 0},
        {"venue": "KRAKEN", "symbol": "BTCUSD", "rows": True},
    ],
)
async def test_a_bad_request_is_refused(request_: dict[str, Any]) -> None:
    """Names that no series has, or too many rows, are refused in words that can be sent; nobody is asked."""
    cache = Cache()
    with pytest.raises(UsageError) as caught:
        await recent(cache, **request_)
    assert f"{caught.value}".isascii()
    assert not cache.threads


@pytest.mark.trio
async def test_nothing_to_answer_is_said() -> None:
    """A series not cached, or a symbol that nobody streams, is not found; an engine without a cache refuses."""
    with pytest.raises(NotFoundError, match="BTCUSD"):
        await recent(Cache(), venue="KRAKEN", symbol="BTCUSD")
    with pytest.raises(NotFoundError, match="no such symbol"):
        await recent(Cache(), symbol="BTCUSD")
    with pytest.raises(RefusedError, match="nothing is cached"):
        await recent(None, venue="KRAKEN", symbol="BTCUSD")
