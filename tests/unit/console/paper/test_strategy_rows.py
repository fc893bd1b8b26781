"""The rows that lines of a ledger make."""

from __future__ import annotations

from console.paper.strategy_rows import MOST_HELD, StrategyRows
from core.model.orders import OrderKind, OrderState, Side
from core.sim.accounts import format_amount
from core.sim.lines import ActLine, FillLine, HoleLine, Line
from core.store.columns import exact
from core.store.strategy_log import StrategyRow
from tests.unit.console.paper.desks import KEYS, act, beginning, strategies, tick
from tests.unit.console.paper.ledgers import (
    E8,
    E9,
    E12,
    PLACE,
    T0,
    account,
    equity,
    fill,
    lane,
    numbered,
    order,
    signal,
)
from tests.unit.console.paper.ledgers import (
    trading as ledger_of,
)
from tests.unit.core.sim.desks import Recorded


def rows_of(*lines: Line, standing: tuple[int, ...] = ()) -> list[StrategyRow]:
    """What a whole ledger makes."""
    found = StrategyRows("s1", {"sma": "ab"}, accounts={"sma": "main"}, standing=standing)
    rows = [row for number, line in numbered(list(lines)) for row in found.of(number, line)]
    return rows + found.rest()


def events(rows: list[StrategyRow]) -> list[tuple[int, str]]:
    """The lines that rows are of, and what they say."""
    return [(row.line, row.event) for row in rows]


def test_a_signal_makes_a_row() -> None:
    """With the price at which it was decided, what it wants, and whose it is; what it does not say is left out."""
    limited = signal(action=-1, quantity_e8=1, limit_e9=99 * E9, ts_ns=T0 + 1)
    first, second, third = rows_of(signal(), limited, signal(action=0, cancel=True))
    assert first == StrategyRow(
        session_id="s1", line=1, strategy="sma", strategy_sha256="ab", account="main", venue="KRAKEN",
        symbol="BTCUSD", event="signal", ts_event=T0, side="buy", price="100.5",
    )  # fmt: skip
    assert (second.side, second.quantity, second.ts_event) == ("sell", "0.00000001", T0 + 1)
    assert second.details == {"limit": "99"}
    assert (third.side, third.details) == ("", {"cancel": True})


def test_an_order_makes_a_row_when_it_is_seen_first() -> None:
    """Whatever its state is then; what becomes of it later is told by its fills."""
    one, two, three = (
        order(1, type=OrderKind.LIMIT, limit_e9=99 * E9),
        order(2, OrderState.PARTLY_FILLED, filled_e8=1, type=OrderKind.STOP, stop_e9=98 * E9, side=Side.SELL),
        order(3, OrderState.FILLED, filled_e8=2 * E8),
    )
    rows = rows_of(one, two, three, order(1, OrderState.PARTLY_FILLED), order(1, OrderState.FILLED))
    assert events(rows) == [(1, "order"), (2, "order"), (3, "order")]
    assert [row.price for row in rows] == ["99", "98", None]
    assert [row.quantity for row in rows] == ["2", "2", "2"]
    assert [row.side for row in rows] == ["buy", "sell", "buy"]
    assert rows[0].details == {"order": 1, "type": "limit"}


def test_an_order_that_ends_without_a_fill_makes_a_row() -> None:
    """A cancel of what was left, at the newest instant of its symbol, and a reject, with their reasons; of one that
    ended in the step in which it was given that is all."""
    rows = rows_of(
        order(1),
        signal(ts_ns=T0 + 7, action=0, cancel=True),
        order(1, OrderState.CANCELLED, filled_e8=E8, reason="taken back"),
        order(2, OrderState.REJECTED, reason="no\nmoney \x1b[2J\x00"),
    )
    assert events(rows) == [(1, "order"), (2, "signal"), (3, "cancel"), (4, "reject")]
    assert (rows[2].quantity, rows[2].ts_event) == ("1", T0 + 7)
    assert rows[2].details == {"order": 1, "type": "market", "filled": "1", "reason": "taken back"}
    assert rows[3].details["reason"] == "no\\nmoney \\x1b[2J\\x00"


def test_an_order_of_the_session_before_is_not_noted_again() -> None:
    """Only how it ends is."""
    lines = (order(1, OrderState.PARTLY_FILLED), order(1, OrderState.CANCELLED))
    assert events(rows_of(*lines, standing=(1,))) == [(2, "cancel")]
    assert events(rows_of(*lines)) == [(1, "order"), (2, "cancel")]


