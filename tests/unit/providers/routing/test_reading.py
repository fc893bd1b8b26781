"""From configured tables to rules."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import ConfigurationError
from providers.routing.assets import AssetType
from providers.routing.reading import rules_of
from providers.routing.rules import Tier
from tests.unit.providers.routing.served import CAPABILITIES


def test_a_dataset_may_be_replaced_added_and_bring_its_exchange() -> None:
    """Names are taken in any writing; a new exchange lists what its key says, a known one that too."""
    rules = rules_of(
        CAPABILITIES,
        datasets={"equity@xnas": "XNAS.BASIC", "futures@newex": "NEW.SET", "equity@CME": "GLBX.MDP3"},
    )
    assert rules.datasets[AssetType.EQUITY, "NASDAQ"] == "XNAS.BASIC"
    assert rules.datasets[AssetType.FUTURES, "NEWEX"] == "NEW.SET"
    assert rules.exchanges["NEWEX"].asset_types == (AssetType.FUTURES,)
    assert rules.exchanges["XCME"].asset_types == (AssetType.FUTURES, AssetType.EQUITY)
    assert set(rules.held["GLBX.MDP3"]) == {AssetType.FUTURES, AssetType.EQUITY}
    assert rules.datasets[AssetType.FUTURES, "CME"] == "GLBX.MDP3"


def test_what_is_configured_comes_before_what_is_built_in_and_the_exact_before_the_general() -> None:
    """The order in which the rules of an asset type are asked."""
    tables = {"crypto": {"realtime": "binance"}, "crypto@kraken": {"realtime": "kraken"}}
    rules = rules_of(CAPABILITIES, asset_types=tables)
    assert [rule.name for rule in rules.asset_types[AssetType.CRYPTO, "KRAKEN"]] == [
        "routing.asset_types.crypto@kraken",
        "routing.asset_types.crypto",
        "built in: crypto@KRAKEN",
        "built in: crypto",
    ]
    assert [rule.name for rule in rules.asset_types[AssetType.FUTURES, ""]] == ["built in: futures"]


def test_a_venue_that_is_in_no_table_is_an_exchange_all_the_same() -> None:
    """Whoever has a provider can be named, and serves what is traded there."""
    rules = rules_of(CAPABILITIES)
    assert rules.exchanges["SILENT"].asset_types == tuple(AssetType)
    assert rules.asset_types[AssetType.EQUITY, "SILENT"][0].realtime == "silent"


def test_a_symbol_is_found_by_its_exchange_s_own_name() -> None:
    """The key in the file may use an alias and small letters; the rule keeps the name it has there."""
    rules = rules_of(CAPABILITIES, symbols={"brk.b@xnys": {"historical": "databento"}})
    rule = rules.symbols["BRK.B", "NYSE"]
    assert (rule.name, rule.tier) == ("routing.symbols.brk.b@xnys", Tier.SYMBOL)


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"default_provider": "databent"}, "routing.default_provider: no provider is called databent (did you mean"),
        ({"asset_types": {"futurs": {}}}, "routing.asset_types.futurs: must begin with one of futures"),
        ({"asset_types": {"futurs": {}}}, "(did you mean futures?)"),
        ({"asset_types": {"crypto@KRAKN": {}}}, "did you mean KRAKEN"),
        ({"asset_types": {"crypto@": {}}}, "routing.asset_types.crypto@: no such exchange"),
        ({"asset_types": {"equity@KRAKEN": {}}}, "KRAKEN lists crypto"),
        ({"asset_types": {"crypto": {"realtime": "x" * 9999}}}, "no provider is called"),
        ({"asset_types": {"crypto@KRAKEN": {}, "crypto@kraken": {}}}, "said twice"),
        ({"asset_types": {"crypto": {"realtime": "kraken", "dataset": "X.Y"}}}, "no provider that has datasets"),
        ({"symbols": {"ESH5": {}}}, "routing.symbols.ESH5: must be as ESH5@CME"),
        ({"symbols": {"@CME": {}}}, "routing.symbols.@CME: bad symbol"),
        ({"symbols": {"ES H5@CME": {}}}, "bad symbol"),
        ({"symbols": {"ESH5@CMX": {}}}, "no such exchange: CMX"),
        ({"symbols": {"ESH5@CME": {}, "esh5@xcme": {}}}, "routing.symbols.esh5@xcme: said twice"),
        ({"datasets": {"futures": "X.Y"}}, "routing.databento.datasets.futures: must be as futures@CME"),
        ({"datasets": {"bonds@CME": "X.Y"}}, "must begin with one of"),
        ({"datasets": {"futures@\x1b[2J": "X.Y"}}, "must be as futures@CME"),
        ({"datasets": {"equity@XNAS": "X.Y", "equity@NASDAQ": "X.Y"}}, "said twice"),
    ],
)
def test_mistakes_are_told_with_their_place(tables: dict[str, Any], expected: str) -> None:
    """What names nothing, names it twice or could never serve is an error, short and printable."""
    with pytest.raises(ConfigurationError) as caught:
        rules_of(CAPABILITIES, **tables)
    assert expected in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_all_mistakes_come_at_once() -> None:
    """The first is the subject, the others are in the hint."""
    with pytest.raises(ConfigurationError) as caught:
        rules_of(CAPABILITIES, default_provider="nobody", symbols={"A": {}, "B": {}})
    assert "routing.symbols.A" in caught.value.subject
    assert "routing.symbols.B" in caught.value.hint
    assert "nobody" in caught.value.hint
