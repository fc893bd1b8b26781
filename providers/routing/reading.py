"""Reads the tables of `[routing]` into rules; whatever is wrong with them is told at once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

import attrs

from core.errors import ConfigurationError, ConsoleError
from core.flow.printable import printable
from core.model.symbology import parse_symbol
from providers.routing.assets import EXCHANGES, AssetType, Exchange, exchange_key, find_exchange
from providers.routing.datasets import DATASETS, UNPLACED
from providers.routing.rules import BUILT_IN, Capability, Rule, Rules, Tier, built_in

Table = Mapping[str, str]
"""A rule as it is configured: `historical`, `realtime` and `dataset`, each of which may be empty."""

_EXCHANGE: Final = re.compile(r"[A-Z0-9][A-Z0-9_.]{0,31}")
_MAX_SHOWN: Final = 60
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


def rules_of(
    capabilities: Mapping[str, Capability],
    *,
    default_provider: str = "databento",
    datasets: Table = _NONE,
    asset_types: Mapping[str, Table] = _NONE,
    symbols: Mapping[str, Table] = _NONE,
) -> Rules:
    """The rules in the tables of `[routing]`. `datasets` may name exchanges that nobody knows yet, and with them what
    is listed there.

    Raises:
        ConfigurationError: something makes no sense; the hint has what else does not.
    """
    reading = _Reading(capabilities)
    reading.datasets(datasets)
    by_asset = reading.asset_types(asset_types)
    by_symbol = reading.symbols(symbols)
    default = reading.rule(
        "routing.default_provider",
        Tier.DEFAULT,
        {"historical": default_provider, "realtime": default_provider},
    )
    if reading.problems:
        raise ConfigurationError("routing cannot be used", reading.problems[0], hint="; ".join(reading.problems[1:]))
    return Rules(
        symbols=by_symbol,
        asset_types=_in_order(by_asset, _own(capabilities) | BUILT_IN),
        default=default,
        datasets=reading.table,
        held=_held(reading.table),
        exchanges=reading.exchanges,
    )


def _own(capabilities: Mapping[str, Capability]) -> dict[tuple[AssetType, str], Rule]:
    # Whoever is the venue serves what is traded there.
    return {
        (kind, exchange): built_in(f"{kind}@{exchange}", historical=one.name, realtime=one.name)
        for one in capabilities.values()
        for exchange in one.exchanges
        for kind in one.asset_types
    }


def _in_order(*sources: Mapping[tuple[AssetType, str], Rule]) -> dict[tuple[AssetType, str], tuple[Rule, ...]]:
    # What is said of the exchange comes before what is said of all, and all of one source before the next.
    return {
        (kind, exchange): tuple(
            rules[key] for rules in sources for key in dict.fromkeys(((kind, exchange), (kind, ""))) if key in rules
        )
        for kind, exchange in itertools.chain(*sources)
    }


def _held(table: Mapping[tuple[AssetType, str], str]) -> dict[str, tuple[AssetType, ...]]:
    held: dict[str, tuple[AssetType, ...]] = {dataset: (kind,) for dataset, kind in UNPLACED.items()}
    for (kind, _), dataset in table.items():
        held[dataset] = tuple(dict.fromkeys((*held.get(dataset, ()), kind)))
    return held


class _Reading:
    # Reads the tables and gathers everything that is wrong with them.

    def __init__(self, capabilities: Mapping[str, Capability]) -> None:
        self.capabilities = capabilities
        self.problems: list[str] = []
        self.exchanges = {name: one for one in EXCHANGES for name in (one.name, *one.aliases)}
        self.table = dict(DATASETS)
        for one in capabilities.values():
            for exchange in one.exchanges:
                own = Exchange(name=exchange, title=exchange, asset_types=one.asset_types)
                self.exchanges.setdefault(exchange, own)

    def datasets(self, tables: Table) -> None:
        found: dict[tuple[AssetType, str], str] = {}
        for written, dataset in tables.items():
            place = f"routing.databento.datasets.{printable(written, _MAX_SHOWN)}"
            kind_name, _, exchange_name = written.partition("@")
            kind, name = self._kind(kind_name, place), exchange_key(exchange_name)
            if kind is None:
                continue
            if not _EXCHANGE.fullmatch(name):
                self.problems.append(f"{place}: must be as futures@CME")
                continue
            key = (kind, self._listed(name, kind))
            self._once(key, found, place)
            found[key] = dataset
        self.table |= found

    def _listed(self, name: str, kind: AssetType) -> str:
        # The exchange's own name; from now on it is known, and lists what the key says.
        known = self.exchanges.get(name) or Exchange(name=name, title=name, asset_types=())
        if kind not in known.asset_types:
            known = attrs.evolve(known, asset_types=(*known.asset_types, kind))
            for alias in (known.name, *known.aliases):
                self.exchanges[alias] = known
        return known.name

    def asset_types(self, tables: Mapping[str, Table]) -> dict[tuple[AssetType, str], Rule]:
        found: dict[tuple[AssetType, str], Rule] = {}
        for written, table in tables.items():
            place = f"routing.asset_types.{printable(written, _MAX_SHOWN)}"
            kind_name, at, exchange_name = written.partition("@")
            kind = self._kind(kind_name, place)
            exchange = self._exchange(exchange_name, place) if at else None
            if kind is None or (at and exchange is None):
                continue
            if exchange is not None and kind not in exchange.asset_types:
                lists = " and ".join(exchange.asset_types)
                self.problems.append(f"{place}: {exchange.name} lists {lists}")
            key = (kind, "" if exchange is None else exchange.name)
            self._once(key, found, place)
            found[key] = self.rule(place, Tier.ASSET_TYPE, table)
        return found

    def symbols(self, tables: Mapping[str, Table]) -> dict[tuple[str, str], Rule]:
        found: dict[tuple[str, str], Rule] = {}
        for written, table in tables.items():
            place = f"routing.symbols.{printable(written, _MAX_SHOWN)}"
            name, at, exchange_name = written.rpartition("@")
            if not at:
                self.problems.append(f"{place}: must be as ESH5@CME")
                continue
            exchange = self._exchange(exchange_name, place)
            try:
                symbol = parse_symbol(name)
            except ConsoleError as error:
                self.problems.append(f"{place}: {error}")
                continue
            if exchange is not None:
                self._once(key := (symbol, exchange.name), found, place)
                found[key] = self.rule(place, Tier.SYMBOL, table)
        return found

    def rule(self, place: str, tier: Tier, table: Table) -> Rule:
        rule = Rule(
            name=place,
            tier=tier,
            historical=table.get("historical", ""),
            realtime=table.get("realtime", ""),
            dataset=table.get("dataset", ""),
        )
        named = [name for name in dict.fromkeys((rule.historical, rule.realtime)) if name]
        known = [self.capabilities[name] for name in named if name in self.capabilities]
        for name in named:
            if name not in self.capabilities:
                self._unknown(f"{place}: no provider is called {printable(name, 40)}", name, self.capabilities)
        if rule.dataset and len(known) == len(named) and not any(one.by_dataset for one in known):
            self.problems.append(f"{place}.dataset: the rule names no provider that has datasets")
        return rule

    def _kind(self, name: str, place: str) -> AssetType | None:
        try:
            return AssetType(name.lower())
        except ValueError:
            said = f"{place}: must begin with one of {', '.join(AssetType)}"
            self._unknown(said, name.lower(), AssetType)
            return None

    def _exchange(self, name: str, place: str) -> Exchange | None:
        try:
            return find_exchange(name, self.exchanges)
        except ConsoleError as error:
            self.problems.append(f"{place}: {error}")
            return None

    def _once(self, key: tuple[str, str], found: Mapping[Any, object], place: str) -> None:
        if key in found:
            self.problems.append(f"{place}: said twice, under two names")

    def _unknown(self, said: str, name: str, known: Iterable[str]) -> None:
        near = get_close_matches(name, list(known), n=1) if len(name) <= _MAX_SHOWN else []
        self.problems.append(f"{said} (did you mean {near[0]}?)" if near else said)
