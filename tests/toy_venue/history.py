"""The toy venue's past over REST, and how often it may be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import urlencode

import msgspec

from core.bars.timeframes import Timeframe
from core.clock import NS_PER_MS, NS_PER_S, wall_ns
from core.errors import RefusedError
from core.model.fixedpoint import FixedPointError
from core.model.instruments import Instrument
from providers.base import Availability, BarPage, TradePage
from providers.venue.http_client import RestClient
from providers.venue.past import PastBar, PastTrade, candles, past_bar, trade_page
from providers.venue.ratelimit import Charge, HostLimits, TokenLimit
from providers.venue.signing import Request
from tests.toy_venue.errors import read_refusal
from tests.toy_venue.normalise import NS_PER_US, TradeRow, read_trade

REQUEST: Final = (Charge("requests"),)
_Bar = tuple[int, str, str, str, str, str, int]


def host_limits() -> HostLimits:
    """The limits of one address, unused: twenty requests at once, and ten more every second."""
    return HostLimits({"requests": lambda: TokenLimit(20, 100 * NS_PER_MS)})


class ToyHistory:
    """Asks `base_url` under the name `venue`; see `Historical` and `HistoricalById`."""

    def __init__(self, base_url: str, venue: str, *, limits: HostLimits | None = None) -> None:
        self.venue = venue
        self._client = RestClient(base_url, limits or host_limits(), refusal=read_refusal)

    async def trades(self, instrument: Instrument, *, start_ns: int, end_ns: int) -> AsyncIterator[TradePage]:
        """The trades of a range, none of them twice; see `Historical.trades`."""
        where = {"since": str(-(-start_ns // NS_PER_US))}
        while found := await self._ask_trades(instrument, where):
            trades, rejected = _read(found)
            wanted = [trade for trade in trades if trade.ts_event_ns < end_ns]
            if wanted or rejected:
                yield trade_page(instrument, wanted, ts_recv_ns=wall_ns(), rejected=rejected)
            if found[-1].at * NS_PER_US >= end_ns:
                return
            where = {"from_id": str(found[-1].trade_id + 1)}

    async def trades_from_id(
        self, instrument: Instrument, *, first_id: int, last_id: int | None = None
    ) -> AsyncIterator[TradePage]:
        """The trades of a range of ids; see `HistoricalById.trades_from_id`."""
        next_id = first_id
        while last_id is None or next_id <= last_id:
            found = await self._ask_trades(instrument, {"from_id": str(next_id)})
            if not found:
                return
            trades, rejected = _read([row for row in found if last_id is None or row.trade_id <= last_id])
            if trades or rejected:
                yield trade_page(instrument, trades, ts_recv_ns=wall_ns(), rejected=rejected)
            next_id = found[-1].trade_id + 1

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, *, start_ns: int, end_ns: int
    ) -> AsyncIterator[BarPage]:
        """The bars of a range; see `Historical.bars`. Raises `RefusedError` for all but minutes."""
        if timeframe is not Timeframe.MINUTE:
            raise RefusedError(f"bars of {self.venue}", "it has minutes only", hint="ask for 1m")
        found = await self._client.ask(
            _request("/bars", {"market": instrument.venue_symbol}),
            decode=msgspec.json.Decoder(list[_Bar]).decode,
            charges=REQUEST,
        )
        bars, rejected = [], 0
        for row in found:
            try:
                bars.append(_bar(row))
            except FixedPointError:
                rejected += 1
        wanted = [bar for bar in bars if start_ns <= bar.ts_event_ns < end_ns]
        if wanted or rejected:
            yield BarPage(bars=candles(wanted), rejected=rejected)

    async def availability(self, instrument: Instrument) -> Availability:
        """Since when there are trades; bars reach back as far."""
        oldest, _ = _read(await self._ask_trades(instrument, {"since": "0", "limit": "1"}))
        return Availability(first_trade_ns=oldest[0].ts_event_ns if oldest else None)

    async def _ask_trades(self, instrument: Instrument, where: Mapping[str, str]) -> list[TradeRow]:
        return await self._client.ask(
            _request("/trades", {"market": instrument.venue_symbol, **where}),
            decode=msgspec.json.Decoder(list[TradeRow]).decode,
            charges=REQUEST,
        )


def _request(path: str, parameters: Mapping[str, str]) -> Request:
    return Request(path=path, query=urlencode(parameters))


def _read(rows: list[TradeRow]) -> tuple[list[PastTrade], int]:
    trades = []
    for row in rows:
        try:
            trades.append(read_trade(row))
        except FixedPointError:
            continue
    return trades, len(rows) - len(trades)


def _bar(row: _Bar) -> PastBar:
    begin_s, opened, high, low, close, volume, trades = row
    return past_bar(ts_event_ns=begin_s * NS_PER_S, prices=(opened, high, low, close), volume=volume, trades=trades)
