"""`hash-strategy`: what it prints and what it changes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.paths import find_paths
from console.__main__ import main
from core.errors import RefusedError
from strategies.approval import LIST_NAME
from strategies.catalogue import make_strategy
from tests.unit.strategies.sources import write


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, object]:
    """What the command prints as JSON; it must end with `code`."""
    assert main(["--batch", "hash-strategy", *arguments, "--json"]) == code
    printed: dict[str, object] = json.loads(capsys.readouterr().out)
    return printed


def test_a_file_is_hashed_approved_changed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each step says where the file stands; only while it is approved can a strategy be made of it."""
    path = write(tmp_path)
    listed = find_paths().configuration / LIST_NAME
    before = told(capsys, str(path))
    assert before == {
        "schema_version": 1,
        "name": "mine.py",
        "path": str(path),
        "size_bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "standing": "unknown",
    }
    assert not listed.exists()
    assert told(capsys, str(path), "--approve") == before | {"standing": "approved", "changed": True}
    assert told(capsys, str(path), "--approve")["changed"] is False
    assert make_strategy(str(path), {}, listed).sha256 == before["sha256"]
    path.write_text("# another\n", encoding="utf-8")
    assert told(capsys, str(path))["standing"] == "changed"
    assert told(capsys, str(path), "--revoke") == {"schema_version": 1, "path": str(path), "revoked": 1}
    assert told(capsys, str(path))["standing"] == "unknown"
    assert "error" in told(capsys, str(path), "--revoke", code=4)


def test_the_list_says_what_became_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files as they were, changed, gone, and no longer readable as files; each format has the same rows."""
    paths = [write(tmp_path, name=f"{name}.py") for name in ("same", "other", "gone", "folder")]
    for path in paths:
        told(capsys, str(path), "--approve")
    write(tmp_path, "#", "other.py")
    paths[2].unlink()
    paths[3].unlink()
    paths[3].mkdir()
    rows = told(capsys, "--list")["rows"]
    assert isinstance(rows, list)
    assert [(Path(row["path"]).stem, row["standing"]) for row in rows] == [
        ("same", "approved"),
        ("other", "changed"),
        ("gone", "gone"),
        ("folder", "unreadable"),
    ]
    assert main(["--batch", "hash-strategy", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    told(capsys, str(paths[2]), "--revoke")
    assert main(["--batch", "hash-strategy", "--list", "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_it_never_runs_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither hashing nor approving carries out a line of it."""
    path = write(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    told(capsys, str(path), "--approve")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("arguments", [[], ["--approve"], ["a.py", "--list"]])
def test_a_file_or_the_list(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One of both must be asked for, and not both."""
    assert "error" in told(capsys, *arguments, code=2)


def test_errors_are_told_with_their_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No such file is 4, a folder 1, a list that others can write 8."""
    told(capsys, str(tmp_path / "none.py"), code=4)
    told(capsys, str(tmp_path), code=1)
    path = write(tmp_path)
    told(capsys, str(path), "--approve")
    (find_paths().configuration / LIST_NAME).chmod(0o666)
    told(capsys, str(path), "--approve", code=8)
    told(capsys, str(path), code=8)


def test_the_hint_of_a_refusal_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command in it, run by a shell, approves the file."""
    path = write(tmp_path, name="it's mine.py")
    listed = find_paths().configuration / LIST_NAME
    with pytest.raises(RefusedError) as refused:
        make_strategy(str(path), {}, listed)
    command = refused.value.hint.partition(": ")[2]
    (tmp_path / "ringside").write_text(f'#!/bin/sh\nexec {sys.executable} -m console "$@"\n', encoding="utf-8")
    (tmp_path / "ringside").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=60)
    assert make_strategy(str(path), {}, listed).strategy.name == "always"
