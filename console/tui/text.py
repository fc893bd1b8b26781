"""Text that may be drawn: every character one cell wide, none of them a command to the terminal. Pure."""

from __future__ import annotations

import textwrap
import unicodedata
from functools import lru_cache

import attrs
from rich.cells import cell_len

from core.clock import utc_day

Cell = tuple[str, str]
"""Some text and the name of its style (`console.tui.themes`)."""
Row = tuple[Cell, ...]
"""One line of a widget."""
CURSOR = "+cursor"
"""Appended to the style names of the row under the cursor."""


@attrs.frozen(kw_only=True)
class Glyphs:
    """The characters a screen is drawn with, each one cell wide."""

    up: str
    down: str
    light: str
    warning: str
    cursor: str
    focus: str
    dash: str
    bar: str
    tee: str
    cross: str
    ellipsis: str
    dotted: str
    minus: str
    levels: str
    ramps: str
    candles: str
    shade: str
    turning: str
    quiet: str
    braille: bool


UNICODE = Glyphs(
    up="▲", down="▼", light="●", warning="⚠", cursor="▸", focus="•", dash="─", bar="│", tee="├", cross="┬",
    ellipsis="…", dotted="┈", minus="−", levels=" ▁▂▃▄▅▆▇█", ramps=" ▏▎▍▌▋▊▉█", candles=" ╷╻╵│╽╹╿┃",
    shade="░", turning="⟳", quiet="·", braille=True,
)  # fmt: skip
"""`levels` grow upwards and `ramps` to the right in eighths. `candles`: see `console.tui.chart`. `braille` tells that
those characters may be used too."""

ASCII = Glyphs(
    up="^", down="v", light="*", warning="!", cursor=">", focus="+", dash="-", bar="|", tee="+", cross="+",
    ellipsis="~", dotted=".", minus="-", levels=" ___---##", ramps="    ====#", candles=" ..'||'|#",
    shade="-", turning="@", quiet=".", braille=False,
)  # fmt: skip


def clean(text: str, *, limit: int = 200) -> str:
    """At most `limit` characters of `text`; those that are not printable or not one cell wide become `?`."""
    if text.isascii() and text.isprintable():
        return text[:limit]
    return "".join(map(_safe, text[:limit]))


@lru_cache(maxsize=4096)
def _safe(character: str) -> str:
    if character in "\n\t":
        return " "
    if not character.isprintable() or unicodedata.category(character)[0] in "CM":
        return "?"
    # Asked of the library that draws: where its table and Unicode's differ, its is the one rows are laid out by.
    return character if cell_len(character) == 1 else "?"


def fit(text: str, width: int, *, right: bool = False, ellipsis: str = "…") -> str:
    """`text` in exactly `width` cells: padded, or cut with an ellipsis."""
    if len(text) > width:
        return text[: max(width - 1, 0)] + ellipsis if width > 0 else ""
    return text.rjust(width) if right else text.ljust(width)


def row_width(row: Row) -> int:
    """The cells a row takes."""
    return sum(len(text) for text, _style in row)


def fit_row(row: Row, width: int, style: str = "") -> Row:
    """`row` cut or padded to exactly `width` cells; the padding has `style`."""
    cells: list[Cell] = []
    left = width
    for text, name in row:
        if len(text) >= left:
            cells.append((text[:left], name))
            return tuple(cells)
        cells.append((text, name))
        left -= len(text)
    cells.append((" " * left, style))
    return tuple(cells)


def title_row(parts: Row, width: int, glyphs: Glyphs, *, edge: str = "") -> Row:
    """A pane's head: `─ part ─ part ────`, the parts in their own styles and empty ones left out."""
    cells: list[Cell] = [(edge + glyphs.dash, "grid")]
    for text, style in parts:
        if text:
            cells += [(f" {text} ", style), (glyphs.dash, "grid")]
    used = sum(len(text) for text, _style in cells)
    if used < width:
        cells.append((glyphs.dash * (width - used), "grid"))
    if used > width > 1:
        # Half a word is easily taken for another: USD for USDT.
        return (*fit_row(tuple(cells), width - 1, "grid"), (glyphs.ellipsis, "grid"))
    return fit_row(tuple(cells), width, "grid")


def instead_rows(title: Row, sentences: tuple[str, ...], width: int, height: int) -> list[Row]:
    """A screen of `height` rows that has nothing to show: its title, and in the middle why, the first of the
    `sentences` brighter than the others."""
    lines = [
        (part, "dim" if number else "text")
        for number, text in enumerate(sentences)
        for part in textwrap.wrap(text, max(width - 4, 10), drop_whitespace=False) or [""]
    ]
    rows: list[Row] = [title, *([((" " * width, ""),)] * max(height - 1, 0))]
    for number, (text, style) in enumerate(lines, start=max((height - len(lines)) // 2, 1)):
        if number < height:
            rows[number] = ((text[:width].center(width), style),)
    return rows[:height]


def bar_text(value: int, *, largest: int, width: int, glyphs: Glyphs) -> str:
    """A bar of at most `width` cells, in eighths of a cell; anything above nothing is at least one eighth."""
    if value <= 0 or largest <= 0:
        return ""
    eighths = max(min(value * width * 8 // largest, width * 8), 1)
    return (glyphs.ramps[8] * (eighths // 8) + glyphs.ramps[eighths % 8]).rstrip()


def clock_text(instant_ns: int, *, decimals: int = 3) -> str:
    """The UTC time of day of an instant, cut to `decimals` places of a second."""
    seconds, fraction_ns = divmod(instant_ns, 1_000_000_000)
    hour, rest = divmod(seconds % 86_400, 3600)
    text = f"{hour:02d}:{rest // 60:02d}:{rest % 60:02d}"
    return f"{text}.{fraction_ns:09d}"[: 9 + decimals] if decimals else text


def short_count(value: float) -> str:
    """A count in at most five characters: `412`, `1.9k`, `2.1M`."""
    if value < 10 and value != int(value):
        return f"{value:.1f}"
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            scaled = value / size
            return f"{scaled:.1f}{suffix}" if scaled < 100 else f"{scaled:.0f}{suffix}"
    return f"{value:.0f}"


def grouped(value: int) -> str:
    """A whole number in full, its thousands apart: `12 345`."""
    return f"{value:,}".replace(",", " ")


def short_bytes(value: int) -> str:
    """A size in at most seven characters: `412 B`, `5.9 kB`, `87.1 MB`."""
    for size, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if value >= size:
            scaled = value / size
            return f"{scaled:.1f} {unit}" if scaled < 100 else f"{min(scaled, 9999):.0f} {unit}"
    return f"{value} B"


def moment_text(instant_ns: int, *, decimals: int = 3) -> str:
    """The day and UTC time of an instant, cut to `decimals` places of a second; a dash for 0, a question mark for
    what no clock shows."""
    if not instant_ns:
        return "-"
    return f"{utc_day(instant_ns)} {clock_text(instant_ns, decimals=decimals)}" if instant_ns < 2**63 else "?"


def short_age(age_s: float) -> str:
    """An age in at most four characters: `0s`, `59s`, `12m`, `3h`, `9d`."""
    whole = max(int(age_s), 0)
    for size, suffix in ((86_400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{min(whole // size, 999)}{suffix}"
    return f"{whole}s"
