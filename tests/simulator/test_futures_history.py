"""The past of the simulated Kraken Futures through real sockets: pages equal its ledger, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import trio

from core.bars.candles import CANDLE
from core.bars.timeframes import Timeframe
from core.clock import DAY_NS, NS_PER_MS, NS_PER_S, wall_ns
from core.errors import NotFoundError, RefusedError, ResourceExhaustedError
from core.model.fixedpoint import parse_price, parse_quantity, quantities_e8
from core.model.instruments import Instrument
from core.model.records import BUY, F_PUBLISHER_SPECIFIC, F_RECOVERED, SELL, Records
from providers.base import Historical, HistoricalById
from providers.kraken.futures import errors, limits
from providers.kraken.futures.history import KrakenFuturesHistory
from providers.simulated import futures_pages, guard, past_pages, venue
from providers.simulated.futures_market import FuturesFloor, PastTrade
from providers.simulated.market import MarketSource
from providers.simulated.recording import Recording
from providers.venue.http_client import Patience
from tests.unit.providers.kraken.futures_support import SESSION, products, recorded_products
from tests.unit.providers.simulated.raw_client import connected, running

EVER = 2**62
YEAR_2020_NS = 1_577_836_800 * NS_PER_S
LONG_AGO_NS = YEAR_2020_NS + 1234 * DAY_NS
PATIENCE = Patience(attempts=12, budget_s=60.0, timeout_s=20.0)
PRODUCTS = ("PI_XBTUSD", "PF_XBTUSD")


@pytest.fixture
def floors(monkeypatch: pytest.MonkeyPatch) -> list[FuturesFloor]:
    """The floors of the venues that the test starts: their ledgers are what histories must equal."""
    found: list[FuturesFloor] = []

    def floor(source: MarketSource) -> FuturesFloor:
        found.append(made := FuturesFloor(source))
        return made

    monkeypatch.setattr(venue, "FuturesFloor", floor)
    return found


async def _whole(history: KrakenFuturesHistory, instrument: Instrument, start_ns: int, end_ns: int) -> Records:
    pages = [page async for page in history.trades(instrument, start_ns=start_ns, end_ns=end_ns)]
    assert all(page.rejected == 0 and not page.ids.any() and len(page.ids) == len(page.records) for page in pages)
    return np.concatenate([page.records for page in pages])


async def _bars(history: Historical, timeframe: Timeframe, *, end_ns: int = EVER, start_ns: int = 0) -> Records:
    pages = [
        page async for page in history.bars(products()["PI_XBTUSD"], timeframe, start_ns=start_ns, end_ns=end_ns)
    ]
    assert all(page.rejected == 0 for page in pages)
    return np.concatenate([page.bars for page in pages])


def _assert_equal(records: Records, trades: Sequence[PastTrade], instrument: Instrument) -> None:
    """Trade for trade: instants, prices, quantities and sides are equal, and each is marked as asked for."""
    assert records["ts_event"].tolist() == [trade.time_ms * NS_PER_MS for trade in trades]
    assert records["price"].tolist() == [parse_price(trade.price) for trade in trades]
    assert quantities_e8(records).tolist() == [parse_quantity(trade.quantity) for trade in trades]
    assert records["side"].tolist() == [BUY if trade.buy else SELL for trade in trades]
    assert (records["publisher_id"] == instrument.publisher_id).all()
    assert (records["instrument_id"] == instrument.instrument_id).all()
    assert (records["flags"] & ~np.uint8(F_PUBLISHER_SPECIFIC) & F_RECOVERED == F_RECOVERED).all()


async def _grown(floor: FuturesFloor, product: str, count: int) -> list[PastTrade]:
    while len(trades := list(floor.past_trades(product))) < count:
        await trio.sleep(0.02)
    return trades


@pytest.mark.trio
@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("faults", ["", "rate-limit=9,maintenance=4,half-answer=5,ban=17"])
async def test_pages_equal_the_ledger(
    floors: list[FuturesFloor], monkeypatch: pytest.MonkeyPatch, product: str, faults: str
) -> None:
    """Small pages of a market that goes on: whole, in order, none twice, whatever goes wrong with an answer."""
    monkeypatch.setattr(futures_pages, "PAGE", 50)
    monkeypatch.setattr(errors, "_RATE_S", 0.2)
    instrument = products()[product]
    async with running("kraken_futures", MarketSource(3, ("BTCUSD",), rate=40.0), faults=faults) as simulated:
        history = KrakenFuturesHistory(simulated.rest_url, patience=PATIENCE)
        trades = await _grown(floors[-1], product, 300)
        trades = [trade for trade in trades if trade.time_ms < trades[-1].time_ms]
        end_ns = trades[-1].time_ms * NS_PER_MS + 1
        _assert_equal(await _whole(history, instrument, 0, end_ns), trades, instrument)
        start_ns, end_ns = (trades[at].time_ms * NS_PER_MS for at in (40, 200))
        middle = [trade for trade in trades if start_ns <= trade.time_ms * NS_PER_MS < end_ns]
        _assert_equal(await _whole(history, instrument, start_ns, end_ns), middle, instrument)
        first_ns = (await history.availability(instrument)).first_trade_ns
        assert first_ns == trades[0].time_ms * NS_PER_MS
    assert not isinstance(history, HistoricalById)


@pytest.mark.trio
async def test_bars_are_those_of_the_trades(floors: list[FuturesFloor], monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue's closed candles equal the bars made here of its trades, over pages, but for the trades' number."""
    monkeypatch.setattr(past_pages, "CANDLES", 2)
    async with running("kraken_futures", MarketSource(3, ("BTCUSD",), rate=0.01)) as simulated:
        history = KrakenFuturesHistory(simulated.rest_url, patience=PATIENCE)
        told = await _bars(history, Timeframe.MINUTE)
        assert len(told) >= 3
        end_ns = int(told["ts_event"][-1]) + 60 * NS_PER_S
        made = Timeframe.MINUTE.bars(await _whole(history, products()["PI_XBTUSD"], 0, end_ns))
        for name in CANDLE.names or ():
            assert (told[name] == (0 if name == "trades" else made[name])).all()
        part = await _bars(
            history, Timeframe.MINUTE, start_ns=int(told["ts_event"][1]), end_ns=end_ns - 60 * NS_PER_S
        )
        assert part.tolist() == told[1:-1].tolist()


