"""`live --paper-trading` beside a real engine: fills, strategies that fail, kills, and engines that come and go."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.paths import find_paths
from console.paper.desks import desk_place
from console.paper.past import Past
from console.paper.session import find, sessions
from core.model.fixedpoint import parse_price
from core.sim.lines import FillLine, OrderLine
from core.sim.tape import CLOCK
from ringbuf import control
from ringbuf.control import ControlClient
from tests.simulator.test_bad_input import error_of, ringside
from tests.simulator.test_engine import _wait_for_trades

OPTIONS = ("--strategy", "sma", "--symbols", "BTCUSD,ETHUSD", "--bars", "20t", "--mode", "each-tick", "--size", "10%")


def begun_engine() -> subprocess.Popen[bytes]:
    """An engine that streams two symbols publicly."""
    line = "--batch serve --provider simulated --symbols BTCUSD,ETHUSD --ipc-symbols all --instance-id alpha"
    process = subprocess.Popen(
        [sys.executable, "-m", "console", *line.split()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _wait_for_trades("alpha", 1)
    return process


def end(process: subprocess.Popen[Any]) -> None:
    """End a process cleanly."""
    process.send_signal(signal.SIGTERM)
    process.wait(30)


@pytest.fixture
def alpha() -> Iterator[subprocess.Popen[bytes]]:
    """That engine, for one test."""
    process = begun_engine()
    try:
        yield process
    finally:
        end(process)


class Trading:
    """A process that trades on paper; `events` are those that were read so far."""

    def __init__(self, *words: str) -> None:
        self.events: list[dict[str, Any]] = []
        command = [sys.executable, "-m", "console", "--batch", "live", "--paper-trading", "--json", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def until(self, event: str) -> dict[str, Any]:
        """Read until something of that kind is told."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == event:
                return self.events[-1]
        raise AssertionError(f"it ended without {event}: {self.events[-1:]} {self.errors()[-2000:]}")

    def errors(self) -> str:
        """What it said on stderr, once it has ended."""
        assert self.process.stderr is not None
        return self.process.stderr.read()


@contextmanager
def trading(*words: str) -> Iterator[Trading]:
    """A process that trades for a minute at most, ended afterwards however the block ends."""
    found = Trading(*words, "--duration", "60")
    try:
        yield found
    finally:
        found.process.kill()
        found.process.wait()
        for stream in (found.process.stdout, found.process.stderr):
            assert stream is not None
            stream.close()


def past(name: str = "latest") -> Past:
    """A session of the desk, from disk."""
    return find(desk_place(find_paths().state, "default"), name)


def test_strategies_trade_on_what_a_running_engine_streams(alpha: subprocess.Popen[bytes]) -> None:
    """It tells everything as it happens, ends when asked with the sums, and the disk says the same."""
    with trading(*OPTIONS) as one:
        started = one.until("started")
        assert [(row["label"], row["symbol"]) for row in started["strategies"]] == [
            ("sma", "BTCUSD"),
            ("sma", "ETHUSD"),
        ]
        fill = one.until("fill")
        assert parse_price(fill["price"]) == fill["price_e9"]
        one.process.send_signal(signal.SIGTERM)
        ended = one.until("ended")
        assert one.process.wait(30) == 128 + signal.SIGTERM
        assert "Traceback" not in one.errors()
    counted = {name: sum(event["event"] == name for event in one.events) for name in ("signal", "fill")}
    (strategy,) = ended["strategies"]
    assert (strategy["signals"], strategy["fills"]) == (counted["signal"], counted["fill"])
    assert (ended["stopped_by"], ended["holes"], ended["late"]) == ("SIGTERM", 0, 0)
    assert ended["latency"]["count"] > 0
    found = past()
    assert sum(isinstance(line, FillLine) for line in found.lines) == counted["fill"]
    assert found.notes == ()
    (account,) = found.state().accounts
    assert {one["symbol"] for one in ended["positions"]} <= {line.symbol for line in account.positions}


