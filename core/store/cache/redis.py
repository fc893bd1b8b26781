"""Recent ticks in Redis, where other processes find them: the records of a series are one string of their bytes.

`APPEND` tells how long the string has become. Any other length than expected says that something else changed it,
and so does a new connection: then the window is begun anew, so that none with a hole in it is ever continued.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Final

import attrs
import numpy as np
from redis.exceptions import OutOfMemoryError, ResponseError

from core.clock import monotonic_ns
from core.errors import ConsoleError
from core.model.records import Records, Schema
from core.store.cache.memory import reaching
from core.store.cache.protocol import CacheStats
from core.store.cache.window import begun, follow_on, joined, merged
from core.store.cache.wire import Answer, Argument, RedisWire
from core.store.repository import SeriesKey

_MS_PER_S: Final = 1000


@attrs.frozen
class _Tail:
    # What this process knows of a string that it keeps up to date: over which connection it was written, its rows
    # and its last record.
    generation: int
    rows: int
    last: Records


class RedisTickCache:
    """The last `max_ticks_per_symbol` records of each series, up to twice as many, forgotten `ttl_s` after a push.

    Implements `TickCache`. A call blocks for half a second at most to connect and as long for an answer; after a
    failure all calls fail at once for a while. One process at a time pushes a series.
    """

    def __init__(
        self,
        url: str,
        max_ticks_per_symbol: int = 10_000,
        ttl_s: float = 3600.0,
        *,
        schemas: Collection[Schema] = (Schema.TRADES,),
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        """Does not connect yet. Raises:
        ConfigurationError: `url` is none of Redis.
        """
        assert max_ticks_per_symbol > 0
        self._schemas = frozenset(schemas)
        self._max_ticks = max_ticks_per_symbol
        self._ttl_ms = max(1, round(ttl_s * _MS_PER_S))
        self._wire = RedisWire(url, clock=clock)
        self._tails: dict[SeriesKey, _Tail] = {}
        # Held while a series is written, so that what is known of it is what was written last.
        self._guard = threading.RLock()
        self._pushes = self._refused = self._resets = self._failures = 0
        self._last_error = ""

    @property
    def schemas(self) -> frozenset[Schema]:
        """The schemas of which records are kept."""
        return self._schemas

    @property
    def max_ticks(self) -> int:
        """How many records of a series are kept for certain."""
        return self._max_ticks

    @property
    def paused(self) -> bool:
        """Whether a failure was so recent that every call would fail at once."""
        return self._wire.paused

    def follows(self, series: SeriesKey) -> bool:
        """Whether this process wrote the window, over the connection that it still has."""
        tail = self._tails.get(series)
        return tail is not None and tail.generation == self._wire.generation

    def push(self, series: SeriesKey, records: Records) -> None:
        """Add records that came after those pushed before: one round trip. Raises `ConsoleError`."""
        assert records.dtype == series.schema.dtype
        if series.schema not in self._schemas or not len(records):
            return
        with self._guard:
            self._pushes += 1
            # Whatever fails from here on, nothing is known of the series then, and the next push begins it anew.
            tail = self._tails.pop(series, None)
            if tail is None or tail.generation != self._wire.generation:
                self._set(series, begun(records))
            elif not follow_on(tail.last, records):
                window = self._written(series, tail)
                self._set(series, begun(records) if window is None else merged(window, records))
            elif tail.rows + len(records) > 2 * self._max_ticks:
                window = self._written(series, tail)
                self._set(series, begun(records) if window is None else joined(window, records))
            else:
                self._append(series, tail, records)

    def replace(self, series: SeriesKey, records: Records) -> None:
        """Make `records` the window that `push` continues. Raises `ConsoleError`."""
        assert records.dtype == series.schema.dtype
        if series.schema in self._schemas:
            with self._guard:
                self._set(series, records)

    def backfill(self, series: SeriesKey, records: Records) -> bool:
        """Nothing: only who pushes a series may write what others will read."""
        assert records.dtype == series.schema.dtype
        return False

    def recent(self, series: SeriesKey, rows: int) -> Records:
        """The last `rows` records: one round trip. A value that holds none of them is deleted and counted.

        Raises `ConsoleError`.
        """
        if rows < 1 or series.schema not in self._schemas:
            return np.empty(0, series.schema.dtype)
        return self._read(series, rows)[1]

    def vouched(self, series: SeriesKey, rows: int) -> Records:
        """As `recent`, and none unless this process keeps the window up to date. Raises `ConsoleError`."""
        tail = self._tails.get(series)
        if tail is None or rows < 1:
            return np.empty(0, series.schema.dtype)
        generation, window = self._read(series, rows)
        # After a connection was lost what is there may be older than what was written.
        return window if generation == tail.generation else window[:0]

    def since(self, series: SeriesKey, start_ns: int) -> Records | None:
        """The records from `start_ns` on, or None when that is not proven. Raises `ConsoleError`."""
        return reaching(self.vouched(series, self._max_ticks), start_ns)

    def clear(self, series: SeriesKey | None = None) -> None:
        """Delete a series, or all that this process keeps up to date. Raises `ConsoleError`."""
        with self._guard:
            for each in list(self._tails) if series is None else [series]:
                self._tails.pop(each, None)
                self._ask(("DEL", key_of(each)))

    def stats(self) -> CacheStats:
        """What was done, and the last failure."""
        return CacheStats(
            pushes=self._pushes,
            refused=self._refused,
            resets=self._resets,
            failures=self._failures,
            last_error=self._last_error,
        )

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()

    def _append(self, series: SeriesKey, tail: _Tail, records: Records) -> None:
        key, rows = key_of(series), tail.rows + len(records)
        commands = (("APPEND", key, records.tobytes()), ("PEXPIRE", key, self._ttl_ms))
        answer = self._ask(*commands, written=key, generation=tail.generation)
        if answer is not None and answer.replies[0] == rows * records.dtype.itemsize:
            self._tails[series] = _Tail(answer.generation, rows, records[-1:].copy())
        else:
            self._resets += 1
            self._set(series, begun(records))

    def _written(self, series: SeriesKey, tail: _Tail) -> Records | None:
        # The window as this process wrote it; None when it is not there any more.
        generation, window = self._read(series, self._max_ticks)
        if generation == tail.generation and len(window) == min(tail.rows, self._max_ticks):
            return window
        self._resets += 1
        return None

    def _set(self, series: SeriesKey, records: Records) -> None:
        self._tails.pop(series, None)
        key, kept = key_of(series), records[-self._max_ticks :]
        if not len(kept):
            self._ask(("DEL", key))
            return
        answer = self._ask(("SET", key, kept.tobytes(), "PX", self._ttl_ms), written=key)
        if answer is not None:
            self._tails[series] = _Tail(answer.generation, len(kept), kept[-1:].copy())

    def _read(self, series: SeriesKey, rows: int) -> tuple[int, Records]:
        # The last rows and the generation of the connection that they came over.
        key, dtype = key_of(series), series.schema.dtype
        first = -min(rows, 2 * self._max_ticks) * dtype.itemsize
        answer = self._ask(("STRLEN", key), ("GETRANGE", key, first, -1))
        assert answer is not None
        length, value = answer.replies
        if length == 0 or value == b"":  # it may expire between the two
            return answer.generation, np.empty(0, dtype)
        if isinstance(length, int) and isinstance(value, bytes) and length % dtype.itemsize == 0:
            records = np.frombuffer(value, dtype) if len(value) % dtype.itemsize == 0 else None
            if records is not None and _sound(records, series.schema):
                return answer.generation, records
        self._refused += 1
        self._ask(("DEL", key))
        return answer.generation, np.empty(0, dtype)

    def _ask(
        self, *commands: tuple[Argument, ...], written: str = "", generation: int | None = None
    ) -> Answer | None:
        try:
            answer = self._wire.ask(*commands, generation=generation)
            for reply in () if answer is None else answer.replies:
                if isinstance(reply, ResponseError) and not str(reply).startswith("WRONGTYPE"):
                    if isinstance(reply, OutOfMemoryError) and written:
                        self._wire.ask(("DEL", written))  # the window misses records from now on
                    raise self._wire.failed("asking Redis", reply) from reply
        except ConsoleError as error:
            self._failures += 1
            self._last_error = str(error)
            raise
        return answer


def key_of(series: SeriesKey) -> str:
    """Where a series is kept: `ticks:VENUE:SYMBOL` for trades, else by the name of the schema."""
    kind = "ticks" if series.schema is Schema.TRADES else str(series.schema)
    return f"{kind}:{series.venue}:{series.symbol}"


def _sound(records: Records, schema: Schema) -> bool:
    # Whether these can be records of the schema, in order: anybody may write to a Redis.
    heads = records.view("<u2").reshape(len(records), -1)[:, 0]  # length and rtype of each
    stamps = records["ts_event"]
    return bool((heads == schema.dtype.itemsize // 4 | schema.rtype << 8).all() and (stamps[1:] >= stamps[:-1]).all())
