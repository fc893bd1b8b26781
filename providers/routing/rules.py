"""The rules of routing as values: what providers can serve, who is asked for what, and what is built in."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, Literal

import attrs

from providers.routing.assets import AssetType, Exchange

Purpose = Literal["historical", "realtime"]


class Tier(enum.StrEnum):
    """Who is asked first, second, third and last."""

    OVERRIDE = "override"
    SYMBOL = "symbol"
    ASSET_TYPE = "asset type"
    DEFAULT = "default"


@attrs.frozen(kw_only=True)
class Capability:
    """What a provider can serve: `asset_types` of `exchanges`, filed under `venue`; their past if `has_history`.

    One that is asked `by_dataset` serves whatever it has a dataset of; its venue and its exchanges are empty.
    """

    name: str
    venue: str = ""
    has_history: bool = True
    by_dataset: bool = False
    asset_types: tuple[AssetType, ...] = tuple(AssetType)
    exchanges: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Rule:
    """Who serves what falls under it. `name` is its place in the configuration; an empty provider says nothing."""

    name: str
    tier: Tier
    historical: str = ""
    realtime: str = ""
    dataset: str = ""
    is_built_in: bool = False

    def provider(self, purpose: Purpose) -> str:
        """The provider for `purpose`, empty when the rule does not say."""
        return self.historical if purpose == "historical" else self.realtime


@attrs.frozen(kw_only=True)
class Rules:
    """Everything a decision looks at, each found by one look into a table.

    `symbols` by symbol and exchange; `asset_types` by asset type and exchange, in the order in which they are asked,
    under the exchange `""` where no rule is about that exchange; `datasets` by asset type and exchange; `held` the
    asset types by dataset; `exchanges` by each name and alias.
    """

    symbols: Mapping[tuple[str, str], Rule]
    asset_types: Mapping[tuple[AssetType, str], tuple[Rule, ...]]
    default: Rule
    datasets: Mapping[tuple[AssetType, str], str]
    held: Mapping[str, tuple[AssetType, ...]]
    exchanges: Mapping[str, Exchange]


def built_in(what: str, *, historical: str, realtime: str) -> Rule:
    """A rule that nobody configured."""
    name = f"built in: {what}"
    return Rule(name=name, tier=Tier.ASSET_TYPE, historical=historical, realtime=realtime, is_built_in=True)


BUILT_IN: Final = {
    (AssetType.FUTURES, ""): built_in("futures", historical="databento", realtime="databento"),
    (AssetType.EQUITY, ""): built_in("equity", historical="databento", realtime="databento"),
    (AssetType.CRYPTO, ""): built_in("crypto", historical="databento", realtime="kraken"),
}
"""What is asked last of the second tier. Before it the provider is asked whose own the exchange is."""
