"""How alerts look and what is said of times: signs, styles and words. Pure."""

from __future__ import annotations

from typing import Final

from console.tui.alerts.document import (
    FIRING,
    OFF,
    OK,
    PENDING,
    QUIET,
    RESOLVED,
    UNUSED,
    Alert,
    Event,
    Handler,
    Rule,
)
from console.tui.text import Cell, Glyphs, clock_text, grouped, moment_text
from core.clock import DAY_NS, NS_PER_S

SEVERITY_STYLES: Final = {"critical": "alert", "warning": "warn", "info": "bid"}
_QUIET_WORDS: Final = {"acknowledged": "acked"}  # a column has no room for more
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def severity_sign(severity: str, glyphs: Glyphs) -> str:
    """The sign of something that fires."""
    return glyphs.light if severity == "info" else glyphs.warning


def severity_style(severity: str) -> str:
    """The style of a severity."""
    return SEVERITY_STYLES.get(severity, "warn")


def alert_state(alert: Alert, glyphs: Glyphs) -> Cell:
    """How an alert stands, in a word with a sign: its severity where it fires."""
    if alert.standing == QUIET:
        return f"{glyphs.quiet} {_QUIET_WORDS.get(alert.quiet, alert.quiet)}", "dim"
    if alert.standing == PENDING:
        return f"{glyphs.turning} pending", "ask"
    return f"{severity_sign(alert.severity, glyphs)} {alert.severity}", severity_style(alert.severity)


def rule_state(rule: Rule, glyphs: Glyphs) -> Cell:
    """How a rule stands, in a word with a sign."""
    if rule.state == FIRING:
        return f"{severity_sign(rule.severity, glyphs)} firing", severity_style(rule.severity)
    sign, style = {
        PENDING: (glyphs.turning, "ask"),
        QUIET: (glyphs.quiet, "dim"),
        OK: (glyphs.light, "up"),
        OFF: (glyphs.dash, "dim"),
        UNUSED: (glyphs.quiet, "dim"),
    }.get(rule.state, ("?", "dim"))
    return f"{sign} {rule.state}", style


def event_state(event: Event, glyphs: Glyphs) -> Cell:
    """What happened, in a word with a sign."""
    if event.state == FIRING:
        return f"{severity_sign(event.severity, glyphs)} firing", severity_style(event.severity)
    if event.state == RESOLVED:
        return f"{glyphs.light} over", "up"
    return f"{glyphs.quiet} {_QUIET_WORDS.get(event.state, event.state or 'unknown')}", "dim"


def handler_state(handler: Handler, glyphs: Glyphs) -> Cell:
    """How telling somebody goes, in a word with a sign."""
    sign, style = {
        OK: (glyphs.light, "up"),
        OFF: (glyphs.dash, "dim"),
        "failing": (glyphs.warning, "alert"),
    }.get(handler.state, ("?", "dim"))
    return f"{sign} {handler.state or 'unknown'}", style


def duration_text(duration_ns: int) -> str:
    """A duration in at most seven characters: `42s`, `12m 5s`, `3h 20m`, `2d 4h`."""
    whole = max(duration_ns // NS_PER_S, 0)
    if whole < _MINUTE_S:
        return f"{whole}s"
    for size, suffix, part, name in (
        (_DAY_S, "d", _HOUR_S, "h"),
        (_HOUR_S, "h", _MINUTE_S, "m"),
        (_MINUTE_S, "m", 1, "s"),
    ):
        if whole >= size:
            count, rest = min(whole // size, 9999), whole % size // part
            return f"{count}{suffix} {rest}{name}" if rest and count < 100 else f"{count}{suffix}"
    raise AssertionError


def time_text(instant_ns: int, *, now_ns: int, seconds: bool = True) -> str:
    """An instant in UTC, with its day where that is not today's: `07:15:02Z`, `11-22 07:15Z`."""
    if not instant_ns:
        return "-"
    if instant_ns // DAY_NS != now_ns // DAY_NS:
        return f"{moment_text(instant_ns, decimals=0)[5:16]}Z"
    clock = clock_text(instant_ns, decimals=0)
    return f"{clock if seconds else clock[:5]}Z"


def ago_text(instant_ns: int, *, now_ns: int) -> str:
    """How long ago an instant was: `12 s ago`, `3m 20s ago`."""
    passed_ns = max(now_ns - instant_ns, 0)
    return f"{passed_ns // NS_PER_S} s ago" if passed_ns < 100 * NS_PER_S else f"{duration_text(passed_ns)} ago"


def left_text(instant_ns: int, *, now_ns: int) -> str:
    """How long it is until an instant, `now` where it is over."""
    return f"in {duration_text(instant_ns - now_ns)}" if instant_ns - now_ns >= NS_PER_S else "now"


def note_text(alert: Alert, *, now_ns: int) -> str:
    """Why nobody is told of an alert, or when somebody is told again; empty where nothing is known of it."""
    if alert.quiet:
        until = (
            f"until {time_text(alert.quiet_until_ns, now_ns=now_ns, seconds=False)}" if alert.quiet_until_ns else ""
        )
        return " ".join(part for part in (until, f"by {alert.quiet_by}" if alert.quiet_by else "") if part)
    return f"told again {left_text(alert.next_ns, now_ns=now_ns)}" if alert.next_ns else ""


_UNITS: Final = frozenset({"%", "s"})


def limit_text(text: str) -> str:
    """A threshold without what follows it: `> 10` of `> 10 within 300 s, for 30 s`."""
    words = text.replace(",", "").split(" ")
    return " ".join(words[: 3 if words[2:] and words[2] in _UNITS else 2])


def things_text(count: int, noun: str) -> str:
    """So many of something: `1 rule`, `24 rules`."""
    return f"{grouped(count)} {noun}{'' if count == 1 else 's'}"
