"""Containers that are wholly covered by what is in them, and therefore draw nothing themselves.

Textual renders every container under a changed cell, a fifth of the cost of a frame.
"""

from __future__ import annotations

from textual.containers import Horizontal, Vertical
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import ContentSwitcher


def _blank(crop: Region) -> list[Strip]:
    return [Strip.blank(crop.width)] * crop.height


class BareHorizontal(Horizontal):
    """Side by side."""

    def render_lines(self, crop: Region) -> list[Strip]:
        """Blanks that nobody sees."""
        return _blank(crop)


class BareVertical(Vertical):
    """One above the other."""

    def render_lines(self, crop: Region) -> list[Strip]:
        """Blanks that nobody sees."""
        return _blank(crop)


class BareSwitcher(ContentSwitcher):
    """One of several."""

    def render_lines(self, crop: Region) -> list[Strip]:
        """Blanks that nobody sees."""
        return _blank(crop)


class BareScreen(Screen[None]):
    """The screen under everything."""

    AUTO_FOCUS = None  # the prompt takes the keyboard only when it asks

    def render_lines(self, crop: Region) -> list[Strip]:
        """Blanks that nobody sees."""
        return _blank(crop)
