"""What every log of strategies must do, wherever it is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from console.paper.strategy_log import opened_strategy_log
from core.clock import wall_ns
from core.errors import PermanentError
from core.store.strategy_log import StrategyLog, StrategyRow

Open = Callable[[], StrategyLog]

FILL = StrategyRow(
    session_id="one", line=3, strategy="sma", strategy_sha256="ab" * 32, account="main", venue="KRAKEN",
    symbol="BTCUSD", event="fill", ts_event=2**62, side="buy", price="61837.123456789", quantity="0.00000001",
    fee="-0.000000000001", cash="123456789012345678901234567.123456789012", position="-1.5", equity="0",
    realised_pnl="10", details={"order": 2**62, "reason": "100 % 'x'", "maker": True},
)  # fmt: skip


def signal(line: int, session_id: str = "one") -> StrategyRow:
    """A row of which only what must be there is there."""
    return StrategyRow(
        session_id=session_id, line=line, strategy="", strategy_sha256="", account="", venue="KRAKEN",
        symbol="BTCUSD", event="signal", ts_event=line,
    )  # fmt: skip


def lines(rows: list[StrategyRow]) -> list[tuple[str, int]]:
    """Which rows these are."""
    return [(row.session_id, row.line) for row in rows]


@pytest.fixture(params=["sqlite", "postgres"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same log again and again, for each implementation."""
    url = request.getfixturevalue("migrated_url") if request.param == "postgres" else ""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(opened_strategy_log(url, tmp_path))


@pytest.fixture
def log(reopen: Open) -> StrategyLog:
    """An empty log."""
    return reopen()


def test_a_new_log_is_empty(log: StrategyLog) -> None:
    """There are no rows of anything, and nothing is written by writing nothing."""
    assert log.append([]) == 0
    assert log.rows(None, 10) == []
    assert log.rows("one", 10) == []
    assert log.newest_line("one") == 0


def test_a_row_comes_back_as_it_went(log: StrategyLog, reopen: Open) -> None:
    """Every field is there after a restart, amounts digit by digit, what was not said as None, and when it was."""
    before_ns = wall_ns()
    assert log.append([signal(1), FILL]) == 2
    fill, first = reopen().rows("one", 10)
    assert attrs.evolve(fill, logged_ns=0) == FILL
    assert attrs.evolve(first, logged_ns=0) == signal(1)
    assert before_ns - 1000 <= first.logged_ns <= wall_ns()


def test_of_a_line_there_is_one_row(log: StrategyLog, reopen: Open) -> None:
    """What is written again is not there twice, whoever writes it; what is new beside it is written."""
    assert log.append([signal(1), signal(4)]) == 2
    assert log.append([signal(1), signal(4)]) == 0
    other = reopen()
    changed = attrs.evolve(signal(4), strategy="other")
    assert other.append([changed, signal(5), signal(1, "two")]) == 2
    assert lines(log.rows(None, 10)) == [("two", 1), ("one", 5), ("one", 4), ("one", 1)]
    assert [row.strategy for row in log.rows(None, 10)] == ["", "", "", ""]


def test_the_newest_line_is_that_of_the_session(log: StrategyLog) -> None:
    """It is the highest of the one that was asked for."""
    log.append([signal(1), signal(7), signal(100, "two")])
    assert log.newest_line("one") == 7
    assert log.newest_line("two") == 100
    assert log.newest_line("three") == 0


def test_the_newest_rows_come_first(log: StrategyLog) -> None:
    """Of one session or of all, no more than are wanted."""
    log.append([signal(line) for line in range(1, 2501)])
    log.append([signal(1, "two")])
    assert lines(log.rows(None, 3)) == [("two", 1), ("one", 2500), ("one", 2499)]
    assert lines(log.rows("one", 2)) == [("one", 2500), ("one", 2499)]
    assert [row.line for row in log.rows("one", 5000)] == list(range(2500, 0, -1))


def test_of_rows_that_cannot_be_written_none_is(log: StrategyLog) -> None:
    """A row that the table does not take keeps those beside it out."""
    bad = attrs.evolve(signal(2), event=cast("Any", "nothing"))
    with pytest.raises(PermanentError):
        log.append([signal(1), bad])
    assert log.rows(None, 10) == []
    assert log.append([signal(1)]) == 1


def test_names_are_only_text(log: StrategyLog) -> None:
    """What looks like SQL, or like a format, is kept as it is."""
    odd = 'a\'; DROP TABLE gaps; -- %s {} \\ "NULL", é'
    row = attrs.evolve(signal(1, odd), strategy=odd, account="NULL", venue="{", details={odd: [odd, None, 1.5]})
    log.append([row])
    (found,) = log.rows(odd, 1)
    assert attrs.evolve(found, logged_ns=0) == row


def test_many_threads_may_write(log: StrategyLog) -> None:
    """What eight threads write at once, all of them the same, is there once."""
    written: list[int] = []
    rows = [signal(line) for line in range(1, 101)]
    threads = [threading.Thread(target=lambda: written.append(log.append(rows))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written) == [0] * 7 + [100]
    assert len(log.rows(None, 1000)) == 100


def test_closing_twice_is_fine(log: StrategyLog) -> None:
    """A log that was let go is let go again without complaint."""
    log.append([signal(1)])
    log.close()
    log.close()
