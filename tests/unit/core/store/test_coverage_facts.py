"""What coverage is told by, from real stores: files with their catalogue, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import attrs
import numpy as np
import pytest

from core.clock import NS_PER_S
from core.model.records import STREAMED, Records, Schema
from core.store.catalogue import Catalogue
from core.store.coverage import NO_DAYS, SeriesFacts, covered
from core.store.coverage_facts import days_by_series, days_of_files, facts_of
from core.store.embedded import EmbeddedTickStore
from core.store.fetched import BOUGHT, CatalogueFetched, Fetched, FetchedBook
from core.store.history import EmbeddedHistory
from core.store.postgres.books import PostgresBooks
from core.store.postgres.fetched import PostgresFetched
from core.store.postgres.packing import compress
from core.store.postgres.reading import PostgresReader
from core.store.postgres.store import PostgresTickStore
from core.store.repository import MISSED, NOT_STREAMED, Bookkeeping, Gap, SeriesKey, TickReader, TickStore
from tests.conformance.ticks import BOOKS, DAY_NS, QUOTES, T0, TRADES, bars, ticks

HOUR_NS = 3600 * NS_PER_S
DAY = T0 // DAY_NS
BARS = attrs.evolve(TRADES, schema=Schema.BARS_1M)


@attrs.frozen
class Opened:
    """A store with its books, and what tells of its days."""

    store: TickStore
    ticks: TickReader
    books: Bookkeeping
    fetched: FetchedBook
    url: str = ""

    def days(self) -> dict[SeriesKey, Records]:
        """What lies in each day of each series, as whoever keeps them says."""
        if isinstance(self.fetched, PostgresFetched):
            return self.fetched.day_extents()
        assert isinstance(self.books, Catalogue)
        return days_by_series(self.books.day_rows())

    def facts(self, *wanted: SeriesKey) -> list[SeriesFacts]:
        """All that is known of some series."""
        return facts_of(self.ticks, self.books, self.fetched, wanted, known=self.days())


@pytest.fixture(params=["embedded", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """An empty store of each kind."""
    with ExitStack() as stack:
        if request.param == "postgres":
            url = request.getfixturevalue("migrated_url")
            yield Opened(
                store=stack.enter_context(closing(PostgresTickStore(url))),
                ticks=stack.enter_context(closing(PostgresReader(url))),
                books=stack.enter_context(closing(PostgresBooks(url))),
                fetched=stack.enter_context(closing(PostgresFetched(url))),
                url=url,
            )
            return
        path = tmp_path / "catalogue.sqlite3"
        catalogue = stack.enter_context(closing(Catalogue(path)))
        yield Opened(
            store=stack.enter_context(closing(EmbeddedTickStore(tmp_path / "ticks", catalogue))),
            ticks=EmbeddedHistory(tmp_path / "ticks"),
            books=catalogue,
            fetched=stack.enter_context(closing(CatalogueFetched(path))),
        )


def keep(opened: Opened, *hours: int, series: SeriesKey = TRADES) -> None:
    """Store a record at each of these hours, and let the books know."""
    stamps = [T0 + hour * HOUR_NS for hour in hours]
    records = (
        bars(stamps) if series.schema.is_bars else ticks(range(1, len(stamps) + 1), series=series, stamps=stamps)
    )
    opened.store.append(series, records, 0)
    opened.store.close()


def bought(start: int, end: int, series: SeriesKey = TRADES) -> Fetched:
    """A stretch of some hours that was fetched."""
    return Fetched(series=series, start_ns=T0 + start * HOUR_NS, end_ns=T0 + end * HOUR_NS, rows=1, source=BOUGHT)


def hours_covered(facts: SeriesFacts) -> list[tuple[int, int]]:
    """What is there, in whole hours."""
    found = covered(facts, T0, T0 + 100 * DAY_NS)
    return [tuple(span) for span in ((found - T0) // HOUR_NS).tolist()]


def test_of_an_empty_store_nothing_is_known(opened: Opened) -> None:
    """Neither days nor anything else."""
    assert opened.days() == {}
    [facts] = opened.facts(TRADES)
    assert (len(facts.days), len(facts.live), facts.gaps, facts.fetched) == (0, 0, (), ())


@pytest.mark.parametrize("series", [TRADES, BOOKS, BARS], ids=lambda series: series.schema)
def test_days_are_told_with_their_records(opened: Opened, series: SeriesKey) -> None:
    """How many each day holds, and the first and the last of them."""
    keep(opened, 3, 9, 20, 30, 75, series=series)
    [facts] = opened.facts(series)
    assert [tuple(row) for row in facts.days.tolist()] == [
        (DAY, 3, T0 + 3 * HOUR_NS, T0 + 20 * HOUR_NS),
        (DAY + 1, 1, T0 + 30 * HOUR_NS, T0 + 30 * HOUR_NS),
        (DAY + 3, 1, T0 + 75 * HOUR_NS, T0 + 75 * HOUR_NS),
    ]
    assert list(opened.days()) == [series]


def test_a_day_in_several_parts_is_one(opened: Opened) -> None:
    """What was packed or sealed counts together with what came late beside it."""
    keep(opened, 3, 9)
    late = ticks([7], stamps=[T0 + HOUR_NS])
    if opened.url:
        compress(opened.url, before_day=DAY + 1)
        with closing(PostgresTickStore(opened.url)) as remote:
            remote.append(TRADES, late, 0)
    else:
        assert isinstance(opened.ticks, EmbeddedHistory)
        assert isinstance(opened.books, Catalogue)
        with closing(EmbeddedTickStore(opened.ticks.directory, opened.books)) as store:
            store.compress(DAY + 1)
            store.append(TRADES, late, 0)
    [facts] = opened.facts(TRADES)
    assert [tuple(row) for row in facts.days.tolist()] == [(DAY, 3, T0 + HOUR_NS, T0 + 9 * HOUR_NS)]


def test_only_the_live_part_of_a_fetched_day_is_live(opened: Opened) -> None:
    """The records of such a day are looked at: live begins with the first one that was not fetched."""
    keep(opened, 1, 9, 14, 20)
    opened.fetched.mark([bought(0, 10)])
    [facts] = opened.facts(TRADES)
    assert ((facts.live - T0) // HOUR_NS).tolist() == [[14, 20]]
    assert hours_covered(facts) == [(0, 10), (14, 20)]


def test_each_series_has_its_own_gaps(opened: Opened) -> None:
    """In order, with what was recorded of them."""
    gaps = [
        Gap(series=TRADES, start_ns=T0 + hour * HOUR_NS, end_ns=T0 + (hour + 1) * HOUR_NS, rows=2, cause=MISSED)
        for hour in (30, 5)
    ]
    for gap in gaps:
        opened.books.record_gap(gap)
    trades, others = opened.facts(TRADES, BARS)
    assert trades.gaps == (gaps[1], gaps[0])
    assert others.gaps == ()


def test_gaps_of_trades_are_those_of_books_where_nobody_streamed(opened: Opened) -> None:
    """No gap is ever recorded of quotes and books. What was recovered of the trades was not of those; what was missed
    of the trades alone is no matter."""
    trades = attrs.evolve(QUOTES, schema=Schema.TRADES)
    gap = Gap(series=trades, start_ns=T0, end_ns=T0 + HOUR_NS, rows=0, cause="disconnect", recovered=9, first_id=4)
    opened.books.record_gap(gap)
    opened.books.record_gap(attrs.evolve(gap, start_ns=T0 + 1, cause=MISSED))
    stopped = attrs.evolve(gap, start_ns=T0 + 2, cause=NOT_STREAMED, rows=7, recovered=0)
    opened.books.record_gap(stopped)
    for facts in opened.facts(*[attrs.evolve(QUOTES, schema=schema) for schema in STREAMED if schema != "trades"]):
        assert [(one.cause, one.rows, one.recovered, one.whole) for one in facts.gaps] == [
            ("disconnect", 0, 0, False), (NOT_STREAMED, 0, 0, False),
        ]  # fmt: skip
        assert {one.series for one in facts.gaps} == {facts.series}


def test_a_range_of_days_may_be_asked_for(request: pytest.FixtureRequest) -> None:
    """Of PostgreSQL, where days are counted, only what is asked for is counted."""
    url = request.getfixturevalue("migrated_url")
    with closing(PostgresTickStore(url)) as store, closing(PostgresFetched(url)) as book:
        store.append(TRADES, ticks([1, 2, 3], stamps=[T0, T0 + DAY_NS, T0 + 2 * DAY_NS]), 0)
        store.append(BOOKS, ticks([1], series=BOOKS, stamps=[T0 + DAY_NS]), 0)
        store.sync()
        found = book.day_extents(TRADES, start_ns=T0 + DAY_NS, end_ns=T0 + 2 * DAY_NS)
        assert {series: days["day"].tolist() for series, days in found.items()} == {TRADES: [DAY + 1]}
        assert set(book.day_extents()) == {TRADES, BOOKS}
        assert book.day_extents(BARS) == {}


def test_files_know_more_than_the_catalogue(tmp_path: Path) -> None:
    """The day that is being written is read from its file, and so is one that nobody noted."""
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    history = EmbeddedHistory(tmp_path / "ticks")
    with closing(catalogue), closing(EmbeddedTickStore(tmp_path / "ticks", catalogue)) as store:
        store.append(TRADES, ticks([1, 2], stamps=[T0, T0 + DAY_NS]), 0)
        store.sync()
        noted = np.array([(DAY, 1, T0, T0)], NO_DAYS.dtype)
        expected = [(DAY, 1, T0, T0), (DAY + 1, 1, T0 + DAY_NS, T0 + DAY_NS)]
        assert days_of_files(history, TRADES).tolist() == expected
        assert days_of_files(history, TRADES, noted).tolist() == expected
        store.append(TRADES, ticks([3], stamps=[T0 + HOUR_NS]), 0)
        store.sync()
        assert days_of_files(history, TRADES, noted).tolist()[0] == (DAY, 2, T0, T0 + HOUR_NS)
        assert days_of_files(history, BOOKS).tolist() == []


def test_rows_of_a_day_are_added_up() -> None:
    """In whatever order they come; what holds nothing, or is of a schema that is not known, is left out."""
    found = days_by_series(
        [
            ("KRAKEN", "BTCUSD", "trades", 5, 2, 50, 60),
            ("KRAKEN", "BTCUSD", "trades", 3, 1, 30, 31),
            ("KRAKEN", "BTCUSD", "nonsense", 3, 1, 30, 31),
            ("KRAKEN", "BTCUSD", "trades", 5, 4, 40, 55),
            ("KRAKEN", "BTCUSD", "trades", 4, 0, 0, 0),
        ]
    )
    assert {str(series): days.tolist() for series, days in found.items()} == {
        "BTCUSD trades on KRAKEN": [(3, 1, 30, 31), (5, 6, 40, 60)]
    }
    assert days_by_series([("KRAKEN", "BTCUSD", "trades", 4, 0, 0, 0)]) == {TRADES: NO_DAYS}
