"""Packed days: chunks of records under zstd in a table of their own, each with its digest."""

from __future__ import annotations

import hashlib
from typing import Final

import attrs
import numpy as np
import zstandard

from core.errors import PermanentError
from core.model.records import Records, Schema
from core.store.postgres.encoding import big, number, small
from core.store.postgres.exchange import Exchange, Row
from core.store.repository import Ids

CHUNK_ROWS: Final = 250_000
_LEVEL: Final = 3
_IDENTITIES: Final = """
SELECT rows, identities FROM packed_data WHERE series_id = $1::integer AND day = date '1970-01-01' + $2::integer
ORDER BY chunk"""
_KEYS: Final = """
SELECT day - date '1970-01-01', chunk FROM packed_data
WHERE series_id = $1::integer AND last_ns >= $2::bigint AND first_ns < $3::bigint ORDER BY day, chunk"""
_CHUNK: Final = """
SELECT rows, records, identities, sha256 FROM packed_data
WHERE series_id = $1::integer AND day = date '1970-01-01' + $2::integer AND chunk = $3::integer"""
_IDENTITY: Final = np.dtype("<i8")


@attrs.frozen
class Chunk:
    """Records in the order in which they are read, with their identities."""

    records: Records
    identities: Ids


@attrs.frozen
class Packed:
    """A chunk as it is stored."""

    rows: int
    first_ns: int
    last_ns: int
    records: bytes
    identities: bytes
    sha256: bytes


def pack(chunk: Chunk) -> Packed:
    """A chunk (contiguous, of one row at least) under zstd; `sha256` is that of the records and the identities."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    records, identities = chunk.records.tobytes(), chunk.identities.astype(_IDENTITY).tobytes()
    return Packed(
        rows=len(chunk.records),
        first_ns=int(chunk.records["ts_event"][0]),
        last_ns=int(chunk.records["ts_event"][-1]),
        records=compressor.compress(records),
        identities=compressor.compress(identities),
        sha256=_digest(records, identities),
    )


def unpack(schema: Schema, *, rows: int, records: bytes, identities: bytes, sha256: bytes) -> Chunk:
    """What `pack` packed. Raises `PermanentError` if a bit of it is not what it was."""
    raw = _inflated(records, rows * schema.dtype.itemsize)
    keys = _inflated(identities, rows * _IDENTITY.itemsize)
    if _digest(raw, keys) != sha256:
        raise PermanentError("reading a packed day", "its checksum is wrong", hint="run: ringside --batch db verify")
    return Chunk(np.frombuffer(raw, schema.dtype), np.frombuffer(keys, _IDENTITY))


def _digest(records: bytes, identities: bytes) -> bytes:
    digest = hashlib.sha256(records)
    digest.update(identities)
    return digest.digest()


def _inflated(content: bytes, size_bytes: int) -> bytes:
    # The size is asked before, because a damaged frame may claim any.
    try:
        if zstandard.frame_content_size(content) == size_bytes:
            return zstandard.ZstdDecompressor().decompress(content)
    except zstandard.ZstdError:
        pass
    raise PermanentError("reading a packed day", "it is damaged", hint="run: ringside --batch db verify")


def packed_identities(exchange: Exchange, series_id: int, day: int) -> Ids:
    """The identities of a packed day. Raises `psycopg.Error`, or `PermanentError` when it is damaged."""
    rows = exchange.run(_IDENTITIES, [small(series_id), small(day)])
    parts = [_inflated(_held(content), number(count) * _IDENTITY.itemsize) for count, content in rows]
    return np.frombuffer(b"".join(parts), _IDENTITY)


def chunk_keys(exchange: Exchange, series_id: int, *, start_ns: int, end_ns: int) -> list[tuple[int, int]]:
    """The (day, chunk) that hold records of a series from `start_ns` up to `end_ns`, ascending."""
    rows = exchange.run(_KEYS, [small(series_id), big(start_ns), big(end_ns)])
    return [(number(day), number(chunk)) for day, chunk in rows]


def load_chunk(exchange: Exchange, series_id: int, schema: Schema, key: tuple[int, int]) -> Chunk:
    """One packed chunk. Raises `psycopg.Error`, or `PermanentError` when it is damaged."""
    found = exchange.run(_CHUNK, [small(series_id), small(key[0]), small(key[1])])
    return chunk_of(schema, found[0])


def chunk_of(schema: Schema, row: Row) -> Chunk:
    """The chunk in a row of rows, records, identities and sha256. Raises `PermanentError` when it is damaged."""
    rows, records, identities, sha256 = row
    return unpack(
        schema, rows=number(rows), records=_held(records), identities=_held(identities), sha256=_held(sha256)
    )


def _held(content: bytes | None) -> bytes:
    assert content is not None, "no such column is ever NULL"
    return content
