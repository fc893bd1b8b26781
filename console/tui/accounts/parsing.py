"""From the answer to `accounts` to frozen values. Pure.

Every text in them is safe to draw and every number of an ordinary size, whatever was answered.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from console.tui.accounts.document import (
    Account,
    ActDone,
    Amount,
    Curve,
    Delays,
    Desk,
    Fill,
    Lane,
    Pockets,
    Position,
    Stream,
    WorkingOrder,
)
from console.tui.accounts.money import EXACT
from console.tui.answers import Raw, read_count, read_list, read_mapping, read_number, read_rows, read_text
from console.tui.backtest.parsing import read_decimal, read_instant
from console.tui.text import clean

_MOST_ROWS: Final = 500
_MOST_POINTS: Final = 1000
_LONGEST: Final = 60  # characters of an amount
_FINEST_PLACES: Final = 18
_FINEST: Final = Decimal(1).scaleb(-_FINEST_PLACES)


def parse_desk(raw: Raw) -> Desk | None:
    """`raw` as a `Desk`; None when nobody trades on paper there."""
    if raw.get("enabled") is False:
        return None
    host = read_mapping(raw, "host")
    accounts = {one.id: one for row in _rows(raw, "accounts") if (one := _account(row)).id}
    lanes = {lane.key: lane for row in _rows(raw, "strategies") if (lane := _lane(row)).label}
    return Desk(
        name=read_text(raw, "desk"),
        session=read_text(raw, "session"),
        running=raw.get("running") is True,
        host=read_text(host, "instance"),
        pid=read_count(host, "pid"),
        created_ns=read_instant(raw, "created_ns"),
        trades_seen=read_count(raw, "trades_seen"),
        accounts=tuple(accounts.values()),
        positions=tuple(_position(row) for row in _rows(raw, "positions")),
        lanes=tuple(lanes.values()),
        orders=tuple(_order(row) for row in _rows(raw, "orders")),
        fills=tuple(_fill(row) for row in _rows(raw, "fills")),
        streams=tuple(_stream(row) for row in _rows(raw, "symbols")),
        acts=tuple(_act(row) for row in _rows(raw, "acts")),
        notes=tuple(clean(one, limit=500) for one in read_list(raw, "notes")[:_MOST_ROWS] if isinstance(one, str)),
        delays=_delays(read_mapping(raw, "latency")),
    )


def _rows(raw: Raw, key: str) -> list[Raw]:
    return read_rows(raw, key)[:_MOST_ROWS]


def _amount(row: Raw, key: str) -> Amount:
    value = row.get(key)
    if isinstance(value, str) and len(value) > _LONGEST:
        return None  # its beginning would be another number
    found = read_decimal(value)
    exponent = 0 if found is None else found.as_tuple().exponent
    too_fine = found is not None and isinstance(exponent, int) and exponent < -_FINEST_PLACES
    return EXACT.quantize(found, _FINEST) if found is not None and too_fine else found


def _limit(row: Raw, key: str) -> Amount:
    return _amount(row, key) or None


def _pockets(row: Raw, key: str) -> Pockets:
    found = read_mapping(row, key)
    named = [(clean(str(name), limit=16), _amount(found, name)) for name in list(found)[:_MOST_ROWS]]
    return tuple((name, amount) for name, amount in named if amount is not None)


def _account(row: Raw) -> Account:
    limits = read_mapping(row, "limits")
    return Account(
        id=read_text(row, "id", limit=64),
        currency=read_text(row, "currency", limit=16),
        leverage=read_count(row, "leverage"),
        initial=_amount(row, "initial"),
        equity=_amount(row, "equity"),
        today=_amount(row, "today"),
        share=_amount(row, "return"),
        free=_amount(row, "free"),
        margin=_amount(row, "margin"),
        fees=_amount(row, "fees"),
        realised=_amount(row, "realised"),
        unrealised=_amount(row, "unrealised"),
        balances=_pockets(row, "balances"),
        locked=_pockets(row, "locked"),
        halted=read_text(row, "halted", limit=300),
        liquidated=row.get("liquidated") is True,
        most_position=_limit(limits, "position"),
        most_day_loss=_limit(limits, "day_loss"),
        most_orders=read_count(limits, "orders_per_minute"),
        curve=_curve(row),
    )


def _curve(row: Raw) -> Curve:
    points: list[tuple[int, Decimal]] = []
    for pair in read_list(row, "curve")[-_MOST_POINTS:]:
        if not isinstance(pair, list) or len(pair) != 2:
            continue
        ts_ns, worth = read_instant({"ts_ns": pair[0]}, "ts_ns"), _amount({"worth": pair[1]}, "worth")
        if worth is not None and ts_ns > (points[-1][0] if points else 0):
            points.append((ts_ns, worth))
    return Curve(ts_ns=tuple(one[0] for one in points), values=tuple(float(one[1]) for one in points))


def _position(row: Raw) -> Position:
    return Position(
        account=read_text(row, "account", limit=64),
        venue=read_text(row, "venue", limit=40),
        symbol=read_text(row, "symbol", limit=40),
        currency=read_text(row, "currency", limit=16),
        quantity=_amount(row, "quantity"),
        average=_amount(row, "average"),
        mark=_amount(row, "mark"),
        worth=_amount(row, "worth"),
        unrealised=_amount(row, "unrealised"),
        realised=_amount(row, "realised"),
        margin=_amount(row, "margin"),
    )


def _lane(row: Raw) -> Lane:
    return Lane(
        label=read_text(row, "label", limit=64),
        venue=read_text(row, "venue", limit=40),
        symbol=read_text(row, "symbol", limit=40),
        account=read_text(row, "account", limit=64),
        strategy=read_text(row, "strategy", limit=200),
        sha256=read_text(row, "sha256", limit=64),
        bars=read_text(row, "bars", limit=20),
        mode=read_text(row, "mode", limit=20),
        state=read_text(row, "state", limit=20),
        reason=read_text(row, "reason", limit=300),
        held=_amount(row, "held"),
        signals=read_count(row, "signals"),
        orders=read_count(row, "orders"),
        fills=read_count(row, "fills"),
        rejected=read_count(row, "rejected"),
        last_signal_ns=read_instant(row, "last_signal_ns"),
        last_trade_ns=read_instant(row, "last_trade_ns"),
    )


def _order(row: Raw) -> WorkingOrder:
    return WorkingOrder(
        number=read_count(row, "number"),
        label=read_text(row, "strategy", limit=64),
        account=read_text(row, "account", limit=64),
        venue=read_text(row, "venue", limit=40),
        symbol=read_text(row, "symbol", limit=40),
        side=read_text(row, "side", limit=10),
        type=read_text(row, "type", limit=20),
        quantity=_amount(row, "quantity"),
        filled=_amount(row, "filled"),
        limit=_limit(row, "limit"),
        stop=_limit(row, "stop"),
        state=read_text(row, "state", limit=20),
        given_ns=read_instant(row, "given_ns"),
        reason=read_text(row, "reason", limit=300),
    )


def _fill(row: Raw) -> Fill:
    return Fill(
        order=read_count(row, "order"),
        label=read_text(row, "strategy", limit=64),
        account=read_text(row, "account", limit=64),
        venue=read_text(row, "venue", limit=40),
        symbol=read_text(row, "symbol", limit=40),
        side=read_text(row, "side", limit=10),
        ts_ns=read_instant(row, "ts_ns"),
        price=_amount(row, "price"),
        quantity=_amount(row, "quantity"),
        fee=_amount(row, "fee"),
        realised=_amount(row, "realised"),
        currency=read_text(row, "currency", limit=16),
        maker=row.get("maker") is True,
        reason=read_text(row, "reason", limit=300),
    )


def _stream(row: Raw) -> Stream:
    return Stream(
        venue=read_text(row, "venue", limit=40),
        symbol=read_text(row, "symbol", limit=40),
        last=_limit(row, "last_price"),
        last_ns=read_instant(row, "last_ns"),
        ticks=read_count(row, "ticks"),
        late=read_count(row, "late") if row.get("late") is not None else None,
        holes=read_count(row, "holes"),
        lost=read_count(row, "lost"),
        feed=read_text(row, "feed", limit=20),
    )


def _act(row: Raw) -> ActDone:
    return ActDone(
        wall_ns=read_instant(row, "wall_ns"),
        act=read_text(row, "act", limit=20),
        target=read_text(row, "target", limit=64),
        by=read_text(row, "by", limit=120),
        outcome=read_text(row, "outcome", limit=200),
    )


def _delays(row: Raw) -> Delays | None:
    if not row:
        return None
    return Delays(
        p50_us=read_number(row, "p50_us"),
        p99_us=read_number(row, "p99_us"),
        max_us=read_number(row, "max_us"),
        count=read_count(row, "count"),
    )
