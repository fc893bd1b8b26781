"""What is wrong with one feed, for the head of the right-hand panes: its health and the counts that are not 0."""

from __future__ import annotations

from typing import Final

from console.tui.healthwords import health_rows
from console.tui.status import Feed
from console.tui.text import Glyphs, Row, fit, fit_row, short_count

_COUNTS: Final = (
    ("gaps", "gaps"), ("book_breaks", "broken books"), ("checksum_bad", "bad checksums"), ("rejected", "refused"),
    ("malformed", "malformed"), ("reconnects", "reconnects"), ("skewed", "misdated"), ("out_of_order", "late"),
    ("duplicates", "dup"),
)  # fmt: skip


def trouble_rows(feed: Feed, *, width: int, glyphs: Glyphs, edge: str = "") -> list[Row]:
    """None for a feed without trouble; else its health and why, a row of its counts, the worst first, and a row of
    its problem where the reason did not tell it."""
    counts = "  ".join(f"{word} {short_count(count)}" for name, word in _COUNTS if (count := getattr(feed, name)))
    told = not feed.problem or feed.problem in feed.health_reason
    sentences = (counts, "" if told else f"{glyphs.warning} {feed.problem}")
    room = max(width - len(edge) - 1, 0)
    return health_rows(feed, width=width, glyphs=glyphs, edge=edge) + [
        fit_row(((edge, "grid"), (" " + fit(text, room, ellipsis=glyphs.ellipsis), "warn")), width)
        for text in sentences
        if text
    ]
