"""Histories of alerts: numbers and names of catalogues, copies, and what older programs made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from core.errors import ConfigurationError, PermanentError
from core.store.alert_history import AlertRow, is_sound, row_of
from core.store.catalogue_alert_history import CatalogueAlertHistory
from core.store.catalogue_tables import STEPS
from core.store.postgres.alert_history import PostgresAlertHistory
from core.store.postgres.connection import connect
from core.store.postgres.migrate import available, migrate

ROW = AlertRow(
    time_ns=5, instance="", rule="lag", subject="KRAKEN", severity="warning", state="firing", value="9",
    threshold="> 5", message="late",
)  # fmt: skip
_NAMES = ("rule", "subject", "severity", "state", "value", "threshold", "message")
_VALUES = tuple(getattr(ROW, name) for name in _NAMES)


def numbered(first: int, last: int) -> list[AlertRow]:
    """Rows with these numbers."""
    return [attrs.evolve(ROW, number=number, time_ns=number) for number in range(first, last + 1)]


@pytest.mark.parametrize("read_only", [True, False])
def test_rows_of_an_older_catalogue_are_kept(tmp_path: Path, read_only: bool) -> None:
    """In a file of the sixth version rows had no instance; they are read, and new ones are numbered after them."""
    path = tmp_path / "catalogue.sqlite3"
    with closing(sqlite3.connect(path)) as old:
        for step in STEPS[:6]:
            old.executescript(step)
        old.execute("PRAGMA user_version=6")
        statement = f"INSERT INTO alert_history (alert_id, noted_ns, {', '.join(_NAMES)}) VALUES (?, ?{', ?' * 7})"
        old.execute(statement, (7, 5, *_VALUES))
        old.commit()
    with closing(CatalogueAlertHistory(path, read_only=read_only)) as history:
        assert history.rows(9) == [attrs.evolve(ROW, number=7)]
        assert history.origin()[1] == 7
        if not read_only:
            history.append([ROW])
            assert [row.number for row in history.rows(9)] == [8, 7]


def test_what_is_opened_to_be_read_is_not_written(tmp_path: Path) -> None:
    """Writing to it is an error, and it must be there."""
    path = tmp_path / "catalogue.sqlite3"
    with pytest.raises(ConfigurationError):
        CatalogueAlertHistory(path, read_only=True)
    CatalogueAlertHistory(path).close()
    with closing(CatalogueAlertHistory(path, read_only=True)) as history:
        with pytest.raises(ConfigurationError):
            history.append([ROW])
        assert history.rows(9) == []


def test_a_number_is_given_once(tmp_path: Path) -> None:
    """Also when its row was removed and the file was opened again; after one come those that were written later."""
    path = tmp_path / "catalogue.sqlite3"
    with closing(CatalogueAlertHistory(path)) as history:
        history.append([ROW, ROW, ROW])
        assert history.prune(6) == 3
    with closing(CatalogueAlertHistory(path)) as history:
        history.append([ROW] * 3)
        assert [row.number for row in history.after(0, 10)] == [4, 5, 6]
        assert [row.number for row in history.after(4, 1)] == [5]
        assert history.after(6, 10) == []
        assert history.origin()[1] == 6


def test_a_catalogue_has_a_name_of_its_own(tmp_path: Path) -> None:
    """It stays when the file is opened again, is another in every file, and is changed once by those who agree."""
    with (
        closing(CatalogueAlertHistory(tmp_path / "one")) as one,
        closing(CatalogueAlertHistory(tmp_path / "two")) as two,
    ):
        name = one.origin()[0]
        assert len(name) == 32
        assert name != two.origin()[0]
        with closing(CatalogueAlertHistory(tmp_path / "one")) as again:
            assert again.origin()[0] == name
            again.renew_origin(name)
        renewed = one.origin()[0]
        assert renewed != name
        one.renew_origin(name)
        assert one.origin()[0] == renewed


def test_a_copy_that_is_repeated_doubles_nothing(migrated_url: str) -> None:
    """Of each number of an origin there is one row, the first; another origin has numbers of its own."""
    with (
        closing(PostgresAlertHistory(migrated_url, origin="one")) as one,
        closing(PostgresAlertHistory(migrated_url, origin="two")) as two,
    ):
        one.append(numbered(1, 5))
        one.append([attrs.evolve(row, message="other") for row in numbered(3, 8)])
        assert (one.newest(), two.newest()) == (8, 0)
        assert [row.message for row in one.rows(99)] == ["other"] * 3 + ["late"] * 5
        two.append(numbered(1, 2))
        assert (one.newest(), two.newest()) == (8, 2)
        assert len(one.rows(99)) == 10


def test_what_others_copied_stays(migrated_url: str) -> None:
    """Pruning is of the origin alone."""
    with (
        closing(PostgresAlertHistory(migrated_url, origin="one")) as one,
        closing(PostgresAlertHistory(migrated_url, origin="two")) as two,
    ):
        one.append(numbered(1, 5))
        two.append(numbered(1, 5))
        assert one.prune(5) == 4
        assert len(two.rows(99)) == 6


def test_a_copy_without_a_number_is_refused(migrated_url: str) -> None:
    """It could be doubled."""
    with closing(PostgresAlertHistory(migrated_url, origin="one")) as history:
        with pytest.raises(PermanentError):
            history.append([*numbered(1, 1), ROW])
        assert history.rows(9) == []


def test_rows_of_an_older_database_are_kept(postgres_url: str) -> None:
    """Before the sixth migration rows had no origin; a database without it is told of, and then takes copies."""
    with closing(PostgresAlertHistory(postgres_url, origin="one")) as history, connect(postgres_url) as connection:
        migrate(connection, migrations=available()[:5])
        connection.execute(
            f"INSERT INTO alert_history ({', '.join(_NAMES)}, noted_at) VALUES (%s{', %s' * 6},"
            " '2026-11-23T00:00:00.000001Z')".encode(),
            _VALUES,
        )
        for act in (history.newest, lambda: history.append(numbered(1, 1)), lambda: history.rows(1)):
            with pytest.raises(ConfigurationError, match="db migrate"):
                act()
        migrate(connection)
        assert history.newest() == 0
        history.append(numbered(1, 1))
        assert history.rows(9) == [attrs.evolve(ROW, time_ns=1_795_392_000_000_001_000), *numbered(1, 1)]


@pytest.mark.parametrize(
    "change",
    [
        {"severity": "loud"}, {"state": ""}, {"time_ns": -1}, {"time_ns": 2**63}, {"time_ns": 1.5}, {"time_ns": None},
        {"message": None}, {"subject": b"x"},
    ],
)  # fmt: skip
def test_rows_that_no_table_takes_are_known(change: dict[str, Any]) -> None:
    """What is not one of the words, no instant or no text, is not sound; the ends of what is are."""
    assert not is_sound(attrs.evolve(ROW, **change))
    assert is_sound(ROW)
    assert is_sound(attrs.evolve(ROW, time_ns=0))
    assert is_sound(attrs.evolve(ROW, time_ns=2**63 - 1))


def test_rows_that_make_no_sense_are_told() -> None:
    """A time that is none is an error; texts that others wrote come fit for a terminal."""
    with pytest.raises(PermanentError, match="no number"):
        row_of((1, "soon", "alpha", *_VALUES))
    assert row_of((1, 5, "a\x1b[2J", *_VALUES)).instance == "a?[2J"
