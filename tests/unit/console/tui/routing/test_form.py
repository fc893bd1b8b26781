"""The Routing screen's form: what stands in it is routed at once, and makes the command line that it shows."""

from __future__ import annotations

import argparse

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.schema import Settings
from console.batch import fetch
from console.routing import capabilities, load_rules
from console.tui.routing.directory import Directory, DirectoryReader
from console.tui.routing.form import HISTORICAL, REALTIME, RoutingForm
from core.clock import parse_rfc3339_ns
from providers.routing.rules import Tier

DIRECTORY = Directory(rules=load_rules(Settings()), providers=capabilities())
NOW_NS = parse_rfc3339_ns("2026-11-22T12:00:00Z")


def form(**values: str) -> RoutingForm:
    """A form of a future, with `values` in it."""
    given = {"symbols": "ESH5", "exchange": "CME", "start": "-30d", **values}
    return RoutingForm(DIRECTORY, values=given, clock=lambda: NOW_NS)


def parsed(*line: str) -> argparse.Namespace:
    """The command line as the command understands it."""
    parser = argparse.ArgumentParser()
    fetch.prepare(parser)
    return parser.parse_args(list(line))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"asset_type": "futures", "schema": "ohlcv-1d"},
        {"provider": "databento", "dataset": "GLBX.MDP3", "end": "2026-11-20"},
        {"start": "2026-11-01 07:15", "simulated": "yes"},
        {"symbols": "BTCUSD", "exchange": "kraken", "start": "-12h"},
    ],
)
def test_the_command_takes_what_the_form_says(values: dict[str, str]) -> None:
    """Each field is an option of the command, and what is filled in comes out of it as it was."""
    one = form(**values)
    assert one.first_problem() is None
    taken = vars(parsed(*one.arguments()[1:]))
    for name, value in one.values.items():
        assert taken[name] == (True if value == "yes" else value), name


def test_fields_are_called_as_the_options_of_the_command() -> None:
    """Every field but the purpose, which no plan is about, has the name of an option, and no option has two."""
    parser = argparse.ArgumentParser()
    fetch.prepare(parser)
    names = [field.name for field in form().fields()]
    assert len(set(names)) == len(names)
    assert {field.option for field in form().fields()} - set(parser._option_string_actions) == {"--purpose"}


def test_what_was_given_at_the_start_is_handed_on() -> None:
    """The store that the console was begun with is the one that is planned for."""
    one = attrs.evolve(form(), passed=("--config", "x.toml"))
    assert one.arguments()[-2:] == ["--config", "x.toml"]


def test_what_is_being_typed_is_routed_already() -> None:
    """The router is asked for the text under way; giving it up leaves what stood there."""
    one = form()
    one.typed = ("symbols", "AAPL")
    assert (before := one.decision(HISTORICAL)) is not None
    assert before.request.symbol == "AAPL"
    one.typed = ("exchange", "NASDAQ")
    assert (decision := one.decision(HISTORICAL)) is not None
    assert decision.asset is not None
    assert decision.asset.asset_type == "equity"
    one.typed = None
    assert (after := one.decision(HISTORICAL)) is not None
    assert after.chosen().dataset == "GLBX.MDP3"


def test_both_purposes_are_decided() -> None:
    """The past of a pair may be served by another than its stream."""
    one = form(symbols="BTCUSD", exchange="KRAKEN")
    decisions = [one.decision(purpose) for purpose in (HISTORICAL, REALTIME)]
    assert [each.chosen().purpose for each in decisions if each is not None] == ["historical", "realtime"]


def test_the_kind_is_told_beside_automatic() -> None:
    """An operator sees what his symbol is taken for."""
    kinds = {field.name: field.default for field in form().fields()}
    assert kinds["asset_type"] == "automatic: futures"
    assert {field.name: field.default for field in RoutingForm().fields()}["asset_type"] == "automatic"


