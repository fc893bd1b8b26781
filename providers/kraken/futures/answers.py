"""Kraken Futures' REST answers about the past: executions and candles. Pure.

Executions have no number, unlike the trades of the sockets: only their uid tells one from another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

import attrs
import msgspec

from core.bars.timeframes import Timeframe
from core.clock import NS_PER_MS
from core.errors import TransientError
from core.flow.printable import printable
from core.model.fixedpoint import FixedPointError, parse_price, parse_quantity
from core.model.records import BUY, NO_SIDE, SELL
from providers.kraken.futures.errors import read_refusal
from providers.kraken.futures.wire import Milliseconds, Uid
from providers.venue.past import PastBar, past_bar

_SIDES = {"buy": BUY, "sell": SELL}
_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class Execution:
    """One trade: `side` the taker's, price at 1e-9, quantity at 1e-8 of what the product's quantities count."""

    uid: str
    ts_event_ns: int
    price_e9: int
    quantity_e8: int
    side: bytes


@attrs.frozen(kw_only=True)
class HistoryPage:
    """Executions in the order of the answer. `next_token` asks for the page behind this one, empty on the last;
    `rejected` counts what could not be read."""

    executions: tuple[Execution, ...]
    next_token: str
    rejected: int


@attrs.frozen(kw_only=True)
class CandlePage:
    """The bars of one answer that are over and had trades, oldest first; `rejected` rows were none.

    `newest_ns` is the first instant of the newest candle, 0 without any; `more`: there are later ones in the range.
    `aligned`: every candle begins where a bar of ours does.
    """

    bars: tuple[PastBar, ...]
    newest_ns: int
    more: bool
    aligned: bool
    rejected: int


class _Order(msgspec.Struct):
    direction: str = ""


class _Fill(msgspec.Struct, rename="camel"):
    price: str
    quantity: str
    timestamp: Milliseconds
    uid: Uid = ""
    taker_order: _Order = msgspec.field(default_factory=_Order)


class _Inner(msgspec.Struct):
    execution: _Fill


class _Event(msgspec.Struct):
    outer: _Inner = msgspec.field(name="Execution")


class _Element(msgspec.Struct):
    event: _Event


class _Executions(msgspec.Struct, rename="camel"):
    elements: list[msgspec.Raw]
    continuation_token: Annotated[str, msgspec.Meta(max_length=4096)] | None = None


class _Candle(msgspec.Struct):
    # Numbers stand in quotes or not: the venue's volumes were seen in both ways.
    time: Milliseconds
    open: msgspec.Raw
    high: msgspec.Raw
    low: msgspec.Raw
    close: msgspec.Raw
    volume: msgspec.Raw


class _Candles(msgspec.Struct):
    candles: list[msgspec.Raw]
    more_candles: bool = False


_decode_executions = msgspec.json.Decoder(_Executions).decode
_decode_element = msgspec.json.Decoder(_Element).decode
_decode_candles = msgspec.json.Decoder(_Candles).decode
_decode_candle = msgspec.json.Decoder(_Candle).decode


def parse_executions(body: bytes, *, venue: str) -> HistoryPage:
    """The executions of one answer.

    Raises:
        ConsoleError: the venue answered with an error, or with something else.
    """
    answer = _content(body, _decode_executions, operation=f"history of {venue}")
    found = [_execution(raw) for raw in answer.elements]
    executions = tuple(each for each in found if each is not None)
    token = answer.continuation_token or ""
    return HistoryPage(executions=executions, next_token=token, rejected=len(found) - len(executions))


def parse_candles(body: bytes, timeframe: Timeframe, *, venue: str, now_ns: int) -> CandlePage:
    """The candles of one answer to a question for those of `timeframe`, without the one that still grows.

    The venue does not say how many trades a candle is made of: `trades` is 0 in each.

    Raises:
        ConsoleError: the venue answered with an error, or with something else.
    """
    answer = _content(body, _decode_candles, operation=f"bars of {venue}")
    found = [_bar(raw) for raw in answer.candles]
    bars = sorted({bar.ts_event_ns: bar for bar in found if bar is not None}.values())
    over_ns = now_ns - timeframe.interval_ns
    return CandlePage(
        bars=tuple(bar for bar in bars if bar.volume_e8 and bar.ts_event_ns <= over_ns),
        newest_ns=bars[-1].ts_event_ns if bars else 0,
        more=answer.more_candles,
        aligned=all((bar.ts_event_ns - timeframe.offset_ns) % timeframe.interval_ns == 0 for bar in bars),
        rejected=found.count(None),
    )


def _content(body: bytes, decode: Callable[[bytes], _T], *, operation: str) -> _T:
    if (refusal := read_refusal(operation, body)) is not None:
        raise refusal
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TransientError(operation, "not understood", hint=printable(str(error))) from None


def _execution(raw: msgspec.Raw) -> Execution | None:
    try:
        fill = _decode_element(raw).event.outer.execution
        price_e9, quantity_e8 = parse_price(fill.price), parse_quantity(fill.quantity)
    except (msgspec.DecodeError, UnicodeError, RecursionError, FixedPointError):
        return None
    if price_e9 <= 0 or not quantity_e8:
        return None
    return Execution(
        uid=fill.uid,
        ts_event_ns=fill.timestamp * NS_PER_MS,
        price_e9=price_e9,
        quantity_e8=quantity_e8,
        side=_SIDES.get(fill.taker_order.direction.lower(), NO_SIDE),
    )


def _bar(raw: msgspec.Raw) -> PastBar | None:
    try:
        candle = _decode_candle(raw)
        return past_bar(
            ts_event_ns=candle.time * NS_PER_MS,
            prices=[_digits(each) for each in (candle.open, candle.high, candle.low, candle.close)],
            volume=_digits(candle.volume),
            trades=0,
        )
    except (msgspec.DecodeError, UnicodeError, RecursionError, FixedPointError):
        return None


def _digits(number: msgspec.Raw) -> str:
    return str(number, "ascii", "replace").strip('"')
