"""The sink that providers push into: one ring for each (instrument, schema), made when first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from core.errors import ConfigurationError, RefusedError
from core.model.instruments import Instrument
from core.model.records import Records, Schema
from ringbuf import layout
from ringbuf.reader import RingReader
from ringbuf.writer import RingIdentity, RingWriter

# A book record is eight times a trade: fewer of them keep the default ring near 3 MiB, and a book that is
# half an hour old interests nobody. Of bars there is one an interval.
CAPACITY_DIVISOR = dict.fromkeys(Schema, 8) | {Schema.TRADES: 1, Schema.QUOTES: 2}
PRIVATE_DIVISOR = 8
MIN_CAPACITY = 64
STORE_READER = "store"


@attrs.define
class PublishedRing:
    """One ring and what it carries. `path` is the name that other processes look for, None while it has none; `inode`
    tells it from a ring made anew under the same name. Records below `first` are of a producer that died."""

    instrument: Instrument
    schema: Schema
    writer: RingWriter
    observer: RingReader
    inode: int
    first: int
    path: Path | None = None

    def newest(self) -> Records:
        """The newest record that its own producer wrote, as an array of one; empty before the first."""
        reader, committed = self.observer, self.writer.committed
        reader.cursor = max(committed - 1, self.first)
        return reader.pop_batch(1).view(self.schema.dtype)


class RingPublisher:
    """Opens rings under `directory` and hands out their writers.

    `capacity` counts the trades a ring holds; rings of longer records hold fewer. Rings of `public_symbols` (all when
    None, none when empty) have names that other processes look for, prefixed by `instance` when `named` is true. The
    others are private: smaller, and hidden behind a dot until `make_public` gives them a public name as well.
    """

    def __init__(
        self,
        directory: Path,
        *,
        instance: str,
        named: bool,
        capacity: int = layout.DEFAULT_CAPACITY,
        public_symbols: frozenset[str] | None = None,
    ) -> None:
        self._directory = directory
        self._instance = instance
        self._named = named
        self._capacity = capacity
        self._public_symbols = public_symbols
        self._rings: dict[tuple[str, str, Schema], PublishedRing] = {}

    def channel(self, instrument: Instrument, schema: Schema) -> RingWriter:
        """The writer of one (instrument, schema).

        Raises:
            RefusedError: another live process already publishes it under this name.
            ConfigurationError: shared memory is full or cannot be used.
        """
        key = (instrument.venue, instrument.symbol, schema)
        ring = self._rings.get(key)
        if ring is None:
            ring = self._rings[key] = self._open(instrument, schema)
        return ring.writer

    def _open(self, instrument: Instrument, schema: Schema) -> PublishedRing:
        names = {instrument.symbol, instrument.venue_symbol}
        public = self._public_symbols is None or not names.isdisjoint(self._public_symbols)
        identity = RingIdentity(
            schema=schema.value,
            record_bytes=schema.dtype.itemsize,
            symbol=instrument.symbol,
            venue=instrument.venue,
            instrument_id=instrument.instrument_id,
            instance=self._instance,
        )
        capacity = max(self._capacity // CAPACITY_DIVISOR[schema] // (1 if public else PRIVATE_DIVISOR), MIN_CAPACITY)
        path = self._public_path(instrument, schema) if public else self._private_path(instrument, schema)
        with _translated():
            writer = RingWriter(path, identity, capacity=capacity)
            try:
                observer = RingReader(path)
            except (layout.RingError, OSError):
                writer.close()
                raise
        return PublishedRing(
            instrument, schema, writer, observer, path.stat().st_ino, writer.committed, path if public else None
        )

    def _public_path(self, instrument: Instrument, schema: Schema) -> Path:
        instance = self._instance if self._named else ""
        return self._directory / layout.ring_name(
            instrument.symbol, instrument.venue, schema=schema.value, instance=instance
        )

    def _private_path(self, instrument: Instrument, schema: Schema) -> Path:
        name = layout.ring_name(instrument.symbol, instrument.venue, schema=schema.value, instance=self._instance)
        return self._directory / f".{name}"

    def of_symbol(self, symbol: str, venue: str) -> list[PublishedRing]:
        """The rings of one instrument, none when it is not streamed."""
        return [ring for (on, name, _), ring in self._rings.items() if (on, name) == (venue, symbol)]

    def make_public(self, symbol: str, venue: str) -> list[PublishedRing]:
        """Give the rings of an instrument their public names; they keep what is in them. Returns its rings.

        Raises:
            RefusedError: another live process publishes under such a name.
        """
        rings = self.of_symbol(symbol, venue)
        for ring in rings:
            if ring.path is None:
                path = self._public_path(ring.instrument, ring.schema)
                _make_room(path)
                os.link(ring.writer.path, path)
                ring.path = path
        return rings

    def remove(self, symbol: str, venue: str) -> None:
        """Close and remove the rings of an instrument; what reads them can still read what is in them."""
        for ring in self.of_symbol(symbol, venue):
            _close(ring)
            del self._rings[venue, symbol, ring.schema]

    def room(self, instrument: Instrument, schema: Schema) -> int:
        """How many records may be pushed into a ring before one is overwritten that is not stored yet; all that it
        holds where no store reads."""
        writer = self.channel(instrument, schema)
        lags = _lags(self._rings[instrument.venue, instrument.symbol, schema], STORE_READER, {})
        return writer.capacity - min(lags, default=0)

    def store_lag(self) -> float:
        """How far the store is behind at the worst ring, as a share of the ring; 1 where no store reads one yet."""
        starts: dict[int, int] = {}
        return max((_store_lag(ring, starts) for ring in self._rings.values()), default=0.0)

    def lag_of(self, reader: str) -> float:
        """How far readers of that name are behind at the worst ring that one reads, as a share of the ring."""
        starts: dict[int, int] = {}
        shares = [lag / ring.writer.capacity for ring in self._rings.values() for lag in _lags(ring, reader, starts)]
        return max(shares, default=0.0)

    def rings(self) -> list[PublishedRing]:
        """Every ring opened so far."""
        return list(self._rings.values())

    def beat(self, now_ns: int) -> None:
        """Note in every ring that its producer is alive."""
        for ring in self._rings.values():
            ring.writer.beat(now_ns)

    def close(self) -> None:
        """Close and remove every ring."""
        for ring in self._rings.values():
            _close(ring)
        self._rings.clear()


def _store_lag(ring: PublishedRing, starts: dict[int, int]) -> float:
    lags = _lags(ring, STORE_READER, starts)
    return min(lags) / ring.writer.capacity if lags else 1.0


def _lags(ring: PublishedRing, name: str, starts: dict[int, int]) -> list[int]:
    return [reader.lag for reader in ring.observer.readers(starts) if reader.name == name]


def _close(ring: PublishedRing) -> None:
    ring.observer.close()
    ring.writer.close()
    if ring.path is not None:
        ring.path.unlink(missing_ok=True)


def _make_room(path: Path) -> None:
    # A public name that a dead producer left is taken; one of a living producer is respected.
    if not path.exists():
        return
    with _translated():
        standing = RingReader(path)
        alive = standing.producer_alive
        standing.close()
    if alive:
        raise RefusedError("ring is taken", f"{path.name} already has a live producer")
    path.unlink(missing_ok=True)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except layout.RingBusyError as error:
        hint = "give this one another --instance-id, or stop the other"
        raise RefusedError("ring is taken", str(error), hint=hint) from error
    except layout.RingSpaceError as error:
        hint = "make /dev/shm larger, stream fewer symbols or set a smaller ring capacity"
        raise ConfigurationError("shared memory is full", str(error), hint=hint) from error
    except layout.RingError as error:
        raise ConfigurationError("cannot open ring", str(error)) from error
    except OSError as error:
        raise ConfigurationError("cannot open ring", error.strerror or str(error)) from error
