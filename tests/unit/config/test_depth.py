"""Settings that are nested too deeply are told as such, before they cost time and memory; and much of what is right
takes time in proportion to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from config.document import parsed
from config.load import examine
from config.locate import MAX_DEPTH, TooDeepError, locate, read_key
from config.places import read_place
from config.reading import Word

ROOT = Path(__file__).resolve().parents[3]


def dotted(parts: int) -> str:
    """A key of so many parts."""
    return ".".join(["a"] * parts)


DEEP = {
    "a key": f"{dotted(16_000)} = 1\n",
    "a key with quotes and blanks": " . ".join(['"a.b"'] * 2_000) + " = 1\n",
    "a header": f"[{dotted(2_000)}]\n",
    "a header of several": f"[[{dotted(2_000)}]]\n",
    "a key in an inline table": "a = {" + dotted(16_000) + " = 1}\n",
    "inline tables": "a = " + "{a = " * 329 + "1" + "}" * 329 + "\n",
    "lists": "a = " + "[" * 2_000 + "]" * 2_000 + "\n",
    "lists without an end": "a = " + "[" * 100_000,
    "tables and keys together": f"[{dotted(20)}]\n{dotted(20)} = 1\n",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_is_too_deep_is_one_mistake_on_its_line(tmp_path: Path, text: str) -> None:
    """Also in a file that others may read, which is searched for secrets; and nothing of it is parsed."""
    path = tmp_path / "config.toml"
    path.write_text(f"# about us\n{text}", encoding="utf-8")
    path.chmod(0o644)
    (problem,) = examine(path, environment={}).problems
    assert problem.message == "is nested too deeply"
    assert problem.origin.line in (2, 3)


def test_the_deepest_there_may_be_is_parsed() -> None:
    """Points in texts, numbers and comments count for nothing."""
    text = f'{dotted(MAX_DEPTH)} = 1\nb = "{dotted(99)}" # {dotted(99)}\n"{dotted(99)}" = 1.5\n'
    tree, positions = parsed(text)
    assert tree["b"] == dotted(99)
    assert ("a",) * MAX_DEPTH in positions
    with pytest.raises(TooDeepError):
        parsed(f"{dotted(MAX_DEPTH + 1)} = 1")


def test_a_file_that_is_no_toml_is_still_told_as_such(tmp_path: Path) -> None:
    """What stands behind a key that is none is not looked at, however deep."""
    path = tmp_path / "config.toml"
    path.write_text(f"a\n{DEEP['a key']}", encoding="utf-8")
    (problem,) = examine(path, environment={}).problems
    assert problem.message.startswith("no TOML")
    assert locate('a = 1\n"\\q" = 2\nb = 3\n').keys() == {("a",)}
    assert locate("a = 1\nb\nc = 3\n").keys() == {("a",), ("b",)}


def test_places_that_are_typed_are_bounded() -> None:
    """On the command line and in the environment, in the name and in the value."""
    for text in (dotted(2_000), "a" + "[1]" * 2_000, "a[1]." * 2_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            read_place(text)
    with pytest.raises(TooDeepError):
        read_key(dotted(2_000))
    (problem,) = examine(None, environment={}, assigned=(f"{dotted(1_500)}=1",)).problems
    assert problem.message == "must be as SECTION.KEY=VALUE"
    variable = "RINGSIDE__" + "__".join(["A"] * 10_000)
    (problem,) = examine(None, environment={variable: "1"}).problems
    assert problem.message == "is nested too deeply"
    assert len(str(problem)) < 200
    value = f"{{{dotted(16_000)} = 1}}"
    assert Word(value).meant(object) == value


def test_many_tables_are_joined_in_time(tmp_path: Path) -> None:
    """Twenty thousand rules in the file and in that of the mode beside it: to look at all for each takes minutes."""
    for name in ("config.toml", "test.toml"):
        text = "".join(f"[alerting.rules.r{number}]\nabove = 1\n" for number in range(20_000))
        (tmp_path / name).write_text(text, encoding="utf-8")
    code = (
        "import sys, pathlib; from config.load import examine;"
        "found = examine(pathlib.Path(sys.argv[1]), environment={'RUN_MODE': 'test'});"
        "print(len(found.settings.alerting.rules), found.origins['alerting', 'rules', 'r7', 'above'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "config.toml")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=50,
    )
    assert done.stdout == f"20000 {tmp_path / 'test.toml'}:16\n"
