"""Answers about coverage become values that are safe to draw, whatever was answered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.coverage.document import OUTSIDE, STATES
from console.tui.coverage.parsing import (
    MOST_DAYS,
    MOST_SERIES,
    MOST_STRETCHES,
    parse_day,
    parse_map,
    parse_outcome,
    parse_plan,
    parse_work,
    read_day,
)
from tests.unit.console.tui.coverage.documents import KEY, TODAY, coverage, day, outcome, plan, work

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def test_a_map_has_a_state_for_each_day() -> None:
    """Every series covers the same days; its holes are those since it began."""
    found = parse_map(coverage("##p.", "#" * 365))
    assert (found.first_day, found.end_day) == (TODAY - 364, TODAY + 1)
    assert [len(row.states) for row in found.rows] == [365, 365]
    assert found.rows[0].states.endswith(".##p.")
    assert (found.rows[0].key, found.rows[0].rows, found.rows[0].holes) == (KEY, 1000, 2)


def test_unknown_states_are_outside_of_what_is_known() -> None:
    """A character that nobody knows, one too few and one too many do not move the days."""
    raw = {"first_day": "2026-11-20", "days": 4, "rows": [{"states": "#z"}, {"symbol": "X", "states": "#####"}]}
    assert [row.states for row in parse_map(raw).rows] == [f"#{OUTSIDE * 3}", "####"]


def test_a_map_is_bounded() -> None:
    """No answer makes more series or days than a screen can hold, and it says when some were left out."""
    raw = {"first_day": "1970-01-01", "days": 10**9, "rows": [{"symbol": f"S{n}"} for n in range(MOST_SERIES + 1)]}
    found = parse_map(raw)
    assert (found.days, len(found.rows), found.truncated) == (MOST_DAYS, MOST_SERIES, True)


@pytest.mark.parametrize("written", [None, 7, "", "yesterday", "1969-12-31", "2026-02-30", "9999-12-31"])
def test_what_is_no_day_is_none(written: object) -> None:
    """A day before 1970, beyond what a clock shows, or not written like one is none, and a map needs one."""
    assert read_day({"day": written}, "day") is None
    with pytest.raises(ValueError, match="first day"):
        parse_map({"first_day": written, "days": 3})


def test_a_day_has_its_stretches() -> None:
    """Stretches keep their order, cause and count; one that ends before it begins is left out."""
    raw = day()
    raw["stretches"].append({"start_ns": 9, "end_ns": 3, "kind": "lost"})
    found = parse_day(raw, KEY)
    assert [one.kind for one in found.stretches][:3] == ["live", "disconnect", "live"]
    assert [one.missing for one in found.stretches] == [0, 1240, 0, 0, 0, 7, 0, None]
    assert (found.key, found.rows, found.calendar_ends) == (KEY, 2_345_678, None)
    many = parse_day({"day": "2026-11-20", "stretches": [{"start_ns": 1, "end_ns": 2}] * 10_000}, KEY)
    assert len(many.stretches) == MOST_STRETCHES


def test_money_is_exact() -> None:
    """Amounts are decimals as they were written; one too long or below nothing is not told."""
    found = parse_work(work(today_usd="0.10", month_usd="1" * 60, daily_budget_usd="-1", monthly_budget_usd=None))
    assert (found.spend.today_usd, found.spend.month_usd) == (Decimal("0.10"), Decimal(0))
    assert (found.spend.daily_budget_usd, found.spend.monthly_budget_usd) == (None, None)
    assert [job.state for job in found.jobs] == ["running", "interrupted", "done", "failed"]
    assert found.jobs[0].symbols == "BTCUSD, ETHUSD"
    assert [one.paid_usd for one in found.spend.recent] == [Decimal("1.25"), Decimal(0)]


@pytest.mark.parametrize(
    ("written", "shown"),
    [("2026-10-01", "2026-10-01"), ("1795219200000000000", "2026-11-21 00:00:00"), ("9" * 19, "9" * 19),
     ("20261001", "20261001"), ("²" * 19, "²" * 19)],
)  # fmt: skip
def test_what_was_asked_for_in_nanoseconds_is_a_time(written: str, shown: str) -> None:
    """A job's range is shown as it was asked for, or as a moment where that was a number of nanoseconds."""
    assert parse_work({"jobs": [{"start": written}]}).jobs[0].start == shown


def test_a_plan_and_an_outcome_are_of_one_symbol() -> None:
    """What `fetch` prints is read; what is of another kind, or of several symbols, is refused."""
    found = parse_plan(plan(price_usd="1.25", records=7, bytes=336, notes=["a", 3]))
    assert (found.price_usd, found.records, found.size_bytes, found.notes) == (Decimal("1.25"), 7, 336, ("a",))
    assert (parse_outcome(outcome()).stored, parse_outcome(outcome()).state) == (1240, "done")
    for read, raw in ((parse_plan, outcome()), (parse_outcome, plan()), (parse_plan, {"kind": "plan", "rows": []})):
        with pytest.raises(ValueError, match="of one symbol"):
            read(raw)


@given(st.dictionaries(st.sampled_from(["rows", "days", "states", "jobs", "spend", "stretches", "recent"]), ANY))
def test_nothing_breaks_a_reader(raw: dict[str, Any]) -> None:
    """Whatever stands in an answer, it is read, and every text of it can be drawn."""
    found = parse_map({"first_day": "2026-01-01", **raw})
    assert all(set(row.states) <= set(STATES) for row in found.rows)
    assert all(part.isprintable() for row in found.rows for part in row.key)
    parse_day({"day": "2026-01-01", **raw}, KEY)
    parse_work(raw)
    parse_work({"spend": raw, "jobs": [raw]})
    parse_plan({"kind": "plan", "rows": [raw], "budget": raw})
    parse_outcome({"kind": "fetch", "rows": [raw]})
