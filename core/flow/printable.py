"""Text from outside, made fit for a screen and a log."""

from __future__ import annotations


def printable(text: str, limit: int = 120) -> str:
    """`text` as one line of ASCII, everything else escaped, at most `limit` characters."""
    return ascii(text[:limit])[1:-1][:limit]
