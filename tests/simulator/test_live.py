"""`instances`, `live` and `control` beside an engine in another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.test_bad_input import error_of, ringside
from tests.simulator.test_engine import _wait_for_trades


@pytest.fixture
def alpha() -> Iterator[subprocess.Popen[bytes]]:
    """An engine that streams three symbols, one of them publicly."""
    line = (
        "--batch serve --provider simulated --symbols BTCUSD,ETHUSD,SOLUSD --ipc-symbols BTCUSD --instance-id alpha"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "console", *line.split()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for_trades("alpha", 1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def rows_of(*arguments: str) -> list[dict[str, Any]]:
    """The rows a command prints in JSON mode."""
    code, printed, errors = ringside("--batch", *arguments, "--json")
    assert code == 0, errors
    rows: list[dict[str, Any]] = json.loads(printed)["rows"]
    return rows


def test_an_engine_is_found_followed_and_asked(alpha: subprocess.Popen[bytes]) -> None:
    """It is listed with its public symbol; its ring is followed without a lap; a private symbol becomes public."""
    while (rows := rows_of("instances"))[0]["symbols"] == "":
        assert alpha.poll() is None  # what is served is announced once a second
    (row,) = rows
    assert (row["instance_id"], row["health"], row["pid"]) == ("alpha", "alive", alpha.pid)
    assert row["symbols"] == "BTCUSD@SIM.KRAKEN"
    followed = rows_of("live", "--symbols", "BTCUSD,ETHUSD", "--duration", "2")
    assert [found["ring"] for found in followed] == ["alpha__BTCUSD_SIM.KRAKEN", "alpha__ETHUSD_SIM.KRAKEN"]
    for found in followed:
        assert found["records"] > 0
        assert (found["lapped"], found["closed"]) == (0, False)
        assert 0 < found["latency_p50_us"] <= found["latency_p99_us"] <= found["latency_max_us"]
    assert "ETHUSD@SIM.KRAKEN" in rows_of("instances")[0]["symbols"]
    public = {ring["name"] for ring in rows_of("control", "alpha", "rings") if ring["public"]}
    assert "alpha__SOLUSD_SIM.KRAKEN" not in public
    assert {"alpha__BTCUSD_SIM.KRAKEN", "alpha__ETHUSD_SIM.KRAKEN.mbp-10"} <= public


def test_refusals_have_their_codes(alpha: subprocess.Popen[bytes]) -> None:
    """Nobody serves it, no such engine, no such symbol, nonsense: each its exit code and an error object."""
    for arguments, expected in (
        (("live", "--symbols", "FOOUSD", "--duration", "1"), 4),
        (("control", "beta", "ping"), 4),
        (("control", "alpha", "subscribe", "FOOUSD"), 4),
        (("control", "alpha", "unsubscribe", "XRPUSD"), 4),
        (("control", "alpha", "subscribe"), 2),
        (("control", "a/b", "ping"), 2),
        (("live", "--symbols", "BTCUSD", "--duration", "-1"), 2),
    ):
        code, printed, _ = ringside("--batch", *arguments, "--json")
        assert code == expected, (arguments, printed)
        assert error_of(printed)["message"]


def test_shutdown_over_the_control_channel(alpha: subprocess.Popen[bytes]) -> None:
    """The engine drains and ends with 0, and leaves the registry."""
    assert ringside("--batch", "control", "alpha", "shutdown")[0] == 0
    assert alpha.wait(30) == 0
    assert rows_of("instances") == []


def test_a_killed_engine_is_shown_as_dead_and_swept(alpha: subprocess.Popen[bytes]) -> None:
    """Until another engine starts it stands there as dead; the next one clears what it left."""
    alpha.kill()
    alpha.wait()
    assert [row["health"] for row in rows_of("instances")] in (["dead"], [])
    code, printed, _ = ringside(
        "--batch", "serve", "--provider", "simulated", "--symbols", "FOOUSD", "--instance-id", "beta", "--json"
    )
    assert code == 4, printed
    assert not [name for name in os.listdir(os.environ["RINGSIDE_SHM"]) if name.startswith(".alpha")]  # noqa: PTH208
