"""The builder's command, and that it is in nobody's way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from onefile.build import ROOT


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A Python that was started with these arguments, and ended."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


def test_importing_zipapp_from_here_gives_the_standard_one() -> None:
    """Programs that are started in this folder, and pytest, find what Python brings under this name."""
    ended = run("-c", "import zipapp; print(zipapp.create_archive.__module__, zipapp.__file__)")
    name, place = ended.stdout.split()
    assert name == "zipapp"
    assert not Path(place).is_relative_to(ROOT)


def test_the_standard_one_works_from_here(tmp_path: Path) -> None:
    """An archive can be made with it."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text("print('it runs')\n")
    made = tmp_path / "app.pyz"
    code = f"import zipapp; zipapp.create_archive({str(tmp_path / 'app')!r}, {str(made)!r})"
    assert run("-c", code).returncode == 0
    assert run(str(made)).stdout == "it runs\n"


def test_help_says_what_it_can_be_told() -> None:
    """Every option, and no traceback for one that it has not."""
    said = run("zipapp.py", "--help").stdout
    assert all(option in said for option in ("--output", "--slim", "--wheels", "--fetch"))
    wrong = run("zipapp.py", "--slimmer-than")
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize("inside", [True, False])
def test_without_the_wheels_it_says_so(tmp_path: Path, inside: bool) -> None:
    """An empty folder of wheels, and one that does not exist: a sentence, exit code 1, and no file."""
    wheels = tmp_path / "wheels"
    if inside:
        wheels.mkdir()
    output = tmp_path / "out" / "ringside.pyz"
    ended = run("zipapp.py", "--slim", "--wheels", str(wheels), "--output", str(output))
    assert ended.returncode == 1
    assert ("look into the directory of wheels" if inside else "is no directory") in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not output.parent.exists()
