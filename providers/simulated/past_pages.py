"""The REST pages of the simulated venue that tell of the past, in each venue's own words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from itertools import groupby
from typing import Final

import msgspec

from core.clock import NS_PER_MS, NS_PER_S
from providers.simulated.rest import Answer
from providers.simulated.tape import Bar, Tape, turnover, volume

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
_EVER_MS: Final = 2**62 // NS_PER_MS
_MS_PER_S: Final = NS_PER_S // NS_PER_MS
_WIDE: Final = Context(prec=80)
_BAD_ARGUMENTS: Final = Answer('{"error":["EGeneral:Invalid arguments"]}')
_BAD_PARAMETER: Final = Answer('{"code":-1100,"msg":"Illegal characters found in a parameter."}', 400)
_BAD_INTERVAL: Final = Answer('{"code":-1120,"msg":"Invalid interval."}', 400)
_BAD_WINDOW: Final = Answer('{"code":-1127,"msg":"More than 1 hours between startTime and endTime."}', 400)
_BAD_RESOLUTION: Final = Answer("Invalid resolution", 400)
_BAD_TIME: Final = Answer("Invalid time", 400)

Past = Callable[[str], Tape]
"""The trades of a market, by its name on the sockets."""


def _places(number: Decimal, like: str) -> str:
    # As many decimals as the venue prints of this market.
    return format(number.quantize(Decimal(like), context=_WIDE), "f")


def _number(parameters: Mapping[str, str], name: str) -> int | None:
    """The number of that name, -1 when it is missing, None when it is none."""
    text = parameters.get(name, "")
    if not text:
        return -1
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def kraken_trades(key: str, tape: Tape, parameters: Mapping[str, str]) -> Answer:
    """A page of Kraken's trades: those after `since`, times as floats, the exact one of the last beside them."""
    since_ns, count = _number(parameters, "since"), _number(parameters, "count")
    if since_ns is None or count is None or count == 0 or count > PAGE:
        return _BAD_ARGUMENTS
    size = PAGE if count < 0 else count
    kept = [fill for fill in tape.fills if fill.at_ns > since_ns]
    if since_ns >= 0:
        page = [*tape.drawn_from(since_ns // NS_PER_MS + 1, size), *kept][:size]
    else:
        page = [*tape.drawn_before(_EVER_MS, size), *kept][-size:]
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


def kraken_bars(key: str, tape: Tape, parameters: Mapping[str, str]) -> Answer:
    """Kraken's OHLC: the newest 720 bars that are over and the one that grows."""
    since_s, minutes = _number(parameters, "since"), _number(parameters, "interval")
    if since_s is None or minutes is None or (minutes != -1 and minutes not in _KRAKEN_MINUTES):
        return _BAD_ARGUMENTS
    interval_ns = max(minutes, 1) * _MINUTE_NS
    first_ns = tape.newest_ns - tape.newest_ns % interval_ns - BARS_AT_MOST * interval_ns
    start_ms = max(first_ns // NS_PER_MS, (since_s + 1) * _MS_PER_S)
    bars = tape.bars(interval_ns, start_ms=start_ms, end_ms=_EVER_MS, count=BARS_AT_MOST + 1)
    rows = [
        [
            bar.begin_ns // NS_PER_S,
            *bar.prices,
            _places(bar.turnover / bar.volume, bar.prices[0]),
            _places(bar.volume, bar.quantity),
            bar.trades,
        ]
        for bar in bars
    ]
    over_ns = max(tape.newest_ns - tape.newest_ns % interval_ns - interval_ns, 0)
    return _kraken({key: rows, "last": over_ns // NS_PER_S})


def _kraken(result: Mapping[str, object]) -> Answer:
    return Answer(msgspec.json.encode({"error": [], "result": result}).decode())


def binance_trades(tape: Tape, parameters: Mapping[str, str]) -> Answer:
    """Binance's trades from an id on, or the newest."""
    size, from_id = _size(parameters), _number(parameters, "fromId")
    if size is None or from_id is None:
        return _BAD_PARAMETER
    if from_id < 0:
        chosen = [*tape.drawn_before(_EVER_MS, size), *tape.fills][-size:]
    else:
        kept = [fill for fill in tape.fills if fill.trade_id >= from_id]
        chosen = [*tape.drawn_from(from_id, size), *kept][:size]
    rows = [
        {
            "id": fill.trade_id,
            "price": fill.price,
            "qty": fill.quantity,
            "quoteQty": _places(turnover([fill]), "0.00000001"),
            "time": fill.at_ns // NS_PER_MS,
            "isBuyerMaker": not fill.buy,
            "isBestMatch": True,
        }
        for fill in chosen
    ]
    return Answer(msgspec.json.encode(rows).decode())


def binance_aggregates(tape: Tape, parameters: Mapping[str, str]) -> Answer:
    """Binance's aggregated trades: those of one instant, price and side as one, numbered by the first of them."""
    size, span = _size(parameters), _span(parameters)
    from_id = _number(parameters, "fromId")
    if size is None or span is None or from_id is None:
        return _BAD_PARAMETER
    start_ms, end_ms = span
    if "startTime" in parameters and "endTime" in parameters and end_ms - start_ms > _LONGEST_WINDOW_MS:
        return _BAD_WINDOW
    newest = from_id < 0 and "startTime" not in parameters
    # No two of the long past are one.
    drawn = tape.drawn_before(end_ms + 1, size) if newest else tape.drawn_from(max(start_ms, from_id), size)
    grouped = groupby([*drawn, *tape.fills], key=lambda fill: (fill.at_ns // NS_PER_MS, fill.price, fill.buy))
    groups = [(at_ms, price, buy, list(group)) for (at_ms, price, buy), group in grouped]
    rows = [
        {
            "a": group[0].trade_id,
            "p": price,
            "q": _places(volume(group), group[0].quantity),
            "f": group[0].trade_id,
            "l": group[-1].trade_id,
            "T": at_ms,
            "m": not buy,
            "M": True,
        }
        for at_ms, price, buy, group in groups
        if start_ms <= at_ms <= end_ms and group[0].trade_id >= from_id
    ]
    return Answer(msgspec.json.encode(rows[-size:] if newest else rows[:size]).decode())


def binance_bars(tape: Tape, parameters: Mapping[str, str]) -> Answer:
    """Binance's klines, the one that grows included."""
    minutes = _BINANCE_MINUTES.get(parameters.get("interval", ""))
    size, span = _size(parameters), _span(parameters)
    if minutes is None:
        return _BAD_INTERVAL
    if size is None or span is None:
        return _BAD_PARAMETER
    start_ms, end_ms = span
    interval_ns = minutes * _MINUTE_NS
    offset_ns = _WEEK_BEGINS_NS if minutes == 7 * _DAY else 0
    newest = "startTime" not in parameters
    if newest:
        start_ms = min(end_ms, tape.newest_ns // NS_PER_MS) - size * interval_ns // NS_PER_MS
    bars = tape.bars(interval_ns, start_ms=start_ms, end_ms=end_ms + 1, count=size + 1, offset_ns=offset_ns)
    rows = [_kline(bar, interval_ns) for bar in (bars[-size:] if newest else bars[:size])]
    return Answer(msgspec.json.encode(rows).decode())


def _kline(bar: Bar, interval_ns: int) -> list[object]:
    quantities = [_places(number, "0.00000001") for number in (bar.volume, bar.turnover)]
    taken = [_places(number, "0.00000001") for number in (bar.bought, bar.bought_turnover)]
    closed_ms = (bar.begin_ns + interval_ns) // NS_PER_MS - 1
    begin_ms = bar.begin_ns // NS_PER_MS
    return [begin_ms, *bar.prices, quantities[0], closed_ms, quantities[1], bar.trades, *taken, "0"]


def futures_candles(tape: Tape, resolution: str, parameters: Mapping[str, str]) -> Answer:
    """Kraken Futures' candles from `from` to `to`, oldest first, the one that grows included; weeks begin as the
    spot market's do."""
    minutes = _FUTURES_MINUTES.get(resolution)
    from_s, to_s = _number(parameters, "from"), _number(parameters, "to")
    if minutes is None:
        return _BAD_RESOLUTION
    if from_s is None or to_s is None:
        return _BAD_TIME
    end_ms = _EVER_MS if to_s < 0 else to_s * _MS_PER_S + 1
    bars = tape.bars(minutes * _MINUTE_NS, start_ms=from_s * _MS_PER_S, end_ms=end_ms, count=CANDLES + 1)
    rows = [_candle(bar) for bar in bars[:CANDLES]]
    return Answer(msgspec.json.encode({"candles": rows, "more_candles": len(bars) > len(rows)}).decode())


def _candle(bar: Bar) -> dict[str, object]:
    first, high, low, last = bar.prices
    traded = format(bar.volume, "f")
    return {
        "time": bar.begin_ns // NS_PER_MS, "open": first, "high": high, "low": low, "close": last, "volume": traded,
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
    return max(start_ms, 0), _EVER_MS if end_ms < 0 else end_ms
