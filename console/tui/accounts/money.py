"""Amounts and delays in few cells: exact where there is room, cut where not, and never to be misread. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_DOWN, Context, Decimal
from typing import Final

from console.tui.accounts.document import Amount
from console.tui.amounts import amount_text
from console.tui.backtest.figures import money_decimals, number_text
from console.tui.text import Cell, Glyphs

EXACT: Final = Context(prec=100, rounding=ROUND_DOWN)
"""Nothing an engine tells is rounded by it."""
_E8: Final = Decimal(10**8)
_MOST_DECIMALS: Final = 12
_SEGMENTS: Final = {
    "0": ("┏━┓", "┃ ┃", "┗━┛"), "1": (" ╻ ", " ┃ ", " ╹ "), "2": ("╺━┓", "┏━┛", "┗━╸"), "3": ("╺━┓", "╺━┫", "╺━┛"),
    "4": ("╻ ╻", "┗━┫", "  ╹"), "5": ("┏━╸", "┗━┓", "╺━┛"), "6": ("┏━╸", "┣━┓", "┗━┛"), "7": ("╺━┓", "  ┃", "  ╹"),
    "8": ("┏━┓", "┣━┫", "┗━┛"), "9": ("┏━┓", "┗━┫", "╺━┛"), ".": (" ", " ", "."), " ": (" ", " ", " "),
    "−": ("   ", "╺━╸", "   "),
}  # fmt: skip
_PLAIN_SEGMENTS: Final = {
    "0": (" _ ", "| |", "|_|"), "1": ("   ", " | ", " | "), "2": (" _ ", " _|", "|_ "), "3": (" _ ", " _|", " _|"),
    "4": ("   ", "|_|", "  |"), "5": (" _ ", "|_ ", " _|"), "6": (" _ ", "|_ ", "|_|"), "7": (" _ ", "  |", "  |"),
    "8": (" _ ", "|_|", "|_|"), "9": (" _ ", "|_|", " _|"), ".": (" ", " ", "."), " ": (" ", " ", " "),
    "-": ("   ", " _ ", "   "),
}  # fmt: skip


def less(one: Amount, other: Amount) -> Amount:
    """`one` less `other`, exactly; None when either is."""
    return None if one is None or other is None else EXACT.subtract(one, other)


def places_of(initial: Amount) -> int:
    """The places that the amounts of an account are shown with, by what it began with."""
    named: Mapping[str, Amount] = {"initial": initial}
    return money_decimals(named)


def money_text(value: Amount, *, width: int, decimals: int, glyphs: Glyphs, signed: bool = False) -> str:
    """`value` in at most `width` cells, cut and never rounded up: with its thousands apart where there is room, then
    without, then with a unit (`1.2M`); a dash for None."""
    if value is None:
        return glyphs.dash
    cut = EXACT.quantize(value, Decimal(1).scaleb(-decimals))
    text = number_text(cut, decimals, signed=signed, glyphs=glyphs)
    if len(text) <= width:
        return text
    sign = text[0] if text[:1] in ("+", glyphs.minus) else ""
    size_e8 = int(EXACT.multiply(abs(cut), _E8))
    rest = amount_text(size_e8, width=width - len(sign), decimals=min(decimals, 8), ellipsis=glyphs.ellipsis)
    return f"{sign}{rest}"[:width]


def gain_cell(value: Amount, *, width: int, decimals: int, glyphs: Glyphs) -> Cell:
    """What was won or lost: a sign, and the colour that repeats it."""
    text = money_text(value, width=width, decimals=decimals, glyphs=glyphs, signed=True)
    return text, _gain_style(text, glyphs)


def share_cell(value: Amount, *, glyphs: Glyphs) -> Cell:
    """A share of 1 as per cent with its sign, in at most ten cells; nothing for None."""
    if value is None:
        return "", "dim"
    # In fewer cells than these a share so large says nothing that the amount does not.
    text = money_text(EXACT.multiply(value, Decimal(100)), width=8, decimals=2, glyphs=glyphs, signed=True)
    return f"{text} %", _gain_style(text, glyphs)


def _gain_style(text: str, glyphs: Glyphs) -> str:
    return "up" if text.startswith("+") else "down" if text.startswith(glyphs.minus) else "text"


def exact_text(value: Amount, *, width: int, glyphs: Glyphs) -> str:
    """`value` with every digit of it, or, in less room than that takes, with an ellipsis behind what was cut."""
    if value is None:
        return glyphs.dash
    exponent = value.as_tuple().exponent
    decimals = min(max(-exponent if isinstance(exponent, int) else 0, 2), _MOST_DECIMALS)
    for places in range(decimals, -1, -1):
        cut = EXACT.quantize(value, Decimal(1).scaleb(-places))
        text = number_text(cut, places, signed=False, glyphs=glyphs) + ("" if cut == value else glyphs.ellipsis)
        if len(text) <= width:
            return text
    return money_text(value, width=width, decimals=0, glyphs=glyphs)


def plain_text(value: Amount, *, width: int, glyphs: Glyphs) -> str:
    """A price or a quantity as exact as it came, without idle zeros, where there is room; else as `money_text`."""
    if value is None:
        return glyphs.dash
    text = f"{value:f}"
    text = (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", glyphs.minus)
    text = "0" if text in (glyphs.minus + "0", "") else text
    if len(text) <= width:
        return text
    cut = money_text(value, width=width, decimals=8, glyphs=glyphs)
    return cut.rstrip("0").rstrip(".") if "." in cut else cut


def delay_text(delay_us: float) -> str:
    """A delay in us, or in ms from one on."""
    return f"{delay_us:.0f} us" if delay_us < 999.5 else f"{delay_us / 1000:.1f} ms"


def big_rows(text: str, *, glyphs: Glyphs) -> tuple[str, str, str] | None:
    """`text` in figures three rows high; None when a character of it has no such figure."""
    segments = _SEGMENTS if glyphs.braille else _PLAIN_SEGMENTS
    if any(character not in segments for character in text):
        return None
    drawn = [segments[character] for character in text]
    first, second, third = (" ".join(one[row] for one in drawn) for row in range(3))
    return first, second, third
