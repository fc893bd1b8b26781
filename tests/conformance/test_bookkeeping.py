"""What every bookkeeping must do, wherever it is written down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import attrs
import pytest

from core.errors import ConfigurationError
from core.model.instruments import Instrument, Product
from core.model.records import Schema
from core.store.catalogue import Catalogue
from core.store.postgres.books import PostgresBooks
from core.store.repository import MISSED, NOT_STORED, QUARANTINE_ROWS, Bookkeeping, Gap, Quarantined, SeriesKey
from tests.conformance.ticks import BOOKS, QUOTES, T0, TRADES, ticks

BITCOIN = Instrument(
    venue="KRAKEN", symbol="BTCUSD", venue_symbol="XBT/USD", canonical="BTCUSD", base="BTC", quote="USD", settle="",
    product=Product.SPOT, price_decimals=1, quantity_decimals=8, price_increment_e9=10**8, quantity_increment_e8=1,
    instrument_id=2**32 - 1,
)  # fmt: skip
FUTURE = attrs.evolve(
    BITCOIN, venue="BINANCE", symbol="BTCUSDT", venue_symbol="BTCUSDT", canonical="BTCUSDT", quote="USDT",
    settle="USDT", product=Product.LINEAR_PERPETUAL, instrument_id=7,
)  # fmt: skip


class Books(Bookkeeping, Protocol):
    """Bookkeeping that also gives out numbers and can be let go."""

    def known(self) -> dict[tuple[str, str], int]:
        """The numbers given out."""

    def remember(self, *, venue: str, symbol: str, number: int) -> None:
        """Persist a number."""

    def close(self) -> None:
        """Let go."""


Open = Callable[[], Books]


@pytest.fixture(params=["sqlite", "postgres"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same books again and again, for each implementation."""
    url = request.getfixturevalue("migrated_url") if request.param == "postgres" else ""
    opened: list[Books] = []

    def again() -> Books:
        opened.append(PostgresBooks(url) if url else Catalogue(tmp_path / "catalogue.sqlite3"))
        return opened[-1]

    yield again
    for books in opened:
        books.close()


@pytest.fixture
def books(reopen: Open) -> Books:
    """Empty books."""
    return reopen()


def test_new_books_are_empty(books: Books) -> None:
    """Nothing is known of anything."""
    assert books.instruments() == []
    assert books.gaps() == []
    assert books.quarantined() == []
    assert books.known() == {}


def test_instruments_are_kept(books: Books, reopen: Open) -> None:
    """What was described is there after a restart, by venue and symbol, every field of it."""
    books.describe([BITCOIN, FUTURE])
    assert reopen().instruments() == [FUTURE, BITCOIN]
    assert reopen().known() == {("KRAKEN", "BTCUSD"): 2**32 - 1, ("BINANCE", "BTCUSDT"): 7}


def test_a_new_description_takes_the_place_of_the_old_one(books: Books) -> None:
    """Describing twice keeps one instrument, as it was described last; describing nothing changes nothing."""
    books.describe([BITCOIN])
    changed = attrs.evolve(BITCOIN, price_decimals=2, price_increment_e9=10**7)
    books.describe(iter([changed]))
    books.describe([])
    assert books.instruments() == [changed]


def test_of_a_bad_description_nothing_is_kept(books: Books) -> None:
    """When one number belongs to another instrument, none of those described with it is kept."""
    books.describe([BITCOIN])
    fresh = attrs.evolve(FUTURE, symbol="AAA", instrument_id=8)
    thief = attrs.evolve(FUTURE, instrument_id=BITCOIN.instrument_id)
    with pytest.raises(ConfigurationError):
        books.describe([fresh, thief])
    assert books.instruments() == [BITCOIN]


def test_numbers_are_given_once(books: Books) -> None:
    """A number may be noted again for its own instrument only, which keeps it; numbered is not yet described."""
    books.remember(venue="KRAKEN", symbol="BTCUSD", number=5)
    books.remember(venue="KRAKEN", symbol="BTCUSD", number=5)
    with pytest.raises(ConfigurationError):
        books.remember(venue="KRAKEN", symbol="BTCUSD", number=6)
    with pytest.raises(ConfigurationError):
        books.remember(venue="KRAKEN", symbol="ETHUSD", number=5)
    assert books.known() == {("KRAKEN", "BTCUSD"): 5}
    assert books.instruments() == []
    described = attrs.evolve(BITCOIN, instrument_id=5)
    books.describe([described])
    assert books.instruments() == [described]


