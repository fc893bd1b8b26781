"""What was traded at the simulated venue, as its REST answers tell it: kept as it happens, or read from a recording.
Pure.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from core.clock import NS_PER_MS, parse_rfc3339_ns
from core.model.fixedpoint import parse_price, parse_quantity
from providers.simulated.recording import RecordedFrame, Recording

KEPT_FILLS: Final = 20_000


class Fill(NamedTuple):
    """One trade: the taker's side, its instant, and its numbers as the venue prints them."""

    trade_id: int
    at_ns: int
    buy: bool
    price: str
    quantity: str


Fills = deque[Fill]
"""The newest trades of one market, oldest first."""


def no_fills() -> Fills:
    """A ledger in which nothing stands yet."""
    return deque(maxlen=KEPT_FILLS)


def not_before(fills: Fills, now_ns: int) -> int:
    """`now_ns`, or the newest trade's instant if that is later: a venue's time never goes back."""
    return max(now_ns, fills[-1].at_ns) if fills else now_ns


class _KrakenRow(msgspec.Struct):
    symbol: str
    side: str
    price: msgspec.Raw
    qty: msgspec.Raw
    trade_id: int
    timestamp: str


class _KrakenTrades(msgspec.Struct):
    data: list[_KrakenRow]


class _BinanceTrade(msgspec.Struct):
    trade_id: int = msgspec.field(name="t")
    traded_ms: int = msgspec.field(name="T")
    buyer_rests: bool = msgspec.field(name="m")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")


class _BinanceFrame(msgspec.Struct):
    data: _BinanceTrade


class RecordedLedger:
    """The trades of a recording at any position; work is done only when asked, and only once."""

    def __init__(self, recording: Recording) -> None:
        self._frames = recording.frames
        self._kraken = recording.protocol == "kraken"
        self._applied: defaultdict[str, int] = defaultdict(int)
        self._fills: defaultdict[str, dict[int, Fill]] = defaultdict(dict)

    def fills(self, symbol: str, *, until: int) -> Sequence[Fill]:
        """The trades of a symbol in the first `until` frames, by id."""
        fills = self._fills[symbol]
        stream = f"trade:{symbol}" if self._kraken else f"{symbol.lower()}@trade"
        begin, self._applied[symbol] = self._applied[symbol], max(until, self._applied[symbol])
        for frame in self._frames[begin:until]:
            if frame.stream == stream:
                fills.update((fill.trade_id, fill) for fill in self._read(frame, symbol) if _is_trade(fill))
        return [fills[each] for each in sorted(fills)]

    def _read(self, frame: RecordedFrame, symbol: str) -> Iterable[Fill]:
        # What the recording holds and no client could read is no trade here, either.
        try:
            if not self._kraken:
                trade = msgspec.json.decode(frame.text, type=_BinanceFrame).data
                at_ns = trade.traded_ms * NS_PER_MS
                return [Fill(trade.trade_id, at_ns, not trade.buyer_rests, trade.price, trade.quantity)]
            rows = msgspec.json.decode(frame.text, type=_KrakenTrades).data
            return [
                Fill(
                    row.trade_id, parse_rfc3339_ns(row.timestamp), row.side == "buy", _text(row.price), _text(row.qty)
                )
                for row in rows
                if row.symbol == symbol
            ]
        except (msgspec.DecodeError, ValueError, RecursionError):
            return []


def _is_trade(fill: Fill) -> bool:
    try:
        return parse_price(fill.price) > 0 and parse_quantity(fill.quantity) > 0
    except ValueError:
        return False


def _text(number: msgspec.Raw) -> str:
    return bytes(number).decode()
