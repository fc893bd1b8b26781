"""The page on writing a strategy: what it shows runs, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import strategies.indicators
from config.paths import find_paths
from console.__main__ import build_parser, main
from core.bars.series import BarData
from core.bars.spec import BarDataMode
from strategies.approval import LIST_NAME
from strategies.catalogue import make_strategy
from tests.unit.strategies.bars import answers, closes

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "writing-a-strategy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def example(folder: Path) -> Path:
    """The example as a file."""
    path = folder / "momentum.py"
    path.write_text(BLOCKS[0], encoding="utf-8")
    return path


def test_the_example_is_approved_and_trades(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the page says it: approved by the command, made with its parameter, it buys and sells in both forms."""
    path = example(tmp_path)
    assert main(["--batch", "hash-strategy", str(path), "--approve"]) == 0
    capsys.readouterr()
    loaded = make_strategy(str(path), {"bars": "2"}, find_paths().configuration / LIST_NAME)
    assert loaded.strategy.name == "momentum"
    assert answers(loaded.strategy, closes([1, 2, 3, 4, 3, 2, 2])) == "..BB.SS"
    assert answers(loaded.strategy, closes([1])) == "."
    assert answers(loaded.strategy, closes([])) == ""


def test_the_test_on_the_page_passes_and_can_fail() -> None:
    """On the example it passes; with an array form that is wrong at one event it does not."""
    space: dict[str, Any] = {}
    exec(BLOCKS[0] + BLOCKS[1], space)
    space["test_both_forms_agree"]()
    right = space["Momentum"].signals

    def wrong(strategy: object, bars: object) -> object:
        found = right(strategy, bars)
        found[-1] = 1 - abs(found[-1])
        return found

    space["Momentum"].signals = wrong
    with pytest.raises(AssertionError):
        space["test_both_forms_agree"]()


def test_what_the_page_names_is_there() -> None:
    """Indicators, modes, fields of a bar and options of the commands, by the names that it gives."""
    (listed,) = re.findall(r"from strategies\.indicators import ([\w, ]+)`", PAGE)
    assert set(listed.split(", ")) <= set(strategies.indicators.__all__)
    assert {mode.name for mode in BarDataMode} == set(re.findall(r"`(ON_[A-Z_]+)`", PAGE))
    for name in (
        "is_synthetic",
        "open_ns",
        "tick_count",
        "is_first_tick",
        "is_bar_closed",
        "current_tick",
        "close_e9",
    ):
        assert name in PAGE
        assert hasattr(BarData, name)
    asked = {
        "backtest": ["--strategy", "./momentum.py", "--param", "bars=20", "--symbol", "BTCUSD", "--bars", "100t"],
        "hash-strategy": ["momentum.py", "--revoke"],
    }
    for command, options in asked.items():
        build_parser().parse_args(["--batch", command, *options])
