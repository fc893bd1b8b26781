"""Binance's REST answers about the past: trades, aggregated trades, klines. Pure."""

from __future__ import annotations

from typing import Annotated

import attrs
import msgspec

from core.errors import TransientError
from core.flow.printable import printable
from core.model.fixedpoint import FixedPointError
from core.model.records import BUY, SELL
from providers.binance.normalise import NS_PER_MS, Id, Milliseconds
from providers.venue.past import PastBar, PastTrade, past_bar, past_trade


class _Trade(msgspec.Struct, gc=False):
    id: Id
    price: str
    quantity: str = msgspec.field(name="qty")
    traded_ms: Milliseconds = msgspec.field(name="time")
    buyer_rests: bool = msgspec.field(name="isBuyerMaker")


class Aggregate(msgspec.Struct, gc=False):
    """What one order took at one price: the trades `first_id` to `last_id`, all at `traded_ms`. It says nothing of
    their single quantities, and so leads to trades without standing for them."""

    aggregate_id: Id = msgspec.field(name="a")
    first_id: Id = msgspec.field(name="f")
    last_id: Id = msgspec.field(name="l")
    traded_ms: Milliseconds = msgspec.field(name="T")

    def __post_init__(self) -> None:
        if self.last_id < self.first_id:
            raise ValueError("an aggregate that ends before it begins")


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Bar = tuple[
    Milliseconds, str, str, str, str, str, Milliseconds, str, _Count, msgspec.Raw, msgspec.Raw, msgspec.Raw
]  # fmt: skip


@attrs.frozen(kw_only=True)
class PastTrades:
    """The trades of one answer, by id; `rejected` rows were none."""

    trades: tuple[PastTrade, ...]
    rejected: int


@attrs.frozen(kw_only=True)
class PastBars:
    """The bars of one answer that are over and had trades, oldest first; `rejected` rows were none. The next page
    begins at `next_ms`, which is 0 behind an empty one."""

    bars: tuple[PastBar, ...]
    next_ms: int
    rejected: int


_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_trade = msgspec.json.Decoder(_Trade).decode
_decode_aggregates = msgspec.json.Decoder(list[Aggregate]).decode
_decode_bar = msgspec.json.Decoder(_Bar).decode


def parse_trades(body: bytes, *, venue: str) -> PastTrades:
    """The trades of a `historicalTrades` or `trades` answer. Raises `TransientError` for anything else."""
    rows = _rows(body, operation=f"trades of {venue}")
    trades = [trade for trade in map(_trade, rows) if trade is not None]
    single = {trade.trade_id: trade for trade in trades}
    return PastTrades(trades=tuple(single[each] for each in sorted(single)), rejected=len(rows) - len(trades))


def parse_aggregates(body: bytes, *, venue: str) -> list[Aggregate]:
    """The aggregates of an `aggTrades` answer, in its order. Raises `TransientError` for anything else."""
    try:
        return _decode_aggregates(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _not_understood(f"trades of {venue}", error) from None


def parse_bars(body: bytes, *, venue: str, now_ns: int) -> PastBars:
    """The bars of a `klines` answer that were over at `now_ns`. Raises `TransientError` for anything else."""
    rows = _rows(body, operation=f"bars of {venue}")
    found = [bar for bar in map(_bar, rows) if bar is not None]
    over = tuple(bar for closed_ns, bar in found if bar.trades and closed_ns <= now_ns)
    next_ms = max((closed_ns for closed_ns, _ in found), default=0) // NS_PER_MS
    return PastBars(bars=over, next_ms=next_ms, rejected=len(rows) - len(found))


def _rows(body: bytes, *, operation: str) -> list[msgspec.Raw]:
    try:
        return _decode_rows(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _not_understood(operation, error) from None


def _not_understood(operation: str, error: Exception) -> TransientError:
    return TransientError(operation, "not understood", hint=printable(str(error)))


def _trade(row: msgspec.Raw) -> PastTrade | None:
    try:
        trade = _decode_trade(row)
        return past_trade(
            trade_id=trade.id,
            ts_event_ns=trade.traded_ms * NS_PER_MS,
            price=trade.price,
            quantity=trade.quantity,
            side=SELL if trade.buyer_rests else BUY,
        )
    except (msgspec.MsgspecError, UnicodeError, RecursionError, FixedPointError):
        return None


def _bar(row: msgspec.Raw) -> tuple[int, PastBar] | None:
    # The bar and the instant at which it is over: the venue writes the last millisecond in it.
    try:
        begin_ms, first, high, low, last, volume, closed_ms, _, trades, *_ = _decode_bar(row)
        bar = past_bar(
            ts_event_ns=begin_ms * NS_PER_MS, prices=(first, high, low, last), volume=volume, trades=trades
        )
    except (msgspec.MsgspecError, UnicodeError, RecursionError, FixedPointError):
        return None
    return (closed_ms + 1) * NS_PER_MS, bar
