"""Everybody is told, within their rates and without waiting for one another. The clock is trio's own, which jumps."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from console.alerting.dispatch import Dispatcher
from console.alerting.handlers.base import PartlyToldError
from console.alerting.handlers.plan import HandlerPlan
from console.alerting.listener import GATHER_S, PAUSE_S
from core.alerts.message import Kind, Message
from core.alerts.rules import Severity
from core.errors import AuthenticationError, ResourceExhaustedError, TransientError
from tests.unit.console.alerting.hearing import BEGIN_NS, CRITICAL, Act, Remembering, fewest_apart_s, message

DOWN = TransientError("telling desk", "no connection")


@asynccontextmanager
async def running(handlers: Sequence[Remembering]) -> AsyncIterator[Dispatcher]:
    """A dispatcher that runs, and is cancelled at the end."""
    dispatcher = Dispatcher(handlers, now_ns=lambda: BEGIN_NS)
    async with trio.open_nursery() as nursery:
        await nursery.start(dispatcher.run)
        yield dispatcher
        nursery.cancel_scope.cancel()


def desk(**options: object) -> HandlerPlan:
    """A plan with some of its values set."""
    return HandlerPlan(**{"kind": "log", "name": "desk", **options})  # type: ignore[arg-type]


def things(handler: Remembering) -> int:
    """How many alerts a handler has heard of in all."""
    return sum(told.count for told in handler.messages)


@pytest.mark.trio
async def test_a_burst_is_three_messages_and_a_digest(autojump_clock: MockClock) -> None:
    """Of a thousand at once, four messages come: the last of them counts all the others, so none is lost."""
    handler = Remembering()
    async with running([handler]) as dispatcher:
        for number in range(1000):
            dispatcher.tell(message(f"ring {number} is full", rule=f"rule-{number % 3}"))
        await trio.sleep(GATHER_S + 1)
        assert [told.count for told in handler.messages] == [1, 1, 1, 997]
        assert dispatcher.states()[0]["suppressed"] == 996
    digest = handler.messages[-1]
    assert digest.kind is Kind.DIGEST
    assert digest.title == "997 alerts: 997 warning"
    assert "rule-0 333, rule-1 332, rule-2 332" in digest.lines[0]
    assert [line.startswith("WARNING ring ") for line in digest.lines[1:13]] == [True] * 12
    assert digest.lines[-1] == "and 985 more messages"


@pytest.mark.trio
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 20])
async def test_a_long_storm_keeps_the_rate(autojump_clock: MockClock, limit: int) -> None:
    """Whatever comes when, never more than the limit within 60 s, everything is counted, and the criticals are in
    the next message after they came, within a minute."""
    chance = random.Random(limit)
    handler = Remembering(desk(max_per_minute=limit))
    async with running([handler]) as dispatcher:
        for _ in range(1000):
            dispatcher.tell(CRITICAL if chance.random() < 0.02 else message())
            await trio.sleep(chance.expovariate(4))
        await trio.sleep(120)
        assert dispatcher.states()[0]["waiting"] == 0
    assert things(handler) == 1000
    assert fewest_apart_s(handler, limit) >= 60 - 1e-6  # instants are sums of fractions
    assert len(handler.heard) <= limit * 7


@pytest.mark.trio
async def test_the_first_critical_of_a_storm_goes_out_at_once(autojump_clock: MockClock) -> None:
    """A place is kept for it, and with it comes what else waits, itself named first."""
    handler = Remembering()
    async with running([handler]) as dispatcher:
        for _ in range(500):
            dispatcher.tell(message())
        await trio.sleep(20)
        dispatcher.tell(message())
        dispatcher.tell(CRITICAL)
        told_s = trio.current_time()
        await trio.sleep(1)
        at_s, told = handler.heard[-1]
        assert at_s == told_s
        assert len(handler.heard) == 5
        assert (told.severity, told.count) == (Severity.CRITICAL, 2)
        assert told.lines[1] == "CRITICAL the store writes nothing"


@pytest.mark.trio
async def test_a_critical_overtakes(autojump_clock: MockClock) -> None:
    """It is told before the warnings that came with it, each for itself while there is room."""
    handler = Remembering()
    async with running([handler]) as dispatcher:
        for told in (message(), message(), CRITICAL):
            dispatcher.tell(told)
        await trio.sleep(1)
    assert [told.severity for told in handler.messages] == ["critical", "warning", "warning"]


@pytest.mark.trio
async def test_what_is_over_does_not_overtake(autojump_clock: MockClock) -> None:
    """A critical alert that ended is no reason for haste, and stands last in a digest."""
    handler = Remembering()
    async with running([handler]) as dispatcher:
        over = message("the store writes again", severity=Severity.CRITICAL, kind=Kind.RESOLVED)
        for told in (over, *[message()] * 4):
            dispatcher.tell(told)
        await trio.sleep(GATHER_S + 1)
        assert handler.messages[0] == over
        for told in (over, message(), over):
            dispatcher.tell(told)
        await trio.sleep(120)
    digest = handler.messages[-1]
    assert digest.severity is Severity.WARNING
    assert digest.title == "3 alerts: 1 warning, 2 resolved"
    assert digest.lines[1].startswith("WARNING")


@pytest.mark.trio
async def test_one_that_hangs_delays_nobody(autojump_clock: MockClock) -> None:
    """The other hears at once; the one that hangs fails after its time, is tried as often as it has attempts, and
    then again after a pause."""
    stuck = Remembering(desk(name="stuck", timeout_s=10.0, attempts=2), hanging)
    fine = Remembering(desk(name="fine"))
    async with running([stuck, fine]) as dispatcher:
        dispatcher.tell(message())
        await trio.sleep(0.5)
        assert fine.messages == [message()]
        await trio.sleep(25)
        row = dispatcher.states()[0]
        assert (row["state"], row["last_error"], row["failed"]) == ("failing", "no answer within 10 s", 1)
        assert (stuck.tried, row["waiting"]) == (2, 1)
        stuck.act = None
        await trio.sleep(PAUSE_S)
        row = dispatcher.states()[0]
        assert (row["state"], row["last_error"], row["waiting"], row["sent"]) == ("ok", "", 0, 1)
    assert stuck.messages == [message()]


@pytest.mark.trio
async def test_nothing_is_lost_while_it_is_down(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    """What came in the meantime is told in one digest when it hears again; the log tells of the change alone."""
    handler = Remembering(desk(attempts=1))
    handler.act = failing(DOWN)
    caplog.set_level(logging.INFO, "ringside.alerts")
    async with running([handler]) as dispatcher:
        for _ in range(100):
            dispatcher.tell(message())
            await trio.sleep(36)
        assert handler.tried < 30
        handler.act = None
        await trio.sleep(400)
    assert [told.count for told in handler.messages] == [100]
    assert len(caplog.records) == 2
    assert caplog.records[0].getMessage() == "telling desk: no connection; 1 messages wait"
    assert caplog.records[-1].getMessage() == "desk hears of alerts again"


@pytest.mark.trio
async def test_a_refusal_is_not_repeated(autojump_clock: MockClock) -> None:
    """After a permanent error the handler is off until there is something new; that brings what it missed along."""
    handler = Remembering()
    handler.act = failing(AuthenticationError("telling desk", "HTTP 401", hint="check the token"))
    async with running([handler]) as dispatcher:
        dispatcher.tell(message())
        await trio.sleep(3600)
        row = dispatcher.states()[0]
        assert (handler.tried, row["state"], row["last_error"]) == (1, "off", "HTTP 401 (check the token)")
        handler.act = None
        dispatcher.tell(message())
        await trio.sleep(GATHER_S + 1)
        assert [told.count for told in handler.messages] == [2]
        assert dispatcher.states()[0]["state"] == "ok"


@pytest.mark.trio
@pytest.mark.parametrize(("asked_s", "tried_within_s"), [(7.0, 8.0), (200.0, 201.0), (1e9, 3601.0)])
async def test_a_limit_is_waited_for(autojump_clock: MockClock, asked_s: float, tried_within_s: float) -> None:
    """The other side is not asked again before the time it names, up to an hour."""
    handler = Remembering()
    handler.act = failing(ResourceExhaustedError("telling desk", "HTTP 429", retry_after_s=asked_s))
    async with running([handler]) as dispatcher:
        dispatcher.tell(message())
        await trio.sleep(1)
        handler.act = None
        await trio.sleep(min(asked_s, 3600) - 2)
        assert handler.tried == 1
        await trio.sleep(tried_within_s - min(asked_s, 3600) + 1)
        assert handler.messages == [message()]


@pytest.mark.trio
async def test_a_critical_cuts_a_long_pause_short(autojump_clock: MockClock) -> None:
    """After many failures the pauses are minutes; something new and critical is tried after half of one."""
    handler = Remembering(desk(attempts=1))
    handler.act = failing(DOWN)
    async with running([handler]) as dispatcher:
        dispatcher.tell(message())
        await trio.sleep(PAUSE_S * 16)
        tried = handler.tried
        while handler.tried == tried:
            await trio.sleep(1)
        await trio.sleep(1)  # it has failed by now
        handler.act = None
        dispatcher.tell(CRITICAL)
        await trio.sleep(PAUSE_S)
        assert [told.count for told in handler.messages] == [2]


@pytest.mark.trio
async def test_partly_told_is_told(autojump_clock: MockClock) -> None:
    """When some behind a handler refuse, the message is not told again, and the state says so."""
    handler = Remembering()
    handler.act = failing(PartlyToldError("telling desk", "1 of 2 chats: HTTP 403"))
    async with running([handler]) as dispatcher:
        dispatcher.tell(message())
        await trio.sleep(3600)
        row = dispatcher.states()[0]
        assert (handler.tried, row["sent"], row["waiting"]) == (1, 1, 0)
        assert (row["state"], row["last_error"]) == ("failing", "1 of 2 chats: HTTP 403")


@pytest.mark.trio
async def test_a_fault_of_ours_ends_nothing(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    """It is said where it was, without what it says, and the others hear."""
    broken, fine = Remembering(), Remembering(desk(name="fine"))
    broken.act = failing(KeyError("https://SECRET"))
    async with running([broken, fine]) as dispatcher:
        dispatcher.tell(message())
        await trio.sleep(1)
        assert dispatcher.states()[0]["last_error"] == "a fault in the program, see the log"
    assert fine.messages == [message()]
    assert "KeyError" in caplog.text
    assert "test_dispatch.py" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.trio
async def test_everybody_hears_what_they_want(autojump_clock: MockClock) -> None:
    """By severity and by patterns of rules; what is about several rules is for all."""
    bad = Remembering(desk(min_severity=Severity.CRITICAL))
    some = Remembering(desk(rules=("store_*", "ring_full")))
    async with running([bad, some]) as dispatcher:
        for told in (message(), CRITICAL, message(rule="")):
            dispatcher.tell(told)
        await trio.sleep(1)
    assert bad.messages == [CRITICAL]
    assert some.messages == [CRITICAL, message(rule="")]


@pytest.mark.trio
async def test_a_single_message_comes_as_it_is(autojump_clock: MockClock) -> None:
    """The last of a minute is no digest when there is nothing else to tell."""
    handler = Remembering()
    async with running([handler]) as dispatcher:
        for number in range(4):
            dispatcher.tell(message(str(number)))
            await trio.sleep(GATHER_S + 1)
    assert handler.messages == [message(str(number)) for number in range(4)]


@pytest.mark.trio
async def test_draining_tells_what_waits(autojump_clock: MockClock) -> None:
    """In one message and without gathering more, where the rate has room; then the handlers are closed."""
    handler = Remembering()
    async with running([handler]) as dispatcher:
        for _ in range(50):
            dispatcher.tell(message())
        await trio.sleep(1)
        began_s = trio.current_time()
        assert await dispatcher.drain(5) == 0
        assert trio.current_time() == began_s
    assert things(handler) == 50
    assert handler.closed == 1


@pytest.mark.trio
async def test_draining_tells_after_a_cancellation(autojump_clock: MockClock) -> None:
    """Also what was under way when everything was cancelled, as a service that ends does it."""
    handler = Remembering(act=slow)
    dispatcher = Dispatcher([handler])
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(dispatcher.run)
            dispatcher.tell(message("one"))
            dispatcher.tell(message("two"))
            await trio.sleep(0.5)
            try:
                scope.cancel()
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    assert await dispatcher.drain(5) == 0
    assert [told.count for told in handler.messages] == [2]


@pytest.mark.trio
async def test_draining_is_bounded(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    """One that hangs is given up in time, what was not told is counted and logged, and telling goes on to be safe."""
    stuck = Remembering(act=hanging)
    fine = Remembering(desk(name="fine"))
    async with running([stuck, fine]) as dispatcher:
        for _ in range(3):
            dispatcher.tell(message())
        began_s = trio.current_time()
        assert await dispatcher.drain(4) == 3
        assert trio.current_time() - began_s == 4
        dispatcher.tell(message())
    assert fine.heard
    assert "desk was not told of 3 messages" in caplog.text


@pytest.mark.trio
async def test_draining_what_never_ran(autojump_clock: MockClock) -> None:
    """What is told before the start waits for it, and draining instead tells it."""
    handler = Remembering()
    dispatcher = Dispatcher([handler])
    dispatcher.tell(message())
    assert await dispatcher.drain(1) == 0
    assert handler.messages == [message()]
    assert await Dispatcher([]).drain(1) == 0


async def hanging(_told: Message) -> None:
    """An act of a handler that never ends."""
    await trio.sleep_forever()


async def slow(_told: Message) -> None:
    """An act of a handler that takes a second."""
    await trio.sleep(1)


def failing(error: Exception) -> Act:
    """An act of a handler that fails."""

    async def act(_told: Message) -> None:
        raise error

    return act
