"""Faults on purpose: each does what the menu says, and nothing else."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
import trio

from core.clock import wall_ns
from core.errors import UsageError
from providers.simulated.faults import FAULTS, FaultLine, FaultPlan, Frame
from providers.simulated.market import MarketSource
from providers.simulated.recording import Recording
from tests.unit.providers.simulated.raw_client import (
    Json,
    RawClient,
    binance_subscribe,
    connected,
    kraken_subscribe,
    running,
)

_STREAM = "btcusdt@trade"


def _recording(tmp_path: Path, count: int = 12) -> Recording:
    path = tmp_path / "capture.txt"
    lines = [f'{10**18 + number} {{"stream":"{_STREAM}","data":{{"t":{number}}}}}\n' for number in range(count)]
    path.write_text("".join(lines))
    return Recording.open([path], protocol="binance", speed=None)


def _numbers(client: RawClient) -> list[int]:
    return [message["data"]["t"] for text in client.texts if "data" in (message := json.loads(text))]


def _outcomes(plan: str, count: int) -> list[list[str]]:
    line = FaultLine(FaultPlan.parse(plan))
    return [[frame.text for frame in line.apply(Frame(str(number))).frames] for number in range(count)]


def test_parse() -> None:
    """A plan names faults and numbers, spaces allowed."""
    assert FaultPlan.parse("disconnect=500, gap=2").every == {"disconnect": 500, "gap": 2}
    assert set(FaultPlan.parse(",".join(f"{name}=1" for name in FAULTS)).every) == set(FAULTS)


@pytest.mark.parametrize("text", ["", "gap", "gap=0", "gap=-1", "gap=1.5", "gap=x", "boom=1", "gap=1,gap=2", "gap=٣"])
def test_bad_plans(text: str) -> None:
    """An unknown fault or a number that is not above 0 is a usage error that lists the menu."""
    with pytest.raises(UsageError) as caught:
        FaultPlan.parse(text)
    assert all(name in str(caught.value) for name in FAULTS)


def test_one_symbol_falls_silent() -> None:
    """From its second on every frame of a mute symbol is dropped, by whichever form of its name; no other is."""
    now_ns = 0
    line = FaultLine(FaultPlan.parse("mute=btc/usd@5s, mute=PI_XBTUSD@0s"), lambda: now_ns)
    texts = [f'{{"symbol":"{name}"}}' for name in ("BTC/USD", "BTCUSD", "BTC/USDT", "PI_XBTUSD", "PF_XBTUSD")]
    early = [text for text in texts if line.apply(Frame(text)).frames]
    now_ns = 5 * 10**9
    late = [text for text in texts if line.apply(Frame(text)).frames]
    assert early == [texts[0], texts[1], texts[2], texts[4]]
    assert late == [texts[2], texts[4]]


@pytest.mark.parametrize("text", ["mute", "mute=5", "mute=BTCUSD", "mute=@5s", "mute=BTCUSD@5", "mute=\x1b@5s"])
def test_a_mute_names_a_symbol_and_a_time(text: str) -> None:
    """A mute without symbol or seconds is a usage error, told without control characters."""
    with pytest.raises(UsageError, match="SYMBOL@SECONDS") as caught:
        FaultPlan.parse(text)
    assert str(caught.value).isprintable()


def test_every_third() -> None:
    """Every N-th frame is hit: dropped, doubled, or swapped with the next one."""
    assert _outcomes("gap=3", 6) == [["0"], ["1"], [], ["3"], ["4"], []]
    assert _outcomes("duplicate=3", 4) == [["0"], ["1"], ["2", "2"], ["3"]]
    assert _outcomes("reorder=3", 5) == [["0"], ["1"], [], ["3", "2"], ["4"]]


def test_falsified_checksum() -> None:
    """Only book frames count for the checksum, and only the checksum changes."""
    line = FaultLine(FaultPlan.parse("bad-checksum=2"))
    book, other = '{"checksum":5,"x":1}', '{"x":2}'
    texts = [line.apply(Frame(text)).frames[0].text for text in (book, other, book, book)]
    assert texts[0] == texts[3] == book
    assert texts[1] == other
    assert texts[2] != book
    assert json.loads(texts[2])["x"] == 1


@pytest.mark.trio
async def test_gap_duplicate_reorder_on_the_wire(tmp_path: Path) -> None:
    """What the plan says arrives, in that order, with the right receipt for each frame; a held last frame too."""
    async with (
        running("binance", _recording(tmp_path), faults="gap=4,duplicate=5,reorder=6") as venue,
        connected(venue) as client,
    ):
        await client.send(binance_subscribe(_STREAM))
        await client.drain()
    line = FaultLine(FaultPlan.parse("gap=4,duplicate=5,reorder=6"))
    frames = [frame for number in range(12) for frame in line.apply(Frame("", number)).frames] + list(line.rest())
    assert _numbers(client) == [frame.received_ns for frame in frames]
    assert _numbers(client) != sorted(set(range(12)))
    assert [stamp - 10**18 for stamp in client.stamps[1:]] == _numbers(client)


@pytest.mark.trio
async def test_malformed(tmp_path: Path) -> None:
    """A whole frame carries JSON that cannot be read."""
    async with running("binance", _recording(tmp_path), faults="malformed=4") as venue, connected(venue) as client:
        await client.send(binance_subscribe(_STREAM))
        await client.drain()
    broken = [index for index, text in enumerate(client.texts[1:], start=1) if not text.endswith("}}")]
    assert broken == [4, 8, 12]
    assert len(client.texts) == 13


@pytest.mark.parametrize(("fault", "arrived"), [("disconnect=5", 5), ("truncate=5", 4)])
@pytest.mark.trio
async def test_cut_connections(tmp_path: Path, fault: str, arrived: int) -> None:
    """The connection ends without a close frame; a client that comes back goes on behind the cut, until the end."""
    heard: list[list[int]] = []
    async with running("binance", _recording(tmp_path), faults=fault) as venue:
        while not venue.finished.is_set():
            async with connected(venue) as client:
                await client.send(binance_subscribe(_STREAM))
                await client.drain()
            assert client.closed is not None
            heard.append(_numbers(client))
            if len(heard) < 3:
                assert client.closed.code == 1006
    assert heard == [list(range(arrived)), list(range(5, 5 + arrived)), [10, 11]]
    assert client.closed is not None
    assert (client.closed.code, client.closed.reason) == (1000, "end of recording")


@pytest.mark.trio
async def test_half_open(tmp_path: Path) -> None:
    """The connection goes silent without ending: neither data nor answers come, and playback waits for a new one."""
    async with (
        running("binance", _recording(tmp_path), faults="half-open=5") as venue,
        connected(venue) as client,
    ):
        await client.send(binance_subscribe(_STREAM))
        await client.until(lambda message: message.get("data") == {"t": 4})
        await client.send({"method": "LIST_SUBSCRIPTIONS", "id": 9})
        async with connected(venue) as second:
            await second.send(binance_subscribe(_STREAM))
            await second.until(lambda message: message.get("data") == {"t": 9})
        with trio.move_on_after(0.05) as silence:
            await client.next()
        assert silence.cancelled_caught
        assert client.closed is None
    assert _numbers(client) == [0, 1, 2, 3, 4]
    assert _numbers(second) == [5, 6, 7, 8, 9]


def test_delay() -> None:
    """A delayed frame says for how long; the others do not."""
    line = FaultLine(FaultPlan.parse("delay=2"))
    assert [line.apply(Frame("x")).delay_s for _ in range(4)] == [0.0, 0.05, 0.0, 0.05]


@pytest.mark.trio
async def test_delay_keeps_order(tmp_path: Path) -> None:
    """Delayed frames hold up those behind them instead of being overtaken."""
    async with running("binance", _recording(tmp_path), faults="delay=4") as venue, connected(venue) as client:
        asked_s = trio.current_time()
        await client.send(binance_subscribe(_STREAM))
        await client.drain()
        assert trio.current_time() - asked_s >= 0.15, "three frames were held for 50 ms each"
    assert _numbers(client) == list(range(12))


@pytest.mark.trio
async def test_skew() -> None:
    """Every second trade is dated ten minutes ahead, the others are not, in both venues' formats."""
    async with running("binance", MarketSource(1, rate=20.0), faults="skew=2") as venue, connected(venue) as client:
        await client.send(binance_subscribe(_STREAM))
        for _ in range(20):
            await client.until(lambda message: "data" in message)
    now_ms = wall_ns() // 1_000_000
    times = [json.loads(text)["data"]["T"] for text in client.texts if '"data"' in text]
    ahead = [time_ms > now_ms + 500_000 for time_ms in times]
    assert ahead == [index % 2 == 1 for index in range(len(times))]
    stamp = FaultLine(FaultPlan.parse("skew=1")).apply(Frame('{"timestamp":"2024-02-28T23:55:00.123456Z"}')).frames[0]
    assert stamp.text == '{"timestamp":"2024-02-29T00:05:00.123456Z"}'


