"""What an operator types about alerts: how long a silence lasts, and what it is about. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import attrs

from console.tui.alerts.document import Target
from core.clock import DAY_NS, NS_PER_S, parse_date
from core.durations import DURATIONS, parse_duration_s
from core.errors import UsageError

DEFAULT: Final = "1h"
"""What is offered."""
LONGEST_S: Final = 366 * 86_400
_UNTIL: Final = re.compile(r"(?:(\d{4}-\d\d-\d\d)[ T])?(\d{1,2}):(\d\d)(?::(\d\d))?Z?", re.IGNORECASE | re.ASCII)
_HINT: Final = f"{DURATIONS}, or until 07:00 (UTC)"


@attrs.frozen(kw_only=True)
class SilenceAsked:
    """What was typed behind `:silence`."""

    target: Target
    for_s: float
    comment: str = ""


def parse_how_long(text: str, *, now_ns: int) -> float:
    """The seconds from now that `2h`, `30m`, `1h30m`, `until 07:00` or `until 2026-11-24 07:00` means; times are UTC,
    and one without a day is the next time that clocks show it.

    Raises:
        UsageError: it is none of these, it is over already, or longer than a year.
    """
    said = text.strip()
    head, _, rest = said.partition(" ")
    until = _until_s(rest.strip(), now_ns) if head.lower() == "until" else None
    try:
        found = until if until is not None else parse_duration_s(said)
    except ValueError as error:
        raise UsageError("not a time", _shown(said), hint=_HINT) from error
    if not 0 < found <= LONGEST_S:
        raise UsageError("over already" if found <= 0 else "longer than a year", _shown(said), hint=_HINT)
    return found


def parse_target(words: Sequence[str]) -> tuple[Target, list[str]]:
    """The rule and the labels at the beginning of `words`, and what follows them.

    Raises:
        UsageError: there is no word.
    """
    if not words:
        raise UsageError("which rule", "nothing", hint="for example stale_feed venue=KRAKEN; * is every rule")
    rest = list(words[1:])
    pairs: list[tuple[str, str]] = []
    while rest and "=" in rest[0].strip("="):
        name, _, value = rest.pop(0).partition("=")
        pairs.append((name, value))
    return Target(rule=words[0], match=tuple(pairs)), rest


def parse_silence(text: str, *, now_ns: int) -> SilenceAsked:
    """What `RULE [LABEL=VALUE …] FOR [WHY]` asks for; FOR as `parse_how_long` has it.

    Raises:
        UsageError: a part is missing or makes no sense.
    """
    target, rest = parse_target(text.split())
    if not rest:
        raise UsageError("for how long", _shown(str(target)), hint=_HINT)
    # A day and a time are two words, and `until` is one more.
    most = 3 if rest[0].lower() == "until" else 1
    for count in range(min(most, len(rest)), 0, -1):
        try:
            found = parse_how_long(" ".join(rest[:count]), now_ns=now_ns)
        except UsageError:
            if count == 1:
                raise
        else:
            return SilenceAsked(target=target, for_s=found, comment=" ".join(rest[count:]))
    raise AssertionError


def parse_number(text: str) -> int:
    """The number of a silence, as `4` or `#4`.

    Raises:
        UsageError: it is no number.
    """
    found = text.strip().removeprefix("#")
    if not (found.isascii() and found.isdecimal() and len(found) <= 9):
        raise UsageError("which silence", _shown(text.strip()), hint="its number, as screen 3 shows it")
    return int(found)


def _until_s(text: str, now_ns: int) -> float | None:
    match = _UNTIL.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.group(2, 3, 4))
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    try:
        day = parse_date(match[1]) if match[1] else now_ns // DAY_NS
    except ValueError:
        return None
    then_ns = day * DAY_NS + ((hours * 60 + minutes) * 60 + seconds) * NS_PER_S
    if not match[1] and then_ns <= now_ns:
        then_ns += DAY_NS
    return (then_ns - now_ns) / NS_PER_S


def _shown(text: str) -> str:
    return f"{text[:40]!a}"[1:-1] or "nothing"
