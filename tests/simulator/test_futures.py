"""Kraken Futures through the whole engine: the simulated venue, its faults, and the real session."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from config.paths import find_paths
from console.journal import Journal
from console.plan import FeedPlan
from console.supervise import Engine
from core.model.fixedpoint import quantities_e8
from core.model.records import F_MAYBE_BAD_BOOK, F_SNAPSHOT, Records, Schema
from core.store.history import EmbeddedHistory
from core.store.repository import SeriesKey
from providers.base import BookState, Endpoints, FeedCounters
from providers.connection import ConnectionState
from providers.kraken.futures import provider as provider_module
from providers.kraken.futures.provider import KrakenFutures
from providers.simulated.market import MarketSource
from tests.simulator.test_engine import feed_of, make_plan, run_until
from tests.unit.providers.binance.support import KeepingSink
from tests.unit.providers.kraken.futures_support import SESSION, recorded_session
from tests.unit.providers.simulated.raw_client import running

DEADLINE_S = 60
SIMULATED = "SIM.KRAKEN_FUTURES"


def _read(venue: str, symbol: str, schema: Schema) -> Records:
    return EmbeddedHistory(find_paths().data / "ticks").read(SeriesKey(venue, symbol, schema), 0, 2**62)


def _uncrossed(books: Records) -> bool:
    shown = books[books["flags"] & F_MAYBE_BAD_BOOK == 0]
    return len(shown) > 0 and bool((shown["bid_px_00"] < shown["ask_px_00"]).all())


def _assert_store_is_rings(summary: dict[str, Any]) -> None:
    committed: dict[str, int] = {}
    for ring in summary["rings"]:
        committed[ring["schema"]] = committed.get(ring["schema"], 0) + ring["committed"]
    store = summary["store"]
    stored = {
        "trades": store["rows"],
        "mbp-1": store["quotes"]["rows"],
        "mbp-10": store["book_updates"]["rows"],
    }
    assert stored == committed
    assert committed["trades"] == sum(row["trades"] for row in summary["feeds"])
    assert committed["mbp-1"] == sum(row["quotes"] for row in summary["feeds"])
    assert store["lost"] == store["rejected"] == 0


@pytest.mark.trio
async def test_everything_that_is_counted_is_stored() -> None:
    """Inverse and linear products side by side: counters, rings and store agree, trades are whole and consecutive."""
    plan = make_plan("BTCUSD", "PF_XBTUSD", "ETHUSD", provider="kraken_futures")
    summary = await run_until(plan, lambda status: feed_of(status, "BTCUSD")["trades"] >= 70)
    _assert_store_is_rings(summary)
    assert {row["symbol"] for row in summary["feeds"]} == {"BTCUSD", "PF_XBTUSD", "ETHUSD"}
    for row in summary["feeds"]:
        assert row["venue"] == SIMULATED
        assert (row["gaps"] + row["book_breaks"], row["rejected"], row["duplicates"], row["problem"]) == (0, 0, 0, "")
        trades = _read(SIMULATED, row["symbol"], Schema.TRADES)
        assert (np.diff(trades["sequence"].astype(np.int64)) == 1).all()
        assert _uncrossed(_read(SIMULATED, row["symbol"], Schema.BOOK))
    contracts = quantities_e8(_read(SIMULATED, "BTCUSD", Schema.TRADES))
    coins = quantities_e8(_read(SIMULATED, "PF_XBTUSD", Schema.TRADES))
    assert (contracts % 10**8 == 0).all(), "an inverse product is traded in whole contracts"
    assert (coins % 10**8 != 0).any()


@pytest.mark.trio
async def test_faults_are_counted_and_survived() -> None:
    """Drops, repeats, disorder, garbage and disconnects: no trade twice, no crossed book, and the engine goes on."""
    faults = "gap=37,duplicate=23,reorder=29,malformed=61,disconnect=400"
    plan = make_plan("BTCUSD", "ETHUSD", provider="kraken_futures", faults=faults)
    summary = await run_until(
        plan,
        lambda status: feed_of(status, "BTCUSD")["reconnects"] >= 2 and feed_of(status, "BTCUSD")["trades"] >= 100,
    )
    _assert_store_is_rings(summary)
    for row in summary["feeds"]:
        trades = _read(SIMULATED, row["symbol"], Schema.TRADES)
        assert len(np.unique(trades["sequence"])) == len(trades) == row["trades"]
        assert _uncrossed(_read(SIMULATED, row["symbol"], Schema.BOOK))
    assert summary["malformed"] > 0
    assert sum(row["duplicates"] for row in summary["feeds"]) > 0
    assert summary["recovered"] > 0


@pytest.mark.trio
async def test_a_missing_change_withholds_one_book_alone() -> None:
    """The book and its quote are marked, and come back with a subscription of their own on the same connection."""
    plan = make_plan("BTCUSD", provider="kraken_futures", faults="gap=150")
    summary = await run_until(plan, lambda status: feed_of(status, "BTCUSD").get("book_breaks", 0) >= 2)
    (row,) = summary["feeds"]
    assert row["reconnects"] == 0
    for schema in (Schema.BOOK, Schema.QUOTES):
        records = _read(SIMULATED, "BTCUSD", schema)
        bad = records["flags"] & F_MAYBE_BAD_BOOK != 0
        assert bad.sum() >= 1
        assert (records["bid_sz_00"][bad] == 0).all()
        assert (records["flags"] & F_SNAPSHOT != 0).sum() >= 2


_REACHED: dict[str, Callable[[FeedCounters, ConnectionState], int]] = {
    "disconnect=90": lambda counters, _: counters.reconnects,
    "truncate=90": lambda counters, _: counters.reconnects,
    "half-open=90": lambda counters, _: counters.reconnects,
    "gap=60": lambda counters, _: counters.gaps + counters.book_breaks,
    "reorder=60": lambda counters, _: counters.gaps + counters.book_breaks,
    "duplicate=20": lambda counters, _: counters.duplicates,
    "malformed=60": lambda _, connection: connection.malformed,
    "skew=20": lambda counters, _: counters.skewed,
    "delay=20": lambda counters, _: counters.trades // 10,
    "bad-checksum=5": lambda counters, _: counters.trades // 10,
}


@pytest.mark.trio
@pytest.mark.parametrize("fault", sorted(_REACHED))
async def test_every_fault_is_seen_and_outlived(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice struck, the book lives again, no trade came twice, no crossed book was ever shown."""
    monkeypatch.setattr(provider_module, "SILENCE_S", 0.5)
    monkeypatch.setattr(provider_module, "ANSWER_S", 0.5)
    async with running("kraken_futures", MarketSource(7), faults=fault) as venue:
        provider = KrakenFutures(Endpoints(stream_url=venue.stream_url, rest_url=venue.rest_url))
        catalogue, sink = await provider.catalogue(), KeepingSink()
        async with trio.open_nursery() as nursery:
            (counters,) = await nursery.start(provider.stream, [catalogue.resolve("BTCUSD")], sink)
            while _REACHED[fault](counters, provider.connection) < 2:
                await trio.sleep(0.01)
            books = counters.book_updates
            while counters.book_state is not BookState.LIVE or counters.book_updates < books + 5:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    trades = sink.channels["PI_XBTUSD", Schema.TRADES].array(Schema.TRADES)
    assert len(np.unique(trades["sequence"])) == len(trades) == counters.trades > 0
    levels = sink.channels["PI_XBTUSD", Schema.BOOK].array(Schema.BOOK)
    shown = levels[levels["flags"] & F_MAYBE_BAD_BOOK == 0]["levels"][:, 0]
    assert (shown["bid_px"] < shown["ask_px"]).all()


