"""Makes rows of the strategy log of the lines of a session's ledger. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import attrs

from core.flow.printable import printable
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
from core.model.orders import OPEN_STATES, OrderState
from core.sim.accounts import format_amount
from core.sim.lines import AccountLine, EquityLine, FillLine, LaneLine, Line, OrderLine, SignalLine
from core.store.columns import exact
from core.store.strategy_log import StrategyRow

MOST_HELD: Final = 10_000
"""So many rows are held back at most for what a fill made of its account."""
_TEXT_CHARACTERS: Final = 300
_SIDES: Final = {1: "buy", -1: "sell"}
_ENDED: Final[dict[OrderState, str]] = {OrderState.CANCELLED: "cancel", OrderState.REJECTED: "reject"}


@attrs.define
class _Held:
    row: StrategyRow
    awaiting: str  # the account, empty when nothing is missing any more


class StrategyRows:
    """Is shown every line of a session's ledger, in order, and says which rows they make.

    `hashes` and `accounts` give the sha256 and the account of a strategy by its label; `standing` are the numbers of
    the orders that were open when the session began, which were noted in the one before.

    A fill, and what comes after it, is held back until the line of its account, which follows in the same step. Of a
    line there is one row at most, and rows come in the order of their lines.
    """

    def __init__(
        self,
        session_id: str,
        hashes: Mapping[str, str],
        *,
        accounts: Mapping[str, str] | None = None,
        standing: Collection[int] = (),
    ) -> None:
        self._session_id = session_id
        self._hashes = hashes
        self._accounts = accounts or {}
        self._open = set(standing)
        self._now_ns: dict[tuple[str, str], int] = {}
        self._equity: dict[str, EquityLine] = {}
        self._held: deque[_Held] = deque()

    def of(self, number: int, line: Line) -> list[StrategyRow]:
        """The rows that are complete with `line`, the one of that number (from 1)."""
        match line:
            case SignalLine():
                self._add(self._signal(number, line))
            case OrderLine():
                if row := self._order(number, line):
                    self._add(row)
            case FillLine():
                self._add(self._fill(number, line), awaiting=line.account)
            case LaneLine():
                self._note(line, line.ts_ns)
                if line.state == "stopped":
                    self._add(self._stop(number, line))
            case AccountLine():
                self._complete(line)
            case EquityLine():
                self._equity[line.account] = line
        return list(self._released())

    def rest(self) -> list[StrategyRow]:
        """The rows that are held back, as far as they are known: no line follows."""
        rows = [held.row for held in self._held]
        self._held.clear()
        return rows

    def _add(self, row: StrategyRow, *, awaiting: str = "") -> None:
        self._held.append(_Held(row, awaiting))

    def _released(self) -> Iterator[StrategyRow]:
        while self._held and (not self._held[0].awaiting or len(self._held) > MOST_HELD):
            yield self._held.popleft().row

    def _complete(self, line: AccountLine) -> None:
        if not self._held:
            return
        cash = format_amount(line.balances_e12.get(line.currency, 0))
        positions = {(one.venue, one.symbol): one.quantity_e8 for one in line.positions}
        equity = self._equity.get(line.id)
        for held in self._held:
            if held.awaiting == line.id:
                row, quantity_e8 = held.row, positions.get((held.row.venue, held.row.symbol), 0)
                held.row = attrs.evolve(
                    row,
                    cash=cash,
                    position=exact(quantity_e8, QUANTITY_DECIMALS),
                    equity=None if equity is None else format_amount(equity.equity_e12),
                    details=row.details if equity is None else {**row.details, "equity_ns": equity.ts_ns},
                )
                held.awaiting = ""

    def _note(self, line: SignalLine | OrderLine | FillLine | LaneLine, ts_ns: int) -> int:
        # The newest instant of the symbol: a line that says what became of an order says not when.
        key = (line.venue, line.symbol)
        self._now_ns[key] = newest_ns = max(ts_ns, self._now_ns.get(key, 0))
        return newest_ns

    def _row(
        self, number: int, line: SignalLine | OrderLine | FillLine | LaneLine, account: str, **facts: Any
    ) -> StrategyRow:
        details = {name: value for name, value in facts.pop("details").items() if value}
        return StrategyRow(
            session_id=self._session_id,
            line=number,
            strategy=printable(line.lane),
            strategy_sha256=self._hashes.get(line.lane, ""),
            account=account,
            venue=line.venue,
            symbol=line.symbol,
            details=details,
            **facts,
        )

    def _signal(self, number: int, line: SignalLine) -> StrategyRow:
        self._note(line, line.ts_ns)
        return self._row(
            number, line, self._accounts.get(line.lane, ""),
            event="signal", ts_event=line.ts_ns, side=_SIDES.get(line.action, ""), price=_price(line.last_e9),
            quantity=_quantity(line.quantity_e8),
            details={"limit": _price(line.limit_e9), "stop": _price(line.stop_e9), "cancel": line.cancel},
        )  # fmt: skip

    def _order(self, number: int, line: OrderLine) -> StrategyRow | None:
        at_ns = self._note(line, line.given_ns)
        known = line.number in self._open
        if line.state in OPEN_STATES:
            self._open.add(line.number)
        else:
            self._open.discard(line.number)
        ended = _ENDED.get(line.state)
        if known and ended is None:
            return None
        left_e8 = line.quantity_e8 - line.filled_e8
        return self._row(
            number, line, line.account,
            event=ended or "order", ts_event=at_ns if ended else line.given_ns, side=line.side.value,
            price=_price(line.limit_e9 or line.stop_e9),
            quantity=exact(left_e8 if ended else line.quantity_e8, QUANTITY_DECIMALS),
            details={
                "order": line.number, "type": line.type.value, "filled": _quantity(line.filled_e8 if ended else 0),
                "reason": printable(line.reason, _TEXT_CHARACTERS),
            },
        )  # fmt: skip

    def _fill(self, number: int, line: FillLine) -> StrategyRow:
        self._note(line, line.ts_ns)
        return self._row(
            number, line, line.account,
            event="fill", ts_event=line.ts_ns, side=line.side.value, price=exact(line.price_e9, PRICE_DECIMALS),
            quantity=exact(line.quantity_e8, QUANTITY_DECIMALS), fee=format_amount(line.fee_e12),
            realised_pnl=format_amount(line.realised_e12),
            details={
                "order": line.order, "currency": line.currency, "maker": line.maker,
                "reason": printable(line.reason, _TEXT_CHARACTERS),
            },
        )  # fmt: skip

    def _stop(self, number: int, line: LaneLine) -> StrategyRow:
        return self._row(
            number, line, self._accounts.get(line.lane, ""),
            event="stop", ts_event=line.ts_ns, details={"reason": printable(line.reason, _TEXT_CHARACTERS)},
        )  # fmt: skip


def _price(price_e9: int) -> str | None:
    return exact(price_e9, PRICE_DECIMALS) if price_e9 else None


def _quantity(quantity_e8: int) -> str | None:
    return exact(quantity_e8, QUANTITY_DECIMALS) if quantity_e8 else None
