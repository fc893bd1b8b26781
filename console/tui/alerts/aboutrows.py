"""All there is to say of what is under the cursor: what is the matter, since when, and what to do about it. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Final

from console.tui.alerts.document import (
    FIRING,
    PENDING,
    RESOLVED,
    Alert,
    Alerts,
    Event,
    Handler,
    Rule,
    Silence,
)
from console.tui.alerts.words import (
    ago_text,
    alert_state,
    duration_text,
    event_state,
    handler_state,
    left_text,
    limit_text,
    rule_state,
    severity_style,
    things_text,
    time_text,
)
from console.tui.text import Glyphs, Row, fit, short_count, title_row

Entry = Alert | Rule | Event | Silence | Handler
Line = tuple[str, str]
"""Some text and its style."""
_KEYS = {
    Alert: "a acknowledge, z silence",
    Rule: "a acknowledge, z silence",
    Silence: "Z ends it",
}


_BESIDE: Final = 56  # cells of a title that has room for the keys
_LABEL: Final = re.compile(r"\{(\w+)\}")
_LISTS: Final = (
    "tab leads to the rules, what happened, what is silenced, and who is told; enter tells all about one of them"
)


def about_rows(
    entry: Entry | None,
    alerts: Alerts,
    *,
    now_ns: int,
    top: int,
    width: int,
    height: int,
    glyphs: Glyphs,
    corner: str = "",
) -> list[Row]:
    """Exactly `height` rows of `width` cells, the lines from number `top` on; with a `corner` there is an edge on
    their left, which begins with it."""
    edge = glyphs.bar if corner else ""
    inner = width - len(edge)
    lines = about_lines(entry, alerts, now_ns=now_ns, width=inner, glyphs=glyphs)
    more = len(lines) - top - (height - 1)
    parts: Row = (
        ("What to do", "title"),
        (_KEYS.get(type(entry), "") if width >= _BESIDE else "", "dim"),
        (f"{more} more: enter" if more > 0 and not top else f"{more} below" if more > 0 else "", "accent"),
    )
    rows: list[Row] = [title_row(parts, width, glyphs, edge=corner)]
    shown = lines[top : top + max(height - 1, 0)]
    shown += [("", "")] * (height - 1 - len(shown))
    bar: Row = ((edge, "grid"),) if edge else ()
    rows += [
        (*bar, (fit(f" {text}" if text else "", inner, ellipsis=glyphs.ellipsis), style)) for text, style in shown
    ]
    return rows[:height]


def about_lines(entry: Entry | None, alerts: Alerts, *, now_ns: int, width: int, glyphs: Glyphs) -> list[Line]:
    """Lines of text and style, each at most `width` cells with the blank before it."""
    sentences: Iterator[Line]
    if isinstance(entry, Alert):
        sentences = _alert(entry, alerts, now_ns, glyphs)
    elif isinstance(entry, Rule):
        sentences = _rule(entry, alerts, glyphs)
    elif isinstance(entry, Event):
        sentences = _event(entry, alerts, now_ns, glyphs)
    elif isinstance(entry, Silence):
        sentences = _silence(entry, alerts, now_ns)
    elif isinstance(entry, Handler):
        sentences = _handler(entry, now_ns, glyphs)
    else:
        calm = "Nothing is to be done." if not alerts.alerts else "Nothing is chosen."
        sentences = iter([(calm, "text"), (_LISTS, "dim")])
    lines: list[Line] = []
    for text, style in sentences:
        lines += [(part, style) for part in textwrap.wrap(text, max(width - 2, 8)) or [""]]
    return lines


def _alert(one: Alert, alerts: Alerts, now_ns: int, glyphs: Glyphs) -> Iterator[Line]:
    rule = alerts.rule(one.rule)
    sign = alert_state(one, glyphs)[0].partition(" ")[0]
    style = severity_style(one.severity) if one.standing == FIRING else "text"
    yield f"{sign} {one.severity}: {one.summary or one.rule}", style
    yield from _runbook(rule)
    verb = "not yet: it is so" if one.standing == PENDING else "fires"
    since = f"since {time_text(one.since_ns, now_ns=now_ns)}, {duration_text(now_ns - one.since_ns)}"
    yield f"{one.rule} {verb} {since if one.since_ns else ''}".rstrip(), "text"
    yield f"of {one.subject}", "dim"
    yield _condition(rule, one.value_text, one.threshold_text), "dim"
    if one.quiet:
        until = ""
        if one.quiet_until_ns:
            moment = time_text(one.quiet_until_ns, now_ns=now_ns)
            until = f" until {moment}, {left_text(one.quiet_until_ns, now_ns=now_ns)}"
        yield f"{one.quiet}{f' by {one.quiet_by}' if one.quiet_by else ''}{until}: nobody is told", "accent"
    elif one.next_ns:
        moment = time_text(one.next_ns, now_ns=now_ns)
        yield f"told again at {moment}, {left_text(one.next_ns, now_ns=now_ns)}", "dim"


def _rule(one: Rule, alerts: Alerts, glyphs: Glyphs) -> Iterator[Line]:
    state, style = rule_state(one, glyphs)
    yield f"{state}: {_of_any(one.summary) or one.name}", style if one.state == FIRING else "text"
    yield from _runbook(one)
    yield f"{one.name} ({one.severity}) {_condition(one, one.value_text, one.condition)}", "dim"
    watched = f"it watches {things_text(one.watched, 'thing')}" if one.watched else "there is nothing that it watches"
    yield f"{watched}; {things_text(one.firing, 'alert')} of it now", "dim"
    yield f"told again after {duration_text(round(one.cooldown_s * 1e9))}, then twice as long each time", "dim"
    if one.parents:
        yield f"nobody is told of it while {' or '.join(one.parents)} fires for the same", "dim"
    for alert in [found for found in alerts.alerts if found.rule == one.name][:20]:
        found, found_style = alert_state(alert, glyphs)
        yield f"{found} {alert.subject}: {alert.value_text}", found_style


def _event(one: Event, alerts: Alerts, now_ns: int, glyphs: Glyphs) -> Iterator[Line]:
    rule = alerts.rule(one.rule)
    state, style = event_state(one, glyphs)
    yield f"{state}: {one.message or (_of_any(rule.summary) if rule else '') or one.rule}", style
    if one.state != RESOLVED:
        yield from _runbook(rule)
    moment = f"{time_text(one.time_ns, now_ns=now_ns)}, {ago_text(one.time_ns, now_ns=now_ns)}"
    whose = f" on {one.instance}" if one.instance else ""
    yield f"{one.rule} ({one.severity}) at {moment}{whose}", "text"
    yield f"of {one.subject}", "dim"
    if one.lasted_ns is not None:
        yield f"it lasted {duration_text(one.lasted_ns)}", "dim"
    if one.value:
        yield f"the value was {one.value}; it fires at {one.threshold}", "dim"


def _silence(one: Silence, alerts: Alerts, now_ns: int) -> Iterator[Line]:
    what = "all rules" if one.rule == "*" else one.rule
    yield f"#{one.number}: nobody is told of {what}{f' for {one.match}' if one.match else ''}", "text"
    yield f"until {time_text(one.until_ns, now_ns=now_ns)}, {left_text(one.until_ns, now_ns=now_ns)}", "accent"
    if one.by or one.comment:
        yield f"{f'by {one.by}' if one.by else ''}{f': {one.comment}' if one.comment else ''}".strip(": "), "dim"
    quiet = sum(found.quiet == "silenced" for found in alerts.alerts)
    yield (
        f"{things_text(quiet, 'alert')} that fires is silenced now"
        if quiet == 1
        else (f"{things_text(quiet, 'alert')} that fire are silenced now"),
        "dim",
    )


def _handler(one: Handler, now_ns: int, glyphs: Glyphs) -> Iterator[Line]:
    state, style = handler_state(one, glyphs)
    yield f"{state}: {one.name}{f' ({one.kind})' if one.kind and one.kind != one.name else ''}", style
    if one.problem:
        yield one.problem, "alert"
    last = f", the last {ago_text(one.last_ns, now_ns=now_ns)}" if one.last_ns else ""
    yield f"{things_text(one.sent, 'message')} sent{last}", "text"
    yield (
        (
            f"{short_count(one.failed)} failed, {short_count(one.suppressed)} held back and counted in others, "
            f"{short_count(one.waiting)} waiting"
        ),
        "dim",
    )
    yield "try it: ringside --batch alerts test", "dim"


def _of_any(summary: str) -> str:
    # A rule's summary has the names of labels where that of an alert has their values.
    return _LABEL.sub(lambda found: f"a{'n' * (found[1][0] in 'aeiou')} {found[1]}", summary)


def _runbook(rule: Rule | None) -> Iterator[Line]:
    if rule is not None and rule.runbook:
        yield rule.runbook, "symbol"


def _condition(rule: Rule | None, value: str, threshold: str) -> str:
    metric = rule.metric if rule is not None and rule.metric else "its value"
    condition = rule.condition if rule is not None and rule.condition else threshold
    now = f", now {value}" if value else ""
    return f"fires when {metric} is {condition or limit_text(threshold)}{now}"
