"""The time limit of a strategy: it ends what does not end by itself."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading

import pytest

from console.backtests.guard import StrategyTimeoutError, time_limit


def forever() -> None:
    """Does not end by itself."""
    while True:
        pass


def stubborn() -> None:
    """Does not end by itself, and catches every exception there is."""
    while True:
        with contextlib.suppress(Exception):
            forever()


def test_an_endless_loop_ends() -> None:
    """A loop without an end is left when the time is over, and the message says how long that was."""
    with pytest.raises(StrategyTimeoutError, match=r"more than 0\.05 s"), time_limit(0.05):
        forever()


def test_catching_every_exception_does_not_help() -> None:
    """`except Exception` round everything does not keep a strategy alive."""
    with pytest.raises(StrategyTimeoutError), time_limit(0.05):
        stubborn()


def test_an_answer_made_of_the_alarm_is_none() -> None:
    """A strategy that takes the alarm for its own and goes on has taken too long all the same; who it was is told."""
    with (
        pytest.raises(StrategyTimeoutError, match=r"^sma took too long"),
        time_limit(0.05, who="sma"),
        contextlib.suppress(BaseException),
    ):
        forever()


def test_what_ends_in_time_is_left_alone() -> None:
    """Afterwards there is no alarm left, and the handler is the one from before."""
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(60):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_errors_pass() -> None:
    """What the block itself raises comes out as it is, and nothing is left behind."""
    with pytest.raises(KeyError), time_limit(60):
        raise KeyError
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("seconds", [0.0, float("inf")])
def test_no_limit_is_none(seconds: float) -> None:
    """0 and infinity set no alarm."""
    with time_limit(seconds):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_other_threads_are_not_limited() -> None:
    """In a thread, where no signal can be taken, the block just runs."""
    seen: list[float] = []

    def run() -> None:
        with time_limit(1):
            seen.append(signal.getitimer(signal.ITIMER_REAL)[0])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [0.0]


def test_the_last_resort_ends_what_swallows_everything() -> None:
    """Code that catches `BaseException` again and again meets the last resort, here the end of the process."""
    script = (
        "import os\n"
        "from console.backtests.guard import time_limit\n"
        "def give_up(error):\n"
        "    os.write(1, str(error).encode())\n"
        "    os._exit(7)\n"
        "def work():\n"
        "    while True: [None] * 1000\n"
        "def swallow():\n"
        "    while True:\n"
        "        try:\n"
        "            work()\n"
        "        except BaseException: pass\n"
        "def insist():\n"
        "    while True:\n"
        "        try:\n"
        "            swallow()\n"
        "        except BaseException: pass\n"
        "with time_limit(0.02, give_up):\n"
        "    insist()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 1:  # an alarm came just where nothing caught it, which is as good
        assert "StrategyTimeoutError" in done.stderr
    else:
        assert (done.returncode, done.stdout.partition(":")[0]) == (7, "took too long")
