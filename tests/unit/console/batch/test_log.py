"""`log`: what engines logged, from the files, in every form."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.paths import find_paths
from console.__main__ import main
from console.logbook.entry import Entry, json_line, text_line
from console.logbook.file import LogFile
from core.clock import NS_PER_S, wall_ns

HOUR_NS = 3600 * NS_PER_S


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a log of several files: a line an hour for six hours, of two engines, one of them with a child."""
    monkeypatch.setenv("RINGSIDE_HOME", str(tmp_path))
    log = LogFile(find_paths().logs, max_bytes=300, files=10, told=pytest.fail)
    who = ("alpha", "alpha.kraken", "beta")
    levels = ("debug", "info", "warning", "error")
    for number in range(6):
        entry = Entry(
            ts_ns=wall_ns() - (6 - number) * HOUR_NS + 60 * NS_PER_S, level=levels[number % 4],
            logger="ringside.feed", text=f"line {number}, of feed {number % 2}", pid=number, instance=who[number % 3],
            trace="Traceback\n  here" if number == 3 else "",
        )  # fmt: skip
        log.write(json_line(entry) if number % 2 else text_line(entry))
    log.close()
    return tmp_path


def _told(capsys: pytest.CaptureFixture[str], *options: str) -> list[int]:
    assert main(["--batch", "log", *options, "--format", "ndjson"]) == 0
    return [int(json.loads(line)["text"][5]) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ([], [0, 1, 2, 3, 4, 5]),
        (["alpha"], [0, 1, 3, 4]),
        (["alpha.kraken"], [1, 4]),
        (["--level", "warning"], [2, 3]),
        (["--match", "feed 1$"], [1, 3, 5]),
        (["--match", "!FEED 1"], [0, 2, 4]),
        (["--since", "2h"], [4, 5]),
        (["--since", "150m"], [4, 5]),
        (["--since", "2h30m"], [4, 5]),
        (["--limit", "2"], [4, 5]),
        (["beta", "--since", "1d", "--level", "error", "--match", "5"], []),
    ],
)
def test_what_is_asked_for_is_told(
    capsys: pytest.CaptureFixture[str], options: list[str], numbers: list[int]
) -> None:
    """By instance with its processes, level, expression, time and number, from all files and both ways of writing."""
    assert _told(capsys, *options) == numbers


@pytest.mark.usefixtures("home")
def test_every_form_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """A table that reads as the log does, one object, an object a line, and CSV."""
    assert main(["--batch", "log"]) == 0
    table = capsys.readouterr().out
    assert "    | Traceback\n    |   here\n" in table
    assert table.count("\n") == 8
    assert main(["--batch", "log", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema_version"] == 1
    assert len(found["rows"]) == 6
    assert found["rows"][3]["trace"] == "Traceback\n  here"
    assert main(["--batch", "log", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["instance"] for row in rows] == ["alpha", "alpha.kraken", "beta"] * 2
    assert list(rows[0]) == list(found["rows"][0])


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--match", "(a"], "missing ): (a"),
        (["--since", "yesterday"], "bad time"),
        (["--since", "99999999999d"], "bad time"),
        (["--limit", "-1"], "bad limit"),
        (["--follow", "--json"], "no end to wait for"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
    """With exit code 2 and the reason in words."""
    assert main(["--batch", "log", *options]) == 2
    told = capsys.readouterr()
    assert words in told.out + told.err


def test_no_log_is_nothing_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 4, and where one would be; one that exists and has no such line is no error."""
    monkeypatch.setenv("RINGSIDE_HOME", str(tmp_path))
    assert main(["--batch", "log"]) == 4
    assert str(tmp_path / "logs") in capsys.readouterr().err
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "ringside.log").touch()
    assert main(["--batch", "log"]) == 0
    assert main(["--batch", "log", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == []


def test_it_follows_another_process(home: Path) -> None:
    """Lines that are written after it began come out, through a rotation; ctrl+c ends it with 130."""
    process = subprocess.Popen(
        [sys.executable, "-m", "console", "--batch", "log", "--follow", "--format", "ndjson", "--limit", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "RINGSIDE_HOME": str(home)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert "line 5" in process.stdout.readline()
        log = LogFile(home / "logs", max_bytes=300, files=10, told=pytest.fail)
        for number in range(20):
            log.write(text_line(Entry(ts_ns=wall_ns(), level="info", logger="ringside.x", text=f"new {number}")))
        log.close()
        heard = [json.loads(process.stdout.readline())["text"] for _ in range(20)]
        assert heard == [f"new {number}" for number in range(20)]
    finally:
        process.send_signal(2)
    assert process.wait(20) == 130
    process.communicate()
