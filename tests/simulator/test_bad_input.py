"""Hostile and broken input, end to end: a clear word and the right exit code, nothing lost, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from console.journal import Journal
from console.plan import FeedPlan
from console.supervise import Engine
from tests.simulator.test_engine import feed_of, make_plan, run_until


def ringside(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run the command without a terminal: exit code, stdout, stderr."""
    result = subprocess.run(
        [sys.executable, "-m", "console", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env=os.environ | environment,
        check=False,
    )
    assert "Traceback" not in result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    return result.returncode, result.stdout, result.stderr


def error_of(printed: str) -> dict[str, Any]:
    """The one error object that a command printed in JSON mode."""
    error: dict[str, Any] = json.loads(printed)["error"]
    assert set(error) == {"category", "code", "message", "retryable", "hint"}
    return error


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["serve", "--provider", "simulated", "--symbols", "FOOUSD"], 4, "FOOUSD"),
        (["serve", "--provider", "mtgox"], 2, "mtgox"),
        (["serve", "--provider", "kraken", "--symbols", "\x1b[2J"], 2, "bad symbol"),
        (["serve", "--provider", "kraken", "--recording", "/nowhere.gz"], 4, "/nowhere.gz"),
        (["serve", "--provider", "simulated", "--instance-id", "a/b"], 2, "bad name for an engine"),
        (["serve", "--provider", "simulated", "--speed", "3"], 2, "speed without a recording"),
        (["serve", "--provider", "simulated", "--faults", "meteor=3"], 2, "meteor"),
        (["serve", "--config", "/nowhere.toml"], 3, "/nowhere.toml"),
        (["serve", "--until-end"], 2, "--until-end"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(arguments: list[str], code: int, message: str) -> None:
    """Each refusal has its exit code and says what it refused, as one JSON object."""
    found, printed, _ = ringside("--batch", *arguments, "--json")
    assert found == code
    assert message in error_of(printed)["message"] + error_of(printed)["hint"]


def test_a_data_directory_that_cannot_be_written() -> None:
    """The engine ends before it streams anything, with exit code 3 and the place."""
    code, printed, _ = ringside(
        "--batch", "serve", "--provider", "simulated", "--symbols", "BTCUSD", "--persist", "--json",
        RINGSIDE_HOME="/proc/ringside",
    )  # fmt: skip
    assert code == 3
    assert "/proc/ringside" in error_of(printed)["message"]


def test_a_shared_memory_directory_of_somebody_else(tmp_path: Path) -> None:
    """Rings are refused where others could reach them, with exit code 3."""
    open_to_all = tmp_path / "shm"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    code, printed, _ = ringside(
        "--batch", "serve", "--provider", "simulated", "--symbols", "BTCUSD", "--json", RINGSIDE_SHM=str(open_to_all)
    )
    assert code == 3
    assert "this user alone" in error_of(printed)["message"]


@pytest.mark.parametrize("arguments", [["demo", "--json"], ["serve", "--provider", "simulated"]])
def test_without_a_terminal_commands_run_as_batch(arguments: list[str]) -> None:
    """No screen is opened where there is none; a command without sense still ends with its own code."""
    code, _, errors = ringside(*arguments, RINGSIDE_SHM="/proc")
    assert code == 3
    assert "/proc" in errors or "/proc" in _


def test_bare_ringside_without_a_terminal_starts_nothing() -> None:
    """Nobody is watching: exit code 2 and how to get a terminal, instead of a stream into nowhere."""
    code, _, errors = ringside()
    assert code == 2
    assert "ssh -t" in errors


def test_output_that_cannot_be_written_is_said() -> None:
    """A full disk behind stdout is an error in words with exit code 1, not a traceback."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        result = subprocess.run(
            [sys.executable, "-m", "console", "--batch", "db", "stats", "--json"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert result.returncode == 1
    assert "cannot write the output" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_error_that_cannot_be_written_as_data_is_said_in_words() -> None:
    """With a full disk behind stdout, and with nobody who reads it: its own exit code and no traceback."""
    command = [sys.executable, "-m", "console", "--batch", "accounts", "--desk", "nobody", "--json"]
    read, left = os.pipe()
    os.close(read)
    with Path("/dev/full").open("wb") as full, os.fdopen(left, "wb") as nobody:
        for stdout in (full, nobody):
            result = subprocess.run(
                command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False
            )
            assert result.returncode == 4
            assert result.stderr.startswith("ringside: nothing was ever traded on paper")
            assert "Traceback" not in result.stderr


def test_attaching_needs_a_terminal_and_an_engine() -> None:
    """Without a terminal the exit code is 2, and it says how to get one."""
    code, _, errors = ringside("attach", "nobody")
    assert code == 2
    assert "ssh -t" in errors


def test_a_recording_with_a_damaged_line_names_the_line(tmp_path: Path) -> None:
    """The file and the line are said; nothing is played."""
    recording = tmp_path / "capture.jsonl"
    recording.write_text('{"channel":"heartbeat"}\n{"channel":"tra', encoding="utf-8")
    code, printed, _ = ringside(
        "--batch", "serve", "--provider", "kraken", "--recording", str(recording), "--until-end", "--json"
    )
    assert code == 3
    assert "line 2" in error_of(printed)["message"]


@pytest.mark.trio
async def test_numbers_that_do_not_fit_are_refused_one_by_one(tmp_path: Path) -> None:
    """A price finer than 1e-9 and a quantity beyond 64 bits are counted as rejected and are missing; their neighbours
    are stored."""

    def trade(number: int, price: str, quantity: str) -> str:
        fields = f'"symbol":"BTC/USD","side":"buy","price":{price},"qty":{quantity},"ord_type":"limit"'
        instant = f"2024-08-08T00:00:{number:02d}.000001Z"
        trade = f'{{{fields},"trade_id":{number},"timestamp":"{instant}"}}'
        return f'{{"channel":"trade","type":"update","data":[{trade}]}}'

    recording = tmp_path / "capture.jsonl"
    lines = [
        trade(1, "64000.1", "0.5"),
        trade(2, "64000.12345678901", "0.5"),
        trade(3, "64000.1", "100000000000.00000001"),
        trade(4, "9300000000.5", "1"),
        trade(5, "64000.2", "1e-8"),
    ]
    recording.write_text("\n".join(lines) + "\n", encoding="utf-8")
    feed = FeedPlan(provider="kraken", recordings=(recording,), speed=None)
    with trio.fail_after(30):
        summary = await Engine(make_plan(feeds=(feed,), until_end=True), Journal()).run()
    (row,) = summary["feeds"]
    assert (row["trades"], row["rejected"], row["gaps"]) == (2, 3, 1)
    assert row["problem"]
    assert summary["store"]["rows"] == 2


@pytest.mark.trio
@pytest.mark.parametrize("provider", ["kraken", "binance"])
async def test_a_clock_ten_minutes_off_is_said_and_nothing_is_dropped(provider: Any) -> None:
    """Records are kept, counted as skewed, and the operator reads by how much and which way."""
    plan = make_plan("BTCUSD", provider=provider, faults="skew=1")
    summary = await run_until(plan, lambda status: feed_of(status, "BTCUSD").get("skewed", 0) >= 5)
    (row,) = summary["feeds"]
    assert row["skewed"] >= 5
    assert "clock" in row["problem"]
    assert summary["store"]["rows"] == row["trades"]


@pytest.mark.trio
@pytest.mark.parametrize("provider", ["kraken", "binance"])
async def test_frames_cut_in_the_middle_end_the_connection_alone(provider: Any) -> None:
    """A frame that breaks off with the connection is a reconnect, not an error, and no trade is invented."""
    plan = make_plan("BTCUSD", provider=provider, faults="truncate=40")
    summary = await run_until(plan, lambda status: feed_of(status, "BTCUSD")["reconnects"] >= 2)
    (row,) = summary["feeds"]
    assert summary["store"]["rows"] == row["trades"]
    assert summary["errors"] == []
