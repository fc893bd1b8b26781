"""The page for strangers does what it says, with nothing of Ringside but `ringbuf`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.model.records import TRADE
from ringbuf import layout
from ringbuf.discovery import Announcement
from ringbuf.reader import RingReader
from ringbuf.writer import RingIdentity, RingWriter

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "reading-rings.md"
OTHERS = ("attrs", "attr", "config", "console", "core", "msgspec", "providers", "strategies", "textual", "trio")


def example() -> str:
    """The first block of Python on the page."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A folder with a copy of `ringbuf`, a link to numpy and the script, and nothing else."""
    shutil.copytree(ROOT / "ringbuf", tmp_path / "ringbuf", ignore=shutil.ignore_patterns("__pycache__"))
    packages = Path(np.__file__).parents[1]
    for needed in ("numpy", "numpy.libs"):
        if (packages / needed).exists():
            (tmp_path / needed).symlink_to(packages / needed)
    report = f"loaded = sorted(set({OTHERS!r}) & set(sys.modules))\nprint('others', loaded)\n"
    (tmp_path / "follow.py").write_text(example() + report, encoding="utf-8")
    return tmp_path


def test_the_example_follows_a_ring(alone: Path) -> None:
    """Run as a fresh process without site packages it finds the ring, prints price and laps, and ends with it."""
    identity = RingIdentity(
        schema="trades", record_bytes=48, symbol="BTCUSD", venue="KRAKEN", instrument_id=7, instance="main"
    )
    writer = RingWriter(layout.directory() / layout.ring_name("BTCUSD", "KRAKEN"), identity, capacity=64)
    announced = Announcement("main", providers=["kraken"], symbols={"KRAKEN": ["BTCUSD"]})
    command = [sys.executable, "-S", "-E", "-u", "follow.py", "BTCUSD", "KRAKEN"]
    process = subprocess.Popen(command, cwd=alone, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        _await_reader(writer.path, process)
        trade = np.zeros(100, TRADE)
        trade["price"] = 42_150_250_000_000
        writer.push_batch(trade[:1])
        first = process.stdout.readline()
        writer.push_batch(trade)
        writer.close()
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
        announced.close()
    assert first == "BTCUSD 42150.25 lapped 0\n", errors
    # The ring holds 64: of the 100 it missed 36.
    assert output.splitlines()[-1] == "others []", errors
    assert output.splitlines()[-2].startswith("BTCUSD 42150.25 lapped ")
    assert process.returncode == 0


def _await_reader(path: Path, process: subprocess.Popen[str]) -> None:
    observer = RingReader(path)
    while not observer.readers():
        assert process.poll() is None, process.communicate()
    observer.close()


def test_the_example_is_short() -> None:
    """Fifteen lines."""
    assert len(example().strip().splitlines()) <= 15
