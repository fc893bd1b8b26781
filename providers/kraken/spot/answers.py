"""Kraken spot's REST answers about the past: trades and OHLC. Pure.

Times come as JSON numbers that were floats at the venue, good for about 240 ns: their digits are read as they are
written. Only the last trade of a page has its exact nanosecond, in `last`, and no earlier one can be later than it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Annotated

import attrs
import msgspec

from core.clock import NS_PER_S
from core.errors import TransientError
from core.flow.printable import printable
from core.model.fixedpoint import FixedPointError, parse_fixed
from core.model.records import BUY, NO_SIDE, SELL
from providers.kraken.spot.errors import venue_error
from providers.venue.past import PastBar, PastTrade, past_bar, past_trade

FLOAT_TIME_NS = 1000
"""A time read from a float's digits is at most this far from the true one."""

_SIDES = {"b": BUY, "s": SELL}
_LAST = "last"
_NANOSECONDS = 9
_NS_PER_US = 1000

_Id = Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
# Before 2023 rows had no trade id.
_NumberedRow = tuple[str, str, msgspec.Raw, str, str, str, _Id]
_OldRow = tuple[str, str, msgspec.Raw, str, str, str]
_Bar = tuple[Annotated[int, msgspec.Meta(ge=0, le=2**33)], str, str, str, str, str, str, int]


class _Answer(msgspec.Struct):
    error: list[str] = []
    result: dict[str, msgspec.Raw] | None = None


@attrs.frozen(kw_only=True)
class PastTrades:
    """The trades of one answer, oldest first. `last_ns` is where the next page begins; `rejected` rows were none."""

    trades: tuple[PastTrade, ...]
    last_ns: int
    rejected: int


@attrs.frozen(kw_only=True)
class PastBars:
    """The bars of one answer that are over and had trades, oldest first; `rejected` rows were none."""

    bars: tuple[PastBar, ...]
    rejected: int


_decode = msgspec.json.Decoder(_Answer).decode
_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_numbered = msgspec.json.Decoder(_NumberedRow).decode
_decode_old = msgspec.json.Decoder(_OldRow).decode
_decode_bar = msgspec.json.Decoder(_Bar).decode


def parse_trades(body: bytes, *, venue: str, since_ns: int, now_ns: int) -> PastTrades:
    """The trades of one answer to a question for those after `since_ns`.

    Raises:
        ConsoleError: the venue answered with an error, or with something else.
    """
    rows, last = _content(body, operation=f"trades of {venue}", now_ns=now_ns)
    if not (last.isascii() and last.isdigit() and len(last) <= 19 and int(last) < 2**63):
        raise TransientError(f"trades of {venue}", "not understood", hint="the answer does not say where it ends")
    found = [_trade(row) for row in rows]
    trades = [trade for trade in found if trade is not None]
    rejected = len(found) - len(trades)
    if all(trade.trade_id for trade in trades):
        single = {trade.trade_id: trade for trade in trades}
        trades = [single[each] for each in sorted(single)]  # many have the same time
    exact = _exact(trades, since_ns=since_ns, last_ns=int(last))
    return PastTrades(trades=tuple(exact), last_ns=int(last), rejected=rejected)


def parse_bars(body: bytes, *, venue: str, now_ns: int) -> PastBars:
    """The bars of one OHLC answer, without the one that still grows.

    Raises:
        ConsoleError: the venue answered with an error, or with something else.
    """
    rows, last = _content(body, operation=f"bars of {venue}", now_ns=now_ns)
    if not (last.isascii() and last.isdigit() and len(last) <= 10):
        raise TransientError(f"bars of {venue}", "not understood", hint="the answer does not say which bar is over")
    found = [_bar(row) for row in rows]
    bars = [bar for bar in found if bar is not None]
    over = tuple(bar for bar in bars if bar.trades and bar.ts_event_ns <= int(last) * NS_PER_S)
    return PastBars(bars=over, rejected=len(found) - len(bars))


