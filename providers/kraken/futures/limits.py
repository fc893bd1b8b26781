"""How often Kraken Futures may be asked: pages of its history come from a pool, all else may be had at any time."""

from __future__ import annotations

from typing import Final

from core.clock import NS_PER_S
from providers.venue.ratelimit import Charge, HostLimits, TokenLimit

POOL: Final = 100
"""Pages of the history that may be asked for at once."""
REFILL_S: Final = 6
"""After so many seconds one more may be."""

HISTORY: Final = (Charge("history"),)
"""What a page of the history costs."""


def host_limits() -> HostLimits:
    """The limits of one address, unused."""
    return HostLimits({"history": lambda: TokenLimit(POOL, REFILL_S * NS_PER_S)})
