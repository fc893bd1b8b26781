"""What of a distribution goes into the single file, and that it is what was installed."""

from __future__ import annotations

from importlib.metadata import Distribution, PathDistribution
from pathlib import Path, PurePosixPath

import pytest

from onefile.build import ROOT
from onefile.closure import BuildError
from onefile.project import read_project
from onefile.staging import is_needed, stage


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("trio/_core/_run.py", True),
        ("trio/_core/_tests/test_run.py", False),
        ("trio/testing/_trio_test.py", True),
        ("numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so", True),
        ("numpy/__init__.pyi", False),
        ("numpy/_core/include/numpy/arrayobject.h", False),
        ("numpy/f2py/__init__.py", False),
        ("zstandard/_cffi.cpython-311-x86_64-linux-gnu.so", False),
        ("zstandard/backend_c.cpython-311-x86_64-linux-gnu.so", True),
        ("../../bin/httpx", False),
        ("bin/httpx", False),
        ("trio/__pycache__/_util.cpython-311.pyc", False),
        ("trio-0.35.0.dist-info/METADATA", True),
        ("trio-0.35.0.dist-info/licenses/LICENSE.MIT", True),
        ("trio-0.35.0.dist-info/RECORD", False),
        ("distutils-precedence.pth", False),
    ],
)
def test_what_is_looked_at_at_run_time_is_taken(name: str, expected: bool) -> None:
    """No tests, headers, stubs and commands; every licence."""
    assert is_needed(PurePosixPath(name)) is expected


def installed(site: Path, name: str, files: dict[str, str], tag: str = "py3-none-any") -> Distribution:
    """A distribution whose files are these, with their hashes as given."""
    information = site / f"{name}-1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (information / "WHEEL").write_text(f"Tag: {tag}\n")
    listed = [f"{file},{hashed},\n" for file, hashed in files.items()] + [f"{information.name}/WHEEL,,\n"]
    (information / "RECORD").write_text("".join(listed))
    for file in files:
        (site / file).write_text("print(1)\n")
    return PathDistribution(information)


GOOD = "sha256=zEIVUIj8pXMHWNtysqW8ozESqUHfqi1DCY7EIs5OohM"


def test_what_was_changed_after_it_was_installed_is_refused(tmp_path: Path) -> None:
    """A file that is not what its distribution says is named; the file could not be what its versions say."""
    found = installed(tmp_path / "from", "one", {"one.py": "sha256=AAAA"})
    with pytest.raises(BuildError, match=r"one was changed after it was installed: one\.py"):
        stage(read_project(ROOT), {"one": found}, tmp_path / "site")


def test_two_that_bring_the_same_file_are_refused(tmp_path: Path) -> None:
    """Which of them would win is chance."""
    one = installed(tmp_path / "from", "one", {"both.py": ""})
    two = installed(tmp_path / "other", "two", {"both.py": ""})
    with pytest.raises(BuildError, match=r"two distributions bring both\.py"):
        stage(read_project(ROOT), {"one": one, "two": two}, tmp_path / "site")


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    """An installation from which something was removed is no source."""
    found = installed(tmp_path / "from", "one", {"one.py": ""})
    (tmp_path / "from" / "one.py").unlink()
    with pytest.raises(BuildError, match="one is damaged"):
        stage(read_project(ROOT), {"one": found}, tmp_path / "site")


def test_the_oldest_glibc_is_what_the_pickiest_wheel_needs(tmp_path: Path) -> None:
    """Each wheel runs with the oldest of its tags; all together with the newest of those."""
    both = "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"
    found = {
        name: installed(tmp_path / "from", name, {f"{name}.py": GOOD}, tag)
        for name, tag in (("one", both), ("two", "cp311-cp311-manylinux_2_28_x86_64"), ("three", "py3-none-any"))
    }
    assert stage(read_project(ROOT), found, tmp_path / "site") == "2.28"


def test_our_own_data_comes_along(tmp_path: Path) -> None:
    """Migrations, calendars, the look of the screens and the report, and what says which version this is."""
    site = tmp_path / "site"
    stage(read_project(ROOT), {}, site)
    names = ("sql/0001_market_data.sql", "core/model/sessions.npz", "console/tui/console.tcss")
    for name in (*names, "console/backtests/report.html"):
        assert (site / name).read_bytes() == (ROOT / name).read_bytes()
    assert {path.name for path in (site / "config").glob("*.toml")} == {
        path.name for path in (ROOT / "config").glob("*.toml")
    }
    assert len(list(site.glob("ringside-*.dist-info/METADATA"))) == 1
    assert not list(site.rglob("__pycache__"))