def test_a_dataset_may_be_named_as_an_exchange() -> None:
    """As the command reads it: the override comes first."""
    decision = form(exchange="GLBX.MDP3", asset_type="futures").decision(HISTORICAL)
    assert decision is not None
    assert (decision.considered[0].tier, decision.chosen().dataset) == (Tier.OVERRIDE, "GLBX.MDP3")


@pytest.mark.parametrize(
    ("values", "name", "said"),
    [
        ({"symbols": ""}, "symbols", "no symbol"),
        ({"symbols": "A B"}, "symbols", "bad symbol"),
        ({"symbols": "A,B"}, "symbols", "bad symbol"),
        ({"exchange": "NARNIA"}, "exchange", "no such exchange"),
        ({"symbols": "AAPL", "exchange": ""}, "exchange", "no exchange"),
        ({"symbols": "QQ_1", "exchange": ""}, "asset_type", "nothing tells"),
        ({"asset_type": "fish"}, "asset_type", "no such choice"),
        ({"asset_type": "crypto"}, "asset_type", "not listed there"),
        ({"provider": "krakn"}, "provider", "no such provider"),
        ({"provider": "kraken"}, "provider", "cannot serve it"),
        ({"dataset": "glbx"}, "dataset", "bad dataset"),
        ({"dataset": "XNAS.ITCH"}, "dataset", "cannot serve it"),
        ({"purpose": "tomorrow"}, "purpose", "no such choice"),
        ({"start": ""}, "start", "no start"),
        ({"start": "yesterday"}, "start", "bad time"),
        ({"start": "2027-01-01"}, "start", "lies in the future"),
        ({"start": "-30x"}, "start", "bad time"),
        ({"end": "2026-10-01"}, "end", "ends before it begins"),
        ({"start": "1971-01-01", "end": "2026-11-20", "exchange": "CME"}, "", ""),
        ({"end": "soon"}, "end", "bad time"),
        ({"schema": "rumours"}, "schema", "no such choice"),
        ({"simulated": "perhaps"}, "simulated", "no such choice"),
        ({"symbols": "DOGEUSD", "exchange": "COINBASE"}, "", "nobody serves it"),
    ],
)
def test_what_makes_no_sense_is_said_beside_its_field(values: dict[str, str], name: str, said: str) -> None:
    """The reason stands where it can be mended; what no field can mend is told without one."""
    one = form(**values)
    found = one.first_problem()
    if not said:
        assert found is None
        return
    assert found is not None
    assert (found[0], said in str(found[1])) == (name, True), found
    assert [field.name for field in one.fields() if one.concern(field.name) is not None] == ([name] if name else [])


@example("'", "start")
@given(st.text(max_size=30), st.sampled_from([field.name for field in form().fields()]))
def test_anything_may_be_typed_into_any_field(text: str, name: str) -> None:
    """A value is taken or refused with a reason; neither the router nor the command line ever fails."""
    one = form()
    one.typed = (name, text)
    one.first_problem()
    one.put(name, text)
    one.first_problem()
    assert one.arguments()[0] == "fetch"


def test_choices_go_round() -> None:
    """Exchanges and providers that are known are gone through by keys; what has no choices is left as it is."""
    one = form()
    assert one.turn("provider", 1)
    assert one.value("provider") in DIRECTORY.providers
    assert one.turn("provider", -1)
    assert one.value("provider") == ""
    assert not one.turn("start", 1)
    assert not one.turn("nothing", 1)


def test_settings_that_make_no_sense_are_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The rules are read by a thread, and what is wrong with them is a sentence."""
    path = tmp_path_factory.mktemp("settings") / "bad.toml"
    path.write_text('[routing.symbols."ESH5@NARNIA"]\nhistorical = "databento"\n', encoding="utf-8")
    reader = DirectoryReader()
    for configuration, known in ((path, False), (None, True)):
        reader.read(configuration)
        assert reader._thread is not None
        reader._thread.join(30)
        assert (reader.directory is not None, bool(reader.problem)) == (known, not known)
