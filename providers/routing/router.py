"""Who serves a symbol: three tiers, asked in order, and an override before them that is never replaced.

A decision is a pure function of the request, the rules and what the providers can do. It tells why, and what was
rejected on the way. Whatever has two answers is an error that names both.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

import attrs

from core.errors import ConsoleError, NotFoundError, UsageError
from core.flow.printable import printable
from core.model.symbology import parse_symbol
from providers.routing.assets import Asset, AssetType, Exchange, by_form, find_exchange, infer
from providers.routing.rules import Capability, Purpose, Rule, Rules, Tier
from providers.routing.serving import Wanted, dataset_of, exchange_of, merit, refusal, silence


@attrs.frozen(kw_only=True)
class RouteRequest:
    """What is to be served. `provider` and `dataset` are an override; what is empty or None is to be found out."""

    symbol: str
    exchange: str = ""
    asset_type: AssetType | None = None
    provider: str = ""
    dataset: str = ""
    purpose: Purpose = "historical"


@attrs.frozen(kw_only=True)
class Considered:
    """One answer of a tier: the `rule` by its name in the configuration, what it names, and why that was taken or
    not. The provider is empty where the rule says nothing."""

    tier: Tier
    rule: str
    provider: str
    dataset: str
    accepted: bool
    reason: str


@attrs.frozen(kw_only=True)
class Route:
    """Who serves a symbol: `provider`, of its `dataset` if it has many, filed under `venue`; by which `tier`."""

    symbol: str
    exchange: str
    asset_type: AssetType
    asset_reason: str
    purpose: Purpose
    provider: str
    dataset: str
    venue: str
    tier: Tier
    reason: str


@attrs.frozen(kw_only=True)
class Decision:
    """What came of a request: a `route`, or a `problem`; and all that was `considered`, in the order of the tiers.

    `asset` is what the symbol was taken for, None when it did not come to that.
    """

    request: RouteRequest
    route: Route | None = None
    considered: tuple[Considered, ...] = ()
    asset: Asset | None = None
    problem: ConsoleError | None = None

    def chosen(self) -> Route:
        """The route. Raises the problem when there is none."""
        if self.route is None:
            assert self.problem is not None
            raise self.problem
        return self.route


def decide(request: RouteRequest, rules: Rules, capabilities: Mapping[str, Capability]) -> Decision:
    """The route of a symbol, or why there is none. Nothing is raised: a `UsageError` (it has two answers, contradicts
    itself or lacks something) or a `NotFoundError` (no such exchange, nobody serves it) is the decision's problem."""
    try:
        wanted = _understand(request, rules, capabilities)
    except ConsoleError as error:
        return Decision(request=request, problem=error)
    override = _override(request, wanted, rules, capabilities)
    route: Route | None = None
    considered: list[Considered] = []
    answered = ""
    for rule in _asked(wanted, rules, override):
        if answered:
            considered.append(_not_asked(rule, wanted.purpose, answered))
            continue
        one, route = _consider(rule, wanted, rules, capabilities)
        considered.append(one)
        if route is not None:
            answered = f"{rule.name} answers before"
        elif rule.tier is Tier.OVERRIDE:
            answered = "what is asked for by name is never replaced"
    return Decision(
        request=request,
        route=route,
        considered=tuple(considered),
        asset=wanted.asset,
        problem=None if route is not None else _problem(wanted, considered, rules),
    )


def _understand(request: RouteRequest, rules: Rules, capabilities: Mapping[str, Capability]) -> Wanted:
    symbol = parse_symbol(request.symbol)
    exchange = find_exchange(request.exchange, rules.exchanges) if request.exchange else None
    if request.provider:
        named = capabilities.get(request.provider)
        if named is None:
            raise _no_provider(request.provider, capabilities)
        if exchange is None and len(named.exchanges) == 1:
            exchange = rules.exchanges[named.exchanges[0]]
    return Wanted(
        symbol=symbol,
        exchange="" if exchange is None else exchange.name,
        asset=_asset(symbol, exchange, request, rules),
        purpose=request.purpose,
    )


def _asset(symbol: str, exchange: Exchange | None, request: RouteRequest, rules: Rules) -> Asset:
    held = rules.held.get(request.dataset, ())
    if exchange is None and request.asset_type is None and held:
        told = f"{request.dataset} holds {' and '.join(held)}"
        return Asset(asset_type=held[0], reason=told) if len(held) == 1 else by_form(symbol, held, f"{told}; ")
    return infer(symbol, exchange, request.asset_type)


