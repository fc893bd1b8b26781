"""The rings of running engines for whoever trades on them: found, described by their engines, found again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import trio

from console.batch.control import ask
from console.batch.live import find_ring
from console.batch.output import talk
from console.paper.rings import PaperRing, inode_of
from console.told_rings import told_instruments
from core.clock import NS_PER_S, wall_ns
from core.errors import ConsoleError, NotFoundError, UnreachableError
from core.model.instruments import Instrument
from ringbuf import discovery
from ringbuf.layout import RingError
from ringbuf.reader import RingReader

LOOK_S: Final = 1.0
START_S: Final = 10.0
"""So long may an engine take from its start until it streams."""
START_LOOK_S: Final = 0.25


class LiveRings:
    """The rings of `symbols`, and of those `beside` them whose engine happens to run. Call it for those that are
    there now."""

    def __init__(
        self, symbols: Sequence[str], *, venue: str, instance: str, beside: Iterable[Instrument] = ()
    ) -> None:
        self._symbols, self._venue, self._instance = symbols, venue, instance
        self._beside = list(beside)
        self._rings: list[PaperRing] = []

    async def find(self) -> None:
        """Find all of `symbols`; an engine that was just started, or is about to be, is waited for. Raises
        `ConsoleError` when one is streamed by nobody, or it is not known by whom."""
        told = False
        until = trio.current_time() + START_S
        while True:
            try:
                return await trio.to_thread.run_sync(self._find, abandon_on_cancel=True)
            except ConsoleError:
                if trio.current_time() >= until or _has_run_a_while():
                    raise
            if not told:
                talk(f"waiting for an engine that streams {', '.join(self._symbols)}")
                told = True
            await trio.sleep(START_LOOK_S)

    def _find(self) -> None:
        self._rings = [self._found(symbol, self._venue) for symbol in self._symbols]
        self._look()

    def _found(self, symbol: str, venue: str) -> PaperRing:
        path = find_ring(symbol, venue, self._instance)
        try:
            reader = RingReader(path)
        except RingError as error:
            raise NotFoundError("no ring", str(error), hint="instances shows what is served") from error
        try:
            engine, at = reader.instance, reader.venue
        finally:
            reader.close()
        return PaperRing(path, inode_of(path), _described(engine, symbol, at))

    def __call__(self) -> list[PaperRing]:
        """Those whose file is still the one that was found."""
        return [ring for ring in self._rings if inode_of(ring.path) == ring.inode]

    async def keep(self) -> None:
        """Look for those that are gone, until cancelled: an engine may come back under another name."""
        while True:
            await trio.sleep(LOOK_S)
            if len(self()) < len(self._rings) or self._beside:
                await trio.to_thread.run_sync(self._look, abandon_on_cancel=True)

    def _look(self) -> None:
        there = self()
        self._rings = [ring if ring in there else self._again(ring) for ring in self._rings]
        for instrument in list(self._beside):
            try:
                self._rings.append(self._found(instrument.symbol, instrument.venue))
            except ConsoleError:
                continue  # nobody streams it: what is held of it waits
            self._beside.remove(instrument)

    def _again(self, ring: PaperRing) -> PaperRing:
        try:
            return self._found(ring.instrument.symbol, ring.instrument.venue)
        except ConsoleError:
            return ring


def _has_run_a_while() -> bool:
    # Whether an engine is there that streams by now what it ever will.
    now_ns = wall_ns()
    return any(one.alive and now_ns - one.started_ns > START_S * NS_PER_S for one in discovery.instances())


def _described(engine: str, symbol: str, venue: str) -> Instrument:
    try:
        found = told_instruments(ask(engine, "status")).get((venue, symbol))
    except (KeyError, TypeError, ValueError) as error:
        raise UnreachableError("the engine answers something else", engine) from error
    if found is None:
        raise NotFoundError("the engine does not describe the symbol", f"{symbol} on {venue}, by {engine}")
    return found
