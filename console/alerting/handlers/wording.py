"""A message as text and as JSON, for whoever is told of it. Pure.

A message should be printable as it comes. Here it is made so once more, as what is told ends up on terminals, in mail
headers and in the input of programs.
"""

from __future__ import annotations

import hashlib
from typing import Final

from core.alerts.message import Kind, Message
from core.alerts.rules import Severity
from core.clock import NS_PER_S, iso_ns
from core.text import one_line

SCHEMA_VERSION: Final = 1
MAX_LINE: Final = 400
MAX_LINES: Final = 40
_TITLE: Final = 200


def plain(text: str, limit: int = MAX_LINE) -> str:
    """`text` as one line of at most `limit` characters that can be printed, in whatever script it is."""
    return one_line(text, limit)


def word(message: Message) -> str:
    """What kind of message it is, in one or two capital words."""
    if message.kind in {Kind.RESOLVED, Kind.TEST}:
        return message.kind.upper()
    return f"STILL {message.severity.upper()}" if message.kind is Kind.REPEATED else message.severity.upper()


def headline(message: Message) -> str:
    """The message in one line: how bad, which engine, what."""
    return f"{word(message)} [{plain(message.instance, 80)}] {plain(message.title, _TITLE)}"


def body(message: Message, limit: int = 3000) -> str:
    """The message without its headline, in lines, at most `limit` characters of them; at the end what to do and when
    it was."""
    last = [f"What to do: {plain(message.runbook, 600)}"] if message.runbook else []
    last.append(iso_ns(message.time_ns)[:19] + "Z")
    room = limit - sum(len(line) + 1 for line in last) - 24
    lines: list[str] = []
    for line in (plain(one) for one in message.lines[:MAX_LINES]):
        if (room := room - len(line) - 1) < 0:
            break
        lines.append(line)
    left = len(message.lines) - len(lines)
    more = [f"and {left} lines more"] if left else []
    return "\n".join([*lines, *more, *last])


def is_bad(message: Message) -> bool:
    """Whether it tells of something that is bad now, in contrast to what is over or a test."""
    return message.kind not in {Kind.RESOLVED, Kind.TEST} and message.severity is not Severity.INFO


def message_id(message: Message) -> str:
    """The same for the same message however often it is tried, so that who hears it twice can know."""
    parts = (message.instance, message.kind, message.rule, message.title, str(message.time_ns), str(message.count))
    told = "\n".join((*parts, *message.lines)).encode("utf-8", "replace")
    return hashlib.sha256(told).hexdigest()[:32]


def document(message: Message) -> dict[str, object]:
    """The message for programs. Names and meanings stay as they are within one `schema_version`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "id": message_id(message),
        "kind": str(message.kind),
        "severity": str(message.severity),
        "instance": plain(message.instance, 80),
        "rule": plain(message.rule, 120),
        "title": plain(message.title, _TITLE),
        "lines": [plain(line) for line in message.lines[:MAX_LINES]],
        "runbook": plain(message.runbook, 600),
        "count": message.count,
        "time_ns": message.time_ns,
        "time": iso_ns(message.time_ns),
    }


def clock_time(instant_ns: int) -> str:
    """The time of day of an instant, in UTC."""
    return iso_ns(instant_ns // NS_PER_S * NS_PER_S)[11:19] + "Z"
