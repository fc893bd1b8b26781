"""The `parity` command: a paper session beside its backtest, for people and for programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from config.paths import find_paths
from console.paper.past import HEAD, LEDGER
from core.sim.lines import FillLine, Line
from strategies.approval import LIST_NAME
from tests.unit.console.backtests.trading import strategy_file
from tests.unit.console.batch.running import Console
from tests.unit.console.paper.traded import beginning, change_ledger, go_on, session, trading


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


def state() -> Path:
    """Where sessions are."""
    return find_paths().state


def dearer(lines: list[Line]) -> list[Line]:
    """The same, but the last fill has another price."""
    at = max(number for number, line in enumerate(lines) if isinstance(line, FillLine))
    fill = lines[at]
    assert isinstance(fill, FillLine)
    return [*lines[:at], replace(fill, price_e9=fill.price_e9 + 10**9), *lines[at + 1 :]]


def test_a_session_is_proven(console: Console) -> None:
    """By `latest`, by its name and by the beginning of it; the numbers are in the object, the words on stderr."""
    folder = session(state())
    for name in ("latest", folder.name, folder.name[:5]):
        found = console("parity", name, "--json")
        assert (found.code, found.err) == (0, "")
        document = found.json
        assert (document["same"], document["percent"], document["session"]) == (True, 100.0, folder.name)
        assert document["orders"]["count"] == document["orders"]["same"] > 5
        assert document["first_divergence"] is None
    found = console("parity", "latest")
    orders, fills, signals = (document[name]["count"] for name in ("orders", "fills", "signals"))
    assert found.err.splitlines()[-1] == (
        f"parity 100 %: {orders} of {orders} orders, {fills} of {fills} fills, {signals} of {signals} signals"
        " are the same in the backtest"
    )
    assert [line.split() for line in found.out.splitlines()] == [
        ["strategy", "venue", "symbol", "orders", "same"],
        ["mine", "SIM.EXCHANGE", "BTCUSD", str(orders), str(orders)],
    ]


def test_a_difference_is_told_in_words(console: Console) -> None:
    """Exit code 10; the step, its instant, both sides and what differs, none of it wider than a terminal."""
    change_ledger(session(state()), dearer)
    found = console("parity", "latest")
    assert found.code == 10
    lines = found.err.splitlines()
    assert max(map(len, lines)) <= 80
    first = console("parity", "latest", "--json").json["first_divergence"]
    assert any(line.startswith(f"first divergence: step {first['step']:,} at 2027-01-15T") for line in lines)
    assert "in the ledger:" in lines
    assert "in the backtest:" in lines
    assert "the first of them differ in price_e9" in lines
    price_e9 = first["replayed"][0]["price_e9"]
    assert first["recorded"][0]["price_e9"] == price_e9 + 10**9
    assert f"price_e9 {price_e9}" in found.err.replace("\n      ", " ")


def test_what_a_ledger_says_moves_no_cursor(console: Console) -> None:
    """Control characters and a name that is longer than the screen do nothing to it."""

    def hostile(lines: list[Line]) -> list[Line]:
        lines = dearer(lines)
        return [replace(line, reason="\x1b[2J\r" * 40) if isinstance(line, FillLine) else line for line in lines]

    change_ledger(session(state()), hostile)
    found = console("parity", "latest")
    assert found.code == 10
    assert "\x1b" not in found.err
    assert "\r" not in found.err


def test_a_session_without_trades_is_no_proof(console: Console) -> None:
    """It ends with 0, and says that nothing can differ."""
    session(state(), 0)
    found = console("parity", "latest")
    assert (found.code, found.out) == (0, "")
    assert found.err.splitlines() == [
        "session 20270115T080000Z of desk default: 0 trades in 0 steps",
        "it saw no trades, so there was nothing to trade on and nothing can differ",
        "nothing to compare",
    ]
    assert console("parity", "latest", "--json").json["orders"] == {"count": 0, "same": 0}


def test_a_session_that_is_being_written_can_be_compared(console: Console) -> None:
    """As far as it is; nobody who trades is disturbed."""
    with trading(state(), beginning()) as found:
        go_on(found, 30)
        assert console("parity", "latest", "--json").json["trades"] == 30
        go_on(found, 30, first=30)
    assert console("parity", "latest", "--json").json["trades"] == 60


def test_a_strategy_file_must_be_the_one_that_traded(console: Console, tmp_path: Path) -> None:
    """As it was it is proven, and what it prints does not come between the data; changed it is refused, and once that
    is approved there is nothing to compare with."""
    path = strategy_file(
        console, tmp_path / "mine.py", "print('hello')\nreturn BUY if bar.close_e9 // 10**9 % 2 else SELL"
    )
    approved = find_paths().configuration / LIST_NAME
    session(state(), strategy=str(path), approved=approved)
    found = console("parity", "latest", "--json")
    assert (found.code, found.json["same"]) == (0, True)
    assert found.json["orders"]["count"] > 5
    path.write_text(path.read_text() + "\n# another one\n")
    assert console("parity", "latest", "--json").code == 8
    assert console("hash-strategy", str(path), "--approve").code == 0
    found = console("parity", "latest", "--json")
    assert (found.code, found.json["error"]["category"]) == (3, "configuration")
    assert "in the session and is" in found.json["error"]["message"]


def test_a_strategy_that_never_ends_is_stopped(console: Console, tmp_path: Path) -> None:
    """When its time is over, even when it makes an answer of that; the error says which it was."""
    endless = tmp_path / "endless"
    body = (
        f"import pathlib\nwhile pathlib.Path({str(endless)!r}).exists():\n"
        "    try:\n        sum(range(1000))\n    except BaseException:\n        return HOLD\nreturn BUY"
    )
    path = strategy_file(console, tmp_path / "mine.py", body)
    session(state(), strategy=str(path), approved=find_paths().configuration / LIST_NAME)
    assert console("parity", "latest", "--timeout", "60", "--json").json["same"]
    endless.touch()
    found = console("parity", "latest", "--timeout", "0.2", "--json")
    assert (found.code, found.json["error"]["category"]) == (1, "strategy_timeout")
    assert "mine took too long" in found.json["error"]["message"]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_time_limit_is_one(console: Console, seconds: str) -> None:
    """What is none is refused before anything is looked for."""
    found = console("parity", "latest", "--timeout", seconds)
    assert found.code == 2
    assert "bad timeout" in found.err


@pytest.mark.parametrize("name", [HEAD, LEDGER])
def test_a_damaged_session_is_an_error(console: Console, name: str) -> None:
    """One that names the file; there is no traceback."""
    path = session(state()) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 3] = 0
    path.write_bytes(content)
    found = console("parity", "latest")
    assert (found.code, found.out) == (1, "")
    assert found.err.startswith("ringside: damaged session: ")
    assert name in found.err
    assert "Traceback" not in found.err


def test_what_is_not_there_is_not_found(console: Console) -> None:
    """A session, or a desk; a desk that cannot be is a slip of the pen."""
    assert console("parity", "latest").code == 4
    session(state())
    assert console("parity", "1999").code == 4
    assert console("parity", "latest", "--desk", "other").code == 4
    assert console("parity", "latest", "--desk", "../other").code == 2
