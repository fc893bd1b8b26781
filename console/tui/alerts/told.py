"""What the status says of alerts: the count in the status line, and what an operator is told as it happens. Pure."""

from __future__ import annotations

from typing import Final

import attrs

from console.tui.alerts.document import Counts
from console.tui.alerts.parsing import read_counts, read_severity
from console.tui.answers import Raw, read_count, read_mapping, read_rows, read_text
from console.tui.text import Cell, Glyphs, grouped
from core.alerts.rules import SEVERITIES
from core.clock import NS_PER_S

PAUSE_NS: Final = 4 * NS_PER_S
"""What is told within so much of the last sentence waits, and becomes one sentence with a count."""
BELL_NS: Final = NS_PER_S
"""The least between two bells."""
_MOST: Final = 50
_STYLES: Final = {"critical": "bar_down", "warning": "bar_warn", "info": "bar"}


@attrs.frozen(kw_only=True)
class Told:
    """A message that the screen shows: `number` rises."""

    number: int
    kind: str = ""
    severity: str = ""
    title: str = ""
    time_ns: int = 0


@attrs.frozen(kw_only=True)
class AlertState:
    """What the status says of alerts. `bells` rises each time that the terminal should ring."""

    enabled: bool = False
    counts: Counts = attrs.field(factory=Counts)
    worst: str = ""
    messages: tuple[Told, ...] = ()
    bells: int = 0


def parse_alert_state(status: Raw) -> AlertState | None:
    """What an answer to `status` says of alerts; None when the engine knows of none."""
    row = read_mapping(status, "alerts")
    if not row:
        return None
    told = [
        Told(
            number=read_count(one, "number"),
            kind=read_text(one, "kind", limit=20),
            severity=read_severity(one),
            title=read_text(one, "title", limit=300),
            time_ns=read_count(one, "time_ns"),
        )
        for one in read_rows(row, "messages")[:_MOST]
    ]
    return AlertState(
        enabled=row.get("enabled") is True,
        counts=read_counts(row),
        worst=read_text(row, "worst", limit=300),
        messages=tuple(sorted({one.number: one for one in told}.values(), key=lambda one: one.number)),
        bells=read_count(row, "bells"),
    )


def alert_cells(state: AlertState | None, glyphs: Glyphs, *, brief: bool = False) -> list[Cell]:
    """The alerts' part of the status line, nothing when nothing fires: `⚠ 3 alerts, 1 critical`."""
    if state is None or not state.counts.firing:
        return []
    count, worst = state.counts.firing, state.counts.worst
    text = f"{glyphs.warning} {grouped(count)} alert{'' if count == 1 else 's'}"
    if worst == "critical" and not brief:
        text = f"{glyphs.warning} {grouped(count)} critical" if state.counts.critical == count else (
            f"{text}, {grouped(state.counts.critical)} critical"
        )  # fmt: skip
    return [("  ", "bar"), (text, _STYLES[worst])]


class Messages:
    """Decides what is said of the messages in each status, and when the terminal rings: once for what is new, never
    for what is older than the console, which began at `started_ns`."""

    def __init__(self, *, started_ns: int) -> None:
        self._since_ns = started_ns
        self._seen = 0
        self._waiting: list[Told] = []
        self._said_ns: int | None = None
        self._bells: int | None = None
        self._rung_ns: int | None = None

    def take(self, state: AlertState | None) -> None:
        """Remember what is new in an answer."""
        if state is None:
            return
        newest = max((one.number for one in state.messages), default=self._seen)
        if newest < self._seen:
            self._seen = 0  # another engine, which counts from the beginning
        fresh = [one for one in state.messages if one.number > self._seen and one.time_ns >= self._since_ns]
        if fresh:
            self._waiting = [*self._waiting, *fresh][-_MOST:]
            self._since_ns = max(self._since_ns, *(one.time_ns for one in fresh))
        self._seen = newest
        if self._bells is None or state.bells < self._bells:
            self._bells = state.bells

    def say(self, *, now_ns: int, glyphs: Glyphs, busy: bool) -> str:
        """The sentence to be said now, empty for none; `busy` is when there is no place for one. Steady time."""
        if not self._waiting or busy or (self._said_ns is not None and now_ns - self._said_ns < PAUSE_NS):
            return ""
        told, self._waiting, self._said_ns = self._waiting, [], now_ns
        worst = max(told, key=lambda one: (one.kind != "resolved", -SEVERITIES.index(one.severity)))
        more = f" (and {len(told) - 1} more; screen 3 shows them)" if len(told) > 1 else ""
        return f"{_sentence(worst, glyphs)}{more}"

    def rings(self, state: AlertState | None, *, now_ns: int) -> bool:
        """Whether the terminal should ring now: once for what grew since it last did."""
        if state is None or self._bells is None or state.bells <= self._bells:
            return False
        if self._rung_ns is not None and now_ns - self._rung_ns < BELL_NS:
            return False
        self._bells, self._rung_ns = state.bells, now_ns
        return True


def _sentence(one: Told, glyphs: Glyphs) -> str:
    if one.kind == "resolved":
        return f"{glyphs.light} {one.title}"
    if one.kind == "test":
        return f"{glyphs.light} test: {one.title}"
    return f"{glyphs.light if one.severity == 'info' else glyphs.warning} {one.severity}: {one.title}"
