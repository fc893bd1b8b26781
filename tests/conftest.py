"""Fixtures for every test: a home and a shared-memory directory of its own, the real captures, real servers."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["tests.servers.fixtures"]

CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Hear Ctrl-C again: what runs tests side by side ignores it, and the programs that tests start would as well."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep what a test writes apart from the user's own data and from other tests' rings."""
    # Unix socket paths end at 108 bytes, which pytest's own temporary directories may exceed.
    shm = Path(tempfile.mkdtemp(prefix="ringside-test-", dir="/dev/shm"))
    monkeypatch.setenv("RINGSIDE_SHM", str(shm))
    monkeypatch.setenv("RINGSIDE_HOME", str(tmp_path / "home"))
    yield
    shutil.rmtree(shm, ignore_errors=True)


@pytest.fixture
def captures() -> Path:
    """The folder of real captures; the test is skipped in a checkout that has none beside it."""
    if not CAPTURES.is_dir():
        pytest.skip("no real captures beside this checkout")
    return CAPTURES
