"""Closed days are sealed, read as before, and nothing is lost or doubled wherever it is cut short."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import databento_dbn as dbn
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import ConsoleError, PermanentError, TransientError
from core.model.records import F_SNAPSHOT, Records
from core.store import sealing
from core.store.history import EmbeddedHistory
from core.store.logs import SeriesLogs
from core.store.repository import AppendResult, SeriesKey
from core.store.sealed import write_seal
from core.store.verify import verify_directory
from tests.conformance.ticks import BOOKS, DAY_NS, QUOTES, T0, TRADES, bars, prices, ticks
from tests.unit.core.store.sealed_days import BARS, DAY, EVER, Home, read_by_databento

PLAIN, SEALED = "2025-11-22.dbn", "2025-11-22.dbn.zst"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty store."""
    made = Home(tmp_path)
    yield made
    made.close()


def shuffled(count: int) -> Records:
    """Trades of one day in disorder, with ties that only their ids tell apart."""
    records = ticks(range(1, count + 1), stamps=[T0 + number // 3 for number in range(count)])
    np.random.default_rng(7).shuffle(records)
    return records


def batch_of(series: SeriesKey) -> Records:
    """A few records of a series."""
    return bars([T0 + 60 * 10**9 * n for n in range(5)]) if series is BARS else ticks(range(1, 6), series=series)


@pytest.mark.parametrize("series", [TRADES, QUOTES, BOOKS, BARS], ids=str)
def test_every_schema_is_sealed_and_databento_reads_it(home: Home, series: SeriesKey) -> None:
    """A sealed day is a compressed DBN file that Databento's store and decoder read, and so do we."""
    batch = batch_of(series)
    home.store.append(series, batch, 5)
    assert read_by_databento(home.folder(series) / PLAIN).tobytes() == batch.tobytes()
    [result] = home.store.compress(DAY + 1)
    assert (result.series, result.day, result.rows) == (series, DAY, 5)
    assert home.names(series) == [SEALED]
    path = home.folder(series) / SEALED
    assert result.sealed_bytes == path.stat().st_size
    assert read_by_databento(path).tobytes() == batch.tobytes()
    decoder = dbn.DBNDecoder(compression=dbn.Compression.from_str("zstd"))
    decoder.write(path.read_bytes())
    assert len(decoder.decode()) == 6
    assert home.store.read(series, 0, EVER).tobytes() == batch.tobytes()
    assert home.store.days(series) == [DAY]
    assert home.store.append(series, batch, 5) == AppendResult(duplicates=5)


def test_a_sealed_day_reads_as_before(home: Home) -> None:
    """Ranges, ids, the newest, columns, extent and totals are the same before and after, and after a restart."""
    home.store.append(TRADES, shuffled(300), 300)
    home.store.append(TRADES, ticks([301], stamps=[T0 + DAY_NS]), 301)
    history = EmbeddedHistory(home.ticks)

    def everything() -> list[object]:
        numbered = history.read_numbered(TRADES, T0 + 5, T0 + 50)
        extent = history.extent(TRADES)
        return [
            home.store.read(TRADES, 0, EVER).tobytes(), home.store.latest(TRADES, 40).tobytes(),
            numbered.records.tobytes(), numbered.ids.tolist(), home.store.days(TRADES),
            history.columns(TRADES, 0, EVER, ["price"])["price"].tolist(),
            (extent.rows, extent.segments, extent.first_ns, extent.last_ns), home.store.stats()[0].rows,
        ]  # fmt: skip

    before = everything()
    assert prices(history.read(TRADES, 0, EVER)) == list(range(1, 302))
    assert history.read_numbered(TRADES, 0, EVER).ids.tolist() == list(range(1, 302))
    assert len(home.store.compress(DAY + 1)) == 1
    assert home.names() == [SEALED, "2025-11-23.dbn"]
    assert everything() == before
    extent = history.extent(TRADES)
    assert (extent.sealed, extent.sealed_bytes) == (1, (home.folder() / SEALED).stat().st_size)
    assert home.reopen().repairs == []
    assert everything() == before
    assert home.store.compress(DAY + 1) == []


def test_late_records_of_a_sealed_day(home: Home) -> None:
    """What comes late goes beside the seal, is read with it, known as duplicate, and merged by the next sealing."""
    edge = 2**32
    home.store.append(TRADES, ticks(range(edge - 4, edge + 4, 2), stamps=range(T0, T0 + 8, 2)), edge + 2)
    home.store.compress(DAY + 1)
    late = ticks(range(edge - 3, edge + 4), stamps=range(T0 + 1, T0 + 8))
    expected = AppendResult(rows=4, duplicates=3, out_of_order=3)
    assert home.store.append(TRADES, late, edge + 3) == expected
    assert home.names() == [PLAIN, SEALED]
    for _ in range(2):
        assert prices(home.store.read(TRADES, 0, EVER)) == list(range(edge - 4, edge + 4))
        assert prices(home.store.latest(TRADES, 3)) == [edge + 1, edge + 2, edge + 3]
        assert home.store.read_numbered(TRADES, T0 + 1, EVER).ids.tolist() == list(range(edge - 3, edge + 4))
        assert home.store.append(TRADES, late, edge + 3) == AppendResult(duplicates=7)
        home.reopen()
    [result] = home.store.compress(DAY + 1)
    assert result.rows == 8
    assert home.names() == [SEALED]
    assert prices(home.store.read(TRADES, 0, EVER)) == list(range(edge - 4, edge + 4))
    assert home.store.append(TRADES, late, edge + 3) == AppendResult(duplicates=7)
    assert list(verify_directory(home.ticks, home.catalogue)) == []


def test_late_bars_and_marked_books(home: Home) -> None:
    """Bars of a sealed instant and marked books whose bytes are sealed are duplicates too."""
    snapshot = ticks([5], series=BOOKS, flags=F_SNAPSHOT)
    home.store.append(BOOKS, ticks([5], series=BOOKS), 5)
    home.store.append(BOOKS, snapshot, 5)
    home.store.append(BARS, bars([T0, T0 + 1]), 0)
    assert len(home.store.compress(DAY + 1)) == 2
    assert home.store.append(BOOKS, snapshot, 5) == AppendResult(duplicates=1)
    assert home.store.append(BARS, bars([T0 + 1, T0 + 2]), 0) == AppendResult(rows=1, duplicates=1)
    assert len(home.store.read(BARS, 0, EVER)) == 3


def test_records_without_ids_keep_their_order(home: Home) -> None:
    """Equal quotes of a venue without ids are all kept, and ties stay as they came through sealing and merging."""
    for first in (1, 4):
        batch = ticks([first, first + 1, first + 2], series=QUOTES, stamps=[T0 + 1, T0, T0 + 1])
        home.store.append(QUOTES, batch, 0)
        home.store.append(QUOTES, batch[:1], 0)
        home.store.compress(DAY + 1)
    assert prices(home.store.read(QUOTES, 0, EVER)) == [2, 5, 1, 3, 1, 4, 6, 4]
    assert home.names(QUOTES) == [SEALED]


def test_ids_that_begin_after_sealing_are_kept(home: Home) -> None:
    """A day sealed without ids is left as it is when records with ids come late: one header cannot say both."""
    home.store.append(TRADES, ticks([0, 0]), 0)
    home.store.compress(DAY + 1)
    late = [2**32 + 5, 2**32 + 6]
    home.store.append(TRADES, ticks(late), late[-1])
    assert home.store.compress(DAY + 1) == []
    assert home.names() == [PLAIN, SEALED]
    assert home.store.read_numbered(TRADES, 0, EVER).ids.tolist() == [0, 0, *late]
    assert home.reopen().append(TRADES, ticks(late), late[-1]) == AppendResult(duplicates=2)


class Cut(BaseException):
    """The process is gone: nothing of ours may catch it."""


def _dying(target: object, name: str, *, on: int = 1, after: bool = False) -> Callable[[pytest.MonkeyPatch], None]:
    # Makes the call number `on` of a function the last thing that happens, before or after it is done.
    def install(patch: pytest.MonkeyPatch) -> None:
        original, calls = getattr(target, name), iter(range(1, 1000))

        def dying(*arguments: object, **options: object) -> object:
            last = next(calls) == on
            if last and not after:
                raise Cut
            result = original(*arguments, **options)
            if last:
                raise Cut
            return result

        patch.setattr(target, name, dying)

    return install


CUTS = {
    "before the seal is written": _dying(sealing, "write_seal"),
    "while the seal is synced": _dying(os, "fdatasync", on=1),
    "after the seal is written": _dying(sealing, "write_seal", after=True),
    "before it gets its name": _dying(Path, "replace"),
    "after it has its name": _dying(Path, "replace", after=True),
    "before the names are synced": _dying(sealing, "sync_folder"),
    "after the names are synced": _dying(sealing, "sync_folder", after=True),
    "before the last sync": _dying(sealing, "sync_folder", on=2),
    "before the catalogue knows": _dying(SeriesLogs, "save"),
}


@pytest.mark.parametrize("late", [False, True], ids=["first seal", "merging"])
@pytest.mark.parametrize("step", CUTS)
def test_sealing_may_be_cut_short_anywhere(home: Home, step: str, late: bool) -> None:
    """Whatever step was the last, readers and the next store find each record once, and sealing can go on."""
    home.store.append(TRADES, ticks([1, 3, 5], stamps=[T0 + 1, T0 + 3, T0 + 5]), 5)
    home.store.append(QUOTES, ticks([0, 0], series=QUOTES, stamps=[T0, T0]), 0)
    if late:
        home.store.compress(DAY + 1)
        home.store.append(TRADES, ticks([2, 4], stamps=[T0 + 2, T0 + 4]), 4)
        home.store.append(QUOTES, ticks([0], series=QUOTES, stamps=[T0]), 0)
    home.store.sync()
    trades = prices(home.store.read(TRADES, 0, EVER))
    quotes = home.store.read(QUOTES, 0, EVER).tobytes()
    with pytest.MonkeyPatch.context() as patch:
        CUTS[step](patch)
        with pytest.raises(Cut):
            home.store.compress(DAY + 1)
    for store in (EmbeddedHistory(home.ticks), home.reopen(orderly=False)):
        assert prices(store.read(TRADES, 0, EVER)) == trades
        assert store.read(QUOTES, 0, EVER).tobytes() == quotes
    assert sum(stats.rows for stats in home.store.stats()) == len(trades) + len(quotes) // 80
    assert home.store.repairs == []
    assert not [name for name in home.names() if name.endswith(".part")]
    assert home.store.append(TRADES, ticks([1, 2, 3, 4]), 3).rows == (0 if late else 2)
    home.store.compress(DAY + 1)
    assert (home.names(), home.names(QUOTES)) == ([SEALED], [SEALED])
    assert home.store.read(QUOTES, 0, EVER).tobytes() == quotes
    assert list(verify_directory(home.ticks, home.catalogue)) == []


@pytest.mark.parametrize("name", ["unlink", "replace"])
def test_a_disk_that_refuses_while_sealing(home: Home, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """When a file cannot be renamed or removed the error says so; storing, reading and counting go on rightly."""
    home.store.append(TRADES, ticks([1, 2]), 2)

    def refused(path: Path, *_arguments: object, **_options: object) -> None:
        raise OSError(errno.EIO, "input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, name, refused)
        with pytest.raises(TransientError, match="input/output error"):
            home.store.compress(DAY + 1)
    assert home.store.stats()[0].rows == 2
    assert home.store.append(TRADES, ticks([2, 3]), 3) == AppendResult(rows=1, duplicates=1)
    assert prices(home.store.read(TRADES, 0, EVER)) == [1, 2, 3]
    assert prices(home.reopen().read(TRADES, 0, EVER)) == [1, 2, 3]
    home.store.compress(DAY + 1)
    assert prices(home.store.read(TRADES, 0, EVER)) == [1, 2, 3]


def test_a_full_disk_leaves_the_plain_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is no room for the seal nothing changes, and what was begun of it is removed."""
    home.store.append(TRADES, ticks([1, 2]), 2)

    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    home.store.sync()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(ConsoleError, match="make room"):
            home.store.compress(DAY + 1)
    assert home.names() == [PLAIN]


def test_a_seal_that_reads_back_wrong_is_not_used(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain file stays until the seal was read back and is the same."""
    home.store.append(TRADES, ticks([1, 2]), 2)
    from core.store import sealed

    read = sealed.read_seal
    monkeypatch.setattr(sealed, "read_seal", lambda *place: (read(*place)[0], read(*place)[1][::-1].copy()))
    with pytest.raises(PermanentError, match="read back"):
        home.store.compress(DAY + 1)
    assert home.names() == [PLAIN]


def test_appending_while_sealing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends go on while a seal is written; a day that changed meanwhile is sealed with what came."""
    home.store.append(TRADES, ticks([1, 2]), 2)
    write, more = write_seal, [ticks([3]), ticks([9], stamps=[T0 + DAY_NS])]

    def slow(*arguments: object, **options: object) -> object:
        thread = threading.Thread(
            target=lambda: [home.store.append(TRADES, batch, int(batch["sequence"][0])) for batch in more]
        )
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
        return write(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sealing, "write_seal", slow)
    seen: list[tuple[int, int, bool]] = []
    [result] = home.store.compress(DAY + 1, lambda done, total, found: seen.append((done, total, found is not None)))
    assert (result.rows, seen) == (3, [(1, 1, True)])
    assert home.names() == [SEALED, "2025-11-23.dbn"]
    assert prices(home.store.read(TRADES, 0, EVER)) == [1, 2, 3, 9]


def test_a_day_that_never_rests_is_left(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day to which records come whenever it is sealed stays plain until the next time."""
    home.store.append(TRADES, ticks([1]), 1)
    write, ids = write_seal, iter(range(2, 100))

    def slow(*arguments: object, **options: object) -> object:
        number = next(ids)
        home.store.append(TRADES, ticks([number]), number)
        return write(*arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(sealing, "write_seal", slow)
        assert home.store.compress(DAY + 1) == []
    assert home.names() == [PLAIN]
    assert len(home.store.compress(DAY + 1)) == 1


def test_closing_while_sealing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is closed while it seals refuses to go on, and the day stays as it was."""
    home.store.append(TRADES, ticks([1]), 1)
    write = write_seal

    def closing(*arguments: object, **options: object) -> object:
        home.store.close()
        return write(*arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(sealing, "write_seal", closing)
        with pytest.raises(PermanentError, match="closed"):
            home.store.compress(DAY + 1)
    assert home.names() == [PLAIN]


def test_reading_while_it_is_sealed(home: Home) -> None:
    """A reader in another thread sees each record exactly once at every moment of sealing and merging."""
    stop, wrong = threading.Event(), []
    history = EmbeddedHistory(home.ticks)
    stored = [0]
    home.store.append(TRADES, ticks([1]), 1)
    stored[0] = 1

    def look() -> None:
        while not stop.is_set():
            least = stored[0]
            found = prices(history.read(TRADES, 0, EVER))
            if found != list(range(1, len(found) + 1)) or len(found) < least:
                wrong.append((least, found))

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(2, 80):
        home.store.append(TRADES, ticks([number]), number)
        stored[0] = number
        if number % 2:
            home.store.compress(DAY + 1)
    stop.set()
    thread.join(20)
    assert wrong == []


def damage(kind: str, raw: bytes) -> bytes:
    """A sealed file that something happened to."""
    changes = {
        "empty": b"", "garbage": b"no zstd at all" * 9, "cut short": raw[: len(raw) // 2],
        "checksum gone": raw[:-3], "checksum wrong": raw[:-1] + bytes([raw[-1] ^ 1]),
        "followed by something": raw + b"more", "a bit turned": raw[:60] + bytes([raw[60] ^ 4]) + raw[61:],
        "twice": raw + raw,
    }  # fmt: skip
    return changes[kind]


DAMAGES = (
    "empty", "garbage", "cut short", "checksum gone", "checksum wrong", "followed by something", "a bit turned",
    "twice",
)  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_seal_is_never_wrong_rows(home: Home, kind: str) -> None:
    """Reading names the damaged file; the next store puts it aside, says so, and stores what comes again."""
    home.store.append(TRADES, ticks(range(1, 500)), 499)
    home.store.compress(DAY + 1)
    path = home.folder() / SEALED
    path.write_bytes(damage(kind, path.read_bytes()))
    with pytest.raises(PermanentError, match=str(path)):
        EmbeddedHistory(home.ticks).read(TRADES, 0, EVER)
    assert "damaged" in [finding.code for finding in verify_directory(home.ticks, home.catalogue)]
    if kind in {"a bit turned", "checksum wrong"}:  # of the size that the catalogue knows: found when it is needed
        assert home.reopen().repairs == []
        assert home.store.append(TRADES, ticks([1]), 1).rows == 1
    else:
        home.reopen()
    assert [SEALED + ".damaged-1" in repair for repair in home.store.repairs] == [True]
    assert home.store.append(TRADES, ticks(range(1, 500)), 499).rows >= 498
    assert home.store.stats()[0].rows == 499


def test_one_bad_day_does_not_keep_others_from_being_sealed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal that was damaged is put aside when late records are to be merged into it; a day that cannot be sealed is
    told after all others are."""
    for day in range(3):
        home.store.append(TRADES, ticks([day + 1], stamps=[T0 + day * DAY_NS]), day + 1)
    home.store.compress(DAY + 1)
    home.store.append(TRADES, ticks([0], stamps=[T0 + 1]), 4)
    path = home.folder() / SEALED
    path.write_bytes(damage("a bit turned", path.read_bytes()))

    def refusing(target: Path, *arguments: object, **options: object) -> object:
        if "11-23" in target.name:
            raise PermanentError("sealing", "not this one")
        return write_seal(target, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sealing, "write_seal", refusing)
    with pytest.raises(PermanentError, match="not this one"):
        home.store.compress(DAY + 3)
    assert home.names() == [SEALED, f"{SEALED}.damaged-1", "2025-11-23.dbn", "2025-11-24.dbn.zst"]
    assert [f"{SEALED}.damaged-1" in repair for repair in home.store.repairs] == [True]
    assert home.store.stats()[0].rows == len(home.store.read(TRADES, 0, EVER)) == 3


def test_foreign_and_hostile_seals(home: Home) -> None:
    """A compressed file that no store of this program sealed, or that promises absurd lengths, is refused."""
    import zstandard

    home.store.append(TRADES, ticks([1]), 1)
    plain = (home.folder() / PLAIN).read_bytes()
    path = home.folder() / "2025-11-21.dbn.zst"
    hostile = zstandard.ZstdCompressor(write_checksum=True).compress(bytes(100))
    for content in (
        zstandard.ZstdCompressor(write_checksum=True).compress(plain),
        zstandard.ZstdCompressor(write_checksum=True).compress(b"DBN\x03\xff\xff\xff\x7f" + bytes(500)),
        zstandard.ZstdCompressor(write_checksum=False).compress(plain),
        hostile[:4] + bytes([hostile[4] | 0xC0]) + b"\xff" * 8 + hostile[6:],
    ):
        path.write_bytes(content)
        with pytest.raises(PermanentError, match="damaged segment"):
            home.store.read(TRADES, 0, EVER)


def test_what_a_seal_does_not_hold_is_kept(home: Home) -> None:
    """A plain file that was put back beside its seal is dropped, but for records that the seal never had."""
    home.store.append(TRADES, ticks([1, 2]), 2)
    home.store.sync()
    before = (home.folder() / PLAIN).read_bytes()
    home.store.compress(DAY + 1)
    for extra in (b"", ticks([3]).tobytes()):
        (home.folder() / PLAIN).write_bytes(before + extra)
        home.reopen()
        assert prices(home.store.read(TRADES, 0, EVER)) == ([1, 2, 3] if extra else [1, 2])
        assert home.names() == ([PLAIN, SEALED] if extra else [SEALED])
        assert [("does not hold" in repair) for repair in home.store.repairs] == ([True] if extra else [])
        assert home.store.stats()[0].rows == (3 if extra else 2)


def test_decompressed_days_are_kept_within_bounds(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day is decompressed once for many reads, and no more is kept than was allowed."""
    from core.store import sealed

    for day in range(4):
        home.store.append(TRADES, ticks(range(day * 100 + 1, day * 100 + 101), stamps=[T0 + day * DAY_NS] * 100), 1)
    home.store.compress(DAY + 4)
    history = EmbeddedHistory(home.ticks, kept_bytes=2 * 4800)
    opened: list[Path] = []
    read = sealed.read_seal

    def counted(path: Path, series: SeriesKey) -> object:
        opened.append(path)
        return read(path, series)

    monkeypatch.setattr(sealed, "read_seal", counted)
    for _ in range(5):
        history.read(TRADES, T0, T0 + 10)
    assert len(opened) == 1
    for _ in range(2):
        assert prices(history.read(TRADES, 0, EVER)) == list(range(1, 401))
        assert history._reader.sealed.kept_bytes <= 2 * 4800
    tiny = EmbeddedHistory(home.ticks, kept_bytes=10)
    assert len(tiny.read(TRADES, 0, EVER)) == 400
    assert tiny._reader.sealed.kept_bytes == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_sealing_at_any_time_changes_nothing(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """However appends, sealing and restarts follow each other, what is read is each id once, in order."""
    home = Home(tmp_path_factory.mktemp("any"))
    base = data.draw(st.sampled_from([1, 2**32 - 20]))
    stored: set[int] = set()
    for _ in range(data.draw(st.integers(1, 8))):
        ids = [base + offset for offset in data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=20))]
        batch = ticks(ids, stamps=[T0 + (number - base) // 4 * (DAY_NS // 5) for number in ids])
        assert home.store.append(TRADES, batch, ids[-1]).rows == len(set(ids) - stored)
        stored |= set(ids)
        act = data.draw(st.sampled_from(["", "seal", "seal", "reopen"]))
        if act == "seal":
            home.store.compress(DAY + data.draw(st.integers(0, 3)))
        elif act == "reopen":
            home.reopen()
        assert home.store.read_numbered(TRADES, 0, EVER).ids.tolist() == sorted(stored)
        assert home.store.stats()[0].rows == len(stored)
    findings = verify_directory(home.ticks, None)
    assert {finding.code for finding in findings} <= {"id_gap"}
    home.close()
