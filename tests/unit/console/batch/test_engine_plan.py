"""From a command line and the settings to what an engine trades on paper."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from console.batch import engine_options, engine_plan
from console.plan import EnginePlan
from core.errors import NotFoundError, UsageError


def plan(*line: str) -> EnginePlan:
    """The plan of a `serve` command line on the simulated market."""
    parser = argparse.ArgumentParser()
    engine_options.add_engine_options(parser)
    return engine_plan.make_plan(parser.parse_args(["--simulated", *line]), host="daemon")[0]


def test_paper_trading_is_asked_for_by_option_or_by_setting(tmp_path: Path) -> None:
    """Strategies of the command line replace those of the settings; the desk answers by the engine's name."""
    settings = tmp_path / "settings.toml"
    settings.write_text('[paper_trading]\nenabled = true\nstrategy = "ema"\nbars = "5t"\n', encoding="utf-8")
    assert plan().paper is None
    by_setting = plan("--config", str(settings), "--instance-id", "mine").paper
    assert by_setting is not None
    assert ([run.label for run in by_setting.runs], by_setting.instance) == (["ema"], "mine")
    by_option = plan("--config", str(settings), "--strategy", "sma", "--strategy", "rsi").paper
    assert by_option is not None
    assert [(run.label, run.bars) for run in by_option.runs] == [("sma", "5t"), ("rsi", "5t")]


def test_files_and_split_engines_trade_in_a_process_of_their_own(tmp_path: Path) -> None:
    """Ours trade in the engine's own otherwise."""
    asked = ("--paper-trading", "--strategy", "sma")
    for more, isolated in (((), False), (("--split",), True), (("--strategy", str(tmp_path / "own.py")), True)):
        found = plan(*asked, *more).paper
        assert found is not None
        assert found.isolated is isolated


def test_what_makes_no_sense_is_refused_before_anything_starts() -> None:
    """A strategy that there is not, none at all, and one without paper trading."""
    with pytest.raises(NotFoundError, match="did you mean sma"):
        plan("--paper-trading", "--strategy", "smaa")
    with pytest.raises(UsageError, match="none is named"):
        plan("--paper-trading")
    with pytest.raises(UsageError, match="add --paper-trading"):
        plan("--strategy", "sma")
