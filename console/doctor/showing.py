"""Findings as lines for people: a sign, the state, the check, what was found, and below it what to do. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Final

from console.doctor.finding import Fault, Finding, State
from core.text import one_line

SIGNS: Final = {State.OK: "✓", State.NOTE: "i", State.WARNING: "!", State.ERROR: "✗"}
ASCII_SIGNS: Final = SIGNS | {State.OK: "+", State.ERROR: "x"}
_COLOURS: Final = {State.OK: "32", State.NOTE: "36", State.WARNING: "33", State.ERROR: "31"}
NARROWEST: Final = 50
WIDEST: Final = 120
_EXIT_CODES: Final = {Fault.MACHINE: 3, Fault.KEY: 6, Fault.SERVER: 7}


def lines(findings: Sequence[Finding], *, width: int, coloured: bool, ascii_only: bool) -> list[str]:
    """The findings as lines of at most `width` cells, and the sum of them."""
    width = min(max(width, NARROWEST), WIDEST)
    signs, arrow = (ASCII_SIGNS, "->") if ascii_only else (SIGNS, "→")
    names = max((len(finding.check) for finding in findings), default=0)
    left = 2 + 8 + names + 2
    shown = []
    for finding in findings:
        state = finding.state
        text = _wrapped(finding.found, width - left)
        mark = f"{signs[state]} {state:<7}"
        if coloured:
            mark = f"\x1b[{_COLOURS[state]}m{mark}\x1b[0m"
        shown.append(f"{mark} {finding.check:<{names}}  {text[0]}")
        shown += [f"{'':{left}}{line}" for line in text[1:]]
        if finding.advice and state is not State.OK:
            first, *rest = _wrapped(finding.advice, width - left - len(arrow) - 1)
            shown.append(f"{'':{left}}{arrow} {first}")
            shown += [f"{'':{left + len(arrow) + 1}}{line}" for line in rest]
    return [*shown, "", summary(findings)]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(one_line(text), width, break_on_hyphens=False) or [""]


def summary(findings: Sequence[Finding]) -> str:
    """How many there are of each state that is not well."""
    counts = [
        f"{number} {state}{'s' if number != 1 else ''}"
        for state in (State.ERROR, State.WARNING, State.NOTE)
        if (number := sum(finding.state is state for finding in findings))
    ]
    checks = f"{len(findings)} check{'s' if len(findings) != 1 else ''}"
    return f"{checks}: {', '.join(counts) if counts else 'all is well'}"


def exit_code(findings: Sequence[Finding]) -> int:
    """0 without an error; else by whose the errors are: this machine's count before keys, these before servers."""
    faults = {finding.fault for finding in findings if finding.state is State.ERROR}
    return next((code for fault, code in _EXIT_CODES.items() if fault in faults), 0)


def row(finding: Finding) -> dict[str, Any]:
    """A finding for programs."""
    return {
        "check": finding.check,
        "state": finding.state.value,
        "found": finding.found,
        "advice": finding.advice,
        "fault": finding.fault.value if finding.state is State.ERROR else "",
    }