def test_gaps_are_kept_as_they_came(books: Books, reopen: Open) -> None:
    """Every gap is there after a restart, oldest first, and once even if it was told twice."""
    told = [
        Gap(series=TRADES, start_ns=T0 + 5, end_ns=T0 + 9, rows=3, cause=NOT_STORED),
        Gap(series=BOOKS, start_ns=0, end_ns=2**63 - 1, rows=0, cause="the venue skipped “7”"),
        Gap(series=TRADES, start_ns=T0, end_ns=T0, rows=2**40, cause=NOT_STORED),
        Gap(
            series=TRADES, start_ns=T0, end_ns=T0, rows=2, cause="skipped", recovered=2**40, reason="HTTP 503 “sorry”"
        ),
    ]
    for gap in [*told, told[0]]:
        books.record_gap(gap)
    assert reopen().gaps() == told


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_of_two_statements_the_better_one_stays(books: Books, reopen: Open, order: tuple[int, ...]) -> None:
    """Of a stretch, cause and first id there is one gap, which tells of the most recovered records, or of a number
    where none was known, in whichever order it was said; its place among the others stays."""
    unknown = Gap(
        series=TRADES, start_ns=T0, end_ns=T0 + 9, rows=0, cause="disconnect", first_id=2**40, reason="no history"
    )
    lost = attrs.evolve(unknown, rows=7, reason="the venue refused")
    better = attrs.evolve(lost, rows=3, recovered=4, reason="too late")
    whole = attrs.evolve(lost, rows=0, recovered=7, reason="")
    other = attrs.evolve(unknown, first_id=5)
    first, *others = ([unknown, lost, better, whole][place] for place in order)
    also = attrs.evolve(unknown, cause=MISSED)
    for gap in [first, other, also, *others]:
        books.record_gap(gap)
    assert reopen().gaps() == [whole, other, also]
    for gap in (lost, unknown):
        books.record_gap(attrs.evolve(gap, end_ns=T0 + 10))
        books.record_gap(attrs.evolve(unknown, end_ns=T0 + 10))
    assert books.gaps()[3:] == [attrs.evolve(lost, end_ns=T0 + 10)]


def test_what_is_said_again_changes_nothing(books: Books) -> None:
    """Of statements that tell of as many recovered records the first stays."""
    first = Gap(series=TRADES, start_ns=T0, end_ns=T0 + 9, rows=3, cause="skipped", recovered=4, reason="first")
    books.record_gap(first)
    books.record_gap(attrs.evolve(first, rows=5, reason="second"))
    books.record_gap(attrs.evolve(first, rows=0, recovered=0, reason="third"))
    assert books.gaps() == [first]


def test_rejected_records_are_kept_by_reason(books: Books, reopen: Open) -> None:
    """Of each series and reason it is told how many are kept, and the newest, byte for byte."""
    bad = ticks(range(1, 4))
    books.quarantine(TRADES, "price below zero", bad[:2])
    books.quarantine(TRADES, "price below zero", bad[2:])
    books.quarantine(TRADES, "no time", bad[:1])
    books.quarantine(QUOTES, "no time", ticks([9], series=QUOTES))
    books.quarantine(QUOTES, "never", ticks([], series=QUOTES))
    assert reopen().quarantined() == [
        Quarantined(series=QUOTES, reason="no time", rows=1, newest=ticks([9], series=QUOTES).tobytes()),
        Quarantined(series=TRADES, reason="no time", rows=1, newest=bad[:1].tobytes()),
        Quarantined(series=TRADES, reason="price below zero", rows=3, newest=bad[2:].tobytes()),
    ]


def test_the_newest_rejected_records_stay(books: Books) -> None:
    """Of one series and reason no more than the limit is kept, in one batch or in many; others are left alone."""
    books.quarantine(QUOTES, "flood", ticks([1], series=QUOTES))
    many = ticks(range(1, QUARANTINE_ROWS + 101))
    books.quarantine(TRADES, "flood", many[:-50])
    books.quarantine(TRADES, "flood", many[-50:])
    assert [(kept.series, kept.rows, kept.newest) for kept in books.quarantined()] == [
        (QUOTES, 1, ticks([1], series=QUOTES).tobytes()),
        (TRADES, QUARANTINE_ROWS, many[-1:].tobytes()),
    ]


def test_names_are_only_text(books: Books) -> None:
    """What looks like SQL, or like a format, is kept as it is."""
    series = SeriesKey("KRAKEN", "a'; DROP TABLE gaps; -- %s {} \\", Schema.BARS_1D)
    gap = Gap(series=series, start_ns=1, end_ns=2, rows=1, cause="100 % 'x'")
    books.record_gap(gap)
    books.quarantine(series, "%s '", ticks([1]))
    assert books.gaps() == [gap]
    assert [(kept.series, kept.reason) for kept in books.quarantined()] == [(series, "%s '")]


def test_many_threads_may_write(books: Books) -> None:
    """What eight threads write at once is all there."""

    def write(number: int) -> None:
        books.describe([BITCOIN, FUTURE])
        books.record_gap(Gap(series=TRADES, start_ns=number, end_ns=number, rows=1, cause=NOT_STORED))
        books.quarantine(TRADES, "odd", ticks([number + 1]))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(gap.start_ns for gap in books.gaps()) == list(range(8))
    assert [kept.rows for kept in books.quarantined()] == [8]
    assert books.instruments() == [FUTURE, BITCOIN]


def test_closing_twice_is_fine(books: Books) -> None:
    """Books that were let go are let go again without complaint."""
    books.record_gap(Gap(series=TRADES, start_ns=1, end_ns=2, rows=1, cause=NOT_STORED))
    books.close()
    books.close()
