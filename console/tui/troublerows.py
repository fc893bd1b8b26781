"""What went wrong on one feed, for the head of the right-hand panes: the counts that are not 0, and why. Pure."""

from __future__ import annotations

from typing import Final

from console.tui.status import Feed
from console.tui.text import Glyphs, Row, fit, fit_row, short_count

_COUNTS: Final = (
    ("gaps", "gaps"), ("checksum_bad", "bad checksums"), ("rejected", "refused"), ("malformed", "malformed"),
    ("reconnects", "reconnects"), ("skewed", "misdated"), ("out_of_order", "late"), ("duplicates", "dup"),
)  # fmt: skip


def trouble_rows(feed: Feed, *, width: int, glyphs: Glyphs, edge: str = "") -> list[Row]:
    """None for a feed without trouble; else a row of its counts, the worst first, and a row of its problem."""
    counts = "  ".join(f"{word} {short_count(count)}" for name, word in _COUNTS if (count := getattr(feed, name)))
    sentences = (counts, f"{glyphs.warning} {feed.problem}" if feed.problem else "")
    room = max(width - len(edge) - 1, 0)
    return [
        fit_row(((edge, "grid"), (" " + fit(text, room, ellipsis=glyphs.ellipsis), "warn")), width)
        for text in sentences
        if text
    ]
