"""`[routing]` in the settings: tables by name, their mistakes and their origins."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import dump, load
from config.problems import SettingsError
from config.schema import RouteSettings, RoutingSettings

TEXT = """
[routing]
default_provider = "databento"

[routing.databento.datasets]
"futures@CME" = "GLBX.MDP3"

[routing.asset_types.crypto]
historical = "databento"
realtime = "kraken"

[routing.symbols."BRK.B@NYSE"]
dataset = "XNYS.PILLAR"
historical = "databento"
"""


def write(tmp_path: Path, text: str) -> Path:
    """A settings file."""
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_rules_are_read_listed_and_have_an_origin(tmp_path: Path) -> None:
    """Each value of each table stands under the name of its table, and knows where it was set."""
    path = write(tmp_path, TEXT)
    found = load(path, environment={"RINGSIDE__ROUTING__ASSET_TYPES__CRYPTO__REALTIME": "binance"})
    routing = found.settings.routing
    assert routing.asset_types["crypto"] == RouteSettings("databento", "binance")
    assert routing.symbols["BRK.B@NYSE"].dataset == "XNYS.PILLAR"
    listed = {name: value for name, value in dump(found.settings).items() if name.startswith("routing.")}
    assert listed['routing.symbols."BRK.B@NYSE".historical'] == "databento"
    assert listed['routing.databento.datasets."futures@CME"'] == "GLBX.MDP3"
    assert listed["routing.asset_types.crypto.dataset"] == ""
    origins = {name: origin for name, origin in found.origins.items() if name in listed}
    assert origins.pop("routing.asset_types.crypto.realtime").startswith("environment ")
    assert set(origins) == {
        "routing.default_provider",
        'routing.databento.datasets."futures@CME"',
        "routing.asset_types.crypto.historical",
        'routing.symbols."BRK.B@NYSE".dataset',
        'routing.symbols."BRK.B@NYSE".historical',
    }
    assert {origin.rpartition(":")[0] for origin in origins.values()} == {str(path)}


def test_a_variable_may_hold_all_of_the_tables() -> None:
    """As in TOML, on one line."""
    value = '{"ESH5@CME" = {historical = "databento"}}'
    found = load(None, environment={"RINGSIDE__ROUTING__SYMBOLS": value})
    assert found.settings.routing == RoutingSettings(symbols={"ESH5@CME": RouteSettings("databento")})
    assert set(found.origins) == {'routing.symbols."ESH5@CME".historical'}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[routing.asset_types.crypto]\nhistoricl = "x"',
            "no such setting (did you mean routing.asset_types.crypto.historical?)",
        ),
        (
            '[routing.symbols."ESH5@CME"]\ndatset = "x"',
            'routing.symbols."ESH5@CME".datset: no such setting (did you mean routing.symbols."ESH5@CME".dataset?)',
        ),
        ("[routing]\nasset_types = 3", "routing.asset_types: must be tables by name"),
        ("[[routing.symbols]]\nhistorical = 'x'", "routing.symbols: must be tables by name"),
        ("[routing.asset_types]\ncrypto = 'kraken'", "routing.asset_types.crypto: must be a table"),
        ("[routing.symbols.'A@B']\nrealtime = 3", 'routing.symbols."A@B".realtime: must be text in quotes, not 3'),
        ("[routing.asset_type.crypto]", "routing.asset_type: no such setting (did you mean routing.asset_types?)"),
    ],
)
def test_mistakes_within_the_tables_are_told(tmp_path: Path, text: str, expected: str) -> None:
    """A key that nobody knows is a mistake there too."""
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, text), environment={})
    assert expected in "\n".join(caught.value.problems)
