"""The log screen's rows: what is wrong now, then the engine's last words, newest at the bottom. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from console.tui.status import LogLine
from console.tui.text import Glyphs, Row, clock_text, fit, fit_row, title_row
from core.clock import utc_day

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
_STYLES: Final = {"DEBUG": "dim", "INFO": "text", "WARNING": "warn", "ERROR": "alert", "CRITICAL": "alert"}
_RANKS: Final = {"DEBUG": 0, "INFO": 1, "WARNING": 2, "ERROR": 3, "CRITICAL": 4}


def filter_log(lines: Sequence[LogLine], *, level: str, pattern: str) -> list[LogLine]:
    """Those of at least `level` that contain `pattern` in text or logger; `!` before the pattern inverts."""
    inverted, wanted = pattern.startswith("!"), pattern.removeprefix("!").strip().lower()
    return [
        line
        for line in lines
        if _RANKS.get(line.level, 1) >= _RANKS[level]
        and (not wanted or (wanted in f"{line.logger} {line.text}".lower()) != inverted)
    ]


def log_rows(
    lines: Sequence[LogLine],
    problems: Sequence[str],
    repairs: Sequence[str] = (),
    *,
    level: str,
    pattern: str,
    back: int,
    width: int,
    height: int,
    glyphs: Glyphs,
) -> list[Row]:
    """Exactly `height` rows; `back` lines are hidden below the last one shown. `repairs` are of the stored files."""
    rows: list[Row] = []
    for head, style, sentences in (("Problems now", "alert", problems), ("Repaired in the store", "warn", repairs)):
        if sentences:
            rows.append(title_row(((head, style), (str(len(sentences)), "dim")), width, glyphs))
            texts = _told(sentences, width=width, room=max(height // 3, 1), glyphs=glyphs)
            rows += [((fit(text, width, ellipsis=glyphs.ellipsis), "warn"),) for text in texts]
    kept = filter_log(lines, level=level, pattern=pattern)
    parts = (
        ("Log", "title"),
        (f"{len(kept)} of {len(lines)}" if len(kept) != len(lines) else str(len(lines)), "dim"),
        (f"{level.lower()} and above" if level != LEVELS[0] else "", "accent"),
        (f"/{pattern}" if pattern else "", "accent"),
        (f"{back} newer below" if back else "", "warn"),
    )
    rows.append(title_row(parts, width, glyphs))
    room = max(height - len(rows), 0)
    end = max(len(kept) - back, 0)
    shown = kept[max(end - room, 0) : end]
    rows += [_line_row(line, width, glyphs) for line in shown]
    if not shown and room:
        rows.append(((fit(" nothing logged", width), "dim"),))
    return (rows + [((" " * width, ""),)] * height)[:height]


def _told(sentences: Sequence[str], *, width: int, room: int, glyphs: Glyphs) -> list[str]:
    # All of each where there is room for it, else a row each.
    head, indent = f" {glyphs.warning} ", "   "
    rows = [
        row
        for sentence in sentences
        for row in textwrap.wrap(sentence, max(width, 8), initial_indent=head, subsequent_indent=indent)
    ]
    return rows if len(rows) <= room else [head + sentence for sentence in sentences[:room]]


def _line_row(line: LogLine, width: int, glyphs: Glyphs) -> Row:
    moment = clock_text(line.ts_ns)
    day = f"{utc_day(line.ts_ns)} " if width >= 120 and line.ts_ns < 2**62 else ""
    style = _STYLES.get(line.level, "text")
    head = f" {day}{moment} "
    name = fit(line.logger, 20, ellipsis=glyphs.ellipsis) + " " if width >= 100 else ""
    rest = max(width - len(head) - 9 - len(name), 0)
    text = fit(line.text, rest, ellipsis=glyphs.ellipsis)
    return fit_row(((head, "dim"), (f"{line.level:<8} ", style), (name, "dim"), (text, style)), width)
