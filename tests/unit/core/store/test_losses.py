"""Damaged files that were put aside: how many records are lost with them, and when that is over."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.store.repository import DAMAGED_FILE, Gap
from core.store.verify import Finding, verify_directory
from tests.conformance.ticks import DAY_NS, QUOTES, T0, TRADES, prices, ticks
from tests.unit.core.store.sealed_days import DAY, EVER, Home

PLAIN = "2025-11-22.dbn"
SEALED = "2025-11-22.dbn.zst"
LOST = Gap(series=QUOTES, start_ns=T0 + 10, end_ns=T0 + 110, rows=100, cause=DAMAGED_FILE)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A store with a sealed day of 100 quotes."""
    made = Home(tmp_path)
    made.store.append(QUOTES, ticks(range(100), series=QUOTES, stamps=list(range(T0 + 10, T0 + 110))), 0)
    made.store.compress(DAY + 1)
    yield made
    made.close()


def turn_a_bit(path: Path) -> None:
    """Damage a file so that nothing but reading all of it shows that."""
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 4
    path.write_bytes(content)


def kept(home: Home) -> list[tuple[str, int]]:
    """What verifying says of files that were put aside, and of nothing else."""
    found = list(verify_directory(home.ticks, home.catalogue))
    assert {finding.code for finding in found} <= {"damaged_kept"}
    return [(finding.severity, finding.count) for finding in found]


def store_late(home: Home) -> None:
    """Two quotes of the sealed day, one of the time of the others."""
    home.store.append(QUOTES, ticks([500, 501], series=QUOTES, stamps=[T0 + 20, T0 + 900]), 0)
    home.store.sync()


def lose(home: Home, *, beside: bool = False) -> None:
    """Damage the seal, perhaps with records that came late beside it, and let the store find that."""
    if beside:
        store_late(home)
    turn_a_bit(home.folder(QUOTES) / SEALED)
    assert [finding.code for finding in verify_directory(home.ticks, home.catalogue)] == ["damaged"]
    if not beside:
        home.store.append(QUOTES, ticks([9], series=QUOTES, stamps=[T0 + 900]), 0)
    home.store.compress(DAY + 1)
    assert home.names(QUOTES)[-1] == f"{SEALED}.damaged-1"


@pytest.mark.parametrize("beside", [False, True])
def test_what_was_lost_with_a_file_stays_an_error(home: Home, beside: bool) -> None:
    """Whatever is written or sealed after it, verifying says how many records are not stored; so does a gap."""
    lose(home, beside=beside)
    assert kept(home) == [("error", 100)]
    assert home.catalogue.gaps() == [LOST]
    [told] = home.store.repairs
    assert "put aside as" in told
    assert "100 records cannot be read" in told
    for orderly in (True, False):
        home.reopen(orderly=orderly)
        home.store.compress(DAY + 1)
        assert kept(home) == [("error", 100)]
    assert home.store.repairs == []
    assert home.catalogue.gaps() == [LOST]


def test_without_a_catalogue_the_header_says_what_was_lost(home: Home) -> None:
    """A damaged seal whose catalogue is gone still tells how many records it held; one without a header does not."""
    lose(home)
    home.close()
    (home.path / "catalogue.sqlite3").unlink()
    aside = home.folder(QUOTES) / f"{SEALED}.damaged-1"
    for severities in (["error"], ["warning"]):
        found = list(verify_directory(home.ticks, None))
        assert [finding.severity for finding in found if finding.code == "damaged_kept"] == severities
        aside.write_bytes(b"nothing that tells")


def test_it_is_over_when_the_records_are_back(home: Home) -> None:
    """Once the lost records are stored again the file is a warning; without it nothing is said, no gap is left."""
    lose(home)
    home.store.append(QUOTES, ticks(range(60), series=QUOTES, stamps=list(range(T0 + 10, T0 + 70))), 0)
    assert kept(home) == [("error", 40)]
    home.store.append(QUOTES, ticks(range(40), series=QUOTES, stamps=list(range(T0 + 70, T0 + 110))), 0)
    home.store.sync()
    assert kept(home) == [("warning", 1)]
    (home.folder(QUOTES) / f"{SEALED}.damaged-1").unlink()
    assert kept(home) == []
    home.reopen()
    assert home.catalogue.gaps() == []
    assert home.catalogue.put_aside(home.ticks) == {}


