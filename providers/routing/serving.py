"""Whether a provider can serve what a rule names it for, and the reason in words."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from providers.routing.assets import Asset, AssetType
from providers.routing.rules import Capability, Purpose, Rule, Rules, Tier


@attrs.frozen(kw_only=True)
class Wanted:
    """A request that has been understood. The exchange is empty when nothing tells it."""

    symbol: str
    exchange: str
    asset: Asset
    purpose: Purpose

    @property
    def said(self) -> str:
        """What is wanted, in a few words."""
        place = f"{self.symbol}@{self.exchange}" if self.exchange else self.symbol
        return f"{self.asset.asset_type} {place} {self.purpose}"


def silence(rule: Rule, wanted: Wanted) -> str:
    """Why a rule that names no provider does not."""
    if rule.historical or rule.realtime:
        return f"says nothing of {wanted.purpose} data"
    return "there is none" if wanted.exchange else "no exchange is named"


def dataset_of(rule: Rule, wanted: Wanted, capability: Capability, rules: Rules) -> str:
    """The dataset that would serve it by `rule`: what the rule says, else what the table of datasets says."""
    if not capability.by_dataset:  # a rule's dataset is then about its other purpose; one that was asked for is not
        return rule.dataset if rule.tier is Tier.OVERRIDE else ""
    return rule.dataset or rules.datasets.get((wanted.asset.asset_type, wanted.exchange), "")


def refusal(
    rule: Rule, wanted: Wanted, capability: Capability, *, dataset: str, held: Mapping[str, tuple[AssetType, ...]]
) -> str:
    """Why a provider cannot serve what is wanted; empty when it can."""
    name, kind, exchange = capability.name, wanted.asset.asset_type, wanted.exchange
    if wanted.purpose == "historical" and not capability.has_history:
        return f"{name} has no history"
    if kind not in capability.asset_types:
        return f"{name} serves {' and '.join(capability.asset_types)}, not {kind}"
    if not capability.by_dataset:
        return _venue_refusal(rule, exchange, capability, dataset)
    if not dataset:
        return f"{name} has no dataset for {kind}" + (f"@{exchange}" if exchange else " without an exchange")
    held_there = held.get(dataset, (kind,))
    return "" if kind in held_there else f"{dataset} holds {' and '.join(held_there)}, not {kind}"


def _venue_refusal(rule: Rule, exchange: str, capability: Capability, dataset: str) -> str:
    name = capability.name
    if dataset:
        return f"{name} has no datasets"
    if exchange and exchange not in capability.exchanges:
        return f"{name} serves {' and '.join(capability.exchanges)}, not {exchange}"
    if not exchange and rule.is_built_in:
        return f"no exchange is named, and nothing that is configured says that {name} is meant"
    return ""


def merit(rule: Rule, wanted: Wanted, capability: Capability, *, dataset: str, known: bool) -> str:
    """Why a provider that can serve it does."""
    if not dataset:
        past = ", its past too" if wanted.purpose == "historical" else ""
        return f"{rule.name} names {capability.name}, which serves {exchange_of(wanted, capability)}{past}"
    if not rule.dataset:
        place = f"{wanted.asset.asset_type}@{wanted.exchange}"
        return f"{rule.name} names {capability.name}, which has {place} in {dataset}"
    return f"{rule.name} names {dataset}" + ("" if known else ", of which nothing is known here")


def exchange_of(wanted: Wanted, capability: Capability) -> str:
    """Where it is traded: what was said, else the one place of the provider; empty when neither tells."""
    return wanted.exchange or (capability.exchanges[0] if capability.exchanges else "")
