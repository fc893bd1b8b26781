"""What every book of fetched stretches must do, wherever it is kept."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from core.clock import wall_ns
from core.errors import ConfigurationError, ConsoleError, PermanentError
from core.model.records import Schema
from core.model.spans import spans_of
from core.store.fetched import BOUGHT, RECOVERED, CatalogueFetched, Fetched, FetchedBook
from core.store.postgres.fetched import PostgresFetched
from core.store.repository import SeriesKey

Open = Callable[[], FetchedBook]

TRADES = SeriesKey("KRAKEN", "BTCUSD", Schema.TRADES)
BARS = SeriesKey("GLBX.MDP3", "ESH5", Schema.BARS_1M)


def stretch(
    start_ns: int,
    end_ns: int,
    *,
    series: SeriesKey = TRADES,
    source: str = BOUGHT,
    job_id: str = "one",
    rows: int = 0,
) -> Fetched:
    """A stretch, of as many records as it has nanoseconds unless told otherwise."""
    return Fetched(
        series=series, start_ns=start_ns, end_ns=end_ns, rows=rows or end_ns - start_ns, source=source, job_id=job_id
    )


def told(found: list[Fetched]) -> list[tuple[int, int, int]]:
    """From when to when, and how many records."""
    return [(one.start_ns, one.end_ns, one.rows) for one in found]


@pytest.fixture(params=["sqlite", "postgres"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same book again and again, for each implementation."""
    url = request.getfixturevalue("migrated_url") if request.param == "postgres" else ""
    opened: list[FetchedBook] = []

    def again() -> FetchedBook:
        opened.append(PostgresFetched(url) if url else CatalogueFetched(tmp_path / "catalogue.sqlite3"))
        return opened[-1]

    yield again
    for book in opened:
        book.close()


@pytest.fixture
def book(reopen: Open) -> FetchedBook:
    """An empty book."""
    return reopen()


def test_a_new_book_is_empty(book: FetchedBook) -> None:
    """Nothing was fetched, and marking nothing, or an empty stretch, writes nothing."""
    book.mark([])
    book.mark([stretch(5, 5), stretch(7, 5, rows=1)])
    assert book.fetched() == []
    assert book.fetched(TRADES) == []


def test_a_stretch_comes_back_as_it_went(book: FetchedBook, reopen: Open) -> None:
    """Every field is there after a restart, and when it was written down."""
    before_ns = wall_ns()
    one = stretch(10**18, 2**62, series=BARS, source=RECOVERED, job_id='fetch-"it\'s" %s')
    book.mark([one])
    (found,) = reopen().fetched()
    assert attrs.evolve(found, noted_ns=0) == one
    assert before_ns - 1000 <= found.noted_ns <= wall_ns()


def test_stretches_come_in_order(book: FetchedBook) -> None:
    """By venue, symbol, schema and beginning; of one series only its own."""
    quotes = attrs.evolve(TRADES, schema=Schema.QUOTES)
    book.mark([stretch(90, 95), stretch(1, 2, series=quotes), stretch(10, 20), stretch(50, 60, series=BARS)])
    assert [(one.series, one.start_ns) for one in book.fetched()] == [
        (BARS, 50), (quotes, 1), (TRADES, 10), (TRADES, 90),
    ]  # fmt: skip
    assert told(book.fetched(TRADES)) == [(10, 20, 10), (90, 95, 5)]


def test_pages_of_a_job_become_one_stretch(book: FetchedBook) -> None:
    """Whatever order they come in, those that touch are joined, and their records added up."""
    pages = [(number * 10, number * 10 + 10) for number in range(12) if number != 5]
    random.Random(7).shuffle(pages)
    for start_ns, end_ns in pages[:6]:
        book.mark([stretch(start_ns, end_ns)])
    book.mark([stretch(*page) for page in pages[6:]])
    assert told(book.fetched()) == [(0, 50, 50), (60, 120, 60)]
    book.mark([stretch(50, 60)])
    assert told(book.fetched()) == [(0, 120, 120)]