def test_a_fill_waits_for_its_account() -> None:
    """It bears what its account holds after the step, and what comes after it waits, so that rows are in order."""
    found = StrategyRows("s1", {})
    assert found.of(1, equity(5 * E12, T0 - 60)) == []
    assert found.of(2, fill(1, realised_e12=-3 * E12, maker=True)) == []
    assert found.of(3, order(1, OrderState.FILLED)) == []
    assert found.of(4, account("other")) == []
    first, second = found.of(5, account())
    assert (first.line, first.event, second.event) == (2, "fill", "order")
    assert (first.price, first.quantity, first.fee) == ("100.25", "0.5", "0.125000000001")
    assert (first.realised_pnl, first.cash, first.position, first.equity) == ("-3", "900", "0.5", "5")
    assert first.details == {"order": 1, "currency": "USD", "maker": True, "equity_ns": T0 - 60}
    assert (first.strategy_sha256, second.cash) == ("", None)
    assert found.rest() == []


def test_fills_of_one_step_bear_what_is_after_it() -> None:
    """Of two accounts each its own, and the worth that was written down in the step itself."""
    rows = rows_of(
        fill(1), fill(2, account="other", symbol="ETHUSD"), equity(7 * E12), account(), account("other")
    )  # fmt: skip
    assert [(row.account, row.cash, row.position, row.equity) for row in rows] == [
        ("main", "900", "0.5", "7"),
        ("other", "900", "0", None),
    ]


def test_what_no_account_follows_is_not_held_for_ever() -> None:
    """At the end of the ledger, or when too much waits, the rows come without it."""
    found = StrategyRows("s1", {})
    assert found.of(1, fill(1)) == []
    held = [row for number in range(2, MOST_HELD + 2) for row in found.of(number, signal())]
    assert [row.line for row in held][:2] == [1, 2]
    assert held[0].cash is None
    assert found.of(MOST_HELD + 2, fill(2)) == []
    assert events(found.rest()) == [(MOST_HELD + 2, "fill")]


def test_a_strategy_that_is_stopped_makes_a_row() -> None:
    """With the reason; that it is paused and goes on makes none, nor does what concerns no strategy."""
    rows = rows_of(
        lane("running"), lane("paused", "by an operator"), lane("stopped", "raised ValueError"), account(), equity(1),
        ActLine(act="halt", target="", by="me", wall_ns=1), HoleLine(**PLACE, ts_ns=1, rows=0, cause="lapped"),
    )  # fmt: skip
    assert events(rows) == [(3, "stop")]
    assert (rows[0].strategy, rows[0].account, rows[0].ts_event) == ("sma", "main", T0 + 9)
    assert rows[0].details == {"reason": "raised ValueError"}


def test_a_liquidation_has_no_strategy() -> None:
    """Its order and its fill say of which account, and why."""
    guard = order(1, OrderState.FILLED, lane="", reason="liquidation")
    first, second = rows_of(fill(1, lane="", reason="liquidation"), guard, account())
    assert {(row.strategy, row.strategy_sha256, row.account) for row in (first, second)} == {("", "", "main")}
    assert first.details["reason"] == second.details["reason"] == "liquidation"


def test_of_a_line_there_is_one_row_at_most() -> None:
    """And rows are in the order of their lines."""
    lines = [row.line for row in rows_of(*ledger_of(50))]
    assert lines == sorted(set(lines))
    assert len(lines) == 150


def test_a_real_desk_leaves_nothing_waiting() -> None:
    """After each step its rows are complete, and each fill says what the books say then; a desk that goes on from
    where another ended gives no order twice."""
    rows: list[StrategyRow] = []
    trading = Recorded(beginning(), strategies())
    found = StrategyRows("s1", {})

    def trade(at: int) -> None:
        written = len(trading.lines)
        for key in KEYS:
            trading.trades(key, tick(at))
        lines = trading.lines[written:]
        made = [row for number, line in numbered(lines) for row in found.of(number, line)]
        assert found.rest() == []
        for row in (row for row in made if row.event == "fill"):
            account = trading.desk.ledger.accounts[row.account]
            position = account.positions[row.venue, row.symbol]
            assert row.cash == format_amount(account.balances_e12["USD"])
            assert row.position == exact(position.quantity_e8, 8)
            assert row.equity is not None
        rows.extend(made)

    for at in range(70):
        trade(at)
    assert {row.event for row in rows} == {"signal", "order", "fill", "reject"}
    assert sum(row.event == "fill" for row in rows) == sum(isinstance(line, FillLine) for line in trading.lines)
    state = trading.desk.state()
    assert state.orders
    trading = Recorded(state, strategies())
    found = StrategyRows("s2", {}, standing=[order.number for order in state.orders])
    rows.clear()
    trading.act(act("kill"))
    ended = [row for number, line in numbered(trading.lines) for row in found.of(number, line)]
    noted = {row.details["order"] for row in ended if row.event == "order"}
    assert {order.number for order in state.orders} <= {
        row.details["order"] for row in ended if row.event == "cancel"
    }
    assert noted.isdisjoint(order.number for order in state.orders)
