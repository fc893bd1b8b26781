"""The Backtest screen's rows: everything that was answered is there, at every size, and nothing breaks them."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.backtests.figures import figures
from console.tui.backtest.document import Answer, Result, Sweep
from console.tui.backtest.fields import StoredTrades, StrategyChoice
from console.tui.backtest.figures import FIGURES
from console.tui.backtest.form import Form
from console.tui.backtest.parsing import parse_document
from console.tui.backtest.rows import View, backtest_rows, list_extent, note_lines
from console.tui.child import Progress, State, UnreadableError
from console.tui.editor import Editor
from console.tui.forms.rows import Place
from console.tui.forms.screen import Pane
from console.tui.text import ASCII, UNICODE, Glyphs
from core.clock import NS_PER_S
from core.strategy import Parameter
from tests.unit.console.tui.backtest import documents
from tests.unit.console.tui.test_rows import checked_text

SMA = StrategyChoice(
    name="sma",
    help="Buys where the short average crosses the long one.",
    parameters=(
        Parameter(name="short", default=5, minimum=1, maximum=1000),
        Parameter(name="long", default=20, minimum=2, maximum=1000),
    ),
)
STORED = (StoredTrades("BTCUSD", "KRAKEN", 12_345, "2026-09-21T14:13", "2026-09-21T15:52"),)
SIZES = [(80, 24), (100, 30), (120, 40), (160, 50), (60, 14), (200, 60)]


def view(shown: Answer | None = None, *, pane: Pane = "form", **fields: Any) -> View:
    """A screen with a form of `sma`."""
    form = Form((SMA,), STORED, {"symbol": "BTCUSD"})
    place = Place(field="strategy", focused=pane == "form")
    return attrs.evolve(View(now_ns=20 * NS_PER_S, form=form, place=place, pane=pane, shown=shown), **fields)


def drawn(one: View, size: tuple[int, int] = (160, 50), glyphs: Glyphs = UNICODE) -> str:
    """The screen as text; its shape and its styles are checked."""
    width, height = size
    return checked_text(backtest_rows(one, width=width, height=height, glyphs=glyphs), size)


def answer(document: Callable[[], dict[str, Any]]) -> Answer:
    """A document as it is read."""
    return parse_document(document())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("document", documents.ALL)
@pytest.mark.parametrize("pane", ["form", "result"])
def test_every_answer_fits_every_screen(
    document: Callable[[], dict[str, Any]], size: tuple[int, int], pane: Pane
) -> None:
    """Whatever the size and the pane, rows are exact, and in ASCII nothing else is drawn but ASCII."""
    for notes in (False, True):
        drawn(view(answer(document), pane=pane, notes=notes), size)
        assert drawn(view(answer(document), pane=pane, notes=notes), size, ASCII).isascii()


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_a_result_says_what_it_brought(size: tuple[int, int]) -> None:
    """Figures are signed, money is in full, and the data, its gap and the warning are there."""
    text = drawn(view(answer(documents.result), pane="result"), size)
    for part in (
        "+1.23 %",
        "101 234.50",
        "1.25",
        "−2.00 %",
        "12 345 ticks",
        "sma on BTCUSD KRAKEN",
        "short=5 long=20",
    ):
        assert part in text, part
    assert "⚠ 3 gaps" in text or "⚠ 1 warning" in text
    assert "+1 500.50" in text
    assert any("⠀" < character <= "⣿" for character in text)


def test_a_wide_result_has_all_of_it() -> None:
    """Where there is room both trades, the price with its marks and the fingerprint are shown."""
    text = drawn(view(answer(documents.result)))
    for part in ("long", "short", "−266.00", "25.0% made up", "id 2518a72a742f0c32", "─ Price ─ ▲ bought ▼ sold"):
        assert part in text, part
    plot = text.partition("▼ sold")[2].partition("─ Equity")[0]
    assert (plot.count("▲"), plot.count("▼")) == (2, 2)


def test_figures_are_called_as_the_command_calls_them() -> None:
    """Every figure that the command prints is there under the same name, and no other."""
    metrics = documents.result()["metrics"] | {"annual_return": 0.1, "return_interval_s": 60.0}
    assert {one.label for one in FIGURES} == {one.name for one in figures(metrics, "USD")}
    assert {one.name for one in FIGURES} == set(metrics)


def test_without_plots_there_is_room_for_trades() -> None:
    """A small screen has figures and trades alone when it is asked to."""
    document = documents.result()
    document["trades"] = [document["trades"][0] | {"profit": f"{number}.25"} for number in range(200)]
    shown = parse_document(document)
    text = drawn(view(shown, pane="result", plots=False), (80, 24))
    assert "+11.25" in text
    assert "─ Equity" not in text
    assert "+11.25" not in drawn(view(shown, pane="result"), (80, 24))


def _long(document: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    # With a list that fits no screen, the last of which is 98765 or of that parameter.
    long = document()
    if "trades" in long:
        long["trades"] = long["trades"][:1] * 300 + [long["trades"][0] | {"profit": "98765"}]
    for name in ("runs", "folds"):
        if name in long:
            long[name] = long[name][:1] * 300 + [long[name][0] | {"parameters": {"short": "98765", "long": "1"}}]
    return long


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (160, 50)])
@pytest.mark.parametrize("document", [documents.result, documents.sweep, documents.walk_forward])
@pytest.mark.parametrize("plots", [True, False])
@pytest.mark.parametrize("state", ["done", "failed"])
def test_a_list_is_scrolled_to_its_end_and_no_further(
    document: Callable[[], dict[str, Any]], size: tuple[int, int], plots: bool, state: State
) -> None:
    """As many rows are seen as are said to be: the last page ends with the last, the one before does not have it."""
    progress: Progress[Answer] = Progress(state=state, message="it failed")
    one = view(parse_document(_long(document)), pane="result", plots=plots, progress=progress)
    count, seen = list_extent(one, width=size[0], height=size[1], glyphs=UNICODE)
    assert count == 301
    last = re.compile("98 ?765")
    assert last.search(drawn(attrs.evolve(one, top=count - seen), size))
    assert not last.search(drawn(attrs.evolve(one, top=count - seen - 1), size))


def test_trades_are_scrolled() -> None:
    """The list begins with the trade asked for, and never beyond its last page."""
    document = documents.result()
    document["trades"] = [document["trades"][0] | {"profit": f"{number}.25"} for number in range(200)]
    shown = parse_document(document)
    assert "+0.25" not in drawn(view(shown, top=50))
    assert "of 200" in drawn(view(shown, top=50))
    assert "+199.25" in drawn(view(shown, top=10**6))


def test_a_sweep_is_a_map_or_a_table() -> None:
    """The best parameters stand on top; the map has every value, the table every run and why one failed."""
    shown = answer(documents.sweep)
    for plots in (True, False):
        text = drawn(view(shown, plots=plots), (120, 24))
        assert "best short=2  long=20" in text
        assert "8 combinations  2 refused  ⚠ 1 failed  3 known before" in text
    assert "long \\ short" in drawn(view(shown, plots=True), (120, 24))
    assert "it took too long" in drawn(view(shown, plots=False), (120, 24))


def test_a_walk_forward_has_its_folds() -> None:
    """What was traded on data not chosen from, each fold's parameters, and why one was not traded."""
    text = drawn(view(answer(documents.walk_forward)))
    for part in ("Walk forward", "efficiency +0.50", "short=4", "no run has the figure"):
        assert part in text, part


