"""DBN files that come from elsewhere: the header, and the records as arrays by pages.

A file is hostile until checked: what is not a whole, valid file is an error in words.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path

from core.errors import NotFoundError, PermanentError
from core.model.records import Records
from core.store.dbnheader import FileHeader, HeaderError, decode_header
from core.store.dbnstream import PAGE_ROWS, DamagedError, DbnStream
from core.store.faults import storage_error


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
        self._finished = False
        self.read_bytes = 0
        try:
            self._stream = DbnStream(self._read)
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
        schema = self.header.schema
        try:
            yield from self._stream.pages(schema.dtype, rtype=schema.rtype, name=schema, rows=rows)
        except DamagedError as error:
            raise self._damaged(str(error)) from error
        self._finished = True

    def _header(self) -> FileHeader:
        try:
            return decode_header(self._stream.header())
        except (DamagedError, HeaderError) as error:
            raise self._damaged(str(error)) from error

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
