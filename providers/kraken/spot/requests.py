"""What Kraken spot is asked for, under which number, and when something is asked for again. No input or output.

Each channel is asked for once for all symbols when a connection opens. Whatever is asked for a single symbol later
has a number of its own, so that a refusal which names nothing is not taken for everybody's.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence

from providers.kraken.spot.market import DEPTH
from providers.venue.market_feed import SymbolRequests
from providers.venue.repeats import ASK_AGAIN_NS

_PARAMETERS: dict[str, dict[str, object]] = {
    "trade": {"snapshot": True},
    "ticker": {"event_trigger": "bbo", "snapshot": True},
    "book": {"depth": DEPTH, "snapshot": True},
}
CHANNELS = tuple(_PARAMETERS)
# A refusal names the symbol but not the channel; the number we send with a request comes back with it.
_OPENING_IDS = {channel: number for number, channel in enumerate(CHANNELS, start=1)}
_CHANNEL_OF = {number: channel for channel, number in _OPENING_IDS.items()}


class Requests(SymbolRequests):
    """Requests to Kraken spot, each under a number of its own."""

    def __init__(self) -> None:
        super().__init__()
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
        super().forget()
        self._alone.clear()

    def subscribe(self, symbol: str, channels: Iterable[str] = CHANNELS) -> None:
        """Ask for channels of one symbol."""
        self._ask(symbol, channels, method="subscribe")

    def unsubscribe(self, symbol: str, channels: Iterable[str] = CHANNELS) -> None:
        """Ask for no more of channels of one symbol."""
        self._ask(symbol, channels, method="unsubscribe")

    def asked_for(self, number: int | None) -> tuple[str, str]:
        """The channel of the request with `number`, and its symbol if it was for one alone; else empty texts.

        To be called once for each answer: a request for one symbol is forgotten with it.
        """
        if number is None:
            return "", ""
        channel = _CHANNEL_OF.get(number)
        return (channel, "") if channel else self._alone.pop(number, ("", ""))

    def ask_again(self, ts_recv_ns: int) -> list[str]:
        """Ask for what is due, and return the symbols whose books were asked for."""
        books: list[str] = []
        for symbol, channel in self.due(ts_recv_ns):
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
            self.outbox.append(_request((symbol,), method=method, channel=channel, number=number))


def _request(symbols: Iterable[str], *, method: str, channel: str, number: int) -> str:
    parameters = {"channel": channel, "symbol": list(symbols), **_PARAMETERS[channel]}
    return json.dumps({"method": method, "params": parameters, "req_id": number})