def test_a_preview_has_candles_and_what_is_amiss() -> None:
    """The bars are drawn as candles below the facts."""
    text = drawn(view(answer(documents.preview)))
    assert "┃" in text
    assert "⚠ 25% of the bars are made up" in text
    assert "14:17:22" in text.splitlines()[-2]


def test_notes_tell_all_about_an_answer() -> None:
    """Warnings, assumptions, data and fingerprint can be read in full."""
    lines = [text for text, _style in note_lines(answer(documents.result), 60)]
    for part in ("Warnings", "Bars are stamped at their close.", "gaps: 3", "id: 2518a72a742f0c32"):
        assert part in lines


@pytest.mark.parametrize(
    ("document", "said"), [(documents.sweep, "it took too long"), (documents.walk_forward, "no run has the figure")]
)
def test_notes_tell_in_full_what_failed(document: Callable[[], dict[str, Any]], said: str) -> None:
    """The reason that a table cuts is there as a whole, above all else."""
    lines = [text for text, _style in note_lines(answer(document), 60)]
    assert lines[:2] == ["What failed", said]


def test_a_running_task_tells_how_far_it_is() -> None:
    """A bar, the share, the time it took and what is left at the pace of this stage."""
    progress: Progress[Answer] = Progress(
        state="running", share=0.25, text="running", began_ns=5 * NS_PER_S, stage_ns=10 * NS_PER_S
    )
    text = drawn(view(progress=progress), (100, 30))
    assert " 25%  15s, 30s left" in text
    assert "█" in text
    assert "x cancels" in text


