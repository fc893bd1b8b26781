"""The tables of the Alerts screen: their columns, and what stands in each. Pure."""

from __future__ import annotations

from typing import Final

import attrs

from console.tui.alerts.document import PENDING, QUIET, Alert, Event, Handler, Rule, Silence
from console.tui.alerts.words import (
    alert_state,
    duration_text,
    event_state,
    handler_state,
    left_text,
    limit_text,
    note_text,
    rule_state,
    severity_style,
    time_text,
)
from console.tui.tables import Column
from console.tui.text import Cell, Glyphs, short_age, short_count
from core.clock import NS_PER_S

_STATE: Final = 11
_BAR: Final = 8
_NAMED: Final = 110  # a table of so many cells names labels, a narrower one has their values alone
ALERTS: Final = (
    Column("state", "state", _STATE), Column("rule", "rule", 20),
    Column("subject", "what", 13, grows=True, most=44), Column("value", "value", 9, right=True),
    Column("limit", "fires at", 9, least=62), Column("since", "for", 7, right=True, least=66),
    Column("note", "told", 26, least=100, grows=True, most=34),
)  # fmt: skip
RULES: Final = (
    Column("state", "state", 9), Column("rule", "rule", 20, grows=True, most=26),
    Column("severity", "severity", 8, least=70), Column("value", "worst", 9, right=True),
    Column("bar", "", _BAR, least=64), Column("limit", "fires at", 9),
    Column("watched", "watches", 7, right=True, least=78), Column("firing", "fires", 5, right=True, least=86),
    Column("metric", "metric", 30, least=118, grows=True),
)  # fmt: skip
HISTORY: Final = (
    Column("time", "time", 12), Column("state", "state", _STATE), Column("rule", "rule", 18, grows=True, most=18),
    Column("subject", "what", 12, grows=True, most=40, least=66), Column("lasted", "lasted", 7, right=True),
    Column("value", "value", 9, right=True, least=90), Column("limit", "fires at", 9, least=100),
    Column("message", "", 20, grows=True, least=124),
)  # fmt: skip
SILENCES: Final = (
    Column("number", "", 4, right=True), Column("left", "left", 7, right=True), Column("until", "until", 12),
    Column("rule", "rule", 14, grows=True, most=22), Column("match", "what", 14, grows=True, most=34, least=60),
    Column("by", "by", 10, least=84), Column("comment", "why", 12, grows=True, least=92),
)  # fmt: skip
HANDLERS: Final = (
    Column("state", "state", 9), Column("name", "name", 10, grows=True, most=20), Column("kind", "kind", 8),
    Column("sent", "sent", 5, right=True), Column("failed", "fail", 4, right=True),
    Column("suppressed", "held", 5, right=True), Column("waiting", "wait", 4, right=True, least=66),
    Column("last", "last", 4, right=True), Column("problem", "", 20, grows=True, least=78),
)  # fmt: skip


@attrs.frozen(kw_only=True)
class Cells:
    """Makes cells by the names of their columns, for a table of `width` cells at `now_ns`."""

    now_ns: int
    width: int
    glyphs: Glyphs

    def alert(self, one: Alert) -> dict[str, Cell]:
        """Something that fires, or is about to."""
        sign, style = alert_state(one, self.glyphs)
        quiet = bool(one.quiet)
        return {
            "state": (sign, style),
            "rule": (one.rule, "dim" if quiet else "symbol"),
            "subject": (self._subject(one.subject), "dim" if quiet else "text"),
            "value": (one.value_text or self.glyphs.dash, style),
            "limit": (limit_text(one.threshold_text), "dim"),
            "since": (duration_text(self.now_ns - one.since_ns) if one.since_ns else self.glyphs.dash, "dim"),
            "note": (note_text(one, now_ns=self.now_ns), "dim"),
        }

    def rule(self, one: Rule) -> dict[str, Cell]:
        """A rule."""
        calm = one.state != "firing"
        return {
            "state": rule_state(one, self.glyphs),
            "rule": (one.name, "dim" if one.state in ("off", "unused", "unknown") else "symbol"),
            "severity": (one.severity, "dim" if calm else severity_style(one.severity)),
            "value": (one.value_text or self.glyphs.dash, "text" if one.value_text else "dim"),
            "bar": self._bar(one),
            "limit": (limit_text(one.threshold_text), "dim"),
            "watched": self._count(one.watched),
            "firing": self._count(one.firing, severity_style(one.severity)),
            "metric": (f"{one.metric}{one.condition.removeprefix(limit_text(one.condition))}", "dim"),
        }

    def event(self, one: Event) -> dict[str, Cell]:
        """A line of the history."""
        return {
            "time": (time_text(one.time_ns, now_ns=self.now_ns), "dim"),
            "state": event_state(one, self.glyphs),
            "rule": (one.rule, "symbol"),
            "subject": (self._subject(one.subject), "text"),
            "lasted": ("", "dim") if one.lasted_ns is None else (duration_text(one.lasted_ns), "text"),
            "value": (one.value or self.glyphs.dash, "text"),
            "limit": (limit_text(one.threshold), "dim"),
            "message": (one.message, "dim"),
        }

    def silence(self, one: Silence) -> dict[str, Cell]:
        """A silence."""
        left = left_text(one.until_ns, now_ns=self.now_ns).removeprefix("in ")
        return {
            "number": (f"#{one.number}", "dim"),
            "left": (left, "text"),
            "until": (time_text(one.until_ns, now_ns=self.now_ns), "dim"),
            "rule": ("all rules" if one.rule == "*" else one.rule, "symbol"),
            "match": (one.match or "all of it", "text" if one.match else "dim"),
            "by": (one.by, "dim"),
            "comment": (one.comment, "text"),
        }

    def handler(self, one: Handler) -> dict[str, Cell]:
        """Somebody who is told."""
        last = short_age((self.now_ns - one.last_ns) / NS_PER_S) if one.last_ns else self.glyphs.dash
        return {
            "state": handler_state(one, self.glyphs),
            "name": (one.name, "symbol"),
            "kind": (one.kind, "dim"),
            "sent": self._count(one.sent),
            "failed": self._count(one.failed, "alert"),
            "suppressed": self._count(one.suppressed, "warn"),
            "waiting": self._count(one.waiting),
            "last": (last, "dim"),
            "problem": (one.problem, "alert"),
        }

    def _count(self, value: int, style: str = "text") -> Cell:
        return short_count(value), style if value else "dim"

    def _bar(self, rule: Rule) -> Cell:
        # How near the worst value is to where the rule fires.
        near = rule.nearness
        if near is None:
            return "", "dim"
        style = severity_style(rule.severity) if near >= 1 else "warn" if near >= 0.75 else "up_bar"
        halves = min(max(round(near * _BAR * 2), 1 if near > 0 else 0), _BAR * 2)
        whole, half = ("━", "╸") if self.glyphs.braille else ("=", "-")
        return whole * (halves // 2) + half * (halves % 2), {QUIET: "dim", PENDING: "ask"}.get(rule.state, style)

    def _subject(self, subject: str) -> str:
        if self.width >= _NAMED:
            return subject
        return " ".join(part.partition("=")[2] or part for part in subject.split(" "))