@pytest.mark.trio
async def test_weeks_that_begin_elsewhere_are_refused() -> None:
    """No candle of another week is taken for one of ours, and other lengths are told."""
    async with running("kraken_futures", MarketSource(3, ("BTCUSD",))) as simulated:
        history = KrakenFuturesHistory(simulated.rest_url, patience=PATIENCE)
        with pytest.raises(RefusedError, match="1w begin at other instants"):
            await _bars(history, Timeframe.WEEK)
        now_ns = wall_ns()
        pages = history.bars(products()["PI_XBTUSD"], Timeframe.DAY, start_ns=now_ns - now_ns % DAY_NS, end_ns=EVER)
        assert [page async for page in pages] == [], "today is not over"


@pytest.mark.trio
async def test_what_is_not_offered_is_not_found() -> None:
    """An unknown product is an error in the venue's words, for trades, bars and availability."""
    unknown = products()["PI_ETHUSD"]
    async with running("kraken_futures", MarketSource(3, ("BTCUSD",))) as simulated:
        history = KrakenFuturesHistory(simulated.rest_url, patience=PATIENCE)
        with pytest.raises(NotFoundError, match="notFound"):
            await history.availability(unknown)
        with pytest.raises(NotFoundError, match="notFound"):
            await _whole(history, unknown, 0, EVER)
        with pytest.raises(NotFoundError, match="notFound"):
            await anext(history.bars(unknown, Timeframe.HOUR, start_ns=0, end_ns=EVER))


@pytest.mark.trio
async def test_a_range_without_trades_is_empty() -> None:
    """Before the first trade and after the last there is no page and no error."""
    async with running("kraken_futures", MarketSource(3, ("BTCUSD",))) as simulated:
        history = KrakenFuturesHistory(simulated.rest_url, patience=PATIENCE)
        later_ns = wall_ns() + 3600 * NS_PER_S
        for start_ns, end_ns in ((1, NS_PER_S), (later_ns, EVER), (later_ns, later_ns)):
            instrument = products()["PI_XBTUSD"]
            assert [page async for page in history.trades(instrument, start_ns=start_ns, end_ns=end_ns)] == []
            bars = history.bars(instrument, Timeframe.MINUTE, start_ns=start_ns, end_ns=end_ns)
            assert [page async for page in bars] == []


