"""The log, the screen and the bell."""

from __future__ import annotations

import logging
import os
import pty
import termios
from io import StringIO

import pytest
import trio

from console.alerting.handlers.log import LogHandler
from console.alerting.handlers.plan import HandlerPlan
from console.alerting.handlers.screen import KEPT, BellHandler, ScreenHandler
from core.alerts.message import Kind
from core.alerts.rules import Severity
from core.errors import PermanentError
from tests.unit.console.alerting.hearing import CRITICAL, message

PLAN = HandlerPlan(kind="log", name="desk")


@pytest.mark.trio
async def test_the_log_has_levels(caplog: pytest.LogCaptureFixture) -> None:
    """Those of the severities; what is over, and a test, is information. One line each, whatever is in it."""
    caplog.set_level(logging.DEBUG, "ringside.alerts")
    handler = LogHandler(PLAN)
    for told in (
        CRITICAL,
        message(lines=("a\nb\x1b[2J",)),
        message(severity=Severity.INFO),
        message(kind=Kind.RESOLVED, severity=Severity.CRITICAL),
        message(kind=Kind.TEST),
        message("x" * 5000, kind=Kind.REPEATED),
    ):
        await handler.send(told)
    assert [record.levelno for record in caplog.records] == [50, 30, 20, 20, 20, 30]
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "CRITICAL [desk-1] the store writes nothing; KRAKEN BTCUSD: 120 s"
    assert lines[1].endswith("; a?b?[2J")
    assert lines[3].startswith("RESOLVED [desk-1]")
    assert lines[5].startswith("STILL WARNING [desk-1]")
    assert all(line.isprintable() and len(line) < 2001 for line in lines)


@pytest.mark.trio
async def test_the_screen_keeps_the_newest() -> None:
    """Numbered without a hole, so that a screen can ask for what it has not shown and knows what it missed."""
    handler = ScreenHandler(PLAN)
    assert handler.since(0) == []
    for number in range(KEPT + 3):
        await handler.send(message(f"alert {number}"))
    rows = handler.since(0)
    assert [row["number"] for row in rows] == list(range(4, KEPT + 4))
    assert rows[0]["headline"] == "WARNING [desk-1] alert 3"
    assert [row["title"] for row in handler.since(KEPT + 1)] == [f"alert {KEPT + 1}", f"alert {KEPT + 2}"]
    assert handler.since(KEPT + 3) == []
    assert len(handler.since(10_000)) == KEPT
    assert len(handler.since(-5)) == KEPT


@pytest.mark.trio
async def test_the_bell_counts() -> None:
    """A screen rings it on its own terminal; what is no terminal gets nothing."""
    paper = StringIO()
    handler = BellHandler(PLAN, paper)
    await handler.send(CRITICAL)
    await handler.send(message("a\x07b"))
    assert (handler.rings, handler.newest) == (2, "WARNING [desk-1] a?b")
    assert paper.getvalue() == ""


@pytest.mark.trio
async def test_the_bell_rings_on_a_terminal() -> None:
    """One byte for each message, while there is a terminal."""
    master, slave = pty.openpty()
    try:
        terminal = os.fdopen(slave, "w")
        handler = BellHandler(PLAN, terminal)
        await handler.send(CRITICAL)
        assert os.read(master, 10) == b"\a"
        terminal.close()
        with pytest.raises(PermanentError, match="the terminal is gone"):
            await handler.send(CRITICAL)
        assert BellHandler(PLAN, terminal).rings == 0
    finally:
        os.close(master)
    assert handler.rings == 1


@pytest.mark.trio
async def test_a_stopped_terminal_holds_up_nobody() -> None:
    """A terminal that takes nothing is left in time, and is asked by one thread at most."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        termios.tcflow(slave, termios.TCOOFF)  # what ctrl-s does
        handler = BellHandler(PLAN, terminal)
        with trio.move_on_after(0.2) as scope:
            await handler.send(CRITICAL)
        assert scope.cancelled_caught
        with pytest.raises(Exception, match="the terminal takes nothing"):
            await handler.send(CRITICAL)
        termios.tcflow(slave, termios.TCOON)
        with trio.fail_after(10):
            while handler._limiter.available_tokens == 0:
                await trio.sleep(0.001)
        os.close(master)
