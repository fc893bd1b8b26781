"""The catalogue of a store that was moved, and one that is only read: also on a disk that is full or may not be
written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import ConfigurationError, ResourceExhaustedError, TransientError
from core.store.catalogue import Catalogue
from core.store.catalogue_tables import STEPS
from core.store.faults import database_error
from core.store.repository import NOT_STORED, Gap
from core.store.verify import verify_directory
from tests.conformance.ticks import QUOTES, TRADES, ticks
from tests.unit.core.store.sealed_days import DAY, Home
from tests.unit.core.store.test_faults import largest_file

GAP = Gap(series=TRADES, start_ns=1, end_ns=2, rows=3, cause=NOT_STORED)
KILLED = """
import os, sys
from pathlib import Path
from core.store.catalogue import Catalogue
from tests.unit.core.store.test_catalogue_reading import GAP
Catalogue(Path(sys.argv[1])).record_gap(GAP)
os._exit(9)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A store with a sealed day of trades and a plain one of quotes."""
    made = Home(tmp_path / "home")
    made.store.append(TRADES, ticks(range(1, 11)), 10)
    made.store.compress(DAY + 1)
    made.store.append(QUOTES, ticks([1, 2], series=QUOTES), 0)
    made.store.sync()
    yield made
    made.close()


def findings(place: Path) -> list[str]:
    """What verifying the store in a directory says with its own catalogue."""
    with closing(Catalogue(place / "catalogue.sqlite3", read_only=True)) as catalogue:
        return [finding.code for finding in verify_directory(place / "ticks", catalogue)]


def test_a_store_that_was_moved_is_verified_as_before(home: Home, tmp_path: Path) -> None:
    """A copy elsewhere is known to its catalogue; a file that is missing there or was changed is found."""
    home.close()
    moved = shutil.copytree(home.path, tmp_path / "else" / "where")
    shutil.rmtree(home.path)
    assert findings(moved) == []
    sealed, plain = sorted((moved / "ticks").rglob("*.dbn*"), key=lambda path: path.suffix, reverse=True)
    plain.unlink()
    assert findings(moved) == ["missing_file"]
    sealed.write_bytes(sealed.read_bytes()[:-1])
    assert sorted(findings(moved)) == ["damaged", "missing_file"]


def older(path: Path, ticks_directory: Path, *others: Path) -> None:
    """Make a catalogue what the version before wrote: segments by their whole paths, of several directories."""
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT * FROM segments").fetchall()
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        for step in STEPS[:2]:
            database.executescript(step)
        database.execute("PRAGMA user_version=2")
        columns = (
            "path, venue, symbol, schema, rows, stored_bytes, first_ns, last_ns, first_id, last_id, generation,"
            " checksum, sha256"
        )
        for place, *facts in rows:
            for number, directory in enumerate((*others, ticks_directory)):
                known = facts[3] if directory == ticks_directory else number
                values = (f"{directory}/{place}", *facts[:3], known, *facts[4:])
                database.execute(f"INSERT INTO segments ({columns}) VALUES ({', '.join('?' * 13)})", values)
        database.commit()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_catalogue_of_whole_paths_keeps_its_facts(home: Home, tmp_path: Path, read_only: bool) -> None:
    """It opens, and of what it knows from before the store was moved it keeps what is newer; reading leaves it."""
    home.close()
    path = home.path / "catalogue.sqlite3"
    with closing(Catalogue(path)) as catalogue:
        before = catalogue.segments(home.ticks)
    rows = {facts.rows for facts in before.values()}
    assert rows == {2, 10}
    older(path, home.ticks, tmp_path / "old", Path("/"))
    content = path.read_bytes()
    with closing(Catalogue(path, read_only=read_only)) as catalogue:
        assert catalogue.segments(home.ticks) == before
        assert list(verify_directory(home.ticks, catalogue)) == []
    assert (path.read_bytes() == content) == read_only
    assert len(before) == 2


def test_paths_that_no_segment_has_are_passed_over(home: Home) -> None:
    """What somebody wrote into the catalogue leads nowhere outside of the store."""
    home.store.close()
    with closing(sqlite3.connect(home.path / "catalogue.sqlite3")) as database:
        for place in ("../../../2025-11-22.dbn", "/etc/passwd", "a", "", "a/b/trades/2025-99-99.dbn", "a/b/c/d"):
            database.execute(
                "INSERT INTO segments SELECT ?, venue, symbol, schema, rows, stored_bytes, first_ns, last_ns,"
                " first_id, last_id, generation, checksum, sha256 FROM segments LIMIT 1",
                (place,),
            )
        database.commit()
    assert len(home.catalogue.segments(home.ticks)) == 2
    assert findings(home.path) == []


def test_reading_takes_no_room(home: Home) -> None:
    """On a disk without room for a single byte the catalogue is read; what would write is refused and changes
    nothing."""
    home.catalogue.record_gap(GAP)
    home.close()
    path = home.path / "catalogue.sqlite3"
    before = path.read_bytes()
    with largest_file(0):
        assert findings(home.path) == []
        with closing(Catalogue(path, read_only=True)) as catalogue:
            assert catalogue.gaps() == [GAP]
    with closing(Catalogue(path, read_only=True)) as catalogue, pytest.raises(ConfigurationError, match="readonly"):
        catalogue.record_gap(GAP)
    assert path.read_bytes() == before


def test_what_a_killed_writer_left_is_read_without_room(tmp_path: Path) -> None:
    """What is in the log of a writer that was killed, and nowhere else, is read too."""
    path = tmp_path / "catalogue.sqlite3"
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == 9
    path.with_name(f"{path.name}-shm").unlink()
    assert path.with_name(f"{path.name}-wal").stat().st_size
    with largest_file(0), closing(Catalogue(path, read_only=True)) as catalogue:
        assert catalogue.gaps() == [GAP]
    with closing(Catalogue(path, read_only=True)) as catalogue:
        assert catalogue.gaps() == [GAP]


def test_a_reader_sees_what_is_written_meanwhile(home: Home) -> None:
    """A catalogue that is only read is not a copy: what its writer writes down is there at once."""
    with closing(Catalogue(home.path / "catalogue.sqlite3", read_only=True)) as reader:
        assert reader.gaps() == []
        home.catalogue.record_gap(GAP)
        assert reader.gaps() == [GAP]


@pytest.mark.parametrize("content", [None, b"no database" * 100, "newer"])
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes | str | None) -> None:
    """A catalogue that is not there, is none, or is of a newer program is a clear error, and nothing is made."""
    path = tmp_path / "catalogue.sqlite3"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        Catalogue(path).close()
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigurationError, match="opening the catalogue"):
        Catalogue(path, read_only=True)
    assert path.exists() == bool(content)


def test_an_error_of_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's disk I/O error is that of a full disk when there is no room, else it may pass."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    assert type(database_error("opening", tmp_path / "x", error)) is TransientError
    found = os.statvfs(tmp_path)

    def full(_path: object) -> os.statvfs_result:
        return os.statvfs_result((*found[:4], 3, *found[5:]))

    monkeypatch.setattr(os, "statvfs", full)
    refused = database_error("opening", tmp_path / "x", error)
    assert type(refused) is ResourceExhaustedError
    assert refused.hint == "make room"
    monkeypatch.undo()
    assert type(database_error("opening", tmp_path / "gone" / "x", error)) is TransientError
