"""The past of the simulated venue through real sockets: pages equal its ledger, limits and faults or none."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import trio

from core.bars.timeframes import Timeframe
from core.clock import DAY_NS, NS_PER_MS, NS_PER_S, wall_ns
from core.errors import NotFoundError, ResourceExhaustedError
from core.model.fixedpoint import parse_price, parse_quantity, quantities_e8
from core.model.instruments import Instrument
from core.model.records import BUY, SELL
from providers.base import BarPage, Historical, HistoricalById, TradePage
from providers.binance import history as binance_module
from providers.binance.history import BinanceHistory
from providers.kraken.spot import errors as kraken_errors
from providers.kraken.spot import history as kraken_module
from providers.kraken.spot.history import KrakenHistory
from providers.simulated import guard, venue
from providers.simulated.binance_market import BinanceFloor
from providers.simulated.kraken_market import KrakenFloor
from providers.simulated.ledger import Fill
from providers.simulated.market import MarketSource
from providers.simulated.recording import Recording
from providers.venue.http_client import Patience
from providers.venue.ratelimit import HostLimits, TokenLimit
from tests.unit.providers.binance.support import instrument as binance_instrument
from tests.unit.providers.kraken.support import instrument as kraken_instrument
from tests.unit.providers.simulated.raw_client import connected, kraken_subscribe, running

EVER = 2**62
YEAR_2020_NS = 1_577_836_800 * NS_PER_S
LONG_AGO_NS = YEAR_2020_NS + 1234 * DAY_NS
FLOAT_TIME_NS = 1000
PATIENCE = Patience(attempts=12, budget_s=60.0, timeout_s=20.0)
INSTRUMENTS = {"kraken": kraken_instrument(), "binance": binance_instrument()}
NAMES = {"kraken": "BTC/USD", "binance": "BTCUSDT"}


@pytest.fixture
def floors(monkeypatch: pytest.MonkeyPatch) -> list[KrakenFloor | BinanceFloor]:
    """The floors of the venues that the test starts: their ledgers are what histories must equal."""
    found: list[KrakenFloor | BinanceFloor] = []

    def kraken(source: MarketSource) -> KrakenFloor:
        found.append(floor := KrakenFloor(source))
        return floor

    def binance(source: MarketSource) -> BinanceFloor:
        found.append(floor := BinanceFloor(source))
        return floor

    monkeypatch.setattr(venue, "KrakenFloor", kraken)
    monkeypatch.setattr(venue, "BinanceFloor", binance)
    return found


def _quick_limits() -> HostLimits:
    return HostLimits({"pair": lambda: TokenLimit(1, NS_PER_MS), "address": lambda: TokenLimit(1, NS_PER_MS)})


def _history(protocol: str, url: str) -> KrakenHistory | BinanceHistory:
    if protocol == "kraken":
        return KrakenHistory(url, limits=_quick_limits(), patience=PATIENCE)
    return BinanceHistory(url, patience=PATIENCE)


async def _whole(pages: AsyncIterator[TradePage]) -> TradePage:
    found = [page async for page in pages]
    return TradePage(
        records=np.concatenate([page.records for page in found]),
        ids=np.concatenate([page.ids for page in found]),
        rejected=sum(page.rejected for page in found),
    )


async def _bars(pages: AsyncIterator[BarPage]) -> BarPage:
    found = [page async for page in pages]
    return BarPage(bars=np.concatenate([page.bars for page in found]), rejected=sum(page.rejected for page in found))


def _assert_equal(page: TradePage, fills: Sequence[Fill], instrument: Instrument) -> None:
    """Trade for trade: ids, prices, quantities and sides are equal, times to the error of a float."""
    records = page.records
    assert page.rejected == 0
    assert page.ids.tolist() == [fill.trade_id for fill in fills]
    assert records["price"].tolist() == [parse_price(fill.price) for fill in fills]
    assert quantities_e8(records).tolist() == [parse_quantity(fill.quantity) for fill in fills]
    assert records["side"].tolist() == [BUY if fill.buy else SELL for fill in fills]
    late_ns = records["ts_event"].astype(np.int64) - np.array([fill.at_ns for fill in fills])
    assert np.abs(late_ns).max() <= FLOAT_TIME_NS
    assert (records["publisher_id"] == instrument.publisher_id).all()
    assert (records["instrument_id"] == instrument.instrument_id).all()


async def _grown(floor: KrakenFloor | BinanceFloor, protocol: str, count: int) -> list[Fill]:
    while len(fills := floor.past(NAMES[protocol])) < count:
        await trio.sleep(0.02)
    return fills


def _quiet_instant(fills: Sequence[Fill]) -> int:
    """An instant between two trades that no rounding moves across it."""
    return next(late.at_ns - 5000 for early, late in pairwise(fills) if late.at_ns - early.at_ns > 10_000)


@pytest.mark.trio
@pytest.mark.parametrize("protocol", ["kraken", "binance"])
async def test_pages_equal_the_ledger(
    floors: list[KrakenFloor | BinanceFloor],
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
) -> None:
    """Small pages of a market that goes on: whole, in order, none twice; then the same with limits and faults."""
    for module in (kraken_module, binance_module):
        monkeypatch.setattr(module, "PAGE", 50)
    monkeypatch.setattr(guard, "KRAKEN_BURST", 1000)
    monkeypatch.setitem(kraken_errors._EXHAUSTED, "EAPI:Rate limit exceeded", 0.2)
    instrument = INSTRUMENTS[protocol]
    for faults in ("", "rate-limit=9,maintenance=4,half-answer=5,ban=17"):
        source = MarketSource(3, ("BTCUSD",), rate=40.0)
        async with running(protocol, source, faults=faults) as simulated:  # type: ignore[arg-type]
            history = _history(protocol, simulated.rest_url)
            floors[-1].past(NAMES[protocol])
            fills = await _grown(floors[-1], protocol, 300)
            fills = [fill for fill in fills if fill.at_ns < fills[-1].at_ns]
            end_ns = fills[-1].at_ns + 1
            whole = await _whole(history.trades(instrument, start_ns=0, end_ns=end_ns))
            _assert_equal(whole, fills, instrument)
            start_ns, end_ns = fills[40].at_ns, _quiet_instant(fills[200:])
            middle = [fill for fill in fills if start_ns <= fill.at_ns < end_ns]
            part = await _whole(history.trades(instrument, start_ns=start_ns, end_ns=end_ns))
            _assert_equal(part, middle, instrument)
            if isinstance(history, HistoricalById):
                first, last = fills[3].trade_id, fills[77].trade_id
                numbered = await _whole(history.trades_from_id(instrument, first_id=first, last_id=last))
                _assert_equal(numbered, fills[3:78], instrument)
            first_ns = (await history.availability(instrument)).first_trade_ns
            assert first_ns is not None
            assert abs(first_ns - fills[0].at_ns) <= FLOAT_TIME_NS


@pytest.mark.trio
@pytest.mark.parametrize("protocol", ["kraken", "binance"])
async def test_bars_are_those_of_the_trades(floors: list[KrakenFloor | BinanceFloor], protocol: str) -> None:
    """The venue's closed bars equal the bars made here of its trades."""
    async with running(protocol, MarketSource(3, ("BTCUSD",), rate=0.01)) as simulated:  # type: ignore[arg-type]
        history: Historical = _history(protocol, simulated.rest_url)
        instrument = INSTRUMENTS[protocol]
        told = await _bars(history.bars(instrument, Timeframe.MINUTE, start_ns=0, end_ns=EVER))
        assert told.rejected == 0
        assert len(told.bars) >= 1
        end_ns = int(told.bars["ts_event"][-1]) + 60 * NS_PER_S
        trades = await _whole(history.trades(instrument, start_ns=0, end_ns=end_ns))
        assert Timeframe.MINUTE.bars(trades.records).tolist() == told.bars.tolist()


