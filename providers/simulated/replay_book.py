"""The books of a recording at any position, for clients that subscribe again in its midst. Pure.

A capture holds one snapshot a book. What a venue would answer later is worked out from it and from what was played
since, level texts as they came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation

import msgspec

from providers.simulated.futures_replay import FuturesReplay
from providers.simulated.recording import RecordedFrame, Recording

_Levels = dict[Decimal, tuple[str, str]]


class _KrakenLevel(msgspec.Struct):
    price: msgspec.Raw
    qty: msgspec.Raw


class _KrakenBook(msgspec.Struct):
    symbol: str
    bids: list[_KrakenLevel] = []
    asks: list[_KrakenLevel] = []
    checksum: int = 0
    timestamp: str = ""


class _KrakenMessage(msgspec.Struct):
    type: str
    data: list[_KrakenBook]


class _BinanceDepth(msgspec.Struct):
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: list[tuple[str, str]] = msgspec.field(name="b")
    asks: list[tuple[str, str]] = msgspec.field(name="a")


class _BinanceMessage(msgspec.Struct):
    data: _BinanceDepth


class _BinanceSnapshot(msgspec.Struct):
    last_id: int = msgspec.field(name="lastUpdateId")
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class _Book:
    """One book rebuilt so far: its levels by price, and how many of its stream's frames are in it."""

    def __init__(self) -> None:
        self.bids: _Levels = {}
        self.asks: _Levels = {}
        self.applied = 0
        self.depth = 0
        self.last: _KrakenBook | None = None
        self.last_id = 0

    def set(self, levels: _Levels, rows: Iterable[tuple[str, str]]) -> None:
        """Apply (price, quantity) texts; a quantity of 0 removes the level."""
        for price, quantity in rows:
            if Decimal(quantity):
                levels[Decimal(price)] = price, quantity
            else:
                levels.pop(Decimal(price), None)

    def sides(self, depth: int | None) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Bids and asks, best first, at most `depth` each."""
        bids = [self.bids[price] for price in sorted(self.bids, reverse=True)[:depth]]
        return bids, [self.asks[price] for price in sorted(self.asks)[:depth]]


class ReplayBooks:
    """Every recorded book at the position asked for; work is done only when asked, and only once."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._books: defaultdict[str, _Book] = defaultdict(_Book)
        self._answered: set[str] = set()
        self.futures = FuturesReplay(recording.frames)

    def opening(self, key: str, *, until: int) -> list[str]:
        """What a new subscriber to `key` gets first, when the first `until` frames were played: a Kraken book as it
        stands, a Kraken Futures book or tape, else nothing (and nothing before the recording's own snapshot)."""
        if self._recording.protocol == "kraken_futures":
            return self.futures.opening(key, until=until)
        if self._recording.protocol != "kraken" or not key.startswith("book:"):
            return []
        book = self._books[key]
        try:
            for frame in self._unapplied(book, key, until):
                _apply_kraken(book, frame.text)
        except (msgspec.DecodeError, InvalidOperation):
            return []
        return [_kraken_snapshot(book)] if book.last is not None else []

    def depth(self, symbol: str, *, until: int, limit: int) -> str | None:
        """The REST depth answer of a Binance symbol: the recorded one the first time, then the book as it stands
        when the first `until` frames were played; None without a recorded one."""
        recorded = self._recording.snapshots.get(symbol)
        if recorded is None or symbol not in self._answered:
            self._answered.add(symbol)
            return recorded
        book = self._books[symbol]
        try:
            if not book.last_id:
                _start_binance(book, recorded)
            for frame in self._unapplied(book, f"{symbol.lower()}@depth@100ms", until):
                _apply_binance(book, frame.text)
        except (msgspec.DecodeError, InvalidOperation):
            return recorded
        bids, asks = book.sides(limit)
        return msgspec.json.encode({"lastUpdateId": book.last_id, "bids": bids, "asks": asks}).decode()

    def _unapplied(self, book: _Book, stream: str, until: int) -> Iterator[RecordedFrame]:
        for index in range(book.applied, until):
            frame = self._recording.frames[index]
            book.applied = index + 1
            if frame.stream == stream:
                yield frame


def _apply_kraken(book: _Book, text: str) -> None:
    message = msgspec.json.decode(text, type=_KrakenMessage)
    for update in message.data:
        if message.type == "snapshot":
            book.bids.clear()
            book.asks.clear()
            book.depth = max(len(update.bids), len(update.asks))
        for levels, rows in ((book.bids, update.bids), (book.asks, update.asks)):
            book.set(levels, [(bytes(row.price).decode(), bytes(row.qty).decode()) for row in rows])
        for price in sorted(book.bids, reverse=True)[book.depth :]:
            del book.bids[price]
        for price in sorted(book.asks)[book.depth :]:
            del book.asks[price]
        book.last = update


def _kraken_snapshot(book: _Book) -> str:
    assert book.last is not None
    bids, asks = (
        ",".join(f'{{"price":{price},"qty":{quantity}}}' for price, quantity in side) for side in book.sides(None)
    )
    symbol, stamp = msgspec.json.encode(book.last.symbol).decode(), book.last.timestamp
    dated = f',"timestamp":"{stamp}"' if stamp else ""
    return (
        f'{{"channel":"book","type":"snapshot","data":[{{"symbol":{symbol},"bids":[{bids}],"asks":[{asks}],'
        f'"checksum":{book.last.checksum}{dated}}}]}}'
    )


def _start_binance(book: _Book, recorded: str) -> None:
    snapshot = msgspec.json.decode(recorded, type=_BinanceSnapshot)
    book.set(book.bids, snapshot.bids)
    book.set(book.asks, snapshot.asks)
    book.last_id = snapshot.last_id


def _apply_binance(book: _Book, text: str) -> None:
    depth = msgspec.json.decode(text, type=_BinanceMessage).data
    if depth.last_id > book.last_id:
        book.set(book.bids, depth.bids)
        book.set(book.asks, depth.asks)
        book.last_id = depth.last_id
