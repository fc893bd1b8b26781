"""The sink that providers push into: one ring for each (instrument, schema), made when first asked for."""

from __future__ import annotations

from pathlib import Path

import attrs

from core.errors import ConfigurationError, RefusedError
from core.model.instruments import Instrument
from core.model.records import Schema
from ringbuf import layout
from ringbuf.reader import RingReader
from ringbuf.writer import RingIdentity, RingWriter

# A book record is eight times a trade: fewer of them keep the default ring near 3 MiB, and a book that is
# half an hour old interests nobody.
CAPACITY_DIVISOR = {Schema.TRADES: 1, Schema.QUOTES: 2, Schema.BOOK: 8}
MIN_CAPACITY = 64


@attrs.define
class PublishedRing:
    """One ring and what it carries. `public` rings bear a name that other processes look for."""

    instrument: Instrument
    schema: Schema
    writer: RingWriter
    public: bool
    observer: RingReader


class RingPublisher:
    """Opens rings under `directory` and hands out their writers.

    `capacity` counts the trades a ring holds; rings of longer records hold fewer. Rings of `public_symbols` (all when
    None, none when empty) are named for other processes to find, prefixed by `instance` when `named` is true; the
    others always bear the instance, which keeps them out of everybody's way.
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
        public = self._public_symbols is None or instrument.symbol in self._public_symbols
        prefix = self._instance if self._named or not public else ""
        identity = RingIdentity(
            schema=schema.value,
            record_bytes=schema.dtype.itemsize,
            symbol=instrument.symbol,
            venue=instrument.venue,
            instrument_id=instrument.instrument_id,
            instance=self._instance,
        )
        name = layout.ring_name(instrument.symbol, instrument.venue, schema=schema.value, instance=prefix)
        path = self._directory / name
        capacity = max(self._capacity // CAPACITY_DIVISOR[schema], MIN_CAPACITY)
        try:
            writer = RingWriter(path, identity, capacity=capacity)
            observer = RingReader(path)
        except layout.RingBusyError as error:
            hint = "give this one another --instance-id, or stop the other"
            raise RefusedError("ring is taken", str(error), hint=hint) from error
        except layout.RingSpaceError as error:
            hint = "make /dev/shm larger, stream fewer symbols or set a smaller ring capacity"
            raise ConfigurationError("shared memory is full", str(error), hint=hint) from error
        except layout.RingError as error:
            raise ConfigurationError("cannot open ring", str(error)) from error
        return PublishedRing(instrument, schema, writer, public, observer)

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
            ring.observer.close()
            ring.writer.close()
        self._rings.clear()
