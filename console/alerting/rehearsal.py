"""What would have fired: rules over the recorded figures of a session, by the code that watches over an engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from console.alerting.recording import Session, read_frames
from core.alerts.message import Message
from core.alerts.rules import Rule, Severity
from core.alerts.watch import Event, Watch
from core.clock import NS_PER_S
from core.telemetry.frame import Frame
from core.telemetry.series import SERIES


@attrs.frozen(kw_only=True)
class Rehearsal:
    """What came of it: `events` are what the history would hold, `messages` what people would have been told, before
    any of them is gathered into a digest. `looks` counts the frames, from `begin_ns` to `end_ns`."""

    looks: int
    begin_ns: int
    end_ns: int
    events: tuple[Event, ...]
    messages: tuple[Message, ...]


def rehearse(frames: Iterable[Frame], rules: Sequence[Rule], *, instance: str) -> Rehearsal:
    """Let `rules` watch over `frames`. Nobody acknowledges or silences anything. Raises what `frames` raises."""
    watch = Watch(rules, {name: one.labels for name, one in SERIES.items()}, instance=instance)
    events: list[Event] = []
    messages: list[Message] = []
    looks, begin_ns, end_ns = 0, 0, 0
    for frame in frames:
        looks, begin_ns, end_ns = looks + 1, begin_ns or frame.time_ns, frame.time_ns
        found = watch.look(frame)
        events += found.events
        messages += found.messages
    return Rehearsal(looks=looks, begin_ns=begin_ns, end_ns=end_ns, events=tuple(events), messages=tuple(messages))


def rehearse_session(session: Session, rules: Sequence[Rule]) -> Rehearsal:
    """Let `rules` watch over a recorded session. Raises `ConsoleError`."""
    with contextlib.closing(read_frames(session)) as frames:
        return rehearse(frames, rules, instance=session.instance)


def rule_rows(found: Rehearsal, rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """For each rule how often it would have fired, for how long in all, and how many messages that were: those that
    fired first, the most often first."""
    rows = []
    for rule in rules:
        events = [one for one in found.events if one.rule == rule.name]
        rows.append(
            {
                "rule": rule.name,
                "severity": rule.severity.value,
                "fired": sum(one.state == "firing" for one in events),
                "subjects": len({one.subject for one in events}),
                "firing_s": round(_firing_ns(events, found.end_ns) / NS_PER_S, 3),
                "messages": sum(one.rule == rule.name for one in found.messages),
            }
        )
    return sorted(rows, key=lambda row: (-int(row["fired"] > 0), -Severity(str(row["severity"])).rank, -row["fired"]))


def _firing_ns(events: Sequence[Event], end_ns: int) -> int:
    # Of all that the rule fired for, until each ended or the session did.
    began: dict[str, int] = {}
    total_ns = 0
    for one in events:
        if one.state == "firing":
            began[one.subject] = one.time_ns
        elif one.subject in began:
            total_ns += one.time_ns - began.pop(one.subject)
    return total_ns + sum(end_ns - begun_ns for begun_ns in began.values())