@pytest.mark.trio
@pytest.mark.parametrize("protocol", ["kraken", "binance"])
async def test_what_is_not_offered_is_not_found(protocol: str) -> None:
    """An unknown market is an error in the venue's words, and nothing is asked twice for it."""
    unknown = kraken_instrument("NO/PE") if protocol == "kraken" else binance_instrument("NOPEUSDT")
    async with running(protocol, MarketSource(3, ("BTCUSD",))) as simulated:  # type: ignore[arg-type]
        with pytest.raises(NotFoundError):
            await _history(protocol, simulated.rest_url).availability(unknown)


@pytest.mark.trio
@pytest.mark.parametrize("protocol", ["kraken", "binance"])
async def test_a_range_without_trades_is_empty(protocol: str) -> None:
    """Before the first trade and after the last there is no page and no error."""
    async with running(protocol, MarketSource(3, ("BTCUSD",))) as simulated:  # type: ignore[arg-type]
        history = _history(protocol, simulated.rest_url)
        for start_ns, end_ns in ((1, NS_PER_S), (wall_ns() + 3600 * NS_PER_S, EVER)):
            pages = history.trades(INSTRUMENTS[protocol], start_ns=start_ns, end_ns=end_ns)
            assert [page async for page in pages] == []


@pytest.mark.trio
async def test_the_live_feed_and_the_past_tell_the_same_trades(floors: list[KrakenFloor | BinanceFloor]) -> None:
    """What came over the socket is found again over REST, by id, to the digit."""
    async with (
        running("kraken", MarketSource(5, ("BTCUSD",), rate=5.0)) as simulated,
        connected(simulated) as client,
    ):
        await client.send(kraken_subscribe("trade", "BTC/USD", snapshot=True))
        heard = await client.until(lambda message: message.get("channel") == "trade")
        whole = await _whole(
            _history("kraken", simulated.rest_url).trades(kraken_instrument(), start_ns=0, end_ns=EVER)
        )
    by_id = {int(number): at for at, number in enumerate(whole.ids)}
    assert len(heard["data"]) == 50
    for row in heard["data"]:
        record = whole.records[by_id[row["trade_id"]]]
        assert record["price"] == parse_price(str(row["price"]))
        assert record["side"] == (BUY if row["side"] == "buy" else SELL)


