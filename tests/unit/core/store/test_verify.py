"""What the check of a store finds, what retention removes, and what goes to quarantine."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import pytest

from core.errors import ConsoleError, ResourceExhaustedError, TransientError
from core.model.records import F_SNAPSHOT, UNDEF_TIMESTAMP, Schema
from core.store import logs, verify
from core.store.audit import Audit, audit, duplicates
from core.store.catalogue import Catalogue
from core.store.days import map_plain
from core.store.history import EmbeddedHistory
from core.store.repository import MISSED, NOT_STREAMED, QUARANTINE_ROWS, AppendResult, Gap, SeriesKey
from core.store.segment import expected_head, plain_header
from core.store.verify import Finding, verify_directory
from tests.conformance.ticks import BOOKS, DAY_NS, QUOTES, T0, TRADES, bars, prices, ticks
from tests.unit.core.store.sealed_days import BARS, DAY, EVER, Home

PLAIN, SEALED = "2025-11-22.dbn", "2025-11-22.dbn.zst"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A store with two days of trades, one of quotes without ids, one of books and bars; all sound."""
    made = Home(tmp_path)
    made.store.append(TRADES, ticks(range(1, 21), stamps=[T0 + (n // 10) * DAY_NS + n for n in range(20)]), 20)
    made.store.append(QUOTES, ticks([0, 0], series=QUOTES, stamps=[T0, T0]), 0)
    made.store.append(BOOKS, ticks([5, 9], series=BOOKS), 9)
    made.store.append(BOOKS, ticks([9], series=BOOKS, flags=F_SNAPSHOT), 9)
    made.store.append(BARS, bars([T0, T0 + 1]), 0)
    made.store.sync()
    yield made
    made.close()


def found(home: Home, catalogue: Catalogue | None = None) -> list[tuple[str, str, int]]:
    """What the check says, after the store let go of the directory."""
    home.store.close()
    return [
        (finding.severity, finding.code, finding.count)
        for finding in verify_directory(home.ticks, catalogue or home.catalogue)
    ]


@pytest.mark.parametrize("sealed", [False, True])
def test_a_sound_store_has_no_findings(home: Home, sealed: bool) -> None:
    """Beside a writer and without one, plain and sealed, nothing is found, and progress is told to the end."""
    if sealed:
        assert len(home.store.compress(DAY + 2)) == 5
        home.store.append(TRADES, ticks([21], stamps=[T0 + 5]), 21)
        home.store.append(QUOTES, ticks([0], series=QUOTES, stamps=[T0]), 0)
    told: list[tuple[int, int]] = []
    assert list(verify_directory(home.ticks, home.catalogue, lambda *step: told.append(step))) == []
    assert told == [(done, 5) for done in range(1, 6)]
    assert list(verify_directory(home.ticks, None)) == []
    assert found(home) == []


def test_unsynced_records_of_a_writer_are_no_fault(home: Home) -> None:
    """What a living writer has not yet written down is not missing and not too much; a torn tail may be growing."""
    home.store.append(TRADES, ticks([21], stamps=[T0 + 2 * DAY_NS - 1]), 21)
    home.store.append(TRADES, ticks([22], stamps=[T0 + 2 * DAY_NS]), 22)
    with (home.folder() / "2025-11-24.dbn").open("ab") as file:
        file.write(b"torn")
    findings = list(verify_directory(home.ticks, home.catalogue))
    assert [(finding.severity, finding.code, finding.day) for finding in findings] == [("warning", "torn", DAY + 2)]


def test_a_day_that_is_sealed_meanwhile_is_no_fault(home: Home) -> None:
    """What a living writer seals, or seals again, while the check goes on is not taken for changed or missing."""
    home.store.compress(DAY + 1)

    def seal(done: int, _total: int) -> None:
        if done == 1:
            home.store.append(TRADES, ticks([21], stamps=[T0 + 5]), 21)
            home.store.compress(DAY + 2)

    assert list(verify_directory(home.ticks, home.catalogue, seal)) == []
    assert home.names() == [SEALED, "2025-11-23.dbn.zst"]


def test_changed_bytes_are_found(home: Home) -> None:
    """A record that was changed and looks valid is found by the checksum of what was written, plain or sealed."""
    path = home.folder() / PLAIN
    raw = bytearray(path.read_bytes())
    raw[-25] ^= 1
    path.write_bytes(raw)
    assert found(home) == [("error", "checksum", 1)]


def test_another_seal_is_found(home: Home) -> None:
    """A sealed file that is sound in itself and is not the one that was sealed is found by its SHA-256."""
    home.store.compress(DAY + 1)
    other = Home(home.path / "other")
    other.store.append(TRADES, ticks(range(1, 11), stamps=[T0 + n for n in range(10)])[::-1], 10)
    other.store.compress(DAY + 1)
    with sqlite3.connect(home.path / "catalogue.sqlite3") as database:
        database.execute("UPDATE segments SET sha256 = 'x' WHERE path LIKE '%.zst' AND schema = 'trades'")
    database.close()
    other.close()
    assert found(home) == [("error", "checksum", 1)]


def test_missing_and_unknown_files_are_found(home: Home) -> None:
    """Files that are gone, that nobody knows, that were put aside or never finished are told apart."""
    folder = home.folder()
    home.store.close()
    (folder / "2025-11-23.dbn").rename(folder / "2025-11-25.dbn")
    for name in (
        "2025-11-22.dbn.damaged-1",
        "2025-11-22.dbn.zst.7-1.part",
        "notes\x1b.txt",
        "2025-99-99.dbn.damaged-1",
    ):
        (folder / name).write_bytes(b"")
    assert sorted(found(home)) == [
        ("error", "misplaced", 10), ("error", "missing_file", 10), ("info", "stranger", 1), ("info", "stranger", 1),
        ("warning", "damaged_kept", 1), ("warning", "leftover", 1), ("warning", "uncatalogued", 1),
    ]  # fmt: skip
    assert all(finding.message.isprintable() for finding in verify_directory(home.ticks, home.catalogue))


def test_lost_and_torn_records_are_found(home: Home) -> None:
    """Fewer records than the catalogue knows is an error, more a warning; so is half a record at the end."""
    path = home.folder() / PLAIN
    raw = path.read_bytes()
    path.write_bytes(raw[:-20])
    assert found(home) == [("error", "torn", 1), ("error", "rows", 1), ("error", "id_gap", 1)]
    path.write_bytes(raw + ticks([11], stamps=[T0 + 11]).tobytes())
    assert found(home) == [("warning", "rows", 1)]
    path.write_bytes(b"no header")
    assert found(home) == [("error", "damaged", 1)]


def test_bad_records_are_found(home: Home) -> None:
    """Records of another day, venue or schema, and duplicates of trades, bars and books, are counted."""
    wrong = ticks([11, 12, 12], stamps=[T0 + DAY_NS * 3, T0 + 12, T0 + 12])
    wrong["publisher_id"][0] += 1
    _extend(home.folder() / PLAIN, wrong.tobytes())
    _extend(home.folder(BARS) / PLAIN, bars([T0]).tobytes())
    _extend(home.folder(BOOKS) / PLAIN, ticks([9], series=BOOKS, flags=F_SNAPSHOT).tobytes())
    _extend(home.folder(BOOKS) / PLAIN, ticks([5], series=BOOKS).tobytes())
    home.store.close()
    codes: dict[str, list[tuple[Schema, int]]] = {}
    for finding in verify_directory(home.ticks, None):
        assert finding.severity == "error"
        codes.setdefault(finding.code, []).append((finding.series.schema, finding.count))
    assert codes == {
        "invalid": [(Schema.TRADES, 1)],
        "misplaced": [(Schema.TRADES, 1)],
        "duplicate": [(Schema.BOOK, 2), (Schema.BARS_1M, 1), (Schema.TRADES, 1)],
    }


def _extend(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_overlaps_are_found(home: Home) -> None:
    """The same records in a sealed file and in the plain one beside it are an error; a leftover is a warning."""
    home.store.compress(DAY + 1)
    home.store.close()
    trades = ticks(range(1, 4), stamps=range(T0, T0 + 3))
    for generation, expected in ((1, ("error", "overlap", 3)), (0, ("warning", "leftover", 1))):
        header = plain_header(TRADES, day=DAY, first_id=1, generation=generation)
        (home.folder() / PLAIN).write_bytes(header + trades.tobytes())
        assert expected in found(home)


def test_holes_in_trade_ids_are_found(home: Home) -> None:
    """Each hole within a day and across days is an error of its own, with its ids and the instants around it."""
    home.store.append(TRADES, ticks([25, 24], stamps=[T0 + 50 + DAY_NS, T0 + 50]), 25)
    home.store.append(TRADES, ticks([40], stamps=[T0 + 5 * DAY_NS]), 40)
    holes = [finding for finding in verify_directory(home.ticks, home.catalogue) if finding.code == "id_gap"]
    assert [(hole.day, hole.count, hole.message) for hole in holes] == [
        (DAY + 5, 14, "trade ids 26 to 39 are missing"),
        (DAY, 3, "trade ids 21 to 23 are missing"),
    ]
    assert [(hole.start_ns, hole.end_ns) for hole in holes] == [
        (T0 + 50 + DAY_NS, T0 + 5 * DAY_NS),
        (T0 + 50, T0 + 19 + DAY_NS),
    ]
    assert found(home) == [("error", "id_gap", 14), ("error", "id_gap", 3)]


def test_a_hole_with_a_known_cause_is_a_warning(home: Home) -> None:
    """A hole within a recorded gap is told with the cause; one beside it stays an error, and so does a larger one."""
    home.store.append(TRADES, ticks([25, 30, 40], stamps=[T0 + 2 * DAY_NS + n for n in (5, 10**10, 10**11)]), 40)
    span = (T0 + DAY_NS + 19, T0 + 2 * DAY_NS + 5)
    gap = Gap(series=TRADES, start_ns=span[0], end_ns=span[1], rows=4, cause=NOT_STREAMED)
    home.catalogue.record_gap(gap)
    home.catalogue.record_gap(Gap(series=QUOTES, start_ns=0, end_ns=2**62, rows=0, cause=MISSED))
    late = (T0 + 2 * DAY_NS + 10**10, T0 + 2 * DAY_NS + 10**11)
    home.catalogue.record_gap(Gap(series=TRADES, start_ns=late[0], end_ns=late[1], rows=8, cause=MISSED))
    findings = list(verify_directory(home.ticks, home.catalogue))
    assert [(one.severity, one.code, one.message) for one in findings] == [
        ("error", "id_gap", "trade ids 31 to 39 are missing"),
        ("error", "id_gap", "trade ids 26 to 29 are missing"),
        ("warning", "known_gap", "trade ids 21 to 24 are missing: not streamed"),
    ]
    home.store.append(TRADES, ticks(range(21, 25), stamps=[T0 + 2 * DAY_NS] * 4), 24)
    assert [one.code for one in verify_directory(home.ticks, home.catalogue)] == ["id_gap", "id_gap"]


def test_what_was_recovered_is_no_excuse(home: Home) -> None:
    """Of a gap that was recovered in part the rest is known; one that was recovered in full excuses nothing."""
    home.store.append(TRADES, ticks([25, 30], stamps=[T0 + 2 * DAY_NS, T0 + 2 * DAY_NS + 10**10]), 30)
    gap = Gap(series=TRADES, start_ns=T0 + DAY_NS + 19, end_ns=T0 + 2 * DAY_NS, rows=4, cause="disconnect")
    home.catalogue.record_gap(attrs.evolve(gap, recovered=9, reason="the venue refused"))
    whole = attrs.evolve(gap, start_ns=gap.end_ns, end_ns=gap.end_ns + 10**10, rows=0, recovered=4)
    home.catalogue.record_gap(whole)
    assert [(one.code, one.message) for one in verify_directory(home.ticks, home.catalogue)] == [
        ("id_gap", "trade ids 26 to 29 are missing"),
        ("known_gap", "trade ids 21 to 24 are missing: disconnect (9 others were recovered; the venue refused)"),
    ]


def test_the_audit_is_pure() -> None:
    """Arrays go in and counts come out; an empty day and one without ids have nothing to find."""
    head = expected_head(TRADES)
    assert audit(ticks([]), np.empty(0, np.int64), schema=Schema.TRADES, day=DAY, head=head) == Audit()
    batch = ticks([3, 1, 2])
    assert audit(batch, np.array([3, 1, 2]), schema=Schema.TRADES, day=DAY, head=head) == Audit(rows=3, disorder=2)
    assert duplicates(batch, np.zeros(3, np.int64), schema=Schema.TRADES) == 0


def test_a_directory_that_cannot_be_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the disk refuses is a finding that names it, and the check goes on with the next."""

    def refused(path: Path, series: SeriesKey) -> None:
        if series is TRADES or series == TRADES:
            raise TransientError("reading", f"{path}: input/output error")
        return original(path, series)  # type: ignore[return-value]

    original = map_plain
    monkeypatch.setattr(verify, "map_plain", refused)
    findings: list[Finding] = list(verify_directory(home.ticks, home.catalogue))
    assert [finding.code for finding in findings] == ["damaged", "damaged"]
    assert "input/output error" in findings[0].message


def test_old_days_are_removed(home: Home) -> None:
    """Retention removes plain and sealed files and what the catalogue says of them; totals stay what can be read."""
    home.store.compress(DAY + 1)
    home.store.append(TRADES, ticks([21], stamps=[T0 + 100]), 21)
    removed = home.store.retain(DAY + 1)
    assert {(day.series, day.day, day.rows) for day in removed} == {
        (TRADES, DAY, 11), (QUOTES, DAY, 2), (BOOKS, DAY, 3), (BARS, DAY, 2),
    }  # fmt: skip
    assert all(day.stored_bytes for day in removed)
    for restarted in (False, True):
        store = home.reopen() if restarted else home.store
        assert {stats.series: stats.rows for stats in store.stats()} == {TRADES: 10, QUOTES: 0, BOOKS: 0, BARS: 0}
        assert prices(store.read(TRADES, 0, EVER)) == list(range(11, 21))
    assert {cursor.series: cursor.removed for cursor in home.catalogue.cursors()}[TRADES] == 11
    assert home.names() == ["2025-11-23.dbn"]
    assert home.store.retain(DAY + 1) == []
    assert home.store.append(TRADES, ticks([22], stamps=[T0 + DAY_NS + 50]), 22) == AppendResult(rows=1)
    assert found(home) == [("error", "id_gap", 1)]


def test_retention_that_the_disk_refuses(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a file cannot be removed the error says so, and nothing is taken for removed that is there."""

    def refused(path: Path, *, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, "input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        with pytest.raises(ConsoleError, match="removing a segment"):
            home.store.retain(DAY + 1)
    assert sum(stats.rows for stats in home.store.stats()) == 27
    assert len(home.store.retain(DAY + 1)) == 4
    assert len(EmbeddedHistory(home.ticks).read(TRADES, 0, EVER)) == 10


def test_rejected_records_go_to_quarantine(home: Home) -> None:
    """Each reason keeps its own records, the newest of them, and they are written down with the sync."""
    batch = ticks(range(100, 107))
    batch["ts_event"][0], batch["ts_event"][1], batch["ts_event"][2] = 0, UNDEF_TIMESTAMP, 2**63
    batch["rtype"][3], batch["length"][4], batch["publisher_id"][5] = 1, 20, 1
    assert home.store.append(TRADES, batch, 106) == AppendResult(rows=1, out_of_order=1, rejected=6)
    assert home.catalogue.quarantined() == []
    home.store.sync()
    kept = {entry.reason: (entry.rows, entry.newest) for entry in home.catalogue.quarantined()}
    assert kept == {
        "no time": (2, batch[1:2].tobytes()), "time out of range": (1, batch[2:3].tobytes()),
        "another schema": (1, batch[3:4].tobytes()), "wrong length": (1, batch[4:5].tobytes()),
        "another venue": (1, batch[5:6].tobytes()),
    }  # fmt: skip


def test_quarantine_is_bounded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are rejected, the newest are kept, in memory too; what cannot be written down fails nothing."""
    batch = ticks(range(1, QUARANTINE_ROWS + 501))
    batch["ts_event"] = 0

    def full(*_arguments: object) -> None:
        raise ResourceExhaustedError("putting records in quarantine", "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Catalogue, "quarantine", full)
        for _ in range(3):
            assert home.store.append(TRADES, batch, len(batch)).rejected == len(batch)
            home.store.sync()
    assert [len(records) for records in home.store._rejected._waiting.values()] == [QUARANTINE_ROWS]
    for _ in range(2):
        home.store.append(TRADES, batch, len(batch))
        home.store.sync()
    [entry] = home.catalogue.quarantined()
    assert (entry.series, entry.rows, entry.newest) == (TRADES, QUARANTINE_ROWS, batch[-1:].tobytes())
    assert home.store._rejected._waiting == {}


def test_a_venue_that_is_not_ours_may_not_send_ours(home: Home) -> None:
    """A record with the number of one of our publishers is refused in the series of any other dataset."""
    series = SeriesKey("GLBX.MDP3", "ESZ5", Schema.TRADES)
    batch = ticks([1, 2])
    batch["publisher_id"][1] = 1
    assert home.store.append(series, batch, 2) == AppendResult(rows=1, rejected=1)
    home.store.sync()
    assert [entry.reason for entry in home.catalogue.quarantined()] == ["another venue"]


def test_the_logs_take_up_what_they_know(home: Home) -> None:
    """Opening a store of which the catalogue knows all reads no segment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "inspect", lambda *_arguments: pytest.fail("read"))
        home.reopen()
    assert home.store.stats()[-1].rows == 20
