"""The Backtest screen as rows of styled text: the form, beside it what came of it, below both the command. Pure."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from typing import Final, Literal

import attrs

from console.tui.backtest.document import Answer, Preview, Result, Sweep
from console.tui.backtest.form import Form
from console.tui.backtest.previewrows import preview_rows
from console.tui.backtest.resultrows import above_deals, result_rows
from console.tui.backtest.sweeprows import above_table, sweep_rows
from console.tui.child import Progress
from console.tui.forms.progress import progress_rows
from console.tui.forms.rows import Place, beside_form
from console.tui.forms.screen import Pane
from console.tui.text import Cell, Glyphs, Row, fit, fit_row, title_row

Task = Literal["check", "run"]
WORDS: Final[dict[Task, str]] = {"check": "checking the data", "run": "running"}
_NARROW: Final = 100
_WIDE: Final = 140


@attrs.frozen(kw_only=True)
class View:
    """What the screen shows in one frame. `progress` is of the `task` under way or the last one, `shown` the newest
    answer there is, `stale` tells that the form is another by now; `top` is how far its list is scrolled, `plots`
    whether they are drawn or tables alone, `notes` whether all about the answer is in its place. `now_ns` is of the
    monotonic clock."""

    now_ns: int
    form: Form
    place: Place
    pane: Pane = "form"
    task: Task = "run"
    progress: Progress[Answer] | None = None
    shown: Answer | None = None
    stale: bool = False
    top: int = 0
    plots: bool = True
    notes: bool = False


def form_width(width: int, pane: Pane) -> int:
    """The cells of the form on a screen of `width`: where it is narrow the pane with the keys has all of them when it
    is the result's."""
    if width < _NARROW:
        return 34 if pane == "form" else 0
    return 42 if width < _WIDE else 50


def backtest_rows(view: View, *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Exactly `height` rows of `width` cells."""
    beside = form_width(width, view.pane)
    right = outcome_rows(view, width=width - beside, height=height - 1, edge=bool(beside), glyphs=glyphs)
    return beside_form(view.form, view.place, right, width=width, beside=beside, glyphs=glyphs)


def outcome_rows(view: View, *, width: int, height: int, edge: bool, glyphs: Glyphs) -> list[Row]:
    """The right-hand part: how the task stands, and the last answer."""
    inner = width - edge
    head = progress_rows(view.progress, now_ns=view.now_ns, width=inner, glyphs=glyphs)
    room = height - 1 - len(head)
    body: list[Row] = []
    if view.shown is None:
        body = _empty_rows(view, inner, room)
    elif room > 0:
        if view.notes:
            body = note_rows(view.shown, top=view.top, width=inner, height=room)
        else:
            body = _answer_rows(view.shown, plots=view.plots, top=view.top, width=inner, height=room, glyphs=glyphs)
    rows = [*head, *body]
    rows += [fit_row((), inner)] * (height - 1 - len(rows))
    bar: Row = ((glyphs.bar, "grid"),) if edge else ()
    title = _title(view, width, glyphs, edge=glyphs.cross if edge else "")
    return [title, *((*bar, *row) for row in rows)][:height]


def _title(view: View, width: int, glyphs: Glyphs, *, edge: str) -> Row:
    focused, shown = view.pane == "result", view.shown
    state: Cell = ("", "")
    if view.progress is not None:
        state = {
            "running": (WORDS[view.task], "accent"),
            "failed": (f"{glyphs.warning} failed", "alert"),
            "cancelled": (f"{glyphs.warning} cancelled", "warn"),
            "done": ("", ""),
        }[view.progress.state]
    name = "Result" if shown is None else shown.name
    setting = shown.setting if isinstance(shown, Result | Preview) else ""
    changed = "the form has changed since" if view.stale and shown is not None and not state[0] else ""
    keys = "x cancels" if state[0] == WORDS[view.task] else ""
    head = (name, "accent" if focused else "title")
    parts = (head, state, (keys, "dim"), (changed, "warn"), (setting, "dim"))
    return title_row(parts, width, glyphs, edge=edge)


@lru_cache(maxsize=2)
def _answer_rows(shown: Answer, *, plots: bool, top: int, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    # An answer does not change, but the screen is drawn several times a second.
    if isinstance(shown, Result):
        return result_rows(shown, plots=plots, top=top, width=width, height=height, glyphs=glyphs)
    if isinstance(shown, Preview):
        return preview_rows(shown, width=width, height=height, glyphs=glyphs)
    return sweep_rows(shown, plots=plots, top=top, width=width, height=height, glyphs=glyphs)


def list_extent(view: View, *, width: int, height: int, glyphs: Glyphs) -> tuple[int, int]:
    """How many rows the list has that is scrolled, and how many of them are seen on a screen of that size."""
    beside = form_width(width, view.pane)
    inner = width - beside - bool(beside)
    room = height - 2 - len(progress_rows(view.progress, now_ns=view.now_ns, width=inner, glyphs=glyphs))
    if view.shown is None:
        return 0, 1
    if isinstance(view.shown, Result) and not view.notes:
        head = above_deals(view.shown, plots=view.plots, width=inner, height=room, glyphs=glyphs)
        return len(view.shown.deals), max(room - len(head) - 2, 1)
    if isinstance(view.shown, Sweep) and not view.notes:
        head = above_table(view.shown, plots=view.plots, width=inner, height=room, glyphs=glyphs)
        return len(view.shown.folds or view.shown.runs), max(room - len(head) - 2, 1)
    return (len(note_lines(view.shown, inner)) if view.notes else 0), max(room, 1)


def note_lines(shown: Answer, width: int) -> list[tuple[str, str]]:
    """All about an answer, as lines of text and style."""
    lines: list[tuple[str, str]] = []
    for name, sentences in shown.notes:
        lines += [("", ""), (name, "accent")] if lines else [(name, "accent")]
        style = "warn" if name in ("Warnings", "What failed") else "text"
        for sentence in sentences:
            parts = textwrap.wrap(sentence, max(width - 3, 1), subsequent_indent="  ")
            lines += [(part, style) for part in parts]
    return lines


def note_rows(shown: Answer, *, top: int, width: int, height: int) -> list[Row]:
    """At most `height` of those lines, beginning with number `top`."""
    return [((fit(f" {text}", width), style),) for text, style in note_lines(shown, width)[top : top + height]]


def _empty_rows(view: View, width: int, room: int) -> list[Row]:
    if room < 1 or view.progress is not None:
        return []
    lines: list[tuple[str, str]] = [("nothing was run yet", "title"), ("", "")]
    lines += [
        ("r", "runs what the form says"),
        ("v", "checks the data and shows its bars"),
        ("j k", "go through the form"),
        ("enter", "edits a field"),
        ("space", "takes its next choice"),
        ("5:50:5", "in a parameter sweeps it"),
        ("tab", "goes to the result and back"),
        ("enter", "there shows all about it"),
        ("y", "copies the command line below"),
    ]
    if not view.form.stored:
        lines += [("", ""), ("no trades are stored", "warn"), ("serve --persist or db import", "dim")]
    blank = fit_row((), width)
    above = max((room - len(lines)) // 2, 0)
    left = max((width - 44) // 2, 1)
    rows: list[Row] = [blank] * above
    for key, text in lines:
        if text in {"title", "warn", "dim", ""}:
            rows.append(fit_row(((" " * left + key, text),), width))
        else:
            rows.append(fit_row(((" " * left, ""), (f"{key:>7}  ", "accent"), (text, "dim")), width))
    return rows[:room]
