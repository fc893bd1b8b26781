"""The map, the day under its cursor, prices and jobs as they are drawn: every size, every sign, every sentence."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.child import Progress
from console.tui.coverage.document import Holdings, Outcome, Plan, Wish
from console.tui.coverage.holerows import calendar_warning, strip_states
from console.tui.coverage.parsing import parse_day, parse_map, parse_outcome, parse_plan, parse_work
from console.tui.coverage.place import Hole, day_text
from console.tui.coverage.pricerows import PANEL, Panel, panel_rows
from console.tui.coverage.screen import Coverage
from console.tui.coverage.words import KINDS, STATE_WORDS, money_text, signs
from console.tui.coverage.worklist import WorkList
from console.tui.snapshot import Health, Snapshot
from console.tui.status import parse_status
from console.tui.text import ASCII, UNICODE, Glyphs, row_width
from core.clock import NS_PER_S
from tests.unit.console.tui.coverage.documents import HOUR_NS, KEY, NOW_NS, TODAY, coverage, day, many, plan, work
from tests.unit.console.tui.coverage.documents import outcome as outcome_of
from tests.unit.console.tui.test_rows import text_of

EVERY = "-c.pgb#"
SIZES = [(60, 12), (80, 21), (120, 37), (160, 48), (200, 58)]


def known(**fields: Any) -> Holdings:
    """Everything that can be known, with some `fields` of its own."""
    whole = {
        "coverage": parse_map(coverage(EVERY, "#" * 365, "b" * 365)),
        "day": parse_day(day(), KEY),
        "work": parse_work(work()),
    }
    return Holdings(**{**whole, **fields})


def lines(
    screen: Coverage | WorkList,
    holdings: Holdings,
    *,
    width: int = 120,
    height: int = 37,
    glyphs: Glyphs = UNICODE,
    **health: Any,
) -> list[str]:
    """The screen as lines of text, checked for its shape."""
    snapshot = Snapshot(now_ns=NOW_NS, status=None, health=Health(**{"reachable": True, **health}))
    options: Any = {"width": width, "height": height, "glyphs": glyphs}
    if isinstance(screen, Coverage):
        options["store"] = "embedded"
    rows = screen.draw(snapshot, holdings, **options)
    assert [row_width(row) for row in rows] == [width] * height
    return [text_of(row) for row in rows]


def on(days_ago: int) -> Coverage:
    """A screen whose cursor is so many days back."""
    screen = Coverage()
    screen.place = attrs.evolve(screen.place, key=KEY, day=TODAY - days_ago)
    return screen


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_the_map_fits_every_size(size: tuple[int, int], glyphs: Glyphs) -> None:
    """Each series has a line of signs, the newest day on the right, above a legend and below the months."""
    drawn = lines(on(3), known(), width=size[0], height=size[1], glyphs=glyphs)
    sign = signs(glyphs)
    (row,) = [line for line in drawn if line.startswith(f"{glyphs.cursor}BTCUSD")]
    assert "".join(sign[state] for state in EVERY) in row
    assert row.split()[-2:] == ["1.0k", "2"]
    assert any("2026" in line for line in drawn[:2])
    assert any(f"Fri 2026-11-20 {glyphs.down}" in line for line in drawn)
    legend = next(line for line in drawn if "stored" in line and "missing" in line)
    assert all(f"{sign[state]} {STATE_WORDS[state]}" in legend for state in EVERY if state not in "-b")
    if glyphs is ASCII:
        assert all(line.isascii() for line in drawn)


def test_no_two_states_look_alike() -> None:
    """Signs differ without their colours, in either alphabet."""
    for glyphs in (UNICODE, ASCII):
        assert len(set(signs(glyphs).values())) == len(STATE_WORDS)


def test_the_pointer_stands_above_the_day() -> None:
    """The mark below the months is in the column of the day under the cursor, wherever that is."""
    for days_ago in (0, 3, 60, 75):
        screen = on(days_ago)
        holdings = known(coverage=parse_map(coverage(".p" * 182 + ".", days=365)))
        drawn = lines(screen, holdings)
        column = drawn[2].index("▼")
        rows = screen.draw(
            Snapshot(now_ns=NOW_NS, status=None, health=Health(reachable=True)),
            holdings, store="", width=120, height=37, glyphs=UNICODE,
        )  # fmt: skip
        (row,) = [row for row in rows if any(style == "last_label" for _text, style in row)]
        before = row[: [style for _text, style in row].index("last_label")]
        assert row_width(before) == column


def test_a_day_is_told_in_full() -> None:
    """Its figures, a strip of its hours, and every stretch with its cause, how long and how much is missing."""
    drawn = "\n".join(lines(on(3), known()))
    for part in (
        "─ BTCUSD trades on KRAKEN ─ Fri 2026-11-20 ─ partial ─",
        "rows 2 345 678",
        "missing 1 247+",
        "00:00:00 to 06:30:00     6h 30m  stored live",
        "06:30:00 to 07:45:00     1h 15m  the connection was lost  1 240 missing  connection reset by peer",
        "20:00:00 to 20:03:00     3m 00s  lost here  7 missing  the venue keeps a day",
        "22:00:00 to 24:00:00     2h 00m  never subscribed  nobody knows how many are missing",
    ):
        assert part in drawn
    assert "asking the engine" in "\n".join(lines(on(4), known()))
    assert "no answer in time" in "\n".join(lines(on(4), known(day=None, day_reason="no answer in time")))


def test_holes_are_told_first_where_room_is_short() -> None:
    """Of more stretches than fit those that miss something are kept, in their order."""
    drawn = "\n".join(lines(on(3), known(), width=80, height=15))
    assert drawn.index("06:30:00 to") < drawn.index("20:00:00 to")
    assert "stored live" not in drawn
    assert " more" in drawn


def test_a_strip_shows_the_smallest_hole() -> None:
    """A part of the day that misses anything shows it; what has not come yet is blank."""
    found = parse_day(day(), KEY)
    strip = strip_states(found, 24, now_ns=0)
    assert strip == "######pp####b#######gb.."
    assert strip_states(found, 96, now_ns=0)[80] == "g"
    assert strip_states(found, 24, now_ns=found.day * 24 * HOUR_NS + 3 * HOUR_NS) == "###" + "-" * 21


def test_a_calendar_that_ends_is_warned_of() -> None:
    """From 60 days before its end, and after it."""
    found = parse_day(day(calendar="CMES", calendar_ends="2026-12-23"), KEY)
    assert "CMES ends on 2026-12-23" in "\n".join(lines(on(3), known(day=found)))
    assert calendar_warning(found, TODAY - 31) == ""
    assert "CMES ended on 2026-12-23" in calendar_warning(found, TODAY + 31)
    assert calendar_warning(attrs.evolve(found, calendar_ends=None), TODAY) == ""


def test_a_cause_of_another_version_is_a_hole() -> None:
    """A kind of stretch that nobody knows keeps its name and counts as missing."""
    raw = day()
    raw["stretches"][1]["kind"] = "solar flare"
    assert "solar flare  1 240 missing" in "\n".join(lines(on(3), known(day=parse_day(raw, KEY))))
    assert "solar flare" not in KINDS


def test_a_hundred_series_are_scrolled_and_filtered() -> None:
    """Only what fits is drawn; the cursor drags the list along; a filter that fits nothing says so."""
    screen, holdings = Coverage(), known(coverage=parse_map(many(100)))
    assert "100 series ─ 79 more below" in lines(screen, holdings)[0]
    screen.move(10**6)
    assert lines(screen, holdings)[0].startswith("─ Coverage ─ 100 series ──")
    screen.move(-screen.page)
    screen.filter("glbx")
    drawn = lines(screen, holdings)
    assert "33 of 100 series ─ /glbx" in drawn[0]
    screen.filter("nothing like it")
    assert "nothing matches the filter" in "\n".join(lines(screen, holdings))


def test_days_are_walked_through_and_older_ones_asked_for() -> None:
    """The cursor stops at the newest day; beyond the oldest a further year is wished for, ten at most."""
    wish = Wish()
    screen, holdings = Coverage(), known(wish=wish)
    lines(screen, holdings)
    screen.step_day(1)
    lines(screen, holdings)
    assert wish.day == (KEY, TODAY)
    screen.step_day(-400)
    lines(screen, holdings)
    assert (wish.day, wish.days) == ((KEY, TODAY - 364), 730)
    lines(screen, known(wish=wish, coverage=parse_map(coverage("#", days=3650))))
    screen.step_day(-10_000)
    assert wish.days == 3650


def test_a_click_chooses_series_and_day() -> None:
    """A click on a cell puts the cursor there; on a name only the series changes."""
    screen, holdings = on(3), known()
    first = lines(screen, holdings)[3]
    column = first.index(signs(UNICODE)["g"])
    screen.click(column, 4)
    lines(screen, holdings)
    assert screen.place.key is not None
    assert (screen.place.key[2], screen.place.day) == ("mbp-1", TODAY - 2)
    screen.click(2, 3)
    assert (screen.place.key, screen.place.day) == (KEY, TODAY - 2)
    screen.click(2, 30)
    assert screen.place.key == KEY


@pytest.mark.parametrize(
    ("fields", "health", "sentence"),
    [
        ({"coverage": None}, {"reachable": False, "reason": "it is not running"}, "The engine cannot be reached."),
        ({"coverage": None, "refused": True}, {}, "This engine does not tell what is covered."),
        ({"coverage": None, "coverage_reason": "no answer in time"}, {}, "no answer in time"),
        ({"coverage": None}, {}, "Asking the engine."),
        ({"coverage": parse_map(coverage())}, {}, "Nothing is stored."),
        ({"coverage_reason": "no answer in time"}, {}, "⚠ as last heard: no answer in time"),
        ({}, {"reachable": False, "reason": "it has gone"}, "⚠ as last heard: it has gone"),
    ],
)
def test_what_is_wrong_is_said(fields: dict[str, Any], health: dict[str, Any], sentence: str) -> None:
    """Without a map there is a sentence in its place, an old one is marked."""
    assert sentence in "\n".join(lines(on(3), known(**fields), **health))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_jobs_and_money_fit_every_size(size: tuple[int, int], glyphs: Glyphs) -> None:
    """Budgets as bars, jobs with their states and what was bought; a purchase under way is an estimate."""
    screen = WorkList()
    drawn = "\n".join(lines(screen, known(), width=size[0], height=size[1], glyphs=glyphs))
    for part in ("$2.75 of $10.00", "$41.00 of $50.00", "1 running", " 42 %", "the process has ended"):
        assert part in drawn
    if size[1] > 20:
        assert "~$1.50" in drawn
    if glyphs is ASCII:
        assert drawn.isascii()


def test_jobs_and_money_say_when_there_are_none() -> None:
    """No budget, no job, no purchase, no engine, an older engine."""
    screen = WorkList()
    nothing = parse_work({"spend": {"daily_budget_usd": "0"}})
    drawn = "\n".join(lines(screen, known(work=nothing)))
    for part in ("$0 of $0", "nothing left", "no budget limits it", "nothing was fetched yet", "nothing was bought"):
        assert part in drawn
    screen.move(5)
    assert lines(screen, known(work=nothing)) == drawn.splitlines()
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"work": None, "work_refused": True}, {}, "This engine does not tell what was fetched."),
        ({"work": None, "work_reason": "odd"}, {}, "odd"),
        ({"work": None}, {}, "Asking the engine."),
        ({"work": None}, {"reachable": False, "reason": "gone"}, "The engine cannot be reached."),
        ({}, {"reachable": False, "reason": "gone"}, "as last heard: gone"),
    ]
    for fields, health, sentence in cases:
        assert sentence in "\n".join(lines(screen, known(**fields), **health))


@given(
    st.integers(0, 106_751),
    st.integers(0, 40),
    st.lists(st.text("#.pgbc-", max_size=40), max_size=12),
    st.sampled_from(SIZES),
    st.lists(st.tuples(st.sampled_from(["move", "step_day"]), st.integers(-50, 50)), max_size=4),
)
def test_every_map_is_drawn(
    first: int, days: int, states: list[str], size: tuple[int, int], steps: list[tuple[str, int]]
) -> None:
    """However few or strange its days, and wherever the cursor goes, it fits its screen."""
    rows = [{"symbol": f"S{number}", "states": one} for number, one in enumerate(states)]
    holdings = known(coverage=parse_map({"first_day": day_text(first), "days": days, "rows": rows}))
    screen = Coverage()
    for act, step in [("move", 0), *steps]:
        getattr(screen, act)(step)
        lines(screen, holdings, width=size[0], height=size[1])


def test_an_engine_that_keeps_nothing_is_said_to() -> None:
    """Neither the map nor the jobs show its refusal: it was started without a store."""
    snapshot = Snapshot(now_ns=NOW_NS, status=parse_status({"instance_id": "x"}), health=Health(reachable=True))
    refused = known(coverage=None, coverage_reason="refused", work=None, work_reason="refused")
    size: Any = {"width": 80, "height": 21, "glyphs": UNICODE}
    for rows in (Coverage().draw(snapshot, refused, store="", **size), WorkList().draw(snapshot, refused, **size)):
        assert "Nothing is stored." in "\n".join(map(text_of, rows))


def panel(**fields: Any) -> str:
    """The panel of a price or a fetch, checked for its shape."""
    whole: dict[str, Any] = {"plan": None, "outcome": None, "now_ns": 10 * NS_PER_S, **fields}
    hole = Hole(key=KEY, first_day=TODAY - 2, end_day=TODAY)
    texts = []
    for width in (80, 160):
        rows = panel_rows(Panel(hole=hole, **whole), width=width, glyphs=UNICODE)
        assert [row_width(row) for row in rows] == [width] * PANEL
        texts.append("\n".join(text_of(row) for row in rows))
    return texts[1]


def priced(**fields: Any) -> Progress[Plan]:
    """A price that came."""
    return Progress(state="done", answer=parse_plan(plan(**fields)))


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({}, ("costs nothing", "f fetches it", "today no limit")),
        ({"price_usd": "1.25", "records": 12_345, "bytes": 592_560, "provider": "databento"},
         ("price $1.25", "records 12 345", "size 593 kB", "by databento", "f fetches it")),
        ({"price_usd": None, "notes": ["no key"]}, ("price unknown", "nobody says what it costs: no key")),
        ({"price_usd": "3", "budget": {"left_today_usd": "2.5"}},
         ("price $3.00", "of today's budget $2.50 are left", "esc puts this away")),
        ({"price_usd": "3", "bought": True, "budget": {"left_month_usd": "0"}}, ("paid for already", "f fetches it")),
        ({"days_left": 0, "days_stored": 1}, ("nothing is left to be fetched", "1 stored")),
        ({"problem": "unknown exchange"}, ("⚠ unknown exchange",)),
    ],
)  # fmt: skip
def test_a_price_says_what_it_comes_to(fields: dict[str, Any], parts: tuple[str, ...]) -> None:
    """Days, records, size, price and what is left of the budgets, or why nothing can be fetched."""
    drawn = panel(plan=priced(**fields), wider=12)
    for part in (*parts, "─ Price ─ BTCUSD trades ─ 2026-11-21 to 2026-11-22 ─ 2 days ─", "whole hole, 12 days"):
        assert part in drawn
    may = "f fetches it" in parts or "f fetches it" in drawn
    assert may == ("⚠" not in drawn)


def running(**fields: Any) -> Progress[Outcome]:
    """A fetch, running unless `fields` say otherwise."""
    return Progress(**{"state": "running", "began_ns": 0, **fields})


def test_a_fetch_says_how_it_stands() -> None:
    """A bar with the time left, then what was stored and paid, or what went wrong."""
    drawn = panel(outcome=running(share=0.25, text="page 3", stage_ns=6 * NS_PER_S))
    assert " 25 %  10s, 12s left" in drawn
    assert "page 3" in drawn
    assert "esc cancels it" in drawn
    done = running(state="done", ended_ns=8 * NS_PER_S, answer=parse_outcome(outcome_of(paid_usd="1.25", rejected=2)))
    assert "● done in 8s: 1 240 rows stored, 3 rows there already, 2 rows rejected, $1.25 paid" in panel(outcome=done)
    failed = running(state="done", answer=parse_outcome(outcome_of(state="failed", problem="the venue refused")))
    assert "⚠ failed in 10s: 1 240 rows stored" in panel(outcome=failed)
    assert "the venue refused" in panel(outcome=failed)
    drawn = panel(outcome=running(state="failed", message="over budget " * 20, hint="raise it"))
    assert "⚠ over budget" in drawn
    assert "raise it" in drawn
    assert "cancelled" in panel(outcome=running(state="cancelled"))
    assert "asking for the price" in panel(plan=Progress(state="running"))


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "$0"), ("1.25", "$1.25"), ("1.251", "$1.26"), ("0.0042", "$0.0042"), ("0.00421", "$0.0043"),
     ("1e-9", "$0.000001"), ("12345.6", "$12 345.60"), ("0.1", "$0.10"), ("0.099", "$0.099")],
)  # fmt: skip
def test_money_is_never_shown_as_less_than_it_is(amount: str, text: str) -> None:
    """To the cent, small amounts to two digits, always rounded up; nothing is $0."""
    assert money_text(Decimal(amount)) == text
    assert money_text(None) == ""
