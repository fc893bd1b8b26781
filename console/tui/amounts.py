"""Quantities in few cells, so that none can be misread: a figure that was shortened has a unit. Pure."""

from __future__ import annotations

from typing import Final

from core.model.fixedpoint import QUANTITY_DECIMALS, format_fixed, format_quantity

LEAST_WIDTH: Final = 4
"""In fewer cells than these a quantity says too little to be shown."""
_UNITS: Final = ((3, "k"), (6, "M"), (9, "G"), (12, "T"))


def amount_text(quantity_e8: int, *, width: int, decimals: int, ellipsis: str) -> str:
    """A quantity not below 0, in at most `width` cells, cut and never rounded up.

    With `decimals` places where they fit, else with fewer, and with more where 1 % of it would be lost. What does not
    fit so is written with a unit (`87.1k`), as smaller than something (`<0.01`), or as nothing but an ellipsis: the
    digits in front of the point are there in full or there is a unit.
    """
    for places in (*range(decimals, -1, -1), *range(decimals + 1, QUANTITY_DECIMALS + 1)):
        text = format_quantity(quantity_e8, places)
        if len(text) <= width and _tells(quantity_e8, places, decimals):
            return text
    return _with_unit(quantity_e8, width) or _bounded(quantity_e8, width) or (ellipsis if width > 0 else "")


def _tells(quantity_e8: int, places: int, decimals: int) -> bool:
    lost_e8 = quantity_e8 % 10 ** (QUANTITY_DECIMALS - places)
    # Without its point a shortened figure might be the beginning of a longer one.
    return lost_e8 == 0 or ((places > 0 or decimals == 0) and lost_e8 * 100 <= quantity_e8)


def _with_unit(quantity_e8: int, width: int) -> str:
    for power, unit in _UNITS:
        scale = QUANTITY_DECIMALS + power
        whole = quantity_e8 // 10**scale
        if not whole or len(str(whole)) + 1 > width or (whole >= 1000 and unit != _UNITS[-1][1]):
            continue
        places = min(max(3 - len(str(whole)), 0), max(width - len(str(whole)) - 2, 0))
        return f"{_scaled(quantity_e8, scale, places)}{unit}"
    return ""


def _scaled(value: int, scale: int, decimals: int) -> str:
    return format_fixed(value // 10 ** (scale - decimals), decimals, decimals)


def _bounded(quantity_e8: int, width: int) -> str:
    # Too small to be told in so many cells: the smallest bound that can be.
    if quantity_e8 >= 10**QUANTITY_DECIMALS:
        return ""
    for places in range(min(width - 3, QUANTITY_DECIMALS), 0, -1):
        bound_e8 = 10 ** (QUANTITY_DECIMALS - places)
        if quantity_e8 < bound_e8:
            return f"<{format_quantity(bound_e8, places)}"
    return "<1" if width >= 2 else ""
