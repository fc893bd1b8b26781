"""The rings of running engines for whoever trades on them: found, described by their engines, found again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import trio

from console.batch.control import ask
from console.batch.live import find_ring
from console.paper.rings import PaperRing, inode_of
from console.told_rings import told_instruments
from core.errors import ConsoleError, NotFoundError, UnreachableError
from core.model.instruments import Instrument
from ringbuf.layout import RingError
from ringbuf.reader import RingReader

LOOK_S: Final = 1.0


class LiveRings:
    """The rings of `symbols`, and of those `beside` them whose engine happens to run. Call it for those that are
    there now."""

    def __init__(
        self, symbols: Sequence[str], *, venue: str, instance: str, beside: Iterable[Instrument] = ()
    ) -> None:
        self._symbols, self._venue, self._instance = symbols, venue, instance
        self._beside = list(beside)
        self._rings: list[PaperRing] = []

    def find(self) -> None:
        """Find all of `symbols`. Raises `ConsoleError` when one is streamed by nobody, or it is not known by whom."""
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


def _described(engine: str, symbol: str, venue: str) -> Instrument:
    try:
        found = told_instruments(ask(engine, "status")).get((venue, symbol))
    except (KeyError, TypeError, ValueError) as error:
        raise UnreachableError("the engine answers something else", engine) from error
    if found is None:
        raise NotFoundError("the engine does not describe the symbol", f"{symbol} on {venue}, by {engine}")
    return found
