"""How much may be asked of a host, and when. Pure: the clock is an argument, and nothing here waits.

All instants are integer nanoseconds of one monotonic clock. A limit may hold for the whole host or for one key of
many, such as one pair of it; a request is charged to several at once, and goes when all of them admit it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

MAX_KEYS = 4096
"""Limits of single keys kept; of more, those that are not used are forgotten."""


class Charge(NamedTuple):
    """What a request costs: `weight` on the limit `name`; with a `key`, on that key's own."""

    name: str
    weight: int = 1
    key: str = ""


class Limit(Protocol):
    """One limit. Weights are above 0."""

    def wait_ns(self, weight: int, now_ns: int) -> int:
        """How long until `weight` is admitted if nothing else is taken: 0 is now. A weight beyond the whole limit is
        admitted when the limit is unused, so that nothing waits for ever."""

    def take(self, weight: int, now_ns: int) -> None:
        """Use `weight` of it now. The caller has seen a wait of 0."""

    def observe(self, used: int, now_ns: int) -> None:
        """The venue says that `used` is used: it is believed when it is more than is known here."""


class TokenLimit:
    """`capacity` at once, and one more every `interval_ns`: in t ns never more than capacity + t / interval.

    A venue's decaying counter is the same thing seen from the other end: its maximum is the capacity, and it falls by
    one every interval.
    """

    def __init__(self, capacity: int, interval_ns: int) -> None:
        assert capacity > 0
        assert interval_ns > 0
        self._capacity = capacity
        self._interval_ns = interval_ns
        # The instant at which nothing will be used any more says all: no number is rounded on the way.
        self._unused_ns: int | None = None

    def wait_ns(self, weight: int, now_ns: int) -> int:
        """See `Limit.wait_ns`."""
        if self._unused_ns is None:
            return 0
        spare = max(self._capacity - weight, 0)
        return max(self._unused_ns - spare * self._interval_ns - now_ns, 0)

    def take(self, weight: int, now_ns: int) -> None:
        """See `Limit.take`."""
        begin_ns = now_ns if self._unused_ns is None else max(self._unused_ns, now_ns)
        self._unused_ns = begin_ns + weight * self._interval_ns

    def observe(self, used: int, now_ns: int) -> None:
        """See `Limit.observe`."""
        told_ns = now_ns + used * self._interval_ns
        self._unused_ns = told_ns if self._unused_ns is None else max(self._unused_ns, told_ns)


class WindowLimit:
    """At most `limit` in any span of `window_ns`, wherever it begins.

    A venue that counts by the clock's minutes admits no less than this.
    """

    def __init__(self, limit: int, window_ns: int) -> None:
        assert limit > 0
        assert window_ns > 0
        self._limit = limit
        self._window_ns = window_ns
        self._taken: deque[tuple[int, int]] = deque()
        self._used = 0

    def wait_ns(self, weight: int, now_ns: int) -> int:
        """See `Limit.wait_ns`."""
        self._forget(now_ns)
        spare = self._limit - weight
        used = self._used
        wait_ns = 0
        for taken_ns, taken in self._taken:
            if used <= max(spare, 0):
                break
            used -= taken
            wait_ns = taken_ns + self._window_ns - now_ns
        return wait_ns

    def take(self, weight: int, now_ns: int) -> None:
        """See `Limit.take`."""
        self._forget(now_ns)
        self._taken.append((now_ns, weight))
        self._used += weight

    def observe(self, used: int, now_ns: int) -> None:
        """See `Limit.observe`."""
        self._forget(now_ns)
        if used > self._used:
            self.take(min(used, 2 * self._limit) - self._used, now_ns)

    def _forget(self, now_ns: int) -> None:
        while self._taken and self._taken[0][0] + self._window_ns <= now_ns:
            self._used -= self._taken.popleft()[1]


class HostLimits:
    """Every limit of one host, and the time until which it wants no request at all.

    `makers` makes the limit of each name, anew for each key of it.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Limit]]) -> None:
        self._makers = dict(makers)
        self._limits: dict[tuple[str, str], Limit] = {}
        self._paused_until_ns: int | None = None

    def wait_ns(self, charges: Sequence[Charge], now_ns: int) -> int:
        """How long until a request of these charges may go: 0 is now. Raises `KeyError` for an unknown name."""
        paused_ns = 0 if self._paused_until_ns is None else max(self._paused_until_ns - now_ns, 0)
        waits = [self._limit(each, now_ns).wait_ns(each.weight, now_ns) for each in charges]
        return max(paused_ns, *waits) if waits else paused_ns

    def take(self, charges: Sequence[Charge], now_ns: int) -> None:
        """Book a request that goes now."""
        for each in charges:
            self._limit(each, now_ns).take(each.weight, now_ns)

    def pause(self, wait_ns: int, now_ns: int) -> None:
        """The host asked for no request for `wait_ns`, or banned us for it: it stops everything. A pause that ends
        sooner never shortens another."""
        until_ns = now_ns + wait_ns
        self._paused_until_ns = until_ns if self._paused_until_ns is None else max(self._paused_until_ns, until_ns)

    def observe(self, name: str, used: int, now_ns: int) -> None:
        """The host says how much of its limit `name` is used."""
        self._limit(Charge(name), now_ns).observe(used, now_ns)

    def _limit(self, charge: Charge, now_ns: int) -> Limit:
        limit = self._limits.get((charge.name, charge.key))
        if limit is None:
            if len(self._limits) >= MAX_KEYS:
                # A limit that admits its whole self at once remembers nothing.
                self._limits = {at: each for at, each in self._limits.items() if each.wait_ns(_WHOLE, now_ns)}
            limit = self._limits[charge.name, charge.key] = self._makers[charge.name]()
        return limit


_WHOLE = 2**62
