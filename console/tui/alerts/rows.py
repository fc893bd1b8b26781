"""The Alerts screen as rows of styled text: what fires first, then rules, runbook, history, silences. Pure."""

from __future__ import annotations

from collections.abc import Hashable

from console.tui.alerts.aboutrows import Entry, about_lines, about_rows
from console.tui.alerts.document import Alerts, Heard
from console.tui.alerts.panerows import View, pane_rows, rows_seen, shown_of
from console.tui.alerts.place import TITLE, Box, Layout, Pane, Place, layout_of
from console.tui.alerts.words import ago_text, duration_text, severity_sign, severity_style
from console.tui.snapshot import Snapshot
from console.tui.text import Cell, Glyphs, Row, fit, fit_row, grouped, instead_rows, title_row
from core.alerts.rules import SEVERITIES
from core.clock import NS_PER_S

_OFF = (
    "Alerting is off.",
    "Nobody looks whether anything is wrong. To begin, write into the settings of the engine:",
    "",
    "[alerting]    ",
    "enabled = true",
)


def alert_rows(
    snapshot: Snapshot, heard: Heard, place: Place, *, width: int, height: int, glyphs: Glyphs
) -> list[Row]:
    """Exactly `height` rows of `width` cells."""
    alerts = heard.alerts
    title = _title(snapshot, heard, width, glyphs)
    if alerts is None or not alerts.enabled:
        return instead_rows(title, _sentences(snapshot, heard), width, height)
    view = _view(snapshot, alerts, place, glyphs)
    problem = _problem(alerts, width, glyphs)
    entry = view.shown.entry(place.focus, place.cursor(place.focus))
    room = height - TITLE - len(problem)
    if place.whole:
        body = about_rows(
            entry, alerts, now_ns=view.now_ns, top=place.whole_top, width=width, height=room, glyphs=glyphs
        )  # fmt: skip
    else:
        body = _panes(view, entry, layout_of(place, calm=_is_calm(alerts), width=width, height=room))
    rows = [title, *problem, *body]
    return (rows + [fit_row((), width)] * height)[:height]


def layout_on(alerts: Alerts, place: Place, *, width: int, height: int) -> Layout:
    """The layout of a screen of that size."""
    room = height - above(alerts)
    return layout_of(place, calm=_is_calm(alerts), width=width, height=room)


def above(alerts: Alerts) -> int:
    """The rows above the panes."""
    return TITLE + bool(alerts.problem)


def extent(alerts: Alerts, place: Place, pane: Pane, *, width: int, height: int) -> tuple[list[Hashable], int]:
    """What identifies each entry of a pane on a screen of that size, and how many of them are seen."""
    box = layout_on(alerts, place, width=width, height=height).box(pane)
    return shown_of(alerts, place.pattern).keys(pane), 1 if box is None else rows_seen(box)


def whole_extent(alerts: Alerts, place: Place, now_ns: int, *, width: int, height: int, glyphs: Glyphs) -> int:
    """How far all about one can be scrolled."""
    entry = shown_of(alerts, place.pattern).entry(place.focus, place.cursor(place.focus))
    lines = about_lines(entry, alerts, now_ns=now_ns, width=width, glyphs=glyphs)
    return max(len(lines) - (height - above(alerts) - 1), 0)


def _is_calm(alerts: Alerts) -> bool:
    return not alerts.alerts


def _view(snapshot: Snapshot, alerts: Alerts, place: Place, glyphs: Glyphs) -> View:
    waiting = ""
    if not alerts.looked_ns and alerts.interval_s:
        started_ns = 0 if snapshot.status is None else snapshot.status.started_ns
        left_ns = started_ns + round(alerts.interval_s * NS_PER_S) - snapshot.now_ns
        waiting = f"first look in {left_ns // NS_PER_S + 1} s" if left_ns > 0 else "the first look is due"
        if not started_ns:
            waiting = f"it is looked every {duration_text(round(alerts.interval_s * NS_PER_S))}"
    shown = shown_of(alerts, place.pattern)
    return View(alerts=alerts, shown=shown, place=place, now_ns=snapshot.now_ns, glyphs=glyphs, waiting=waiting)


def _panes(view: View, entry: Entry | None, layout: Layout) -> list[Row]:
    def corner(box: Box) -> str:
        return "" if not box.x else view.glyphs.cross if box.y == layout.right else view.glyphs.tee

    drawn = [(box, pane_rows(pane, box, view, alone=layout.alone, corner=corner(box))) for pane, box in layout.boxes]
    about = layout.about
    drawn.append((about, about_rows(
        entry, view.alerts, now_ns=view.now_ns, top=0, width=about.width, height=about.height, glyphs=view.glyphs,
        corner=corner(about),
    )))  # fmt: skip
    rows: dict[int, Row] = {}
    for box, lines in sorted(drawn, key=lambda one: one[0].x):
        for number, row in enumerate(lines, start=box.y):
            rows[number] = (*rows.get(number, ()), *row)
    return [rows[number] for number in sorted(rows)]


def _title(snapshot: Snapshot, heard: Heard, width: int, glyphs: Glyphs) -> Row:
    alerts = heard.alerts
    if alerts is None or not alerts.enabled:
        return title_row((("Alerts", "title"),), width, glyphs)
    reason = heard.reason if snapshot.health.reachable else snapshot.health.reason or "no engine"
    counts = alerts.counts
    parts: list[Cell] = [("Alerts", "title")]
    parts.append((f"{glyphs.warning} as last heard: {reason}" if reason else "", "alert"))
    for severity in SEVERITIES:
        if count := getattr(counts, severity):
            sign = severity_sign(severity, glyphs)
            parts.append((f"{sign} {grouped(count)} {severity}", severity_style(severity)))
    if not counts.firing and not counts.quiet and alerts.looked_ns:
        parts.append((f"{glyphs.light} nothing fires", "up"))
    parts.append((f"{glyphs.turning} {grouped(counts.pending)} pending" if counts.pending else "", "ask"))
    parts.append((f"{glyphs.quiet} {grouped(counts.quiet)} quiet" if counts.quiet else "", "dim"))
    if alerts.looked_ns:
        looked = f"looked {ago_text(alerts.looked_ns, now_ns=snapshot.now_ns)}"
        late = snapshot.now_ns - alerts.looked_ns > 3 * max(alerts.interval_s, 1) * NS_PER_S
        parts.append((f"{glyphs.warning if late else ''} {looked}".strip(), "warn" if late else "text"))
        parts.append((f"in {alerts.took_ms:.1f} ms", "dim"))
    parts = [part for part in parts if part[0]]
    while len(parts) > 2 and sum(len(text) + 3 for text, _style in parts) >= width:
        parts.pop()  # whole parts only
    return title_row(tuple(parts), width, glyphs)


def _problem(alerts: Alerts, width: int, glyphs: Glyphs) -> list[Row]:
    if not alerts.problem:
        return []
    text = f" {glyphs.warning} {alerts.problem}"
    return [((fit(text, width, ellipsis=glyphs.ellipsis), "alert"),)]


def _sentences(snapshot: Snapshot, heard: Heard) -> tuple[str, ...]:
    if not snapshot.health.reachable:
        return "The engine cannot be reached.", snapshot.health.reason
    if heard.alerts is not None:
        return _OFF
    if heard.refused:
        return "This engine does not tell of alerts.", "It is of an older version."
    if heard.reason:
        return "The engine does not say what fires.", heard.reason
    return ("Asking the engine.",)
