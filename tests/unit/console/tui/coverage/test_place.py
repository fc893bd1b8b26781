"""Where the cursor is, which hole it is on, and how the command names it."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.coverage.document import HOLES, STATES, CoverageMap, MapRow
from console.tui.coverage.parsing import parse_map
from console.tui.coverage.place import (
    Hole,
    MapPlace,
    day_text,
    fetch_ask,
    filter_rows,
    follow,
    hole_at,
    price_arguments,
)
from tests.unit.console.tui.coverage.documents import KEY, TODAY, coverage


def _map(states: str) -> CoverageMap:
    return parse_map(coverage(states, days=len(states)))


def _hole(states: str, at: int, *, whole: bool) -> tuple[int, int] | str:
    found = _map(states)
    hole = hole_at(found.rows[0], found, found.first_day + at, whole=whole)
    if isinstance(hole, str):
        return hole
    return hole.first_day - found.first_day, hole.end_day - found.first_day


def test_a_hole_is_its_day_or_all_days_around_it() -> None:
    """The whole hole reaches over closed days to what is stored on either side, and begins and ends with a hole."""
    states = "#c.pccg.c#."
    assert _hole(states, 3, whole=False) == (3, 4)
    assert _hole(states, 3, whole=True) == (2, 8)
    assert _hole(states, 10, whole=True) == (10, 11)


@pytest.mark.parametrize(("sign", "word"), [("#", "stored"), ("b", "fetched"), ("c", "closed"), ("-", "known")])
def test_where_nothing_is_missing_there_is_no_hole(sign: str, word: str) -> None:
    """A day that is stored, closed or unknown says so instead."""
    found = _hole(f".{sign}.", 1, whole=True)
    assert isinstance(found, str)
    assert word in found
    assert f"BTCUSD trades on KRAKEN on {day_text(TODAY - 1)}" in found


@given(st.text(st.sampled_from(STATES), min_size=1, max_size=30), st.data())
def test_a_whole_hole_holds_its_day(states: str, data: st.DataObject) -> None:
    """It begins and ends with a day of which something is missing, and no stored day is in it."""
    at = data.draw(st.integers(0, len(states) - 1))
    found = _hole(states, at, whole=True)
    if isinstance(found, str):
        assert states[at] not in HOLES
        return
    first, end = found
    assert first <= at < end
    assert {states[first], states[end - 1]} <= HOLES
    assert set(states[first:end]) <= HOLES | {"c"}


def test_the_command_names_the_hole() -> None:
    """Venue, symbol, schema, days and store stand in the command; a simulated venue is told by an option."""
    hole = Hole(key=("SIM.BINANCE", "--odd", "trades"), first_day=TODAY - 1, end_day=TODAY + 1)
    assert price_arguments(hole, store="embedded") == (
        "fetch", "--symbols=--odd", "--exchange=BINANCE", "--simulated", "--schema=trades", "--start=2026-11-22",
        "--end=2026-11-24", "--store=embedded", "--dry-run", "--price", "--json",
    )  # fmt: skip
    ask = fetch_ask(attrs.evolve(hole, key=KEY), Decimal("0.0000001"), days_left=2, store="")
    assert ask.arguments == (
        "backfill", "fetch", "--symbols=BTCUSD", "--exchange=KRAKEN", "--schema=trades", "--start=2026-11-22",
        "--end=2026-11-24", "--yes", "--max-cost=0.0000001", "--progress", "json", "--json",
    )  # fmt: skip
    assert (ask.name, ask.title) == ("BTCUSD", "fetches 2 days of BTCUSD trades, which costs $0.000001")


def test_the_cursor_begins_at_the_newest_day_and_stays_in_sight() -> None:
    """The newest day is on the right; a cursor that moves drags the picture along, and never leaves what is known."""
    found = parse_map(coverage("#" * 30, "#" * 30, days=30))
    place = follow(MapPlace(), found, found.rows, rows=1, days=10, at=0)
    assert (place.key, place.day, place.left_day) == (KEY, TODAY, TODAY - 9)
    place = follow(attrs.evolve(place, day=TODAY - 12), found, found.rows, rows=1, days=10, at=0)
    assert place.left_day == TODAY - 12
    place = follow(attrs.evolve(place, day=TODAY - 5), found, found.rows, rows=1, days=10, at=0)
    assert place.left_day == TODAY - 12
    place = follow(attrs.evolve(place, day=1), found, found.rows, rows=1, days=10, at=0)
    assert (place.day, place.left_day) == (found.first_day, found.first_day)
    few = follow(MapPlace(), found, found.rows, rows=1, days=100, at=0)
    assert few.left_day == TODAY - 99


def test_the_cursor_follows_its_series() -> None:
    """A series that is gone is followed by what has taken its place; none at all is no series."""
    found = parse_map(coverage("#", "#", "#", days=3))
    place = follow(MapPlace(key=found.rows[2].key), found, found.rows, rows=1, days=3, at=0)
    assert place.top == 2
    place = follow(place, found, found.rows[:2], rows=1, days=3, at=2)
    assert (place.key, place.top) == (found.rows[1].key, 1)
    assert follow(place, found, [], rows=1, days=3, at=0).key is None


def test_series_are_filtered() -> None:
    """By any part of symbol, venue or schema, in any case; `!` turns it round."""
    found = parse_map(coverage("#", "#", "#", "#", days=3))

    def names(pattern: str) -> list[str]:
        return [row.key[1] for row in filter_rows(found, pattern)]

    assert names("glbx") == ["ESZ6"]
    assert names("!btc") == ["ETHUSD", "ESZ6"]
    assert names("KRAKEN BTCUSD MBP") == ["BTCUSD"]
    assert len(names(" ")) == 4
    assert list(filter_rows(None, "x")) == []
    assert MapRow(key=KEY).name == "BTCUSD trades on KRAKEN"
