"""The REST pages of the simulated venue that tell of the past, in each venue's own words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Context, Decimal
from itertools import groupby
from typing import Final, NamedTuple

import msgspec

from core.clock import NS_PER_MS, NS_PER_S
from providers.simulated.ledger import Fill
from providers.simulated.rest import Answer

PAGE: Final = 1000
BARS_AT_MOST: Final = 720
CANDLES: Final = 2000
"""Candles in one answer of Kraken Futures."""
_BINANCE_PAGE: Final = 500
_MINUTE_NS: Final = 60 * NS_PER_S
_DAY: Final = 24 * 60
_KRAKEN_MINUTES: Final = frozenset({1, 5, 15, 30, 60, 240, _DAY, 7 * _DAY, 15 * _DAY})
_BINANCE_MINUTES: Final = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480, "12h": 720,
    "1d": _DAY, "3d": 3 * _DAY, "1w": 7 * _DAY,
}  # fmt: skip
_FUTURES_MINUTES: Final = {
    "1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "12h": 720, "1d": _DAY, "1w": 7 * _DAY,
}  # fmt: skip
_WEEK_BEGINS_NS: Final = 4 * _DAY * _MINUTE_NS
_LONGEST_WINDOW_MS: Final = 3_600_000
_WIDE: Final = Context(prec=80)
_BAD_ARGUMENTS: Final = Answer('{"error":["EGeneral:Invalid arguments"]}')
_BAD_PARAMETER: Final = Answer('{"code":-1100,"msg":"Illegal characters found in a parameter."}', 400)
_BAD_INTERVAL: Final = Answer('{"code":-1120,"msg":"Invalid interval."}', 400)
_BAD_WINDOW: Final = Answer('{"code":-1127,"msg":"More than 1 hours between startTime and endTime."}', 400)
_BAD_RESOLUTION: Final = Answer("Invalid resolution", 400)
_BAD_TIME: Final = Answer("Invalid time", 400)

Past = Callable[[str], Sequence[Fill]]
"""The trades of a market, by its name on the sockets, oldest first."""


class _Bar(NamedTuple):
    begin_ns: int
    fills: tuple[Fill, ...]

    @property
    def prices(self) -> tuple[str, str, str, str]:
        """Open, high, low, close, as printed."""
        texts = [fill.price for fill in self.fills]
        return texts[0], max(texts, key=Decimal), min(texts, key=Decimal), texts[-1]


def _bars(fills: Iterable[Fill], interval_ns: int, *, offset_ns: int = 0) -> list[_Bar]:
    grouped = groupby(fills, key=lambda fill: fill.at_ns - (fill.at_ns - offset_ns) % interval_ns)
    return [_Bar(begin_ns, tuple(group)) for begin_ns, group in grouped]


def _volume(fills: Iterable[Fill]) -> Decimal:
    return sum((Decimal(fill.quantity) for fill in fills), Decimal(0))


def _turnover(fills: Iterable[Fill]) -> Decimal:
    return sum((Decimal(fill.price) * Decimal(fill.quantity) for fill in fills), Decimal(0))


def _places(number: Decimal, like: str) -> str:
    # As many decimals as the venue prints of this market.
    return format(number.quantize(Decimal(like), context=_WIDE), "f")


def _number(parameters: Mapping[str, str], name: str) -> int | None:
    """The number of that name, -1 when it is missing, None when it is none."""
    text = parameters.get(name, "")
    if not text:
        return -1
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def kraken_trades(key: str, fills: Sequence[Fill], parameters: Mapping[str, str]) -> Answer:
    """A page of Kraken's trades: those after `since`, times as floats, the exact one of the last beside them."""
    since_ns, count = _number(parameters, "since"), _number(parameters, "count")
    if since_ns is None or count is None or count == 0 or count > PAGE:
        return _BAD_ARGUMENTS
    chosen = [fill for fill in fills if fill.at_ns > since_ns]
    size = PAGE if count < 0 else count
    page = chosen[:size] if since_ns >= 0 else chosen[-size:]
    rows = [
        [
            fill.price,
            fill.quantity,
            fill.at_ns / NS_PER_S,
            "b" if fill.buy else "s",
            "m",
            "",
            fill.trade_id,
        ]
        for fill in page
    ]
    last_ns = page[-1].at_ns if page else max(since_ns, 0)
    return _kraken({key: rows, "last": str(last_ns)})


