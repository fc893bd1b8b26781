"""The store on the status line and among the problems: every state in words, and none of them twice."""

from __future__ import annotations

from typing import Any

import pytest

from console.tui.health import HealthBook
from console.tui.snapshot import Health, Snapshot
from console.tui.status import parse_status
from console.tui.statusline import status_rows
from console.tui.storewords import seconds_text, store_problems
from console.tui.text import UNICODE, row_width
from tests.unit.console.tui.test_datarows import CACHE, SPILL
from tests.unit.console.tui.test_rows import styles_of, text_of

UP = {**SPILL, "mode": "catching up"}
DOWN_CACHE = {**CACHE, "redis": "down", "problem": "timed out"}


@pytest.mark.parametrize(
    ("store", "cache", "said", "style"),
    [
        ({"enabled": False}, None, "not stored", "bar_dim"),
        ({"enabled": True, "lag_s": 0.2}, None, " 0.2 s", "bar"),
        ({"enabled": True, "lag_s": 0.2, "spill": {"mode": "direct"}}, CACHE, " 0.2 s", "bar"),
        ({"enabled": True, "problem": "no space"}, None, "⚠ store FAILING", "bar_down"),
        ({"enabled": True, "spill": SPILL, "problem": "x"}, None, "⚠ db down, 12.3k spilled", "bar_down"),
        ({"enabled": True, "spill": UP}, None, "⟳ catching up 12.3k", "bar_warn"),
        ({"enabled": True}, DOWN_CACHE, "⚠ cache", "bar_warn"),
        ({"enabled": True, "spill": SPILL}, DOWN_CACHE, "⚠ cache", "bar_warn"),
        ({"enabled": True, "lost": 3}, None, "⚠ store lost 3", "bar_down"),
    ],
)
def test_the_status_line_says_how_storing_goes(store: Any, cache: Any, said: str, style: str) -> None:
    """Each state has a sign, words and a colour of its own, on a narrow screen as on a wide one."""
    status = parse_status({"state": "running", "store": store, "cache": cache})
    for width, height in ((80, 2), (160, 1)):
        snapshot = Snapshot(now_ns=0, status=status, health=Health(reachable=True))
        rows = status_rows(snapshot, width=width, height=height, glyphs=UNICODE)
        assert {row_width(row) for row in rows} == {width}
        (row,) = [row for row in rows if said in text_of(row)]
        assert style in styles_of(row, said)
        assert ("db down" in text_of(row)) + ("FAILING" in text_of(row)) <= 1


@pytest.mark.parametrize(
    ("store", "cache", "sentences"),
    [
        ({}, None, []),
        ({"problem": "no space"}, CACHE, ["store: no space"]),
        ({"spill": {"mode": "direct", "problem": "old"}}, None, []),
        (
            {"spill": SPILL, "problem": SPILL["problem"]},
            None,
            ["store: the database is down, 12 345 rows wait in the spill: cannot connect to postgresql://db/ticks"],
        ),
        (
            {"spill": {**SPILL, "problem": "", "spilled_rows": 0, "queued_rows": 1}, "problem": "no space"},
            None,
            ["store: the database is down, 1 row waits in the spill", "store: no space"],
        ),
        ({"spill": UP}, None, ["store: the database was down and is catching up, 12 345 rows wait"]),
        ({}, DOWN_CACHE, ["cache: Redis is down, only memory is used: timed out"]),
        ({}, {"redis": "down"}, ["cache: Redis is down, only memory is used"]),
    ],
)
def test_problems_are_sentences(store: Any, cache: Any, sentences: list[str]) -> None:
    """What is wrong is counted and said once, although the engine names it in two places."""
    status = parse_status({"store": {"enabled": True, **store}, "cache": cache})
    assert store_problems(status) == sentences
    health = HealthBook().health(status, lag=0, lost=0, problems=["own trouble"])
    assert health.problems == ("own trouble", *sentences)


def test_times_are_short() -> None:
    """Hundredths while they matter, whole seconds from ten on."""
    assert [seconds_text(each) for each in (0.0, 0.02, 9.99, 10.0, 1234.5)] == [
        "0.00 s", "0.02 s", "9.99 s", "10 s", "1 234 s",
    ]  # fmt: skip
