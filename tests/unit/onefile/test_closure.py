"""Which distributions a list of requirements comes to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from onefile.build import ROOT
from onefile.closure import MissingError, closure
from onefile.project import read_project, requirement_name


def install(site: Path, name: str, version: str, *requires: str, listed: bool = True) -> None:
    """Make a distribution of that name in `site`."""
    information = site / f"{name}-{version}.dist-info"
    information.mkdir(parents=True)
    required = "".join(f"Requires-Dist: {one}\n" for one in requires)
    extras = "Provides-Extra: fast\n"
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{extras}{required}"
    )
    if listed:
        (information / "RECORD").write_text(f"{name}.py,,\n")


def test_what_is_needed_of_what_is_needed_comes_along(tmp_path: Path) -> None:
    """By names however they are written; what nobody needs stays away, and circles end."""
    install(tmp_path, "One", "1", "two_b >= 2", "absent; python_version < '3'")
    install(tmp_path, "two-B", "2.5", "three[fast]", "one")
    install(tmp_path, "three", "3", "four; extra == 'fast'", "absent; extra == 'slow'")
    install(tmp_path, "four", "4")
    install(tmp_path, "five", "5")
    assert list(closure(["one"], [str(tmp_path)])) == ["four", "one", "three", "two-b"]


def test_an_extra_that_is_asked_for_later_counts(tmp_path: Path) -> None:
    """A distribution that is there already is looked at again for its extra."""
    install(tmp_path, "one", "1", "two[fast]")
    install(tmp_path, "two", "1", "three; extra == 'fast'")
    install(tmp_path, "three", "1")
    assert "three" in closure(["two", "one"], [str(tmp_path)])


def test_an_older_python_may_need_more(tmp_path: Path) -> None:
    """What only early releases of it need is named when it is not there, and found when it is."""
    install(tmp_path, "one", "1", 'two>=1; python_full_version < "3.11.3"')
    lacking: list[str] = []
    assert list(closure(["one"], [str(tmp_path)], version="3.11.0", lacking=lacking)) == ["one"]
    assert lacking == ["two>=1"]
    install(tmp_path, "two", "1")
    assert list(closure(["one"], [str(tmp_path)], version="3.11.0")) == ["one", "two"]
    assert list(closure(["one"], [str(tmp_path)], version="3.11.3")) == ["one"]


@pytest.mark.parametrize(
    ("version", "listed", "said"),
    [
        ("", True, "is not installed, which one needs"),
        ("1.9", True, "installed is 1.9"),
        ("2", False, "which its files"),
    ],
)
def test_what_is_missing_old_or_unlisted_is_said(tmp_path: Path, version: str, listed: bool, said: str) -> None:
    """The error names what is needed, and by whom."""
    install(tmp_path, "one", "1", "two>=2")
    if version:
        install(tmp_path, "two", version, listed=listed)
    with pytest.raises(MissingError, match=said):
        closure(["one"], [str(tmp_path)])


def test_the_slim_one_has_what_others_use_of_databento_too() -> None:
    """Without the client go pandas, pyarrow, aiohttp and requests; the codec, numpy and zstandard stay."""
    project = read_project(ROOT)
    full, slim = closure(project.requirements, sys.path), closure(project.without_databento(), sys.path)
    assert {"databento", "pandas", "pyarrow", "aiohttp", "requests"} <= set(full) - set(slim)
    assert {"databento-dbn", "numpy", "zstandard", "textual", "psycopg-binary", "hiredis"} <= set(slim)
    assert set(slim) < set(full)


@pytest.mark.parametrize(
    ("text", "name"), [("redis[hiredis]>=6.0", "redis"), ("Tomli_W", "tomli-w"), ("a.b; x == 'y'", "a-b")]
)
def test_names_of_requirements(text: str, name: str) -> None:
    """Normalised, whatever follows."""
    assert requirement_name(text) == name
