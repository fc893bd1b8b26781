"""Takes the tree out of the single file: parts that are archives themselves, each by a thread of its own."""

from __future__ import annotations

import io
import os
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from onefile.bootstrap.cache import CacheError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PART = "part-"
_HEADER_BYTES = 30
_CHUNK_BYTES = 1 << 18


class _Slice(io.RawIOBase):
    # A stretch of a file as a file of its own. Large buffers would cost more than all the rest: pages that are new.
    def __init__(self, path: Path, start: int, length: int) -> None:
        self._file, self._start, self._length, self._at = path.open("rb", buffering=0), start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._length)[whence]
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)[: max(self._length - self._at, 0)]
        read = os.preadv(self._file.fileno(), [view], self._start + self._at) if view else 0
        self._at += read
        return read

    def close(self) -> None:
        self._file.close()
        super().close()


def unpack(archive: Path, directory: Path) -> None:
    """Write what the parts of `archive` hold into `directory`.

    Raises:
        CacheError: the file is damaged.
        OSError: it cannot be read, or the tree cannot be written.
    """
    try:
        with ZipFile(archive) as outer, ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as threads:
            parts = [info for info in outer.infolist() if info.filename.startswith(PART)]
            places = [(_data_start(archive, info.header_offset), info.file_size) for info in parts]
            list(threads.map(partial(_unpack_part, archive, directory), places))
    except (BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        hint = "copy it here again, and compare its SHA-256"
        raise CacheError(f"{archive} is damaged: {error}", hint=hint) from error


def _data_start(archive: Path, header: int) -> int:
    # What is stored begins after a header whose last two fields are the lengths of a name and of something more.
    with archive.open("rb") as file:
        file.seek(header)
        found = file.read(_HEADER_BYTES)
    return header + _HEADER_BYTES + int.from_bytes(found[26:28], "little") + int.from_bytes(found[28:30], "little")


def _unpack_part(archive: Path, directory: Path, place: tuple[int, int]) -> None:
    made: set[str] = set()
    with _Slice(archive, *place) as part_file, ZipFile(io.BufferedReader(part_file, _CHUNK_BYTES)) as part:
        for entry in part.infolist():
            target = os.path.join(directory, entry.filename)  # noqa: PTH118 - some thousand times
            parent = os.path.dirname(target)  # noqa: PTH120
            if parent not in made:
                Path(parent).mkdir(parents=True, exist_ok=True)
                made.add(parent)
            with part.open(entry) as source, open(target, "wb", buffering=0) as file:  # noqa: PTH123
                shutil.copyfileobj(source, file, _CHUNK_BYTES)
