"""The whole program in a real terminal: engine, store and screen in one process."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from config.paths import find_paths
from core.model.records import Schema
from core.store.history import EmbeddedHistory
from core.store.repository import SeriesKey
from tests.simulator.test_engine import _wait_for_trades, left_behind
from tests.tui.terminal_session import TerminalSession
from tests.tui.test_terminal import _assert_given_back

SERVE = ("serve", "--provider", "simulated", "--symbols", "BTCUSD,ETHUSD", "--persist")


def session(
    *arguments: str, size: tuple[int, int] = (120, 40), controlling: bool = False, **environment: str
) -> TerminalSession:
    """`ringside` with these arguments in a terminal of its own."""
    command = [sys.executable, "-m", "console", *arguments]
    return TerminalSession(Path(), size=size, environment=environment, command=command, controlling=controlling)


def assert_store_is_whole() -> None:
    """Every stored trade is a whole record and follows the one before; no ring is left behind."""
    history = EmbeddedHistory(find_paths().data / "ticks")
    trades = history.read(SeriesKey("SIM.KRAKEN", "BTCUSD", Schema.TRADES), 0, 2**62)
    assert len(trades) > 0
    ids = sorted(trades["sequence"].tolist())
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert left_behind() == []


def test_the_console_shows_prices_and_q_stores_everything() -> None:
    """Prices appear, `q` ends with 0, the terminal is as before and the store is complete."""
    with session(*SERVE) as running:
        running.read_until("▲")
        assert b"SIMULATED" in running.output
        assert b"BTCUSD" in running.output
        running.send(b"q")
        assert running.wait() == 0
        _assert_given_back(running)
    assert_store_is_whole()


def test_leaving_while_the_database_is_away_says_what_waits() -> None:
    """`q` ends with 0, nothing is lost, and how many records wait on this machine is said on the way out."""
    with session(*SERVE, DATABASE_URL="postgresql://127.0.0.1:1/nowhere") as running:
        running.read_until("spilled")
        running.send(b"q")
        assert running.wait() == 0
        _assert_given_back(running)
        assert b"records wait on this machine for the database" in running.output
    assert list((find_paths().data / "spill").rglob("*.dbn"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_signals_end_screen_and_engine_cleanly(number: signal.Signals, code: int) -> None:
    """A signal restores the terminal, drains the store and gives the right exit code."""
    with session(*SERVE) as running:
        running.read_until("▲")
        running.child.send_signal(number)
        assert running.wait() == code
        _assert_given_back(running)
    assert_store_is_whole()


def test_a_demo_leaves_nothing_behind() -> None:
    """After a demonstration neither data nor rings are left, nor its temporary home."""
    home = Path(os.environ["RINGSIDE_HOME"])
    with session("demo", size=(160, 50), TMPDIR=str(home.parent)) as running:
        running.read_until("SIM.BINANCE")
        running.send(b"q")
        assert running.wait() == 0
    assert not home.exists()
    assert list(home.parent.glob("ringside-demo-*")) == []
    assert left_behind() == []


def test_what_cannot_start_is_said_without_a_screen() -> None:
    """An unknown symbol ends with 4 and a sentence; the terminal never shows a half-drawn screen at the end."""
    with session("serve", "--provider", "simulated", "--symbols", "FOOUSD") as running:
        assert running.wait() == 4
        assert b"no such symbol: FOOUSD" in running.output
        assert b"Traceback" not in running.output
        assert running.attributes() == running.attributes_before


def test_a_terminal_that_vanishes_costs_nothing() -> None:
    """When the terminal is closed the engine still stores everything and leaves nothing in shared memory."""
    with session(*SERVE, controlling=True) as running:
        running.read_until("▲")
        running.hang_up()
        assert running.wait(reading=False) == 129
    assert_store_is_whole()


@pytest.mark.parametrize("size", [(20, 5), (60, 15), (80, 24)])
def test_small_terminals_are_no_catastrophe(size: tuple[int, int]) -> None:
    """The smallest says what it needs, the others show prices; `q` leaves each."""
    with session(*SERVE, size=size) as running:
        running.read_until("60x15" if size == (20, 5) else "BTCUSD")
        running.send(b"q")
        assert running.wait() == 0


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_can_show_nothing_is_refused(term: str) -> None:
    """Exit code 2, a sentence, and no escape sequence."""
    with session(*SERVE, TERM=term) as running:
        assert running.wait() == 2
        assert b"unusable terminal" in running.output
        assert b"\x1b" not in running.output


def test_a_daemon_outlives_its_terminal() -> None:
    """Closing the terminal it was started in, or losing the connection, does not stop it; a signal does."""
    with session("--batch", *SERVE, "--instance-id", "alpha", controlling=True) as engine:
        engine.read_until("trades")
        engine.hang_up()
        _wait_for_trades("alpha", 20)
        assert engine.child.poll() is None
        engine.child.send_signal(signal.SIGTERM)
        assert engine.wait(reading=False) == 143
    assert_store_is_whole()


def test_attach_shows_an_engine_and_leaves_it_alone() -> None:
    """The console opens on an engine of another process by name; after `q` that engine still runs."""
    with session("--batch", *SERVE, "--instance-id", "alpha") as engine:
        engine.read_until("trades")
        with session("attach", "alpha") as running:
            running.read_until("▲")
            running.send(b"q")
            assert running.wait() == 0
        assert engine.child.poll() is None
        with session("attach", "beta") as running:
            assert running.wait() == 4
        engine.child.send_signal(signal.SIGTERM)
        assert engine.wait() == 143
    assert_store_is_whole()
