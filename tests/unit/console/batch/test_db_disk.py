"""The `db` commands on a disk that is full, and on a store that was damaged or moved."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.store.paths import series_directory
from tests.conformance.ticks import TRADES, ticks
from tests.unit.console.batch.running import Console, fill, home, ticks_directory
from tests.unit.core.store.test_faults import largest_file

BTC = ("--venue", "KRAKEN", "--symbol", "BTCUSD")
ROWS = 20_000


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


@pytest.fixture(autouse=True)
def _stored() -> None:
    # A day of trades that hardly compress.
    trades = ticks(range(1, ROWS + 1))
    trades["price"] = np.random.default_rng(1).integers(1, 2**60, ROWS)
    fill((TRADES, trades, ROWS))


def test_what_only_reads_needs_no_room(console: Console) -> None:
    """Stats, verify, ticks and bars work on a disk without room for a byte; a writer is told to make room."""
    with largest_file(0):
        for command in (("stats",), ("verify",), ("ticks", *BTC, "--last", "1"), ("bars", *BTC, "--timeframe", "1h")):
            found = console("db", *command, "--json")
            assert (found.code, len(found.json["rows"])) == (0, command[0] != "verify"), found.err


def test_compressing_on_a_full_disk_says_so(console: Console, tmp_path: Path) -> None:
    """It and a compressed export end with 7 and say to make room, in words and as JSON; both work when there is."""
    path = tmp_path / "a.dbn.zst"
    export = ("export", *BTC, "-o", str(path))
    with largest_file(150_000):
        found = console("db", "compress")
        assert found.code == 7
        assert "File too large" in found.err
        assert "make room" in found.err
        assert "Traceback" not in found.err
        assert console("db", "compress", "--json").json["error"]["hint"] == "make room"
        found = console("db", *export)
        assert (found.code, "make room" in found.err) == (7, True)
    assert list(tmp_path.glob("a.dbn*")) == []
    assert [path.name for path in series_directory(ticks_directory(), TRADES).iterdir()] == ["2025-11-22.dbn"]
    assert console("db", "compress", "--json").json["rows"][0]["rows"] == ROWS
    assert console("db", *export).code == 0
    assert console("db", "verify").code == 0


def test_what_a_damaged_file_held_stays_an_error(console: Console) -> None:
    """Verify ends with 10 before and after something was written, and stats count the gap."""
    assert console("db", "compress").code == 0
    [seal] = series_directory(ticks_directory(), TRADES).iterdir()
    content = bytearray(seal.read_bytes())
    content[len(content) // 2] ^= 1
    seal.write_bytes(content)
    assert console("db", "verify").code == 10
    fill((TRADES, ticks([5, ROWS + 1]), ROWS + 1))
    found = console("db", "verify", "--json")
    assert found.code == 10
    [row] = [row for row in found.json["rows"] if row["code"] == "damaged_kept"]
    assert (row["severity"], row["count"]) == ("error", ROWS - 1)
    assert console("db", "stats", "--json").json["rows"][0]["gaps"] == 1


def test_a_copied_home_is_verified_as_before(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that was copied elsewhere has nothing wrong with it, and a file that is missing from the copy is
    found."""
    shutil.copytree(home(), tmp_path / "copy")
    shutil.rmtree(home())
    monkeypatch.setenv("RINGSIDE_HOME", str(tmp_path / "copy"))
    assert console("db", "verify", "--json").json["rows"] == []
    next((tmp_path / "copy").rglob("*.dbn")).unlink()
    found = console("db", "verify", "--json")
    assert (found.code, [row["code"] for row in found.json["rows"]]) == (10, ["missing_file"])