def _no_provider(name: str, capabilities: Mapping[str, Capability]) -> NotFoundError:
    near = get_close_matches(name.lower(), capabilities, n=1) if len(name) <= 40 else []
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(capabilities)}"
    return NotFoundError("no such provider", printable(name, 40), hint=hint)


def _override(
    request: RouteRequest, wanted: Wanted, rules: Rules, capabilities: Mapping[str, Capability]
) -> Rule | None:
    if not (request.provider or request.dataset):
        return None
    provider, dataset = request.provider, request.dataset
    words = [f"--provider {provider}"] if provider else []
    words += [f"--dataset {printable(dataset, 15)}"] if dataset else []
    if not provider:
        provider = next(name for name, one in capabilities.items() if one.by_dataset)
    elif not dataset and capabilities[provider].by_dataset:
        dataset = next((rule.dataset for rule in _tiers(wanted, rules) if rule.dataset), "")
    return Rule(name=" ".join(words), tier=Tier.OVERRIDE, historical=provider, realtime=provider, dataset=dataset)


def _asked(wanted: Wanted, rules: Rules, override: Rule | None) -> list[Rule]:
    tiers = _tiers(wanted, rules)
    return tiers if override is None else [override, *tiers]


def _tiers(wanted: Wanted, rules: Rules) -> list[Rule]:
    # Never without a rule of a tier: one that says nothing stands for a symbol that has none.
    kind, exchange = wanted.asset.asset_type, wanted.exchange
    exact = rules.symbols.get((wanted.symbol, exchange))
    if exact is None:
        place = f"{wanted.symbol}@{exchange}" if exchange else wanted.symbol
        exact = Rule(name=f"routing.symbols.{place}", tier=Tier.SYMBOL)
    general = rules.asset_types.get((kind, exchange)) or rules.asset_types[kind, ""]
    return [exact, *general, rules.default]


def _not_asked(rule: Rule, purpose: Purpose, answered: str) -> Considered:
    return Considered(
        tier=rule.tier,
        rule=rule.name,
        provider=rule.provider(purpose),
        dataset=rule.dataset,
        accepted=False,
        reason=f"not asked: {answered}",
    )


def _consider(
    rule: Rule, wanted: Wanted, rules: Rules, capabilities: Mapping[str, Capability]
) -> tuple[Considered, Route | None]:
    provider, dataset, route = rule.provider(wanted.purpose), "", None
    if not provider:
        reason = silence(rule, wanted)
    else:
        capability = capabilities[provider]
        dataset = dataset_of(rule, wanted, capability, rules)
        reason = refusal(rule, wanted, capability, dataset=dataset, held=rules.held)
        if not reason:
            reason = merit(rule, wanted, capability, dataset=dataset, known=dataset in rules.held)
            route = _route(rule, wanted, capability, dataset=dataset, reason=reason)
    accepted = route is not None
    considered = Considered(
        tier=rule.tier, rule=rule.name, provider=provider, dataset=dataset, accepted=accepted, reason=reason
    )
    return considered, route


def _route(rule: Rule, wanted: Wanted, capability: Capability, *, dataset: str, reason: str) -> Route:
    return Route(
        symbol=wanted.symbol,
        exchange=exchange_of(wanted, capability),
        asset_type=wanted.asset.asset_type,
        asset_reason=wanted.asset.reason,
        purpose=wanted.purpose,
        provider=capability.name,
        dataset=dataset,
        venue=dataset or capability.venue,
        tier=rule.tier,
        reason=reason,
    )


def _problem(wanted: Wanted, considered: list[Considered], rules: Rules) -> ConsoleError:
    first = considered[0]
    if first.tier is Tier.OVERRIDE:
        return UsageError(f"{first.rule} cannot serve it", wanted.said, hint=first.reason)
    if not wanted.exchange:
        kind = wanted.asset.asset_type
        names = dict.fromkeys(one.name for one in rules.exchanges.values() if kind in one.asset_types)
        return UsageError("no exchange", wanted.said, hint=f"add --exchange, one of {', '.join(names)}")
    reasons = dict.fromkeys(one.reason for one in considered if one.provider)
    return NotFoundError("nobody serves it", wanted.said, hint="; ".join(reasons))
