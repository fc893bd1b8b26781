"""From what stands in the simulated exchange and its ledger to the lines that are written down, and back. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from core.model.instruments import Instrument
from core.model.orders import Fill, Order, OrderKind, OrderState, Side
from core.sim.guarding import LIQUIDATION
from core.sim.lines import AccountLine, FillLine, OrderLine, PositionLine, SignalLine
from core.sim.positions import Account, Key, Position
from core.sim.settlement import settlement_of
from core.sim.state import LaneSpec
from core.strategy import Signal


def signal_line(signal: Signal, spec: LaneSpec, *, at_ns: int, last_e9: int) -> SignalLine:
    """What the strategy of a lane wants, decided at a price."""
    return SignalLine(
        lane=spec.label,
        venue=spec.venue,
        symbol=spec.symbol,
        ts_ns=at_ns,
        action=signal.action.value,
        last_e9=last_e9,
        quantity_e8=signal.quantity_e8,
        limit_e9=signal.limit_e9,
        stop_e9=signal.stop_e9,
        cancel=signal.cancel,
    )


def order_line(order: Order, instrument: Instrument, *, locked: str, locked_e12: int) -> OrderLine:
    """An order as it stands, and what it locks."""
    return OrderLine(
        number=order.number,
        lane="" if order.strategy == LIQUIDATION else order.strategy,
        account=order.account,
        venue=instrument.venue,
        symbol=instrument.symbol,
        side=order.side,
        type=order.kind,
        quantity_e8=order.quantity_e8,
        limit_e9=order.limit_e9,
        stop_e9=order.stop_e9,
        given_ns=order.given_ns,
        active_ns=order.active_ns,
        filled_e8=order.filled_e8,
        triggered=order.triggered,
        state=order.state,
        reason=order.reason,
        aim=order.aim,
        locked=locked,
        locked_e12=locked_e12,
        resting=order.resting,
    )


def order_of(line: OrderLine) -> Order:
    """The order that stood so."""
    return Order(
        number=line.number,
        account=line.account,
        strategy=line.lane or LIQUIDATION,
        side=Side(line.side),
        kind=OrderKind(line.type),
        quantity_e8=line.quantity_e8,
        limit_e9=line.limit_e9,
        stop_e9=line.stop_e9,
        given_ns=line.given_ns,
        active_ns=line.active_ns,
        filled_e8=line.filled_e8,
        triggered=line.triggered,
        resting=line.resting,
        aim=line.aim,
        state=OrderState(line.state),
        reason=line.reason,
    )


def fill_line(fill: Fill, instrument: Instrument) -> FillLine:
    """A fill on `instrument`."""
    return FillLine(
        order=fill.order,
        lane="" if fill.strategy == LIQUIDATION else fill.strategy,
        account=fill.account,
        venue=instrument.venue,
        symbol=instrument.symbol,
        side=fill.side,
        ts_ns=fill.ts_ns,
        price_e9=fill.price_e9,
        quantity_e8=fill.quantity_e8,
        fee_e12=fill.fee_e12,
        realised_e12=fill.realised_e12,
        currency=fill.currency,
        maker=fill.maker,
        reason=fill.reason,
    )


def account_line(account: Account, *, halted: str, liquidated: bool, day_ns: int, day_e12: int) -> AccountLine:
    """An account as it stands; what is 0 is left out."""
    return AccountLine(
        id=account.id,
        currency=account.currency,
        leverage=account.leverage,
        initial_e12=account.initial_e12,
        balances_e12={currency: amount for currency, amount in account.balances_e12.items() if amount},
        locked_e12={currency: amount for currency, amount in account.locked_e12.items() if amount},
        positions=[
            PositionLine(
                venue=venue,
                symbol=symbol,
                quantity_e8=one.quantity_e8,
                cost_e12=one.cost_e12,
                realised_e12=one.realised_e12,
                margin_e12=one.margin_e12,
            )
            for (venue, symbol), one in account.positions.items()
        ],
        margin_e12=account.margin_e12,
        fees_e12=account.fees_e12,
        halted=halted,
        liquidated=liquidated,
        day_ns=day_ns,
        day_e12=day_e12,
    )


def account_of(line: AccountLine, instruments: Mapping[Key, Instrument]) -> Account:
    """The account that stood so. Raises `ValueError` when it holds something that is not among the instruments."""
    account = Account(
        line.id,
        line.currency,
        line.leverage,
        line.initial_e12,
        defaultdict(int, line.balances_e12),
        defaultdict(int, line.locked_e12),
        margin_e12=line.margin_e12,
        fees_e12=line.fees_e12,
    )
    for held in line.positions:
        instrument = instruments.get((held.venue, held.symbol))
        if instrument is None:
            raise ValueError(f"{line.id} holds {held.symbol} on {held.venue}, which is not described")
        account.positions[instrument.key] = Position(
            instrument,
            settlement_of(instrument.product),
            quantity_e8=held.quantity_e8,
            cost_e12=held.cost_e12,
            realised_e12=held.realised_e12,
            margin_e12=held.margin_e12,
        )
    return account
