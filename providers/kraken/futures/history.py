"""Kraken Futures' past over REST: trades page by page, and the candles of its charts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import Final
from urllib.parse import quote, urlencode

from core.bars.timeframes import Timeframe
from core.clock import NS_PER_MS, NS_PER_S, wall_ns
from core.errors import PermanentError, RefusedError
from core.model.instruments import Instrument
from providers.base import Availability, BarPage, TradePage
from providers.kraken.futures.answers import CandlePage, Execution, HistoryPage, parse_candles, parse_executions
from providers.kraken.futures.errors import read_refusal
from providers.kraken.futures.limits import HISTORY, host_limits
from providers.venue.http_client import Patience, RestClient
from providers.venue.past import PastTrade, candles, trade_page
from providers.venue.ratelimit import HostLimits
from providers.venue.signing import Request

# Once the pool is empty a page has to wait its turn behind all who ask: a long range is no failure.
_PATIENCE: Final = Patience(attempts=8, budget_s=900.0, timeout_s=30.0)
_LATEST_MS: Final = 9_000_000_000_000


class KrakenFuturesHistory:
    """Asks `base_url` under the name `venue`; see `Historical`.

    `limits` are those of the address, shared by all who ask from it; without any it keeps its own.
    """

    def __init__(
        self,
        base_url: str,
        venue: str = "KRAKEN_FUTURES",
        *,
        limits: HostLimits | None = None,
        patience: Patience = _PATIENCE,
    ) -> None:
        self.venue = venue
        self._client = RestClient(base_url, limits or host_limits(), refusal=read_refusal, patience=patience)

    async def trades(self, instrument: Instrument, *, start_ns: int, end_ns: int) -> AsyncIterator[TradePage]:
        """The trades of a range, none of them twice; see `Historical.trades`.

        Times are in whole ms, as those of the live feed. No trade has a number: their uids tell them apart, and those
        that lack even that are all taken.
        """
        token, newest_ns = "", 0
        known: frozenset[str] = frozenset()
        while True:
            page = await self._executions(instrument, start_ns=start_ns, end_ns=end_ns, token=token)
            fresh = _fresh(page, known)
            if page.next_token and (not fresh or page.next_token == token or fresh[0].ts_event_ns < newest_ns):
                raise PermanentError(f"trades of {self.venue}", "its pages do not move on")
            wanted = [_past(each) for each in fresh if start_ns <= each.ts_event_ns < end_ns]
            if wanted or page.rejected:
                yield trade_page(instrument, wanted, ts_recv_ns=wall_ns(), rejected=page.rejected)
            if not page.next_token:
                return
            token, newest_ns = page.next_token, fresh[-1].ts_event_ns
            known = frozenset(each.uid for each in page.executions)

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, *, start_ns: int, end_ns: int
    ) -> AsyncIterator[BarPage]:
        """The bars of a range; see `Historical.bars`. Volumes are in what the product's quantities count; how many
        trades there were is not told, and is 0.

        Raises:
            RefusedError: the venue's bars of this length begin at other instants than ours, as weeks may.
        """
        begin_s = max(-(-start_ns // NS_PER_S), 0)
        last_s = min(end_ns - 1, wall_ns()) // NS_PER_S
        while begin_s <= last_s:
            page = await self._candles(instrument, timeframe, begin_s=begin_s, last_s=last_s)
            if not page.aligned:
                raise RefusedError(
                    f"bars of {self.venue}", f"its {timeframe} begin at other instants", hint="ask for shorter ones"
                )
            wanted = [bar for bar in page.bars if start_ns <= bar.ts_event_ns < end_ns]
            if wanted or page.rejected:
                yield BarPage(bars=candles(wanted), rejected=page.rejected)
            if not page.more:
                return
            next_s = page.newest_ns // NS_PER_S + 1
            if not begin_s < next_s <= last_s:
                raise PermanentError(f"bars of {self.venue}", "its pages do not move on")
            begin_s = next_s

    async def availability(self, instrument: Instrument) -> Availability:
        """Since when there are trades; bars reach back as far."""
        oldest = _fresh(await self._executions(instrument, start_ns=0, end_ns=2**63), ())
        return Availability(first_trade_ns=oldest[0].ts_event_ns if oldest else None)

    async def _executions(
        self, instrument: Instrument, *, start_ns: int, end_ns: int, token: str = ""
    ) -> HistoryPage:
        since_ms, before_ms = max(start_ns // NS_PER_MS, 0), -(-end_ns // NS_PER_MS)
        parameters = {"since": str(since_ms), "before": str(min(before_ms, _LATEST_MS)), "sort": "asc"}
        if token:
            parameters["continuationToken"] = token
        return await self._client.ask(
            Request(path=f"/api/history/v3/market/{_name(instrument)}/executions", query=urlencode(parameters)),
            decode=partial(parse_executions, venue=self.venue),
            charges=HISTORY,
        )

    async def _candles(
        self, instrument: Instrument, timeframe: Timeframe, *, begin_s: int, last_s: int
    ) -> CandlePage:
        query = urlencode({"from": str(begin_s), "to": str(last_s)})
        return await self._client.ask(
            Request(path=f"/api/charts/v1/trade/{_name(instrument)}/{timeframe.value}", query=query),
            decode=lambda body: parse_candles(body, timeframe, venue=self.venue, now_ns=wall_ns()),
        )


def _name(instrument: Instrument) -> str:
    return quote(instrument.venue_symbol, safe="")


def _fresh(page: HistoryPage, known: Collection[str]) -> list[Execution]:
    # Oldest first, as it was asked for; trades of one ms stay in the order of the answer.
    seen = set(known)
    fresh: list[Execution] = []
    for each in sorted(page.executions, key=lambda execution: execution.ts_event_ns):
        if each.uid and each.uid in seen:
            continue
        seen.add(each.uid)
        fresh.append(each)
    return fresh


def _past(execution: Execution) -> PastTrade:
    return PastTrade(0, execution.ts_event_ns, execution.price_e9, execution.quantity_e8, execution.side)