def kraken_bars(key: str, fills: Sequence[Fill], parameters: Mapping[str, str]) -> Answer:
    """Kraken's OHLC: the newest 720 bars that are over and the one that grows."""
    since_s, minutes = _number(parameters, "since"), _number(parameters, "interval")
    if since_s is None or minutes is None or (minutes != -1 and minutes not in _KRAKEN_MINUTES):
        return _BAD_ARGUMENTS
    interval_ns = max(minutes, 1) * _MINUTE_NS
    bars = _bars(fills, interval_ns)[-BARS_AT_MOST - 1 :]
    rows = [
        [
            bar.begin_ns // NS_PER_S,
            *bar.prices,
            _places(_turnover(bar.fills) / _volume(bar.fills), bar.fills[0].price),
            _places(_volume(bar.fills), bar.fills[0].quantity),
            len(bar.fills),
        ]
        for bar in bars
        if bar.begin_ns // NS_PER_S > since_s
    ]
    over_ns = bars[-1].begin_ns - interval_ns if bars else 0
    return _kraken({key: rows, "last": over_ns // NS_PER_S})


def _kraken(result: Mapping[str, object]) -> Answer:
    return Answer(msgspec.json.encode({"error": [], "result": result}).decode())


def binance_trades(fills: Sequence[Fill], parameters: Mapping[str, str]) -> Answer:
    """Binance's trades from an id on, or the newest."""
    size, from_id = _size(parameters), _number(parameters, "fromId")
    if size is None or from_id is None:
        return _BAD_PARAMETER
    chosen = fills[-size:] if from_id < 0 else [fill for fill in fills if fill.trade_id >= from_id][:size]
    rows = [
        {
            "id": fill.trade_id,
            "price": fill.price,
            "qty": fill.quantity,
            "quoteQty": _places(_turnover([fill]), "0.00000001"),
            "time": fill.at_ns // NS_PER_MS,
            "isBuyerMaker": not fill.buy,
            "isBestMatch": True,
        }
        for fill in chosen
    ]
    return Answer(msgspec.json.encode(rows).decode())


def binance_aggregates(fills: Sequence[Fill], parameters: Mapping[str, str]) -> Answer:
    """Binance's aggregated trades: those of one instant, price and side as one, numbered by the first of them."""
    size, span = _size(parameters), _span(parameters)
    from_id = _number(parameters, "fromId")
    if size is None or span is None or from_id is None:
        return _BAD_PARAMETER
    start_ms, end_ms = span
    if "startTime" in parameters and "endTime" in parameters and end_ms - start_ms > _LONGEST_WINDOW_MS:
        return _BAD_WINDOW
    grouped = groupby(fills, key=lambda fill: (fill.at_ns // NS_PER_MS, fill.price, fill.buy))
    groups = [(at_ms, price, buy, list(group)) for (at_ms, price, buy), group in grouped]
    rows = [
        {
            "a": group[0].trade_id,
            "p": price,
            "q": _places(_volume(group), group[0].quantity),
            "f": group[0].trade_id,
            "l": group[-1].trade_id,
            "T": at_ms,
            "m": not buy,
            "M": True,
        }
        for at_ms, price, buy, group in groups
        if start_ms <= at_ms <= end_ms and group[0].trade_id >= from_id
    ]
    newest = from_id < 0 and "startTime" not in parameters
    return Answer(msgspec.json.encode(rows[-size:] if newest else rows[:size]).decode())


def binance_bars(fills: Sequence[Fill], parameters: Mapping[str, str]) -> Answer:
    """Binance's klines, the one that grows included."""
    minutes = _BINANCE_MINUTES.get(parameters.get("interval", ""))
    size, span = _size(parameters), _span(parameters)
    if minutes is None:
        return _BAD_INTERVAL
    if size is None or span is None:
        return _BAD_PARAMETER
    start_ms, end_ms = span
    interval_ns = minutes * _MINUTE_NS
    bars = _bars(fills, interval_ns, offset_ns=_WEEK_BEGINS_NS if minutes == 7 * _DAY else 0)
    rows = [_kline(bar, interval_ns) for bar in bars if start_ms <= bar.begin_ns // NS_PER_MS <= end_ms]
    return Answer(msgspec.json.encode(rows[:size] if "startTime" in parameters else rows[-size:]).decode())


def _kline(bar: _Bar, interval_ns: int) -> list[object]:
    bought = [fill for fill in bar.fills if fill.buy]
    quantities = [_places(number, "0.00000001") for number in (_volume(bar.fills), _turnover(bar.fills))]
    taken = [_places(number, "0.00000001") for number in (_volume(bought), _turnover(bought))]
    closed_ms = (bar.begin_ns + interval_ns) // NS_PER_MS - 1
    begin_ms = bar.begin_ns // NS_PER_MS
    return [begin_ms, *bar.prices, quantities[0], closed_ms, quantities[1], len(bar.fills), *taken, "0"]


def futures_candles(fills: Iterable[Fill], resolution: str, parameters: Mapping[str, str]) -> Answer:
    """Kraken Futures' candles from `from` to `to`, oldest first, the one that grows included; weeks begin as the
    spot market's do."""
    minutes = _FUTURES_MINUTES.get(resolution)
    from_s, to_s = _number(parameters, "from"), _number(parameters, "to")
    if minutes is None:
        return _BAD_RESOLUTION
    if from_s is None or to_s is None:
        return _BAD_TIME
    last_s = 2**62 if to_s < 0 else to_s
    bars = [bar for bar in _bars(fills, minutes * _MINUTE_NS) if from_s <= bar.begin_ns // NS_PER_S <= last_s]
    rows = [_candle(bar) for bar in bars[:CANDLES]]
    return Answer(msgspec.json.encode({"candles": rows, "more_candles": len(bars) > len(rows)}).decode())


def _candle(bar: _Bar) -> dict[str, object]:
    first, high, low, last = bar.prices
    volume = format(_volume(bar.fills), "f")
    return {
        "time": bar.begin_ns // NS_PER_MS, "open": first, "high": high, "low": low, "close": last, "volume": volume,
    }  # fmt: skip


def _size(parameters: Mapping[str, str]) -> int | None:
    size = _number(parameters, "limit")
    if size is None or size == 0 or size > PAGE:
        return None
    return _BINANCE_PAGE if size < 0 else size


def _span(parameters: Mapping[str, str]) -> tuple[int, int] | None:
    start_ms, end_ms = _number(parameters, "startTime"), _number(parameters, "endTime")
    if start_ms is None or end_ms is None:
        return None
    return max(start_ms, 0), 2**62 if end_ms < 0 else end_ms
