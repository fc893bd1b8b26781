"""DBN files that come from elsewhere: the header, and the records as arrays by pages.

A file is hostile until checked: its header and the memory that decompressing takes are bounded, and what is not a
whole, valid file is an error in words.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from core.errors import NotFoundError, PermanentError
from core.model.records import Records
from core.store.dbnheader import FileHeader, HeaderError, decode_header
from core.store.faults import storage_error
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


class DbnFile:
    """Opens the file at `path`, plain or under zstd, and reads its header. Close it, or use it in a `with`.

    Raises:
        NotFoundError: there is no such file.
        ConfigurationError: it may not be read.
        PermanentError: it is no DBN file of a schema that is stored here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise PermanentError("cannot read", f"{path} is not a regular file", hint="it is read twice")
            self._file = path.open("rb")
        except FileNotFoundError:
            raise NotFoundError("no such file", str(path)) from None
        except OSError as error:
            raise storage_error("reading", path, error) from error
        self._digest = hashlib.sha256()
        self._rest = bytearray()
        self._finished = False
        self.read_bytes = 0
        try:
            self._chunks = self._decompressed()
            self.header = self._header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> DbnFile:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """The digest of the whole file, once all pages were read."""
        assert self._finished
        return self._digest.hexdigest()

    def pages(self, rows: int = PAGE_ROWS) -> Iterator[Records]:
        """The records from first to last, at most `rows` at a time. Raises `PermanentError`, see the class."""
        dtype = self.header.schema.dtype
        page_bytes = rows * dtype.itemsize
        before = 0
        while self._fill(page_bytes) or len(self._rest) >= dtype.itemsize:
            whole = min(len(self._rest), page_bytes) // dtype.itemsize * dtype.itemsize
            page = np.frombuffer(bytes(self._rest[:whole]), dtype)
            del self._rest[:whole]
            self._check(page, before)
            before += len(page)
            yield page
        if self._rest:
            raise self._damaged(f"it ends in the middle of record {before + 1}")
        self._finished = True

    def _check(self, page: Records, before: int) -> None:
        schema = self.header.schema
        wrong = (page["length"] != schema.dtype.itemsize // 4) | (page["rtype"] != schema.rtype)
        if wrong.any():
            raise self._damaged(f"record {before + int(wrong.argmax()) + 1} is not one of {schema}")

    def _header(self) -> FileHeader:
        if not self._fill(PREFIX_BYTES) or self._rest[:3] != b"DBN":
            raise PermanentError("not a DBN file", str(self.path), hint="name a .dbn or .dbn.zst file")
        version = self._rest[3]
        length = PREFIX_BYTES + int.from_bytes(self._rest[4:8], "little")
        if not 1 <= version <= 3:
            raise PermanentError("cannot read", f"{self.path}: DBN version {version}", hint="1 to 3 can be read")
        if not _MIN_HEADER_BYTES <= length <= _MAX_HEADER_BYTES:
            raise self._damaged(f"its header claims {length} bytes")
        if not self._fill(length):
            raise self._damaged("it ends in its header")
        encoded = bytes(self._rest[:length])
        del self._rest[:length]
        return self._decoded(encoded)

    def _decoded(self, encoded: bytes) -> FileHeader:
        try:
            return decode_header(encoded)
        except HeaderError as error:
            raise self._damaged(str(error)) from error

    def _fill(self, size: int) -> bool:
        # Read on until `size` bytes are at hand; whether there are.
        while len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._rest += chunk
        return True

    def _decompressed(self) -> Iterator[bytes]:
        first = self._read(_READ_BYTES)
        if first[:4] != _ZSTD:
            while first:
                yield first
                first = self._read(_READ_BYTES)
            return
        yield from self._unzipped(first)

    def _unzipped(self, pending: bytes) -> Iterator[bytes]:
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        frame, made, begun = decompressor.decompressobj(), 0, False
        try:
            while pending or (pending := self._read(_READ_BYTES)):
                step, pending = pending[:_COMPRESSED_BYTES], pending[_COMPRESSED_BYTES:]
                chunk, begun = frame.decompress(step), True
                made += len(chunk)
                if made > _FREE_BYTES + self.read_bytes * _MAX_EXPANSION:
                    raise self._damaged("it expands beyond all measure")
                yield chunk
                if frame.eof:
                    pending = frame.unused_data + pending
                    frame, begun = decompressor.decompressobj(), False
        except zstandard.ZstdError as error:
            raise self._damaged(str(error)) from error
        if begun:
            raise self._damaged("its compressed data end too early")

    def _read(self, size: int) -> bytes:
        try:
            chunk = self._file.read(size)
        except OSError as error:
            raise storage_error("reading", self.path, error) from error
        self._digest.update(chunk)
        self.read_bytes += len(chunk)
        return chunk

    def _damaged(self, why: str) -> PermanentError:
        return PermanentError("cannot read", f"{self.path}: {why}")