@pytest.mark.trio
async def test_skew_of_a_recording(tmp_path: Path) -> None:
    """A recording's times are facts: the fault is refused."""
    with pytest.raises(ExceptionGroup) as caught:
        async with running("binance", _recording(tmp_path), faults="skew=2"):
            pass
    assert caught.group_contains(UsageError, match="skew")


@pytest.mark.trio
async def test_bad_checksum_and_recovery() -> None:
    """Generated books carry a wrong checksum on every tenth book frame only; a new subscription starts afresh."""
    async with (
        running("kraken", MarketSource(1, rate=20.0), faults="bad-checksum=10") as venue,
        connected(venue) as client,
    ):
        await client.send(kraken_subscribe("book", "BTC/USD"))
        for _ in range(30):
            await client.until(lambda message: message.get("channel") == "book")
        await client.send({**kraken_subscribe("book", "BTC/USD"), "method": "unsubscribe"})
        await client.send(kraken_subscribe("book", "BTC/USD"))
        await client.until(lambda message: message.get("type") == "snapshot" and message["channel"] == "book")
    books = [text for text in client.texts if text.startswith('{"channel":"book"')]
    held: dict[str, dict[float, tuple[str, str]]] = {"bids": {}, "asks": {}}
    right = [_checked(held, json.loads(text, parse_float=str)) for text in books[:30]]
    assert right == [number % 10 != 0 for number in range(1, 31)]


