"""The Backtest screen's form: what stands in it makes exactly the command line that it shows."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from console.batch import backtest
from console.tui.backtest.fields import PARAMETER, StoredTrades, StrategyChoice, choice_of
from console.tui.backtest.filling import filling_of
from console.tui.backtest.form import Form
from console.tui.editor import Editor
from core.errors import UsageError
from strategies.catalogue import STRATEGIES

STORED = (
    StoredTrades("BTCUSD", "KRAKEN", 100),
    StoredTrades("BTCUSD", "BINANCE", 50),
    StoredTrades("ETHUSD", "KRAKEN", 10),
)
CHOICES: list[StrategyChoice] = [choice_of(kind) for kind in STRATEGIES.values()]


def form(**values: str) -> Form:
    """A form of `sma` on bitcoin, with `values` in it; a parameter's name begins with `p_`."""
    given = {name.replace("p_", PARAMETER): value for name, value in values.items()}
    return Form(CHOICES, STORED, {"strategy": "sma", "symbol": "BTCUSD", "venue": "KRAKEN", **given})


def parsed(*line: str) -> argparse.Namespace:
    """The command line as the command understands it."""
    parser = argparse.ArgumentParser()
    backtest.prepare(parser)
    return parser.parse_args(list(line))


def test_only_what_was_filled_in_is_in_the_command_line() -> None:
    """Empty fields leave everything to the command."""
    assert form().arguments() == ["backtest", "--strategy", "sma", "--symbol", "BTCUSD", "--venue", "KRAKEN"]


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ({"p_short": "7"}, ["--param", "short=7"]),
        ({"p_short": "5:50:5"}, ["--sweep", "short=5:50:5"]),
        ({"p_short": "5, 10"}, ["--sweep", "short=5,10"]),
        ({"bars": "100t"}, ["--bars", "100t"]),
        ({"fraction": "50%"}, ["--fraction", "50%"]),
        ({"quantity": "0.5"}, ["--quantity", "0.5"]),
        ({"shorts": "yes", "touch": "yes"}, ["--shorts", "--touch"]),
        ({"data": "a.dbn 'b c.dbn'"}, ["--data", "a.dbn", "--data", "b c.dbn"]),
        ({"latency": "50ms", "jitter": "20ms"}, ["--latency", "50ms", "--jitter", "20ms"]),
        ({"metric": "sortino"}, []),
        ({"p_short": "2,3", "metric": "sortino"}, ["--sweep", "short=2,3", "--metric", "sortino"]),
        ({"p_short": "2,3", "walk_forward": "4"}, ["--sweep", "short=2,3", "--walk-forward", "4"]),
    ],
)
def test_each_field_has_its_option(values: dict[str, str], options: list[str]) -> None:
    """The command takes the line, and the form it is filled from is the same again."""
    one = form(**values)
    assert one.first_problem() is None
    line = one.arguments()
    assert [word for word in line if word in options] == options
    filling = filling_of(parsed(*line[1:]), parsed(), Form(CHOICES, STORED))
    again = Form(CHOICES, STORED, dict(filling.values), tuple(filling.passed))
    assert again.arguments() == line


def test_fields_are_called_as_the_options_of_the_command() -> None:
    """Every field but the parameters of strategies has the name of an option, and no option has two."""
    options = [field.option for one in (form(), form(strategy="mine.py")) for field in one.fields()
               if not field.name.startswith(PARAMETER)]  # fmt: skip
    parser = argparse.ArgumentParser()
    backtest.prepare(parser)
    assert set(options) <= set(parser._option_string_actions)
    names = [field.name for field in form().fields()]
    assert len(set(names)) == len(names)


def test_a_signal_is_about_a_quantity_or_a_fraction() -> None:
    """What is filled in last counts: the command takes one of them."""
    one = form()
    one.put("quantity", "0.5")
    one.put("fraction", "50%")
    assert one.arguments()[-2:] == ["--fraction", "50%"]
    one.put("quantity", "2")
    assert one.arguments()[-2:] == ["--quantity", "2"]
    one.put("fraction", "")
    assert one.arguments()[-2:] == ["--quantity", "2"]