@pytest.mark.trio
async def test_the_pool_is_kept_and_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps the limits is never refused; the venue refuses others in its words, and charts cost nothing."""
    monkeypatch.setattr(guard, "FUTURES_POOL", 3)
    impatient = Patience(attempts=1, budget_s=1.0)
    instrument = products()["PI_XBTUSD"]
    async with running("kraken_futures", MarketSource(3, ("BTCUSD",))) as simulated:
        for _ in range(3):
            await KrakenFuturesHistory(simulated.rest_url, patience=impatient).availability(instrument)
        with pytest.raises(ResourceExhaustedError, match="apiLimitExceeded"):
            await KrakenFuturesHistory(simulated.rest_url, patience=impatient).availability(instrument)
        monkeypatch.setattr(limits, "POOL", 1)
        keeping = KrakenFuturesHistory(simulated.rest_url, limits=limits.host_limits(), patience=impatient)
        async for page in keeping.bars(instrument, Timeframe.HOUR, start_ns=0, end_ns=EVER):
            assert page.rejected == 0
        with pytest.raises(ResourceExhaustedError, match="apiLimitExceeded"):
            await keeping.availability(instrument)
        with pytest.raises(ResourceExhaustedError, match="too many requests"):
            await keeping.availability(instrument)


@pytest.mark.trio
@pytest.mark.parametrize("product", PRODUCTS)
async def test_every_run_has_the_same_long_past(monkeypatch: pytest.MonkeyPatch, product: str) -> None:
    """Two runs of a seed tell of the same trades of years ago, over pages, and of the candles of those trades."""
    monkeypatch.setattr(futures_pages, "PAGE", 300)
    instrument, start_ns = products()[product], LONG_AGO_NS
    end_ns = start_ns + 1800 * NS_PER_S
    told = []
    for began_ms in (wall_ns() // NS_PER_MS, wall_ns() // NS_PER_MS - 900_000):
        async with running("kraken_futures", MarketSource(3, ("BTCUSD",), first_id=began_ms)) as simulated:
            history = KrakenFuturesHistory(simulated.rest_url, patience=PATIENCE)
            records = await _whole(history, instrument, start_ns, end_ns)
            pages = [
                page.bars
                async for page in history.bars(instrument, Timeframe.MINUTE, start_ns=start_ns, end_ns=end_ns)
            ]
            first_ns = (await history.availability(instrument)).first_trade_ns or 0
        assert 0 <= first_ns - YEAR_2020_NS < 60 * NS_PER_S
        bars, made = np.concatenate(pages), Timeframe.MINUTE.bars(records)
        assert len(bars) == 30
        for name in CANDLE.names or ():
            assert (bars[name] == (0 if name == "trades" else made[name])).all()
        told.append([records[name].tolist() for name in records.dtype.names or () if name != "ts_recv"])
    assert len(records) > 600
    assert told[0] == told[1]


@pytest.mark.trio
async def test_the_long_past_leads_up_to_what_is_kept(floors: list[FuturesFloor]) -> None:
    """Trades of before a run and of the run are told as one, in the order of time."""
    instrument = products()["PF_XBTUSD"]
    source = MarketSource(3, ("BTCUSD",), first_id=wall_ns() // NS_PER_MS)
    async with running("kraken_futures", source) as simulated:
        history = KrakenFuturesHistory(simulated.rest_url, patience=PATIENCE)
        first_ns = next(iter(floors[-1].past_trades("PF_XBTUSD"))).time_ms * NS_PER_MS
        told = await _whole(history, instrument, first_ns - 1200 * NS_PER_S, EVER)
    instants = told["ts_event"].astype(np.int64)
    assert (np.diff(instants) >= 0).all()
    assert (instants < first_ns).sum() > 300
    assert (instants >= first_ns).sum() >= 50


@pytest.mark.trio
async def test_a_recording_tells_what_was_played(captures: Path) -> None:
    """The real session: nothing before it was played, then the trades of its snapshots and those that followed."""
    folder = captures / "kraken_futures"
    paths = [folder / SESSION, folder / "rest_instruments_20210722.json"]
    instrument = recorded_products(captures)["PI_ETHUSD"]
    recording = Recording.open(paths, protocol="kraken_futures", speed=None)
    async with running("kraken_futures", recording) as simulated:
        history = KrakenFuturesHistory(simulated.rest_url, patience=PATIENCE)
        assert (await history.availability(instrument)).first_trade_ns is None
        async with connected(simulated) as client:
            await client.send({"event": "subscribe", "feed": "trade", "product_ids": ["PI_ETHUSD"]})
            await client.drain()
        told = await _whole(history, instrument, 0, EVER)
    assert len(told) >= 100
    assert all(early <= late for early, late in pairwise(told["ts_event"].tolist()))