def test_it_is_over_when_the_file_is_restored(home: Home, tmp_path: Path) -> None:
    """A copy of the file that is put back under its name is read as before."""
    shutil.copy(home.folder(QUOTES) / SEALED, tmp_path / "copy")
    content = (home.folder(QUOTES) / SEALED).read_bytes()
    (home.folder(QUOTES) / SEALED).write_bytes(content[:-3])
    home.reopen()
    assert kept(home) == [("error", 100)]
    home.store.close()
    (home.folder(QUOTES) / f"{SEALED}.damaged-1").unlink()
    shutil.copy(tmp_path / "copy", home.folder(QUOTES) / SEALED)
    home.reopen()
    assert kept(home) == []
    assert home.catalogue.gaps() == []
    assert len(home.store.read(QUOTES, 0, EVER)) == 100


def test_a_file_removed_by_hand_leaves_its_gap(home: Home) -> None:
    """Who removes the damaged file has settled it for verifying; that the records are missing stays known."""
    lose(home)
    (home.folder(QUOTES) / f"{SEALED}.damaged-1").unlink()
    home.reopen()
    assert kept(home) == []
    assert home.catalogue.gaps() == [LOST]


def test_a_writer_that_died_before_it_said_so(home: Home) -> None:
    """What was put aside and not written down, because the writer was killed, is written down by the next."""
    seal = home.folder(QUOTES) / SEALED
    home.store.close()
    turn_a_bit(seal)
    seal.rename(seal.with_name(f"{SEALED}.damaged-1"))
    home.reopen(orderly=False)
    assert home.catalogue.gaps() == [LOST]
    assert kept(home) == [("error", 100)]


def test_a_plain_file_loses_what_the_catalogue_knew(home: Home) -> None:
    """Records cut off the end or overwritten in the middle are a gap; what was never written down is none."""
    trades = home.folder(TRADES) / PLAIN
    home.store.append(TRADES, ticks(range(1, 11), stamps=list(range(T0 + 1, T0 + 11))), 10)
    home.store.close()
    whole = trades.read_bytes()
    trades.write_bytes(whole + bytes(96))
    home.reopen()
    assert home.catalogue.gaps() == []
    home.store.close()
    trades.write_bytes(whole[:-48] + b"torn")
    home.reopen()
    lost = Gap(series=TRADES, start_ns=T0 + 1, end_ns=T0 + 11, rows=1, cause=DAMAGED_FILE)
    assert home.catalogue.gaps() == [lost]
    assert "1 records cannot be read" in home.store.repairs[0]
    home.store.append(TRADES, ticks([10], stamps=[T0 + 10]), 10)
    home.store.close()
    trades.write_bytes(whole[:-200] + b"\xff" * 60 + whole[-140:] + b"torn")
    home.reopen()
    [finding] = [found for found in verify_directory(home.ticks, home.catalogue) if found.code == "damaged_kept"]
    assert (finding.severity, finding.count, finding.day) == ("error", 2, DAY)
    assert "2 of the 2 records" in finding.message


def test_new_records_of_a_day_are_not_taken_for_lost_ones(home: Home) -> None:
    """A day whose file lost its header goes on, and what comes after is none of what was lost."""
    home.store.append(TRADES, ticks([1, 2], stamps=[T0 + 1, T0 + 2]), 2)
    home.store.close()
    (home.folder(TRADES) / PLAIN).write_bytes(b"no header")
    home.reopen()
    home.store.append(TRADES, ticks([3, 4, 5], stamps=[T0 + 3, T0 + 4, T0 + DAY_NS]), 5)
    assert prices(home.store.read(TRADES, 0, EVER)) == [3, 4, 5]
    assert kept(home) == [("error", 2)]


def test_a_finding_says_when_the_records_were(home: Home) -> None:
    """The finding names the file, the day, and the first and the last instant of what is lost."""
    lose(home)
    found: list[Finding] = list(verify_directory(home.ticks, home.catalogue))
    assert [(one.day, one.start_ns, one.end_ns) for one in found] == [(DAY, T0 + 10, T0 + 110)]
    assert f"{SEALED}.damaged-1 was put aside" in found[0].message
