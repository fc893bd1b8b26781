"""The coverage of 100 symbols over a year, from an embedded store's catalogue to the codes of a heat map.

Baselines in the same run: the header of every day's file read instead of the catalogue, the same codes told day by
day with all stretches, and what is needed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.clock import DAY_NS, NS_PER_S
from core.model.records import Schema
from core.model.sessions import calendar_of
from core.store.catalogue import Catalogue
from core.store.coverage import SeriesFacts, day_coverage, day_grid
from core.store.coverage_facts import days_by_series, facts_of
from core.store.fetched import BOUGHT, CatalogueFetched, Fetched
from core.store.history import EmbeddedHistory
from core.store.paths import plain_path, series_directory
from core.store.repository import NOT_STREAMED, Gap, SeriesKey
from core.store.segment import SegmentFacts, plain_header
from perf.figures import Figure

SYMBOLS: Final = 100
DAYS: Final = 365
FIRST_DAY: Final = 20_000
NOW_NS: Final = (FIRST_DAY + DAYS) * DAY_NS
ROUNDS: Final = 7
NEEDED_MS: Final = 100.0
_VENUES: Final = ("KRAKEN", "BINANCE", "GLBX.MDP3", "XNAS.ITCH")
_ALL: Final = [SeriesKey(_VENUES[number % 4], f"SYM{number:03}", Schema.TRADES) for number in range(SYMBOLS)]


def measure() -> list[Figure]:
    """Milliseconds, the best of some rounds; less is better."""
    with tempfile.TemporaryDirectory(prefix="ringside-perf-") as name:
        home = Path(name)
        with closing(Catalogue(home / "catalogue.sqlite3")) as catalogue:
            _fill(home, catalogue)
            with closing(CatalogueFetched(home / "catalogue.sqlite3")) as fetched:
                return _figures(EmbeddedHistory(home / "ticks"), catalogue, fetched)


def _figures(history: EmbeddedHistory, catalogue: Catalogue, fetched: CatalogueFetched) -> list[Figure]:
    def load() -> list[SeriesFacts]:
        return facts_of(history, catalogue, fetched, _ALL, known=days_by_series(catalogue.day_rows()))

    facts = load()
    loaded = _best_ms(load)
    headers = _best_ms(lambda: [history.day_extents(series) for series in _ALL], rounds=1)
    drawn = _best_ms(lambda: _grid(facts))
    told = _best_ms(lambda: [_told(one) for one in facts], rounds=1)
    work = f"{SYMBOLS} symbols x {DAYS} days"
    return [
        Figure(f"coverage, {work}: loaded", loaded, headers, "ms", "every day's header read"),
        Figure(f"coverage, {work}: codes", drawn, told, "ms", "told day by day"),
        Figure(f"coverage, {work}: both", loaded + drawn, NEEDED_MS, "ms", "what is needed"),
    ]


def _grid(facts: list[SeriesFacts]) -> object:
    return day_grid(facts, FIRST_DAY, FIRST_DAY + DAYS, now_ns=NOW_NS)


def _told(facts: SeriesFacts) -> object:
    calendar = calendar_of(facts.series.venue)
    return day_coverage(facts, calendar, FIRST_DAY, FIRST_DAY + DAYS, now_ns=NOW_NS)


def _best_ms(work: Callable[[], Any], *, rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        began_ns = time.perf_counter_ns()
        work()
        times.append((time.perf_counter_ns() - began_ns) / 1e6)
    return min(times)


def _fill(home: Path, catalogue: Catalogue) -> None:
    # A file a day with a thousand records, some gaps a series, and the first months of every other one fetched.
    chosen = np.random.default_rng(5)
    noted = []
    for number, series in enumerate(_ALL):
        folder = series_directory(home / "ticks", series)
        folder.mkdir(parents=True)
        content = bytes(1000 * series.schema.dtype.itemsize)
        for day in range(FIRST_DAY, FIRST_DAY + DAYS):
            if chosen.random() < 0.95:
                path = plain_path(folder, day)
                path.write_bytes(plain_header(series, day=day, first_id=0) + content)
                first_ns = day * DAY_NS + int(chosen.integers(0, 3600)) * NS_PER_S
                noted.append((path, series, _facts(first_ns)))
        for start in chosen.integers(100 * DAY_NS, DAYS * DAY_NS, 5).tolist():
            start_ns = FIRST_DAY * DAY_NS + start
            end_ns = start_ns + 600 * NS_PER_S
            catalogue.record_gap(Gap(series=series, start_ns=start_ns, end_ns=end_ns, rows=0, cause=NOT_STREAMED))
        if number % 2:
            _mark(home, series)
    catalogue.save(segments=noted, cursors=())


def _facts(first_ns: int) -> SegmentFacts:
    last_ns = first_ns // DAY_NS * DAY_NS + DAY_NS - 5 * NS_PER_S
    return SegmentFacts(rows=1000, stored_bytes=48_000, first_ns=first_ns, last_ns=last_ns)


def _mark(home: Path, series: SeriesKey) -> None:
    span = (FIRST_DAY * DAY_NS, (FIRST_DAY + 90) * DAY_NS)
    with closing(CatalogueFetched(home / "catalogue.sqlite3")) as book:
        book.mark([Fetched(series=series, start_ns=span[0], end_ns=span[1], rows=90_000, source=BOUGHT)])
