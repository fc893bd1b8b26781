"""Stored trades against the daily bars of simulated venues, through real sockets: `db verify --against-venue`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from console.plan import FeedPlan
from console.venues import find_endpoints
from console.wiring import make_provider
from core.clock import DAY_NS, NS_PER_MS, iso_ns, utc_day, wall_ns
from core.model.instruments import Instrument
from core.model.records import Records, Schema
from core.store.catalogue import Catalogue
from core.store.repository import Gap, SeriesKey
from providers.base import Historical, TradePage
from providers.binance.history import BinanceHistory
from providers.kraken.futures.history import KrakenFuturesHistory
from providers.kraken.spot.history import KrakenHistory
from providers.simulated.capture_lines import Protocol
from providers.simulated.recording import Recording
from providers.simulated.venue import RunningVenue
from providers.venue.ratelimit import HostLimits, TokenLimit
from tests.conformance.ticks import ticks
from tests.unit.console.batch.running import Console, Done, catalogue_path, fill
from tests.unit.providers.binance.support import instrument as binance_instrument
from tests.unit.providers.kraken.futures_support import products
from tests.unit.providers.kraken.support import instrument as kraken_instrument
from tests.unit.providers.simulated.raw_client import (
    binance_subscribe,
    connected,
    kraken_subscribe,
    running,
)

TODAY = wall_ns() // DAY_NS
DAYS = (TODAY - 5, TODAY - 4, TODAY - 2, TODAY - 1)
A_DAY = 40


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


def _instants() -> list[int]:
    # Forty a day on four days, the first of them at midnight, and one that keeps the last of those days from growing.
    times = [day * DAY_NS + number * 2_100_000 * NS_PER_MS for day in DAYS for number in range(A_DAY)]
    return [*times, TODAY * DAY_NS + NS_PER_MS]


def _kraken_line(number: int, at_ns: int) -> str:
    row = (
        f'{{"symbol":"BTC/USD","side":"buy","price":{42_000 + number * 7 % 50}.1,"qty":0.{number % 9 + 1}0000000,'
        f'"ord_type":"market","trade_id":{number},"timestamp":"{iso_ns(at_ns)[:-4]}Z"}}'
    )
    return f'{{"channel":"trade","type":"update","data":[{row}]}}'


def _binance_line(number: int, at_ns: int) -> str:
    return (
        f'{{"stream":"btcusdt@trade","data":{{"e":"trade","E":1,"s":"BTCUSDT","t":{number},'
        f'"p":"{42_000 + number * 7 % 50}.1","q":"0.{number % 9 + 1}","T":{at_ns // NS_PER_MS},"m":false,"M":true}}}}'
    )


def _futures_line(number: int, at_ns: int) -> str:
    return (
        f'{{"feed":"trade","product_id":"PF_XBTUSD","uid":"u{number}","side":"buy","type":"fill","seq":{number},'
        f'"time":{at_ns // NS_PER_MS},"qty":0.{number % 9 + 1},"price":{42_000 + number * 7 % 50}}}'
    )


LINES: dict[Protocol, Callable[[int, int], str]] = {
    "kraken": _kraken_line,
    "binance": _binance_line,
    "kraken_futures": _futures_line,
}
INSTRUMENTS: dict[Protocol, Instrument] = {
    "kraken": kraken_instrument(),
    "binance": binance_instrument(),
    "kraken_futures": products()["PF_XBTUSD"],
}
SUBSCRIPTIONS: dict[Protocol, dict[str, Any]] = {
    "kraken": kraken_subscribe("trade", "BTC/USD"),
    "binance": binance_subscribe("btcusdt@trade"),
    "kraken_futures": {"event": "subscribe", "feed": "trade", "product_ids": ["PF_XBTUSD"]},
}


def _history(provider: Protocol, url: str) -> Historical:
    if provider == "binance":
        return BinanceHistory(url)
    if provider == "kraken_futures":
        return KrakenFuturesHistory(url)
    quick = HostLimits({name: lambda: TokenLimit(1, NS_PER_MS) for name in ("pair", "address")})
    return KrakenHistory(url, limits=quick)


@asynccontextmanager
async def _venue_of(provider: Protocol, folder: Path) -> AsyncIterator[RunningVenue]:
    """A venue that has traded on some days, at the address in the settings."""
    path = folder / f"{provider}.txt"
    lines = [f"{at_ns} {LINES[provider](number, at_ns)}" for number, at_ns in enumerate(_instants(), start=1)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    async with running(provider, Recording.open([path], protocol=provider, speed=None)) as venue:
        async with connected(venue) as client:
            await client.send(SUBSCRIPTIONS[provider])
            await client.drain()
        yield venue


def _settings(folder: Path, **urls: str) -> Path:
    path = folder / "settings.toml"
    tables = [f'[venues.{name}]\nstream_url = "ws{url[4:]}/x"\nrest_url = "{url}"\n' for name, url in urls.items()]
    path.write_text("".join(tables), encoding="utf-8")
    return path


async def _told(provider: Protocol, venue: RunningVenue) -> TradePage:
    history = _history(provider, venue.rest_url)
    asked = history.trades(INSTRUMENTS[provider], start_ns=0, end_ns=TODAY * DAY_NS + DAY_NS)
    pages = [page async for page in asked]
    return TradePage(
        records=np.concatenate([page.records for page in pages]), ids=np.concatenate([page.ids for page in pages])
    )


def _series(provider: Protocol) -> SeriesKey:
    return SeriesKey(INSTRUMENTS[provider].venue, INSTRUMENTS[provider].symbol, Schema.TRADES)


def _findings(done: Done) -> list[tuple[str, str, str, int]]:
    return [(row["severity"], row["code"], row["day"], row["count"]) for row in done.json["rows"]]


def _middle(records: Records, day: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The records of a day but the first and the last, which may be the edges of what is stored."""
    return np.flatnonzero(records["ts_event"] // np.uint64(DAY_NS) == day)[1:-1]


async def _compared(console: Console, settings: Path, *more: str) -> Done:
    command = ("db", "verify", "--against-venue", "-c", str(settings), "--json", *more)
    return await trio.to_thread.run_sync(lambda: console(*command))


@pytest.mark.trio
@pytest.mark.parametrize("provider", list(LINES))
async def test_what_the_venue_gave_agrees_with_its_bars(provider: Protocol, console: Console, tmp_path: Path) -> None:
    """Every stored day equals the venue's own bar of it, and the day on which nobody traded is no finding."""
    async with _venue_of(provider, tmp_path) as venue:
        told = await _told(provider, venue)
        fill((_series(provider), told.records, int(told.ids[-1])))
        found = await _compared(console, _settings(tmp_path, **{provider: venue.rest_url}))
    assert (found.code, found.json["rows"]) == (0, []), found.out + found.err
    assert [found.json[name] for name in ("venue_days", "agree", "series", "failed", "ok")] == [4, 4, 1, [], True]


@pytest.mark.trio
async def test_lost_trades_are_found_to_the_last(console: Console, tmp_path: Path) -> None:
    """Three trades that a full day lacks are an error, a whole lost day is a warning; recorded holes explain both."""
    series = _series("binance")
    async with _venue_of("binance", tmp_path) as venue:
        settings = _settings(tmp_path, binance=venue.rest_url)
        told = await _told("binance", venue)
        lost = [*_middle(told.records, DAYS[0])[:3], *np.flatnonzero(told.records["ts_event"] // DAY_NS == DAYS[2])]
        fill((series, np.delete(told.records, lost), int(told.ids[-1])))
        found = await _compared(console, settings)
        assert found.code == 10
        assert _findings(found) == [
            ("error", "venue_count", utc_day(DAYS[0] * DAY_NS), 3),
            ("warning", "venue_missing_day", utc_day(DAYS[2] * DAY_NS), A_DAY),
        ]
        assert [row["message"] for row in found.json["rows"]] == [
            "37 trades here, 40 at the venue: 3 are missing",
            "no trades here, 40 trades at the venue; nothing was stored or fetched",
        ]
        assert (found.json["venue_days"], found.json["agree"]) == (4, 2)
        one_day = ("--start", utc_day(DAYS[0] * DAY_NS), "--end", utc_day(DAYS[1] * DAY_NS))
        assert (await _compared(console, settings, *one_day)).json["venue_days"] == 1
        catalogue = Catalogue(catalogue_path())
        noon_ns = DAYS[0] * DAY_NS + DAY_NS // 2
        catalogue.record_gap(Gap(series=series, start_ns=noon_ns, end_ns=noon_ns, rows=3, cause="disconnect"))
        catalogue.record_gap(
            Gap(
                series=series,
                start_ns=DAYS[2] * DAY_NS - 1,
                end_ns=DAYS[3] * DAY_NS,
                rows=A_DAY,
                cause="not streamed",
            )
        )
        catalogue.close()
        found = await _compared(console, settings)
    assert (found.code, [row[0] for row in _findings(found)]) == (0, ["warning", "warning"])
    assert all("which explains it" in row["message"] for row in found.json["rows"])


@pytest.mark.trio
@pytest.mark.parametrize(
    ("provider", "code", "count"), [("binance", "venue_price", 2), ("kraken_futures", "venue_price", 2)]
)
async def test_a_price_that_was_changed_is_found(
    provider: Protocol, code: str, count: int, console: Console, tmp_path: Path
) -> None:
    """One stored trade that costs more than the venue says changes the day's close and high."""
    async with _venue_of(provider, tmp_path) as venue:
        told = await _told(provider, venue)
        last = int(np.flatnonzero(told.records["ts_event"] // np.uint64(DAY_NS) == DAYS[1])[-1])
        records = told.records.copy()
        records["price"][last] = 50_000 * 10**9
        fill((_series(provider), records, int(told.ids[-1])))
        found = await _compared(console, _settings(tmp_path, **{provider: venue.rest_url}))
    assert found.code == 10
    assert _findings(found) == [("error", code, utc_day(DAYS[1] * DAY_NS), count)]
    assert "50000 here" in found.json["rows"][0]["message"]


@pytest.mark.trio
async def test_a_venue_without_counts_is_compared_by_volume(console: Console, tmp_path: Path) -> None:
    """What Kraken Futures' candles have more of is told as volume, exactly."""
    async with _venue_of("kraken_futures", tmp_path) as venue:
        told = await _told("kraken_futures", venue)
        lost = _middle(told.records, DAYS[0])[:1]
        fill((_series("kraken_futures"), np.delete(told.records, lost), 0))
        found = await _compared(console, _settings(tmp_path, kraken_futures=venue.rest_url))
    (row,) = found.json["rows"]
    lacking = int(told.records["size"][lost[0]])
    assert (row["severity"], row["code"]) == ("error", "venue_volume")
    assert row["message"].endswith(f": 0.{lacking // 10_000_000} is missing")


@pytest.mark.trio
async def test_one_venue_that_is_away_does_not_keep_others_from_being_asked(console: Console, tmp_path: Path) -> None:
    """Binance is compared, but for what it does not list; Kraken is not, and says why: 7, 10 if not all is well."""
    async with _venue_of("binance", tmp_path) as venue:
        settings = _settings(tmp_path, kraken="http://127.0.0.1:1", binance=venue.rest_url)
        told = await _told("binance", venue)
        kept = np.delete(told.records, _middle(told.records, DAYS[0])[:1])
        others = ticks(range(1, 4), stamps=[day * DAY_NS for day in DAYS[1:]])
        gone = SeriesKey("BINANCE", "NOPEUSDT", Schema.TRADES)
        no_more = ticks([1], stamps=[DAYS[3] * DAY_NS], series=gone)
        fill((_series("binance"), kept, int(told.ids[-1])), (_series("kraken"), others, 3), (gone, no_more, 1))
        whole = ("--start", utc_day(DAYS[2] * DAY_NS))
        found = await _compared(console, settings, *whole)
        assert (found.code, found.json["venue_days"], found.json["agree"]) == (7, 2, 2)
        assert _findings(found) == [("info", "venue_not_told", utc_day(DAYS[3] * DAY_NS), 1)]
        assert "no such symbol: NOPEUSDT on BINANCE" in found.json["rows"][0]["message"]
        (failure,) = found.json["failed"]
        assert (failure["venue"], failure["symbol"]) == ("KRAKEN", "BTCUSD")
        assert "not compared: BTCUSD on KRAKEN" in found.err
        assert (await _compared(console, settings)).code == 10


@pytest.mark.trio
@pytest.mark.parametrize("provider", ["binance", "kraken_futures"])
async def test_a_simulated_venue_tells_one_past_however_often_it_is_started(
    provider: Protocol, console: Console, tmp_path: Path
) -> None:
    """Two days of the past of one simulated venue agree with the bars of the one that --simulated starts."""
    plan = FeedPlan(provider=provider, simulated=True)
    async with trio.open_nursery() as nursery:
        endpoints, _ = await find_endpoints(plan, nursery)
        made = make_provider(plan, endpoints)
        instrument = (await made.catalogue()).resolve("KAVAUSD" if provider == "kraken_futures" else "KAVAUSDT")
        history = made.history()
        assert history is not None
        asked = history.trades(instrument, start_ns=DAYS[2] * DAY_NS, end_ns=TODAY * DAY_NS)
        pages = [page async for page in asked]
        nursery.cancel_scope.cancel()
    records = np.concatenate([page.records for page in pages])
    series = SeriesKey(instrument.venue, instrument.symbol, Schema.TRADES)
    fill((series, records[:-1], int(pages[-1].ids[-1])))
    found = await _compared(console, _settings(tmp_path), "--simulated")
    assert (found.json["venue_days"], found.json["agree"], found.json["failed"]) == (2, 1, [])
    (row,) = found.json["rows"]
    assert (row["severity"], row["code"]) == ("warning", "venue_count" if provider == "binance" else "venue_volume")
    assert "nothing was stored or fetched from 23:" in row["message"]
