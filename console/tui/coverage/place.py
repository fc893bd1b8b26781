"""Where the operator is on the map, and what can be fetched there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import attrs

from console.tui.coverage.document import CLOSED, HOLES, OUTSIDE, CoverageMap, MapRow
from console.tui.coverage.words import STATE_WORDS, count_text, money_text
from console.tui.stored import Key
from core.clock import DAY_NS, utc_day

_SIMULATED: Final = "SIM."


@attrs.frozen(kw_only=True)
class MapPlace:
    """The series and the day under the cursor, the first series shown, the first day shown, and the filter."""

    key: Key | None = None
    day: int = 0
    top: int = 0
    left_day: int = 0
    pattern: str = ""


@attrs.frozen(kw_only=True)
class Hole:
    """Days of a series of which something is missing, `end_day` exclusive. Those between them may be closed."""

    key: Key
    first_day: int
    end_day: int

    @property
    def days(self) -> int:
        """How many days it spans."""
        return self.end_day - self.first_day

    @property
    def text(self) -> str:
        """The days in words."""
        first, last = day_text(self.first_day), day_text(self.end_day - 1)
        return first if self.days == 1 else f"{first} to {last}"


@attrs.frozen(kw_only=True)
class Ask:
    """What fetching a hole takes: once `name` was typed as it is, `arguments` are run behind the program's name and
    `--batch`. `title` says what will be done. Where nothing can be fetched `name` is empty and `why` says why."""

    title: str = ""
    name: str = ""
    arguments: tuple[str, ...] = ()
    why: str = ""
    hole: Hole | None = None


def day_text(day: int) -> str:
    """A day since the epoch like 2026-11-22."""
    return utc_day(day * DAY_NS)


def filter_rows(coverage: CoverageMap | None, pattern: str) -> Sequence[MapRow]:
    """The series whose symbol, venue or schema contains `pattern`, in any case; `!` inverts."""
    rows = () if coverage is None else coverage.rows
    inverted, wanted = pattern.startswith("!"), pattern.removeprefix("!").strip().lower()
    return [one for one in rows if (wanted in " ".join(one.key).lower()) != inverted] if wanted else rows


def follow(
    place: MapPlace, coverage: CoverageMap, shown: Sequence[MapRow], *, rows: int, days: int, at: int
) -> MapPlace:
    """`place` with its cursor on something that is there, and in sight where `rows` series and `days` days are seen.

    A series that is gone is followed by the one that has taken its place, `at`.
    """
    keys = [one.key for one in shown]
    if place.key not in keys:
        place = attrs.evolve(place, key=keys[min(at, len(keys) - 1)] if keys else None)
    at = keys.index(place.key) if place.key is not None else 0
    last = coverage.end_day - 1
    day = last if not place.day else within(place.day, least=coverage.first_day, most=last)
    left = within(place.left_day or last - days + 1, least=day - days + 1, most=day)
    left = within(left, least=min(coverage.first_day, last - days + 1), most=last - days + 1)
    top = max(min(place.top, at, len(keys) - rows), at - rows + 1, 0)
    return attrs.evolve(place, day=day, left_day=left, top=top)


def within(value: int, *, least: int, most: int) -> int:
    """The number from `least` to `most` that is next to `value`."""
    return max(min(value, most), least)


def hole_at(row: MapRow, coverage: CoverageMap, day: int, *, whole: bool) -> Hole | str:
    """The day of a series if something of it is missing, with `whole` all days around it of which something is; else
    a sentence that says why there is nothing to fetch."""
    at = day - coverage.first_day
    state = row.states[at] if 0 <= at < len(row.states) else OUTSIDE
    if state not in HOLES:
        return f"nothing to fetch of {row.name} on {day_text(day)}: {STATE_WORDS[state]}"
    first, end = at, at + 1
    if whole:
        first, end = _reach(row.states, at, -1), _reach(row.states, at, 1) + 1
    return Hole(key=row.key, first_day=coverage.first_day + first, end_day=coverage.first_day + end)


def _reach(states: str, at: int, step: int) -> int:
    # The last day of the hole in one direction: sessions that are closed do not end it, nor does it end with one.
    last = at
    while 0 <= at < len(states) and (states[at] in HOLES or states[at] == CLOSED):
        last = at if states[at] in HOLES else last
        at += step
    return last


def series_arguments(hole: Hole, *, store: str) -> tuple[str, ...]:
    """How the command names a hole in the `store` that is meant, "" for its own choice."""
    venue, symbol, schema = hole.key
    simulated = ("--simulated",) if venue.startswith(_SIMULATED) else ()
    named = (f"--symbols={symbol}", f"--exchange={venue.removeprefix(_SIMULATED)}", *simulated, f"--schema={schema}")
    days = (f"--start={day_text(hole.first_day)}", f"--end={day_text(hole.end_day)}")
    return (*named, *days, *((f"--store={store}",) if store else ()))


def price_arguments(hole: Hole, *, store: str) -> tuple[str, ...]:
    """The command that says what fetching a hole comes to."""
    return ("fetch", *series_arguments(hole, store=store), "--dry-run", "--price", "--json")


def fetch_ask(hole: Hole, price_usd: Decimal, *, days_left: int, store: str) -> Ask:
    """What fetching `days_left` days of a hole for at most `price_usd` takes."""
    _venue, symbol, schema = hole.key
    cost = f"costs {money_text(price_usd)}" if price_usd else "costs nothing"
    limits = ("--yes", f"--max-cost={price_usd:f}", "--progress", "json", "--json")
    return Ask(
        title=f"fetches {count_text(days_left, 'day')} of {symbol} {schema}, which {cost}",
        name=symbol,
        arguments=("backfill", "fetch", *series_arguments(hole, store=store), *limits),
        hole=hole,
    )
