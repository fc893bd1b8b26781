"""What stands before the REST pages of the simulated venue: its limits, in each venue's words, and its faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from core.clock import NS_PER_S
from providers.simulated.capture_lines import Protocol
from providers.simulated.futures_pages import HISTORY
from providers.simulated.rest import Answer, Answering
from providers.venue.ratelimit import Charge, HostLimits, TokenLimit

KRAKEN_BURST: Final = 15
"""Questions about one pair's past that may come at once; after them one a second."""
FUTURES_POOL: Final = 100
FUTURES_REFILL_S: Final = 6
"""Pages of Kraken Futures' history that may come at once; after them one every so many seconds."""
WEIGHT_A_MINUTE: Final = 6000
REFUSALS_BEFORE_BAN: Final = 10
BAN_S: Final = 120
FAULT_BAN_S: Final = 2

_MINUTE_NS: Final = 60 * NS_PER_S
_KRAKEN_PAST: Final = frozenset({"/0/public/Trades", "/0/public/OHLC"})
_WEIGHTS: Final[Mapping[str, int]] = {
    "/api/v3/exchangeInfo": 20, "/api/v3/aggTrades": 4, "/api/v3/historicalTrades": 25, "/api/v3/trades": 25,
    "/api/v3/klines": 2,
}  # fmt: skip
_DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1000, 50))
_PAGE: Final = Answer("<html><body><h1>520</h1>the web server is down for maintenance</body></html>", 520)
_TOO_MANY: Final[Mapping[Protocol, Answer]] = {
    "kraken": Answer('{"error":["EAPI:Rate limit exceeded"]}'),
    "kraken_futures": Answer('{"result":"error","error":"apiLimitExceeded"}'),
}
_BINANCE_WORDS: Final = '{"code":-1003,"msg":"Too many requests; current limit is 6000 request weight per 1 MINUTE."}'

Clock = Callable[[], int]
"""Returns nanoseconds."""


class GuardedPages:
    """`pages` behind the limits of `protocol` and the faults of `every`, which count requests of this server.

    `wall` is the wall clock; the limits go by it, too.
    """

    def __init__(self, protocol: Protocol, pages: Answering, every: Mapping[str, int], *, wall: Clock) -> None:
        self._protocol: Protocol = protocol
        self._pages = pages
        self._every = every
        self._wall = wall
        self._asked = 0
        self._banned_until_ns = 0
        self._limits = HostLimits(
            {
                "pair": lambda: TokenLimit(KRAKEN_BURST, NS_PER_S),
                "history": lambda: TokenLimit(FUTURES_POOL, FUTURES_REFILL_S * NS_PER_S),
            }
        )
        self._minute = 0
        self._weight = 0
        self._refusals = 0

    def answer(self, path: str, parameters: Mapping[str, str]) -> Answer:
        """The answer to one request: an `Answering`."""
        self._asked += 1
        now_ns = self._wall()
        if self._strikes("ban"):
            self._banned_until_ns = now_ns + FAULT_BAN_S * NS_PER_S
        refusal = self._refusal(path, parameters, now_ns)
        if refusal is None and self._strikes("rate-limit"):
            refusal = self._too_many(1)
        if refusal is not None:
            return refusal
        if self._strikes("maintenance"):
            return _PAGE
        answer = self._pages(path, parameters)
        if self._protocol == "binance":
            answer = answer._replace(headers=(("X-MBX-USED-WEIGHT-1M", str(self._weight)),))
        return answer._replace(cut=True) if self._strikes("half-answer") else answer

    def _strikes(self, fault: str) -> bool:
        every = self._every.get(fault)
        return every is not None and self._asked % every == 0

    def _refusal(self, path: str, parameters: Mapping[str, str], now_ns: int) -> Answer | None:
        if now_ns < self._banned_until_ns:
            return self._banned(-(-(self._banned_until_ns - now_ns) // NS_PER_S), now_ns)
        if self._protocol == "binance":
            return self._overweight(_weight(path, parameters), now_ns)
        if path in _KRAKEN_PAST:
            charges = [Charge("pair", 1, path + parameters.get("pair", "")[:40])]
        elif self._protocol == "kraken_futures" and path.startswith(HISTORY):
            charges = [Charge("history")]
        else:
            return None
        if self._limits.wait_ns(charges, now_ns):
            return self._too_many(1)
        self._limits.take(charges, now_ns)
        return None

    def _overweight(self, weight: int, now_ns: int) -> Answer | None:
        if now_ns // _MINUTE_NS != self._minute:
            self._minute, self._weight, self._refusals = now_ns // _MINUTE_NS, 0, 0
        self._weight += weight
        if self._weight <= WEIGHT_A_MINUTE:
            return None
        self._refusals += 1
        if self._refusals > REFUSALS_BEFORE_BAN:
            self._banned_until_ns = now_ns + BAN_S * NS_PER_S
            return self._banned(BAN_S, now_ns)
        return self._too_many(-(-((self._minute + 1) * _MINUTE_NS - now_ns) // NS_PER_S))

    def _too_many(self, wait_s: int) -> Answer:
        known = _TOO_MANY.get(self._protocol)
        return known or Answer(_BINANCE_WORDS, 429, (("Retry-After", str(wait_s)),))

    def _banned(self, wait_s: int, now_ns: int) -> Answer:
        if self._protocol == "kraken":
            return Answer(f'{{"error":["EService:Throttled:{now_ns // NS_PER_S + wait_s}"]}}')
        status = 418 if self._protocol == "binance" else 429
        return Answer(_BINANCE_WORDS, status, (("Retry-After", str(wait_s)),))


def _weight(path: str, parameters: Mapping[str, str]) -> int:
    if path != "/api/v3/depth":
        return _WEIGHTS.get(path, 1)
    limit = parameters.get("limit", "100")
    levels = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 9 else 0
    return next((weight for most, weight in _DEPTH_WEIGHTS if levels <= most), 250)
