"""Sessions of paper trading, cut off or damaged anywhere: what is restored is what the desk was, or an error."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from console.paper.past import HEAD, LEDGER, TAPE_FILE, Past
from console.paper.session import begin
from core.errors import ConsoleError
from core.sim.accounts import AccountSpec
from core.sim.ledger import Ledger
from core.sim.lines import Line
from core.sim.paper import Desk
from core.sim.restoring import restored
from core.sim.state import DeskState, SessionHead
from core.sim.tape import TAPE, Rows
from core.sim.written import account_of
from tests.unit.core.sim.desks import Recorded, lines_of
from tests.unit.core.sim.wild_desks import Wild, beginning, script, strategies, wild

SEEDS = st.integers(0, 2**32)
PLACES = st.floats(0, 1)


def head_of(state: DeskState) -> SessionHead:
    """The head of a session that begins so."""
    return SessionHead(session="", desk="a test", created_ns=1_800_000_000 * 10**9, state=state)


def steps_of(recorded: Recorded) -> Iterator[tuple[list[Line], Rows]]:
    """The lines and the rows of each step."""
    rows, written = recorded.rows, 0
    for step in recorded.steps:
        yield recorded.lines[written : step.lines], rows[step.first : step.end]
        written = step.lines


@contextmanager
def on_disk(recorded: Recorded) -> Iterator[Path]:
    """The folder of a session, committed step by step."""
    with tempfile.TemporaryDirectory() as folder:
        session = begin(Path(folder), head_of(recorded.state))
        for lines, rows in steps_of(recorded):
            session.commit(lines, partial(_given, rows))
        session.close()
        yield session.folder


def _given(rows: Rows, lines: int) -> Rows:
    assert {lines} == set(rows["lines"].tolist())
    return rows


def restored_at(recorded: Recorded, states: list[DeskState], at: int) -> DeskState:
    """What the lines of the first steps restore."""
    marks = {one.instrument.key: (one.mark_e9, one.newest_ns) for one in states[at].markets}
    return restored(head_of(recorded.state), recorded.lines[: recorded.steps[at].lines], marks=marks)


@given(SEEDS, st.integers(1, 120), st.lists(PLACES, max_size=6))
@settings(max_examples=25, deadline=None)
def test_the_lines_of_a_session_restore_its_desk_after_any_step(seed: int, count: int, places: list[float]) -> None:
    """In every field; and so do those of the session that goes on from there. Both are the same as a backtest."""
    recorded, states = wild(seed, count)
    assert lines_of(recorded.replayed(strategies(recorded.state, seed))) == recorded.lines
    for place in (*places, 1.0) if states else ():
        at = round(place * (len(states) - 1))
        assert restored_at(recorded, states, at) == states[at]
    if states:
        following, states = wild(seed + 1, count, states[-1])
        assert lines_of(following.replayed(strategies(following.state, seed + 1))) == following.lines
        for at in range(0, len(states), 7):
            assert restored_at(following, states, at) == states[at]


@given(SEEDS, st.lists(st.tuples(PLACES, PLACES), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None)
def test_a_session_that_ends_at_any_byte_counts_up_to_its_last_committed_step(
    seed: int, cuts: list[tuple[float, float]]
) -> None:
    """A step counts when all its rows are on the tape and the ledger has all lines of it, whichever ends first."""
    recorded, states = wild(seed, 80)
    with on_disk(recorded) as folder:
        ledger, tape = (folder / LEDGER).read_bytes(), (folder / TAPE_FILE).read_bytes()
        for ledger_place, tape_place in cuts:
            left, rows = ledger[: round(ledger_place * len(ledger))], tape[: round(tape_place * len(tape))]
            (folder / LEDGER).write_bytes(left)
            (folder / TAPE_FILE).write_bytes(rows)
            past = Past(folder)
            count = sum(
                step.end * TAPE.itemsize <= len(rows) and step.lines <= left.count(b"\n") for step in recorded.steps
            )
            assert list(past.steps) == list(recorded.steps[:count])
            assert past.lines == recorded.lines[: past.steps[-1].lines if count else 0]
            assert past.state() == (states[count - 1] if count else recorded.state)
            whole = len(past.lines) == left.count(b"\n") and left.endswith(b"\n") is bool(left)
            assert bool(past.notes) is not (whole and len(past.rows) * TAPE.itemsize == len(rows))


@given(SEEDS, st.lists(st.tuples(st.sampled_from((HEAD, LEDGER, TAPE_FILE)), PLACES, st.integers(1, 255))))
@settings(max_examples=40, deadline=None)
def test_a_damaged_session_is_an_error_in_words_or_balances(seed: int, flips: list[tuple[str, float, int]]) -> None:
    """Whatever bytes are there: nothing but a `ConsoleError`, and otherwise no money from nowhere."""
    _, states = wild(seed, 60)
    recorded, _ = wild(seed + 1, 60, states[-1])
    with on_disk(recorded) as folder:
        for name, place, mask in flips:
            content = bytearray((folder / name).read_bytes())
            content[round(place * (len(content) - 1))] ^= mask
            (folder / name).write_bytes(content)
            with suppress(ConsoleError):
                past = Past(folder)
                state = past.state()
                assert_balanced(state)
                Desk(state, {})
                assert past.cursors() == {}
                assert not past.steps or past.steps[-1].end == len(past.rows)


def assert_balanced(state: DeskState) -> None:
    """All there is of each currency is what accounts began with."""
    instruments = {one.instrument.key: one.instrument for one in state.markets}
    specs = [AccountSpec(one.id, one.currency, one.initial_e12, (), one.leverage) for one in state.accounts]
    begun = Ledger(specs, specs[0].id).totals()
    ledger = Ledger(specs, specs[0].id)
    accounts = [account_of(one, instruments) for one in state.accounts]
    ledger.adopt(accounts, market_e12=state.market_e12, fees_e12=state.fees_e12)
    assert {currency: total for currency, total in ledger.totals().items() if total} == begun


@given(SEEDS, PLACES)
@settings(max_examples=25, deadline=None)
def test_a_restored_desk_goes_on_like_one_that_was_not_interrupted(seed: int, place: float) -> None:
    """With the orders that waited, until nobody gives new ones: the same lines, and the same state at the end."""
    steps = [one for one in script(seed, 120) if one.act is not None or one.ticks is not None]
    at = round(place * len(steps))
    state = beginning(seed)
    asked = strategies(state, seed)
    before = Recorded(state, asked)
    for one in steps[:at]:
        one.tell(before)
    for strategy in asked.values():
        assert isinstance(strategy, Wild)
        strategy.fall_silent()
    with on_disk(before) as folder:
        again = Recorded(Past(folder).state(), {})
    known = len(before.lines)
    for one in steps[at:]:
        one.tell(before)
        one.tell(again)
        assert again.lines == before.lines[known:]
    assert again.desk.state() == before.desk.state()
