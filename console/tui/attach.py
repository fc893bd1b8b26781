"""The screen's eyes: ring readers and the engine's status in, one frozen `Snapshot` a frame out.

Not a widget and no thread: `update_status` and `frame` are called by the application. Rings come and go with the
engine: every status opens what is new, closes what is gone and opens again what was replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import numpy as np

from console.tui.focus import AUTOMATIC, INTERVALS_NS, FocusState
from console.tui.health import READER_NAME, HealthBook
from console.tui.market import Market, book_of, prints_of, received_ns
from console.tui.snapshot import Key, Snapshot
from console.tui.status import EngineStatus, Feed, Ring
from console.tui.text import clean
from core.clock import NS_PER_S, WallClock
from core.model.records import STREAMED, Records, Schema
from ringbuf.layout import RingError
from ringbuf.reader import RingReader


@attrs.define
class _Source:
    # One open reader and which file it is of: a restarted engine may put another under the same name.
    reader: RingReader
    inode: tuple[int, int]
    key: Key
    schema: Schema
    fresh: bool = True


class Attachment:
    """Follows every ring that the engine's status lists; the book and the candles of the selected one only.

    `close` gives the readers' slots back.
    """

    def __init__(self, *, wall_ns: WallClock, monotonic_ns: Callable[[], int]) -> None:
        self._wall_ns, self._monotonic_ns = wall_ns, monotonic_ns
        self._status: EngineStatus | None = None
        self._health = HealthBook()
        self._sources: dict[Path, _Source] = {}
        self._refused: dict[Path, str] = {}
        self._markets: dict[Key, Market] = {}
        self._selected: Key | None = None
        self._focus = FocusState()
        self._frames = 0
        self._lost_before = 0  # by readers that are closed by now

    @property
    def selected(self) -> Key | None:
        """The instrument in the right-hand panes."""
        return self._selected

    @property
    def interval(self) -> str:
        """The chosen candle width: a key of `INTERVALS_NS`, or `AUTOMATIC`."""
        return self._focus.interval

    def status_lost(self, reason: str) -> None:
        """The engine does not answer; what is known stays and ages, and nobody says any more how it is."""
        self._health.lost(reason)
        for market in self._markets.values():
            market.feed = attrs.evolve(market.feed, health="", health_reason="")

    def update_status(self, status: EngineStatus) -> None:
        """Take the engine's answer and follow the rings it lists."""
        self._health.answered(status)
        self._status = status
        feeds = {(feed.symbol, feed.venue): feed for feed in status.feeds if feed.streaming}
        wanted = {ring.path: ring for ring in status.rings if ring.schema in _SCHEMAS}
        keys = dict.fromkeys((*feeds, *((ring.symbol, ring.venue) for ring in wanted.values())))
        self._markets = {key: _updated(self._markets.get(key), key, feeds.get(key)) for key in keys}
        if self._selected not in self._markets:
            self._select(next(iter(self._markets), None))
        self._follow(wanted)

    def select(self, key: Key) -> None:
        """Put another instrument into the right-hand panes."""
        if key in self._markets and key != self._selected:
            self._select(key)
            if self._status is not None:
                self._follow({ring.path: ring for ring in self._status.rings if ring.schema in _SCHEMAS})

    def set_interval(self, name: str) -> None:
        """Choose the candle width: a key of `INTERVALS_NS`, or `AUTOMATIC`."""
        assert name == AUTOMATIC or name in INTERVALS_NS
        self._focus.set_interval(name)
        for history in self._histories():
            self._focus.add_bars(history)

    def frame(self) -> Snapshot:
        """Read everything new and return the picture of this moment."""
        now_s, now_ns = self._monotonic_ns() / NS_PER_S, self._wall_ns()
        lag = 0
        self._frames += 1
        for number, source in enumerate(self._sources.values(), start=self._frames):
            # Of quotes the newest is enough: half of them are looked at in each frame, which is as often as they
            # are drawn.
            if number & 1 and source.schema is Schema.QUOTES and not source.fresh and source.key != self._selected:
                continue
            if source.reader.lag > 0:
                self._read(source, now_s=now_s, now_ns=now_ns)
                lag = max(lag, source.reader.lag)
        focused = self._markets.get(self._selected) if self._selected else None
        return Snapshot(
            now_ns=now_ns,
            status=self._status,
            health=self._health.health(
                self._status,
                lag=lag,
                lost=self._lost_before + sum(source.reader.lapped for source in self._sources.values()),
                problems=self._refused.values(),
            ),
            symbols=tuple([market.view(now_s) for market in self._markets.values()]),
            focus=None if focused is None else self._focus.freeze(focused.view(now_s)),
        )

    def close(self) -> None:
        """Close every reader. The attachment may be used again afterwards."""
        for path in list(self._sources):
            self._drop(path)

    def _follow(self, wanted: dict[Path, Ring]) -> None:
        self._refused.clear()
        for path in [path for path in self._sources if path not in wanted]:
            self._drop(path)
        for path, ring in wanted.items():
            schema, key = Schema(ring.schema), (ring.symbol, ring.venue)
            inode = _inode(path)
            source = self._sources.get(path)
            if source is not None and (source.inode != inode or source.reader.closed or not self._wants(source)):
                self._drop(path)
                source = None
            if source is None and inode is not None and (schema is not Schema.BOOK or key == self._selected):
                self._open(path, inode, key, schema)

    def _wants(self, source: _Source) -> bool:
        return source.schema is not Schema.BOOK or source.key == self._selected

    def _open(self, path: Path, inode: tuple[int, int], key: Key, schema: Schema) -> None:
        try:
            reader = RingReader(path, name=READER_NAME, dtype=schema.dtype, from_oldest=schema is Schema.TRADES)
        except (RingError, OSError) as error:
            self._refused[path] = clean(f"{path.name}: {error}")
            return
        if schema is not Schema.TRADES:
            # Of quotes and books only the newest counts, and it should be seen even before the next one comes.
            reader.cursor = max(reader.cursor - 1, 0)
        self._sources[path] = _Source(reader, inode, key, schema)

    def _drop(self, path: Path) -> None:
        source = self._sources.pop(path)
        self._lost_before += source.reader.lapped
        if source.schema is Schema.BOOK:
            self._focus.book = None
        source.reader.close()

    def _read(self, source: _Source, *, now_s: float, now_ns: int) -> None:
        reader, market = source.reader, self._markets.get(source.key)
        fresh, source.fresh = source.fresh, False
        if source.schema is not Schema.TRADES:
            reader.cursor = max(reader.committed - 1, 0)
        batch = reader.pop_batch()
        if not len(batch) or market is None:
            return
        age_s = self._age_s(batch, now_ns) if fresh else 0.0
        if source.schema is Schema.QUOTES:
            market.set_quote(batch, now_s=now_s, age_s=age_s)
        elif source.schema is Schema.BOOK:
            self._focus.book = book_of(batch)
        else:
            prints = market.add_history(batch, now_s=now_s, age_s=age_s) if fresh else market.add_trades(batch, now_s)
            if source.key == self._selected:
                self._focus.add(batch, prints)

    def _age_s(self, batch: Records, now_ns: int) -> float:
        # A recording carries the instants at which it was received, days ago.
        if self._status is not None and self._status.source == "recording":
            return 0.0
        return (now_ns - received_ns(batch)) / NS_PER_S

    def _select(self, key: Key | None) -> None:
        self._selected = key
        interval = self._focus.interval
        self._focus = FocusState(key)
        self._focus.set_interval(interval)
        for history in self._histories():
            self._focus.add(history, prints_of(history))

    def _histories(self) -> list[Records]:
        # What the ring still holds of the selected instrument, up to where the running reader stands; from there on
        # every batch is added as it comes.
        return [
            _history(path, source.reader.cursor)
            for path, source in self._sources.items()
            if source.key == self._selected and source.schema is Schema.TRADES and not source.fresh
        ]


_SCHEMAS = frozenset(map(str, STREAMED))


def _updated(market: Market | None, key: Key, feed: Feed | None) -> Market:
    if market is None:
        return Market(key, feed or Feed(symbol=key[0], venue=key[1]))
    market.feed = feed or market.feed
    return market


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _history(path: Path, until: int) -> Records:
    # The trades of a ring from the oldest to the one before index `until`, read without a slot in its table.
    nothing: Records = np.empty(0, Schema.TRADES.dtype)
    try:
        reader = RingReader(path, dtype=Schema.TRADES.dtype, from_oldest=True)
    except (RingError, OSError):
        return nothing
    batches = [nothing]
    before = -1
    while before < reader.cursor < until:
        before = reader.cursor
        batches.append(reader.pop_batch(until - reader.cursor))
    reader.close()
    return np.concatenate(batches)
