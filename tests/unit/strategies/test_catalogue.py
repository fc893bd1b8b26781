"""Strategies by name."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from core.errors import NotFoundError, UsageError
from strategies.catalogue import ALIASES, STRATEGIES, description, is_file, make_strategy
from strategies.fingerprint import sha256_of

NO_LIST = Path("/nowhere/approved")


@pytest.mark.parametrize("name", [*STRATEGIES, *ALIASES])
def test_ours_need_no_approval(name: str) -> None:
    """Every name and alias makes its strategy, with the hash of the file it is in, and no list is looked at."""
    loaded = make_strategy(name, {}, NO_LIST)
    assert loaded.strategy.name == ALIASES.get(name, name)
    assert loaded.source_path is None
    assert loaded.sha256 == sha256_of(Path(inspect.getfile(loaded.kind)))


def test_parameters_are_taken_and_checked() -> None:
    """They arrive; unknown ones are an error that lists those there are."""
    assert make_strategy("sma_cross", {"fast": "3", "slow": "9"}, NO_LIST).strategy.parameters == {
        "short": 3,
        "long": 9,
    }
    with pytest.raises(UsageError, match="short, long"):
        make_strategy("sma", {"quick": "3"}, NO_LIST)


def test_an_unknown_name_lists_what_is_near() -> None:
    """Or all there are, when nothing is."""
    with pytest.raises(NotFoundError, match="did you mean donchian"):
        make_strategy("donchain", {}, NO_LIST)
    with pytest.raises(NotFoundError, match=r"one of sma, ema, .*, or a file"):
        make_strategy("\x1b[31mzzz", {}, NO_LIST)


def test_paths_are_told_from_names() -> None:
    """By a slash or the ending."""
    assert [is_file(text) for text in ("rsi", "rsi.py", "./rsi", "/a/rsi.py", "rsi.")] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_each_is_described_in_a_line() -> None:
    """Every strategy says what it does; one without words says nothing."""
    lines = [description(kind) for kind in STRATEGIES.values()]
    assert all(line.endswith(".") and line.isprintable() for line in lines)
    assert len(set(lines)) == len(STRATEGIES)
