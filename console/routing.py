"""From the settings and what the providers say of themselves to the rules of routing; nobody is asked anything."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import attrs

from core.errors import ConfigurationError, UsageError
from core.flow.printable import printable
from providers.databento.names import check_dataset
from providers.routing.assets import AssetType
from providers.routing.reading import rules_of
from providers.routing.router import Decision, RouteRequest, decide
from providers.routing.rules import Capability, Purpose, Rules

if TYPE_CHECKING:
    from config.schema import RouteSettings, RoutingSettings, Settings

_EVERYTHING: Final = tuple(AssetType)


@cache
def capabilities() -> Mapping[str, Capability]:
    """What each live provider can serve, by its name.

    One without a venue of its own has datasets of everything, and their past, which it sells.
    """
    from console.wiring import provider_infos

    return {
        info.name: Capability(
            name=info.name,
            venue=info.venue,
            has_history=info.has_history or not info.venue,
            by_dataset=not info.venue,
            asset_types=(AssetType.CRYPTO,) if info.venue else _EVERYTHING,
            exchanges=(info.venue,) if info.venue else (),
        )
        for info in provider_infos()
    }


def load_rules(settings: Settings) -> Rules:
    """The rules that the settings describe. Raises `ConfigurationError` when they make no sense."""
    routing = settings.routing
    _check_datasets(routing)
    return rules_of(
        capabilities(),
        default_provider=routing.default_provider,
        datasets=routing.databento.datasets,
        asset_types=_tables(routing.asset_types),
        symbols=_tables(routing.symbols),
    )


def decide_for(
    settings: Settings,
    *,
    symbol: str,
    exchange: str = "",
    asset_type: AssetType | None = None,
    provider: str = "",
    dataset: str = "",
    purpose: Purpose = "historical",
) -> Decision:
    """The decision about one symbol. Raises `ConfigurationError`, of settings that make no sense, alone."""
    request = RouteRequest(
        symbol=symbol, exchange=exchange, asset_type=asset_type, provider=provider, dataset=dataset, purpose=purpose
    )
    return decide_by(load_rules(settings), request)


def decide_by(rules: Rules, request: RouteRequest) -> Decision:
    """The decision of one of many requests by the same rules; a dataset that cannot be one is its problem too."""
    if request.dataset:
        try:
            check_dataset(request.dataset)
        except UsageError as error:
            return Decision(request=request, problem=error)
    return decide(request, rules, capabilities())


def decision_row(decision: Decision) -> dict[str, Any]:
    """What is printed of a decision, as plain values; what came to nothing is empty. `problem` is a sentence."""
    request, route, asset = decision.request, decision.route, decision.asset
    return {
        "symbol": request.symbol if route is None else route.symbol,
        "exchange": request.exchange if route is None else route.exchange,
        "asset_type": "" if asset is None else str(asset.asset_type),
        "asset_reason": "" if asset is None else asset.reason,
        "purpose": request.purpose,
        "provider": "" if route is None else route.provider,
        "dataset": "" if route is None else route.dataset,
        "venue": "" if route is None else route.venue,
        "tier": "" if route is None else str(route.tier),
        "reason": "" if route is None else route.reason,
        "considered": [attrs.asdict(one) | {"tier": str(one.tier)} for one in decision.considered],
        "problem": "" if decision.problem is None else str(decision.problem),
    }


def _tables(routes: Mapping[str, RouteSettings]) -> dict[str, dict[str, str]]:
    return {name: attrs.asdict(route) for name, route in routes.items()}


def _check_datasets(routing: RoutingSettings) -> None:
    named = {f"databento.datasets.{key}": dataset for key, dataset in routing.databento.datasets.items()}
    for section in ("asset_types", "symbols"):
        for key, route in getattr(routing, section).items():
            if route.dataset:
                named[f"{section}.{key}.dataset"] = route.dataset
    for place, dataset in named.items():
        try:
            check_dataset(dataset)
        except UsageError as error:
            subject = f"{error.subject} in routing.{printable(place, 80)}"
            raise ConfigurationError(error.operation, subject, hint="it must be as GLBX.MDP3") from error
