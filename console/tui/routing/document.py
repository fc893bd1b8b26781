"""What `fetch --dry-run --verbose` says of one symbol, as frozen values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import attrs

from console.tui.coverage.document import Plan
from core.clock import DAY_NS, utc_day

STORED: Final = "stored"
PARTIAL: Final = "partial"
LEFT: Final = "left"
CLOSED: Final = "closed"
STATES: Final = (STORED, PARTIAL, LEFT, CLOSED)
"""What a day of a plan can be."""
AVAILABLE: Final = "available"


@attrs.frozen(kw_only=True)
class PlanDay:
    """A day since the epoch, and what the venue says of it, if that is anything."""

    day: int
    state: str
    condition: str = ""

    @property
    def is_doubtful(self) -> bool:
        """Whether the venue says that it does not have all of it."""
        return self.condition not in ("", AVAILABLE)


Month = tuple[str, Mapping[int, PlanDay]]
"""Its name like 2026-11, and its days by their number in it."""


@attrs.frozen(kw_only=True, eq=False)
class RoutePlan:
    """The figures of a `plan`, and its days, ascending. `calendar_ends` is a date, empty where it does not end."""

    plan: Plan
    days: tuple[PlanDay, ...] = ()
    schema: str = ""
    venue: str = ""
    start: str = ""
    end: str = ""
    calendar: str = ""
    calendar_ends: str = ""

    def count(self, state: str) -> int:
        """How many of its days are in a state."""
        return _tally(self)[state]

    @property
    def doubtful(self) -> Mapping[str, int]:
        """How many of the days that are to be fetched the venue does not have in full, by its word for that."""
        return _doubts(self)

    @property
    def months(self) -> tuple[Month, ...]:
        """Its days by months, ascending."""
        return _months(self)


# A plan does not change, but the screen is drawn several times a second.
@lru_cache(maxsize=2)
def _tally(plan: RoutePlan) -> Counter[str]:
    return Counter(one.state for one in plan.days)


@lru_cache(maxsize=2)
def _doubts(plan: RoutePlan) -> Counter[str]:
    return Counter(one.condition for one in plan.days if one.is_doubtful and one.state in (PARTIAL, LEFT))


@lru_cache(maxsize=2)
def _months(plan: RoutePlan) -> tuple[Month, ...]:
    found: dict[str, dict[int, PlanDay]] = {}
    for one in plan.days:
        name = utc_day(one.day * DAY_NS)
        found.setdefault(name[:-3], {})[int(name[-2:])] = one
    return tuple(found.items())
