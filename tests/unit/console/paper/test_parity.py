"""What a session is found to be beside its backtest: the same, or where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from console.paper.parity import Parity, compare, load_strategies, parity_document
from console.paper.past import Past
from core.clock import NS_PER_S
from core.errors import ConfigurationError, PermanentError
from core.sim.accounts import Limits
from core.sim.lines import AccountLine, ActLine, FillLine, HoleLine, Line, OrderLine
from core.sim.state import encode_head
from core.sim.tape import Rows
from tests.unit.console.paper.desks import SPOT, T0, act
from tests.unit.console.paper.traded import APPROVED, beginning, change_ledger, change_tape, go_on, session, trading

LANE = ("mine", *SPOT)


def compared(folder: Path) -> tuple[Past, Parity]:
    """What comes of a session that is read anew."""
    past = Past(folder)
    return past, compare(past, load_strategies(past, APPROVED))


def without(lines: list[Line], at: int) -> list[Line]:
    """All but one."""
    return lines[:at] + lines[at + 1 :]


def test_a_session_is_its_backtest(tmp_path: Path) -> None:
    """Everything is counted once and is the same; trades of before the session are no trades of it."""
    past, parity = compared(session(tmp_path))
    assert parity.proven
    numbers = {line.number for line in past.lines if isinstance(line, OrderLine)}
    fills = [line for line in past.lines if isinstance(line, FillLine)]
    assert len(numbers) > 5
    assert (parity.orders.count, parity.orders.same) == (len(numbers), len(numbers))
    assert (parity.fills.count, parity.fills.same) == (len(fills), len(fills))
    assert parity.lines.count == parity.lines.same == len(past.lines)
    assert parity.lanes == {LANE: parity.orders}
    assert (parity.trades, parity.steps) == (60, 60)
    found = parity_document(past, parity)
    assert (found["same"], found["percent"], found["notes"], found["first_divergence"]) == (True, 100.0, [], None)


def test_what_rings_did_and_operators_want_does_not_count_as_a_difference(tmp_path: Path) -> None:
    """Holes are written down between steps, acts are done again."""
    with trading(tmp_path, beginning()) as found:
        go_on(found, 20)
        found.hole(found.feeds[SPOT], 7, "a test")
        found.act(act("pause", "mine"))
        go_on(found, 10, first=20)
        found.act(act("flatten"))
        found.act(act("resume"))
        go_on(found, 20, first=30)
        found.hole(found.feeds[SPOT], 0, "a test")
    past, parity = compared(found.session.folder)
    assert parity.proven
    assert sum(isinstance(line, HoleLine) for line in past.lines) == 2
    assert sum(isinstance(line, ActLine) for line in past.lines) == 3
    assert parity.lines.count == len(past.lines) - 2


def test_a_fill_at_another_price_is_found(tmp_path: Path) -> None:
    """The step, its instant and both sides are named; that order is not the same, and all others are."""
    folder = session(tmp_path)
    fills = [number for number, line in enumerate(Past(folder).lines) if isinstance(line, FillLine)]
    at = fills[3]

    def change(lines: list[Line]) -> list[Line]:
        fill = lines[at]
        assert isinstance(fill, FillLine)
        lines[at] = replace(fill, price_e9=fill.price_e9 + 1)
        return lines

    change_ledger(folder, change)
    past, parity = compared(folder)
    first = parity.divergence
    assert first is not None
    assert [line for line in first.recorded if isinstance(line, FillLine)] == [past.lines[at]]
    assert [line.price_e9 + 1 for line in first.replayed if isinstance(line, FillLine)] == [past.lines[at].price_e9]  # type: ignore[union-attr]
    step = past.steps[first.step - 1]
    assert past.steps[first.step - 2].lines <= at < step.lines
    assert first.ts_ns == int(past.rows["ts_ns"][step.first])
    assert first.recorded_accounts == first.replayed_accounts
    for one in (parity.orders, parity.fills, parity.lines, parity.lanes[LANE]):
        assert one.same == one.count - 1
    assert 0 < parity_document(past, parity)["percent"] < 100


def test_an_account_with_other_money_is_found(tmp_path: Path) -> None:
    """Orders and fills are all the same and yet it is not 100 %; both accounts are told."""
    folder = session(tmp_path)
    lines = Past(folder).lines
    at = max(number for number, line in enumerate(lines) if isinstance(line, AccountLine))

    def change(lines: list[Line]) -> list[Line]:
        account = lines[at]
        assert isinstance(account, AccountLine)
        lines[at] = replace(account, fees_e12=account.fees_e12 + 1)
        return lines

    change_ledger(folder, change)
    past, parity = compared(folder)
    assert parity.divergence is not None
    assert parity.orders.same == parity.orders.count
    told, right = parity.divergence.recorded_accounts[0], parity.divergence.replayed_accounts[0]
    assert told.fees_e12 == right.fees_e12 + 1
    assert parity_document(past, parity)["percent"] == 99.99


def test_an_order_that_was_taken_out_is_missed(tmp_path: Path) -> None:
    """The backtest gives it, the ledger does not have it, and nothing is the same by chance afterwards."""
    folder = session(tmp_path)
    lines = Past(folder).lines
    numbers = sorted({line.number for line in lines if isinstance(line, OrderLine)})
    gone = numbers[len(numbers) // 2]

    def change(lines: list[Line]) -> list[Line]:
        for at in reversed(range(len(lines))):
            line = lines[at]
            if isinstance(line, OrderLine) and line.number == gone:
                lines = without(lines, at)
        return lines

    change_ledger(folder, change)
    past, parity = compared(folder)
    assert parity.divergence is not None
    assert parity.orders.same < parity.orders.count
    assert any(isinstance(line, OrderLine) and line.number == gone for line in parity.divergence.replayed)
    assert past.notes


def test_another_price_on_the_tape_is_found(tmp_path: Path) -> None:
    """What the backtest sees decides what it does."""
    folder = session(tmp_path)
    filled_ns = [line.ts_ns for line in Past(folder).lines if isinstance(line, FillLine)][4]

    def change(rows: Rows) -> None:
        rows["price_e9"][rows["ts_ns"] == filled_ns] += 5

    change_tape(folder, change)
    _, parity = compared(folder)
    first = parity.divergence
    assert first is not None
    assert first.ts_ns == filled_ns
    said, right = (
        next(line for line in side if isinstance(line, FillLine)) for side in (first.recorded, first.replayed)
    )
    assert right.price_e9 == said.price_e9 + 5


def test_a_difference_in_an_act_has_its_time(tmp_path: Path) -> None:
    """An act has no trade whose time it could bear; a time that is none stays within what can be printed."""
    with trading(tmp_path, beginning()) as found:
        go_on(found, 12)
        found.act(act("pause", "mine"))
    folder = found.session.folder

    def change(wall_ns: int) -> None:
        def changed(lines: list[Line]) -> list[Line]:
            return [
                replace(line, wall_ns=wall_ns)
                if isinstance(line, ActLine)
                else replace(line, reason="nobody")
                if line.__struct_config__.tag == "lane"
                else line
                for line in lines
            ]

        change_ledger(folder, changed)

    for wall_ns, told_ns in ((T0, T0), (2**62, 2**62), (-5, 0)):
        change(wall_ns)
        _, parity = compared(folder)
        assert parity.divergence is not None
        assert (parity.divergence.step, parity.divergence.ts_ns) == (13, told_ns)


def test_an_order_that_waited_while_all_was_the_same_counts_when_it_changes(tmp_path: Path) -> None:
    """What was the same before the first difference is compared with what becomes of it afterwards."""
    folder = session(tmp_path, 14)
    lines = Past(folder).lines
    working = [line for line in lines if isinstance(line, OrderLine)]
    assert len(working) > len({line.number for line in working}), "none waits"
    last = max(number for number, line in enumerate(lines) if isinstance(line, OrderLine))

    def change(lines: list[Line]) -> list[Line]:
        order = lines[last]
        assert isinstance(order, OrderLine)
        lines[last] = replace(order, reason="nobody knows")
        return lines

    change_ledger(folder, change)
    _, parity = compared(folder)
    assert parity.orders.count == parity.orders.same + 1 == len({line.number for line in working})


def test_a_session_without_trades_has_nothing_that_could_differ(tmp_path: Path) -> None:
    """It is the same, and says why that means nothing; so does one whose strategy wanted nothing."""
    past, parity = compared(session(tmp_path, 0))
    assert parity.proven
    assert parity_document(past, parity)["notes"] == [
        "it saw no trades, so there was nothing to trade on and nothing can differ"
    ]
    past, parity = compared(session(tmp_path, 1))
    assert parity_document(past, parity)["notes"] == ["it gave no order, and neither does the backtest"]


def test_a_session_that_only_noted_something_is_its_backtest(tmp_path: Path) -> None:
    """The mark that bears what was noted last is nothing that the desk was told: no day begins by it."""
    limited = replace(beginning(), limits={"main": Limits(day_loss_e12=1)})
    with trading(tmp_path, limited) as found:
        found.hole(found.feeds[SPOT], 7, "a test")
    past, parity = compared(found.session.folder)
    assert (len(past.lines), parity.steps) == (1, 1)
    assert parity.proven


def test_a_session_that_is_being_written_counts_as_far_as_it_is(tmp_path: Path) -> None:
    """What is committed is the same, however often it is asked."""
    with trading(tmp_path, beginning()) as found:
        for first in (0, 13, 26):
            go_on(found, 13, first=first)
            _, parity = compared(found.session.folder)
            assert (parity.proven, parity.trades) == (True, first + 13)
        assert parity.orders.count > 3


def test_progress_comes_to_be_heard(tmp_path: Path) -> None:
    """From the beginning on, and never backwards."""
    past = Past(session(tmp_path))
    heard: list[float] = []
    compare(past, load_strategies(past, APPROVED), heard.append)
    assert heard == sorted(heard)
    assert heard
    assert all(0 <= part <= 1 for part in heard)


def test_other_code_than_traded_is_no_comparison(tmp_path: Path) -> None:
    """Both hashes are named."""
    with trading(tmp_path, beginning(sha256="ab" * 32)) as found:
        go_on(found, 5)
    past = Past(found.session.folder)
    with pytest.raises(ConfigurationError, match="sma was abababababab in the session and is"):
        load_strategies(past, APPROVED)


def test_a_beginning_that_does_not_add_up_is_an_error(tmp_path: Path) -> None:
    """Of a head that names what is not there, as of one whose accounts hold more than they can."""
    past = Past(session(tmp_path))
    state = past.head.state
    rich = replace(state.accounts[0], balances_e12={"USD": 5})
    for wrong in (replace(state, markets=[]), replace(state, accounts=[rich]), replace(state, accounts=[])):
        past.head = replace(past.head, state=wrong)
        assert encode_head(past.head)
        with pytest.raises(PermanentError, match="the ledger does not balance"):
            compare(past, {})


def test_trades_of_the_clock_and_of_before_are_counted_apart(tmp_path: Path) -> None:
    """Only what orders could be filled by counts as a trade."""
    with trading(tmp_path, beginning()) as found:
        go_on(found, 4)
        found.clock(found.feeds[SPOT], 600 * NS_PER_S)
        steps = len(Past(found.session.folder).steps)
        _, parity = compared(found.session.folder)
    assert (parity.trades, parity.steps) == (4, steps)
