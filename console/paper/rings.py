"""From where a desk reads the trades of a symbol: the ring, where in it to go on, and what is shown beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import numpy as np

from console.paper.past import Cursor
from core.model.instruments import Instrument
from core.model.records import TRADE, Records, Schema
from core.store.repository import SeriesKey
from ringbuf.layout import RingError
from ringbuf.reader import RingReader

if TYPE_CHECKING:
    from core.store.cache.tiered import TieredCache

PIECE_ROWS: Final = 4096
"""So many trades are taken at once, at most."""
READER_NAME: Final = "paper"

_NOTHING: Final[Records] = np.empty(0, TRADE)


@attrs.frozen
class PaperRing:
    """The ring of an instrument: its file, and the inode by which one that was made anew is told."""

    path: Path
    inode: int
    instrument: Instrument


class Tail:
    """Follows one ring. `lapped` of it is what was overwritten before it was read, since `take_lapped` said so last;
    a producer that took over is told by `take_restart`."""

    def __init__(self, ring: PaperRing, reader: RingReader) -> None:
        self.ring = ring
        self.reader = reader
        self._lapped = reader.lapped
        self.epoch = reader.epoch

    @property
    def oldest(self) -> int:
        """The cursor of the oldest record that may still be there."""
        return max(self.reader.committed - self.reader.capacity, 0)

    @property
    def gone(self) -> bool:
        """Whether nothing will come any more, as far as the ring itself knows."""
        return self.reader.closed and self.reader.lag <= 0

    def known(self, cursor: int | None = None) -> Cursor:
        """What to know of it for going on where it was read up to, or at `cursor`."""
        at = self.reader.cursor if cursor is None else cursor
        return Cursor(self.ring.path.name, self.ring.inode, self.epoch, at)

    def holds(self, known: Cursor) -> bool:
        """Whether this is the ring that was read before, of the same producer."""
        same = (known.inode, known.epoch) == (self.ring.inode, self.epoch)
        return same and known.cursor <= self.reader.committed

    def before(self, cursor: int, rows: int) -> Records:
        """At most `rows` records that stand right before `cursor`, from which is read on."""
        reader = self.reader
        reader.cursor = first = max(min(cursor - rows, cursor), min(self.oldest, cursor))
        found = reader.pop_batch(cursor - first) if first < cursor else _NOTHING
        reader.cursor = cursor
        self._lapped = reader.lapped
        return found

    def take_lapped(self) -> int:
        """How many records were overwritten unread since this was asked last."""
        lapped, self._lapped = self.reader.lapped - self._lapped, self.reader.lapped
        return lapped

    def take_restart(self) -> bool:
        """Whether another producer has taken the ring over since this was asked last."""
        if self.reader.epoch == self.epoch:
            return False
        self.epoch = self.reader.epoch
        return True


@contextmanager
def opened_tail(ring: PaperRing) -> Iterator[Tail | None]:
    """The ring, read from its oldest record on; None when it is not there, or not the one that is meant."""
    try:
        reader = RingReader(ring.path, name=READER_NAME, dtype=TRADE, from_oldest=True)
    except RingError:
        yield None
        return
    try:
        yield Tail(ring, reader) if inode_of(ring.path) == ring.inode else None
    finally:
        reader.close()


def inode_of(path: Path) -> int:
    """The inode of a file, 0 when there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def newest_trades(tail: Tail, rows: int, cache: TieredCache | None) -> Records:
    """At most `rows` trades, the newest there are: those of the ring, and of the cache what is older. May block as
    long as the cache. The ring is read on from after them."""
    reader = tail.reader
    held = tail.before(reader.committed, rows)
    missing = rows - len(held)
    if cache is None or missing <= 0:
        return held
    instrument = tail.ring.instrument
    older = cache.recent(SeriesKey(instrument.venue, instrument.symbol, Schema.TRADES), rows)
    if len(held):
        older = older[older["ts_event"] < held["ts_event"][0]]
    return np.concatenate((older[-missing:], held))
