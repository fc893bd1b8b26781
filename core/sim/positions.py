"""What an account holds, and what a trade would change about it: worked out here, carried out by the ledger."""

from __future__ import annotations

from collections import defaultdict

import attrs

from core.model.instruments import Instrument
from core.model.orders import RefusedOrderError
from core.sim.accounts import format_amount
from core.sim.settlement import (
    BASE,
    LINEAR,
    SPOT,
    Settlement,
    average_e9,
    cost_share_e12,
    fee_e12,
    flow_e12,
    margin_e12,
    settlement_of,
)

Key = tuple[str, str]
"""The (venue, symbol) of an instrument."""


@attrs.define(eq=False)
class Position:
    """What an account holds of one instrument. `quantity_e8` is below 0 when short; `cost_e12` is what closing it
    must bring to gain nothing (`core.sim.settlement`); `realised_e12` what closed parts gained, before fees;
    `margin_e12` what it needs of the account's money, 0 for what was paid in full."""

    instrument: Instrument
    settlement: Settlement
    quantity_e8: int = 0
    cost_e12: int = 0
    realised_e12: int = 0
    margin_e12: int = 0

    @property
    def average_e9(self) -> int:
        """The average entry price; 0 when flat."""
        return average_e9(self.settlement, cost_e12=self.cost_e12, quantity_e8=self.quantity_e8)

    def check_held(self, quantity_e8: int) -> None:
        """Raise `RefusedOrderError` when so much cannot be sold because it is not there."""
        if quantity_e8 > self.quantity_e8:
            instrument = self.instrument
            held, wanted = (format_amount(amount_e8 * BASE) for amount_e8 in (self.quantity_e8, quantity_e8))
            raise RefusedOrderError(
                "not enough to sell",
                f"needs {wanted} {instrument.base}, {held} held on {instrument.venue}",
                hint=f"{instrument.product} cannot be sold short",
            )

    def closing_flow_e12(self, price_e9: int) -> int:
        """What closing it at that price would bring. Of a flat one nothing."""
        sign = -1 if self.quantity_e8 > 0 else 1
        return flow_e12(self.settlement, sign=sign, quantity_e8=abs(self.quantity_e8), price_e9=price_e9)

    def unrealised_e12(self, price_e9: int) -> int:
        """What closing it at that price would gain, before fees. Of a flat one nothing."""
        return self.closing_flow_e12(price_e9) - self.cost_e12


@attrs.define(eq=False)
class Account:
    """An account as it stands. `locked_e12` is what open orders lock of each balance; `margin_e12` what positions
    need of the balance in the account's `currency`, in which `fees_e12` were paid too."""

    id: str
    currency: str
    leverage: int
    initial_e12: int
    balances_e12: defaultdict[str, int]
    locked_e12: defaultdict[str, int] = attrs.field(factory=lambda: defaultdict(int))
    positions: dict[Key, Position] = attrs.field(factory=dict)
    margin_e12: int = 0
    fees_e12: int = 0

    def free_e12(self, currency: str) -> int:
        """What neither orders nor positions need; below 0 when losses took what they do."""
        free_e12 = self.balances_e12.get(currency, 0) - self.locked_e12.get(currency, 0)
        return free_e12 - self.margin_e12 if currency == self.currency else free_e12

    def position(self, instrument: Instrument, price_e9: int) -> Position:
        """What it holds of an instrument that it may trade at that price; a new, unkept one if that is nothing.

        Raises:
            RefusedOrderError: the instrument is paid in another currency, or cannot have such a price.
        """
        position = self.positions.get(instrument.key)
        if position is None:
            position = Position(instrument, settlement_of(instrument.product))
            spot = position.settlement is SPOT
            currency = instrument.quote if spot else instrument.settle
            if currency != self.currency or (spot and instrument.base == currency):
                raise RefusedOrderError(
                    "wrong currency",
                    f"{instrument.symbol} on {instrument.venue} is paid in {currency or 'no known currency'}",
                    hint=f"account {self.id} is in {self.currency}",
                )
        if price_e9 <= 0 and position.settlement is not LINEAR:
            raise RefusedOrderError("no price", f"{price_e9}e-9 for {instrument.symbol} on {instrument.venue}")
        return position


@attrs.define(eq=False)
class Change:
    """What a trade would do: `money_e12` comes to the balance, the fee taken off; cost and margin are those of the
    position afterwards; `needed_e12` is what must be free, and not above 0 for what is never refused."""

    money_e12: int
    fee_e12: int
    realised_e12: int
    cost_e12: int
    margin_e12: int
    needed_e12: int


def change_of(
    position: Position, leverage: int, *, sign: int, quantity_e8: int, price_e9: int, fee_ppm: int
) -> Change:
    """What buying (`sign` 1) or selling (-1) does to a position. Of a trade that turns it the closing and the opening
    part count each for itself.

    Raises:
        RefusedOrderError: it would sell more than there is of what cannot be sold short.
    """
    settlement, cost_e12, held_e8 = position.settlement, position.cost_e12, position.quantity_e8
    opening_e8, flow, realised_e12 = quantity_e8, 0, 0
    if held_e8 * sign < 0:
        closing_e8 = min(quantity_e8, abs(held_e8))
        opening_e8 -= closing_e8
        flow = flow_e12(settlement, sign=sign, quantity_e8=closing_e8, price_e9=price_e9)
        share_e12 = cost_share_e12(cost_e12, closing_e8=closing_e8, held_e8=abs(held_e8))
        realised_e12 = flow - share_e12
        cost_e12 -= share_e12
    if opening_e8:
        opening = flow_e12(settlement, sign=sign, quantity_e8=opening_e8, price_e9=price_e9)
        cost_e12 -= opening
        flow += opening
    fee = fee_e12(settlement, quantity_e8=quantity_e8, price_e9=price_e9, fee_ppm=fee_ppm)
    if settlement is SPOT:
        if sign < 0:
            position.check_held(quantity_e8)
        return Change(flow - fee, fee, realised_e12, cost_e12, 0, fee - flow)
    margin = margin_e12(cost_e12, leverage)
    money_e12 = realised_e12 - fee
    needed_e12 = max(margin - position.margin_e12 - money_e12, 0) if opening_e8 else 0
    return Change(money_e12, fee, realised_e12, cost_e12, margin, needed_e12)
