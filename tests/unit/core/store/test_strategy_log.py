"""Logs of strategies that were made by older programs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from core.errors import ConfigurationError
from core.store.catalogue_strategy_log import CatalogueStrategyLog
from core.store.catalogue_tables import STEPS
from core.store.postgres.connection import connect
from core.store.postgres.migrate import available, migrate
from core.store.postgres.strategy_log import PostgresStrategyLog
from core.store.strategy_log import FIELDS, StrategyRow, row_of, values_of

OLD = StrategyRow(
    session_id="s1", line=0, strategy="sma", strategy_sha256="", account="main", venue="KRAKEN", symbol="BTCUSD",
    event="fill", ts_event=5, price="100.5", details={"order": 1},
)  # fmt: skip
NEW = attrs.evolve(OLD, line=1, fee="0.000000000001")
_NAMES = ("session_id", "strategy", "strategy_sha256", "account", "venue", "symbol", "event", "ts_event", "price")


def old_values() -> tuple[Any, ...]:
    """What an older program wrote of `OLD`, and its details."""
    return (*(getattr(OLD, name) for name in _NAMES), '{"order": 1}')


@pytest.mark.parametrize("read_only", [True, False])
def test_rows_of_an_older_catalogue_are_kept(tmp_path: Path, read_only: bool) -> None:
    """In a file of the fourth version rows had no line; they are read, and new ones are written beside them."""
    path = tmp_path / "catalogue.sqlite3"
    with closing(sqlite3.connect(path)) as old:
        for step in STEPS[:4]:
            old.executescript(step)
        old.execute("PRAGMA user_version=4")
        statement = f"INSERT INTO live_strategy_log ({', '.join(_NAMES)}, details, logged_ns) VALUES (?{', ?' * 10})"
        old.executemany(statement, [(*old_values(), 77), (*old_values(), 78)])
        old.commit()
    with closing(CatalogueStrategyLog(path, read_only=read_only)) as log:
        assert log.rows("s1", 9) == [attrs.evolve(OLD, logged_ns=78), attrs.evolve(OLD, logged_ns=77)]
        assert log.newest_line("s1") == 0
        if not read_only:
            assert log.append([NEW]) == 1
            assert [row.line for row in log.rows("s1", 9)] == [1, 0, 0]


def test_what_is_opened_to_be_read_is_not_written(tmp_path: Path) -> None:
    """Writing to it is an error, and it must be there."""
    path = tmp_path / "catalogue.sqlite3"
    with pytest.raises(ConfigurationError):
        CatalogueStrategyLog(path, read_only=True)
    CatalogueStrategyLog(path).close()
    with closing(CatalogueStrategyLog(path, read_only=True)) as log:
        with pytest.raises(ConfigurationError):
            log.append([NEW])
        assert log.rows(None, 9) == []


def test_rows_of_an_older_database_are_kept(postgres_url: str) -> None:
    """Before the fourth migration rows had no line and amounts were rounded; a database without it is told of."""
    with closing(PostgresStrategyLog(postgres_url)) as log, connect(postgres_url) as connection:
        migrate(connection, migrations=available()[:3])
        connection.execute(
            "INSERT INTO live_strategy_log (session_id, strategy, strategy_sha256, account, venue, symbol, event,"
            " ts_event, price, details) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            old_values(),
        )
        with pytest.raises(ConfigurationError, match="db migrate"):
            log.append([NEW])
        migrate(connection)
        assert log.append([NEW]) == 1
        new, old = (attrs.evolve(row, logged_ns=0) for row in log.rows("s1", 9))
        assert new == NEW
        assert old == attrs.evolve(OLD, price="100.500000000")
        assert log.newest_line("s1") == 1


def test_details_of_any_shape_are_read() -> None:
    """JSON that is no object, written by another program, is wrapped in one."""
    values = list(values_of(OLD))
    values[FIELDS.index("details")] = "[1, 2]"
    assert row_of([*values, 0]).details == {"value": [1, 2]}
