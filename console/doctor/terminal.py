"""Checks of the terminal and the locale: what the full-screen console would have to draw with."""

from __future__ import annotations

import contextlib
import curses
import os
from typing import Final

from console.doctor.finding import Finding, Notes, State
from console.doctor.place import Place

SMALLEST: Final = (80, 24)


def terminal(place: Place) -> Finding:
    """TERM, size, colours, letters, and what stands between."""
    notes, variables = Notes("terminal"), place.environment
    size = _size()
    if size is None:
        notes.add(State.NOTE, "output is no terminal", "the full-screen console needs one; --batch does not")
    elif size[0] < SMALLEST[0] or size[1] < SMALLEST[1]:
        smallest = f"{SMALLEST[0]}x{SMALLEST[1]}"
        notes.add(State.WARNING, f"{size[0]}x{size[1]} is small", f"make it {smallest} or larger: screens are cut")
    else:
        notes.ok(f"{size[0]}x{size[1]}")
    name = variables.get("TERM", "")
    if size is not None and name in {"", "dumb", "unknown"}:
        notes.add(State.WARNING, f"TERM is {name or 'not set'}", "set it to what the terminal is: xterm-256color")
    elif name:
        notes.ok(name[:40])
    if size is not None:
        _colours(notes, name, variables.get("COLORTERM", ""), no_color="NO_COLOR" in variables)
    _letters(notes, place)
    _between(notes, place)
    return notes.finding()


def _size() -> tuple[int, int] | None:
    for number in (1, 2, 0):
        with contextlib.suppress(OSError):
            if os.isatty(number):
                columns, lines = os.get_terminal_size(number)
                return columns, lines
    return None


def _colours(notes: Notes, name: str, wide: str, *, no_color: bool) -> None:
    if no_color:
        notes.ok("no colours, as NO_COLOR asks")
    elif wide in {"truecolor", "24bit"}:
        notes.ok("16 million colours")
    else:
        count = _counted_colours(name)
        notes.ok(f"{count} colours" if count > 0 else "colours unknown")


def _counted_colours(name: str) -> int:
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is all that is wanted
            curses.setupterm(name or "dumb", nowhere.fileno())
    except curses.error:  # there is no description of it
        return 256 if "256color" in name else 0
    return curses.tigetnum("colors")


def _letters(notes: Notes, place: Place) -> None:
    # As the C library chooses: the first that is set counts.
    variables = place.environment
    said = next((variables[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if variables.get(name)), "")
    if "utf-8" in said.lower() or "utf8" in said.lower():
        notes.ok("UTF-8")
    elif place.settings.screen.ascii_only:
        notes.ok("ASCII, as screen.ascii_only asks")
    else:
        notes.add(
            State.NOTE,
            f"the locale is {said[:40] or 'not set'}, not UTF-8",
            "set LANG=C.UTF-8, or screen.ascii_only to draw with ASCII alone",
        )


def _between(notes: Notes, place: Place) -> None:
    variables = place.environment
    if variables.get("SSH_CONNECTION") or variables.get("SSH_TTY"):
        if place.settings.screen.low_bandwidth:
            notes.ok("over SSH, low_bandwidth")
        else:
            notes.ok("over SSH (--low-bandwidth for slow lines)")
    if variables.get("TMUX"):
        notes.ok("in tmux")
    elif variables.get("STY"):
        notes.ok("in screen")
