"""How days, stretches and money look on the Data screen: signs, styles and words. Pure."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Final

import attrs

from console.tui.coverage.document import CLOSED, FETCHED, LOST, MISSING, OUTSIDE, PARTIAL, STORED
from console.tui.text import Glyphs, grouped

STATE_WORDS: Final = {
    STORED: "stored", FETCHED: "fetched", PARTIAL: "partial", MISSING: "missing", LOST: "lost", CLOSED: "closed",
    OUTSIDE: "nothing is known of it",
}  # fmt: skip
STATE_STYLES: Final = {
    STORED: "up_bar", FETCHED: "bid", PARTIAL: "warn", MISSING: "warn", LOST: "alert", CLOSED: "grid", OUTSIDE: "",
}  # fmt: skip
_UNICODE: Final = {STORED: "▇", FETCHED: "▓", PARTIAL: "▃", MISSING: "░", LOST: "×", CLOSED: "─", OUTSIDE: " "}
_ASCII: Final = {STORED: "#", FETCHED: "%", PARTIAL: "=", MISSING: ".", LOST: "x", CLOSED: "-", OUTSIDE: " "}


@attrs.frozen
class Kind:
    """What a stretch of a day is: the state it is drawn like, and what it is called."""

    state: str
    words: str


KINDS: Final = {
    "live": Kind(STORED, "stored live"),
    "bought": Kind(FETCHED, "bought"),
    "recovered": Kind(FETCHED, "recovered"),
    "never subscribed": Kind(MISSING, "never subscribed"),
    "disconnect": Kind(MISSING, "the connection was lost"),
    "venue maintenance": Kind(MISSING, "the venue was in maintenance"),
    "market closed": Kind(CLOSED, "the market is closed"),
    "lost": Kind(LOST, "lost here"),
}


def signs(glyphs: Glyphs) -> dict[str, str]:
    """The character of each state."""
    return _UNICODE if glyphs.braille else _ASCII


def kind_of(name: str) -> Kind:
    """What a stretch is; one that an engine of another version names is a hole of that name."""
    return KINDS.get(name) or Kind(MISSING, name or "unknown")


def money_text(amount: Decimal | None) -> str:
    """US dollars, never less than they are: in cents, small amounts to two digits, `$0` for nothing; "" for None."""
    if amount is None:
        return ""
    if not amount:
        return "$0"
    places = 2 if amount >= Decimal("0.1") else min(1 - amount.adjusted(), 6)
    rounded = amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_CEILING)
    return f"${rounded:,f}".replace(",", " ")


def count_text(count: int, noun: str) -> str:
    """So many of something: `1 day`, `1 200 days`."""
    return f"{grouped(count)} {noun}{'' if count == 1 else 's'}"
