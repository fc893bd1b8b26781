"""The line of progress on stderr."""

from __future__ import annotations

import io
import sys

import pytest

from console.batch.progress import ProgressLine, work_line
from core.clock import NS_PER_S


class Terminal(io.StringIO):
    """A text stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_line_says_how_far_how_fast_and_how_long() -> None:
    """The part done, rows and rate, and the time left at this pace."""
    assert work_line("exporting", fraction=0.25, rows=1000, elapsed_s=10.0) == (
        "exporting   25%  1,000 rows  100/s  0:30 left"
    )
    assert work_line("checking", fraction=0.0, rows=0, elapsed_s=0.0) == "checking    0%"
    assert work_line("checking", fraction=7.0, rows=0, elapsed_s=200.0) == "checking  100%  0:00 left"


def test_the_line_is_drawn_five_times_a_second_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is called it draws rarely; in the end the terminal's line is empty."""
    terminal, now_ns = Terminal(), 0
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressLine("working", clock=lambda: now_ns) as progress:
        for _ in range(1000):
            now_ns += NS_PER_S // 1000
            progress(now_ns / NS_PER_S, 5)
    drawn = terminal.getvalue().split("\r")
    assert 4 <= sum("working" in line for line in drawn) <= 6
    assert drawn[-1] == "\x1b[K"


def test_the_name_of_a_file_gives_the_terminal_no_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may be called anything; what is not printable is not printed."""
    terminal, now_ns = Terminal(), 0
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressLine("checking \x1b]0;mine\x07", clock=lambda: now_ns) as progress:
        now_ns += NS_PER_S
        progress(0.5)
    assert "checking ?]0;mine?" in terminal.getvalue()


def test_nothing_is_drawn_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file gets no lines of progress."""
    now_ns = 0
    with ProgressLine("working", clock=lambda: now_ns) as progress:
        now_ns += 100 * NS_PER_S
        progress(0.5, 5)
    assert capsys.readouterr().err == ""
