"""Where a connection stands: every walk over the steps of the table, and every way out of an attempt."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PermanentError, TransientError
from providers.connection import BROKE_OFF, STOPPED, TRANSITIONS, ConnectionState, ConnectionStatus

_OVER = {ConnectionStatus.DISCONNECTED, ConnectionStatus.ERROR}
_STEPS = st.lists(st.tuples(st.sampled_from(list(ConnectionStatus)), st.sampled_from(["", "cut", "refused"])))


@given(_STEPS)
def test_only_steps_of_the_table_are_taken(steps: list[tuple[ConnectionStatus, str]]) -> None:
    """A step of the table, or staying, changes the state; any other is an assertion and changes nothing."""
    state = ConnectionState("KRAKEN")
    for status, reason in steps:
        before, before_reason, before_ns = state.status, state.reason, state.since_ns
        if status is before or status in TRANSITIONS[before]:
            state.enter(status, reason)
            assert (state.status, state.reason) == (status, reason)
            assert state.since_ns >= before_ns
            assert state.since_ns == before_ns or status is not before or before_ns == 0
        else:
            with pytest.raises(AssertionError, match=f"{before} to {status}"):
                state.enter(status, reason)
            assert (state.status, state.reason, state.since_ns) == (before, before_reason, before_ns)


def test_every_state_is_reached_and_left() -> None:
    """From each state each other can be reached, so that no feed is stuck in one."""
    for start in ConnectionStatus:
        reached, fresh = {start}, {start}
        while fresh:
            fresh = {after for status in fresh for after in TRANSITIONS[status]} - reached
            reached |= fresh
        assert reached == set(ConnectionStatus)


@given(_STEPS, st.sampled_from([None, TransientError("broke", "x"), PermanentError("refused", "x"), KeyError("x")]))
def test_an_attempt_that_is_over_says_so(steps: list[tuple[ConnectionStatus, str]], error: Exception | None) -> None:
    """However a walk inside an attempt ends, the state afterwards is one in which nothing is connected."""
    state = ConnectionState("KRAKEN")
    caught: Exception | None = None
    try:
        with state.attempting():
            for status, reason in steps:
                if status is state.status or status in TRANSITIONS[state.status]:
                    state.enter(status, reason)
            last = state.status
            if error is not None:
                raise error
    except (TransientError, PermanentError, KeyError) as raised:
        caught = raised
    assert caught is error
    assert state.status in _OVER
    if error is not None:
        assert state.status is ConnectionStatus.ERROR
        assert last is ConnectionStatus.ERROR or state.reason == (
            BROKE_OFF if isinstance(error, KeyError) else str(error)
        )
    elif last not in _OVER:
        assert (state.status, state.reason) == (ConnectionStatus.DISCONNECTED, STOPPED)


@pytest.mark.trio
async def test_a_cancelled_attempt_is_stopped() -> None:
    """Cancelled while connected, a connection is disconnected and says why; then it may begin anew."""
    state = ConnectionState("KRAKEN")
    with trio.move_on_after(0), state.attempting():
        state.enter(ConnectionStatus.CONNECTED)
        await trio.sleep_forever()
    assert (state.status, state.reason) == (ConnectionStatus.DISCONNECTED, STOPPED)
    with state.attempting():
        pass
    assert state.status is ConnectionStatus.DISCONNECTED


def test_the_time_of_a_loss_is_kept() -> None:
    """Failed attempts to come back change the reason and not since when it has been lost."""
    state = ConnectionState("KRAKEN")
    state.enter(ConnectionStatus.CONNECTING)
    state.enter(ConnectionStatus.CONNECTED)
    state.enter(ConnectionStatus.RECONNECTING, "cut")
    lost_ns = state.since_ns
    state.enter(ConnectionStatus.RECONNECTING, "refused")
    assert (state.since_ns, state.reason) == (lost_ns, "refused")
