"""Text from outside on one line. The only place that takes out what moves a cursor or begins a line.

`core.flow.printable` is for what is to stay readable as it came: it writes such characters out, in ASCII.
"""

from __future__ import annotations


def one_line(text: str, limit: int | None = None, *, instead: str = "?") -> str:
    """`text` with `instead` for each character that cannot be printed, in whatever script it is; of more than `limit`
    characters the first, and an ellipsis as the last."""
    if limit is not None and len(text) > limit:
        text = f"{text[: max(limit - 1, 0)]}…"
    return text if text.isprintable() else "".join(one if one.isprintable() else instead for one in text)
