"""`backtest` with strategies from files of the user's, most of which misbehave."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.console.backtests.trading import stored, strategy_file
from tests.unit.console.batch.running import Console


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


def test_a_strategy_that_is_not_the_same_twice_is_found(console: Console, tmp_path: Path) -> None:
    """One that goes by the clock or by chance ends with 10."""
    stored()
    body = "import random\nreturn random.choice((BUY, SELL))"
    path = strategy_file(console, tmp_path / "chance.py", body)
    found = console("backtest", "--strategy", str(path), "--symbol", "BTCUSD", "--verify", "--json")
    assert found.code == 10
    assert "result" in found.json["differ"]
    assert found.json["differences"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no')", "ValueError"),
        ("return 7", "answers nonsense"),
        ("import sys\nsys.exit(0)", "SystemExit"),
        ("return bar.nothing", "AttributeError"),
    ],
)
def test_a_strategy_that_fails_is_named_with_the_time(body: str, said: str, console: Console, tmp_path: Path) -> None:
    """Exit code 1 and no traceback, whatever it does."""
    stored(200)
    path = strategy_file(console, tmp_path / "mine.py", body)
    found = console("backtest", "--strategy", str(path), "--symbol", "BTCUSD")
    assert (found.code, found.out) == (1, "")
    assert said in found.err
    assert "Traceback" not in found.err


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("def bar_data_mode(self): return 'often'", "must give a BarDataMode"),
        ("account_id = 'main'", "account_id must be a method"),
        ("def preferred_bar_type(self): return '1m'", "must give a BarType"),
        ("def account_id(self): return 7", "must give a text"),
        ("def account_id(self): raise OSError('no')", "mine.py:"),
        ("def reset(self): return self.nothing", "mine.py:"),
        ("def signals(self, bars): return [1]", "signals() must give"),
        ("def signals(self, bars): raise SystemExit", "SystemExit"),
    ],
)
def test_any_method_of_a_strategy_may_fail(method: str, said: str, console: Console, tmp_path: Path) -> None:
    """What it answers besides signals is checked as well, and the line of its file is named."""
    stored(200)
    path = strategy_file(console, tmp_path / "mine.py", "return HOLD", method)
    found = console("backtest", "--strategy", str(path), "--symbol", "BTCUSD")
    assert (found.code, found.out) == (1, "")
    assert said in found.err
    assert "Traceback" not in found.err


def test_odd_parameters_of_a_strategy_are_told_as_text(console: Console, tmp_path: Path) -> None:
    """What is no number in its parameters harms neither JSON nor the summary."""
    stored(200)
    more = "def initialize(self, params): self.parameters = {'a': float('nan'), 'b': object, 'c': 2}"
    path = strategy_file(console, tmp_path / "mine.py", "return HOLD", more)
    words = ("backtest", "--strategy", str(path), "--symbol", "BTCUSD")
    found = console(*words, "--json").json["strategy"]["parameters"]
    assert found == {"a": "nan", "b": "<class 'object'>", "c": 2}
    assert console(*words, "--out", str(tmp_path / "a.html")).code == 0


def test_a_strategy_that_never_ends_is_stopped(console: Console, tmp_path: Path) -> None:
    """Even one that catches every exception, when its time is over."""
    stored(200)
    body = "while True:\n    try:\n        sum(range(1000))\n    except Exception:\n        pass"
    path = strategy_file(console, tmp_path / "mine.py", body)
    found = console("backtest", "--strategy", str(path), "--symbol", "BTCUSD", "--timeout", "0.2", "--json")
    assert (found.code, found.json["error"]["category"]) == (1, "strategy_timeout")


def test_what_a_strategy_prints_is_not_the_result(console: Console, tmp_path: Path) -> None:
    """It goes to stderr; stdout is still one document."""
    stored(200)
    path = strategy_file(console, tmp_path / "mine.py", "print('hello')\nreturn HOLD")
    found = console("backtest", "--strategy", str(path), "--symbol", "BTCUSD", "--json")
    assert found.json["strategy"]["file"] == str(path)
    assert "hello" in found.err


def test_a_strategy_that_was_not_approved_does_not_run(console: Console, tmp_path: Path) -> None:
    """Exit code 8, and how to approve it; one that was changed since is refused again."""
    stored(50)
    path = strategy_file(console, tmp_path / "mine.py", "return HOLD")
    path.write_text(path.read_text() + "\nopen('ran', 'w')\n")
    found = console("backtest", "--strategy", str(path), "--symbol", "BTCUSD")
    assert found.code == 8
    assert "hash-strategy" in found.err


def test_an_interrupted_run_ends_with_130(console: Console, tmp_path: Path) -> None:
    """Ctrl-C stops even a strategy that never comes to an end, and prints no result."""
    stored(200)
    body = "import sys\nprint('begun', file=sys.stderr, flush=True)\nwhile True:\n    sum(range(1000))"
    path = strategy_file(console, tmp_path / "mine.py", body)
    words = ("--batch", "backtest", "--strategy", str(path), "--symbol", "BTCUSD", "--json")
    with subprocess.Popen(
        [sys.executable, "-m", "console", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert child.stderr.readline() == "begun\n"
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, "")
    assert "Traceback" not in err
