"""Which settings a command line asks for: everywhere in the same way, and handed on to those it starts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from console.__main__ import build_parser
from console.batch.engine_plan import make_plan
from console.batch.settings_options import passed_on, settings_from
from console.tui.backtest.filling import store_words
from core.errors import ConfigurationError


def commands(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command and action, by its name."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner, one in action.choices.items():
                yield from commands(one, f"{name} {inner}".strip())


def test_every_command_that_reads_settings_takes_them_from_its_line_too() -> None:
    """Whoever has `--config` has `--set`, but for those who write the file."""
    options = {
        name: {word for action in one._actions for word in action.option_strings}
        for name, one in commands(build_parser())
    }
    with_file = {name for name, words in options.items() if "--config" in words}
    assert with_file - {name for name, words in options.items() if "--set" in words} == {"config set", "config unset"}
    assert {"serve", "backtest", "fetch", "route", "symbol list", "accounts", "live", "doctor"} <= with_file
    assert all("-c" in options[name] for name in with_file)


def test_a_plan_is_made_of_what_the_line_sets() -> None:
    """`serve --set` goes before the settings, and options of its own before that."""
    line = ["serve", "--simulated", "--set", "ring.capacity=256", "--set", "engine.symbols=ETHUSD,SOLUSD"]
    plan, settings = make_plan(build_parser().parse_args(line), host="daemon")
    assert (plan.ring_capacity, settings.engine.symbols) == (256, ("ETHUSD", "SOLUSD"))


def test_what_is_wrong_on_the_line_is_told() -> None:
    """As any other mistake."""
    with pytest.raises(ConfigurationError, match=r"--set: ring\.capacity: must be a power of two"):
        settings_from(build_parser().parse_args(["serve", "--set", "ring.capacity=5"]))


def test_a_program_that_is_started_gets_the_same_settings() -> None:
    """All of them, and of those that say which store is meant none is left out."""
    line = ["serve", "-c", "mine.toml", "--set", "ring.capacity=256", "--set", "screen.theme=light"]
    words = passed_on(build_parser().parse_args(line))
    assert words == ("--config", "mine.toml", "--set", "ring.capacity=256", "--set", "screen.theme=light")
    assert store_words(["--jobs", "3", *words]) == list(words)
    assert passed_on(build_parser().parse_args(["serve"])) == ()
    assert settings_from(build_parser().parse_args(["attach"])).files == ()