def _told(page: TradePage) -> list[tuple[object, ...]]:
    # All but when it was received.
    names = [name for name in page.records.dtype.names or () if name != "ts_recv"]
    return [*zip(page.ids.tolist(), *(page.records[name].tolist() for name in names), strict=True)]


@pytest.mark.trio
@pytest.mark.parametrize("protocol", ["kraken", "binance"])
async def test_every_run_has_the_same_long_past(protocol: str) -> None:
    """Two runs of a seed tell of the same trades of years ago, by time and by number; another seed has its own."""
    instrument = INSTRUMENTS[protocol]
    start_ns, end_ns = LONG_AGO_NS, LONG_AGO_NS + 2400 * NS_PER_S
    told = []
    for seed, began_ms in ((3, wall_ns() // NS_PER_MS), (3, wall_ns() // NS_PER_MS - 900_000), (4, 2**41)):
        async with running(protocol, MarketSource(seed, ("BTCUSD",), first_id=began_ms)) as simulated:  # type: ignore[arg-type]
            history = _history(protocol, simulated.rest_url)
            whole = await _whole(history.trades(instrument, start_ns=start_ns, end_ns=end_ns))
            first_ns = (await history.availability(instrument)).first_trade_ns or 0
            if isinstance(history, HistoricalById):
                numbers = int(whole.ids[9]), int(whole.ids[19])
                part = await _whole(history.trades_from_id(instrument, first_id=numbers[0], last_id=numbers[1]))
                assert _told(part) == _told(whole)[9:20]
        assert 0 <= first_ns - YEAR_2020_NS < 60 * NS_PER_S
        told.append(_told(whole))
    assert len(told[0]) > 1000
    assert told[0] == told[1] != told[2]
    ids, instants = whole.ids, whole.records["ts_event"]
    assert (ids == instants // NS_PER_MS).all()
    assert (np.diff(ids) > 0).all()
    assert start_ns <= instants[0] < instants[-1] < end_ns


@pytest.mark.trio
@pytest.mark.parametrize("protocol", ["kraken", "binance"])
async def test_the_long_past_leads_up_to_what_is_kept(
    floors: list[KrakenFloor | BinanceFloor], protocol: str
) -> None:
    """Trades of before a run and of the run are one, in time and in number; bars are those of both."""
    instrument = INSTRUMENTS[protocol]
    source = MarketSource(3, ("BTCUSD",), first_id=wall_ns() // NS_PER_MS)
    async with running(protocol, source) as simulated:  # type: ignore[arg-type]
        history = _history(protocol, simulated.rest_url)
        first_ns = floors[-1].past(NAMES[protocol])[0].at_ns
        start_ns = (first_ns // NS_PER_S // 60 - 20) * 60 * NS_PER_S
        bars = (await _bars(history.bars(instrument, Timeframe.MINUTE, start_ns=start_ns, end_ns=EVER))).bars
        trades = await _whole(history.trades(instrument, start_ns=start_ns, end_ns=EVER))
    assert (np.diff(trades.ids) > 0).all()
    assert (np.diff(trades.records["ts_event"].astype(np.int64)) >= 0).all()
    early = trades.records["ts_event"].astype(np.int64) < first_ns - FLOAT_TIME_NS
    assert early.sum() > 300
    assert (~early).sum() >= 50
    assert trades.ids[~early][0] > source.first_id > trades.ids[early][-1]
    over = trades.records[trades.records["ts_event"] < int(bars["ts_event"][-1]) + 60 * NS_PER_S]
    assert int(bars["ts_event"][0]) == start_ns
    assert Timeframe.MINUTE.bars(over).tolist() == bars.tolist()


@pytest.mark.trio
async def test_days_of_years_ago_have_bars() -> None:
    """Binance tells of any day's bars; Kraken of its newest."""
    source = MarketSource(3, ("BTCUSD",), first_id=wall_ns() // NS_PER_MS)
    async with running("binance", source) as simulated:
        history = _history("binance", simulated.rest_url)
        pages = history.bars(
            INSTRUMENTS["binance"], Timeframe.DAY, start_ns=LONG_AGO_NS, end_ns=LONG_AGO_NS + 9 * DAY_NS
        )
        days = (await _bars(pages)).bars["ts_event"].tolist()
    assert days == [LONG_AGO_NS + day * DAY_NS for day in range(9)]
    async with running("kraken", source) as simulated:
        pages = _history("kraken", simulated.rest_url).bars(
            INSTRUMENTS["kraken"], Timeframe.MINUTE, start_ns=LONG_AGO_NS, end_ns=EVER
        )
        minutes = (await _bars(pages)).bars["ts_event"]
    assert 0 <= len(minutes) - kraken_module.BARS_AT_MOST <= 1, "the newest may be over"
    assert (np.diff(minutes.astype(np.int64)) == 60 * NS_PER_S).all()


def _recorded(tmp_path: Path) -> tuple[Recording, list[Fill]]:
    fills = [
        Fill(100 + at, (1_700_000_000_000 + 7 * at) * NS_PER_MS, at % 3 == 0, f"{40 + at}.5", "0.25")
        for at in range(90)
    ]
    rows = [
        f'{fill.at_ns} {{"stream":"btcusdt@trade","data":{{"e":"trade","E":1,"s":"BTCUSDT","t":{fill.trade_id},'
        f'"p":"{fill.price}","q":"{fill.quantity}","T":{fill.at_ns // NS_PER_MS},'
        f'"m":{"false" if fill.buy else "true"},"M":true}}}}'
        for fill in fills
    ]
    path = tmp_path / "capture.txt"
    path.write_text("\n".join(rows) + "\n")
    return Recording.open([path], protocol="binance", speed=None), fills


@pytest.mark.trio
async def test_a_recording_tells_what_was_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything was played there is no past; afterwards it is the recording's trades."""
    monkeypatch.setattr(binance_module, "PAGE", 40)
    recording, fills = _recorded(tmp_path)
    async with running("binance", recording) as simulated:
        history = BinanceHistory(simulated.rest_url)
        assert (await history.availability(binance_instrument())).first_trade_ns is None
        async with connected(simulated) as client:
            await client.send({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1})
            await client.drain()
        whole = await _whole(history.trades(binance_instrument(), start_ns=0, end_ns=EVER))
    _assert_equal(whole, fills, binance_instrument())


@pytest.mark.trio
async def test_a_recording_of_kraken_tells_what_was_played(tmp_path: Path) -> None:
    """Rows of one frame are told one by one; a row that is no trade is left out."""
    row = '{{"symbol":"BTC/USD","side":"buy","price":{},"qty":2.50000000,"trade_id":{},'
    row += '"timestamp":"2023-11-14T22:13:2{}.5Z"}}'
    rows = ",".join([row.format("42000.1", 7, 0), row.format("42000.2", 8, 1), row.format('"x"', 9, 2)])
    path = tmp_path / "capture.txt"
    path.write_text(f'1700000000000000000 {{"channel":"trade","type":"update","data":[{rows}]}}\n')
    recording = Recording.open([path], protocol="kraken", speed=None)
    async with running("kraken", recording) as simulated:
        async with connected(simulated) as client:
            await client.send(kraken_subscribe("trade", "BTC/USD"))
            await client.drain()
        whole = await _whole(
            _history("kraken", simulated.rest_url).trades(kraken_instrument(), start_ns=0, end_ns=EVER)
        )
    assert whole.ids.tolist() == [7, 8]
    assert whole.records["price"].tolist() == [42000_100_000_000, 42000_200_000_000]


@pytest.mark.trio
async def test_the_venues_weight_is_enforced_and_then_banned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the minute's weight comes 429 with the wait to the minute's end, and 418 to whoever goes on."""
    monkeypatch.setattr(guard, "WEIGHT_A_MINUTE", 20)
    monkeypatch.setattr(venue, "wall_ns", lambda: 30 * NS_PER_S)
    impatient = Patience(attempts=1, budget_s=1.0)
    async with running("binance", MarketSource(3, ("BTCUSD",))) as simulated:
        waits: list[tuple[str, float]] = []
        for _ in range(guard.REFUSALS_BEFORE_BAN + 1):
            with pytest.raises(ResourceExhaustedError) as caught:
                await BinanceHistory(simulated.rest_url, patience=impatient).availability(binance_instrument())
            waits.append((caught.value.subject, caught.value.retry_after_s))
    assert all((subject, wait_s) == ("HTTP 429", 30) for subject, wait_s in waits[:-1])
    assert waits[-1] == ("HTTP 418: we are banned", guard.BAN_S)


@pytest.mark.trio
async def test_krakens_counter_is_enforced() -> None:
    """More than fifteen questions at once about one pair are refused in Kraken's words; other pairs are not."""
    impatient = Patience(attempts=1, budget_s=1.0)
    refused = 0
    async with running("kraken", MarketSource(3, ("BTCUSD", "ETHUSD"))) as simulated:
        for _ in range(guard.KRAKEN_BURST + 5):
            with contextlib.suppress(ResourceExhaustedError):
                await KrakenHistory(simulated.rest_url, patience=impatient).availability(kraken_instrument())
                continue
            refused += 1
        await KrakenHistory(simulated.rest_url, patience=impatient).availability(kraken_instrument("ETH/USD"))
    assert refused >= 1