def test_it_ends_by_itself(alpha: subprocess.Popen[bytes]) -> None:
    """After its duration with 0, and says that everything stays."""
    code, printed, said = ringside("--batch", "live", "--paper-trading", *OPTIONS, "--duration", "1")
    assert code == 0
    assert printed.startswith("session ")
    assert "stay for the next session" in said
    assert len(sessions(desk_place(find_paths().state, "default"))) == 1


def test_it_waits_for_an_engine_that_is_about_to_start() -> None:
    """Begun before the engine, as by a script that starts both, it trades on what that streams."""
    with trading(*OPTIONS) as one:
        assert one.process.stderr is not None
        while "waiting for an engine" not in (line := one.process.stderr.readline()):
            assert line, "it ended"
        engine = begun_engine()
        try:
            assert one.until("started")["strategies"]
        finally:
            end(engine)


def test_a_signal_that_comes_twice_ends_it_as_one_does(alpha: subprocess.Popen[bytes]) -> None:
    """It is told how it ended, its exit code is that of the signal, and nothing else is said."""
    with trading(*OPTIONS) as one:
        one.until("started")
        for _ in range(20):
            one.process.send_signal(signal.SIGINT)
        assert one.until("ended")["stopped_by"] == "SIGINT"
        assert one.process.wait(30) == 130
        assert "Traceback" not in one.errors()
    assert past().notes == ()


def test_a_desk_that_is_traded_on_is_not_traded_on_twice(alpha: subprocess.Popen[bytes]) -> None:
    """The second one says who has it and how to take another, with the exit code of what is refused."""
    with trading(*OPTIONS) as one:
        one.until("started")
        code, printed, _ = ringside("--batch", "live", "--paper-trading", *OPTIONS, "--json")
        error = error_of(printed)
        assert (code, error["category"]) == (8, "refused")
        assert "default is traded on by process" in error["message"]
        assert "name another" in error["hint"]


def test_operators_reach_it_over_its_own_channel(alpha: subprocess.Popen[bytes]) -> None:
    """It has a name of its own, shows its accounts, does as it is told, and ends when it shall."""
    with trading(*OPTIONS, "--desk", "mine") as one:
        one.until("started")
        client = ControlClient(control.socket_path("paper-mine"), timeout_s=10)
        assert client.request("accounts")["desk"] == "mine"
        assert client.request("pause", target="sma")["act"] == "pause"
        assert one.until("act")["act"] == "pause"
        code, printed, _ = ringside("--batch", "live", "--paper-trading", *OPTIONS, "--desk", "mine", "--json")
        assert code == 8
        assert "paper-mine" in error_of(printed)["message"]
        client.request("shutdown")
        client.close()
        one.until("ended")
        assert one.process.wait(30) == 0
    assert {lane.state for lane in past_of("mine").state().lanes} == {"paused"}


def past_of(desk: str) -> Past:
    """The newest session of another desk."""
    return find(desk_place(find_paths().state, desk), "latest")


def approved(folder: Path, name: str, body: str) -> str:
    """A strategy file that may run, as an argument."""
    path = folder / f"{name}.py"
    lines = ["import os, time", "from core.strategy import BUY, HOLD, SELL, Strategy", "", "class Mine(Strategy):",
             f"    name = {name!r}", "    seen = 0", "    def on_bar_data(self, bar):", "        self.seen += 1",
             *(f"        {line}" for line in body.splitlines())]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    assert ringside("--batch", "hash-strategy", str(path), "--approve")[0] == 0
    return str(path)


