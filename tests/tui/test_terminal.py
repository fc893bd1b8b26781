"""What the console does to a real terminal, and what a terminal cannot do to it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.fake_engine import FakeEngine, Listing
from tests.tui.terminal_session import TerminalSession

BTC, ETH = ("BTCUSD", "KRAKEN"), ("ETHUSD", "KRAKEN")
_GIVEN_BACK = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?1003l", b"\x1b[?2004l", b"\x1b[?7h", b"\x1b[<u")


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """An engine with two instruments of which the first has traded once."""
    with FakeEngine(
        Path(os.environ["RINGSIDE_SHM"]), Listing("BTCUSD"), Listing("ETHUSD", price_decimals=2)
    ) as running:
        running.trade(BTC, "42150.2")
        yield running


def _session(engine: FakeEngine, **environment: str) -> TerminalSession:
    return TerminalSession(engine.socket_path, environment=environment)


def _assert_given_back(session: TerminalSession) -> None:
    for sequence in _GIVEN_BACK:
        assert sequence in session.output, sequence
    assert session.output.rfind(b"\x1b[?1049l") > session.output.rfind(b"\x1b[?1049h")
    assert session.output.rfind(b"\x1b[?25h") > session.output.rfind(b"\x1b[?25l")
    assert session.attributes() == session.attributes_before
    assert b"Traceback" not in session.output


def test_q_leaves_with_0_and_gives_the_terminal_back(engine: FakeEngine) -> None:
    """After `q` the exit code is 0 and screen, cursor, mouse, paste and settings are as before."""
    with _session(engine) as session:
        session.read_until("42150.2")
        session.send(b"q")
        assert session.wait() == 0
        _assert_given_back(session)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_signals_give_the_terminal_back(engine: FakeEngine, number: signal.Signals, code: int) -> None:
    """SIGTERM, SIGHUP and SIGINT leave with 128 + their number and the terminal as before."""
    with _session(engine) as session:
        session.read_until("42150.2")
        session.child.send_signal(number)
        assert session.wait() == code
        _assert_given_back(session)


def test_malformed_mouse_reports_are_survived(engine: FakeEngine) -> None:
    """Old-style mouse reports, not UTF-8 or looking like `q`, neither kill the console nor press keys in it."""
    with _session(engine) as session:
        session.read_until("42150.2")
        session.send(b"\x1b[M\xff\xfe\xfd" + b"\x1b[M !q" + b"\xc3\x28\x80" + b"\x1b[M")
        session.send(b" q!")
        session.send(b"8")
        session.read_until("engine started")
        session.send(b"q")
        assert session.wait() == 0
        _assert_given_back(session)


def test_ctrl_c_asks_first(engine: FakeEngine) -> None:
    """One ctrl+c only says what a second would do; the second leaves with 130."""
    with _session(engine) as session:
        session.read_until("42150.2")
        session.send(b"\x03")
        session.read_until("once more")
        session.send(b"\x03")
        assert session.wait() == 130
        _assert_given_back(session)


def test_a_stalled_terminal_does_not_keep_sigterm_waiting(engine: FakeEngine) -> None:
    """A terminal that takes no more output cannot keep the console from ending on SIGTERM."""
    with _session(engine) as session:
        session.read_until("42150.2")
        session.stall()
        session.child.send_signal(signal.SIGTERM)
        assert session.wait(reading=False) == 143
        assert session.attributes() == session.attributes_before


def test_a_vanished_terminal_ends_the_console(engine: FakeEngine) -> None:
    """When the terminal is gone the console ends, and does not hang."""
    with _session(engine) as session:
        session.read_until("42150.2")
        session.hang_up()
        assert session.wait(reading=False) == 129


def test_no_colour_is_written_under_no_color(engine: FakeEngine) -> None:
    """With NO_COLOR set not one colour is written to the terminal."""
    with _session(engine, NO_COLOR="1") as session:
        session.read_until("42150.2")
        session.send(b"q")
        session.wait()
        for colour in (b"38;5;", b"48;5;", b"38;2;", b"48;2;", b"\x1b[32m", b"\x1b[31m"):
            assert colour not in session.output


def test_sixteen_colours_are_enough(engine: FakeEngine) -> None:
    """A terminal of 16 colours is sent nothing it does not know."""
    with _session(engine, TERM="xterm", COLORTERM="") as session:
        session.read_until("42150.2")
        session.send(b"q")
        session.wait()
        for colour in (b"38;5;", b"48;5;", b"38;2;", b"48;2;"):
            assert colour not in session.output
        assert b"42150.2" in session.output


def test_a_terminal_without_utf8_gets_ascii(engine: FakeEngine) -> None:
    """Where the locale is not UTF-8 nothing but ASCII is written."""
    with _session(engine, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C") as session:
        session.read_until("42150.2")
        session.send(b"?")
        session.read_until("clear filter")
        session.send(b"q")
        assert session.wait() == 0
        assert session.output.isascii()


def test_a_copy_reaches_the_terminal_round_tmux(engine: FakeEngine) -> None:
    """Under tmux a copied row is sent plain, for tmux itself, and in the envelope that goes past it."""
    with _session(engine, TMUX="/tmp/tmux/default,1,0") as session:
        session.read_until("42150.2")
        session.send(b"y")
        session.read_until("\x1bPtmux;\x1b\x1b]52;c;")
        assert b"\x1b]52;c;" in session.output
        session.send(b"q")
        assert session.wait() == 0


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (b"/eth", "1 of 2"),
        (b"/q", "0 of 2"),
        (b":sort symbol\r", "by symbol"),
        (b":interval 5m\r:sort last\r", "by last"),
    ],
)
def test_keys_of_one_read_belong_to_the_prompt(engine: FakeEngine, typed: bytes, shown: str) -> None:
    """What arrives together with `/` or `:`, as on a slow line, is typed into the prompt and presses no hotkey."""
    engine.trade(ETH, "2251.90")
    with _session(engine) as session:
        session.read_until("2251.90")
        session.send(typed)
        session.read_until(shown)
        assert session.child.poll() is None
        session.send(b":quit\r" if typed.endswith(b"\r") else b"\r:quit\r")
        assert session.wait() == 0


def test_pasted_text_belongs_to_the_prompt(engine: FakeEngine) -> None:
    """A bracketed paste presses no hotkey; behind `/` its first line is the filter."""
    with _session(engine) as session:
        session.read_until("42150.2")
        session.send(b"\x1b[200~q\x1b[201~/\x1b[200~eth\nq\x1b[201~")
        session.read_until("1 of 2")
        assert session.child.poll() is None
