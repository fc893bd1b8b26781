"""From `[paper_trading]` and the command line to the plan of a desk."""

from __future__ import annotations

import argparse
from typing import Any

import attrs
import pytest

from config.paths import find_paths
from config.schema import (
    AccountsSettings,
    DefaultAccountSettings,
    PaperRunSettings,
    PaperTradingSettings,
    Settings,
    SimulationAccountSettings,
)
from console.batch.live_paper_options import add_paper_options, check_unused, plan_of
from console.paper.plan import PaperPlan, RunPlan, decode_paper_plan, encode_paper_plan, paper_plan, run_plans
from core.errors import ConfigurationError, ConsoleError, UsageError
from core.sim.accounts import parse_amount


def planned(*words: str, **section: Any) -> PaperPlan:
    """The plan of a command line, with settings of these."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols")
    add_paper_options(parser)
    settings = Settings(paper_trading=PaperTradingSettings(**section))
    return plan_of(parser.parse_args(words), settings, find_paths())


def test_a_plan_crosses_to_another_process() -> None:
    """What is decoded is what was encoded, paths, money and sizes included."""
    settings = Settings(
        accounts=AccountsSettings(
            DefaultAccountSettings(initial_balance="1000000000000000"),
            (SimulationAccountSettings(id="b", currency="USDT", initial_balance="5.5", max_position="7"),),
        ),
        paper_trading=PaperTradingSettings(
            desk="d",
            symbols=("btcusd", "ETHUSD"),
            quantity="0.25",
            shorts=True,
            run=(PaperRunSettings(strategy="sma", params={"short": "2"}, account="b"),),
        ),
    )
    plan = paper_plan(settings, find_paths(), instance="i", isolated=True)
    assert decode_paper_plan(encode_paper_plan(plan)) == plan
    assert plan.symbols == ("BTCUSD", "ETHUSD")
    assert plan.accounts.default.initial_e12 == parse_amount("1000000000000000")
    assert plan.accounts.by_id("b").limits.position_e12 == parse_amount("7")
    assert plan.runs == (RunPlan(label="sma", strategy="sma", parameters={"short": "2"}, account="b"),)
    assert plan.sizing.quantity_e8 == 25_000_000


def test_every_way_to_name_a_strategy_counts() -> None:
    """One, several and tables of their own come together; what a table does not say is said for all."""
    section = PaperTradingSettings(
        strategy="sma_cross",
        strategies=("rsi", "/somewhere/my strategy.py"),
        bars="5m",
        run=(PaperRunSettings(strategy="sma", label="slow", bars="1h"),),
    )
    runs = run_plans(section)
    assert [(run.label, run.strategy, run.bars) for run in runs] == [
        ("sma", "sma", "5m"),
        ("rsi", "rsi", "5m"),
        ("my_strategy", "/somewhere/my strategy.py", "5m"),
        ("slow", "sma", "1h"),
    ]


@pytest.mark.parametrize(
    ("section", "kind", "said"),
    [
        (PaperTradingSettings(), UsageError, "donchian"),
        (PaperTradingSettings(strategies=("sma", "sma_cross")), ConfigurationError, "two strategies of one name"),
        (PaperTradingSettings(run=(PaperRunSettings(strategy="sma", label="all"),)), ConfigurationError, "bad label"),
    ],
)
def test_runs_that_make_no_sense_are_refused(
    section: PaperTradingSettings, kind: type[ConsoleError], said: str
) -> None:
    """None at all, two of one name, and names that mean something else."""
    with pytest.raises(kind, match=said):
        run_plans(section)


def test_the_command_line_comes_before_the_settings() -> None:
    """Strategies, symbols and sizes of the settings give way; what the command line does not name stays."""
    plan = planned(
        *("--symbols", "BTCUSD", "--strategy", "sma", "--strategy", "quick=sma", "--param", "quick.short=2"),
        *("--quantity", "1", "--account", "x", "--desk", "mine", "--mode", "each-tick"),
        strategy="rsi",
        symbols=("ETHUSD",),
        size="50%",
        context_ticks=7,
    )
    assert [(run.label, run.parameters, run.account, run.mode) for run in plan.runs] == [
        ("sma", {}, "x", "each-tick"),
        ("quick", {"short": "2"}, "x", "each-tick"),
    ]
    assert (plan.symbols, plan.desk, plan.instance) == (("BTCUSD",), "mine", "paper-mine")
    assert (plan.sizing.quantity_e8, plan.context_ticks, plan.isolated) == (10**8, 7, True)


def test_a_parameter_without_a_label_is_of_the_only_strategy() -> None:
    """Of several nobody could tell which is meant, and it is asked for."""
    assert planned("--symbols", "A", "--strategy", "sma", "--param", "short=3").runs[0].parameters == {"short": "3"}
    words = ("--symbols", "A", "--strategy", "sma", "--strategy", "rsi", "--param")
    for odd in ("short=3", "foo.short=3"):
        with pytest.raises(UsageError, match="of which strategy"):
            planned(*words, odd)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--strategy", "sma"), "no symbols"),
        (("--strategy", "sma", "--symbols", "\x1b"), "bad symbol"),
        (("--strategy", "sma", "--symbols", "A", "--mode", "often"), "mode must be one of"),
        (("--strategy", "sma", "--symbols", "A", "--size", "0"), "bad fraction"),
        (("--strategy", "sma", "--symbols", "A", "--desk", "a/b"), "desk must be"),
        (("--strategy", "sma", "--symbols", "A", "--desk", ""), "--desk is empty"),
        (("--strategy", "sma", "--symbols", "A", "--account", ""), "--account is empty"),
        (("--strategy", "sma", "--symbols", ""), "--symbols is empty"),
        (("--symbols", "A"), "no strategy to trade with"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(words: tuple[str, ...], said: str) -> None:
    """Each in words, before anything is looked for."""
    with pytest.raises(UsageError, match=said):
        planned(*words)


def test_its_options_are_refused_without_it() -> None:
    """Nobody should believe that something is traded that is only looked at."""
    parser = argparse.ArgumentParser()
    add_paper_options(parser)
    check_unused(parser.parse_args([]))
    with pytest.raises(UsageError, match="--strategy"):
        check_unused(parser.parse_args(["--strategy", "sma"]))


def test_symbols_of_runs_are_traded_by_them_alone() -> None:
    """A table of its own may name its symbols; --symbols names them for all."""
    runs = (PaperRunSettings(strategy="sma", symbols=("ethusd",)), PaperRunSettings(strategy="rsi"))
    assert [run.symbols for run in planned(run=runs, symbols=("BTCUSD",)).runs] == [("ETHUSD",), ()]
    assert [run.symbols for run in planned("--symbols", "SOLUSD", run=runs).runs] == [(), ()]
    with pytest.raises(UsageError, match="no symbols"):
        planned(run=runs)


def test_a_plan_hides_the_password_of_its_database() -> None:
    """It is no part of what is printed of a plan."""
    plan = planned("--symbols", "A", "--strategy", "sma")
    assert "secret" not in repr(attrs.evolve(plan, database_url="postgresql://me:secret@host/db"))
