"""The coverage map of 100 series over a year at 160x50, from the engine's answer to strips that can be written to a
terminal; beside it the same map with every cell built, and beside what is needed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from rich.segment import Segment
from textual.strip import Strip

from console.tui.coverage.document import CoverageMap, Holdings
from console.tui.coverage.parsing import parse_map
from console.tui.coverage.screen import Coverage
from console.tui.coverage.words import STATE_STYLES, signs
from console.tui.snapshot import Health, Snapshot
from console.tui.text import UNICODE, Row
from console.tui.themes import THEMES, Depth, Palette
from core.clock import DAY_NS
from perf.figures import Figure

SERIES: Final = 100
DAYS: Final = 365
SIZE: Final = (160, 48)
"""Of 50 lines two are not the map's."""
RUNS: Final = 9
BUDGET_MS: Final = 300.0
FIRST_DAY: Final = "2025-11-24"


def measure() -> Iterator[Figure]:
    """Milliseconds of a whole picture and of one after the cursor has moved, the best of several runs."""
    raw = _answer()
    palette = Palette(THEMES[0], Depth.FULL)
    whole = _best(lambda: _strips(_picture(Coverage(), parse_map(raw)), palette))
    built = _best(lambda: _strips(_every_cell(parse_map(raw)), palette))
    screen, coverage = Coverage(), parse_map(raw)
    _picture(screen, coverage)
    moved = _best(lambda: _move(screen, coverage, palette))
    load = f"coverage map, {SERIES} series x {DAYS} days"
    yield Figure(f"{load}, first picture", whole, built, "ms", "the same with every cell built")
    yield Figure(f"{load}, first picture", whole, BUDGET_MS, "ms", "what is needed")
    yield Figure("  and when the cursor moves", moved, built, "ms", "the same with every cell built")


def _answer() -> dict[str, Any]:
    generator = random.Random(7)
    rows = [
        {"venue": "KRAKEN", "symbol": f"S{number:02d}USD", "schema": "trades", "rows": 10**6,
         "states": "".join(generator.choices("#p.bgc", (80, 4, 4, 4, 1, 7), k=DAYS))}
        for number in range(SERIES)
    ]  # fmt: skip
    return {"first_day": FIRST_DAY, "days": DAYS, "rows": rows, "truncated": False}


def _picture(screen: Coverage, coverage: CoverageMap) -> list[Row]:
    now_ns = (coverage.end_day - 1) * DAY_NS
    snapshot = Snapshot(now_ns=now_ns, status=None, health=Health(reachable=True))
    width, height = SIZE
    return screen.draw(snapshot, Holdings(coverage=coverage), store="", width=width, height=height, glyphs=UNICODE)


def _move(screen: Coverage, coverage: CoverageMap, palette: Palette) -> list[Strip]:
    screen.move(1)
    screen.step_day(-1)
    return _strips(_picture(screen, coverage), palette)


def _every_cell(coverage: CoverageMap) -> list[Row]:
    # As a table has it: a cell a day of every series, of which a part is then seen.
    sign = signs(UNICODE)
    rows = [tuple((sign[state], STATE_STYLES[state]) for state in row.states) for row in coverage.rows]
    return [(*((part, "text") for part in row.key), *cells) for row, cells in zip(coverage.rows, rows, strict=True)]


def _strips(rows: list[Row], palette: Palette) -> list[Strip]:
    return [Strip([Segment(text, palette.style(name)) for text, name in row]) for row in rows]


def _best(work: Callable[[], object]) -> float:
    found = []
    for _ in range(RUNS):
        began_s = time.perf_counter()
        work()
        found.append((time.perf_counter() - began_s) * 1000)
    return min(found)
