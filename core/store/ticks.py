"""Ticks as the rest of the program asks for them: a store, and a cache in front of what is asked for again and again.

A cache that fails or cannot prove that it holds everything is passed over: then the store answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final, cast

import numpy as np

from core.bars.timeframes import Timeframe, bars_of_pages
from core.clock import DAY_NS, NS_PER_S, WallClock, monotonic_ns, wall_ns
from core.errors import ConsoleError, UsageError
from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.records import UNDEF_PRICE, UNDEF_TIMESTAMP, Records, Schema
from core.store.batch import summed
from core.store.cache.protocol import TickCache
from core.store.repository import AppendResult, SeriesKey, TickReader, TickStore

INSERT_ROWS: Final = 8192
CACHED_NS: Final = 3600 * NS_PER_S
RETRY_NS: Final = 5 * NS_PER_S


class TickRepository:
    """Inserts into `store` and reads from `cache` and `store`. Neither is closed here.

    Every method blocks and raises what `store` raises; a symbol that is not known has no ticks. What is returned may
    be read-only. One thread of one process inserts into a series, any may read. With a `store` that can only be
    read nothing may be inserted, and the cache is only asked for what is recent: that may then be a second old, or
    as old as what the inserting process could last write to Redis.
    """

    def __init__(
        self,
        store: TickStore | TickReader,
        cache: TickCache | None = None,
        *,
        clock: WallClock = wall_ns,
        monotonic: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._store = store
        self._cache = cache
        self._clock = clock
        self._monotonic = monotonic
        self._retry_ns = 0

    def insert(self, series: SeriesKey, record: Records | np.void, newest_id: int) -> AppendResult:
        """Store one record, whose full id is `newest_id`, 0 for none. Raises as `insert_batch`."""
        return self.insert_batch(series, np.atleast_1d(cast("Records", record)), newest_id)

    def insert_batch(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Store records in the order in which they came; `newest_id` is a full id near theirs, 0 for none.

        They are stored in pieces of `INSERT_ROWS`. When one fails, those before it stay stored: of trades with ids
        the whole batch may be given again.

        Raises:
            UsageError: the records are not of the schema of the series.
        """
        if records.dtype != series.schema.dtype:
            raise UsageError("cannot store records", f"they are none of {series.schema}")
        assert hasattr(self._store, "append"), "this store can only be read"
        result = AppendResult()
        for start in range(0, len(records), INSERT_ROWS):
            piece = records[start : start + INSERT_ROWS]
            stored = self._store.append(series, piece, newest_id)
            self._keep(series, piece, stored, newest_id)
            result = summed(result, stored)
        return result

    def ticks(
        self,
        series: SeriesKey,
        start_ns: int,
        end_ns: int,
        *,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Records:
        """The records with `start_ns <= ts_event < end_ns`: ascending, or the newest first.

        At most `limit` of them: the first ones in the order asked for. A range that begins within the last hour is
        taken from the cache if that proves to hold all of it.

        Raises:
            UsageError: `limit` is negative.
        """
        if limit is not None and limit < 0:
            raise UsageError("cannot read ticks", f"a limit of {limit}", hint="0 or more")
        if end_ns <= start_ns or limit == 0:
            return np.empty(0, series.schema.dtype)
        found = self._cached(series, start_ns=start_ns, end_ns=end_ns)
        if found is not None:
            return (found[::-1] if newest_first else found)[:limit]
        if limit is None:
            found = self._store.read(series, start_ns, end_ns)
            return found[::-1] if newest_first else found
        return _first(self._pages(series, start_ns, end_ns, newest_first=newest_first), limit, series.schema)

    def recent(self, series: SeriesKey, rows: int) -> Records:
        """The last `rows` records, ascending, or as many as there are.

        Raises:
            UsageError: `rows` is negative.
        """
        if rows < 0:
            raise UsageError("cannot read ticks", f"the last {rows}", hint="0 or more")
        if rows == 0:
            return np.empty(0, series.schema.dtype)
        cache = self._cache
        if cache is None or series.schema not in cache.schemas:
            return self._store.latest(series, rows)
        with contextlib.suppress(ConsoleError):
            held = cache.recent(series, rows)
            if len(held) >= rows:
                return held
        found = self._store.latest(series, rows)
        with contextlib.suppress(ConsoleError):
            cache.backfill(series, found)
        return found

    def latest_price(self, series: SeriesKey) -> int | None:
        """The price of the last trade at 1e-9; None when there is none.

        Raises:
            UsageError: not a series of trades.
        """
        _need_trades(series, "cannot tell a price")
        last = self.recent(series, 1)
        price_e9 = int(last["price"][0]) if len(last) else UNDEF_PRICE
        return None if price_e9 == UNDEF_PRICE else price_e9

    def history(self, series: SeriesKey, start_ns: int, end_ns: int) -> Iterator[Records]:
        """The records with `start_ns <= ts_event < end_ns`, a UTC day at a time, ascending; no page is empty."""
        return self._pages(series, start_ns, end_ns, newest_first=False)

    def history_newest_first(self, series: SeriesKey, start_ns: int, end_ns: int) -> Iterator[Records]:
        """The same records in the opposite order, days and records."""
        return self._pages(series, start_ns, end_ns, newest_first=True)

    def bars(self, series: SeriesKey, timeframe: Timeframe, start_ns: int, end_ns: int) -> Records:
        """Bars of the trades with `start_ns <= ts_event < end_ns`, oldest first, as `CANDLE` records.

        Where the range does not begin and end with a bar, the first and the last one hold a part of their interval.

        Raises:
            UsageError: not a series of trades.
        """
        _need_trades(series, "cannot make bars")
        return bars_of_pages(self.history(series, start_ns, end_ns), timeframe)

    def _pages(self, series: SeriesKey, start_ns: int, end_ns: int, *, newest_first: bool) -> Iterator[Records]:
        if end_ns <= start_ns:
            return
        days = [day for day in self._store.days(series) if day * DAY_NS < end_ns and (day + 1) * DAY_NS > start_ns]
        for day in reversed(days) if newest_first else days:
            page = self._store.read(series, max(start_ns, day * DAY_NS), min(end_ns, (day + 1) * DAY_NS))
            if len(page):
                yield page[::-1] if newest_first else page

    def _cached(self, series: SeriesKey, *, start_ns: int, end_ns: int) -> Records | None:
        cache = self._cache
        if cache is None or start_ns < self._clock() - CACHED_NS:
            return None
        try:
            found = cache.since(series, max(start_ns, 0))
        except ConsoleError:
            return None
        if found is None:
            return None
        # A plain integer would make searchsorted convert the whole column to floating point.
        end = np.uint64(min(end_ns, UNDEF_TIMESTAMP))
        return found[: int(np.searchsorted(found["ts_event"], end))]

    def _keep(self, series: SeriesKey, records: Records, stored: AppendResult, newest_id: int) -> None:
        # What was stored is kept as well. Where the store left some out it alone knows which, and where no window is
        # there to continue, what came last need not be what is newest: then its own answer is kept.
        cache = self._cache
        if cache is None or series.schema not in cache.schemas or not stored.rows:
            return
        try:
            whole = stored.rows == len(records)
            if whole and cache.follows(series) and _ordered_alike(series, records, newest_id):
                cache.push(series, records)
                return
            if self._monotonic() >= self._retry_ns:
                cache.replace(series, self._store.latest(series, cache.max_ticks))
                return
        except ConsoleError:
            # What is inserted must not wait again and again for a store or a Redis that cannot be read.
            self._retry_ns = self._monotonic() + RETRY_NS
        with contextlib.suppress(ConsoleError):
            cache.clear(series)


def _need_trades(series: SeriesKey, operation: str) -> None:
    if series.schema is not Schema.TRADES:
        raise UsageError(operation, f"{series.schema} are no trades", hint=f"ask for {Schema.TRADES}")


def _ordered_alike(series: SeriesKey, records: Records, newest_id: int) -> bool:
    # A store puts trades of one instant in order by id if the venue gives ids; a cache sees numbers only.
    if series.schema is not Schema.TRADES:
        return True
    by_number = (records["publisher_id"] >= OWN_PUBLISHERS) & (records["sequence"] != 0)
    return bool(by_number.all() if newest_id else not by_number.any())


def _first(pages: Iterator[Records], limit: int, schema: Schema) -> Records:
    # The first `limit` records, of no more pages than are needed.
    parts: list[Records] = []
    for page in pages:
        parts.append(page[:limit])
        limit -= len(parts[-1])
        if limit == 0:
            break
    return np.concatenate(parts) if parts else np.empty(0, schema.dtype)
