"""Books and trades of a recording of Kraken Futures at any position, for clients that subscribe in its midst. Pure.

A capture holds one snapshot of each. What the venue would answer later is worked out from it and from what was played
since, number texts as they came.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import msgspec

from providers.simulated.futures_market import KEPT_TRADES, SNAPSHOT_TRADES, PastTrade
from providers.simulated.recording import RecordedFrame


class _Level(msgspec.Struct):
    price: msgspec.Raw
    qty: msgspec.Raw


class _Snapshot(msgspec.Struct, tag="book_snapshot", tag_field="feed"):
    product_id: str
    seq: int
    timestamp: int
    bids: list[_Level]
    asks: list[_Level]


class _Change(msgspec.Struct, tag="book", tag_field="feed"):
    side: str
    seq: int
    timestamp: int
    price: msgspec.Raw
    qty: msgspec.Raw


class _Trade(msgspec.Struct):
    uid: str
    side: str
    time: int
    price: msgspec.Raw
    qty: msgspec.Raw


class _TradeSnapshot(msgspec.Struct):
    trades: list[msgspec.Raw] | None = None


_BOOK = msgspec.json.Decoder(_Snapshot | _Change)


def _text(number: msgspec.Raw) -> str:
    return bytes(number).decode()


class _Book:
    """One book rebuilt so far: its levels by price, and the number and time of its last change."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, str]] = {"buy": {}, "sell": {}}
        self.seq: int | None = None
        self.timestamp = 0

    def take(self, text: str) -> None:
        """Apply one frame."""
        message = _BOOK.decode(text)
        if isinstance(message, _Snapshot):
            for side, levels in (("buy", message.bids), ("sell", message.asks)):
                self.sides[side] = {}
                for level in levels:
                    self._set(side, _text(level.price), _text(level.qty))
        else:
            self._set(message.side, _text(message.price), _text(message.qty))
        self.seq, self.timestamp = message.seq, message.timestamp

    def _set(self, side: str, price: str, quantity: str) -> None:
        if Decimal(quantity):
            self.sides[side][Decimal(price)] = f'{{"price":{price},"qty":{quantity}}}'
        else:
            self.sides[side].pop(Decimal(price), None)

    def snapshot(self, product_id: str) -> str:
        """The book as it stands."""
        bids, asks = self.sides["buy"], self.sides["sell"]
        bids_text = ",".join(bids[price] for price in sorted(bids, reverse=True))
        asks_text = ",".join(asks[price] for price in sorted(asks))
        return (
            f'{{"feed":"book_snapshot","product_id":"{product_id}","timestamp":{self.timestamp},"seq":{self.seq},'
            f'"tickSize":null,"bids":[{bids_text}],"asks":[{asks_text}]}}'
        )


class FuturesReplay:
    """Every recorded book and tape at the position asked for; work is done only when asked, and only once."""

    def __init__(self, frames: Sequence[RecordedFrame]) -> None:
        self._frames = frames
        self._applied: defaultdict[str, int] = defaultdict(int)
        self._books: defaultdict[str, _Book] = defaultdict(_Book)
        self._trades: defaultdict[str, deque[PastTrade]] = defaultdict(lambda: deque(maxlen=KEPT_TRADES))

    def opening(self, key: str, *, until: int) -> list[str]:
        """What a new subscriber to `key` gets first, when the first `until` frames were played: nothing before the
        recording's own snapshot."""
        feed, _, product_id = key.partition(":")
        try:
            if feed == "trade":
                trades = self._tape(key, until)
                newest = [each.text for _, each in zip(range(SNAPSHOT_TRADES), reversed(trades), strict=False)]
                text = f'{{"feed":"trade_snapshot","product_id":"{product_id}","trades":[{",".join(newest)}]}}'
                return [text] if newest else []
            if feed != "book":
                return []
            book = self._books[key]
            for text in self._unapplied(key, until):
                book.take(text)
        except (msgspec.DecodeError, InvalidOperation, KeyError, UnicodeError):
            return []
        return [book.snapshot(product_id)] if book.seq is not None else []

    def past_trades(self, product_id: str, *, until: int) -> Sequence[PastTrade]:
        """The trades of a product, when the first `until` frames were played, oldest first."""
        try:
            return list(self._tape(f"trade:{product_id}", until))
        except (msgspec.DecodeError, UnicodeError):
            return []

    def _tape(self, key: str, until: int) -> deque[PastTrade]:
        trades = self._trades[key]
        for text in self._unapplied(key, until):
            snapshot = msgspec.json.decode(text, type=_TradeSnapshot).trades
            for each in [text] if snapshot is None else [_text(raw) for raw in reversed(snapshot)]:
                trade = msgspec.json.decode(each, type=_Trade)
                price, quantity = _text(trade.price), _text(trade.qty)
                trades.append(PastTrade(trade.uid, trade.side == "buy", price, quantity, trade.time, each))
        return trades

    def _unapplied(self, key: str, until: int) -> list[str]:
        begin, self._applied[key] = self._applied[key], until
        return [frame.text for frame in self._frames[begin:until] if frame.stream == key]
