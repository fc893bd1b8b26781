"""Texts as the venues send them, for benchmarks: of real sessions where there are any, else made up, each another."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from core.clock import NS_PER_MS, iso_ns, parse_rfc3339_ns, wall_ns
from core.model.fixedpoint import format_price, format_quantity
from core.model.instruments import Instrument, Product
from core.model.records import BUY, SELL
from providers.kraken.spot.normalise import BookChecksum
from providers.venue.book import Book

CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Real sessions, beside the checkout where somebody put them."""
LEVELS_A_DEPTH_EVENT = 36  # as many as in the captured session

Frame = tuple[str, int]
"""A text, and when it was received in nanoseconds since the epoch."""


def instrument(venue: str, venue_symbol: str, *, price_decimals: int = 2) -> Instrument:
    """The instrument of the texts below."""
    return Instrument(
        venue=venue,
        symbol="BTCUSD",
        venue_symbol=venue_symbol,
        canonical="BTCUSD",
        base="BTC",
        quote="USD",
        settle="USD",
        product=Product.SPOT,
        price_decimals=price_decimals,
        quantity_decimals=8,
        price_increment_e9=10 ** (9 - price_decimals),
        quantity_increment_e8=1,
        instrument_id=1,
    )


@attrs.frozen(kw_only=True)
class Tick:
    """A trade that any venue may have sent. Its price has two decimals, its quantity eight."""

    number: int
    price: str
    quantity: str
    traded_ms: int
    buyer_rests: bool


def made_ticks(count: int) -> list[Tick]:
    """Trades of this moment, no two of them of the same size."""
    now_ms = wall_ns() // NS_PER_MS
    return [
        Tick(
            number=number,
            price=f"61837.{number % 100:02}",
            quantity=f"0.{number * 7919 % 99_999_989:08}",
            traded_ms=now_ms,
            buyer_rests=number % 2 == 0,
        )
        for number in range(1, count + 1)
    ]


def captured_ticks(day: str) -> list[Tick]:
    """The trades of a captured session of Binance; none where there is no capture."""
    return [
        Tick(
            number=trade["t"],
            price=trade["p"][:-6],
            quantity=trade["q"],
            traded_ms=trade["T"],
            buyer_rests=trade["m"],
        )
        for text, _ in _captured_texts(day)
        if text.startswith('{"stream":"btcusdt@trade"')
        for trade in [json.loads(text)["data"]]
    ]


def binance_trade(tick: Tick) -> str:
    """One trade in Binance's combined stream."""
    side = "true" if tick.buyer_rests else "false"
    return (
        f'{{"stream":"btcusdt@trade","data":{{"e":"trade","E":{tick.traded_ms},"s":"BTCUSDT","t":{tick.number},'
        f'"p":"{tick.price}000000","q":"{tick.quantity}","T":{tick.traded_ms},"m":{side},"M":true}}}}'
    )


def kraken_trades(ticks: Sequence[Tick]) -> str:
    """Trades in one frame of Kraken's."""
    items = ",".join(
        f'{{"symbol":"BTC/USD","side":"{_taker(tick)}","price":{tick.price},"qty":{tick.quantity},"ord_type":"limit",'
        f'"trade_id":{tick.number},"timestamp":"{iso_ns(tick.traded_ms * NS_PER_MS)[:26]}Z"}}'
        for tick in ticks
    )
    return f'{{"channel":"trade","type":"update","data":[{items}]}}'


def futures_trade(tick: Tick) -> str:
    """One trade of Kraken Futures."""
    number = tick.number & 0xFFFF_FFFF
    return (
        f'{{"feed":"trade","product_id":"PI_XBTUSD","uid":"{number:08x}-0000-4000-8000-000000000000",'
        f'"side":"{_taker(tick)}","type":"fill","seq":{number},"time":{tick.traded_ms},"qty":{tick.quantity},'
        f'"price":{tick.price}}}'
    )


def _taker(tick: Tick) -> str:
    return "sell" if tick.buyer_rests else "buy"


def futures_book(changes: int) -> Iterator[str]:
    """A book of Kraken Futures, forty levels a side, and `changes` of its best ten."""
    now_ms = wall_ns() // NS_PER_MS
    bids = ",".join(f'{{"price":{61836 - step}.5,"qty":{step + 1}.0}}' for step in range(40))
    asks = ",".join(f'{{"price":{61837 + step}.5,"qty":{step + 1}.0}}' for step in range(40))
    yield (
        f'{{"feed":"book_snapshot","product_id":"PI_XBTUSD","timestamp":{now_ms},"seq":1,"tickSize":null,'
        f'"bids":[{bids}],"asks":[{asks}]}}'
    )
    for number in range(1, changes + 1):
        price = 61836 - number % 10 if number % 2 else 61837 + number % 10
        yield (
            f'{{"feed":"book","product_id":"PI_XBTUSD","side":"{"buy" if number % 2 else "sell"}","seq":{number + 1},'
            f'"price":{price}.5,"qty":{number % 9999 + 1}.0,"timestamp":{now_ms}}}'
        )


