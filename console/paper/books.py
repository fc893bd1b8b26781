"""What accounts of a desk and their positions are worth at the last prices, as rows for people and programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from console.paper.tally import Point
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
from core.sim.accounts import Limits, format_amount
from core.sim.ledger import Ledger
from core.sim.lines import AccountLine
from core.sim.positions import Account, Key, Position
from core.sim.settlement import LINEAR
from core.sim.state import DeskState
from core.sim.written import account_of
from core.store.columns import exact


class Books:
    """A ledger that stands where `state` does. What has no price yet counts as what it cost."""

    def __init__(self, state: DeskState) -> None:
        self.markets = {market.instrument.key: market for market in state.markets}
        instruments = {key: market.instrument for key, market in self.markets.items()}
        self._ledger = Ledger((), "")
        self._ledger.adopt(
            [account_of(line, instruments) for line in state.accounts],
            market_e12=state.market_e12,
            fees_e12=state.fees_e12,
        )

    def account(self, line: AccountLine, limits: Limits, curve: Sequence[Point]) -> dict[str, Any]:
        """The row of an account; `curve` is what it was worth over time."""
        account = self._ledger.accounts[line.id]
        marks = self._marks(account)
        equity_e12 = self._ledger.equity_e12(line.id, marks)
        return {
            "id": line.id,
            "currency": line.currency,
            "leverage": line.leverage,
            "initial": format_amount(line.initial_e12),
            "balances": {currency: format_amount(amount) for currency, amount in line.balances_e12.items()},
            "locked": {currency: format_amount(amount) for currency, amount in line.locked_e12.items()},
            "free": format_amount(account.free_e12(line.currency)),
            "margin": format_amount(line.margin_e12),
            "fees": format_amount(line.fees_e12),
            "realised": format_amount(sum(one.realised_e12 for one in line.positions)),
            "unrealised": format_amount(self._ledger.unrealised_e12(line.id, marks)),
            "equity": format_amount(equity_e12),
            "today": format_amount(equity_e12 - line.day_e12) if line.day_ns else "",
            "return": (equity_e12 - line.initial_e12) / line.initial_e12 if line.initial_e12 else 0.0,
            "halted": line.halted,
            "liquidated": line.liquidated,
            "limits": {
                "position": format_amount(limits.position_e12),
                "day_loss": format_amount(limits.day_loss_e12),
                "orders_per_minute": limits.orders_per_minute,
            },
            "curve": [[ts_ns, format_amount(worth_e12)] for ts_ns, worth_e12 in curve],
        }

    def positions(self) -> Iterator[dict[str, Any]]:
        """The rows of what is held, account by account."""
        for account in self._ledger.accounts.values():
            for position in account.positions.values():
                if position.quantity_e8:
                    yield self._position(account, position)

    def _position(self, account: Account, position: Position) -> dict[str, Any]:
        key, mark_e9 = position.instrument.key, self._mark_e9(position)
        mark = "" if mark_e9 is None else exact(mark_e9, PRICE_DECIMALS)
        worth = unrealised = ""
        if mark_e9 is not None:
            sign = 1 if position.quantity_e8 > 0 else -1
            worth = format_amount(sign * abs(position.closing_flow_e12(mark_e9)))
            unrealised = format_amount(position.unrealised_e12(mark_e9))
        return {
            "account": account.id,
            "venue": key[0],
            "symbol": key[1],
            "currency": account.currency,
            "quantity": exact(position.quantity_e8, QUANTITY_DECIMALS),
            "average": exact(position.average_e9, PRICE_DECIMALS),
            "mark": mark,
            "worth": worth,
            "unrealised": unrealised,
            "realised": format_amount(position.realised_e12),
            "margin": format_amount(position.margin_e12),
        }

    def _mark_e9(self, position: Position) -> int | None:
        market = self.markets[position.instrument.key]
        known = market.newest_ns > 0 and (market.mark_e9 > 0 or position.settlement is LINEAR)
        return market.mark_e9 if known else None

    def _marks(self, account: Account) -> dict[Key, int]:
        marks: dict[Key, int] = {}
        for key, position in account.positions.items():
            mark_e9 = self._mark_e9(position)
            marks[key] = max(position.average_e9, 1) if mark_e9 is None else mark_e9
        return marks
