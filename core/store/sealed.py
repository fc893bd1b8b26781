"""A sealed day: the DBN file of a closed day in the order in which it is read, under zstd with a checksum of itself.

The header says what the file holds, so that nobody need decompress it to know, and of which `generation` it is: a
plain segment of that generation or an older one is in the seal already.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from core.clock import DAY_NS
from core.errors import PermanentError
from core.model.records import Records, Schema
from core.store.faults import DayMovedError, storage_error
from core.store.repository import Ids, SeriesKey
from core.store.segment import (
    FIRST_ID,
    GENERATION,
    PREFIX_BYTES,
    UNKNOWN_CHECKSUM,
    SegmentFacts,
    encode_header,
    header_bytes,
    read_facts,
)  # fmt: skip

Order = NDArray[np.intp]

_LEVEL: Final = 3
_CHUNK_BYTES: Final = 1 << 22
_CARRIED: Final = (GENERATION, "first_ns", "last_ns", "last_id")


def seal_order(records: Records, schema: Schema, ids: Ids) -> Order | None:
    """In which order `records` are read, by `ts_event`, those of one instant by id if they are trades with `ids` (0
    for none), else as they came; None when they are in it."""
    stamps = records["ts_event"]
    if not len(records) or ascends(records, schema, by_id=bool(ids[0])):
        return None
    if schema is Schema.TRADES:
        return np.lexsort((ids, stamps))
    return np.argsort(stamps, kind="stable")


def ascends(records: Records, schema: Schema, *, by_id: bool) -> bool:
    """Whether `records` of one segment are in the order in which they are read; `by_id` says that they have ids."""
    stamps = records["ts_event"]
    steps = stamps[1:] > stamps[:-1]
    if steps.all():
        return True
    ties = np.flatnonzero(~steps)
    if (stamps[ties] != stamps[ties + 1]).any():
        return False
    if schema is not Schema.TRADES or not by_id:
        return True
    sequences = records["sequence"]
    return bool(((sequences[ties + 1] - sequences[ties]).view(np.int32) > 0).all())


def write_seal(path: Path, series: SeriesKey, records: Records, facts: SegmentFacts, *, day: int) -> SegmentFacts:
    """Write the seal of a day, durably, to `path` and read it back; returns its facts.

    `records` are in their order and `facts` say what they are; the caller renames the file to where it belongs.

    Raises:
        ConsoleError: the operating system refused, or what was read back is not what was written.
    """
    import zstandard

    carried = {name: int(getattr(facts, name)) for name in _CARRIED}
    header = encode_header(series, start_ns=day * DAY_NS, first_id=facts.first_id, facts=carried)
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True)
    content = records.view(np.uint8).data
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            # Not in a `with`: that would end the frame also after an error, and fail in its own way over it.
            stream = compressor.stream_writer(file, size=len(header) + len(content), closefd=False)
            stream.write(header)
            for at in range(0, len(content), _CHUNK_BYTES):
                stream.write(content[at : at + _CHUNK_BYTES])
            stream.flush(zstandard.FLUSH_FRAME)
            file.flush()
            os.fdatasync(fd)
        stored_bytes, digest = path.stat().st_size, file_sha256(path)
    except OSError as error:
        raise storage_error("sealing", path, error) from error
    if not np.array_equal(read_seal(path, series)[1].view(np.uint8), records.view(np.uint8)):
        raise PermanentError("sealing", f"{path} does not read back as it was written")
    return attrs.evolve(facts, stored_bytes=stored_bytes, sha256=digest)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_seal_facts(path: Path, series: SeriesKey) -> SegmentFacts:
    """What the header of a sealed day says it holds; checksums are not known.

    Raises:
        PermanentError: it is damaged or holds something else.
        ConfigurationError: it may not be read.
    """
    import zstandard

    try:
        with path.open("rb") as file:
            size = _content_bytes(file, path)
            header = _read_header(file, path)
            stored_bytes = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise DayMovedError("reading", f"{path} is gone") from None
    except OSError as error:
        raise storage_error("reading", path, error) from error
    except zstandard.ZstdError as error:
        raise _damaged(path, error) from error
    return _facts(header, path, series, size=size, stored_bytes=stored_bytes)


def read_seal(path: Path, series: SeriesKey) -> tuple[SegmentFacts, Records]:
    """The facts of a sealed day and its records, which nobody may change. Raises as `read_seal_facts` does."""
    import zstandard

    try:
        with path.open("rb") as file:
            _content_bytes(file, path)
            sealed = file.read()
        content = np.frombuffer(zstandard.ZstdDecompressor().decompress(sealed, allow_extra_data=False), np.uint8)
    except FileNotFoundError:
        raise DayMovedError("reading", f"{path} is gone") from None
    except OSError as error:
        raise storage_error("reading", path, error) from error
    except (zstandard.ZstdError, MemoryError) as error:
        raise _damaged(path, error) from error
    header = content[: header_bytes(content[:PREFIX_BYTES].tobytes())].tobytes()
    facts = _facts(header, path, series, size=len(content), stored_bytes=len(sealed))
    return facts, content[len(header) :].view(series.schema.dtype)


def _damaged(path: Path, error: Exception | str) -> PermanentError:
    return PermanentError("damaged segment", f"{path}: {error}", hint="restore the file from a copy")


def _content_bytes(file: BinaryIO, path: Path) -> int:
    import zstandard

    frame = zstandard.get_frame_parameters(file.read(32))
    file.seek(0)
    if not frame.has_checksum or not 0 < frame.content_size < 2**48:
        raise _damaged(path, "no seal of this program: it does not say how long it is or has no checksum")
    return int(frame.content_size)


def _read_header(file: BinaryIO, path: Path) -> bytes:
    import zstandard

    with zstandard.ZstdDecompressor().stream_reader(file, closefd=False) as stream:
        prefix: bytes = stream.read(PREFIX_BYTES)
        length = header_bytes(prefix)
        header = prefix + stream.read(max(length - PREFIX_BYTES, 0))
    if not length or len(header) != length:
        raise _damaged(path, "no whole header")
    return header


def _facts(header: bytes, path: Path, series: SeriesKey, *, size: int, stored_bytes: int) -> SegmentFacts:
    carried = read_facts(header, path, series) if header else {}
    rows, rest = divmod(size - len(header), series.schema.dtype.itemsize)
    if not header or rest or rows < 1 or not carried.keys() >= set(_CARRIED):
        raise _damaged(path, "no whole records, or no seal of this program")
    return SegmentFacts(
        rows=rows,
        stored_bytes=stored_bytes,
        first_id=carried.get(FIRST_ID[:-1], 0),
        checksum=UNKNOWN_CHECKSUM,
        generation=carried[GENERATION],
        first_ns=carried["first_ns"],
        last_ns=carried["last_ns"],
        last_id=carried["last_id"],
    )


@attrs.frozen
class Unsealed:
    """A sealed day, decompressed: its facts, its records, and whether these are in the order in which they are
    read."""

    facts: SegmentFacts
    records: Records
    ascending: bool


class SealedDays:
    """Sealed days that were read last, kept decompressed as long as they are no more than `limit_bytes` together.

    May be used by several threads, which then may decompress the same day twice.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[tuple[Path, int, int, int], Unsealed] = OrderedDict()
        self._guard = threading.Lock()
        self.kept_bytes = 0

    def get(self, path: Path, series: SeriesKey) -> Unsealed:
        """The sealed day at `path` as it is now. Raises as `read_seal` does."""
        key = _identity(path)
        with self._guard:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        facts, records = read_seal(path, series)
        made = Unsealed(facts, records, ascends(records, series.schema, by_id=bool(facts.first_id)))
        with self._guard:
            self._keep(key, made)
        return made

    def _keep(self, key: tuple[Path, int, int, int], made: Unsealed) -> None:
        if made.records.nbytes > self._limit_bytes:
            return
        self._kept[key] = made
        self.kept_bytes = sum(day.records.nbytes for day in self._kept.values())
        while self.kept_bytes > self._limit_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.kept_bytes -= oldest.records.nbytes


def _identity(path: Path) -> tuple[Path, int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise DayMovedError("reading", f"{path} is gone") from None
    except OSError as error:
        raise storage_error("reading", path, error) from error
    return path, found.st_ino, found.st_mtime_ns, found.st_size


def is_leftover(plain: SegmentFacts, seal: SegmentFacts) -> bool:
    """Whether a plain segment beside a seal is in it already."""
    return plain.generation <= seal.generation