def test_saying_it_twice_changes_nothing(book: FetchedBook) -> None:
    """The same stretch, or a part of it, is not there again, whichever job says so."""
    book.mark([stretch(0, 10), stretch(10, 20), stretch(0, 10)])
    book.mark([stretch(10, 20), stretch(5, 15, job_id="two"), stretch(0, 20, job_id="three", rows=99)])
    assert told(book.fetched()) == [(0, 20, 20)]
    assert [one.job_id for one in book.fetched()] == ["one"]


def test_a_larger_stretch_takes_the_place_of_those_in_it(book: FetchedBook) -> None:
    """What it brought is all that there is, so those within are not counted beside it."""
    book.mark([stretch(10, 20), stretch(30, 40, job_id="two"), stretch(60, 70)])
    book.mark([stretch(0, 50, job_id="three", rows=44)])
    assert told(book.fetched()) == [(0, 50, 44), (60, 70, 10)]


def test_what_overlaps_is_kept_side_by_side(book: FetchedBook) -> None:
    """How many records of two stretches are the same nobody knows, so each keeps its own."""
    book.mark([stretch(0, 10)])
    book.mark([stretch(5, 15)])
    assert told(book.fetched()) == [(0, 10, 10), (5, 15, 10)]


def test_sources_jobs_and_series_are_kept_apart(book: FetchedBook) -> None:
    """What touches is joined only where all of it is the same."""
    book.mark([stretch(0, 10), stretch(10, 20, source=RECOVERED), stretch(20, 30, job_id="two")])
    book.mark([stretch(10, 20, series=BARS)])
    assert [(one.source, one.job_id) for one in book.fetched(TRADES)] == [
        (BOUGHT, "one"), (RECOVERED, "one"), (BOUGHT, "two"),
    ]  # fmt: skip
    assert told(book.fetched(BARS)) == [(10, 20, 10)]


def test_all_of_it_is_written_or_nothing(book: FetchedBook, reopen: Open) -> None:
    """One stretch that the table does not take keeps those beside it out."""
    with pytest.raises(ConsoleError):
        book.mark([stretch(0, 10), stretch(20, 30, source="stolen")])
    assert reopen().fetched() == []
    book.mark([stretch(0, 10)])
    assert told(reopen().fetched()) == [(0, 10, 10)]


def test_many_may_mark_at_once(reopen: Open) -> None:
    """What eight connections mark at once, all of them the same pages, is there once."""
    books = [reopen() for _ in range(8)]
    pages = [stretch(number * 10, number * 10 + 10) for number in range(20)]
    threads = [threading.Thread(target=lambda book=book: [book.mark([page]) for page in pages]) for book in books]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told(reopen().fetched()) == [(0, 200, 200)]


def test_what_is_covered_does_not_depend_on_the_order(book: FetchedBook) -> None:
    """Of random stretches the book holds exactly the time that any of them holds."""
    drawn = random.Random(3)
    pairs = [(start, start + drawn.randrange(1, 30)) for start in (drawn.randrange(200) for _ in range(60))]
    for start_ns, end_ns in pairs:
        book.mark([stretch(start_ns, end_ns, job_id=str(drawn.randrange(2)))])
    found = spans_of((one.start_ns, one.end_ns) for one in book.fetched())
    assert found.tolist() == spans_of(pairs).tolist()


def test_closing_twice_is_fine(book: FetchedBook, reopen: Open) -> None:
    """A book that was let go is let go again without complaint, and keeps what was written."""
    book.mark([stretch(1, 2)])
    book.close()
    book.close()
    assert [(one.start_ns, one.end_ns) for one in reopen().fetched()] == [(1, 2)]


def test_what_others_wrote_is_an_error_in_words(
    book: FetchedBook, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A schema that is none is told as such, not with a traceback."""
    statement = (
        "INSERT INTO fetched (venue, symbol, schema, start_ns, end_ns, rows, source, job_id{})"
        " VALUES ('KRAKEN', 'BTCUSD', 'nonsense', 1, 2, 3, 'bought', ''{})"
    )
    if isinstance(book, PostgresFetched):
        from core.store.postgres.connection import connect

        with connect(request.getfixturevalue("migrated_url")) as connection:
            connection.execute(statement.format("", "").encode())
    else:
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(tmp_path / "catalogue.sqlite3")) as database, database:
            database.execute(statement.format(", noted_ns", ", 1"))
    with pytest.raises((ConfigurationError, PermanentError), match="nonsense"):
        book.fetched()
