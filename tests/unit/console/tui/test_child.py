"""A command in a process of its own: followed, bounded, cancelled, and never able to break who follows it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.tui import child as child_module
from console.tui.child import Child, Progress, UnreadableError

DEADLINE_S = 30.0


def start(tmp_path: Path, program: str, read: Callable[[Any], Any] = dict) -> Child[Any]:
    """A child that runs a Python program."""
    script = tmp_path / "child.py"
    script.write_text("import json, os, signal, subprocess, sys, time\n" + program, encoding="utf-8")
    child: Child[Any] = Child(["one", "two"], read, command=(sys.executable, os.fspath(script)))
    child.start()
    return child


def until(found: Callable[[], bool]) -> None:
    """Wait until it holds."""
    until_s = time.monotonic() + DEADLINE_S
    while not found():
        assert time.monotonic() < until_s, "it never came"
        time.sleep(0.01)


def ended(child: Child[Any]) -> Progress[Any]:
    """How it stands when it has ended."""
    until(lambda: not child.running)
    return child.progress


def gone(pid: int) -> bool:
    """Whether nothing runs under a process id any more."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_an_answer_is_read(tmp_path: Path) -> None:
    """The arguments reach the command, and what it prints is the answer."""
    progress = ended(start(tmp_path, "print(json.dumps({'given': sys.argv[1:]}))"))
    assert (progress.state, progress.answer, progress.share) == ("done", {"given": ["one", "two"]}, 1.0)


def test_progress_is_followed(tmp_path: Path) -> None:
    """Its lines are the share and the text; what is none of them is talk."""
    program = (
        'for line in (\'{"progress": 0.25, "text": "loading"}\', \'a word\', \'{"progress": "x"}\', \'[1]\'):\n'
        "    print(line, file=sys.stderr, flush=True)\n"
        "sys.stdin.read()\n"
        "while not os.path.exists(sys.argv[0] + '.go'): time.sleep(0.01)\n"
        "print('{}')\n"
    )
    child = start(tmp_path, program)
    until(lambda: child.progress.share == 0.25)
    now_ns = child.progress.stage_ns + 10**9
    assert child.progress.left_s(now_ns) == pytest.approx(3.0)
    (tmp_path / "child.py.go").touch()
    progress = ended(child)
    assert progress.state == "done"
    assert progress.said[0] == "a word"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print(json.dumps({'error': {'message': 'not stored: X\\x1b[2J', 'hint': 'look'}})); sys.exit(4)",
         "not stored: X?[2J"),
        ("print('hello'); sys.exit(3)", "what it printed is not JSON, exit code 3"),
        ("print('[1, 2]')", "what it printed is not JSON, exit code 0"),
        ("print('last words', file=sys.stderr); sys.exit(1)", "it printed nothing, exit code 1: last words"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "it was ended by SIGKILL"),
        ("print('[' * 100_000)", "what it printed is not JSON, exit code 0"),
        ("sys.stdout.buffer.write(bytes(range(256)))", "what it printed is not JSON, exit code 0"),
    ],
)  # fmt: skip
def test_what_went_wrong_is_a_sentence(tmp_path: Path, program: str, said: str) -> None:
    """An error of the command, no answer, nonsense and a violent end are told, safe to draw."""
    progress = ended(start(tmp_path, program))
    assert (progress.state, progress.message) == ("failed", said)
    assert all(line.isprintable() for line in (*progress.said, progress.hint))


def test_an_answer_that_cannot_be_read_breaks_nothing(tmp_path: Path) -> None:
    """Whatever reading it raises, it has failed with a reason."""

    def refuse(raw: Any) -> Any:
        raise UnreadableError("not this") if raw["kind"] == "refused" else KeyError("no such")

    assert ended(start(tmp_path, 'print(\'{"kind": "refused"}\')', refuse)).message == "not this"
    assert "KeyError" in ended(start(tmp_path, 'print(\'{"kind": "broken"}\')', refuse)).message


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    """It could not be started."""
    child: Child[Any] = Child([], dict, command=(os.fspath(tmp_path / "nothing"),))
    child.start()
    assert "could not be started" in ended(child).message


def test_too_large_a_result_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What prints without end is ended, and nothing of it is kept."""
    monkeypatch.setattr(child_module, "MOST_BYTES", 1 << 20)
    progress = ended(start(tmp_path, "while True: sys.stdout.write('x' * 65536)"))
    assert progress.state == "failed"
    assert progress.message.startswith("its result is larger than 1.0 MB")


def test_one_that_does_not_end_after_its_answer_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer counts once its output is closed, and it is not waited for."""
    monkeypatch.setattr(child_module, "GRACE_S", 0.3)
    program = "print(json.dumps({'pid': os.getpid()}), flush=True)\nos.close(1)\ntime.sleep(600)"
    progress = ended(start(tmp_path, program))
    assert progress.answer is not None
    assert gone(int(progress.answer["pid"]))


def test_a_process_that_escaped_does_not_keep_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in a session of its own that holds both outputs open is not waited for either."""
    monkeypatch.setattr(child_module, "GRACE_S", 0.3)
    program = (
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "print(json.dumps({'pid': other.pid}))\n"
    )
    progress = ended(start(tmp_path, program))
    assert progress.answer is not None
    os.kill(int(progress.answer["pid"]), signal.SIGKILL)


def test_cancelling_asks_first(tmp_path: Path) -> None:
    """A command that answers Ctrl-C ends by itself, and what it printed then does not count."""
    child = start(tmp_path, "print('{\"progress\": 0.5}', file=sys.stderr, flush=True)\ntime.sleep(600)")
    until(lambda: child.progress.share == 0.5)
    child.cancel()
    assert ended(child).state == "cancelled"


def test_cancelling_ends_what_does_not_want_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ignores Ctrl-C is killed, with the processes it started."""
    monkeypatch.setattr(child_module, "GRACE_S", 0.3)
    program = (
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('%d %d' % (os.getpid(), other.pid), file=sys.stderr, flush=True)\n"
        "print('{\"progress\": 0.5}', file=sys.stderr, flush=True)\n"
        "time.sleep(600)\n"
    )
    child = start(tmp_path, program)
    until(lambda: child.progress.share == 0.5)
    child.cancel()
    progress = ended(child)
    assert progress.state == "cancelled"
    for pid in map(int, progress.said[0].split()):
        until(lambda pid=pid: gone(pid))  # type: ignore[misc]


def test_stopping_leaves_nothing(tmp_path: Path) -> None:
    """It is ended at once, even before it has begun."""
    child = start(tmp_path, "time.sleep(600)")
    child.stop()
    assert ended(child).state == "cancelled"


@pytest.mark.parametrize("kept", ["stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL", "bufsize=0"])
def test_a_process_that_is_left_over_does_not_keep_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """What a command leaves running is ended with it, also when it holds the command's output open."""
    monkeypatch.setattr(child_module, "GRACE_S", 0.3)
    program = (
        f"other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], {kept})\n"
        "print(json.dumps({'pid': other.pid}))\n"
    )
    progress = ended(start(tmp_path, program))
    assert progress.answer is not None
    pid = int(progress.answer["pid"])
    until(lambda: gone(pid))
