"""One SQLite file that several connections of several processes share."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.store.sqlite import Database

STEPS = ("CREATE TABLE facts (number INTEGER)",)
_LEAVE = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("INSERT INTO facts VALUES (1)")
database.commit()
database.close()
"""


def test_a_second_connection_takes_no_locks_of_the_first_away(tmp_path: Path) -> None:
    """While one is open here another process that leaves does not take itself for the last: the log stays."""
    path = tmp_path / "shared.sqlite3"
    with closing(Database(path, STEPS, name="catalogue")) as first:
        with first.transaction("writing") as database:
            database.execute("INSERT INTO facts VALUES (0)")
        Database(path, STEPS, name="catalogue").close()
        with closing(Database(path, STEPS, name="catalogue")):
            subprocess.run([sys.executable, "-c", _LEAVE, path], check=True)
            assert path.with_name(f"{path.name}-wal").exists()
            assert first.rows("SELECT number FROM facts ORDER BY number") == [(0,), (1,)]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A catalogue that is a symbolic link to somewhere else is refused."""
    link = tmp_path / "link.sqlite3"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError):
        Database(link, STEPS, name="catalogue")
    assert not (tmp_path / "elsewhere").exists()
