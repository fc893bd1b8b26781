"""What somebody is told of an alert."""

from __future__ import annotations

import enum

import attrs

from core.alerts.rules import Severity


class Kind(enum.StrEnum):
    """Why there is a message."""

    FIRING = "firing"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    DIGEST = "digest"
    TEST = "test"


@attrs.frozen(kw_only=True)
class Message:
    """One message, about `count` things at once. `title` is one line, `lines` say what and how much of at most some
    dozen of them, `runbook` what to do. `instance` is the engine's name, `rule` empty in a digest of several.

    All of it is text that can be printed, without control characters.
    """

    kind: Kind
    severity: Severity
    instance: str
    rule: str
    title: str
    lines: tuple[str, ...]
    runbook: str
    count: int
    time_ns: int
