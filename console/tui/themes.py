"""Colours: style names to terminal styles, for a dark and a light screen, 16 colours, and none at all.

The colours of the two full themes are entries of the 256-colour palette, so that they look the same on every
terminal that has 256 and cost half the bytes of true colour. One accent; green and red mean up and down only.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from rich.color import Color, ColorType
from rich.style import Style
from textual.theme import Theme

from console.tui.text import CURSOR


class Depth(enum.StrEnum):
    """What a terminal can show."""

    NONE = "none"
    STANDARD = "standard"
    FULL = "256"


def colour_depth(environment: Mapping[str, str]) -> Depth:
    """What the environment says the terminal can show: `NO_COLOR`, `TERM`, `COLORTERM`."""
    term = environment.get("TERM", "")
    if environment.get("NO_COLOR") or term == "dumb":
        return Depth.NONE
    if "256" in term or environment.get("COLORTERM") or term in {"alacritty", "xterm-kitty", "foot", "wezterm"}:
        return Depth.FULL
    return Depth.STANDARD


# name: (foreground, background, attributes); numbers of the 256-colour palette, None is the screen's own.
_Look = tuple[int | None, int | None, str]
_DARK: dict[str, _Look] = {
    "": (252, 233, ""), "text": (252, 233, ""), "symbol": (255, 233, ""), "dim": (244, 233, ""),
    "faint": (236, 233, ""), "grid": (238, 233, ""), "head": (243, 233, ""), "title": (250, 233, ""),
    "accent": (215, 233, "b"), "up": (78, 233, ""), "down": (203, 233, ""), "flash_up": (157, 22, ""),
    "flash_down": (217, 52, ""), "bid": (110, 233, ""), "ask": (180, 233, ""), "bid_bar": (24, 233, ""),
    "ask_bar": (94, 233, ""), "bid_fill": (252, 24, ""), "ask_fill": (252, 94, ""),
    "up_bar": (65, 233, ""), "down_bar": (95, 233, ""), "stale": (240, 233, ""),
    "warn": (221, 233, ""), "alert": (203, 233, "b"), "tether": (180, 233, ""), "last_line": (94, 233, ""),
    "last_label": (232, 215, "b"), "bar": (252, 235, ""), "bar_dim": (245, 235, ""), "bar_up": (78, 235, ""),
    "bar_warn": (221, 235, ""), "bar_down": (231, 160, "b"), "simulated": (231, 126, "b"),
    "recording": (232, 215, "b"), "key": (215, 235, "b"),
    "bar_here": (232, 215, "b"), "panel": (252, 236, ""), "panel_dim": (245, 236, ""),
    "panel_key": (215, 236, "b"), "panel_title": (255, 236, "b"),
    **{f"heat_{level}": (colour, 233, "b" if level == 8 else "")
       for level, colour in enumerate((60, 61, 67, 73, 79, 114, 150, 186, 228))},
}  # fmt: skip
_LIGHT: dict[str, _Look] = {
    "": (236, 255, ""), "text": (236, 255, ""), "symbol": (232, 255, ""), "dim": (243, 255, ""),
    "faint": (252, 255, ""), "grid": (250, 255, ""), "head": (244, 255, ""), "title": (240, 255, ""),
    "accent": (130, 255, "b"), "up": (28, 255, ""), "down": (160, 255, ""), "flash_up": (22, 194, ""),
    "flash_down": (88, 224, ""), "bid": (25, 255, ""), "ask": (130, 255, ""), "bid_bar": (153, 255, ""),
    "ask_bar": (223, 255, ""), "bid_fill": (236, 153, ""), "ask_fill": (236, 223, ""),
    "up_bar": (114, 255, ""), "down_bar": (217, 255, ""), "stale": (248, 255, ""),
    "warn": (130, 255, ""), "alert": (160, 255, "b"), "tether": (130, 255, ""), "last_line": (216, 255, ""),
    "last_label": (231, 130, "b"), "bar": (236, 253, ""), "bar_dim": (242, 253, ""), "bar_up": (28, 253, ""),
    "bar_warn": (130, 253, "b"), "bar_down": (231, 160, "b"), "simulated": (231, 126, "b"),
    "recording": (231, 130, "b"), "key": (130, 253, "b"),
    "bar_here": (231, 130, "b"), "panel": (236, 252, ""), "panel_dim": (242, 252, ""),
    "panel_key": (130, 252, "b"), "panel_title": (232, 252, "b"),
    **{f"heat_{level}": (colour, 255, "b" if level == 8 else "")
       for level, colour in enumerate((180, 144, 108, 72, 36, 30, 24, 18, 17))},
}  # fmt: skip
# The sixteen colours look different everywhere: only hues that stand out from either ground, the ground untouched.
_STANDARD: dict[str, _Look] = {
    "": (None, None, ""), "text": (None, None, ""), "symbol": (None, None, "b"), "dim": (None, None, "d"),
    "faint": (None, None, "d"), "grid": (None, None, "d"), "head": (None, None, "d"), "title": (None, None, ""),
    "accent": (6, None, "b"), "up": (2, None, ""), "down": (1, None, ""), "flash_up": (2, None, "r"),
    "flash_down": (1, None, "r"), "bid": (4, None, ""), "ask": (3, None, ""), "bid_bar": (4, None, "d"),
    "ask_bar": (3, None, "d"), "bid_fill": (4, None, "r"), "ask_fill": (3, None, "r"),
    "up_bar": (2, None, "d"), "down_bar": (1, None, "d"), "stale": (None, None, "d"),
    "warn": (3, None, "b"), "alert": (1, None, "b"), "tether": (3, None, ""), "last_line": (6, None, "d"),
    "last_label": (6, None, "r"), "bar": (None, None, ""), "bar_dim": (None, None, "d"), "bar_up": (2, None, "b"),
    "bar_warn": (3, None, "b"), "bar_down": (1, None, "rb"), "simulated": (5, None, "rb"),
    "recording": (3, None, "rb"), "key": (6, None, "b"),
    "bar_here": (6, None, "rb"), "panel": (None, None, ""), "panel_dim": (None, None, "d"),
    "panel_key": (6, None, "b"), "panel_title": (None, None, "b"),
    **{f"heat_{level}": (None, None, "d" if level < 3 else "b" if level == 7 else "rb" if level > 7 else "")
       for level in range(9)},
}  # fmt: skip
_PLAIN: dict[str, _Look] = {name: (None, None, look[2]) for name, look in _STANDARD.items()}
_CURSOR_GROUNDS = {"dark": 237, "light": 251}

THEMES = ("dark", "light")
"""The names an operator may choose from; a terminal of 16 colours or none uses its own look under either name."""


class Palette:
    """Style names to `rich` styles. A name may end in `+cursor`: the same on the cursor's ground."""

    def __init__(self, theme: str, depth: Depth) -> None:
        looks = {"dark": _DARK, "light": _LIGHT}[theme]
        self._looks = {Depth.FULL: looks, Depth.STANDARD: _STANDARD, Depth.NONE: _PLAIN}[depth]
        self._ground = _CURSOR_GROUNDS[theme] if depth is Depth.FULL else None
        self._styles: dict[str, Style] = {}

    def style(self, name: str) -> Style:
        """The style called `name`."""
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = self._make(name)
        return style

    def _make(self, name: str) -> Style:
        base = name.removesuffix(CURSOR)
        foreground, background, attributes = self._looks[base]
        if name.endswith(CURSOR):
            if self._ground is None:
                # Sixteen colours in reverse make a patchwork: the row is plain, its signs and arrows still tell.
                foreground, attributes = None, "r"
            elif not base.startswith("flash"):
                background = self._ground
        return Style(
            color=_colour(foreground),
            bgcolor=_colour(background),
            bold="b" in attributes or None,
            dim="d" in attributes or None,
            reverse=attributes.count("r") % 2 == 1 or None,
        )


def _colour(number: int | None) -> Color:
    if number is None:
        return Color.default()
    if number < 16:
        return Color(f"color({number})", ColorType.STANDARD, number=number)
    return Color(f"color({number})", ColorType.EIGHT_BIT, number=number)


def textual_themes() -> tuple[Theme, Theme]:
    """The two themes for what Textual draws itself: the palette, the prompt."""
    return (
        Theme(
            name="ringside-dark", primary="#ffaf5f", accent="#ffaf5f", background="#121212", surface="#1c1c1c",
            panel="#262626", foreground="#d0d0d0", success="#5fd787", warning="#ffd75f", error="#ff5f5f", dark=True,
        ),
        Theme(
            name="ringside-light", primary="#af5f00", accent="#af5f00", background="#eeeeee", surface="#e4e4e4",
            panel="#dadada", foreground="#303030", success="#008700", warning="#af5f00", error="#d70000", dark=False,
        ),
    )  # fmt: skip
