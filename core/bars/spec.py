"""What a strategy asks for: which bars, and at which of their events it is called. Pure."""

from __future__ import annotations

import enum
import re
from typing import Final

import attrs

from core.bars.timeframes import Timeframe
from core.errors import UsageError

MAX_TICKS_PER_BAR: Final = 1_000_000
_TICKS: Final = re.compile(r"([1-9][0-9]{0,6})t")


class BarDataMode(enum.StrEnum):
    """When a strategy is called. Each leaves events of the one before out and changes none of those that stay."""

    ON_EACH_TICK = "each-tick"
    """For every tick, with the bar as it stands, this tick included."""
    ON_PRICE_MOVE = "price-move"
    """For ticks whose price differs from that of the tick before, and for the very first."""
    ON_CLOSE_BAR = "close-bar"
    """For every bar when it is complete; bars in which nothing was traded are made up and say so."""


@attrs.frozen
class BarType:
    """Bars of a `timeframe`, or of `ticks` trades each when that is not 0."""

    timeframe: Timeframe = Timeframe.MINUTE
    ticks: int = 0

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.ticks <= MAX_TICKS_PER_BAR:
            raise UsageError("bad bars", f"{self.ticks} ticks", hint=f"from 1 to {MAX_TICKS_PER_BAR}")

    def __str__(self) -> str:
        return f"{self.ticks}t" if self.ticks else self.timeframe.value

    @classmethod
    def parse(cls, text: str) -> BarType:
        """The bars named `1m` … `1w`, or `100t` for bars of a hundred trades.

        Raises:
            UsageError: there are none of that name.
        """
        found = _TICKS.fullmatch(text)
        if found is not None:
            return cls(ticks=int(found[1]))
        try:
            return cls(Timeframe(text))
        except ValueError:
            names = " ".join(Timeframe)
            raise UsageError("unknown bars", f"{text[:40]!a}", hint=f"one of {names}, or like 100t") from None
