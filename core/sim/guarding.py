"""What an exchange does not take, and the order that closes a position which its account cannot bear. Pure."""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument
from core.model.orders import Order, OrderKind, RefusedOrderError, Side
from core.sim.ledger import Ledger

LIQUIDATION: Final = "liquidation"
"""The strategy and the reason of an order that nobody gave."""

_LIMIT, _STOP = OrderKind.LIMIT, OrderKind.STOP


def check_order(order: Order, instrument: Instrument) -> None:
    """Raise `RefusedOrderError` for an order that no exchange would take, whoever gives it."""
    increment = instrument.quantity_increment_e8
    if order.quantity_e8 <= 0 or order.quantity_e8 % increment:
        raise RefusedOrderError("bad quantity", f"{order.quantity_e8}e-8", hint=f"in steps of {increment}e-8")
    if (order.limit_e9 > 0) is not (order.kind is _LIMIT) or order.limit_e9 < 0:
        raise RefusedOrderError("bad limit", f"{order.limit_e9}e-9 of a {order.kind} order")
    if (order.stop_e9 > 0) is not (order.kind is _STOP) or order.stop_e9 < 0:
        raise RefusedOrderError("bad stop", f"{order.stop_e9}e-9 of a {order.kind} order")


def guard_of(ledger: Ledger, account: str, instrument: Instrument) -> Order | None:
    """A stop order for all that an account holds of an instrument, at the price at which it can bear that no longer;
    None when there is no such price."""
    price_e9 = ledger.liquidation_price_e9(account, instrument)
    if price_e9 is None:
        return None
    held_e8 = ledger.position_e8(account, instrument)
    return Order(
        number=0,
        account=account,
        strategy=LIQUIDATION,
        side=Side.SELL if held_e8 > 0 else Side.BUY,
        kind=_STOP,
        quantity_e8=abs(held_e8),
        stop_e9=price_e9,
    )
