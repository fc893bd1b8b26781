"""Binance's past over REST: trades by number or by time, and bars."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlencode

from core.bars.timeframes import Timeframe
from core.clock import wall_ns
from core.errors import PermanentError
from core.model.instruments import Instrument
from providers.base import Availability, BarPage, TradePage
from providers.binance.answers import PastTrades, parse_aggregates, parse_bars, parse_trades
from providers.binance.errors import read_refusal
from providers.binance.limits import host_limits, observe, of_weight
from providers.binance.normalise import NS_PER_MS
from providers.venue.http_client import Patience, RestClient
from providers.venue.past import candles, trade_page
from providers.venue.ratelimit import HostLimits
from providers.venue.signing import Request

HISTORY_URL: Final = "https://api.binance.com"
"""The hosts for market data alone do not tell single trades of the past."""
PAGE: Final = 1000

_PATIENCE: Final = Patience(attempts=8, budget_s=300.0, timeout_s=30.0)
_AGGREGATES: Final = ("/api/v3/aggTrades", 4)
_TRADES: Final = ("/api/v3/historicalTrades", 25)
_BARS: Final = ("/api/v3/klines", 2)
_T = TypeVar("_T")


class BinanceHistory:
    """Asks `base_url` under the name `venue`; see `Historical` and `HistoricalById`.

    `limits` are those of the address, shared by all who ask from it; without any it keeps its own. Older deployments
    want an `api_key` to tell of trades; nothing is signed.
    """

    def __init__(
        self,
        base_url: str = HISTORY_URL,
        venue: str = "BINANCE",
        *,
        limits: HostLimits | None = None,
        api_key: str = "",
        patience: Patience = _PATIENCE,
    ) -> None:
        self.venue = venue
        self._headers = {"X-MBX-APIKEY": api_key} if api_key else {}
        self._client = RestClient(
            base_url, limits or host_limits(), refusal=read_refusal, observe=observe, patience=patience
        )

    async def trades(self, instrument: Instrument, *, start_ns: int, end_ns: int) -> AsyncIterator[TradePage]:
        """The trades of a range, none of them twice; see `Historical.trades`.

        Aggregated trades can be asked for by time and single ones by number: the former lead to the first.
        """
        start_ms = -(-start_ns // NS_PER_MS)
        found = await self._ask(
            _AGGREGATES,
            {"symbol": instrument.venue_symbol, "startTime": str(max(start_ms, 0)), "limit": "1"},
            partial(parse_aggregates, venue=self.venue),
        )
        if not found or found[0].traded_ms * NS_PER_MS >= end_ns:
            return
        next_id: int | None = found[0].first_id
        while next_id is not None:
            answer = await self._page(instrument, next_id)
            wanted = [trade for trade in answer.trades if start_ns <= trade.ts_event_ns < end_ns]
            if wanted or answer.rejected:
                yield trade_page(instrument, wanted, ts_recv_ns=wall_ns(), rejected=answer.rejected)
            newest = answer.trades[-1] if answer.trades else None
            next_id = newest.trade_id + 1 if newest and newest.ts_event_ns < end_ns else None

    async def trades_from_id(
        self, instrument: Instrument, *, first_id: int, last_id: int | None = None
    ) -> AsyncIterator[TradePage]:
        """The trades of a range of ids; see `HistoricalById.trades_from_id`."""
        next_id = first_id
        while last_id is None or next_id <= last_id:
            answer = await self._page(instrument, next_id)
            wanted = [trade for trade in answer.trades if last_id is None or trade.trade_id <= last_id]
            if wanted or answer.rejected:
                yield trade_page(instrument, wanted, ts_recv_ns=wall_ns(), rejected=answer.rejected)
            if not answer.trades:
                return
            next_id = answer.trades[-1].trade_id + 1

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, *, start_ns: int, end_ns: int
    ) -> AsyncIterator[BarPage]:
        """The bars of a range; see `Historical.bars`."""
        begin_ms, last_ms = max(-(-start_ns // NS_PER_MS), 0), (end_ns - 1) // NS_PER_MS
        while begin_ms <= last_ms:
            answer = await self._ask(
                _BARS,
                {
                    "symbol": instrument.venue_symbol,
                    "interval": timeframe.value,
                    "startTime": str(begin_ms),
                    "endTime": str(last_ms),
                    "limit": str(PAGE),
                },
                lambda body: parse_bars(body, venue=self.venue, now_ns=wall_ns()),
            )
            wanted = [bar for bar in answer.bars if start_ns <= bar.ts_event_ns < end_ns]
            if wanted or answer.rejected:
                yield BarPage(bars=candles(wanted), rejected=answer.rejected)
            if answer.next_ms <= begin_ms:
                return
            begin_ms = answer.next_ms

    async def availability(self, instrument: Instrument) -> Availability:
        """Since when there are trades; bars reach back as far."""
        oldest = (await self._trades(instrument, first_id=0, limit=1)).trades
        return Availability(first_trade_ns=oldest[0].ts_event_ns if oldest else None)

    async def _page(self, instrument: Instrument, first_id: int) -> PastTrades:
        # The trades from `first_id` on; none is the end. A short page may only be what the venue had at hand.
        answer = await self._trades(instrument, first_id=first_id, limit=PAGE)
        fresh = tuple(trade for trade in answer.trades if trade.trade_id >= first_id)
        if answer.rejected and not fresh:
            raise PermanentError(f"trades of {self.venue}", f"nothing readable from id {first_id} on")
        return PastTrades(trades=fresh, rejected=answer.rejected)

    async def _trades(self, instrument: Instrument, *, first_id: int, limit: int) -> PastTrades:
        parameters = {"symbol": instrument.venue_symbol, "fromId": str(first_id), "limit": str(limit)}
        return await self._ask(_TRADES, parameters, partial(parse_trades, venue=self.venue))

    async def _ask(self, page: tuple[str, int], parameters: Mapping[str, str], decode: Callable[[bytes], _T]) -> _T:
        path, weight = page
        request = Request(path=path, query=urlencode(parameters), headers=self._headers)
        return await self._client.ask(request, decode=decode, charges=of_weight(weight))
