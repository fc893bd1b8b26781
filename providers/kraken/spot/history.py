"""Kraken spot's past over REST: trades page by page, the newest bars."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Final
from urllib.parse import urlencode

from core.bars.timeframes import Timeframe
from core.clock import NS_PER_S, wall_ns
from core.errors import PermanentError, RefusedError
from core.model.instruments import Instrument
from providers.base import Availability, BarPage, TradePage
from providers.kraken.spot.answers import (
    FLOAT_TIME_NS,
    PastBars,
    PastTrades,
    in_live_time,
    parse_bars,
    parse_trades,
    without_repeats,
)
from providers.kraken.spot.limits import host_limits, of_pair
from providers.venue.http_client import Patience, RestClient
from providers.venue.past import PastTrade, candles, trade_page
from providers.venue.ratelimit import HostLimits
from providers.venue.signing import Request

PAGE: Final = 1000
BARS_AT_MOST: Final = 720
"""The venue tells of no older bars, whatever it is asked for."""

_PATIENCE: Final = Patience(attempts=8, budget_s=300.0, timeout_s=30.0)
_MINUTE_NS: Final = 60 * NS_PER_S


class KrakenHistory:
    """Asks `base_url` under the name `venue`; see `Historical`.

    `limits` are those of the address, shared by all who ask from it; without any it keeps its own.
    """

    def __init__(
        self,
        base_url: str,
        venue: str = "KRAKEN",
        *,
        limits: HostLimits | None = None,
        patience: Patience = _PATIENCE,
    ) -> None:
        self.venue = venue
        self._client = RestClient(base_url, limits or host_limits(), patience=patience)

    async def trades(self, instrument: Instrument, *, start_ns: int, end_ns: int) -> AsyncIterator[TradePage]:
        """The trades of a range, none of them twice; see `Historical.trades`.

        The venue's answers round their times by up to 240 ns; they are given in whole µs, as the live feed has them.
        So a trade within a µs of the end may be told by this range and by the one behind it; none is told by neither.
        Trades of before 2023 may come without an id.
        """
        since_ns = max(start_ns - 1, 0)
        earlier: tuple[PastTrade, ...] = ()
        while True:
            answer = await self._trades(instrument, since_ns=since_ns)
            fresh = without_repeats(answer.trades, earlier)
            wanted = [trade for trade in fresh if start_ns <= trade.ts_event_ns < end_ns + FLOAT_TIME_NS]
            if wanted or answer.rejected:
                yield trade_page(instrument, in_live_time(wanted), ts_recv_ns=wall_ns(), rejected=answer.rejected)
            # Several trades may have the very instant at which a page ends: the next begins with that instant again.
            next_ns = answer.last_ns - 1
            if answer.last_ns > end_ns + FLOAT_TIME_NS or not (fresh or answer.rejected) or next_ns <= since_ns:
                if len(answer.trades) + answer.rejected >= PAGE and answer.last_ns <= end_ns:
                    raise PermanentError(f"trades of {self.venue}", "its pages do not move on")
                return
            since_ns, earlier = next_ns, answer.trades or earlier

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, *, start_ns: int, end_ns: int
    ) -> AsyncIterator[BarPage]:
        """The bars of a range that are among the newest 720 of their length; see `Historical.bars`.

        Raises:
            RefusedError: weeks, which begin on Thursdays here.
        """
        if timeframe is Timeframe.WEEK:
            raise RefusedError(f"bars of {self.venue}", "its weeks begin on Thursdays", hint="ask for days")
        minutes = str(timeframe.interval_ns // _MINUTE_NS)
        since_s = str(max(start_ns - 1, 0) // NS_PER_S)
        parameters = {"pair": instrument.venue_symbol, "interval": minutes, "since": since_s}
        answer = await self._client.ask(
            Request(path="/0/public/OHLC", query=urlencode(parameters)),
            decode=self._decode_bars,
            charges=of_pair(instrument.venue_symbol),
        )
        wanted = [bar for bar in answer.bars if start_ns <= bar.ts_event_ns < end_ns]
        if wanted or answer.rejected:
            yield BarPage(bars=candles(wanted), rejected=answer.rejected)

    async def availability(self, instrument: Instrument) -> Availability:
        """Since when there are trades; bars are the newest 720 of each length."""
        oldest = (await self._trades(instrument, since_ns=0, count=1)).trades
        first_ns = oldest[0].ts_event_ns if oldest else None
        return Availability(first_trade_ns=first_ns, bars_at_most=BARS_AT_MOST)

    async def _trades(self, instrument: Instrument, *, since_ns: int, count: int = PAGE) -> PastTrades:
        parameters = {"pair": instrument.venue_symbol, "since": str(since_ns), "count": str(count)}
        return await self._client.ask(
            Request(path="/0/public/Trades", query=urlencode(parameters)),
            decode=partial(self._decode_trades, since_ns=since_ns),
            charges=of_pair(instrument.venue_symbol),
        )

    def _decode_trades(self, body: bytes, *, since_ns: int) -> PastTrades:
        return parse_trades(body, venue=self.venue, since_ns=since_ns, now_ns=wall_ns())

    def _decode_bars(self, body: bytes) -> PastBars:
        return parse_bars(body, venue=self.venue, now_ns=wall_ns())
