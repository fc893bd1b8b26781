"""What waits for a slow place: who logs never waits, order stays, and what was dropped is counted where it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.logbook.sink import QUEUED_CHARACTERS, QUEUED_LINES, Sink, to_stream

DEADLINE_S = 30.0


class Stuck:
    """A place whose writes hang until it is let go."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.begun, self.go, self.finished = threading.Event(), threading.Event(), threading.Event()

    def write(self, line: str) -> None:
        """Take a line once it may go on."""
        self.begun.set()
        assert self.go.wait(DEADLINE_S)
        self.lines.append(line)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """One that does not outlive its test."""
    place = Stuck()
    yield place
    place.go.set()


def _sink(place: Stuck) -> Sink:
    return Sink("test", place.write, left_out=lambda lines: f"{lines} left out", finish=place.finished.set)


def test_a_place_that_hangs_holds_up_nobody(stuck: Stuck) -> None:
    """As many lines wait as may; the others are counted where they would have stood, and later ones follow."""
    sink = _sink(stuck)
    sink.put("first")
    assert stuck.begun.wait(DEADLINE_S)
    for number in range(QUEUED_LINES + 700):
        sink.put(f"line {number}")
    assert not sink.flush(0.0)
    assert stuck.lines == []
    stuck.go.set()
    assert sink.flush(DEADLINE_S)
    sink.put("after")
    assert sink.close()
    waited = [f"line {number}" for number in range(QUEUED_LINES)]
    assert stuck.lines == ["first", *waited, "700 left out", "after"]
    assert stuck.finished.is_set()


def test_long_lines_are_bounded_too(stuck: Stuck) -> None:
    """Tracebacks fill no memory: so many characters wait, a short line still finds room, and one that is longer than
    all that may wait is written when nothing else does."""
    sink = _sink(stuck)
    sink.put("first")
    assert stuck.begun.wait(DEADLINE_S)
    half = "x" * (QUEUED_CHARACTERS // 2 - 5)
    for line in (half, half + "y" * 11, half, "short"):
        sink.put(line)
    stuck.go.set()
    assert sink.flush(DEADLINE_S)
    assert stuck.lines == ["first", half, "1 left out", half, "short"]
    sink.put(half * 3)
    assert sink.close()
    assert len(stuck.lines[-1]) == len(half) * 3


def test_closing_gives_up(stuck: Stuck) -> None:
    """After its time the lines that wait are forgotten, and what is put later is not taken."""
    sink = _sink(stuck)
    for line in ("stuck", "waiting"):
        sink.put(line)
    assert stuck.begun.wait(DEADLINE_S)
    assert not sink.close(0.01)
    sink.put("late")
    stuck.go.set()
    assert stuck.finished.wait(DEADLINE_S)
    assert stuck.lines == ["stuck"]


def test_a_place_that_is_gone_is_tried_again() -> None:
    """A write that fails loses its line and no other."""
    written: list[str] = []

    def write(line: str) -> None:
        if line == "bad":
            raise BrokenPipeError
        written.append(line)

    sink = Sink("test", write, left_out=str)
    for line in ("one", "bad", "two"):
        sink.put(line)
    assert sink.close()
    assert written == ["one", "two"]


def test_one_that_never_wrote_is_closed_at_once(stuck: Stuck) -> None:
    """Nothing was put: nothing waits, and what is open is given back."""
    assert _sink(stuck).close()
    assert stuck.finished.is_set()


def test_a_whole_line_is_written_to_what_does_not_wait() -> None:
    """Into a full pipe that was made one that does not wait, past what its buffer takes at a time."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    line = "é" * 200_000
    with os.fdopen(writing, "w", encoding="utf-8") as stream, os.fdopen(reading, encoding="utf-8") as reader:
        sink = Sink("test", to_stream(stream), left_out=str)
        sink.put(line)
        assert reader.readline() == f"{line}\n"
        assert sink.close()


FORKS = """
import json, os, sys, threading
from console.logbook.sink import Sink
begun, go = threading.Event(), threading.Event()
parent, file = os.getpid(), os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
def write(line):
    if os.getpid() == parent or line == "hang":
        begun.set()
        go.wait()
    os.write(file, f"{line}\\n".encode())
sink = Sink("test", write, left_out=str)
sink.put("parent 1")
sink.put("parent 2")
begun.wait()
codes = []
for lines in (["child 1", "child 2"], ["hang", "never"], []):
    sink._changed.acquire()  # as a thread may hold it at that moment
    child = os.fork()
    if not child:
        for line in lines:
            sink.put(line)
        if not lines:
            sink.flush()
            sink.close()
        os._exit(7)
    sink._changed.release()
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
go.set()
sink.close()
print(json.dumps(codes))
"""


def test_a_fork_writes_its_own_lines_and_ends(tmp_path: Path) -> None:
    """With the parent's place stuck and its lock held: a child's lines are there when it ends without a word, those
    of the parent once, and a child whose own place hangs ends all the same."""
    path = tmp_path / "lines"
    done = subprocess.run(
        [sys.executable, "-c", FORKS, str(path)], capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    assert json.loads(done.stdout) == [7, 7, 7]
    assert path.read_text().splitlines() == ["child 1", "child 2", "parent 1", "parent 2"]