@pytest.mark.trio
async def test_the_real_session_arrives_whole(captures: Path) -> None:
    """502 trades and every change of five books at their receipt times; the store holds what the rings got."""
    folder = captures / "kraken_futures"
    recordings = (folder / SESSION, folder / "rest_instruments_20210722.json")
    feed = FeedPlan(provider="kraken_futures", recordings=recordings, speed=None)
    engine = Engine(make_plan(feeds=(feed,), until_end=True), Journal())
    with trio.fail_after(DEADLINE_S):
        summary = await engine.run()
    _assert_store_is_rings(summary)
    assert sum(row["trades"] for row in summary["feeds"]) == 502
    assert sum(row["book_updates"] for row in summary["feeds"]) == 4705
    for row in summary["feeds"]:
        assert row["venue"] == "KRAKEN_FUTURES"
        assert (row["gaps"] + row["book_breaks"], row["rejected"], row["duplicates"], row["reconnects"]) == (
            0,
            0,
            0,
            0,
        )
    (expected,) = [
        (received_ns, json.loads(text, parse_float=Decimal))
        for received_ns, text in recorded_session(captures)
        if '"feed":"trade","product_id":"PI_ETHUSD"' in text and '"event"' not in text and "snapshot" not in text
    ]
    newest = _read("KRAKEN_FUTURES", "PI_ETHUSD", Schema.TRADES)[-1]
    received_ns, message = expected
    assert (newest["ts_recv"], newest["ts_event"]) == (received_ns, message["time"] * 10**6)
    assert (newest["sequence"], newest["price"]) == (message["seq"], int(message["price"] * 10**9))
