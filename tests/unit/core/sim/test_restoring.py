"""From lines to a state: every figure that does not fit those before it is an error that says where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from msgspec.structs import replace

from core.errors import PermanentError
from core.model.orders import OrderState, Side
from core.sim.lines import AccountLine, EquityLine, FillLine, LaneLine, Line, OrderLine, SignalLine
from core.sim.restoring import restored
from core.sim.state import DeskState, SessionHead
from tests.unit.core.sim.wild_desks import wild


def eventful(state: DeskState) -> bool:
    """Whether all that is hard happened on a desk: orders wait, a strategy failed, an account lost its position."""
    return (
        len(state.orders) > 2
        and any(one.state == "stopped" for one in state.lanes)
        and any(one.liquidated for one in state.accounts)
    )


RECORDED, STATES = next(found for seed in range(100) if eventful((found := wild(seed, 120))[1][-1]))
STATE: Final = STATES[-1]
MARKS: Final = {one.instrument.key: (one.mark_e9, one.newest_ns) for one in STATE.markets}


def again(lines: Sequence[Line], state: DeskState = RECORDED.state) -> DeskState:
    """What is restored of lines."""
    head = SessionHead(session="a test", desk="a test", created_ns=1, state=state)
    return restored(head, lines, marks=MARKS)


def changed(kind: type[Any], chosen: Callable[[Any], bool] = lambda _line: True, **fields: Any) -> list[Line]:
    """The lines, with other fields in the last one of a kind that is chosen."""
    lines = list(RECORDED.lines)
    at = max(number for number, line in enumerate(lines) if isinstance(line, kind) and chosen(line))
    lines[at] = replace(lines[at], **fields)
    return lines


def is_open(line: OrderLine) -> bool:
    """Whether an order waits."""
    return line.state in {OrderState.WORKING, OrderState.PARTLY_FILLED}


def comes_again(line: OrderLine) -> bool:
    """Whether this is not the first line of an order."""
    first = next(one for one in RECORDED.lines if isinstance(one, OrderLine) and one.number == line.number)
    return line is not first


def refused(line: OrderLine) -> bool:
    """Whether an order was never taken."""
    return line.state is OrderState.REJECTED and not comes_again(line)


def opens(line: FillLine) -> bool:
    """Whether nothing was closed by a fill."""
    return not line.realised_e12 and line.side is Side.BUY


def test_the_lines_restore_the_state() -> None:
    """In all its fields, of a session in which orders, fills, liquidations, stops and limits occur."""
    assert again(RECORDED.lines) == STATE


def test_a_session_that_just_began_is_what_it_began_with() -> None:
    """Also one that goes on: its orders and marks are there without any line."""
    head = SessionHead(session="a test", desk="a test", created_ns=1, state=STATE)
    assert restored(head, [], marks={}) == STATE


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (changed(FillLine, fee_e12=10**15), "fee_e12"),
        (changed(FillLine, realised_e12=10**15), "realised_e12"),
        (changed(FillLine, quantity_e8=0), "has no quantity"),
        (changed(FillLine, order=10**6), "account"),
        (changed(FillLine, order=1), "comes after order"),
        (changed(FillLine, order=10**6, symbol="NOPE"), "NOPE"),
        (changed(FillLine, order=10**6, account="nobody"), "nobody"),
        (changed(FillLine, price_e9=10**9), "e12"),
        (changed(FillLine, opens, order=10**6, side=Side.BUY, quantity_e8=10**20), "not enough money"),
        ([line for line in RECORDED.lines if not isinstance(line, FillLine)], "its fills"),
        (changed(OrderLine, is_open, filled_e8=10**12), "its fills"),
        (changed(OrderLine, is_open, quantity_e8=-1), "order"),
        (changed(OrderLine, comes_again, limit_e9=5), "limit_e9"),
        (changed(OrderLine, is_open, locked_e12=10**15), "locked_e12"),
        (changed(OrderLine, comes_again, lane="third"), "another owner"),
        (changed(OrderLine, is_open, state=OrderState.FILLED), "cannot be filled"),
        (changed(OrderLine, refused, number=1), "order 1 comes after"),
        (changed(OrderLine, refused, symbol="NOPE"), "NOPE"),
        (changed(AccountLine, id="nobody"), "no account 'nobody'"),
        (changed(AccountLine, fees_e12=10**15), "fees_e12"),
        (changed(AccountLine, balances_e12={}), "balances_e12"),
        (changed(AccountLine, positions=[]), "positions"),
        ([line for line in RECORDED.lines if not isinstance(line, AccountLine)], "account"),
        (changed(EquityLine, account="nobody"), "no account 'nobody'"),
        (changed(EquityLine, ts_ns=1), "the worth of instant 1 comes after"),
        (changed(LaneLine, lane="third"), "no strategy 'third'"),
        (changed(LaneLine, symbol="\x1b[2J"), "'\\x1b[2J'"),
    ],
)
def test_a_line_that_does_not_fit_is_an_error(lines: list[Line], said: str) -> None:
    """It names the line and what is wrong with it, and how to go on without; control characters are told as text."""
    with pytest.raises(PermanentError, match=r"the ledger does not balance: (line|after) [0-9]+") as error:
        again(lines)
    assert said in str(error.value)
    assert "accounts reset" in error.value.hint
    assert str(error.value).isprintable()


def test_both_figures_are_told() -> None:
    """What the line says, and what comes of the lines before it."""
    last = next(line for line in reversed(RECORDED.lines) if isinstance(line, AccountLine))
    with pytest.raises(PermanentError, match=f"'{last.margin_e12 + 1}', by what came before '{last.margin_e12}'"):
        again(changed(AccountLine, margin_e12=last.margin_e12 + 1))


def test_lines_that_change_nothing_are_passed_over() -> None:
    """A signal says what somebody wanted, and no more."""
    lines = [line for line in RECORDED.lines if not isinstance(line, SignalLine)]
    assert again(lines) == STATE


def account(state: DeskState, at: int = 0, **fields: Any) -> DeskState:
    """A state with other fields of an account."""
    accounts = list(state.accounts)
    accounts[at] = replace(accounts[at], **fields)
    return replace(state, accounts=accounts)


def order(state: DeskState, /, **fields: Any) -> DeskState:
    """A state with other fields of its last order."""
    return replace(state, orders=[*state.orders[:-1], replace(state.orders[-1], **fields)])


def held(state: DeskState, /, **fields: Any) -> DeskState:
    """A state with other fields of a position."""
    at = next(number for number, one in enumerate(state.accounts) if one.positions)
    first, *others = state.accounts[at].positions
    return account(state, at, positions=[replace(first, **fields), *others])


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (replace(STATE, accounts=[]), "there is no account"),
        (replace(STATE, accounts=[*STATE.accounts, STATE.accounts[0]]), "there twice"),
        (replace(STATE, markets=[*STATE.markets, STATE.markets[0]]), "there twice"),
        (replace(STATE, lanes=[*STATE.lanes, STATE.lanes[0]]), "there twice"),
        (replace(STATE, markets=STATE.markets[1:]), "not there"),
        (replace(STATE, next_number=1), "its number was not given yet"),
        (order(STATE, state=OrderState.CANCELLED), "an order is done"),
        (order(STATE, account="nobody"), "cannot be"),
        (order(STATE, symbol="NOPE"), "NOPE"),
        (order(STATE, locked_e12=10**15), "locked_e12"),
        (account(STATE, initial_e12=10**15), "by what was traded"),
        (account(STATE, initial_e12=-1), "bad balance"),
        (account(STATE, leverage=0), "bad leverage"),
        (account(STATE, fees_e12=10**15), "account"),
        (held(STATE, realised_e12=10**15), "by what was traded"),
        (held(STATE, margin_e12=10**15), "margin"),
        (held(STATE, symbol="\x1b[2J"), "not described"),
        (replace(STATE, market_e12={"USD": 1}), "in all"),
    ],
)
def test_a_beginning_that_makes_no_sense_is_an_error(state: DeskState, said: str) -> None:
    """Whether it is the head that is damaged, or what is made of it."""
    with pytest.raises(PermanentError, match="the ledger does not balance") as error:
        again([], state)
    assert said in str(error.value)
    assert str(error.value).isprintable()


def test_an_order_that_has_fills_and_never_comes_is_an_error() -> None:
    """Its fills cannot be told from those of nobody."""
    lines = changed(FillLine, opens, order=10**6)
    at = next(number for number, line in enumerate(lines) if isinstance(line, FillLine) and line.order == 10**6)
    with pytest.raises(PermanentError, match="order 1000000 has fills and is not there"):
        again(lines[: at + 1])


def test_an_order_comes_before_those_with_higher_numbers() -> None:
    """Though its fills come first."""
    lines = changed(FillLine, opens, order=10**6)
    at = next(number for number, line in enumerate(lines) if isinstance(line, FillLine) and line.order == 10**6)
    fill = lines[at]
    assert isinstance(fill, FillLine)
    late = next(line for line in lines if isinstance(line, OrderLine) and refused(line))
    own = replace(late, lane=fill.lane, account=fill.account, venue=fill.venue, symbol=fill.symbol, side=fill.side)
    swapped = [*lines[: at + 1], replace(late, number=10**6 + 1), replace(own, number=10**6)]
    with pytest.raises(PermanentError, match=f"line {at + 3}: order 1000000 comes after order 1000001"):
        again(swapped)
