"""`doctor` as a command: what it prints, how it ends, what it mends and what not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.paths import find_paths
from tests.unit.console.batch.running import Console
from tests.unit.console.doctor.test_checks import killed_ring


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """Runs commands."""
    return Console(capsys)


def test_everything_is_told(console: Console) -> None:
    """A machine that can run it ends with 0, one row a check, the same in every form."""
    done = console("doctor", "--json")
    assert done.code == 0, done.out
    names = [row["check"] for row in done.json["rows"]]
    assert names[:2] == ["terminal", "python"]
    assert "versions" not in names
    text = console("doctor", "--only", ",".join(names))
    assert [line.split()[2] for line in text.out.splitlines() if line[:1].strip() and ":" not in line[:12]][
        :2
    ] == names[:2]


def test_only_some_and_a_list(console: Console) -> None:
    """Checks are chosen by name; one that is not there is a mistake; the list has them all."""
    assert [row["check"] for row in console("doctor", "--only", "python,disk", "--json").json["rows"]] == [
        "python",
        "disk",
    ]
    assert console("doctor", "--only", "nothing").code == 2
    assert "leftovers" in [row["check"] for row in console("doctor", "--list", "--json").json["rows"]]
    assert "attrs" in console("doctor", "--only", "versions").out


def test_bad_settings_end_with_3(console: Console) -> None:
    """What is wrong in the file is told, and all other checks as well."""
    file = find_paths().configuration_file
    file.parent.mkdir(parents=True)
    file.write_text("[engine\n")
    done = console("doctor", "--json")
    assert done.code == 3
    assert len(done.json["rows"]) > 10


def test_a_server_that_is_away_ends_with_7(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer is no fault of the machine."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:marksecret@127.0.0.1:1/d")
    done = console("doctor", "--only", "database")
    assert done.code == 7
    assert "marksecret" not in done.out + done.err


def test_nothing_is_mended_unless_somebody_agrees(console: Console) -> None:
    """Without a yes it is refused and says what it would do; with one it does it and says so; then it is well."""
    ring = killed_ring(Path(os.environ["RINGSIDE_SHM"]))
    refused = console("doctor", "--fix", "--only", "leftovers")
    assert refused.code == 8
    assert ring.name in refused.err
    assert ring.exists()
    done = console("doctor", "--fix", "--yes", "--only", "leftovers", "--json")
    assert done.code == 0
    assert f"removed {ring.name}" in done.err
    assert not ring.exists()
    assert "nothing to mend" in console("doctor", "--fix", "--yes", "--only", "leftovers").err
    assert console("doctor", "--yes").code == 2
