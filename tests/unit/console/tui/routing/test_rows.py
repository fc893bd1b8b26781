"""The Routing screen's rows: the tiers with their reasons, the plan day by day, at every size, and nothing breaks."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from console.tui.child import Progress
from console.tui.editor import Editor
from console.tui.forms.rows import Place
from console.tui.routing.form import HISTORICAL, REALTIME
from console.tui.routing.parsing import read_outcome, read_route_plan
from console.tui.routing.routerows import Side
from console.tui.routing.rows import View, form_width, routing_rows, scroll_extent
from console.tui.text import ASCII, UNICODE, Glyphs
from core.clock import NS_PER_S
from tests.unit.console.tui.routing import documents
from tests.unit.console.tui.routing.test_form import form
from tests.unit.console.tui.test_rows import checked_text

SIZES = [(80, 24), (100, 30), (120, 40), (160, 50), (60, 14), (200, 60)]


def view(*, filled: dict[str, str] | None = None, lit: int = 99, **fields: Any) -> View:
    """A screen with what is `filled` in and its decisions."""
    one = form(**(filled or {}))
    sides = (
        Side(name="Historical", decision=one.decision(HISTORICAL), lit=lit, reason="no symbol yet"),
        Side(name="Real-time", decision=one.decision(REALTIME), chosen=False, lit=lit, reason="no symbol yet"),
    )
    place = Place(field="symbols", focused=fields.get("pane", "form") == "form")
    return attrs.evolve(View(now_ns=20 * NS_PER_S, form=one, place=place, sides=sides), **fields)


def drawn(one: View, size: tuple[int, int] = (160, 50), glyphs: Glyphs = UNICODE) -> str:
    """The screen as text; its shape and its styles are checked."""
    width, height = size
    return checked_text(routing_rows(one, width=width, height=height, glyphs=glyphs), size)


def shown(**fields: Any) -> dict[str, Any]:
    """The fields of a view with a plan."""
    return {"shown": read_route_plan(documents.plan(**fields))}


STATES: tuple[dict[str, Any], ...] = (
    {},
    {"filled": {"symbols": ""}},
    {"filled": {"exchange": "NARNIA"}, "unready": "no plan without a route"},
    {"planning": Progress(state="running", began_ns=1)},
    shown(),
    shown(price="1.2534", days=documents.days(400, condition="degraded")),
    shown(problem="no Databento key: " + "x" * 300, clamped="what is in the future is left out"),
    {**shown(), "planning": Progress(state="failed", message="it broke " * 30, hint="mend it", said=("a", "b"))},
    {**shown(), "fetch": Progress(state="running", share=0.4, text="2026-11-02", began_ns=1, stage_ns=1)},
    {**shown(), "fetch": Progress(state="done", answer=read_outcome(documents.outcome())), "fetched": "ESH5"},
    {**shown(), "fetch": Progress(state="cancelled"), "stale": True},
)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pane", ["form", "result"])
@pytest.mark.parametrize("state", range(len(STATES)))
def test_every_state_fits_every_screen(state: int, pane: str, size: tuple[int, int]) -> None:
    """Whatever the size and the pane, rows are exact, and in ASCII nothing else is drawn but ASCII."""
    drawn(view(pane=pane, **STATES[state]), size)
    assert drawn(view(pane=pane, **STATES[state]), size, ASCII).isascii()


def test_the_tiers_stand_in_their_order_with_reasons() -> None:
    """Each has a sign that needs no colour, what it names, its rule, and why it is taken or not."""
    text = drawn(view())
    places = [text.index(part) for part in ("✗ symbol", "✓ asset type", "· default")]
    assert places == sorted(places)
    for part in (
        "futures     CME lists futures",
        "routing.symbols.ESH5@CME",
        "there is none",
        "databento GLBX.MDP3",
        "not asked: ",
        "─ Historical ─ databento GLBX.MDP3 ─",
        "─ Real-time ─ databento GLBX.MDP3 ─",
    ):
        assert part in text, part
    assert "+ asset type" in drawn(view(), glyphs=ASCII)


def test_an_override_comes_first() -> None:
    """What is asked for by name stands before the tiers, and they say that they were not asked."""
    text = drawn(view(filled={"provider": "databento"}))
    assert text.index("✓ override") < text.index("· symbol") < text.index("· asset type")


def test_the_tiers_light_up_in_order() -> None:
    """Before its turn of a tier only the name is seen."""
    signs = [[sign in drawn(view(lit=lit)) for sign in ("✗ symbol", "✓ asset", "· default")] for lit in range(4)]
    assert signs == [[number < lit for number in range(3)] for lit in range(4)]


def test_where_it_is_narrow_one_purpose_is_shown() -> None:
    """The one that the form is about, with all that tells why."""
    text = drawn(view(), (80, 24))
    assert "Real-time" not in text
    assert "✓ asset type" in text
    assert "✗ symbol" in text


def test_no_route_is_told_with_its_reason() -> None:
    """The form says it at the field, the pane in full."""
    text = " ".join(drawn(view(filled={"exchange": "CMX"}, unready="no plan without a route")).split())
    for part in ("⚠ no such exchange", "did you mean", "─ Historical ─ no route ─", "no plan without a route"):
        assert part in text, part


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_a_plan_tells_days_and_money(size: tuple[int, int]) -> None:
    """Days by what they are with their signs, price, size and budgets; nothing of it is cut."""
    days = documents.days()
    days[-7]["condition"] = "degraded"
    text = drawn(view(**shown(price="1.2534", days=days)), size)
    for part in (
        "25 days wanted", "7 stored", "1 partial", "17 left", "5 closed", "1 degraded", "$1.26", "1 234 567",
        "59.3 MB", "$48.75", "$480.00", "f fetches it",
    ):  # fmt: skip
        assert part in text, part
    assert " 2026-10 " in text
    assert text.count("⚠") == 2


def test_before_a_price_is_known_its_key_is_told() -> None:
    """The price costs a question; of what costs nothing that need not be asked."""
    assert "p asks what it costs" in drawn(view(**shown()))
    assert "f fetches it" in drawn(view(free=True, **shown()))
    assert "price free" in drawn(view(free=True, **shown()))
    assert "paid for already" in drawn(view(**shown(price="0", bought=True)))


def test_a_changed_form_is_told() -> None:
    """A plan of another form is not offered to be fetched."""
    text = drawn(view(stale=True, **shown(price="1")))
    assert "the form has changed since" in text
    assert "f fetches it" not in text


def test_many_months_are_scrolled() -> None:
    """Where they do not fit, the last row says how many follow; at the end there is none that does."""
    one = view(pane="result", **shown(days=documents.days(1000)))
    lines, seen = scroll_extent(one, width=80, height=24, glyphs=UNICODE)
    assert lines == 34
    assert 1 < seen < lines
    assert "rows more below" in drawn(one, (80, 24))
    assert "2026-11 " not in drawn(one, (80, 24))
    end = drawn(attrs.evolve(one, top=lines), (80, 24))
    assert "2026-11 " in end
    assert "more below" not in end
    assert scroll_extent(view(), width=80, height=24, glyphs=UNICODE) == (0, 1)


def test_a_fetch_tells_what_it_brought() -> None:
    """The bar while it runs, then rows, duplicates and money; a failure is a sentence with a sign."""
    running = {**shown(), "fetch": Progress(state="running", share=0.45, text="2026-11-10", began_ns=1, stage_ns=1)}
    assert " 45%" in drawn(view(**running))
    assert "fetching, x cancels" in drawn(view(**running))
    done = Progress(state="done", began_ns=1, ended_ns=2, answer=read_outcome(documents.outcome()))
    text = drawn(view(fetch=done, fetched="ESH5", **shown()))
    assert "● ESH5 done in 0s: 1 234 567 rows stored, 120 there already, $1.25 paid" in text
    failed = Progress(
        state="done", answer=read_outcome(documents.outcome(state="failed", problem="it broke", rejected=3))
    )
    text = drawn(view(fetch=failed, **shown()))
    assert "it broke" in text
    assert "3 rejected" in text


def test_what_is_typed_stands_in_its_field() -> None:
    """The text under way is in the form and in the command line."""
    one = view(place=Place(field="symbols", editor=Editor.of("ESM6")))
    one.form.typed = ("symbols", "ESM6")
    text = drawn(one)
    assert "▸symbol        ESM6" in text
    assert "--symbols ESM6" in text


def test_the_form_gives_way_to_the_result() -> None:
    """Where it is narrow the pane with the keys has all of the screen."""
    assert form_width(80, "form") > 0
    assert form_width(80, "result") == 0
    assert form_width(160, "result") > 0
