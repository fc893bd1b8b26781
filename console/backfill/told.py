"""History that a venue tells to everybody: trades and bars over REST, page by page, at the venue's pace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Final, cast

import attrs
import numpy as np

from console.backfill.plan import Planned, Price
from console.backfill.source import Allowance, Delivery, Listed, Say
from core.bars.timeframes import Timeframe
from core.clock import iso_ns, wall_ns
from core.errors import NotFoundError, RefusedError
from core.model.instruments import Instrument, InstrumentRegistry
from core.model.records import Schema
from core.model.symbology import SymbolMap
from providers.base import BarPage, Historical, Provider, TradePage
from providers.venue.past import bar_records

_TIMEFRAMES: Final = {
    Schema.BARS_1M: Timeframe.MINUTE, Schema.BARS_1H: Timeframe.HOUR, Schema.BARS_1D: Timeframe.DAY,
}  # fmt: skip
_FREE: Final = Price(usd=Decimal(0))


class ToldHistory:
    """The history of `provider`, whose instruments get their numbers from `registry`; see `Source`."""

    sells = False

    def __init__(self, provider: Provider, registry: InstrumentRegistry) -> None:
        history = provider.history()
        if history is None:
            raise NotFoundError("no history", provider.venue)
        self._history: Historical = history
        self._provider = provider
        self._registry = registry
        self._catalogue: SymbolMap | None = None

    async def listed(self, planned: Planned) -> Listed | None:
        """Since when the venue has trades; of bars also how many it tells."""
        instrument = await self._instrument(planned)
        found = await self._history.availability(instrument)
        if found.first_trade_ns is None:
            raise NotFoundError("nothing was ever traded", f"{planned.symbol} on {self._provider.venue}")
        start_ns, said = found.first_trade_ns, f"its first trade is of {iso_ns(found.first_trade_ns)[:19]}Z"
        timeframe = _TIMEFRAMES.get(planned.schema)
        if timeframe is not None:
            start_ns -= start_ns % timeframe.interval_ns
            if found.bars_at_most is not None:
                now_ns = wall_ns()
                oldest_ns = now_ns - now_ns % timeframe.interval_ns
                oldest_ns -= (found.bars_at_most - 1) * timeframe.interval_ns
                if oldest_ns > start_ns:
                    start_ns, said = oldest_ns, f"the venue tells its newest {found.bars_at_most} bars"
        return Listed(start_ns=start_ns, end_ns=2**63 - 1, said=said)

    async def conditions(self, planned: Planned) -> Mapping[str, str]:
        """Nothing: no venue says that."""
        return {}

    async def price(self, planned: Planned) -> Price:
        """Nothing: it is free."""
        return _FREE

    async def deliver(
        self, planned: Planned, start_ns: int, end_ns: int, *, job_id: str, allowance: Allowance, say: Say
    ) -> AsyncGenerator[Delivery, None]:
        """The records of a span; see `Source.deliver`."""
        instrument = await self._instrument(planned)
        if planned.schema is Schema.TRADES:
            pages = self._trades(instrument, start_ns, end_ns)
        else:
            pages = self._bars(instrument, planned.schema, start_ns, end_ns)
        async with aclosing(pages):
            async for delivery in pages:
                yield delivery
        yield Delivery(records=np.empty(0, planned.schema.dtype), until_ns=end_ns, instrument=instrument)

    async def _trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> AsyncGenerator[Delivery, None]:
        # The trades around a hole may share its instants with some that are in it: one more instant is asked for.
        asked = self._history.trades(instrument, start_ns=start_ns, end_ns=end_ns + 1)
        async with aclosing(cast("AsyncGenerator[TradePage, None]", asked)) as pages:
            async for page in pages:
                if not len(page.records):
                    yield Delivery(records=page.records, until_ns=start_ns, rejected=page.rejected)
                    continue
                # Trades of the last instant may go on with the next page. Those without an id are not told by one.
                until_ns, numbered = min(int(page.records["ts_event"].max()), end_ns), page.ids != 0
                for which in (numbered, ~numbered):
                    if which.any():
                        yield Delivery(
                            records=page.records[which],
                            until_ns=start_ns if which is numbered and not numbered.all() else until_ns,
                            newest_id=int(page.ids[which].max()),
                            among_ns=(start_ns, end_ns + 1),
                            instrument=instrument,
                            rejected=page.rejected if which is not numbered or numbered.all() else 0,
                        )

    async def _bars(
        self, instrument: Instrument, schema: Schema, start_ns: int, end_ns: int
    ) -> AsyncGenerator[Delivery, None]:
        timeframe = _TIMEFRAMES.get(schema)
        if timeframe is None:
            raise RefusedError(f"no {schema} there", self._provider.venue, hint="1m, 1h and 1d are told")
        asked = self._history.bars(instrument, timeframe, start_ns=start_ns, end_ns=end_ns)
        async with aclosing(cast("AsyncGenerator[BarPage, None]", asked)) as pages:
            async for page in pages:
                made = bar_records(instrument, page.bars, schema)
                newest_ns = int(made["ts_event"].max()) + 1 if len(made) else start_ns
                yield Delivery(
                    records=made, until_ns=min(newest_ns, end_ns), instrument=instrument, rejected=page.rejected
                )

    async def _instrument(self, planned: Planned) -> Instrument:
        if self._catalogue is None:
            self._catalogue = await self._provider.catalogue()
        found = self._catalogue.resolve(planned.symbol)
        number = self._registry.get_or_create(venue=found.venue, symbol=found.symbol)
        return attrs.evolve(found, instrument_id=number)
