"""The REST side of the simulated venue."""

from __future__ import annotations

import json

import pytest
import trio

from providers.simulated.market import MarketSource
from providers.simulated.universe import UNIVERSE
from providers.simulated.venue import RunningVenue
from tests.unit.providers.simulated.raw_client import Json, running


async def _get(venue: RunningVenue, *targets: str, method: str = "GET") -> list[tuple[int, Json]]:
    """The answers to several requests over one connection."""
    host, port = venue.rest_url.removeprefix("http://").split(":")
    answers = []
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        for target in targets:
            await stream.send_all(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head, body = b"", b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive_some()
            head, _, body = head.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += await stream.receive_some()
            answers.append((int(head.split()[1]), json.loads(body)))
    return answers


@pytest.mark.trio
async def test_asset_pairs() -> None:
    """Kraken's catalogue has every market in the venue's shape, old asset names and keys included."""
    async with running("kraken", MarketSource(1)) as venue:
        whole, one, unknown = await _get(
            venue,
            "/0/public/AssetPairs",
            "/0/public/AssetPairs?pair=XXBTZUSD,SOLUSD",
            "/0/public/AssetPairs?pair=NOPE",
        )
    assert (whole[0], whole[1]["error"]) == (200, [])
    pairs = whole[1]["result"]
    assert len(pairs) == len(UNIVERSE)
    bitcoin = pairs["XXBTZUSD"]
    assert (bitcoin["wsname"], bitcoin["base"], bitcoin["quote"]) == ("XBT/USD", "XXBT", "ZUSD")
    assert (bitcoin["pair_decimals"], bitcoin["lot_decimals"], bitcoin["tick_size"]) == (1, 8, "0.1")
    assert bitcoin["status"] == "online"
    assert pairs["XDGUSD"]["wsname"] == "XDG/USD"
    assert pairs["SOLUSD"]["quote"] == "ZUSD"
    assert set(one[1]["result"]) == {"XXBTZUSD", "SOLUSD"}
    assert unknown == (200, {"error": ["EQuery:Unknown asset pair"]})


@pytest.mark.trio
async def test_exchange_info() -> None:
    """Binance's catalogue has every market with its filters, can be asked for some, and knows wrong names."""
    async with running("binance", MarketSource(1, ("BTCUSDT", "ETHBTC", "SHIBUSD"))) as venue:
        assert venue.symbols == ("BTCUSDT", "ETHBTC", "SHIBUSDT")
        whole, one, some, unknown, broken = await _get(
            venue,
            "/api/v3/exchangeInfo",
            "/api/v3/exchangeInfo?symbol=ETHBTC",
            "/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22%5D",
            "/api/v3/exchangeInfo?symbol=NOPE",
            "/api/v3/exchangeInfo?symbols=x",
        )
    symbols = {each["symbol"]: each for each in whole[1]["symbols"]}
    assert list(symbols) == ["BTCUSDT", "ETHBTC", "SHIBUSDT"]
    filters = {each["filterType"]: each for each in symbols["BTCUSDT"]["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00000001"
    assert (symbols["ETHBTC"]["baseAsset"], symbols["ETHBTC"]["quoteAsset"]) == ("ETH", "BTC")
    assert symbols["BTCUSDT"]["status"] == "TRADING"
    assert [each["symbol"] for each in one[1]["symbols"]] == ["ETHBTC"]
    assert [each["symbol"] for each in some[1]["symbols"]] == ["BTCUSDT"]
    assert unknown == (400, {"code": -1121, "msg": "Invalid symbol."})
    assert (broken[0], broken[1]["code"]) == (400, -1100)


@pytest.mark.trio
async def test_depth() -> None:
    """Depth answers are sorted, limited and uncrossed; bad parameters are refused in Binance's words."""
    async with running("binance", MarketSource(1)) as venue:
        good, none, unknown, zero, huge = await _get(
            venue,
            "/api/v3/depth?symbol=BTCUSDT&limit=5",
            "/api/v3/depth",
            "/api/v3/depth?symbol=NOPE",
            "/api/v3/depth?symbol=BTCUSDT&limit=0",
            f"/api/v3/depth?symbol=BTCUSDT&limit={'9' * 5000}",
        )
    book = good[1]
    bids, asks = ([float(price) for price, _ in book[side]] for side in ("bids", "asks"))
    assert (len(bids), len(asks)) == (5, 5)
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    assert book["lastUpdateId"] > 0
    assert [none[1]["code"], unknown[1]["code"], zero[1]["code"], huge[1]["code"]] == [-1102, -1121, -1100, -1100]


@pytest.mark.trio
async def test_hostile_requests() -> None:
    """Other pages, methods and bytes that are no HTTP get an error each; the venue goes on serving."""
    async with running("kraken", MarketSource(1)) as venue:
        assert [status for status, _ in await _get(venue, "/", "/0/public/Nope", "//[x")] == [404, 404, 400]
        assert [status for status, _ in await _get(venue, "/", method="DELETE")] == [405]
        host, port = venue.rest_url.removeprefix("http://").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(b"\x00\xff not http\r\n\r\n")
            assert bytes(await stream.receive_some()).startswith(b"HTTP/1.1 400")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(b"GET / HT")
        assert [status for status, _ in await _get(venue, "/0/public/AssetPairs")] == [200]