def _checked(held: dict[str, dict[float, tuple[str, str]]], message: Json) -> bool:
    (data,) = message["data"]
    digits = ""
    for name in ("asks", "bids"):
        levels = held[name] | {float(row["price"]): (row["price"], row["qty"]) for row in data[name]}
        kept = [price for price in sorted(levels, reverse=name == "bids") if float(levels[price][1])][:10]
        held[name] = {price: levels[price] for price in kept}
        digits += "".join(field.replace(".", "").lstrip("0") for price in kept for field in levels[price])
    return zlib.crc32(digits.encode()) == int(data["checksum"])


def test_a_fault_may_strike_by_the_clock() -> None:
    """`NAME=5s` strikes the first frame five seconds after the beginning, and after each time it struck."""
    now_ns = 0
    line = FaultLine(FaultPlan.parse("gap=5s,duplicate=3"), lambda: now_ns)
    sent = []
    for second in range(13):
        now_ns = second * 10**9
        sent.append(len(line.apply(Frame(str(second))).frames))
    assert sent == [1, 1, 2, 1, 1, 0, 2, 1, 1, 2, 0, 1, 1]


@pytest.mark.parametrize("text", ["gap=0s", "gap=s", "gap=-1s", "gap=1.5", "gap=5s,gap=3", "ban=5s", "gap=1e3s"])
def test_seconds_that_make_no_sense(text: str) -> None:
    """Nothing, less than nothing, twice, or between requests that have no clock: refused with the menu."""
    with pytest.raises(UsageError):
        FaultPlan.parse(text)
