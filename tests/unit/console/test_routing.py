"""Routing by the settings and the live providers."""

from __future__ import annotations

import json

import pytest

from config.schema import DatasetSettings, RouteSettings, RoutingSettings, Settings
from console.plan import DATASET_PROVIDERS, LIVE_PROVIDERS
from console.routing import capabilities, decide_for, decision_row, load_rules
from core.errors import ConfigurationError, UsageError
from providers.routing.assets import EXCHANGES, AssetType


def routed(**sections: object) -> Settings:
    """Settings with a `[routing]` of their own."""
    return Settings(routing=RoutingSettings(**sections))  # type: ignore[arg-type]


def test_every_live_provider_can_be_routed_to() -> None:
    """Each serves the exchange of its venue, or datasets; all have a past to ask for."""
    known = capabilities()
    assert tuple(known) == LIVE_PROVIDERS
    assert {name for name, one in known.items() if one.by_dataset} == DATASET_PROVIDERS
    assert all(one.has_history for one in known.values())
    named = {exchange for one in known.values() for exchange in one.exchanges}
    assert named == {"KRAKEN", "BINANCE", "KRAKEN_FUTURES"}
    assert named <= {one.name for one in EXCHANGES if AssetType.CRYPTO in one.asset_types}


def test_settings_become_rules() -> None:
    """What the file says decides, by the name that it has there."""
    settings = routed(
        databento=DatasetSettings({"futures@CME": "OWN.SET"}),
        asset_types={"crypto": RouteSettings("databento", "kraken")},
        symbols={"ESH5@CME": RouteSettings(realtime="databento", dataset="GLBX.MDP3")},
    )
    past = decide_for(settings, symbol="ESH5", exchange="CME").chosen()
    assert (past.dataset, past.tier) == ("OWN.SET", "asset type")
    live = decide_for(settings, symbol="ESH5", exchange="CME", purpose="realtime").chosen()
    assert (live.dataset, live.tier) == ("GLBX.MDP3", "symbol")
    assert decide_for(settings, symbol="PI_XBTUSD", exchange="KRAKEN_FUTURES").chosen().provider == "kraken_futures"


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"default_provider": "nobody"}, "routing.default_provider"),
        ({"databento": DatasetSettings({"futures@CME": "glbx"})}, "glbx in routing.databento.datasets.futures@CME"),
        ({"symbols": {"A@NYSE": RouteSettings("databento", dataset="\x1b")}}, "routing.symbols.A@NYSE.dataset"),
        (
            {"asset_types": {"equity": RouteSettings("databento", dataset="a b")}},
            "routing.asset_types.equity.dataset",
        ),
    ],
)
def test_rules_that_make_no_sense_are_told_with_their_place(sections: dict[str, object], expected: str) -> None:
    """A dataset that cannot be one is a mistake in the file, wherever it stands."""
    with pytest.raises(ConfigurationError) as caught:
        load_rules(routed(**sections))
    assert expected in caught.value.subject
    assert str(caught.value).isprintable()


def test_a_dataset_that_cannot_be_one_is_a_problem_of_the_request() -> None:
    """It is refused before it is taken for one that is merely unknown."""
    decision = decide_for(Settings(), symbol="ESH5", dataset="../../etc")
    assert isinstance(decision.problem, UsageError)


def test_a_row_holds_plain_values_with_and_without_a_route() -> None:
    """The same keys in both; what came to nothing is empty and has a problem."""
    good = decision_row(decide_for(Settings(), symbol="esh5", exchange="xcme"))
    bad = decision_row(decide_for(Settings(), symbol="BTCUSD", exchange="COINBASE"))
    assert json.loads(json.dumps([good, bad])) == [good, bad]
    assert list(good) == list(bad)
    assert (good["symbol"], good["exchange"], good["problem"]) == ("ESH5", "CME", "")
    assert (bad["provider"], bad["tier"], bad["asset_type"]) == ("", "", "crypto")
    assert bad["problem"].startswith("nobody serves it")
    assert {one["tier"] for one in bad["considered"]} == {"symbol", "asset type", "default"}
