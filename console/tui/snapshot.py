"""What the screen knows in one frame: frozen values, made by `console.tui.attach`, read by everything that draws."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from console.tui.status import EngineStatus, Feed
from core.bars.candles import NO_BARS
from core.model.records import Records

NO_ENGINE: Final = "no engine: there is nothing live here"
"""The reason why an engine cannot be reached where none is wanted."""

Key = tuple[str, str]
"""(symbol, venue): what identifies an instrument on the screen."""


@attrs.frozen(kw_only=True)
class SymbolView:
    """One line of the board. Prices at 1e-9, None before the first; `direction` is +1 or -1 for a tick of the last
    two seconds, `flash` whether the last price changed just now; `age_s` is None before the first record."""

    key: Key
    feed: Feed
    last_e9: int | None
    first_e9: int | None
    bid_e9: int | None
    ask_e9: int | None
    direction: int
    flash: bool
    rate: float
    age_s: float | None

    @property
    def change_e4(self) -> int | None:
        """The change since the day's first price in hundredths of a per cent, cut towards zero."""
        if self.last_e9 is None or not self.first_e9:
            return None
        change = (self.last_e9 - self.first_e9) * 10_000
        return abs(change) // abs(self.first_e9) * (1 if change >= 0 else -1)

    @property
    def spread_e9(self) -> int | None:
        """Ask less bid."""
        return None if self.bid_e9 is None or self.ask_e9 is None else self.ask_e9 - self.bid_e9


@attrs.frozen
class Print:
    """One trade on the tape; `side` is +1 for a buying aggressor, -1 for a selling one, 0 when unknown."""

    ts_event: int
    price_e9: int
    quantity_e8: int
    side: int


@attrs.frozen
class Book:
    """The ten best levels a side as (price at 1e-9, quantity at 1e-8), best first; `withheld` when it cannot be
    trusted, and then without levels."""

    bids: tuple[tuple[int, int], ...] = ()
    asks: tuple[tuple[int, int], ...] = ()
    withheld: bool = False


@attrs.frozen(kw_only=True)
class Focus:
    """The instrument in the right-hand panes. `tape` is newest first; `tape_total` counts every trade ever put on it,
    `interval_ns` is the width of `bars` (`CANDLE` records)."""

    view: SymbolView
    interval_ns: int
    bars: Records = NO_BARS
    tape: tuple[Print, ...] = ()
    tape_total: int = 0
    book: Book | None = None


@attrs.frozen(kw_only=True)
class Health:
    """What the status line says. `rates` are messages a second by venue and
    `ring_rates` records a second by ring; `lag` and `lost` count records of all
    readers of all rings; `stale` and `broken` count symbols by venue, where the venue itself is connected; `problems`
    are sentences."""

    reachable: bool
    reason: str = ""
    rates: dict[str, float] = attrs.Factory(dict)
    ring_rates: dict[Path, float] = attrs.Factory(dict)
    lag: int = 0
    lost: int = 0
    withheld: int = 0
    stale: Mapping[str, int] = attrs.Factory(dict)
    broken: Mapping[str, int] = attrs.Factory(dict)
    problems: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Snapshot:
    """One frame. `status` is the engine's last answer, kept while it cannot be reached."""

    now_ns: int
    status: EngineStatus | None
    health: Health
    symbols: tuple[SymbolView, ...] = ()
    focus: Focus | None = None

    @property
    def venues(self) -> list[str]:
        """Every venue the engine is connected to, in its order."""
        return [] if self.status is None else list(dict.fromkeys(one.venue for one in self.status.connections))
