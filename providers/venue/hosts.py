"""One set of limits for each host, shared by all who ask it from one event loop: a venue counts by address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from providers.venue.ratelimit import HostLimits

# By event loop: the clock that limits are kept by begins anew with each.
_LIMITS: Final[trio.lowlevel.RunVar[dict[str, HostLimits]]] = trio.lowlevel.RunVar("limits of hosts")


def limits_of(base_url: str, make: Callable[[], HostLimits]) -> HostLimits:
    """The limits of the host in `base_url`, by `make` for whoever asks first. To be called on an event loop."""
    try:
        known = _LIMITS.get()
    except LookupError:
        _LIMITS.set(known := {})
    host = base_url.partition("://")[2].partition("/")[0].lower()
    if host not in known:
        known[host] = make()
    return known[host]
