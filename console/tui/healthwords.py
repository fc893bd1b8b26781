"""How a symbol's data is, as the engine's watchdog says it: its sign, its colour and its words. Pure.

Every state has a character of its own: no colour stands alone.
"""

from __future__ import annotations

import textwrap
from typing import Final

from console.tui.status import Feed
from console.tui.text import Cell, Glyphs, Row, fit, fit_row

REASON_ROWS: Final = 3
"""A reason takes so many rows at most, so that it never takes the place of what it is about."""
_STYLES: Final = {"quiet": "dim", "stale": "warn", "broken": "alert"}


def is_unwell(feed: Feed) -> bool:
    """Whether what is shown of it may be old or wrong."""
    return feed.health in {"stale", "broken"}


def health_cell(feed: Feed, glyphs: Glyphs) -> Cell:
    """The one-character sign of a feed and its style; a space for a live one and one of which nothing is said."""
    sign = {"quiet": glyphs.quiet, "stale": "~", "broken": glyphs.warning}.get(feed.health, " ")
    return sign, _STYLES.get(feed.health, "text")


def health_word(feed: Feed, glyphs: Glyphs) -> Cell:
    """The sign and the state of a feed that is unwell, for a title; empty for any other."""
    sign, style = health_cell(feed, glyphs)
    return (f"{sign} {feed.health}", style) if is_unwell(feed) else ("", style)


def health_rows(feed: Feed, *, width: int, glyphs: Glyphs, edge: str = "") -> list[Row]:
    """The state and its reason; none for a live feed. A quiet one takes one row, whatever its reason: it is no
    trouble."""
    if feed.health not in _STYLES:
        return []
    sign, style = health_cell(feed, glyphs)
    room = max(width - len(edge) - 1, 0)
    text = f"{sign} {feed.health}: {feed.health_reason}" if feed.health_reason else f"{sign} {feed.health}"
    lines = [text] if feed.health == "quiet" else _wrapped(text, room)
    return [
        fit_row(((edge, "grid"), (" " + fit(line, room, ellipsis=glyphs.ellipsis), style)), width) for line in lines
    ]


def _wrapped(text: str, room: int) -> list[str]:
    lines = textwrap.wrap(text, max(room, 8), subsequent_indent="  ")
    # What is left over stands in the last row, which is then cut with an ellipsis.
    rest = "  " + " ".join(line.strip() for line in lines[REASON_ROWS - 1 :])
    return [*lines[: REASON_ROWS - 1], rest] if len(lines) > REASON_ROWS else lines
