"""The bytes of a DBN file that comes from elsewhere, plain or under zstd: its encoded header, and its records.

They are hostile until checked: the header and the memory that decompressing takes are bounded, and what is not whole
and valid is an error in words, for whoever reads the file to say as its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from core.model.records import Records
from core.store.segment import PREFIX_BYTES

PAGE_ROWS: Final = 32_768

_MIN_HEADER_BYTES = PREFIX_BYTES + 120  # databento_dbn panics when one ends within its fixed part
_MAX_HEADER_BYTES = 16 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"
_READ_BYTES = 1 << 18
_COMPRESSED_BYTES = 4096  # zstd makes at most 128 KiB of 4 bytes, so this much bounds what one step makes
_MAX_WINDOW = 1 << 27
_FREE_BYTES = 64 << 20
_MAX_EXPANSION = 2000  # real market data reaches 20


class DamagedError(ValueError):
    """What was read is no DBN file, or a broken one; the text says why."""


class CutError(DamagedError):
    """It ends too early, as an interrupted copy does."""


class DbnStream:
    """Reads a file from its beginning with `read`, which gives at most as many bytes as asked and none at the end.

    Every method raises `DamagedError`, and whatever `read` raises.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._rest = bytearray()
        self._chunks = self._decompressed()

    def header(self) -> bytes:
        """The encoded header, of one of the versions 1 to 3. To be called first."""
        if not self._fill(1):
            raise CutError("it is empty")
        if not self._fill(PREFIX_BYTES) or self._rest[:3] != b"DBN":
            raise DamagedError("it is no DBN file")
        version = self._rest[3]
        length = PREFIX_BYTES + int.from_bytes(self._rest[4:PREFIX_BYTES], "little")
        if not 1 <= version <= 3:
            raise DamagedError(f"it is of DBN version {version}: 1 to 3 can be read")
        if not _MIN_HEADER_BYTES <= length <= _MAX_HEADER_BYTES:
            raise DamagedError(f"its header claims {length} bytes")
        if not self._fill(length):
            raise CutError("it ends in its header")
        return self._taken(length)

    def pages(self, dtype: np.dtype[np.void], *, rtype: int, name: str, rows: int) -> Iterator[Records]:
        """The records behind the header, at most `rows` at a time, each of `dtype` and with the number `rtype`; an
        error calls them `name`."""
        before = 0
        while self._fill(rows * dtype.itemsize) or len(self._rest) >= dtype.itemsize:
            whole = min(len(self._rest) // dtype.itemsize, rows)
            page = np.frombuffer(self._taken(whole * dtype.itemsize), dtype)
            wrong = (page["length"] != dtype.itemsize // 4) | (page["rtype"] != rtype)
            if wrong.any():
                raise DamagedError(f"record {before + int(wrong.argmax()) + 1} is not one of {name}")
            before += whole
            yield page
        if self._rest:
            raise CutError(f"it ends in the middle of record {before + 1}")

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken

    def _fill(self, size: int) -> bool:
        # Read on until `size` bytes are at hand; whether there are.
        while len(self._rest) < size and (chunk := next(self._chunks, None)) is not None:
            self._rest += chunk
        return len(self._rest) >= size

    def _decompressed(self) -> Iterator[bytes]:
        first = self._read(_READ_BYTES)
        if first[:4] == _ZSTD:
            yield from self._unzipped(first)
            return
        while first:
            yield first
            first = self._read(_READ_BYTES)

    def _unzipped(self, pending: bytes) -> Iterator[bytes]:
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        frame, taken, made, begun = decompressor.decompressobj(), 0, 0, False
        try:
            while pending or (pending := self._read(_READ_BYTES)):
                step, pending = pending[:_COMPRESSED_BYTES], pending[_COMPRESSED_BYTES:]
                chunk, begun = frame.decompress(step), True
                taken += len(step)
                made += len(chunk)
                if made > _FREE_BYTES + taken * _MAX_EXPANSION:
                    raise DamagedError("it expands beyond all measure")
                yield chunk
                if frame.eof:
                    pending = frame.unused_data + pending
                    taken -= len(frame.unused_data)
                    frame, begun = decompressor.decompressobj(), False
        except zstandard.ZstdError as error:
            raise DamagedError(str(error)) from error
        if begun:
            raise CutError("its compressed data end too early")
