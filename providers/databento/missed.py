"""What symbols missed while no session stood, and what replays brought of it. Pure.

Nothing is numbered here: how many trades a replay brought is known, how many were never replayed is not.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

from providers.base import Interval
from providers.venue.healing import DISCONNECT

KEPT_INTERVALS: Final = 1024
FORGOTTEN: Final = "what was missed cannot be replayed"
UNHEARD: Final = "a session was cut before it said when it began: what it missed is not known"


class Missed:
    """Tells of the trades of `venue`, by adding to `intervals`, one for each symbol that missed something."""

    def __init__(self, venue: str, intervals: deque[Interval]) -> None:
        self.intervals = intervals
        self._venue = venue
        self._replayed: Counter[str] = Counter()
        self._cut_ns = 0  # where the replay that is not over yet began
        self._opened_ns = 0  # when the session was opened that has not said yet when it began
        self._unheard_ns = 0  # when the first of those was opened that never said it
        self._lost_ns = 0  # from when on nothing can be replayed; told once the next session begins

    def opened(self, now_ns: int, *, replays: bool, trades_from_ns: int) -> None:
        """A session is open at `now_ns` by our clock. `replays`: it begins where another stopped; `trades_from_ns` is
        from when on it replays trades, 0 when it does not."""
        self._opened_ns = 0 if replays else now_ns
        # A replay that was cut itself leaves its interval open, to be closed by this one.
        self._cut_ns = self._cut_ns or trades_from_ns

    def closed(self) -> None:
        """The session is over."""
        self._unheard_ns, self._opened_ns = self._unheard_ns or self._opened_ns, 0

    def began(self, start_ns: int, symbols: Iterable[str]) -> bool:
        """The session began at `start_ns` by the gateway's clock. Returns whether `symbols` lost what those before it
        would have brought and nobody knew so far."""
        lost_ns, unheard_ns = self._lost_ns, self._unheard_ns
        self._lost_ns = self._unheard_ns = self._opened_ns = 0
        if begun_ns := lost_ns or unheard_ns:
            for symbol in symbols:
                self._tell(symbol, min(begun_ns, start_ns), start_ns, FORGOTTEN if lost_ns else UNHEARD)
            self._replayed.clear()
        return bool(unheard_ns) and not lost_ns

    def replayed(self, symbol: str) -> None:
        """A replay brought one trade of `symbol` that had not come before."""
        self._replayed[symbol] += 1

    def caught_up(self, now_ns: int) -> bool:
        """All trades were replayed, at `now_ns` by the gateway's clock. Returns whether any replay was going on."""
        going_on, begun_ns, self._cut_ns = bool(self._cut_ns), self._cut_ns, 0
        for symbol in list(self._replayed):
            self._tell(symbol, begun_ns, now_ns)
        return going_on

    def lost(self, now_ns: int) -> None:
        """No more will be replayed: nothing is had until the next session begins."""
        self._lost_ns = self._lost_ns or self._cut_ns or now_ns
        self._cut_ns = 0

    def _tell(self, symbol: str, start_ns: int, end_ns: int, reason: str = "") -> None:
        self.intervals.append(
            Interval(
                venue=self._venue,
                symbol=symbol,
                start_ns=start_ns,
                end_ns=max(end_ns, start_ns),
                cause=DISCONNECT,
                recovered=self._replayed.pop(symbol, 0),
                lost=0,
                reason=reason,
            )
        )
