"""Lines of ledgers, for tests of what is made of them."""

from __future__ import annotations

from typing import Any, Final

from core.clock import NS_PER_S
from core.model.orders import OrderKind, OrderState, Side
from core.sim.lines import AccountLine, EquityLine, FillLine, LaneLine, Line, OrderLine, PositionLine, SignalLine

T0: Final = 1_800_000_000 * NS_PER_S
PLACE: Final = {"venue": "KRAKEN", "symbol": "BTCUSD"}
E8: Final = 10**8
E9: Final = 10**9
E12: Final = 10**12


def signal(**facts: Any) -> SignalLine:
    """`sma` wants to buy at 100.5."""
    given = {"lane": "sma", **PLACE, "ts_ns": T0, "action": 1, "last_e9": 100_500_000_000, **facts}
    return SignalLine(**given)


def order(number: int, state: OrderState = OrderState.WORKING, **facts: Any) -> OrderLine:
    """`sma` has given an order to buy 2 at the market."""
    given = {
        "number": number, "lane": "sma", "account": "main", **PLACE, "side": Side.BUY, "type": OrderKind.MARKET,
        "quantity_e8": 2 * E8, "limit_e9": 0, "stop_e9": 0, "given_ns": T0, "active_ns": T0, "filled_e8": 0,
        "triggered": False, "state": state, "reason": "", "aim": 0, "locked": "USD", "locked_e12": 0, "resting": None,
        **facts,
    }  # fmt: skip
    return OrderLine(**given)


def fill(number: int, **facts: Any) -> FillLine:
    """A part, 0.5, of an order of `sma` was bought at 100.25."""
    given = {
        "order": number, "lane": "sma", "account": "main", **PLACE, "side": Side.BUY, "ts_ns": T0 + 5,
        "price_e9": 100_250_000_000, "quantity_e8": E8 // 2, "fee_e12": 125_000_000_001, "realised_e12": 0,
        "currency": "USD", "maker": False, "reason": "", **facts,
    }  # fmt: skip
    return FillLine(**given)


def account(name: str = "main", *, cash_e12: int = 900 * E12, quantity_e8: int = E8 // 2) -> AccountLine:
    """What an account holds of USD and of BTCUSD."""
    position = PositionLine(**PLACE, quantity_e8=quantity_e8, cost_e12=0, realised_e12=0, margin_e12=0)
    return AccountLine(
        id=name, currency="USD", leverage=1, initial_e12=1000 * E12, balances_e12={"USD": cash_e12, "BTC": 7},
        locked_e12={}, positions=[position], margin_e12=0, fees_e12=0, halted="", liquidated=False, day_ns=0,
        day_e12=0,
    )  # fmt: skip


def equity(equity_e12: int, ts_ns: int = T0) -> EquityLine:
    """What `main` was worth."""
    return EquityLine(account="main", ts_ns=ts_ns, equity_e12=equity_e12)


def lane(state: str, reason: str = "") -> LaneLine:
    """`sma` on BTCUSD is in a state from now on."""
    given: dict[str, Any] = {"lane": "sma", **PLACE, "state": state, "reason": reason, "ts_ns": T0 + 9}
    return LaneLine(**given)


def numbered(lines: list[Line], first: int = 1) -> list[tuple[int, Line]]:
    """The lines with their numbers."""
    return list(enumerate(lines, first))


def trading(steps: int) -> list[Line]:
    """A ledger of so many steps, in each of which an order is given and filled: five lines, of which three make
    rows."""
    made: list[Line] = []
    for number in range(1, steps + 1):
        made += [
            signal(), fill(number), order(number, OrderState.FILLED, filled_e8=2 * E8), equity(number), account(),
        ]  # fmt: skip
    return made