def test_what_failed_says_why() -> None:
    """The message, the hint and the last that was said are on the screen, the last answer below them."""
    progress: Progress[Answer] = Progress(
        state="failed", message="not stored: BTCUSD", hint="db stats shows what is", said=("talk",)
    )
    text = drawn(view(answer(documents.result), progress=progress))
    for part in ("⚠ not stored: BTCUSD", "db stats shows what is", "talk", "101 234.50"):
        assert part in text, part
    assert "⚠ cancelled after 15s" in drawn(
        view(progress=Progress(state="cancelled", began_ns=5 * NS_PER_S, ended_ns=20 * NS_PER_S))
    )


def test_a_form_that_was_changed_says_so() -> None:
    """A result that belongs to another form is told apart."""
    assert "the form has changed since" in drawn(view(answer(documents.result), stale=True))
    assert "the form has changed since" not in drawn(view(answer(documents.result)))


def test_the_form_shows_what_is_typed_and_what_is_wrong() -> None:
    """The editor stands in the field; a value that makes no sense has its reason beside it and below."""
    one = view()
    one.form.put("parameter short", "0.5")
    one.form.put("parameter long", "10:50:10")
    text = drawn(attrs.evolve(one, place=Place(field="parameter short")))
    assert "0.5 ⚠ parameter out of range" in text
    assert "⚠ parameter out of range: short=0.5 (from 1 to" in text
    assert "10:50:10  sweep" in text
    editing = attrs.evolve(one, place=Place(field="bars", editor=Editor.of("250t")))
    assert "▸bars          250t" in drawn(editing)


def test_the_command_line_is_always_below() -> None:
    """The last row is the command that does the same, cut with an ellipsis where it is too long."""
    assert "= ringside --batch backtest --strategy sma --symbol BTCUSD" in drawn(view())
    one = view()
    one.form.put("data", "x" * 300)
    assert drawn(one, (80, 24)).rstrip().endswith("--data …")


def _broken(document: Any, chance: random.Random) -> Any:
    # One place of it becomes something else, or is not there.
    spoilt = copy.deepcopy(document)
    place = spoilt
    for _ in range(6):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = chance.choice(keys)
        if isinstance(place[key], (dict, list)) and chance.random() < 0.8:
            place = place[key]
            continue
        if chance.random() < 0.3:
            del place[key]
            break
        place[key] = chance.choice(
            [
                None,
                -1,
                10**40,
                10**400,
                1e308,
                5e-324,
                "9" * 5000,
                "\x1b[31mred",
                "",
                [],
                {},
                True,
                "NaN",
                [[1]],
                "界" * 50,
            ]
        )
        break
    return spoilt


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(documents.ALL), st.randoms(use_true_random=False))
def test_no_document_breaks_the_screen(document: Callable[[], dict[str, Any]], chance: random.Random) -> None:
    """A document with anything in any place is refused with a sentence or drawn in its shape."""
    spoilt = document()
    for _ in range(3):
        spoilt = _broken(spoilt, chance)
    raw = msgspec.json.decode(json.dumps(spoilt))
    try:
        shown = parse_document(raw)
    except UnreadableError:
        return
    for size in ((80, 24), (160, 50)):
        drawn(view(shown), size)
    drawn(view(shown, pane="result", notes=True), (80, 24))


@pytest.mark.parametrize("raw", [{}, {"kind": "\x1b[2J"}, {"kind": 5}, {"kind": "strategies"}])
def test_documents_of_other_kinds_are_refused(raw: dict[str, Any]) -> None:
    """What is no answer of this command is said to be none, without its control characters."""
    with pytest.raises(UnreadableError) as refused:
        parse_document(raw)
    assert str(refused.value).isprintable()


def test_a_curve_that_goes_back_in_time_is_refused() -> None:
    """Nothing is drawn of what cannot be."""
    document = documents.result()
    document["equity"]["ts_ns"].reverse()
    with pytest.raises(UnreadableError, match="out of order"):
        parse_document(document)


def test_values_of_a_document_are_exact() -> None:
    """Money keeps its digits, and what is not defined is nothing."""
    shown = answer(documents.result)
    assert isinstance(shown, Result)
    assert str(shown.metrics["final"]) == "101234.5"
    assert shown.metrics["annual_return"] is None
    swept = answer(documents.sweep)
    assert isinstance(swept, Sweep)
    assert [run.parameters for run in swept.runs[:2]] == [("2", "20"), ("2", "40")]
