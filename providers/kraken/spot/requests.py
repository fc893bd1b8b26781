"""What Kraken spot is asked for, under which number, and when something is asked for again. No input or output.

Each channel is asked for once for all symbols when a connection opens. Whatever is asked for a single symbol later
has a number of its own, so that a refusal which names nothing is not taken for everybody's.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence

from core.clock import NS_PER_S
from providers.kraken.spot.market import DEPTH

ASK_AGAIN_NS = 30 * NS_PER_S
"""The longest wait before a symbol is asked for again, and how long an answer is waited for."""
CALM_NS = 60 * NS_PER_S
"""After this long without a break a book's next break is its first again."""

_PARAMETERS: dict[str, dict[str, object]] = {
    "trade": {"snapshot": True},
    "ticker": {"event_trigger": "bbo", "snapshot": True},
    "book": {"depth": DEPTH, "snapshot": True},
}
CHANNELS = tuple(_PARAMETERS)
# A refusal names the symbol but not the channel; the number we send with a request comes back with it.
_OPENING_IDS = {channel: number for number, channel in enumerate(CHANNELS, start=1)}
_CHANNEL_OF = {number: channel for channel, number in _OPENING_IDS.items()}


class Requests:
    """Puts requests into `outbox`. `due_ns` holds what is asked for again: (symbol, channel) to an instant."""

    def __init__(self, outbox: list[str]) -> None:
        self.due_ns: dict[tuple[str, str], int] = {}
        self._outbox = outbox
        self._breaks: dict[str, tuple[int, int]] = {}
        self._ids = itertools.count(len(CHANNELS) + 1)
        self._alone: dict[int, tuple[str, str]] = {}

    def opening(self, symbols: Sequence[str]) -> list[str]:
        """What to send first on a fresh connection: one request a channel, none without symbols."""
        self.forget()
        if not symbols:
            return []
        return [
            _request(symbols, method="subscribe", channel=channel, number=_OPENING_IDS[channel])
            for channel in CHANNELS
        ]

    def forget(self) -> None:
        """The connection is gone, and every question with it."""
        self.due_ns.clear()
        self._alone.clear()

    def subscribe(self, symbol: str, channels: Iterable[str] = CHANNELS) -> None:
        """Ask for channels of one symbol."""
        self._ask(symbol, channels, method="subscribe")

    def unsubscribe(self, symbol: str, channels: Iterable[str] = CHANNELS) -> None:
        """Ask for no more of channels of one symbol."""
        self._ask(symbol, channels, method="unsubscribe")

    def drop(self, symbol: str) -> None:
        """Ask for nothing of `symbol` again; its next break is its first."""
        self._breaks.pop(symbol, None)
        for channel in CHANNELS:
            self.due_ns.pop((symbol, channel), None)

    def asked_for(self, number: int | None) -> tuple[str, str]:
        """The channel of the request with `number`, and its symbol if it was for one alone; else empty texts.

        To be called once for each answer: a request for one symbol is forgotten with it.
        """
        if number is None:
            return "", ""
        channel = _CHANNEL_OF.get(number)
        return (channel, "") if channel else self._alone.pop(number, ("", ""))

    def broke(self, symbol: str, ts_recv_ns: int) -> None:
        """The book is wrong: ask for it anew, the first time at once, then later and later."""
        # A book that goes on breaking must not use up the venue's patience.
        count, last_ns = self._breaks.get(symbol, (0, 0))
        count = count + 1 if ts_recv_ns - last_ns < CALM_NS else 1
        self._breaks[symbol] = (count, ts_recv_ns)
        penalty_ns = 0 if count == 1 else min(NS_PER_S << min(count - 2, 8), ASK_AGAIN_NS)
        self.due_ns[symbol, "book"] = ts_recv_ns + penalty_ns

    def ask_again(self, ts_recv_ns: int) -> list[str]:
        """Ask for what is due, and return the symbols whose books were asked for."""
        books: list[str] = []
        for symbol, channel in [key for key, instant_ns in self.due_ns.items() if instant_ns <= ts_recv_ns]:
            if channel == "book":
                books.append(symbol)
                self.unsubscribe(symbol, (channel,))
                self.due_ns[symbol, channel] = ts_recv_ns + ASK_AGAIN_NS
            else:
                del self.due_ns[symbol, channel]
            self.subscribe(symbol, (channel,))
        return books

    def _ask(self, symbol: str, channels: Iterable[str], *, method: str) -> None:
        for channel in channels:
            number = next(self._ids)
            self._alone[number] = (channel, symbol)
            self._outbox.append(_request((symbol,), method=method, channel=channel, number=number))


def _request(symbols: Iterable[str], *, method: str, channel: str, number: int) -> str:
    parameters = {"channel": channel, "symbol": list(symbols), **_PARAMETERS[channel]}
    return json.dumps({"method": method, "params": parameters, "req_id": number})
