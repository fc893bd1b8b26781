"""Strategies from files: only what is approved runs, and what is wrong with a file is said in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import NotFoundError, PermanentError, RefusedError, UsageError
from core.strategy import BUY, Strategy
from strategies import loading
from strategies.approval import Approval, approve, read_approvals
from strategies.catalogue import LoadedStrategy, make_strategy
from strategies.fingerprint import sha256_of
from tests.unit.strategies.sources import GOOD, write, write_approved

HEAD = "from core.strategy import BUY, Strategy\n"
TINY = """
class {name}(Strategy):
    name = "{name}"
    def on_bar_data(self, bar):
        return BUY
"""


def load(folder: Path, source: str) -> LoadedStrategy:
    """The strategy of an approved file with that source."""
    path, listed = write_approved(folder, source)
    return make_strategy(str(path), {}, listed)


def test_an_approved_file_is_a_strategy(tmp_path: Path) -> None:
    """It comes with its parameters, path and hash, and can be made again with others."""
    path, listed = write_approved(tmp_path)
    loaded = make_strategy(str(path), {"size": "5"}, listed)
    assert (loaded.strategy.name, loaded.strategy.parameters) == ("always", {"size": 5})
    assert (loaded.source_path, loaded.sha256) == (path, sha256_of(path))
    path.unlink()
    again = loaded.fresh({})
    assert again is not loaded.strategy
    assert (type(again), again.parameters) == (loaded.kind, {"size": 3})
    with pytest.raises(UsageError, match="size"):
        loaded.fresh({"size": "10"})


def test_a_file_that_is_not_approved_does_not_run(tmp_path: Path) -> None:
    """Nor one that was changed by a byte; not a line of it is carried out."""
    ran = tmp_path / "ran"
    path = write(tmp_path, f"open({str(ran)!r}, 'w').close()\n{GOOD}")
    listed = tmp_path / "config" / "approved"
    with pytest.raises(RefusedError, match="not approved"):
        make_strategy(str(path), {}, listed)
    approve(listed, path, sha256_of(path))
    path.write_bytes(path.read_bytes() + b"#")
    with pytest.raises(RefusedError, match="changed since it was approved"):
        make_strategy(str(path), {}, listed)
    assert not ran.exists()
    approve(listed, path, sha256_of(path))
    make_strategy(str(path), {}, listed)
    assert ran.exists()


def test_what_runs_is_what_was_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is replaced after it was hashed still runs as the approved one: it is read once."""
    path, listed = write_approved(tmp_path)
    approved = sha256_of(path)

    def replaced_meanwhile(list_path: Path) -> tuple[Approval, ...]:
        path.write_text("raise SystemExit", encoding="utf-8")
        return read_approvals(list_path)

    monkeypatch.setattr(loading, "read_approvals", replaced_meanwhile)
    loaded = make_strategy(str(path), {}, listed)
    assert loaded.sha256 == approved != sha256_of(path)
    assert loaded.strategy.on_bar_data(None) == BUY  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("x = 1\nclass (:\n", 2, "SyntaxError"),
        ("\nimport no_such_module_anywhere\n", 2, "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("\n\nraise ValueError('a\\x1b[31mred\\nline')\n", 3, r"ValueError: a \[31mred line"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        ("def deep():\n    deep()\ndeep()\n", 2, "RecursionError"),
        ("class Odd(Exception):\n    def __str__(self):\n        raise KeyError\nraise Odd\n", 4, "Odd$"),
        (HEAD + TINY.format(name="A") + "    def __init__(self):\n        1 / 0\n", 8, "ZeroDivisionError"),
        ("\nraise BaseException('all')\n", 2, "BaseException: all"),
        ("raise GeneratorExit\n", 1, "GeneratorExit"),
        ("from core.bars.spec import BarType\nBarType.parse('7x')\n", 2, "UsageError: unknown bars: '7x'"),
        (
            "from core.strategy import Parameter\nParameter(name='a', default=5, minimum=0, maximum=1)\n",
            2,
            "ValueError: the default of a is out of its own bounds",
        ),
        (
            "from core.strategy import Parameter\nParameter(name='a=b', default=0, minimum=0, maximum=1)\n",
            2,
            "ValueError",
        ),
        (
            "from core.strategy import Parameter\nParameter(name='a', default=0.5, minimum=0, maximum=1)\n",
            2,
            "ValueError",
        ),
        (
            f"import sys\n{HEAD}del sys.modules[__name__]\n{TINY.format(name='A')}    reset = 7\n",
            0,
            "TypeError: 'int'",
        ),
        (
            f"import strategies.rsi as r\n{HEAD}class A(Strategy):\n    PARAMETERS = r.RsiReversal.PARAMETERS * 2\n",
            3,
            "ValueError: two parameters of A have one name",
        ),
        ("__file__ = 'x\\n'\n1 / 0\n", 2, "ZeroDivisionError"),
        (HEAD + "class A(Strategy):\n    name = 'a'\n", 0, "TypeError: .*abstract.*on_bar_data"),
        (HEAD + TINY.format(name="A") + "    def initialize(self, params):\n        {}[0]\n", 8, "KeyError: 0"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(tmp_path: Path, source: str, line: int, reason: str) -> None:
    """Whatever the file raises becomes one error without control characters: file, line, reason."""
    with pytest.raises(PermanentError) as told:
        load(tmp_path, source)
    place = f"{tmp_path}/mine.py:{line}: " if line else f"{tmp_path}/mine.py: "
    assert re.search(re.escape(place) + reason, str(told.value.subject))
    assert str(told.value).isprintable()


@pytest.mark.parametrize("source", [b"x = 1\0\n", b"\xff\xfe\n", b"# coding: no-such\n", b"(" * 100_000])
def test_bytes_that_are_no_python_are_an_error(tmp_path: Path, source: bytes) -> None:
    """Nulls, bytes of no encoding, an unknown encoding and nesting without end are told like any other mistake."""
    path = tmp_path / "mine.py"
    path.write_bytes(source)
    listed = tmp_path / "config" / "approved"
    approve(listed, path, sha256_of(path))
    with pytest.raises(PermanentError, match=r"mine\.py"):
        make_strategy(str(path), {}, listed)


def test_a_file_has_one_strategy_or_says_which(tmp_path: Path) -> None:
    """None and two are errors; imported ones do not count; `STRATEGY` chooses one, by its name or as a class."""
    with pytest.raises(PermanentError, match="no strategy in it"):
        load(tmp_path, "from strategies.rsi import RsiReversal\n")
    both = HEAD + TINY.format(name="A") + TINY.format(name="B")
    with pytest.raises(PermanentError, match=r"2 strategies in it.*A, B"):
        load(tmp_path, both)
    for choice in ("'B'", "B"):
        assert load(tmp_path, f"{both}STRATEGY = {choice}\n").strategy.name == "B"
    for choice in ("'C'", "7", "int", "''"):
        with pytest.raises(PermanentError, match=r"STRATEGY names none.*A, B"):
            load(tmp_path, f"{both}STRATEGY = {choice}\n")
    assert load(tmp_path, f"{HEAD}{TINY.format(name='A')}Other = A\n").strategy.name == "A"


@pytest.mark.parametrize("name", ["''", "7", "'a\\nb'", "'a' * 201"])
def test_a_strategy_has_a_name_that_can_be_shown(tmp_path: Path, name: str) -> None:
    """An empty one, a number, one of two lines and a very long one are refused."""
    with pytest.raises(PermanentError, match="must be a line of text"):
        load(tmp_path, HEAD + TINY.format(name="A").replace('"A"', name))


def test_a_rule_of_a_strategy_about_its_parameters_is_told_as_it_is(tmp_path: Path) -> None:
    """A `UsageError` that `initialize` raises passes; the user asked for what makes no sense."""
    rule = "    def initialize(self, params):\n        raise UsageError('bad parameters', 'a=1')\n"
    with pytest.raises(UsageError, match=r"^bad parameters: a=1$"):
        load(tmp_path, f"from core.errors import UsageError\n{HEAD}{TINY.format(name='A')}{rule}")


def test_an_interrupt_is_not_the_fault_of_a_file(tmp_path: Path) -> None:
    """Ctrl-C while it loads ends the program and is no error of the strategy's."""
    with pytest.raises(KeyboardInterrupt):
        load(tmp_path, "raise KeyboardInterrupt\n")


def test_dataclasses_work_in_a_file(tmp_path: Path) -> None:
    """Which look up the module that they are in."""
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        f"{HEAD}@dataclass\nclass Memory:\n    last: int = 0\n{TINY.format(name='A')}"
    )
    assert load(tmp_path, source).strategy.name == "A"


def test_a_derived_strategy_of_ours_is_the_users(tmp_path: Path) -> None:
    """A file may build on a strategy that comes with Ringside; the one it derives is taken."""
    loaded = load(tmp_path, "from strategies.rsi import RsiReversal\nclass Mine(RsiReversal):\n    name = 'mine'\n")
    assert loaded.strategy.name == "mine"
    assert issubclass(loaded.kind, Strategy)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    """Before anything is said about approval; nor is one in the home of somebody who does not exist."""
    for name in (str(tmp_path / "none.py"), "~no_such_user_anywhere/none.py"):
        with pytest.raises(NotFoundError, match="no such strategy file"):
            make_strategy(name, {}, tmp_path / "approved")