def test_strategies_that_fail_are_stopped_alone(alpha: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """One that raises, one that never ends, one that takes all memory and one that prints: each stops itself at
    most, and what is printed are objects."""
    settings = tmp_path / "settings.toml"
    settings.write_text("[paper_trading]\ncall_s = 1.0\nmemory_mb = 300\n")
    bodies = {
        "raises": "return HOLD if self.seen < 5 else 1 / 0",
        "hangs": "while self.seen > 5:\n    time.sleep(0.01)\nreturn HOLD",
        "eats": "self.kept = [bytearray(1 << 24) for _ in range(0 if self.seen < 5 else 99)]\nreturn HOLD",
        "prints": "print('hello', self.seen)\nos.write(1, b'raw')\nos.system('echo child')\nreturn HOLD",
    }
    words = [word for name, body in bodies.items() for word in ("--strategy", approved(tmp_path, name, body))]
    with trading(*OPTIONS, *words, "--symbols", "BTCUSD", "-c", str(settings)) as one:
        reasons: dict[str, str] = {}
        while len(reasons) < 3:
            lane = one.until("lane")
            reasons[lane["lane"]] = lane["reason"]
        one.until("signal")
        one.process.send_signal(signal.SIGINT)
        ended = one.until("ended")
        assert one.process.wait(30) == 128 + signal.SIGINT
        assert "Traceback" not in one.errors()
    assert {name: word in reasons[name] for name, word in
            (("raises", "division by zero"), ("hangs", "took too long"), ("eats", "MemoryError"))} == {
        "raises": True, "hangs": True, "eats": True
    }  # fmt: skip
    states = {row["label"]: row["state"] for row in ended["strategies"]}
    assert (states["sma"], states["prints"], states["raises"]) == ("running", "running", "stopped")


def test_after_a_kill_it_goes_on_and_nothing_is_doubled(alpha: subprocess.Popen[bytes]) -> None:
    """Positions are those of the last committed step, order numbers go on, and no trade is taken twice."""
    with trading(*OPTIONS) as one:
        one.until("fill")
        one.process.kill()
        one.process.wait()
    before = past()
    with trading(*OPTIONS) as two:
        started = two.until("started")
        # The first fill may be that of an order which was there before.
        while int(two.until("order")["number"]) < before.state().next_number:
            continue
        two.process.send_signal(signal.SIGTERM)
        two.until("ended")
    after = past()
    assert started["resumed"] == after.head.resumed == before.head.session
    assert after.head.state.accounts == before.state().accounts
    assert after.head.state.orders == before.state().orders
    first, second = ({line.number for line in one.lines if isinstance(line, OrderLine)} for one in (before, after))
    assert first & second <= {line.number for line in before.state().orders}
    assert min(second - first) == before.state().next_number
    assert not any(event["event"] == "hole" for event in two.events)
    for market in range(2):
        rows = [
            one.rows[(one.rows["market"] == market) & ((one.rows["kind"] & 0x7F) != CLOCK)] for one in (before, after)
        ]
        cursor = int(rows[0]["cursor"][-1])
        kinds = rows[1]["kind"] & 0x7F
        context = rows[1][kinds == 1]
        assert (context["cursor"] == cursor).all()
        assert int(rows[1][kinds != 1]["cursor"][-1]) - cursor == int((kinds != 1).sum())


def test_an_engine_that_goes_and_comes_back_is_gone_on_with(alpha: subprocess.Popen[bytes]) -> None:
    """Cleanly or killed: the hole is told, and trading goes on by itself."""
    engines = [alpha]
    with trading(*OPTIONS) as one:
        one.until("fill")
        for how in (signal.SIGTERM, signal.SIGKILL):
            engines[-1].send_signal(how)
            engines[-1].wait(30)
            engines.append(begun_engine())
            try:
                hole = one.until("hole")
                assert (hole["rows"], "restarted" in hole["cause"]) == (0, True)
                one.until("signal")
            except BaseException:
                end(engines[-1])
                raise
        one.process.send_signal(signal.SIGTERM)
        ended = one.until("ended")
    end(engines[-1])
    assert ended["holes"] >= 2
    assert past().notes == ()


def test_without_a_strategy_or_an_engine_it_says_so() -> None:
    """Each its exit code, and what there is."""
    code, printed, _ = ringside("--batch", "live", "--paper-trading", "--symbols", "BTCUSD", "--json")
    assert code == 2
    assert "donchian" in error_of(printed)["hint"]
    code, printed, _ = ringside("--batch", "live", "--paper-trading", *OPTIONS, "--json")
    assert code == 4
    assert error_of(printed)["category"] == "not_found"
    code, printed, _ = ringside("--batch", "live", "--symbols", "BTCUSD", "--strategy", "sma", "--json")
    assert code == 2
    assert "--paper-trading" in error_of(printed)["hint"]
    assert not os.path.exists(find_paths().state / "paper")  # noqa: PTH110
