"""One command at a time fetches a series into the files of a machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from console.backfill.claims import claimed
from console.batch.db_target import EMBEDDED, Target
from core.errors import RefusedError
from tests.conformance.ticks import TRADES

HOLDER = """
import sys
from pathlib import Path
from console.backfill.claims import claimed
from console.batch.db_target import EMBEDDED, Target
from core.model.records import Schema
from core.store.repository import SeriesKey
place = Path(sys.argv[1])
target = Target(kind=EMBEDDED, directory=place / "ticks", catalogue=place / "c", spill=place / "s")
with claimed(target, SeriesKey("KRAKEN", "BTCUSD", Schema.TRADES)):
    print("claimed", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """Files that are not there yet."""
    return Target(kind=EMBEDDED, directory=tmp_path / "ticks", catalogue=tmp_path / "c", spill=tmp_path / "s")


def test_a_second_holder_is_refused_while_the_first_is_there(target: Target) -> None:
    """In words that name the series; another series is free all the while, and this one as soon as it is let go."""
    with claimed(target, TRADES):
        for _ in range(2):  # a refusal takes nothing from the first
            with pytest.raises(RefusedError, match=r"being fetched already: .*BTCUSD"), claimed(target, TRADES):
                pytest.fail("two had it")
        with claimed(target, attrs.evolve(TRADES, symbol="ETHUSD")):
            pass
    with claimed(target, TRADES):
        pass


def test_a_failure_lets_go(target: Target) -> None:
    """What goes wrong while it is held is told as it is, and the series is free."""
    with pytest.raises(ZeroDivisionError), claimed(target, TRADES):
        raise ZeroDivisionError
    with claimed(target, TRADES):
        pass


def test_a_claim_dies_with_its_process(target: Target, tmp_path: Path) -> None:
    """Another process keeps it from everybody else, until that is killed."""
    arguments = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "claimed\n"
            with pytest.raises(RefusedError), claimed(target, TRADES):
                pytest.fail("two had it")
        finally:
            holder.kill()
    with claimed(target, TRADES):
        pass
