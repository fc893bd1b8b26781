"""What Kraken Futures is asked for, and when something is asked for again. No input or output.

Answers carry no number of the request: what was granted is known by feed and product, a refusal only by the product
that its text names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from providers.venue.market_feed import SymbolRequests
from providers.venue.repeats import ASK_AGAIN_NS, BOOK

CHANNELS = ("trade", BOOK, "ticker")
_HEARTBEAT = json.dumps({"event": "subscribe", "feed": "heartbeat"})


class Requests(SymbolRequests):
    """Requests to Kraken Futures."""

    def opening(self, symbols: Sequence[str]) -> list[str]:
        """One request a feed for all products, and the heartbeat, which needs none."""
        self.forget()
        wanted = [_request("subscribe", channel, symbols) for channel in CHANNELS] if symbols else []
        return [_HEARTBEAT, *wanted]

    def subscribe(self, symbol: str) -> None:
        """Ask for every feed of one product."""
        self.outbox += [_request("subscribe", channel, (symbol,)) for channel in CHANNELS]

    def unsubscribe(self, symbol: str) -> None:
        """Ask for no more of one product."""
        self.outbox += [_request("unsubscribe", channel, (symbol,)) for channel in CHANNELS]

    def ask_again(self, ts_recv_ns: int) -> list[str]:
        """Ask anew for what is due, since only a new subscription brings a snapshot. Returns the books' products."""
        books: list[str] = []
        for symbol, channel in self.due(ts_recv_ns):
            self.outbox += [_request(act, channel, (symbol,)) for act in ("unsubscribe", "subscribe")]
            if channel == BOOK:
                books.append(symbol)
                self.due_ns[symbol, channel] = ts_recv_ns + ASK_AGAIN_NS
            else:
                del self.due_ns[symbol, channel]
        return books


def _request(act: str, channel: str, symbols: Sequence[str]) -> str:
    return json.dumps({"event": act, "feed": channel, "product_ids": list(symbols)})
