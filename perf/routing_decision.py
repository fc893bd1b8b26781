"""Microseconds from a request to the decision who serves it, with every reason, beside what it may cost and beside a
look through all rules.

The rules are those of a configuration with a rule for each of ten thousand symbols. Time is this process's CPU time,
the median of rounds in which all take turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Final

from console.routing import capabilities
from perf.figures import Figure
from providers.routing.reading import rules_of
from providers.routing.router import RouteRequest, decide
from providers.routing.rules import Capability, Rule, Rules

ROUNDS: Final = 9
DECISIONS: Final = 2_000
LOOKS: Final = 20
SYMBOLS: Final = 10_000
LIMIT_US: Final = 50.0
"""What a decision may cost at most."""
REQUESTS: Final = {
    "by its symbol": RouteRequest(symbol=f"S{SYMBOLS - 1}", exchange="NYSE"),
    "by its asset type": RouteRequest(symbol="ESH5", exchange="CME"),
    "after a rule that cannot serve": RouteRequest(symbol="BTCUSD", exchange="KRAKEN"),
    "that nobody serves": RouteRequest(symbol="BTCUSD", exchange="COINBASE"),
    "by its dataset, of inferred kind": RouteRequest(symbol="ESH5", dataset="NEW.SET"),
    "that has no exchange": RouteRequest(symbol="ESH5"),
    "of an exchange mistyped": RouteRequest(symbol="BTCUSD", exchange="KRAKN"),
}


def measure() -> list[Figure]:
    """A row a kind of request beside the limit, and one beside looking through the rules."""
    known = capabilities()
    rules = rules_of(
        known,
        asset_types={"crypto": {"historical": "databento", "realtime": "kraken"}},
        symbols={f"S{number}@NYSE": {"historical": "databento"} for number in range(SYMBOLS)},
    )
    costs_us: dict[str, list[float]] = {name: [] for name in REQUESTS}
    looks_us: list[float] = []
    for _ in range(ROUNDS):
        for name, request in REQUESTS.items():
            costs_us[name].append(_cost_us(_deciding(request, rules, known), DECISIONS))
        looks_us.append(_cost_us(_looking(REQUESTS["by its symbol"], rules), LOOKS))
    ours_us = {name: statistics.median(each) for name, each in costs_us.items()}
    first = next(iter(REQUESTS))
    return [
        *(Figure(f"route {name}", ours_us[name], LIMIT_US, "us", "the most it may cost") for name in REQUESTS),
        Figure(
            f"route {first}", ours_us[first], statistics.median(looks_us), "us", f"looking through {SYMBOLS} rules"
        ),
    ]


def _deciding(request: RouteRequest, rules: Rules, known: Mapping[str, Capability]) -> Callable[[], object]:
    return lambda: decide(request, rules, known)


def _looking(request: RouteRequest, rules: Rules) -> Callable[[], Rule | None]:
    wanted = f"routing.symbols.{request.symbol}@{request.exchange}"
    listed = list(rules.symbols.values())
    return lambda: next((rule for rule in listed if rule.name == wanted), None)


def _cost_us(work: Callable[[], object], count: int) -> float:
    started = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - started) / count * 1e6