def test_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell reads what is typed into the form, and paths are meant as in one."""
    monkeypatch.setenv("HOME", "/home/x")
    line = form(strategy="~/mine.py", data="~/a.dbn '~/b c.dbn'").arguments()
    assert line[:3] == ["backtest", "--strategy", "/home/x/mine.py"]
    assert line[-4:] == ["--data", "/home/x/a.dbn", "--data", "/home/x/b c.dbn"]
    assert form(strategy="~nobody-of-this-name/mine.py").arguments()[2] == "~nobody-of-this-name/mine.py"


def test_what_has_no_field_is_handed_on() -> None:
    """Options without a field stand in the command line as they were given."""
    given = ("--strategy", "sma", "--symbol", "BTCUSD", "--events", "--store", "embedded", "--timeout", "5")
    filling = filling_of(parsed(*given), parsed(), Form(CHOICES))
    line = Form(CHOICES, (), dict(filling.values), tuple(filling.passed)).arguments()
    assert vars(parsed(*line[1:])) == vars(parsed(*given))


def test_a_file_of_ones_own_has_its_parameters_in_one_field() -> None:
    """What the parameters of a file are is not known before it may run."""
    given = parsed("--strategy", "mine.py", "--param", "length=20", "--sweep", "x=1:3", "--symbol", "BTCUSD")
    filling = filling_of(given, parsed(), Form(CHOICES))
    assert filling.values["param"] == "length=20 x=1:3"
    one = Form(CHOICES, STORED, dict(filling.values))
    assert one.sweeps
    assert vars(parsed(*one.arguments()[1:])) == vars(given)


def test_other_names_of_parameters_are_known() -> None:
    """An alias fills in the field of its parameter; what is none is refused with what there is."""
    filling = filling_of(parsed("--strategy", "sma", "--param", "fast=3"), parsed(), Form(CHOICES))
    assert filling.values[PARAMETER + "short"] == "3"
    with pytest.raises(UsageError, match="short, long"):
        filling_of(parsed("--strategy", "sma", "--param", "colour=3"), parsed(), Form(CHOICES))


@pytest.mark.parametrize(
    ("values", "name", "said"),
    [
        ({"p_short": "0"}, "parameter short", "out of range"),
        ({"p_short": "2.5"}, "parameter short", "whole number"),
        ({"p_short": "50:5"}, "parameter short", "empty range"),
        ({"p_short": "30"}, "parameter short", "must be below long"),
        ({"p_short": "1:9999", "p_long": "1:9999"}, "parameter long", "out of range"),
        ({"p_short": "1:9999", "p_long": "2:9999"}, "parameter short", "too many combinations"),
        ({"symbol": ""}, "symbol", "no symbol"),
        ({"venue": ""}, "venue", "which venue: KRAKEN, BINANCE"),
        ({"start": "yesterday"}, "start", "bad time"),
        ({"bars": "7q"}, "bars", "unknown bars"),
        ({"quantity": "-1"}, "quantity", "bad quantity"),
        ({"fraction": "many%"}, "fraction", "bad fraction"),
        ({"balance": "much"}, "balance", "bad balance"),
        ({"maker": "x"}, "maker", ""),
        ({"slippage": "-1t"}, "slippage", ""),
        ({"latency": "50"}, "latency", "bad latency"),
        ({"shorts": "maybe"}, "shorts", "no such choice"),
        ({"seed": "-1"}, "seed", "bad seed"),
        ({"walk_forward": "4"}, "walk_forward", "nothing to choose from"),
        ({"walk_forward": "many"}, "walk_forward", "bad walk-forward"),
        ({"metric": "beauty"}, "metric", "unknown metric"),
        ({"data": "'a"}, "data", "bad file name"),
    ],
)
def test_what_makes_no_sense_is_said_beside_its_field(values: dict[str, str], name: str, said: str) -> None:
    """Nothing of it is run, and the reason is the field's own."""
    found = form(**values).first_problem()
    assert found is not None
    assert found[0] == name
    assert said in str(found[1])


@example("'", "data")
@given(st.text(max_size=30), st.sampled_from([field.name for field in form().fields()]))
def test_anything_may_be_typed_into_any_field(text: str, name: str) -> None:
    """A value is taken or refused with a reason; neither form nor command line ever fails."""
    one = form()
    one.put(name, text)
    one.first_problem()
    assert one.arguments()[0] == "backtest"
    assert one.combinations >= 0


def test_choices_go_round() -> None:
    """The next of the last is the first, strategies change their parameters, venues follow the symbol."""
    one = form()
    names = [one.value("strategy")]
    for _ in CHOICES:
        assert one.turn("strategy", 1)
        names.append(one.value("strategy"))
    assert names[0] == names[-1]
    assert set(names) == set(STRATEGIES)
    one.turn("venue", 1)
    assert one.value("venue") == "BINANCE"
    one.turn("symbol", 1)
    assert (one.value("symbol"), one.value("venue")) == ("ETHUSD", "")
    one.turn("symbol", 1)
    assert (one.value("symbol"), one.value("venue")) == ("BTCUSD", "KRAKEN")
    assert not one.turn("start", 1)


def test_a_preview_leaves_out_what_sweeps() -> None:
    """Data is the same for all parameters."""
    one = form(p_short="2:5", p_long="30", walk_forward="3")
    assert one.without_ranges() == {
        "strategy": "sma", "symbol": "BTCUSD", "venue": "KRAKEN", "parameter long": "30",
    }  # fmt: skip
    assert one.combinations == 4


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["backspace"], "ab"),
        (["left", "backspace"], "ac"),
        (["home", "delete"], "bc"),
        (["ctrl+a", "ctrl+k"], ""),
        (["ctrl+u"], ""),
        (["left", "left", "left", "left", "right", "ctrl+k"], "a"),
        (["ctrl+w"], ""),
        (["f5"], "abc"),
    ],
)
def test_the_editor_knows_the_keys_of_a_line(keys: list[str], text: str) -> None:
    """Each key does what it does in the prompt."""
    editor = Editor.of("abc")
    for key in keys:
        editor = editor.key(key)
    assert editor.text == text


@given(st.lists(st.one_of(st.text(max_size=5), st.sampled_from(["left", "right", "backspace", "home", "ctrl+w"]))))
def test_the_cursor_stays_in_the_text(steps: list[Any]) -> None:
    """Whatever is typed, what is shown fits and is safe to draw."""
    editor = Editor()
    for step in steps:
        editor = editor.key(step) if step in {"left", "right", "backspace", "home", "ctrl+w"} else editor.put(step)
        assert 0 <= editor.at <= len(editor.text)
        shown = editor.shown(7)
        assert len("".join(shown)) <= 7
        assert len(shown[1]) == 1
        assert "".join(shown).isprintable()