def kraken_book(changes: int) -> tuple[list[Frame], int, str]:
    """A ten-level book of Kraken's and what changes it, how many levels change, and whether it is `captured`; else
    there are `changes`."""
    path = CAPTURES / "kraken_spot" / "v2_book_btcusd_d10_20230730_wire.jsonl"
    texts = path.read_text().splitlines() if path.exists() else list(_made_kraken_book(changes))
    items = [item for text in texts[1:] for item in json.loads(text)["data"]]
    stamps_ns = [parse_rfc3339_ns(item["timestamp"]) for item in items]
    levels = sum(len(item["bids"]) + len(item["asks"]) for item in items)
    return (
        list(zip(texts, [stamps_ns[0], *stamps_ns], strict=True)),
        levels,
        "captured" if path.exists() else "made up",
    )


def _made_kraken_book(changes: int) -> Iterator[str]:
    book, checksum = Book(), BookChecksum(price_decimals=1, quantity_decimals=8)
    first = [
        (side, 29_430 + step * (1 if side == SELL else -1), step) for side in (BUY, SELL) for step in range(1, 11)
    ]
    yield _kraken_levels("snapshot", first, book, checksum)
    for number in range(1, changes + 1):
        side = BUY if number % 2 else SELL
        step = number % 10 + 1
        yield _kraken_levels("update", [(side, 29_430 + step * (1 if side == SELL else -1), number)], book, checksum)


def _kraken_levels(kind: str, levels: Sequence[tuple[bytes, int, int]], book: Book, checksum: BookChecksum) -> str:
    texts: dict[bytes, list[str]] = {BUY: [], SELL: []}
    for side, price, quantity_e8 in levels:
        price_e9 = price * 10**9
        book.apply(side, price_e9, quantity_e8)
        texts[side].append(f'{{"price":{format_price(price_e9, 1)},"qty":{format_quantity(quantity_e8, 8)}}}')
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":[{",".join(texts[BUY])}],'
        f'"asks":[{",".join(texts[SELL])}],"checksum":{checksum.of(book)},"timestamp":"{iso_ns(wall_ns())[:26]}Z"}}]}}'
    )


def binance_book(events: int) -> tuple[str, list[Frame], int, str]:
    """A snapshot of Binance's book, what changes it, how many levels change, and whether it is `captured`; else there
    are `events`."""
    captured = list(_captured_texts("20240808"))
    snapshot = next((text for text, _ in captured if text.startswith('{"lastUpdateId"')), "")
    frames = [frame for frame in captured if frame[0].startswith('{"stream":"btcusdt@depth')]
    kind = "captured" if snapshot else "made up"
    if not snapshot:
        snapshot, frames = _made_binance_book(events)
    data = [json.loads(text)["data"] for text, _ in frames]
    return snapshot, frames, sum(len(event["b"]) + len(event["a"]) for event in data), kind


def _made_binance_book(events: int) -> tuple[str, list[Frame]]:
    received_ns = wall_ns()

    def levels(count: int, up: int, salt: int) -> str:
        return ",".join(
            f'["{61837 + up * step}.00000000","{(step * 7919 + salt) % 9973 + 1}.50000000"]'
            for step in range(1, count + 1)
        )

    half, sent_ms = LEVELS_A_DEPTH_EVENT // 2, received_ns // NS_PER_MS
    snapshot = f'{{"lastUpdateId":0,"bids":[{levels(1000, -1, 0)}],"asks":[{levels(1000, 1, 0)}]}}'
    texts = (
        f'{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{sent_ms},"s":"BTCUSDT","U":{number},'
        f'"u":{number},"b":[{levels(half, -1, number)}],"a":[{levels(half, 1, number)}]}}}}'
        for number in range(1, events + 1)
    )
    return snapshot, [(text, received_ns) for text in texts]


def _captured_texts(day: str) -> Iterator[Frame]:
    path = CAPTURES / "binance" / f"spot_btcusdt_{day}.txt.gz"
    if path.exists():
        with gzip.open(path, "rt") as lines:
            for line in lines:
                received_ns, _, text = line.rstrip("\n").partition(" ")
                yield text, int(received_ns)
