"""How often Kraken spot may be asked: public calls by address and by pair, private ones by a counter that decays."""

from __future__ import annotations

import enum

from core.clock import NS_PER_MS, NS_PER_S
from providers.venue.ratelimit import Charge, HostLimits, TokenLimit

ADDRESS = Charge("address")


class Tier(enum.StrEnum):
    """How far the owner of a key is verified, which decides how often private calls may be made."""

    STARTER = "starter"
    INTERMEDIATE = "intermediate"
    PRO = "pro"


# The counter's maximum, and how long it takes to fall by one: 0.33, 0.5 and 1 a second, never a little more.
_COUNTERS = {
    Tier.STARTER: (15, 3031 * NS_PER_MS),
    Tier.INTERMEDIATE: (20, 2 * NS_PER_S),
    Tier.PRO: (20, NS_PER_S),
}


def of_pair(pair: str) -> tuple[Charge, ...]:
    """What a call for trades or bars of `pair` costs."""
    return Charge("pair", 1, pair), ADDRESS


def of_private(weight: int = 1) -> tuple[Charge, ...]:
    """What a private call costs: 2 for ledgers and the history of trades, else 1."""
    return Charge("private", weight), ADDRESS


def host_limits(tier: Tier = Tier.STARTER) -> HostLimits:
    """The limits of one address and one key, unused."""
    maximum, interval_ns = _COUNTERS[tier]
    return HostLimits(
        {
            "address": lambda: TokenLimit(1, NS_PER_S),
            "pair": lambda: TokenLimit(1, NS_PER_S),
            "private": lambda: TokenLimit(maximum, interval_ns),
        }
    )
