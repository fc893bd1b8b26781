"""The bookkeeping in PostgreSQL when something is wrong there."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from core.errors import ConfigurationError, PermanentError, TransientError
from core.store.postgres.books import PostgresBooks
from core.store.postgres.connection import connect
from core.store.repository import NOT_STORED, Gap
from tests.conformance.ticks import T0, TRADES, ticks
from tests.servers.postgres import PostgresServer

GAP = Gap(series=TRADES, start_ns=T0, end_ns=T0 + 1, rows=1, cause=NOT_STORED)


def test_without_tables_it_says_what_to_run(postgres_url: str) -> None:
    """A database that was not migrated is a setting to mend."""
    books = PostgresBooks(postgres_url)
    acts: list[Callable[[], object]] = [books.gaps, books.instruments, books.quarantined, books.known]
    for act in acts:
        with pytest.raises(ConfigurationError, match="db migrate"):
            act()
    with pytest.raises(ConfigurationError, match="db migrate"):
        books.quarantine(TRADES, "odd", ticks([1]))
    books.close()


def test_while_the_server_is_away_it_is_tried_again(postgres_server: PostgresServer, migrated_url: str) -> None:
    """Nothing is kept while the server is down, and the same books work when it is back; what was kept is there."""
    books = PostgresBooks(migrated_url)
    books.record_gap(GAP)
    postgres_server.kill()
    for _ in range(2):
        with pytest.raises(TransientError):
            books.record_gap(GAP)
    postgres_server.start()
    assert books.gaps() == [GAP]
    later = attrs.evolve(GAP, end_ns=GAP.end_ns + 1)
    books.record_gap(later)
    assert books.gaps() == [GAP, later]
    books.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO gaps VALUES (DEFAULT, '', '', E'\\x1b[2J', 0, 0, 0, '')",
        "INSERT INTO quarantine (venue, symbol, schema, reason, record) VALUES ('', '', 'candles', '', '')",
        "INSERT INTO instruments VALUES ('KRAKEN', 'X', 1, 'X', 'X', '', '', '', 'lottery', 1, 1, 1, 1)",
        "INSERT INTO instruments VALUES ('KRAKEN', 'X', 1, 'X', 'X', '', '', '', 'spot', NULL, 1, 1, 1)",
        "INSERT INTO instruments VALUES ('KRAKEN', 'X', 1, 'X', 'X', '', '', '', 'spot', 1, 1, 0, 1)",
    ],
)
def test_rows_that_make_no_sense_are_told(migrated_url: str, statement: str) -> None:
    """What another program wrote and nobody understands is an error in words, fit for a terminal."""
    with connect(migrated_url) as connection:
        connection.execute(statement.encode())
    books = PostgresBooks(migrated_url)
    with pytest.raises(PermanentError) as caught:
        (books.gaps(), books.quarantined(), books.instruments())
    assert str(caught.value).isprintable()
    books.close()


def test_what_the_database_cannot_hold_is_refused(migrated_url: str) -> None:
    """A text with a zero byte and a number beyond 63 bits are errors in words; the books go on."""
    books = PostgresBooks(migrated_url)
    for odd in (attrs.evolve(GAP, cause="a\0b"), attrs.evolve(GAP, end_ns=2**64 - 1)):
        with pytest.raises(PermanentError):
            books.record_gap(odd)
    with pytest.raises(PermanentError):
        books.quarantine(TRADES, "a\0b", ticks([1]))
    books.record_gap(GAP)
    assert books.gaps() == [GAP]
    assert books.quarantined() == []
    books.close()
