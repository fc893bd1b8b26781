"""The lists of the Alerts screen: what fires, rules, history, silences, those who are told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

import attrs

from console.tui.alerts.aboutrows import Entry
from console.tui.alerts.cells import ALERTS, HANDLERS, HISTORY, RULES, SILENCES, Cells
from console.tui.alerts.document import OFF, Alert, Alerts, Handler, Rule
from console.tui.alerts.place import Box, Pane, Place
from console.tui.alerts.words import ago_text, things_text
from console.tui.tables import Column, fit_columns, head_row, table_row
from console.tui.text import Cell, Glyphs, Row, fit, fit_row, grouped, title_row

NAMES: Final[Mapping[Pane, str]] = {
    "alerts": "Now", "rules": "Rules", "history": "History", "silences": "Silences", "handlers": "Told",
}  # fmt: skip
_COLUMNS: Final[Mapping[Pane, tuple[Column, ...]]] = {
    "alerts": ALERTS, "rules": RULES, "history": HISTORY, "silences": SILENCES, "handlers": HANDLERS,
}  # fmt: skip
ABOVE: Final = 2
"""The rows of a pane above what it lists: its title and the head of its table."""


@attrs.frozen(kw_only=True)
class Shown:
    """What passes the filter, by pane."""

    lists: Mapping[Pane, tuple[Entry, ...]]

    def keys(self, pane: Pane) -> list[Hashable]:
        """What identifies each of a pane, in order."""
        return [key_of(one) for one in self.lists[pane]]

    def entry(self, pane: Pane, key: Hashable) -> Entry | None:
        """The one of a pane that `key` identifies."""
        return next((one for one in self.lists[pane] if key_of(one) == key), None)


def key_of(entry: Entry) -> Hashable:
    """What identifies an entry in its list."""
    if isinstance(entry, Alert):
        return entry.id
    return entry.name if isinstance(entry, Rule | Handler) else entry.number


def shown_of(alerts: Alerts, pattern: str) -> Shown:
    """What is shown of `alerts` where rows are filtered by `pattern`."""
    whole: Mapping[Pane, tuple[Entry, ...]] = {
        "alerts": alerts.alerts, "rules": alerts.rules, "history": alerts.history, "silences": alerts.silences,
        "handlers": alerts.handlers,
    }  # fmt: skip
    inverted, wanted = pattern.startswith("!"), pattern.removeprefix("!").strip().lower()
    if not wanted:
        return Shown(lists=whole)
    return Shown(
        lists={
            pane: tuple(one for one in entries if (wanted in _words(one)) != inverted)
            for pane, entries in whole.items()
        }
    )


def _words(entry: Entry) -> str:
    names = ("rule", "name", "subject", "severity", "state", "quiet", "summary", "match", "message", "kind", "by")
    return " ".join(getattr(entry, name, "") for name in names).lower()


@attrs.frozen(kw_only=True)
class View:
    """What every pane is drawn from and with; `waiting` says what is to come while nothing was looked at yet."""

    alerts: Alerts
    shown: Shown
    place: Place
    now_ns: int
    glyphs: Glyphs
    waiting: str = ""


def rows_seen(box: Box) -> int:
    """How many entries a pane of that size shows."""
    return max(box.height - ABOVE, 1)


def pane_rows(pane: Pane, box: Box, view: View, *, alone: Sequence[Pane], corner: str = "") -> list[Row]:
    """Exactly `box.height` rows of `box.width` cells. One that is `alone` names the others in its title. With a
    `corner` there is an edge on the left, which begins with it."""
    glyphs = view.glyphs
    edge = glyphs.bar if corner else ""
    inner = box.width - len(edge)
    title = title_row(_title(pane, box, view, alone), box.width, glyphs, edge=corner)
    rows = _table(pane, box, view, inner)[: max(box.height - 1, 0)]
    rows += [fit_row((), inner)] * (box.height - 1 - len(rows))
    bar: Row = ((edge, "grid"),) if edge else ()
    return [title, *((*bar, *row) for row in rows)][: box.height]


def _title(pane: Pane, box: Box, view: View, alone: Sequence[Pane]) -> Row:
    place = view.place
    parts: list[Cell] = []
    for name in alone if pane in alone else (pane,):
        focused = place.focus == name
        style = "accent" if focused else "title" if name == pane else "dim"
        parts.append((f"{view.glyphs.cursor if focused else ''}{NAMES[name]} {_count(name, view)}", style))
    count = len(view.shown.lists[pane])
    below = count - place.top(pane) - rows_seen(box)
    parts.append((f"/{place.pattern}" if place.pattern else "", "accent"))
    parts.append((f"{grouped(below)} below" if below > 0 else "", "dim"))
    return tuple(parts)


def _count(pane: Pane, view: View) -> str:
    count = len(view.shown.lists[pane])
    total = view.alerts.alerts_total
    told = pane == "alerts" and not view.place.pattern and total > count
    return f"{grouped(count)} of {grouped(total)}" if told else grouped(count)


def _table(pane: Pane, box: Box, view: View, width: int) -> list[Row]:
    entries, place, glyphs = view.shown.lists[pane], view.place, view.glyphs
    if not entries:
        text, style = _sentence(pane, view)
        return [((fit(f" {text}", width, ellipsis=glyphs.ellipsis), style),)]
    columns, cells = fit_columns(_COLUMNS[pane], width), Cells(now_ns=view.now_ns, width=width, glyphs=glyphs)
    make: Mapping[Pane, Callable[[Any], dict[str, Cell]]] = {
        "alerts": cells.alert, "rules": cells.rule, "history": cells.event, "silences": cells.silence,
        "handlers": cells.handler,
    }  # fmt: skip
    top = place.top(pane)
    rows = [head_row(columns, width=width, glyphs=glyphs)]
    for one in entries[top : top + rows_seen(box)]:
        here = key_of(one) == place.cursor(pane)
        focused = here and place.focus == pane
        marker = glyphs.cursor if focused else glyphs.focus if here else " "
        rows.append(table_row(columns, make[pane](one), width=width, glyphs=glyphs, marker=marker, cursor=focused))
    return rows


def _sentence(pane: Pane, view: View) -> Cell:
    alerts = view.alerts
    if view.place.pattern and {
        "alerts": alerts.alerts, "rules": alerts.rules, "history": alerts.history, "silences": alerts.silences,
        "handlers": alerts.handlers,
    }[pane]:  # fmt: skip
        return "nothing matches the filter; esc clears it", "dim"
    if pane == "alerts":
        return calm_sentence(view)
    return {
        "rules": "there are no rules",
        "history": "nothing happened yet",
        "silences": "nothing is silenced; z silences what is under the cursor",
        "handlers": "nobody is told but the log and this screen: [alerting.handlers] adds somebody",
    }[pane], "dim"


def calm_sentence(view: View) -> Cell:
    """What stands in the place of alerts where there is none."""
    alerts, glyphs = view.alerts, view.glyphs
    if not alerts.looked_ns:
        return f"nothing was looked at yet; {view.waiting or 'the first look comes soon'}", "dim"
    on = sum(one.state != OFF for one in alerts.rules)
    verb = "watches" if on == 1 else "watch"
    watching = f"{things_text(on, 'rule')} {verb} {things_text(alerts.watched, 'thing')}"
    looked = f"looked {ago_text(alerts.looked_ns, now_ns=view.now_ns)}"
    return f"{glyphs.light} nothing fires; {watching}; {looked}", "up"
