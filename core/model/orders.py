"""Orders, what becomes of them, and their fills. Pure values; the exchange decides."""

from __future__ import annotations

import enum
from typing import Final

import attrs

from core.errors import PermanentError


class Side(enum.StrEnum):
    """Which way."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderKind(enum.StrEnum):
    """How an order finds its price."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class OrderState(enum.StrEnum):
    """Where an order stands."""

    # Looked up for every order; that of enumerations is Python code.
    __hash__ = str.__hash__

    WORKING = "working"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


TRANSITIONS: Final[dict[OrderState, frozenset[OrderState]]] = {
    OrderState.WORKING: frozenset(
        {OrderState.PARTLY_FILLED, OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED}
    ),
    OrderState.PARTLY_FILLED: frozenset({OrderState.PARTLY_FILLED, OrderState.FILLED, OrderState.CANCELLED}),
    OrderState.FILLED: frozenset(),
    OrderState.CANCELLED: frozenset(),
    OrderState.REJECTED: frozenset(),
}
"""Which state may follow which."""

OPEN_STATES: Final = frozenset(state for state, following in TRANSITIONS.items() if following)
"""Those of an order of which something more will become."""


class RefusedOrderError(PermanentError):
    """The exchange does not take the order: too large for the account, no number, no such account."""

    category = "order_refused"


@attrs.define(kw_only=True, eq=False)
class Order:
    """One order. `given_ns` is when it was decided, `active_ns` when the exchange has it. `reason` says why it was
    cancelled or rejected, or who gave it where that was no strategy. Prices of kinds that have none are 0. `aim` is
    the position that it is to lead to: 1 long, -1 flat or short, 0 for none. `resting` tells, once it is known,
    whether a limit order gets no better price than its own."""

    number: int
    account: str
    strategy: str
    side: Side
    kind: OrderKind
    quantity_e8: int
    limit_e9: int = 0
    stop_e9: int = 0
    given_ns: int = 0
    active_ns: int = 0
    filled_e8: int = 0
    triggered: bool = False
    resting: bool | None = None
    aim: int = 0
    state: OrderState = OrderState.WORKING
    reason: str = ""

    @property
    def left_e8(self) -> int:
        """What is not filled yet."""
        return self.quantity_e8 - self.filled_e8

    @property
    def done(self) -> bool:
        """Whether nothing more will become of it."""
        return not TRANSITIONS[self.state]

    def enter(self, state: OrderState, reason: str = "") -> None:
        """Go to another state; one that may not follow is a programmer's error."""
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state, self.reason = state, reason or self.reason


@attrs.define(kw_only=True)
class Fill:
    """A part of an order that was carried out. `fee_e12` is what was paid in `currency`, below 0 for a rebate;
    `realised_e12` what the closing part of it gained before that fee, 0 where it only opens.

    A value that nobody changes; saying so to attrs would double what making one costs."""

    order: int
    account: str
    strategy: str
    side: Side
    ts_ns: int
    price_e9: int
    quantity_e8: int
    fee_e12: int
    realised_e12: int
    currency: str
    maker: bool
    reason: str = ""
