"""Follows the rings of one symbol for a session: what was missed, what comes, and what nobody saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio

from console.doorbell import wait_for_record
from console.paper.rings import PIECE_ROWS, PaperRing, Tail, newest_trades, opened_tail
from console.paper.trading import Feed, Trading, no_lag, nobody
from core.clock import monotonic_ns
from core.sim.lines import RingLine
from core.sim.tape import MISSED, TRADE
from ringbuf.layout import RingError

if TYPE_CHECKING:
    from console.paper.past import Cursor
    from core.store.cache.tiered import TieredCache

LOOK_AGAIN_S: Final = 0.25
"""So often is a ring looked for that is not there."""

Find = Callable[[], PaperRing | None]
"""The ring of the symbol as it is now, None while there is none."""

OVERWRITTEN: Final = "overwritten before it was read"
RESTARTED: Final = "the engine was restarted"
ANOTHER: Final = "the ring is not the one of the session before"


class Follower:
    """Brings the trades of one `feed` to `trading`. `known` is how far its ring was read in the session before, None
    when it was in none; `context` is how many trades strategies are shown beforehand."""

    def __init__(
        self,
        trading: Trading,
        feed: Feed,
        find: Find,
        *,
        known: Cursor | None,
        context: int,
        cache: TieredCache | None = None,
    ) -> None:
        self._trading, self._feed, self._find = trading, feed, find
        self._known, self._context, self._cache = known, context, cache

    async def run(self) -> None:
        """Follow whatever ring there is, until cancelled."""
        while True:
            ring = self._find()
            if ring is not None:
                with opened_tail(ring) as tail:
                    if tail is not None and not self._is_done(tail):
                        await self._follow(tail)
            await trio.sleep(LOOK_AGAIN_S)

    async def _follow(self, tail: Tail) -> None:
        feed, reader = self._feed, tail.reader
        feed.since_ns = monotonic_ns()
        feed.lag, feed.alive = lambda: reader.lag, lambda: reader.producer_alive and not reader.closed
        try:
            await self._begin(tail)
            await self._read(tail)
        except RingError:
            return  # no place in the table of its readers, for now
        finally:
            self._known = tail.known()
            feed.lag, feed.alive = no_lag, nobody

    def _is_done(self, tail: Tail) -> bool:
        # Whether all that will ever come of a ring was read.
        known = self._known
        if known is None or not (self._feed.begun and tail.holds(known)):
            return False
        return tail.reader.closed and known.cursor == tail.reader.committed

    async def _begin(self, tail: Tail) -> None:
        # Where to go on: after what was read of this ring before, or with what comes from now on.
        trading, feed, reader = self._trading, self._feed, tail.reader
        known = self._known
        if known is not None and tail.holds(known):
            if feed.begun:
                reader.cursor = known.cursor
                return
            self._told_ring(tail)
            trading.context(feed, tail.before(known.cursor, self._context), known.cursor)
            await self._catch_up(tail)
            return
        if feed.market.newest_ns:
            trading.hole(feed, 0, RESTARTED if feed.begun else ANOTHER)
        self._told_ring(tail)
        feed.intake.renew()
        if feed.begun:
            await self._catch_up(tail)
            return
        records = await trio.to_thread.run_sync(newest_trades, tail, self._context, self._cache)
        trading.context(feed, records, reader.cursor)

    async def _catch_up(self, tail: Tail) -> None:
        # What is there already came while nobody looked.
        end = tail.reader.committed
        while tail.reader.cursor < end:
            self._take(tail, min(PIECE_ROWS, end - tail.reader.cursor), MISSED)
            await trio.lowlevel.checkpoint()

    async def _read(self, tail: Tail) -> None:
        reader = tail.reader
        while not (tail.gone or (reader.lag <= 0 and self._is_replaced(tail))):
            if tail.take_restart():
                self._trading.hole(self._feed, 0, RESTARTED)
                self._told_ring(tail)
                self._feed.intake.renew()
            if reader.lag > 0:
                self._take(tail, PIECE_ROWS, TRADE)
            await wait_for_record(reader)

    def _take(self, tail: Tail, rows: int, kind: int) -> None:
        reader = tail.reader
        batch = reader.pop_batch(rows)
        mono_ns = monotonic_ns()
        if lapped := tail.take_lapped():
            self._trading.hole(self._feed, lapped, OVERWRITTEN)
        if len(batch):
            self._trading.trades(self._feed, batch, reader.cursor, kind=kind, mono_ns=mono_ns)

    def _told_ring(self, tail: Tail) -> None:
        venue, symbol = self._feed.market.instrument.key
        self._trading.note(
            RingLine(venue=venue, symbol=symbol, ring=tail.ring.path.name, inode=tail.ring.inode, epoch=tail.epoch)
        )

    def _is_replaced(self, tail: Tail) -> bool:
        ring = self._find()
        return ring is not None and ring.inode != tail.ring.inode
