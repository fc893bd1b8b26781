"""House rules that a linter does not know: sizes of files, bodies and classes, and documented names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "console", "core", "providers", "ringbuf", "sql", "strategies", "onefile", "perf", "tests")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

MAX_FILE_LINES = 500
MAX_BODY_LINES = 70
MAX_METHODS = 20
GENERATED = frozenset({"providers/simulated/universe.py"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """Every source file, parsed."""
    for path in SOURCES:
        yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def test_files_are_a_screen_or_two() -> None:
    """No file is longer than the hard stop."""
    long = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.read_text(encoding="utf-8").count("\n") > MAX_FILE_LINES
        and str(path.relative_to(ROOT)) not in GENERATED
    ]
    assert long == []


def test_bodies_fit_in_the_eye() -> None:
    """No function body is longer than the hard stop, its docstring not counted."""
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, Function) and _body_lines(node) > MAX_BODY_LINES
    ]
    assert long == []


def _body_lines(node: Function) -> int:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_class_does_everything() -> None:
    """No class has more methods than the hard stop."""
    large = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and sum(isinstance(part, Function) for part in node.body) > MAX_METHODS
    ]
    assert large == []


def test_public_names_state_their_contract() -> None:
    """Every module, public class, public function and, outside tests, public method has a docstring."""
    silent = []
    for path, tree in trees():
        if path.name != "__init__.py" and not ast.get_docstring(tree):
            silent.append(str(path))
        silent += [
            f"{path}:{node.lineno} {node.name}"
            for node in _public(tree, in_tests=path.parts[0] == "tests")
            if not ast.get_docstring(node)
        ]
    assert silent == []


def _public(tree: ast.Module, *, in_tests: bool) -> Iterator[Function | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef) and not in_tests:
                yield from (
                    part for part in node.body if isinstance(part, Function) and not part.name.startswith("_")
                )


def test_nothing_is_marked_to_do_later() -> None:
    """No file promises what it does not do."""
    marks = ("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error")
    marked = [
        f"{path.relative_to(ROOT)}: {mark}"
        for path in SOURCES
        for mark in marks
        if mark in path.read_text(encoding="utf-8")
    ]
    assert marked == []


@pytest.mark.parametrize("banned", ["multiprocessing.shared_memory", "utcnow(", "time.sleep("])
def test_banned_calls_stay_out(banned: str) -> None:
    """Known traps: the resource tracker that unlinks others' segments, naive time, blocking sleeps."""
    product = [path for path in SOURCES if path.relative_to(ROOT).parts[0] not in {"tests", "perf"}]
    assert [str(path) for path in product if banned in path.read_text(encoding="utf-8")] == []


def test_every_benchmark_can_be_run_by_name() -> None:
    """Each module in `perf/` that is no part of another has a `measure` that takes no argument."""
    benchmarks = [
        path for path in (ROOT / "perf").glob("*.py") if not path.name.startswith("_") and path.name != "figures.py"
    ]
    for path in benchmarks:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "measure"]
        assert [len(node.args.args) + len(node.args.kwonlyargs) for node in found] == [0], path.name
