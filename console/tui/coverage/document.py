"""What an engine says of what is stored day by day, of jobs and of money, as frozen values.

Days are counted since the epoch. Amounts are exact US dollars; one that the engine does not tell is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import attrs

from console.tui.stored import Key

STORED: Final = "#"
FETCHED: Final = "b"
PARTIAL: Final = "p"
MISSING: Final = "."
LOST: Final = "g"
CLOSED: Final = "c"
OUTSIDE: Final = "-"
STATES: Final = (STORED, FETCHED, PARTIAL, MISSING, LOST, CLOSED, OUTSIDE)
"""What a day of a series can be, one character each."""
HOLES: Final = frozenset((PARTIAL, MISSING, LOST))
"""Days of which something can be fetched."""
_BEFORE: Final = MISSING + CLOSED + OUTSIDE
YEAR: Final = 365
RUNNING: Final = "running"

Amount = Decimal | None


@attrs.frozen(kw_only=True)
class MapRow:
    """One series: `states` has a character of `STATES` a day, the oldest first."""

    key: Key
    states: str = ""
    rows: int = 0

    @property
    def name(self) -> str:
        """The series in words."""
        venue, symbol, schema = self.key
        return f"{symbol} {schema} on {venue}"

    @property
    def begins(self) -> int:
        """How many days there are before the first of which something is there."""
        return len(self.states) - len(self.states.lstrip(_BEFORE))

    @property
    def holes(self) -> int:
        """The days since then of which something is missing."""
        return sum(self.states.count(state, self.begins) for state in HOLES)


@attrs.frozen(kw_only=True)
class CoverageMap:
    """Every series over the same `days` from `first_day` on. `truncated` tells that there are more series."""

    first_day: int = 0
    days: int = 0
    rows: tuple[MapRow, ...] = ()
    truncated: bool = False

    @property
    def end_day(self) -> int:
        """The day after the newest."""
        return self.first_day + self.days


@attrs.frozen(kw_only=True)
class Stretch:
    """A part of a day: what became of it in words, and how many records are `missing`, None when nobody knows."""

    start_ns: int
    end_ns: int
    kind: str
    missing: int | None = None
    detail: str = ""


@attrs.frozen(kw_only=True)
class DayDetail:
    """One day of a series in full. `calendar_ends` is the day on which what is known of its sessions ends."""

    key: Key
    day: int
    rows: int = 0
    first_ns: int = 0
    last_ns: int = 0
    state: str = ""
    stretches: tuple[Stretch, ...] = ()
    calendar: str = ""
    calendar_ends: int | None = None


@attrs.frozen(kw_only=True)
class Job:
    """A fetch, running or not: `state` is `RUNNING`, "interrupted", "done", "failed" or "cancelled"; `share` is from
    0 to 1. Times are as they are written."""

    job_id: str
    kind: str = ""
    state: str = ""
    symbols: str = ""
    provider: str = ""
    schema: str = ""
    start: str = ""
    end: str = ""
    rows: int = 0
    share: float = 0.0
    paid_usd: Amount = None
    message: str = ""
    updated: str = ""


@attrs.frozen(kw_only=True)
class Purchase:
    """What was bought, or is being bought: then its price is an estimate."""

    time: str = ""
    provider: str = ""
    dataset: str = ""
    schema: str = ""
    symbol: str = ""
    start: str = ""
    end: str = ""
    paid_usd: Amount = None
    estimated_usd: Amount = None
    state: str = ""


@attrs.frozen(kw_only=True)
class Spend:
    """What was spent, and what may be at most: a budget of None is no limit."""

    today_usd: Decimal = Decimal(0)
    month_usd: Decimal = Decimal(0)
    daily_budget_usd: Amount = None
    monthly_budget_usd: Amount = None
    recent: tuple[Purchase, ...] = ()


@attrs.frozen(kw_only=True)
class Work:
    """Jobs and money; `rates` are rows a second of the jobs that run, by their ids."""

    jobs: tuple[Job, ...] = ()
    spend: Spend = Spend()
    rates: Mapping[str, float] = attrs.Factory(dict)


@attrs.define
class Wish:
    """What somebody looks at now: the screen writes it, and the thread that asks the engine reads it. `again` grows
    when what is known is known to be old."""

    coverage: bool = False
    work: bool = False
    days: int = YEAR
    day: tuple[Key, int] | None = None
    again: int = 0


@attrs.frozen(kw_only=True)
class Holdings:
    """What is known: `number` grows with each answer. Each part is kept while there is no newer one; then its reason
    says why. `refused` tells that the engine does not know the question. `wish` is the one object by which more is
    asked for."""

    number: int = 0
    coverage: CoverageMap | None = None
    coverage_reason: str = ""
    refused: bool = False
    day: DayDetail | None = None
    day_reason: str = ""
    work: Work | None = None
    work_reason: str = ""
    work_refused: bool = False
    wish: Wish = attrs.field(factory=Wish, eq=False)


@attrs.frozen(kw_only=True)
class PlanRow:
    """What fetching one symbol comes to; `problem` is why it cannot be fetched."""

    symbol: str = ""
    provider: str = ""
    dataset: str = ""
    reason: str = ""
    days_wanted: int = 0
    days_stored: int = 0
    days_closed: int = 0
    days_left: int = 0
    bought: bool = False
    clamped: str = ""
    problem: str = ""


@attrs.frozen(kw_only=True)
class Plan:
    """What a fetch would bring and cost; None for what nobody told."""

    row: PlanRow = PlanRow()
    priced: bool = False
    price_usd: Amount = None
    records: int | None = None
    size_bytes: int | None = None
    left_today_usd: Amount = None
    left_month_usd: Amount = None
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Outcome:
    """What a fetch has brought; `problem` says what went wrong."""

    state: str = ""
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    paid_usd: Amount = None
    problem: str = ""
