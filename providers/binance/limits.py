"""How much Binance may be asked: weight a minute and requests in five, by address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.clock import NS_PER_S
from providers.venue.ratelimit import Charge, HostLimits, WindowLimit

USED_WEIGHT: Final = "X-MBX-USED-WEIGHT-1M"
"""The header that says how much of the minute's weight this address has used, by the venue's count."""
WEIGHT_A_MINUTE: Final = 6000
REQUESTS_IN_FIVE_MINUTES: Final = 61_000

_WEIGHT: Final = "weight"
_REQUESTS: Final = Charge("requests")


def of_weight(weight: int) -> tuple[Charge, ...]:
    """What a request of this weight costs."""
    return Charge(_WEIGHT, weight), _REQUESTS


def host_limits() -> HostLimits:
    """The limits of one address, unused."""
    return HostLimits(
        {
            _WEIGHT: lambda: WindowLimit(WEIGHT_A_MINUTE, 60 * NS_PER_S),
            "requests": lambda: WindowLimit(REQUESTS_IN_FIVE_MINUTES, 300 * NS_PER_S),
        }
    )


def observe(headers: Mapping[str, str], limits: HostLimits, now_ns: int) -> None:
    """Believe the venue's own count when it is higher: others may ask from this address, too."""
    used = headers.get(USED_WEIGHT, "")
    if used.isascii() and used.isdigit() and len(used) < 10:
        limits.observe(_WEIGHT, int(used), now_ns)