def without_repeats(later: Sequence[PastTrade], earlier: Sequence[PastTrade]) -> list[PastTrade]:
    """`later` without what the page before it, `earlier`, already had: by id, else by the rows that both share."""
    if not earlier or not later:
        return list(later)
    newest_id = earlier[-1].trade_id
    if newest_id and later[-1].trade_id:
        return [trade for trade in later if trade.trade_id > newest_id]
    # Trades without an id may be alike: only the end of one page found whole at the start of the next came twice.
    for length in range(min(len(earlier), len(later)), 0, -1):
        if _alike(earlier[-length:], later[:length]):
            return list(later[length:])
    return list(later)


def in_live_time(trades: Sequence[PastTrade]) -> list[PastTrade]:
    """`trades` in the time of the live feed: whole microseconds that never go back from one trade to the next."""
    instants = accumulate((trade.ts_event_ns // _NS_PER_US * _NS_PER_US for trade in trades), max)
    return [trade._replace(ts_event_ns=instant) for trade, instant in zip(trades, instants, strict=True)]


def _alike(some: Iterable[PastTrade], others: Iterable[PastTrade]) -> bool:
    return all(
        one._replace(ts_event_ns=0) == other._replace(ts_event_ns=0)
        and abs(one.ts_event_ns - other.ts_event_ns) <= FLOAT_TIME_NS
        for one, other in zip(some, others, strict=True)
    )


def _content(body: bytes, *, operation: str, now_ns: int) -> tuple[list[msgspec.Raw], str]:
    try:
        answer = _decode(body)
        if answer.error:
            raise venue_error("; ".join(answer.error), operation=operation, now_ns=now_ns)
        content = dict(answer.result or {})
        last = str(content.pop(_LAST, b""), "ascii", "replace").strip('"')
        # The pair goes by another name than was asked for: its rows are the one list that stands beside `last`.
        (rows,) = (each for each in content.values() if bytes(each).startswith(b"["))
        return _decode_rows(rows), last
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TransientError(operation, "not understood", hint=printable(str(error))) from None


def _trade(row: msgspec.Raw) -> PastTrade | None:
    try:
        if len(_decode_rows(row)) == 6:
            price, volume, time, side, _, _ = _decode_old(row)
            trade_id = 0
        else:
            price, volume, time, side, _, _, trade_id = _decode_numbered(row)
        return past_trade(
            trade_id=trade_id,
            ts_event_ns=parse_fixed(str(time, "ascii", "replace"), _NANOSECONDS),
            price=price,
            quantity=volume,
            side=_SIDES.get(side, NO_SIDE),
        )
    except (msgspec.MsgspecError, UnicodeError, RecursionError, FixedPointError):
        return None


def _exact(trades: Sequence[PastTrade], *, since_ns: int, last_ns: int) -> list[PastTrade]:
    # What lies beyond an exact bound by no more than a float's error lies on it; anything else is left alone.
    exact = [
        trade._replace(ts_event_ns=_within(trade.ts_event_ns, low_ns=since_ns + 1, high_ns=last_ns))
        for trade in trades
    ]
    if exact and abs(exact[-1].ts_event_ns - last_ns) <= FLOAT_TIME_NS:
        exact[-1] = exact[-1]._replace(ts_event_ns=last_ns)
    return exact


def _within(instant_ns: int, *, low_ns: int, high_ns: int) -> int:
    if 0 < low_ns - instant_ns <= FLOAT_TIME_NS:
        return low_ns
    return high_ns if 0 < instant_ns - high_ns <= FLOAT_TIME_NS else instant_ns


def _bar(row: msgspec.Raw) -> PastBar | None:
    try:
        begin_s, *prices, _average, volume, trades = _decode_bar(row)
        return past_bar(
            ts_event_ns=begin_s * NS_PER_S,
            prices=[str(each) for each in prices],
            volume=str(volume),
            trades=int(trades),
        )
    except (msgspec.MsgspecError, UnicodeError, RecursionError, FixedPointError):
        return None
