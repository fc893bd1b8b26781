"""When something is asked of a venue again: what broke at once, what goes on breaking later and later. Pure."""

from __future__ import annotations

from core.clock import NS_PER_S

ASK_AGAIN_NS = 30 * NS_PER_S
"""The longest wait before a symbol is asked for again, and how long an answer is waited for."""
CALM_NS = 60 * NS_PER_S
"""After this long without a break a book's next break is its first again."""
BOOK = "book"


class Repeats:
    """`due_ns` holds what is asked for again: (symbol, channel) to an instant. The channel of books is `BOOK`."""

    def __init__(self) -> None:
        self.due_ns: dict[tuple[str, str], int] = {}
        self._breaks: dict[str, tuple[int, int]] = {}

    def forget(self) -> None:
        """The connection is gone, and every question with it."""
        self.due_ns.clear()

    def drop(self, symbol: str) -> None:
        """Ask for nothing of `symbol` again; its next break is its first."""
        self._breaks.pop(symbol, None)
        for key in [key for key in self.due_ns if key[0] == symbol]:
            del self.due_ns[key]

    def broke(self, symbol: str, ts_recv_ns: int) -> None:
        """The book is wrong: ask for it anew, the first time at once, then later and later."""
        # A book that goes on breaking must not use up the venue's patience.
        count, last_ns = self._breaks.get(symbol, (0, 0))
        count = count + 1 if ts_recv_ns - last_ns < CALM_NS else 1
        self._breaks[symbol] = (count, ts_recv_ns)
        penalty_ns = 0 if count == 1 else min(NS_PER_S << min(count - 2, 8), ASK_AGAIN_NS)
        self.due_ns[symbol, BOOK] = ts_recv_ns + penalty_ns

    def due(self, ts_recv_ns: int) -> list[tuple[str, str]]:
        """The (symbol, channel) that are due now. They stay so until they are taken out."""
        return [key for key, instant_ns in self.due_ns.items() if instant_ns <= ts_recv_ns]
